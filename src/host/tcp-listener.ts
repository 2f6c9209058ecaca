/** A listening port of Linux: one socket for each IP version, with keys that can be replaced while it listens. */
import net from 'node:net'
import { addressBits, versionOf, type Address, type IpVersion } from '#core/net/address.ts'
import { prefixOf } from '#core/net/prefix.ts'
import type { ListenHandlers, TcpListen, TcpListener, TcpMinTtl } from '#core/net/tcp.ts'
import { SystemError, libc } from './libc.ts'
import { filterInstructionsMax, minTtlFilter } from './packet-filter.ts'
import { boundPort, openListeningSocket, setFilter } from './socket-linux.ts'
import { rightSignature, watchSignatures } from './signature-watch.ts'
import { Connection, fdOf } from './tcp-connection.ts'
import { endsOf } from './tcp-ends.ts'
import { explain } from './tcp-errors.ts'
import { ListenerKeys } from './tcp-keys.ts'

/** Connections that the kernel completes before the process takes them: 100 peers may come at once. */
const backlog = 512

export function listen(options: TcpListen, handlers: ListenHandlers): TcpListener {
  let sockets: ListeningSocket[]
  try {
    sockets = openListeners(options)
  } catch (error) {
    const reason = explain(error, `port ${options.port}`, options.addresses?.join(' or '))
    process.nextTick(() => handlers.failed(reason))
    return { setPasswords() {}, setMinTtls() {}, close() {} }
  }
  let waiting = sockets.length
  let ended = false
  const keys = new ListenerKeys(sockets, (address, reason) => {
    if (!ended) handlers.passwordFailed(address, reason)
  })
  // First, while there is room: a key that finds none is told of.
  setMinTtls(sockets, options.minTtls ?? [])
  keys.replace(options.passwords)
  const unwatch = watchSignatures({
    concerns: ({ syn, ack, destinationPort }) =>
      syn && !ack && sockets.some(({ port }) => port === destinationPort),
    keysOf: (address) => keys.of(address),
    wrong: (address, reason) => handlers.wrongSignature?.(address, reason),
  })
  const end = () => {
    ended = true
    unwatch()
    for (const { server } of sockets) server.close()
  }
  for (const { server, fd, version, port } of sockets) {
    server.on('connection', (socket) => {
      const ends = endsOf(socket)
      // Gone again before it could be taken, or its key is not the one that was asked for, or no descriptor is left.
      const wanted = !ended && ends !== undefined && !keys.missing(ends.remoteAddress)
      const connection = wanted ? accepted(socket, version) : undefined
      if (ends === undefined || connection === undefined) {
        socket.on('error', ignoreReset)
        socket.resetAndDestroy()
        return
      }
      rightSignature(ends.remoteAddress)
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
    setMinTtls: (minTtls) => {
      if (!ended) setMinTtls(sockets, minTtls)
    },
    close: end,
  }
}

/**
 * Looks at TTLs already on the way to `accept`: else a stranger far away could have said everything that makes a session
 * before the accepted socket is told what to drop.
 */
function setMinTtls(sockets: readonly ListeningSocket[], minTtls: readonly TcpMinTtl[]): void {
  const prefixes = minTtls.map(({ address, prefixLength = addressBits(versionOf(address)), minTtl }) => ({
    prefix: prefixOf(address, prefixLength),
    minTtl,
  }))
  for (const { fd, version } of sockets) {
    for (let room = filterInstructionsMax; ; room >>= 1) {
      try {
        setFilter(fd, room === 0 ? [] : minTtlFilter(version, prefixes, room))
        break
      } catch (error) {
        // Keys and filter share net.core.optmem_max. Who finds no room is looked at from `accept` on, and so are all where
        // there are no filters.
        if (!(error instanceof SystemError)) throw error
        if (error.code !== 'ENOMEM') break
      }
    }
  }
}

interface ListeningSocket {
  server: net.Server
  fd: number
  version: IpVersion
  port: number
}

/** All of them or, by an exception, none. */
function openListeners({ port, addresses }: TcpListen): ListeningSocket[] {
  const opened: ListeningSocket[] = []
  const open = (version: IpVersion, address: Address) => {
    const fd = openListeningSocket(version, address, opened[0]?.port ?? port)
    opened.push({ server: net.createServer({ pauseOnConnect: true }), fd, version, port: boundPort(fd) })
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

/**
 * The same connection on a socket that reads as all others do, which a server's own sockets cannot be told to. `undefined`:
 * this process may open no more files.
 */
function accepted(socket: net.Socket, version: IpVersion): Connection | undefined {
  let fd: number
  try {
    fd = libc().dup(fdOf(socket))
  } catch (error) {
    if (error instanceof SystemError) return undefined
    throw error
  }
  const connection = new Connection(version, (onread) => {
    const options = { fd, onread, readable: true, writable: true, pauseOnCreate: true }
    return new net.Socket(options)
  })
  socket.destroy()
  connection.socket.setNoDelay(true)
  return connection
}

/** The peer may have reset a connection that is being dropped anyway. */
function ignoreReset(): void {}
