/** Inputs and outputs of a node's speaker. Connection inputs and outputs are those of `core/bgp/io.ts`. */
import type { BgpEvent, BgpInput, ConnectionId, BgpOutput, ConnectionEnds } from '#core/bgp/io.ts'
import type { Address } from '#core/net/address.ts'
import type { Tap } from '#core/bgp/tap.ts'
import type { Snapshot } from '#core/schema/snapshot.ts'
import type { Listen } from './listen.ts'

export interface SpeakerConfig {
  /** Name of the Node that this speaker runs on. */
  node: string
  /** Dialects to obey beside the native resources: `cilium`. */
  dialects: string[]
  /** For jitter. */
  seed: number
  /**
   * There was a process before this one, and the machine went on forwarding: the instances of the first plan restart
   * gracefully (RFC 4724 §4.1). Absent: false.
   */
  restarted?: boolean
}

export type SpeakerInput =
  /** The cluster changed. */
  | { kind: 'snapshot'; snapshot: Snapshot }
  /** Somebody connected to the port that `instance` listens on. */
  | { kind: 'accepted'; instance: string; connection: ConnectionId; ends: ConnectionEnds }
  /** A router has advertised itself on an interface that `discover` asked for. */
  | { kind: 'discovered'; interface: string; address: Address }
  /** Nobody can be found there for now. The edge tries again by itself. */
  | { kind: 'discoveryFailed'; interface: string; reason: string }
  /** Of a neighbour of `instance`: as in `BgpInput`. */
  | { kind: 'unheard'; instance: string; address: Address; reason: string }
  /** A port could not be listened on, e.g. because another process has it. The edge tries again by itself. */
  | { kind: 'listenFailed'; instance: string; port: number; reason: string }
  | { kind: 'listening'; instance: string; port: number }
  /** A person wants it, of a peer of this instance. */
  | ({ instance: string } & Extract<BgpInput, { kind: 'command' }>)
  /** Validated ROA payloads for this instance came or went (RFC 6811 §2). */
  | ({ instance: string } & Extract<BgpInput, { kind: 'origins' }>)
  | Extract<
      BgpInput,
      { kind: 'dialed' | 'dialFailed' | 'received' | 'sendQueue' | 'closed' | 'shutdown' | 'tick' }
    >

export type SpeakerOutput =
  | Exclude<BgpOutput, { kind: 'event' | 'tap' }>
  /** Listen for this instance, on IPv4 and IPv6; replaces what it listened on before. */
  | { kind: 'listen'; instance: string; listen: Listen }
  | { kind: 'unlisten'; instance: string }
  /** Advertise this machine on these interfaces and find who else does; replaces those of before. */
  | { kind: 'discover'; interfaces: string[] }
  | { kind: 'event'; instance: string; event: BgpEvent }
  /** For stations and dumps. */
  | { kind: 'tap'; instance: string; tap: Tap }
  /** `nodeState` would now give something else: write it when convenient. */
  | { kind: 'stateChanged' }
