/**
 * TCP as a BGP speaker needs it: source address, TTL and keys set before the first packet leaves, and how much waits to be
 * sent. The contract only: the real one is `host/tcp-linux.ts`, the simulator's `sim/tcp.ts`, both under
 * `tests/contract/tcp.contract.ts`.
 */
import type { Address } from './address.ts'

/** Longest TCP MD5 key that Linux takes, in bytes (TCP_MD5SIG_MAXKEYLEN). */
export const md5KeyBytesMax = 80

/** Bytes that wait on a connection: above the first it is behind, and at most the second it has caught up. */
export const sendQueueHigh = 512 * 1024
export const sendQueueLow = 64 * 1024
/** Bytes of which none were taken for so long are stalled: they are told of after once to twice that. */
export const stalledMs = 1_000

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
  /** Packets with a lower TTL or hop limit are dropped, the answer to the first one too (RFC 5082 §3), 1..255. */
  minTtl?: number
  /** TCP MD5 key (RFC 2385), at most {@link md5KeyBytesMax} of UTF-8. */
  password?: string
  /** TCP-AO key (RFC 5925). The dial fails where the kernel knows none. */
  authenticationOption?: AuthenticationKey
  /** After this the dial has failed. */
  timeoutMs: number
}

export interface TcpListen {
  port: number
  /** Accept on these only; absent: on all addresses. */
  addresses?: Address[]
  passwords: TcpPassword[]
  /** Absent: none. */
  minTtls?: TcpMinTtl[]
}

/**
 * Packets that a neighbour, or a range of them, sends with a lower TTL or hop limit are dropped, the one that asks for a
 * connection too (RFC 5082 §3). The longest match of several counts.
 */
export interface TcpMinTtl {
  address: Address
  /** As in {@link TcpPassword}. */
  prefixLength?: number
  /** 1..255. */
  minTtl: number
}

/** What connections from a neighbour, or from a range of them, must be signed with: one of the two. */
export interface TcpPassword {
  address: Address
  /** The key is for all addresses that begin with so many bits of `address`; absent: for it alone. */
  prefixLength?: number
  /** TCP MD5 key (RFC 2385), at most {@link md5KeyBytesMax} of UTF-8. The longest match of several counts. */
  password?: string
  /** TCP-AO key (RFC 5925). */
  authenticationOption?: AuthenticationKey
}

/** RFC 5925 §3.1 Master Key Tuple, with one identifier for both directions; algorithms as in RFC 5926 §3. */
export interface AuthenticationKey {
  /** 0..255. */
  keyId: number
  algorithm: 'hmac-sha-1-96' | 'aes-128-cmac-96'
  /** 1..80 bytes of UTF-8. */
  key: string
}

export interface TcpEnds {
  localAddress: Address
  localPort: number
  remoteAddress: Address
  remotePort: number
  /** An address of the other IP version on the interface that has the local address; not a link-local one. */
  localAddressOtherVersion?: Address
  /** The interface's link-local address, if the other end is in one subnet with the local address. */
  localLinkLocal?: Address
  /** Of a connection between link-local addresses: the local interface. */
  interface?: string
}

export interface ConnectionHandlers {
  /** Bytes in any cut. The receiver may keep the array. */
  received(bytes: Uint8Array): void
  /**
   * So many bytes wait to be taken by the kernel. Told when they have become more than {@link sendQueueHigh} or, however few,
   * have stalled ({@link stalledMs}); then at every progress, until they are at most {@link sendQueueLow}. Never called inside
   * `send`. `stalled`: nothing was taken since the last time, or for {@link stalledMs}.
   */
  sendQueue?(bytes: number, stalled: boolean): void
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
   * The key for this neighbour could not be set; its connections are dropped until `setPasswords` sets one or leaves it
   * out. The listener goes on.
   */
  passwordFailed(address: Address, reason: string): void
  /**
   * Somebody at this address asks for a connection, and the request is dropped because of how it is signed: by another key,
   * without one, or with one that is not known. Told now and then while it goes on, where the machine can find out.
   */
  wrongSignature?(address: Address, reason: string): void
  /** A connection came. The handlers given back are its own. */
  accepted(connection: TcpConnection, ends: TcpEnds): ConnectionHandlers
}

export interface TcpConnection {
  /** What is sent in one turn leaves together. Arrays are not copied before that: nobody changes them any more. */
  send(bytes: Uint8Array): void
  /** Ends the connection after what was sent has gone out. No handler is called any more. */
  close(): void
  /**
   * IP TTL or hop limit of packets sent (of an accepted connection: 255 until this says another), and the least that is
   * accepted from now on; absent: any.
   */
  setTtl(ttl: number, minTtl?: number): void
  /** Bytes sent and not yet taken by the kernel. */
  readonly queuedBytes: number
}

export interface TcpListener {
  /** Replaces the keys without closing the sockets. Connections that are open keep theirs. */
  setPasswords(passwords: TcpPassword[]): void
  /** Replaces the least TTLs for connections to come. */
  setMinTtls(minTtls: TcpMinTtl[]): void
  close(): void
}
