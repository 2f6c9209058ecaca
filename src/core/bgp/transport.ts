/** What a peer's configuration asks of its TCP connections. */
import type { PeerConfig } from './config.ts'
import type { BgpOutput, ConnectionEnds, ConnectionId, Dial } from './io.ts'

/** How to connect to the peer. */
export function dialOf(peer: PeerConfig): Dial {
  const { address, port, ttl, sourceAddress, minTtl, password, authenticationOption } = peer
  const dial: Dial = { address, port, ttl }
  if (sourceAddress !== undefined) dial.sourceAddress = sourceAddress
  if (peer.interface !== undefined) dial.interface = peer.interface
  if (minTtl !== undefined) dial.minTtl = minTtl
  if (password !== undefined) dial.password = password
  if (authenticationOption !== undefined) dial.authenticationOption = authenticationOption
  return dial
}

/** Whether a connection that was accepted comes from the peer: a link-local address is one on each interface (RFC 4007 §6). */
export function comesFrom(peer: PeerConfig, ends: ConnectionEnds): boolean {
  if (peer.address !== ends.remoteAddress) return false
  return peer.interface === undefined || ends.interface === undefined || peer.interface === ends.interface
}

/** The same for a connection that was accepted, before anything is sent on it. */
export function ttlOf({ ttl, minTtl }: PeerConfig, connection: ConnectionId): BgpOutput {
  return { kind: 'setTtl', connection, ttl, ...(minTtl === undefined ? {} : { minTtl }) }
}
