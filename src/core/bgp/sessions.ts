/**
 * Runs the sessions of neighbours: gives each its inputs and does what it asks for, so that the routing information bases,
 * the connections and whoever watches know.
 */
import { assert, present } from '#core/lib/assert.ts'
import { hex } from '#core/lib/bytes.ts'
import { type BgpState, showTap, tell } from './bgp-state.ts'
import type { Family } from './family.ts'
import { type ConnectionId, shownOctets } from './io.ts'
import {
  type Neighbour,
  dynamicIdleMs,
  neighbourDeadline,
  sessionConfigOf,
  tappedSession,
} from './neighbour.ts'
import { watchOpening } from './opening-watch.ts'
import { familyCounts } from './peer-status.ts'
import { limitData, limitLevel, limitText } from './prefix-limits.ts'
import { allArrived, cameUp } from './restarter.ts'
import { ribSession } from './rib-session.ts'
import { pathsMax } from './rib/rib-table.ts'
import type { Ending, Negotiated, SessionInput, SessionMessage, SessionOutput, Stop } from './session/io.ts'
import { step } from './session/session.ts'
import { type Loss, keptAfterLoss, notKeptOn, refreshMs } from './stale-routes.ts'
import type { Tap } from './tap.ts'
import { dialOf } from './transport.ts'
import { Framer } from './wire/framer.ts'
import type { Notification, RouteRefresh, UpdateFault } from './wire/message.ts'
import { ceaseSubcode, showNotification } from './wire/notification.ts'
import { encodeMessage } from './wire/wire.ts'

/** Faults of one UPDATE that are told one by one. */
const faultsTold = 4

/** Gives the session an input, and does what it asks for. */
export function drive(bgp: BgpState, neighbour: Neighbour, input: SessionInput): void {
  const context = {
    now: bgp.now,
    fraction: bgp.random.fraction(),
    nextConnection: bgp.numbers.next,
  }
  const { session, outputs } = step(neighbour.sessionConfig, neighbour.session, input, context)
  neighbour.session = session
  for (const output of outputs) perform(bgp, neighbour, output)
  watchOpening(neighbour, bgp.now)
  bgp.wakeAt = Math.min(bgp.wakeAt, neighbourDeadline(neighbour))
}

/** Lets the session come up, unless something holds it down. `pause`: it was just ended. */
export function startSession(bgp: BgpState, neighbour: Neighbour, pause = false): void {
  const { heldDown } = neighbour.config
  if (heldDown !== undefined) neighbour.lastError = { at: bgp.now, direction: 'local', message: heldDown }
  else if (!bgp.shutDown && neighbour.breach === undefined) drive(bgp, neighbour, { kind: 'start', pause })
}

/** Ends the session, and the wait for it to come back. */
export function stopSession(bgp: BgpState, neighbour: Neighbour, how: Omit<Stop, 'kind'>): void {
  drive(bgp, neighbour, { kind: 'stop', ...how })
  if (how.manner !== undefined && how.manner !== 'end') return
  for (const family of neighbour.stale.keys()) bgp.rib!.sweepStale(neighbour.slot, family)
  neighbour.stale.clear()
}

/** Sends and counts any message but UPDATE, which the RIB makes. */
export function sendMessage(
  bgp: BgpState,
  neighbour: Neighbour,
  connection: ConnectionId,
  message: SessionMessage | RouteRefresh,
): void {
  const bytes = encodeMessage(message)
  neighbour.sent[message.kind]++
  const link = bgp.links.get(connection)
  if (message.kind === 'open' && link !== undefined) link.sentOpen = bytes
  bgp.outputs.push({ kind: 'send', connection, bytes })
}

/** Says so when paths were not kept because there are too many of one prefix. */
export function checkExcess(bgp: BgpState, { config, slot, established }: Neighbour): void {
  for (const family of established?.negotiated.addPathReceive ?? []) {
    const peer = bgp.rib!.tables[family].peers[slot]!
    if (peer.excess === 0) continue
    const message = `${peer.excess} paths are not kept: ${pathsMax} of one prefix is the most`
    peer.excess = 0
    tell(bgp, { kind: 'updateFault', peer: config.name, message })
  }
}

/** RFC 4271 §6.7: says once that a limit is near or passed, and ends the session if it is to. */
export function checkLimit(bgp: BgpState, neighbour: Neighbour, family: Family): void {
  const { config, slot, nearLimit, established } = neighbour
  const limit = config.prefixLimits?.[family]
  if (limit === undefined) return
  const count = familyCounts(bgp.rib!, slot, family).received
  const level = limitLevel(limit, count)
  const said = nearLimit.get(family)
  if (level === 'within') nearLimit.delete(family)
  if (level === 'within' || said === level || said === 'over') return
  nearLimit.set(family, level)
  const { max, action, restartSeconds } = limit
  tell(bgp, { kind: 'prefixLimit', peer: config.name, family, level, count, max })
  if (level !== 'over' || action !== 'reset' || established === undefined) return
  const until = restartSeconds === undefined ? Infinity : bgp.now + 1000 * restartSeconds
  neighbour.breach = { family, max, until }
  nearLimit.clear()
  const subcode = ceaseSubcode.maximumPrefixes
  stopSession(bgp, neighbour, { subcode, data: limitData(family, max), detail: limitText({ family, max }) })
}

function perform(bgp: BgpState, neighbour: Neighbour, output: SessionOutput): void {
  switch (output.kind) {
    case 'dial':
      return dial(bgp, neighbour, output.connection)
    case 'send':
      sendMessage(bgp, neighbour, output.connection, output.message)
      if (output.message.kind === 'notification')
        notificationEvent(bgp, 'notificationSent', neighbour, output.message)
      return
    case 'close':
      bgp.links.delete(output.connection)
      bgp.outputs.push(output)
      return
    case 'up':
      return sessionUp(bgp, neighbour, output.connection, output.negotiated)
    case 'update':
      if (output.update.faults.length > 0) neighbour.updateFaults++
      tellFaults(bgp, neighbour, output.update.faults)
      bgp.rib!.receive(neighbour.slot, output.update, bgp.now)
      checkExcess(bgp, neighbour)
      for (const family of output.update.endOfRib) endOfRib(bgp, neighbour, family)
      for (const { family } of output.update.withdrawn) checkLimit(bgp, neighbour, family)
      for (const { family } of output.update.announced) checkLimit(bgp, neighbour, family)
      return
    case 'routeRefresh':
      return refreshed(bgp, neighbour, output.family, output.role)
    case 'down':
      sessionDown(bgp, neighbour, output.graceful)
      noteEnding(bgp, neighbour, output.ending)
      neighbour.downReason = output.ending.reason
      tell(bgp, {
        kind: 'sessionDown',
        peer: neighbour.config.name,
        reason: output.ending.reason,
      })
      if (bgp.config!.taps !== undefined) tapDown(bgp, neighbour, output.ending)
      return
    case 'failed':
      noteEnding(bgp, neighbour, output.ending)
      return
  }
}

/** A message may have a fault every three octets. */
function tellFaults(bgp: BgpState, { config }: Neighbour, faults: readonly UpdateFault[]): void {
  const told = faults.slice(0, faultsTold)
  const more = faults.length - told.length
  for (const [index, { message }] of told.entries()) {
    const others = more > 0 && index === told.length - 1 ? `, and ${more} faults more` : ''
    tell(bgp, { kind: 'updateFault', peer: config.name, message: message + others })
  }
}

/** Asks for a connection to the neighbour, with the number that the session was offered. */
function dial(bgp: BgpState, neighbour: Neighbour, connection: ConnectionId): void {
  assert(connection === bgp.numbers.next, 'a dial has the number that it was offered')
  bgp.numbers.next++
  bgp.links.set(connection, { neighbour, framer: new Framer() })
  bgp.outputs.push({ kind: 'dial', connection, dial: dialOf(neighbour.config) })
}

function sessionUp(
  bgp: BgpState,
  neighbour: Neighbour,
  connection: ConnectionId,
  negotiated: Negotiated,
): void {
  const { config, slot, stale } = neighbour
  const link = present(bgp.links.get(connection), 'the connection of a session')
  link.framer.setMaxLength(negotiated.maxLength)
  link.kind = bgp.ingest!.kindOf(negotiated)
  const opens = {
    sent: present(link.sentOpen, 'the own OPEN'),
    received: present(link.receivedOpen, "the neighbour's OPEN"),
  }
  neighbour.established = { connection, negotiated, opens }
  delete neighbour.lost
  neighbour.since = bgp.now
  neighbour.upAt = bgp.now
  if (neighbour.dynamic !== undefined) neighbour.dynamic.expiresAt = Infinity
  neighbour.nearLimit.clear()
  neighbour.sessionConfig = sessionConfigOf(bgp.config!, config, true)
  for (const family of notKeptOn(stale, negotiated, config.gracefulRestart, bgp.now))
    bgp.rib!.sweepStale(slot, family)
  bgp.rib!.sessionUp(slot, ribSession(bgp.config!, config, negotiated, bgp.policies))
  if (bgp.restarter !== undefined) cameUp(bgp.restarter, config.name, negotiated)
  tell(bgp, { kind: 'sessionUp', peer: config.name })
  if (bgp.config!.taps !== undefined) showTap(bgp, { kind: 'up', session: tappedSession(neighbour)! })
}

function refreshed(bgp: BgpState, neighbour: Neighbour, family: Family, role: RouteRefresh['role']): void {
  const rib = bgp.rib!
  if (role === 'request') rib.refresh(neighbour.slot, family)
  // RFC 7313 §4: a refresh before the first End-of-RIB is ignored, since routes are stale for another reason until then.
  // So is one of a neighbour that begins them faster than what they leave can go.
  else if (role === 'begin' && !neighbour.stale.has(family) && rib.canMarkStale(neighbour.slot, family)) {
    rib.markStale(neighbour.slot, family)
    const until = bgp.now + refreshMs
    neighbour.stale.set(family, { phase: 'refreshing', until, staleUntil: until, longLivedMs: 0 })
  } else if (role === 'end' && neighbour.stale.get(family)?.phase === 'refreshing') {
    forgetStale(bgp, neighbour, family)
  }
}

/** End-of-RIB (RFC 4724 §2). */
function endOfRib(bgp: BgpState, neighbour: Neighbour, family: Family): void {
  const phase = neighbour.stale.get(family)?.phase
  if (phase === 'arriving' || phase === 'overdue') forgetStale(bgp, neighbour, family)
  if (bgp.restarter !== undefined) allArrived(bgp.restarter, neighbour.config.name, family)
}

function forgetStale(bgp: BgpState, neighbour: Neighbour, family: Family): void {
  neighbour.stale.delete(family)
  bgp.rib!.sweepStale(neighbour.slot, family)
}

function sessionDown(bgp: BgpState, neighbour: Neighbour, graceful: boolean): void {
  const { negotiated } = neighbour.established!
  delete neighbour.established
  neighbour.since = bgp.now
  neighbour.downAt = bgp.now
  neighbour.flaps++
  const { stale, older }: Loss = graceful
    ? keptAfterLoss(neighbour.stale, negotiated, neighbour.config.gracefulRestart, bgp.now)
    : { stale: new Map(), older: [] }
  neighbour.stale = stale
  if (stale.size > 0) neighbour.lost = negotiated
  bgp.rib!.sessionDown(neighbour.slot, [...stale.keys()], older)
}

function noteEnding(bgp: BgpState, neighbour: Neighbour, { direction, reason, notification }: Ending): void {
  neighbour.lastError = { at: bgp.now, direction, message: reason }
  // What is being taken in is what it was ended for, unless nobody said so.
  if (bgp.message !== undefined && direction !== 'local')
    neighbour.lastError.hex = hex(bgp.message.subarray(0, shownOctets))
  if (neighbour.dynamic !== undefined) neighbour.dynamic.expiresAt = bgp.now + dynamicIdleMs
  if (direction === 'received' && notification !== undefined)
    notificationEvent(bgp, 'notificationReceived', neighbour, notification)
}

function notificationEvent(
  bgp: BgpState,
  kind: 'notificationSent' | 'notificationReceived',
  neighbour: Neighbour,
  notification: Notification,
): void {
  const { code, subcode } = notification
  const message = showNotification(notification)
  tell(bgp, { kind, peer: neighbour.config.name, code, subcode, message })
}

function tapDown(bgp: BgpState, neighbour: Neighbour, { direction, notification }: Ending): void {
  const tap: Tap = { kind: 'down', peer: neighbour.config.name, direction }
  if (notification !== undefined) tap.notification = encodeMessage(notification)
  showTap(bgp, tap)
}
