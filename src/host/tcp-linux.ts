/**
 * TCP on Linux. Sockets are made through the C library so that every option is set before the first packet, and then
 * given to Node, which does the reading, writing and waiting. `core/net/tcp.ts` is the contract.
 */
import net from 'node:net'
import os from 'node:os'
import { isLinkLocal, versionOf } from '#core/net/address.ts'
import type { DialHandlers, Tcp, TcpConnection, TcpDial } from '#core/net/tcp.ts'
import { linkLocalZone } from './interfaces.ts'
import { kernelCount, minTtlCounters } from './kernel-counters.ts'
import { libc } from './libc.ts'
import { bindSocket, bindToInterface, openSocket, setMinTtl, setTtl } from './socket-linux.ts'
import { rightSignature, watchSignatures, wrongSignature } from './signature-watch.ts'
import { Connection } from './tcp-connection.ts'
import { endsOf } from './tcp-ends.ts'
import { Refusal, explain } from './tcp-errors.ts'
import { setDialKeys } from './tcp-keys.ts'
import { listen } from './tcp-listener.ts'

/** Throws {@link UnsupportedHost} where there is no Linux or no koffi. */
export function linuxTcp(): Tcp {
  libc()
  return { dial, listen }
}

function dial(options: TcpDial, handlers: DialHandlers): TcpConnection {
  const where = `${options.address} port ${options.port}`
  let connection: Connection
  try {
    connection = startDial(options)
  } catch (error) {
    const reason = explain(error, where, options.sourceAddress)
    return failedConnection(() => handlers.failed(reason))
  }
  const { socket } = connection
  const tooFarBefore = kernelCount(minTtlCounters)
  let opened = false
  let failure = `no connection to ${where}`
  const wait = setTimeout(() => {
    failure = `no answer from ${where} within ${options.timeoutMs / 1000} s${whySilent(options, tooFarBefore)}`
    socket.destroy()
  }, options.timeoutMs)
  socket.on('error', (error) => (failure = explain(error, where, options.sourceAddress)))
  const { address, port } = options
  const unwatch = watchSignatures({
    concerns: ({ syn, ack, source, sourcePort }) => syn && ack && source === address && sourcePort === port,
    keysOf: () => options,
  })
  socket.once('close', () => {
    clearTimeout(wait)
    unwatch()
    if (!opened && !connection.closed) handlers.failed(failure)
  })
  socket.once('connect', () => {
    clearTimeout(wait)
    unwatch()
    const ends = endsOf(socket)
    if (ends === undefined || connection.closed) {
      socket.destroy()
      return
    }
    opened = true
    rightSignature(address)
    connection.attach(handlers)
    handlers.opened(ends)
  })
  return connection
}

/** Segments with a wrong signature are dropped in silence, by whichever end (RFC 2385 §2). */
function whySilent(
  { address, password, authenticationOption, minTtl }: TcpDial,
  tooFarBefore: number,
): string {
  if (minTtl !== undefined && kernelCount(minTtlCounters) > tooFarBefore)
    return `: packets came with a TTL below ${minTtl} and were dropped (RFC 5082)`
  const wrong = wrongSignature(address)
  if (wrong !== undefined) return `: ${wrong}`
  if (password !== undefined) return ', or its MD5 password is another one'
  return authenticationOption === undefined ? '' : ', or its TCP-AO key is another one'
}

/** A dial that has begun. Throws what the kernel refuses at once. */
function startDial(options: TcpDial): Connection {
  const { address, port } = options
  const zone = isLinkLocal(address) ? zoneOf(options) : undefined
  const fd = dialingSocket(options, zone)
  // Paused, or Node would begin to read before the socket is connected and fail with ENOTCONN. `pauseOnCreate` is documented
  // for `net.createServer` alone, but is what that passes to `net.Socket`.
  const connection = new Connection(versionOf(address), (onread) => {
    const made = { fd, onread, readable: true, writable: true, pauseOnCreate: true }
    return new net.Socket(made)
  })
  connection.socket.setNoDelay(true)
  connection.socket.connect({ host: zone === undefined ? address : `${address}%${zone}`, port })
  return connection
}

/** A socket with all options set, not connected. */
function dialingSocket(options: TcpDial, zone: string | undefined): number {
  const { address, sourceAddress, ttl, minTtl, interface: named } = options
  const version = versionOf(address)
  const fd = openSocket(version)
  try {
    setTtl(fd, version, ttl)
    if (minTtl !== undefined) setMinTtl(fd, version, minTtl)
    setDialKeys(fd, address, options)
    const leaveBy = zone ?? named
    if (leaveBy !== undefined) bindToInterface(fd, interfaceCalled(leaveBy))
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

function zoneOf({ address, sourceAddress, interface: named }: TcpDial): string {
  const zone = linkLocalZone(os.networkInterfaces(), named, sourceAddress)
  if (zone === undefined) throw new Refusal(`name the interface by which to reach the link-local ${address}`)
  return zone
}

function interfaceCalled(name: string): string {
  if (libc().ifNameToIndex(name) === 0) throw new Refusal(`there is no network interface ${name}`)
  return name
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
