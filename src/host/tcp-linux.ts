/**
 * TCP on Linux. Sockets are made through the C library so that every option is set before the first packet, and then
 * given to Node, which does the reading, writing and waiting. `core/net/tcp.ts` is the contract.
 */
import net from 'node:net'
import os from 'node:os'
import { messageOf } from '#core/lib/error.ts'
import { isLinkLocal, versionOf, type Address } from '#core/net/address.ts'
import {
  md5KeyBytesMax,
  type ConnectionHandlers,
  type DialHandlers,
  type ListenHandlers,
  type Tcp,
  type TcpConnection,
  type TcpDial,
  type TcpEnds,
  type TcpListen,
  type TcpListener,
} from '#core/net/tcp.ts'
import { addressOfOtherVersion, linkLocalZone, parseSocketAddress } from './interfaces.ts'
import { SystemError, libc } from './libc.ts'
import { bindSocket, boundPort, openListeningSocket, openSocket, setMd5Key, setTtl } from './socket-linux.ts'

/** How long `close` waits for the other end to close too before it drops the connection. */
const lingerMs = 5_000
/** Connections that the kernel completes before the process takes them: 100 peers may come at once. */
const backlog = 512

/** Throws {@link UnsupportedHost} where there is no Linux or no koffi. */
export function linuxTcp(): Tcp {
  libc()
  return { dial, listen }
}

function dial(options: TcpDial, handlers: DialHandlers): TcpConnection {
  const where = `${options.address} port ${options.port}`
  let socket: net.Socket
  try {
    socket = startDial(options)
  } catch (error) {
    const reason = explain(error, where, options.sourceAddress)
    return failedConnection(() => handlers.failed(reason))
  }
  const connection = openConnection(socket, versionOf(options.address))
  let opened = false
  let failure = `no connection to ${where}`
  const wait = setTimeout(() => {
    // A wrong MD5 key shows as silence: the kernel drops the segments at both ends (RFC 2385 §2).
    const silence = options.password === undefined ? '' : ', or its MD5 password is another one'
    failure = `no answer from ${where} within ${options.timeoutMs / 1000} s${silence}`
    socket.destroy()
  }, options.timeoutMs)
  socket.on('error', (error) => (failure = explain(error, where, options.sourceAddress)))
  socket.once('close', () => {
    clearTimeout(wait)
    if (!opened && !connection.closed()) handlers.failed(failure)
  })
  socket.once('connect', () => {
    clearTimeout(wait)
    const ends = endsOf(socket)
    if (ends === undefined || connection.closed()) {
      socket.destroy()
      return
    }
    opened = true
    connection.attach(handlers)
    handlers.opened(ends)
  })
  return connection
}

/** The socket of a dial that has begun. Throws what the kernel refuses at once. */
function startDial(options: TcpDial): net.Socket {
  const { address, port } = options
  const zone = isLinkLocal(address) ? zoneOf(options) : undefined
  const fd = dialingSocket(options, zone)
  // Paused, or Node would begin to read before the socket is connected and fail with ENOTCONN.
  const socket = new net.Socket({ fd, readable: true, writable: true, pauseOnCreate: true } as SocketOptions)
  socket.setNoDelay(true)
  socket.connect({ host: zone === undefined ? address : `${address}%${zone}`, port })
  return socket
}

/** A socket with all options set, not connected. */
function dialingSocket(options: TcpDial, zone: string | undefined): number {
  const { address, sourceAddress, ttl, password } = options
  const version = versionOf(address)
  const fd = openSocket(version)
  try {
    setTtl(fd, version, ttl)
    if (password !== undefined) setMd5Key(fd, address, keyBytes(password))
    if (sourceAddress !== undefined) {
      const scope = zone !== undefined && isLinkLocal(sourceAddress) ? libc().ifNameToIndex(zone) : 0
      bindSocket(fd, sourceAddress, 0, scope)
    }
    return fd
  } catch (error) {
    libc().close(fd)
    throw error
  }
}

/** `pauseOnCreate` is documented for `net.createServer` alone, but is what it passes to `net.Socket`. */
type SocketOptions = net.SocketConstructorOpts & { pauseOnCreate: boolean }

function zoneOf({ address, sourceAddress, interface: named }: TcpDial): string {
  const zone = linkLocalZone(os.networkInterfaces(), named, sourceAddress)
  if (zone === undefined) throw new Refusal(`name the interface by which to reach the link-local ${address}`)
  if (libc().ifNameToIndex(zone) === 0) throw new Refusal(`there is no network interface ${zone}`)
  return zone
}

function listen(options: TcpListen, handlers: ListenHandlers): TcpListener {
  let sockets: ListeningSocket[]
  try {
    sockets = openListeners(options)
  } catch (error) {
    const reason = explain(error, `port ${options.port}`)
    process.nextTick(() => handlers.failed(reason))
    return { setPasswords() {}, close() {} }
  }
  const keys = md5Keys(sockets, handlers)
  keys.replace(options.passwords)
  let waiting = sockets.length
  let ended = false
  const end = () => {
    ended = true
    for (const { server } of sockets) server.close()
  }
  for (const { server, fd, version, port } of sockets) {
    server.on('connection', (socket) => {
      const ends = endsOf(socket)
      // Gone again before it could be taken, or its key is not the one that was asked for.
      if (ended || ends === undefined || keys.missing(ends.remoteAddress)) {
        socket.on('error', ignoreReset)
        socket.resetAndDestroy()
        return
      }
      socket.setNoDelay(true)
      const connection = openConnection(socket, version)
      connection.attach(handlers.accepted(connection, ends))
    })
    server.on('error', (error) => {
      if (ended) return
      end()
      handlers.failed(explain(error, `port ${options.port}`))
    })
    server.once('listening', () => {
      waiting--
      if (waiting === 0 && !ended) handlers.listening(port)
    })
    server.listen({ fd }, backlog)
  }
  return {
    setPasswords: (passwords) => {
      if (!ended) keys.replace(passwords)
    },
    close: end,
  }
}

interface ListeningSocket {
  server: net.Server
  fd: number
  version: 4 | 6
  port: number
}

/** All of them or, by an exception, none. */
function openListeners({ port, addresses }: TcpListen): ListeningSocket[] {
  const opened: ListeningSocket[] = []
  const open = (version: 4 | 6, address: Address) => {
    const fd = openListeningSocket(version, address, opened[0]?.port ?? port)
    opened.push({ server: net.createServer(), fd, version, port: boundPort(fd) })
  }
  try {
    if (addresses !== undefined) {
      for (const address of addresses) open(versionOf(address), address)
      return opened
    }
    open(4, '0.0.0.0' as Address)
    try {
      open(6, '::' as Address)
    } catch (error) {
      // A machine with IPv6 switched off still serves IPv4.
      const off = ['EAFNOSUPPORT', 'EADDRNOTAVAIL']
      if (!(error instanceof SystemError && off.includes(error.code))) throw error
    }
    return opened
  } catch (error) {
    for (const { fd } of opened) libc().close(fd)
    throw error
  }
}

/** The MD5 keys on a listener's sockets, and the neighbours whose key could not be set. */
function md5Keys(sockets: ListeningSocket[], handlers: ListenHandlers) {
  const set = new Map<Address, string>()
  const unset = new Set<Address>()
  const put = (address: Address, key: Uint8Array) => {
    for (const { fd, version } of sockets) if (version === versionOf(address)) setMd5Key(fd, address, key)
  }
  const replace = (passwords: { address: Address; password: string }[]) => {
    const wanted = new Map(passwords.map(({ address, password }) => [address, password]))
    for (const address of set.keys()) {
      if (wanted.has(address)) continue
      put(address, new Uint8Array())
      set.delete(address)
    }
    for (const address of unset) if (!wanted.has(address)) unset.delete(address)
    for (const [address, password] of wanted) {
      if (set.get(address) === password) continue
      try {
        put(address, keyBytes(password))
        set.set(address, password)
        unset.delete(address)
      } catch (error) {
        unset.add(address)
        const reason = explain(error, address)
        process.nextTick(() => handlers.passwordFailed(address, reason))
      }
    }
  }
  return { replace, missing: (address: Address) => unset.has(address) }
}

/** A connection around a socket; `attach` tells it whom to call once it is open. */
function openConnection(socket: net.Socket, version: 4 | 6) {
  let handlers: ConnectionHandlers | undefined
  let closed = false
  let failure: string | undefined
  socket.on('data', (bytes: Uint8Array) => handlers?.received(bytes))
  socket.on('error', (error) => (failure ??= explain(error)))
  socket.on('close', () => {
    const told = handlers
    handlers = undefined
    told?.closed(failure ?? 'the other end closed the connection')
  })
  return {
    attach(to: ConnectionHandlers) {
      if (!closed) handlers = to
      socket.resume()
    },
    closed: () => closed,
    send(bytes: Uint8Array) {
      if (!closed && socket.writable) socket.write(bytes)
    },
    close() {
      if (closed) return
      closed = true
      handlers = undefined
      if (socket.connecting) {
        socket.destroy()
        return
      }
      // Half-closed and read on until the other end closes: a socket that is closed with unread bytes sends a reset, and
      // the other end would lose the NOTIFICATION sent last.
      socket.end()
      socket.resume()
      const linger = setTimeout(() => socket.destroy(), lingerMs)
      linger.unref()
      socket.once('close', () => clearTimeout(linger))
    },
    setTtl(ttl: number) {
      const fd = fdOf(socket)
      if (fd >= 0) setTtl(fd, version, ttl)
    },
    get queuedBytes() {
      return socket.writableLength
    },
  }
}

/** A dial that failed before there was a socket. */
function failedConnection(tell: () => void): TcpConnection {
  let closed = false
  process.nextTick(() => {
    if (!closed) tell()
  })
  return {
    send() {},
    close: () => void (closed = true),
    setTtl() {},
    queuedBytes: 0,
  }
}

/** Not part of Node's public interface, but stable since its first versions. −1: closed. */
function fdOf(socket: net.Socket): number {
  return (socket as unknown as { _handle?: { fd?: number } | null })._handle?.fd ?? -1
}

function endsOf(socket: net.Socket): TcpEnds | undefined {
  const local = parseSocketAddress(socket.localAddress ?? '')
  const remote = parseSocketAddress(socket.remoteAddress ?? '')
  const { localPort, remotePort } = socket
  if (local === undefined || remote === undefined || localPort === undefined || remotePort === undefined) {
    return undefined
  }
  const ends: TcpEnds = {
    localAddress: local.address,
    localPort,
    remoteAddress: remote.address,
    remotePort,
  }
  const other = addressOfOtherVersion(os.networkInterfaces(), local.address, local.zone)
  return other === undefined ? ends : { ...ends, localAddressOtherVersion: other }
}

/** Refused by Herald itself; the message is for people. */
class Refusal extends Error {}

function keyBytes(password: string): Uint8Array {
  const bytes = new TextEncoder().encode(password)
  if (bytes.length === 0 || bytes.length > md5KeyBytesMax) {
    throw new Refusal(`an MD5 password has 1 to ${md5KeyBytesMax} bytes and this one has ${bytes.length}`)
  }
  return bytes
}

/** One sentence for people without a full stop. `where`: what was dialed or listened on; absent: an open connection. */
function explain(error: unknown, where?: string, source?: Address): string {
  if (error instanceof Refusal) return error.message
  const code = (error as { code?: unknown }).code
  switch (code) {
    case 'ECONNREFUSED':
      return `${where ?? 'the other end'} refused the connection: nothing listens there`
    case 'ECONNRESET':
      return where === undefined ? 'the other end reset the connection' : `${where} reset the connection`
    case 'EPIPE':
      return 'the other end closed the connection while bytes were on their way'
    case 'ETIMEDOUT':
      return `${where ?? 'the other end'} does not answer`
    case 'EHOSTUNREACH':
      return `${where ?? 'the other end'} cannot be reached: no neighbour or router answers for it`
    case 'ENETUNREACH':
      return `there is no route to ${where ?? 'the other end'}`
    case 'EADDRNOTAVAIL':
      return `this machine does not have the address ${source ?? where}`
    case 'EADDRINUSE':
      return `${where} is taken by another process`
    case 'EACCES':
    case 'EPERM':
      return `no permission for ${where}: ports below 1024 need root or CAP_NET_BIND_SERVICE`
    case 'ENOMEM':
      return `the kernel takes no more MD5 keys: raise net.core.optmem_max`
    case 'ENOPROTOOPT':
      return 'this kernel has no TCP MD5 signatures (CONFIG_TCP_MD5SIG)'
    default:
      return messageOf(error)
  }
}

/** The peer may have reset a connection that is being dropped anyway. */
function ignoreReset(): void {}
