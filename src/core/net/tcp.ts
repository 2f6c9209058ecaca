/**
 * TCP as a BGP speaker needs it: source address, TTL and MD5 keys set before the first packet leaves. The contract only:
 * the real one is `host/tcp-linux.ts`, the simulator's `sim/tcp.ts`, both under `tests/contract/tcp.contract.ts`.
 */
import type { Address } from './address.ts'

/** Longest TCP MD5 key that Linux takes, in bytes (TCP_MD5SIG_MAXKEYLEN). */
export const md5KeyBytesMax = 80

export interface Tcp {
  /** Opens a connection. Never throws: a failure of any kind arrives at `handlers.failed`. */
  dial(options: TcpDial, handlers: DialHandlers): TcpConnection
  /** Listens on both IP versions (two sockets). Fails by `handlers.failed`, e.g. when the port is taken. */
  listen(options: TcpListen, handlers: ListenHandlers): TcpListener
}

export interface TcpDial {
  address: Address
  port: number
  sourceAddress?: Address
  /** Name of the interface to leave by: needed for a link-local address when there is more than one. */
  interface?: string
  /** IP TTL or hop limit of packets sent, 1..255. */
  ttl: number
  /** TCP MD5 key (RFC 2385), at most {@link md5KeyBytesMax} of UTF-8. */
  password?: string
  /** After this the dial has failed. */
  timeoutMs: number
}

export interface TcpListen {
  port: number
  /** Accept on these only; absent: on all addresses. */
  addresses?: Address[]
  passwords: { address: Address; password: string }[]
}

export interface TcpEnds {
  localAddress: Address
  localPort: number
  remoteAddress: Address
  remotePort: number
  /** An address of the other IP version on the interface that has the local address; not a link-local one. */
  localAddressOtherVersion?: Address
}

export interface ConnectionHandlers {
  /** Bytes in any cut. The receiver may keep the array. */
  received(bytes: Uint8Array): void
  /** The connection ended otherwise than by an own `close`. Called once; nothing follows. */
  closed(reason: string): void
}

export interface DialHandlers extends ConnectionHandlers {
  opened(ends: TcpEnds): void
  /** Instead of `opened`. */
  failed(reason: string): void
}

export interface ListenHandlers {
  listening(port: number): void
  failed(reason: string): void
  /**
   * The MD5 key for this neighbour could not be set; its connections are dropped until `setPasswords` sets one or leaves
   * it out. The listener goes on.
   */
  passwordFailed(address: Address, reason: string): void
  /** A connection came. The handlers given back are its own. */
  accepted(connection: TcpConnection, ends: TcpEnds): ConnectionHandlers
}

export interface TcpConnection {
  /** The caller no longer changes the array. */
  send(bytes: Uint8Array): void
  /** Ends the connection after what was sent has gone out. No handler is called any more. */
  close(): void
  /** IP TTL or hop limit of packets sent. */
  setTtl(ttl: number): void
  /** Bytes sent and not yet taken by the kernel. */
  readonly queuedBytes: number
}

export interface TcpListener {
  /** Replaces the MD5 keys without closing the sockets. */
  setPasswords(passwords: { address: Address; password: string }[]): void
  close(): void
}
