/**
 * What monitoring stations (RFC 7854) and dumps (RFC 6396) see of a speaker: its sessions and their messages as bytes, and
 * which best paths changed. Nothing of it is made unless `InstanceConfig.taps` asks for it; what tables hold is asked for by
 * the speaker's queries.
 */
import type { Address } from '#core/net/address.ts'
import type { Prefix } from '#core/net/prefix.ts'
import type { Family } from './family.ts'
import type { ConnectionEnds } from './io.ts'

export type Tap =
  | { kind: 'up'; session: TappedSession }
  /** `notification`: the whole message that ended it, if one did, and which way it went. */
  | {
      kind: 'down'
      peer: string
      direction: 'sent' | 'received' | 'local'
      notification?: Uint8Array
    }
  /** A whole message of an established session. The bytes may be a view of a chunk: copy what is kept. */
  | { kind: 'received' | 'sent'; peer: string; bytes: Uint8Array }
  /** Prefixes whose best path changed; the loc-rib has the new ones already. */
  | { kind: 'best'; prefixes: Prefix[] }
  /** Policies or validated origins changed: what import policy lets in may be other than before. */
  | { kind: 'reevaluated' }

/** An established session. */
export interface TappedSession {
  /** Name of the peer. */
  peer: string
  /** The neighbour's. */
  asn: number
  routerId: Address
  localAsn: number
  ends: ConnectionEnds
  families: readonly Family[]
  /** How UPDATEs are to be read and written. */
  fourOctetAsn: boolean
  addPathReceive: readonly Family[]
  addPathSend: readonly Family[]
  /** Time at which it came up, in ms. */
  since: number
  /** Both OPENs as whole messages. */
  sentOpen: Uint8Array
  receivedOpen: Uint8Array
}
