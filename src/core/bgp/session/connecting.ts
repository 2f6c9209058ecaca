/** Connect, Active, OpenSent and OpenConfirm (RFC 4271 §8.2.2), for up to one connection in each direction. */
import type { ConnectionEnds, ConnectionId } from '../io.ts'
import type { Message, MessageError, Open } from '../wire/message.ts'
import { ceaseSubcode, notificationOf } from '../wire/notification.ts'
import type { ConnectionInput, Ending, SessionInput, Stop } from './io.ts'
import { collisionWinner, negotiate } from './open.ts'
import {
  ceaseOf,
  close,
  closeCollided,
  endingByConnection,
  endingByError,
  endingByReceived,
  endingBySent,
  holdExpired,
  notify,
  sendKeepalive,
  sendOpen,
  unexpected,
  type Run,
} from './run.ts'
import {
  initialSession,
  type Backoff,
  type Connecting,
  type Delayed,
  type Dialing,
  type Direction,
  type OpenConfirm,
  type Opening,
  type OpenSent,
  type Waiting,
} from './state.ts'
import { dialTimeoutAt, holdAt, idleHoldAt, keepaliveAt, retryAt } from './timers.ts'

/** Out of Idle (RFC 4271 §8.2.2, Idle, events 1 and 3 to 7): dial, or wait for the neighbour to. */
export function begin(run: Run, backoff: Backoff): void {
  const outbound: Waiting | Dialing = run.config.passive
    ? { kind: 'waiting', connectRetryAt: Infinity }
    : dial(run)
  run.session = { kind: 'connecting', backoff, outbound }
}

/** Inputs about connections that this session has given up are ignored. */
export function stepConnecting(run: Run, session: Connecting, input: SessionInput): void {
  switch (input.kind) {
    case 'start':
    case 'updateSent':
    case 'updatesTaken':
    case 'sendQueue':
    case 'tick':
      return
    case 'stop':
      return stop(run, session, input)
    case 'dialed': {
      const { outbound } = session
      if (outbound.kind !== 'dialing' || outbound.connection !== input.connection) return
      run.session = { ...session, outbound: connected(run, input.connection, input.ends) }
      return
    }
    case 'dialFailed':
      return dialFailed(run, session, input.connection, input.reason)
    case 'accepted': {
      // Two connections from the neighbour: it has given up the earlier one.
      if (session.inbound?.kind === 'delayed') close(run, session.inbound.connection)
      else if (session.inbound !== undefined) closeCollided(run, session.inbound.connection)
      const { outbound } = session
      run.session = {
        ...session,
        outbound: outbound.kind === 'waiting' ? { kind: 'waiting', connectRetryAt: Infinity } : outbound,
        inbound: connected(run, input.connection, input.ends),
      }
      return
    }
    case 'received':
    case 'malformed':
    case 'closed': {
      const found = openingOf(session, input.connection)
      if (found === undefined) return
      const { direction, opening } = found
      if (opening.kind === 'delayed') stepDelayed(run, session, direction, opening, input)
      else if (opening.kind === 'openSent') stepOpenSent(run, session, direction, opening, input)
      else stepOpenConfirm(run, session, direction, opening, input)
    }
  }
}

/** Events 16 and 17, with and without DelayOpen. */
function connected(run: Run, connection: ConnectionId, ends: ConnectionEnds): Delayed | OpenSent {
  const { delayOpenSeconds = 0 } = run.config
  if (delayOpenSeconds === 0) return sendOpen(run, connection, ends)
  return { kind: 'delayed', connection, ends, openAt: run.context.now + 1000 * delayOpenSeconds }
}

/** §8.2.2, Connect and Active with the DelayOpenTimer running. No OPEN was sent, so no NOTIFICATION is either. */
function stepDelayed(
  run: Run,
  session: Connecting,
  direction: Direction,
  delayed: Delayed,
  input: ConnectionInput,
): void {
  if (input.kind === 'closed')
    return drop(run, session, direction, endingByConnection(`connection closed: ${input.reason}`), 'active')
  if (input.kind === 'received' && input.message.kind === 'open') {
    // Event 20: the own OPEN goes out at once.
    const opening = sendOpen(run, delayed.connection, delayed.ends)
    return opened(run, withLane(session, direction, opening), direction, opening, input.message)
  }
  close(run, delayed.connection)
  if (input.kind === 'malformed')
    return drop(run, session, direction, endingByConnection(`got ${input.error.message}`), 'idle')
  const { message } = input
  const ending =
    message.kind === 'notification'
      ? endingByReceived(message)
      : endingByConnection(unexpected(1, message.kind).message)
  drop(run, session, direction, ending, 'idle')
}

function stepOpenSent(
  run: Run,
  session: Connecting,
  direction: Direction,
  opening: OpenSent,
  input: ConnectionInput,
): void {
  if (input.kind === 'closed') {
    // Event 18: on to Active, where the neighbour may come back at once.
    return drop(run, session, direction, endingByConnection(`connection closed: ${input.reason}`), 'active')
  }
  const answer = input.kind === 'malformed' ? faultIn(1, input.error) : stepOpenSentMessage(input.message)
  switch (answer.kind) {
    case 'refuse':
      return refuse(run, session, direction, answer.error)
    case 'notified':
      close(run, opening.connection)
      return drop(run, session, direction, answer.ending, 'idle')
    case 'opened':
      return opened(run, session, direction, opening, answer.open)
  }
}

type Answer =
  | { kind: 'refuse'; error: MessageError }
  | { kind: 'notified'; ending: Ending }
  | { kind: 'opened'; open: Open }

function stepOpenSentMessage(message: Message): Answer {
  if (message.kind === 'open') return { kind: 'opened', open: message }
  // §6.4: a NOTIFICATION is never answered with another (§8.2.2 would have one for event 25).
  if (message.kind === 'notification') return { kind: 'notified', ending: endingByReceived(message) }
  return { kind: 'refuse', error: unexpected(1, message.kind) }
}

/** Event 19. */
function opened(run: Run, session: Connecting, direction: Direction, opening: OpenSent, open: Open): void {
  const negotiated = negotiate(run.config, opening.offered, open, opening.ends)
  if (!negotiated.ok) return refuse(run, session, direction, negotiated.error)
  const other = direction === 'outbound' ? session.inbound : session.outbound
  // §6.8: the other connection counts from OpenConfirm on. Earlier, it will find this one when its OPEN comes.
  if (other?.kind === 'openConfirm') {
    if (collisionWinner(run.config, negotiated.value) !== direction) {
      closeCollided(run, opening.connection)
      run.session = without(session, direction)
      return
    }
    closeCollided(run, other.connection)
    run.session = without(session, direction === 'outbound' ? 'inbound' : 'outbound')
  }
  const confirm = confirmed(run, opening.connection, negotiated.value)
  const left = run.session.kind === 'connecting' ? run.session : session
  run.session = withLane(left, direction, confirm)
}

function withLane(session: Connecting, direction: Direction, opening: Opening): Connecting {
  return direction === 'outbound' ? { ...session, outbound: opening } : { ...session, inbound: opening }
}

/** A good OPEN is answered by KEEPALIVE, and the negotiated timers run. */
export function confirmed(
  run: Run,
  connection: ConnectionId,
  negotiated: OpenConfirm['negotiated'],
): OpenConfirm {
  sendKeepalive(run, connection)
  const { now } = run.context
  return {
    kind: 'openConfirm',
    connection,
    negotiated,
    holdAt: holdAt(negotiated, now),
    keepaliveAt: keepaliveAt(negotiated, run.context),
  }
}

function stepOpenConfirm(
  run: Run,
  session: Connecting,
  direction: Direction,
  opening: OpenConfirm,
  input: ConnectionInput,
): void {
  if (input.kind === 'closed')
    return drop(run, session, direction, endingByConnection(`connection closed: ${input.reason}`), 'idle')
  if (input.kind === 'malformed') return refuse(run, session, direction, faultIn(2, input.error).error)
  const { message } = input
  switch (message.kind) {
    case 'keepalive':
      return establish(run, session, direction, opening)
    case 'notification':
      close(run, opening.connection)
      return drop(run, session, direction, endingByReceived(message), 'idle')
    case 'open':
    case 'update':
    case 'routeRefresh':
      return refuse(run, session, direction, unexpected(2, message.kind))
  }
}

/** Event 26. */
function establish(run: Run, session: Connecting, direction: Direction, opening: OpenConfirm): void {
  const { connection, negotiated } = opening
  run.outputs.push({ kind: 'up', connection, negotiated })
  const other = direction === 'outbound' ? session.inbound : session.outbound
  if (other?.kind === 'dialing' || other?.kind === 'delayed') close(run, other.connection)
  run.session = {
    kind: 'established',
    backoff: { ...session.backoff, failures: 0 },
    connection,
    direction,
    negotiated,
    since: run.context.now,
    holdAt: holdAt(negotiated, run.context.now),
    keepaliveAt: opening.keepaliveAt,
    sendHoldAt: Infinity,
  }
  if (other?.kind === 'openSent')
    run.session.rival = { direction: direction === 'outbound' ? 'inbound' : 'outbound', opening: other }
}

/** ConnectRetryTimer, HoldTimer and KeepaliveTimer of each direction (RFC 4271 §8.2.2, events 9 to 11). */
export function tickConnecting(run: Run, session: Connecting): void {
  const { now } = run.context
  const { outbound } = session
  if ((outbound.kind === 'waiting' || outbound.kind === 'dialing') && now >= outbound.connectRetryAt) {
    // Event 9, ConnectRetryTimer_Expires, in Connect and Active.
    let { backoff } = session
    if (outbound.kind === 'dialing') {
      close(run, outbound.connection)
      backoff = failedOnce(backoff)
      run.outputs.push({ kind: 'failed', ending: endingByConnection('no answer to the connection request') })
    }
    run.session = { ...session, backoff, outbound: dial(run) }
  }
  for (const direction of ['outbound', 'inbound'] as const) {
    const current = run.session
    if (current.kind !== 'connecting') return
    const opening = current[direction]
    if (opening?.kind === 'delayed' && now >= opening.openAt)
      // Event 12, DelayOpenTimer_Expires.
      run.session = withLane(current, direction, sendOpen(run, opening.connection, opening.ends))
    else if (opening?.kind === 'openSent' || opening?.kind === 'openConfirm')
      tickOpening(run, current, direction, opening)
  }
}

function tickOpening(
  run: Run,
  session: Connecting,
  direction: Direction,
  opening: OpenSent | OpenConfirm,
): void {
  const { now } = run.context
  if (now >= opening.holdAt) {
    // Event 10.
    notify(run, opening.connection, holdExpired)
    return drop(run, session, direction, endingBySent(holdExpired), 'idle')
  }
  if (opening.kind !== 'openConfirm' || now < opening.keepaliveAt) return
  // Event 11.
  sendKeepalive(run, opening.connection)
  const next: OpenConfirm = { ...opening, keepaliveAt: keepaliveAt(opening.negotiated, run.context) }
  run.session = withLane(session, direction, next)
}

function dial(run: Run): Dialing {
  const connection = run.context.nextConnection
  run.outputs.push({ kind: 'dial', connection })
  return { kind: 'dialing', connection, connectRetryAt: dialTimeoutAt(run.config.timers, run.context) }
}

/**
 * Deviation from RFC 4271 §8.2.2 (Connect, event 18): on to Active, not Idle, so that the neighbour may connect meanwhile.
 */
function dialFailed(run: Run, session: Connecting, connection: ConnectionId, reason: string): void {
  const { outbound } = session
  if (outbound.kind !== 'dialing' || outbound.connection !== connection) return
  drop(run, session, 'outbound', endingByConnection(`could not connect: ${reason}`), 'active')
}

function refuse(run: Run, session: Connecting, direction: Direction, error: MessageError): void {
  const lane = session[direction]
  if (lane !== undefined && lane.kind !== 'waiting') notify(run, lane.connection, notificationOf(error))
  drop(run, session, direction, endingByError(error), 'idle')
}

/** One direction's connection is gone. The attempt has failed if it was the only one; `next`: the state after that. */
function drop(
  run: Run,
  session: Connecting,
  direction: Direction,
  ending: Ending,
  next: 'idle' | 'active',
): void {
  const left = without(session, direction)
  // The neighbour has resolved a collision: the other connection is the one it wants.
  const resolved =
    ending.notification?.code === 6 && ending.notification.subcode === ceaseSubcode.connectionCollision
  const over = left.outbound.kind === 'waiting' && left.inbound === undefined
  if (!(resolved && !over)) run.outputs.push({ kind: 'failed', ending })
  if (!over) {
    run.session = left
    return
  }
  const backoff = failedOnce(
    session.backoff,
    run.config.families.includes('ipv4/unicast') ? ending : undefined,
  )
  const connectRetryAt = run.config.passive ? Infinity : retryAt(backoff, run.config.timers, run.context)
  run.session =
    next === 'active'
      ? { kind: 'connecting', backoff, outbound: { kind: 'waiting', connectRetryAt } }
      : { kind: 'idle', backoff, startAt: idleHoldAt(backoff, run.context) }
}

/** What is left when one direction's connection is gone. Dialing again waits until the other one has failed too. */
function without(session: Connecting, direction: Direction): Connecting {
  if (direction === 'outbound') return { ...session, outbound: { kind: 'waiting', connectRetryAt: Infinity } }
  const { inbound: _, ...left } = session
  return left
}

function stop(run: Run, session: Connecting, how: Stop): void {
  for (const lane of [session.outbound, session.inbound]) {
    if (lane === undefined || lane.kind === 'waiting') continue
    if (lane.kind === 'dialing' || lane.kind === 'delayed') close(run, lane.connection)
    else notify(run, lane.connection, ceaseOf(how))
  }
  run.session = initialSession
}

function openingOf(
  session: Connecting,
  connection: ConnectionId,
): { direction: Direction; opening: Opening } | undefined {
  const { outbound, inbound } = session
  if (inbound?.connection === connection) return { direction: 'inbound', opening: inbound }
  if (outbound.kind === 'waiting' || outbound.kind === 'dialing') return undefined
  return outbound.connection === connection ? { direction: 'outbound', opening: outbound } : undefined
}

/**
 * §8.2.2: errors of the header and of the OPEN are answered as such (events 21, 22); that an UPDATE is malformed matters
 * less than that it came (event 28).
 */
function faultIn(state: 1 | 2, error: MessageError): Extract<Answer, { kind: 'refuse' }> {
  return { kind: 'refuse', error: error.code === 3 ? unexpected(state, 'update') : error }
}

/** One of the two ways to open failed: with or without optional parameters, whichever it was. */
function failedOnce({ failures, flaps }: Backoff, ending?: Ending): Backoff {
  return { failures: failures + 1, flaps, plain: refusesParameters(ending) }
}

/** RFC 5492 §3: the neighbour may speak without them. */
function refusesParameters(ending: Ending | undefined): boolean {
  if (ending?.direction !== 'received') return false
  const { notification } = ending
  return notification?.code === 2 && notification.subcode === 4
}
