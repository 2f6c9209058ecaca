/** Established (RFC 4271 §8.2.2), with at most one other connection beside it. */
import { sendQueueLow } from '../io.ts'
import type { Message, Open } from '../wire/message.ts'
import { asHardReset, ceaseSubcode, isHardReset, notificationOf } from '../wire/notification.ts'
import { confirmed } from './connecting.ts'
import type { ConnectionInput, Ending, Negotiated, SessionInput, Stop } from './io.ts'
import { collisionWinner, negotiate } from './open.ts'
import {
  cease,
  ceaseOf,
  close,
  closeCollided,
  endingByConnection,
  endingByError,
  endingByReceived,
  endingBySent,
  holdExpired,
  notify,
  sendHoldExpired,
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
import { collisionMs, holdAt, idleHoldAt, keepaliveAt, sendHoldAt, stableMs } from './timers.ts'

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
    case 'sendQueue':
      if (input.connection === session.connection) run.session = withSendQueue(run, session, input)
      return
    case 'stop':
      return stop(run, session, input)
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

function stop(run: Run, session: Established, how: Stop): void {
  const { negotiated, rival, connection } = session
  const notification = ceaseOf(how)
  if (rival !== undefined) notify(run, rival.opening.connection, notification)
  run.session = initialSession
  if (how.manner === 'leave' && isHelped(negotiated)) {
    // RFC 4724 §4.1: the neighbour keeps the routes if only the connection ends.
    close(run, connection)
    down(run, session, endingByConnection('ended for a graceful restart (RFC 4724 §4.1)'))
    return
  }
  const hard = how.manner !== 'restart' && negotiated.gracefulRestart?.notification === true
  const sent = hard ? asHardReset(notification) : notification
  notify(run, connection, sent)
  down(run, session, endingBySent(sent, how.detail))
}

/** The neighbour said that it can keep routes, and this speaker that it may be waited for. */
function isHelped({ offered, gracefulRestart }: Negotiated): boolean {
  return gracefulRestart !== undefined && offered.gracefulRestart!.families.length > 0
}

/** RFC 9687 §4.3: the SendHoldTimer starts anew with each byte that is taken, and runs while few bytes or many are not. */
function withSendQueue(
  { config, context }: Run,
  session: Established,
  { bytes, stalled = false }: Extract<SessionInput, { kind: 'sendQueue' }>,
): Established {
  if (stalled && session.sendHoldAt !== Infinity) return session
  const runs = stalled || bytes > sendQueueLow
  return { ...session, sendHoldAt: runs ? sendHoldAt(config, session.negotiated, context.now) : Infinity }
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
      // RFC 7313 §4: and so are borders that were not agreed on.
      if (message.family === undefined || !session.negotiated.families.includes(message.family)) return
      if (message.role === 'request' || session.negotiated.enhancedRouteRefresh)
        run.outputs.push({ kind: 'routeRefresh', family: message.family, role: message.role })
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
  if (hasRestarted(run, session, negotiated.value)) {
    close(run, session.connection)
    down(run, session, endingByConnection('the neighbour has restarted (RFC 4724 §4.2)'))
  } else if (collisionWinner(run.config, negotiated.value) === direction) {
    const collision = cease(ceaseSubcode.connectionCollision)
    notify(run, session.connection, collision)
    down(run, session, endingBySent(collision, 'a newer connection takes over'))
  } else return closeCollided(run, opening.connection)
  run.session = connectingWith(
    direction,
    confirmed(run, opening.connection, negotiated.value),
    session.backoff,
  )
}

/**
 * RFC 4724 §4.2: a neighbour that can restart and connects anew has lost the session without this side's notice. Two
 * connections that were opened at once must not look like that: their OPENs say the same and come soon after each other.
 */
function hasRestarted(run: Run, { negotiated, since }: Established, anew: Negotiated): boolean {
  const [old, restart] = [negotiated.gracefulRestart, anew.gracefulRestart]
  if (old === undefined || restart === undefined) return false
  return (restart.restarting && !old.restarting) || run.context.now - since > collisionMs
}

/** HoldTimer, SendHoldTimer and KeepaliveTimer (RFC 4271 §8.2.2, events 10 and 11). */
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
  if (now >= session.sendHoldAt) {
    // RFC 9687 §7: the NOTIFICATION may never arrive, since what is before it did not.
    notify(run, session.connection, sendHoldExpired)
    return fall(run, session, endingBySent(sendHoldExpired))
  }
  if (now >= session.keepaliveAt) {
    // Event 11.
    sendKeepalive(run, session.connection)
    run.session = { ...session, keepaliveAt: keepaliveAt(session.negotiated, run.context) }
  }
}

/** The session is over. A connection that was waiting beside it may become the next one. */
function fall(run: Run, session: Established, ending: Ending): void {
  down(run, session, ending)
  const lasted = run.context.now - session.since
  const flaps = lasted >= stableMs ? 0 : session.backoff.flaps + 1
  const backoff: Backoff = { failures: 0, flaps, plain: false }
  const { rival } = session
  run.session =
    rival === undefined
      ? { kind: 'idle', backoff, startAt: idleHoldAt(backoff, run.context) }
      : connectingWith(rival.direction, rival.opening, backoff)
}

function down(run: Run, { negotiated }: Established, ending: Ending): void {
  run.outputs.push({ kind: 'down', ending, graceful: isGraceful(negotiated, ending) })
}

/** RFC 4724 §4.2: when the connection is lost; RFC 8538 §4: when agreed on, by any NOTIFICATION but a hard reset too. */
function isGraceful({ gracefulRestart }: Negotiated, { notification }: Ending): boolean {
  if (gracefulRestart === undefined) return false
  // RFC 9494 §4.1: a neighbour may ask for its routes to be kept by the long-lived capability alone.
  if (gracefulRestart.families.length === 0 && gracefulRestart.longLived.length === 0) return false
  return notification === undefined || (gracefulRestart.notification && !isHardReset(notification))
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
