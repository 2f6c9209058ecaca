/** Established (RFC 4271 §8.2.2), with at most one other connection beside it. */
import type { Message, Open } from '../wire/message.ts'
import { ceaseSubcode, notificationOf } from '../wire/notification.ts'
import { confirmed } from './connecting.ts'
import type { ConnectionInput, Ending, SessionInput } from './io.ts'
import { collisionWinner, negotiate } from './open.ts'
import {
  cease,
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
  type Direction,
  type Established,
  type Opening,
  type OpenSent,
} from './state.ts'
import { holdAt, idleHoldAt, keepaliveAt, stableMs } from './timers.ts'

/** Inputs about connections other than its own and its rival's are ignored. */
export function stepEstablished(run: Run, session: Established, input: SessionInput): void {
  switch (input.kind) {
    case 'start':
    case 'tick':
    case 'dialed':
    case 'dialFailed':
      return
    case 'updateSent':
      // RFC 4271 §8.2.2: each UPDATE restarts the KeepaliveTimer.
      run.session = { ...session, keepaliveAt: keepaliveAt(session.negotiated, run.context) }
      return
    case 'updatesTaken':
      if (input.connection === session.connection)
        run.session = { ...session, holdAt: holdAt(session.negotiated, run.context.now) }
      return
    case 'stop': {
      const notification = cease(input.subcode, input.text)
      if (session.rival !== undefined) notify(run, session.rival.opening.connection, notification)
      notify(run, session.connection, notification)
      run.outputs.push({ kind: 'down', ending: endingBySent(notification) })
      run.session = initialSession
      return
    }
    case 'accepted':
      if (session.rival !== undefined) closeCollided(run, session.rival.opening.connection)
      run.session = {
        ...session,
        rival: { direction: 'inbound', opening: sendOpen(run, input.connection, input.ends) },
      }
      return
    case 'received':
    case 'malformed':
    case 'closed':
      if (input.connection === session.connection) return stepOwn(run, session, input)
      if (input.connection === session.rival?.opening.connection) return stepRival(run, session, input)
  }
}

function stepOwn(run: Run, session: Established, input: ConnectionInput): void {
  switch (input.kind) {
    case 'closed':
      return fall(run, session, endingByConnection(`connection closed: ${input.reason}`))
    case 'malformed':
      notify(run, session.connection, notificationOf(input.error))
      return fall(run, session, endingByError(input.error))
    case 'received':
      return stepMessage(run, session, input.message)
  }
}

function stepMessage(run: Run, session: Established, message: Message): void {
  switch (message.kind) {
    case 'keepalive':
    case 'update':
      // Events 26 and 27.
      run.session = { ...session, holdAt: holdAt(session.negotiated, run.context.now) }
      if (message.kind === 'update') run.outputs.push({ kind: 'update', update: message })
      return
    case 'routeRefresh':
      // RFC 2918 §4: a family that was not agreed on is ignored.
      if (message.family !== undefined && session.negotiated.families.includes(message.family))
        run.outputs.push({ kind: 'routeRefresh', family: message.family })
      return
    case 'notification':
      close(run, session.connection)
      return fall(run, session, endingByReceived(message))
    case 'open': {
      const error = unexpected(3, 'open')
      notify(run, session.connection, notificationOf(error))
      return fall(run, session, endingByError(error))
    }
  }
}

function stepRival(run: Run, session: Established, input: ConnectionInput): void {
  const { rival, ...alone } = session
  if (rival === undefined) return
  const { connection } = rival.opening
  if (input.kind === 'received' && input.message.kind === 'open')
    return rivalOpened(run, session, rival.direction, rival.opening, input.message)
  // Whatever else happens to it is no matter of the session's.
  if (input.kind === 'malformed')
    notify(run, connection, notificationOf(input.error.code === 3 ? unexpected(1, 'update') : input.error))
  else if (input.kind === 'received' && input.message.kind === 'notification') close(run, connection)
  else if (input.kind === 'received')
    notify(run, connection, notificationOf(unexpected(1, input.message.kind)))
  run.session = alone
}

/**
 * RFC 4271 §6.8 with CollisionDetectEstablishedState: identifiers decide here too. Of two connections opened at once, one side
 * may see the first established before the second's OPEN; were it to prefer that one unconditionally, both could be closed.
 */
function rivalOpened(
  run: Run,
  { rival: _, ...session }: Established,
  direction: Direction,
  opening: OpenSent,
  open: Open,
): void {
  run.session = session
  const negotiated = negotiate(run.config, opening.offered, open, opening.ends)
  if (!negotiated.ok) return notify(run, opening.connection, notificationOf(negotiated.error))
  if (collisionWinner(run.config, negotiated.value) !== direction)
    return closeCollided(run, opening.connection)
  const collision = cease(ceaseSubcode.connectionCollision)
  notify(run, session.connection, collision)
  run.outputs.push({ kind: 'down', ending: endingBySent(collision, 'a newer connection takes over') })
  run.session = connectingWith(
    direction,
    confirmed(run, opening.connection, negotiated.value),
    session.backoff,
  )
}

/** HoldTimer and KeepaliveTimer (RFC 4271 §8.2.2, events 10 and 11). */
export function tickEstablished(run: Run, session: Established): void {
  const { now } = run.context
  if (session.rival !== undefined && now >= session.rival.opening.holdAt) {
    notify(run, session.rival.opening.connection, holdExpired)
    const { rival: _, ...alone } = session
    run.session = alone
    return tickEstablished(run, alone)
  }
  if (now >= session.holdAt) {
    // Event 10.
    notify(run, session.connection, holdExpired)
    return fall(run, session, endingBySent(holdExpired))
  }
  if (now >= session.keepaliveAt) {
    // Event 11.
    sendKeepalive(run, session.connection)
    run.session = { ...session, keepaliveAt: keepaliveAt(session.negotiated, run.context) }
  }
}

/** The session is over. A connection that was waiting beside it may become the next one. */
function fall(run: Run, session: Established, ending: Ending): void {
  run.outputs.push({ kind: 'down', ending })
  const lasted = run.context.now - session.since
  const flaps = lasted >= stableMs ? 0 : session.backoff.flaps + 1
  const backoff: Backoff = { failures: 0, flaps, plain: false }
  const { rival } = session
  run.session =
    rival === undefined
      ? { kind: 'idle', backoff, startAt: idleHoldAt(backoff, run.context) }
      : connectingWith(rival.direction, rival.opening, backoff)
}

function connectingWith(direction: Direction, opening: Opening, backoff: Backoff): Connecting {
  if (direction === 'outbound') return { kind: 'connecting', backoff, outbound: opening }
  return {
    kind: 'connecting',
    backoff,
    outbound: { kind: 'waiting', connectRetryAt: Infinity },
    inbound: opening,
  }
}
