/** What one speaker consists of: its parts, and what the call in progress leads to. */
import type { Prng } from '#core/lib/prng.ts'
import type { Prefix } from '#core/net/prefix.ts'
import type { InstanceConfig } from './config.ts'
import type { BgpEvent, BgpOutput, ConnectionId } from './io.ts'
import type { Neighbour } from './neighbour.ts'
import { Policies } from './policy/policies.ts'
import { OriginValidation } from './policy/validation.ts'
import type { Restarter } from './restarter.ts'
import type { DecodeKind, Ingest } from './rib/ingest.ts'
import type { Rib } from './rib/rib.ts'
import type { Tap } from './tap.ts'
import type { Framer } from './wire/framer.ts'

/** Gives out numbers for connections that are dialed: shared by all instances of a process, so that none is used twice. */
export interface ConnectionNumbers {
  /** The next one that nobody has had, at least 1. */
  next: ConnectionId
}

/** A connection of a neighbour. */
export interface Link {
  neighbour: Neighbour
  framer: Framer
  /** While its session is established: how its UPDATEs are to be read. */
  kind?: DecodeKind
  /** OPENs as whole messages. */
  sentOpen?: Uint8Array
  receivedOpen?: Uint8Array
}

/** All that one speaker is at a moment. Only the functions of this folder's files change it, in one call of `handle` at a time. */
export interface BgpState {
  readonly random: Prng
  readonly numbers: ConnectionNumbers
  /** By name of the peer. */
  readonly neighbours: Map<string, Neighbour>
  /** Connections that are open or being opened. */
  readonly links: Map<ConnectionId, Link>
  readonly validation: OriginValidation
  readonly policies: Policies
  config: InstanceConfig | undefined
  rib: Rib | undefined
  ingest: Ingest | undefined
  /** While routes are not passed on yet after a restart. */
  restarter: Restarter | undefined
  shutDown: boolean
  /** No neighbour wants a step before: a deadline that has moved on since makes it early, never late. */
  wakeAt: number
  /** What the call in progress leads to. */
  outputs: BgpOutput[]
  now: number
  /** The whole message that is being taken in. */
  message: Uint8Array | undefined
  /** Neighbours by their place in the RIB. */
  readonly bySlot: (Neighbour | undefined)[]
  /** Those that were sent UPDATEs in this call. */
  readonly told: Set<Neighbour>
  bestChanges: number
  changedPrefixes: Prefix[]
}

/** A speaker that was not told anything yet. */
export function newState(random: Prng, numbers: ConnectionNumbers): BgpState {
  const validation = new OriginValidation()
  return {
    random,
    numbers,
    neighbours: new Map<string, Neighbour>(),
    links: new Map<ConnectionId, Link>(),
    validation,
    policies: new Policies(validation.origins),
    config: undefined,
    rib: undefined,
    ingest: undefined,
    restarter: undefined,
    shutDown: false,
    wakeAt: Infinity,
    outputs: [],
    now: 0,
    message: undefined,
    bySlot: [],
    told: new Set<Neighbour>(),
    bestChanges: 0,
    changedPrefixes: [],
  }
}

/** Tells whoever keeps logs and metrics. */
export function tell(bgp: BgpState, event: BgpEvent): void {
  bgp.outputs.push({ kind: 'event', event })
}

/** Shows it to monitoring stations and dumps; asked for by `InstanceConfig.taps`. */
export function showTap(bgp: BgpState, tap: Tap): void {
  bgp.outputs.push({ kind: 'tap', tap })
}
