/**
 * What a session is at a moment. RFC 4271 §6.8 gives each connection a state machine of its own; a neighbour has at most one
 * in each direction here, and of an established session at most one rival, so that collisions are resolved by looking at
 * one value.
 */
import type { ConnectionEnds, ConnectionId, SessionState } from '../io.ts'
import type { Capabilities } from '../wire/message.ts'
import type { Negotiated } from './io.ts'

/** Timers are deadlines in the state (`…At`, ms; `Infinity`: not running): none can fire stale. */
export type Session = Idle | Connecting | Established

/** Refuses connections (RFC 4271 §8.2.2). */
export interface Idle {
  kind: 'idle'
  backoff: Backoff
  /** IdleHoldTimer. Infinity: stopped, until `start`. */
  startAt: number
}

/** Connect, Active, OpenSent and OpenConfirm: as far as its further connection is. */
export interface Connecting {
  kind: 'connecting'
  backoff: Backoff
  outbound: Waiting | Dialing | Opening
  inbound?: Opening
}

export interface Established {
  kind: 'established'
  backoff: Backoff
  connection: ConnectionId
  direction: Direction
  negotiated: Negotiated
  /** Time at which it came up. */
  since: number
  holdAt: number
  keepaliveAt: number
  /** SendHoldTimer (RFC 9687 §4.3): runs while bytes wait for the neighbour and it takes none. */
  sendHoldAt: number
  /** Another connection, on which no OPEN has come yet (RFC 4271 §8.2.2, Established, event 16). */
  rival?: { direction: Direction; opening: OpenSent }
}

/** Who opened a connection: `outbound`, this side. */
export type Direction = 'outbound' | 'inbound'

/** RFC 4271 §8.2.2 Active: listening. Infinity while the other direction's connection is open, and when passive. */
export interface Waiting {
  kind: 'waiting'
  connectRetryAt: number
}

/** RFC 4271 §8.2.2 Connect. */
export interface Dialing {
  kind: 'dialing'
  connection: ConnectionId
  connectRetryAt: number
}

export type Opening = Delayed | OpenSent | OpenConfirm

/** Connect or Active with the DelayOpenTimer running (RFC 4271 §8.1.1): the neighbour's OPEN may come first. */
export interface Delayed {
  kind: 'delayed'
  connection: ConnectionId
  ends: ConnectionEnds
  openAt: number
}

export interface OpenSent {
  kind: 'openSent'
  connection: ConnectionId
  ends: ConnectionEnds
  /** What the own OPEN said. */
  offered: Capabilities
  holdAt: number
}

export interface OpenConfirm {
  kind: 'openConfirm'
  connection: ConnectionId
  negotiated: Negotiated
  holdAt: number
  keepaliveAt: number
}

/** RFC 4271 §8.1.1 ConnectRetryCounter and DampPeerOscillations. */
export interface Backoff {
  /** Attempts in a row that failed, since the last session. */
  failures: number
  /** Sessions in a row that fell soon after they came up. */
  flaps: number
  /** The neighbour refused an OPEN because of its optional parameters: the next one has none (RFC 5492 §3). */
  plain: boolean
}

const noBackoff: Backoff = { failures: 0, flaps: 0, plain: false }

/** Stopped. */
export const initialSession: Session = { kind: 'idle', backoff: noBackoff, startAt: Infinity }

/** The state that RFC 4271 §8.2.2 would call it. */
export function sessionState(session: Session): SessionState {
  if (session.kind !== 'connecting') return session.kind
  const kinds = [session.outbound.kind, session.inbound?.kind]
  if (kinds.includes('openConfirm')) return 'openConfirm'
  if (kinds.includes('openSent')) return 'openSent'
  // RFC 4271 §8.2.2: a connection whose OPEN is delayed is still in the state that it was opened in.
  return session.outbound.kind === 'waiting' ? 'active' : 'connect'
}

/** Time at which the session wants a step (any input will do); Infinity: none. */
export function nextDeadline(session: Session): number {
  switch (session.kind) {
    case 'idle':
      return session.startAt
    case 'connecting':
      return Math.min(
        laneDeadline(session.outbound),
        session.inbound === undefined ? Infinity : laneDeadline(session.inbound),
      )
    case 'established':
      return Math.min(
        session.holdAt,
        session.keepaliveAt,
        session.sendHoldAt,
        session.rival?.opening.holdAt ?? Infinity,
      )
  }
}

function laneDeadline(lane: Waiting | Dialing | Opening): number {
  switch (lane.kind) {
    case 'waiting':
    case 'dialing':
      return lane.connectRetryAt
    case 'delayed':
      return lane.openAt
    case 'openSent':
      return lane.holdAt
    case 'openConfirm':
      return Math.min(lane.holdAt, lane.keepaliveAt)
  }
}
