/** One step in the making: the session as it is so far, the outputs so far, and the phrases that steps consist of. */
import type { ConnectionId } from '../io.ts'
import { messageType } from '../wire/framer.ts'
import type { Message, MessageError, Notification } from '../wire/message.ts'
import {
  ceaseSubcode,
  notificationOf,
  showNotification,
  shutdownCommunication,
} from '../wire/notification.ts'
import type { Ending, SessionConfig, SessionOutput, StepContext, Stop } from './io.ts'
import { ownOpen } from './open.ts'
import type { OpenSent, Session } from './state.ts'
import { openHoldMs } from './timers.ts'
import type { ConnectionEnds } from '../io.ts'

export interface Run {
  readonly config: SessionConfig
  readonly context: StepContext
  session: Session
  readonly outputs: SessionOutput[]
}

/** A connection has opened, in whichever direction: the OPEN goes out (RFC 4271 §8.2.2, Connect and Active, events 16, 17). */
export function sendOpen(run: Run, connection: ConnectionId, ends: ConnectionEnds): OpenSent {
  const open = ownOpen(run.config, run.session.backoff.plain)
  run.outputs.push({ kind: 'send', connection, message: open })
  const holdAt = run.context.now + openHoldMs
  return { kind: 'openSent', connection, ends, offered: open.capabilities, holdAt }
}

/** RFC 4271 §4.4. */
export function sendKeepalive(run: Run, connection: ConnectionId): void {
  run.outputs.push({ kind: 'send', connection, message: { kind: 'keepalive' } })
}

/** Without a word to the neighbour. */
export function close(run: Run, connection: ConnectionId): void {
  run.outputs.push({ kind: 'close', connection })
}

/** Sends the NOTIFICATION and closes (RFC 4271 §6). */
export function notify(run: Run, connection: ConnectionId, notification: Notification): void {
  run.outputs.push({ kind: 'send', connection, message: notification })
  close(run, connection)
}

/** RFC 4486. `text`: for people at the other end (RFC 9003), where the subcode carries one. */
export function cease(subcode: number, text?: string): Notification {
  return { kind: 'notification', code: 6, subcode, data: shutdownCommunication(text) }
}

/** The Cease of a stop, which is no hard reset yet. */
export function ceaseOf({ subcode, text, data }: Stop): Notification {
  return data === undefined ? cease(subcode, text) : { kind: 'notification', code: 6, subcode, data }
}

/** RFC 4271 §6.8. */
export function closeCollided(run: Run, connection: ConnectionId): void {
  notify(run, connection, cease(ceaseSubcode.connectionCollision))
}

/** `detail`: what the NOTIFICATION itself does not say. */
export function endingBySent(notification: Notification, detail?: string): Ending {
  const name = showNotification(notification)
  const reason = `sent ${name}${detail === undefined ? '' : ` (${detail})`}`
  return { direction: 'sent', reason, notification }
}

/** The NOTIFICATION that answers the error was sent. */
export function endingByError(error: MessageError): Ending {
  return endingBySent(notificationOf(error), error.message)
}

/** The neighbour ended it. */
export function endingByReceived(notification: Notification): Ending {
  return { direction: 'received', reason: `received ${showNotification(notification)}`, notification }
}

/** No NOTIFICATION either way. `reason`: for people. */
export function endingByConnection(reason: string): Ending {
  return { direction: 'local', reason }
}

/** RFC 4271 §6.5. */
export const holdExpired: Notification = {
  kind: 'notification',
  code: 4,
  subcode: 0,
  data: new Uint8Array(0),
}

/** RFC 9687 §5, §6: with neither subcode nor data. */
export const sendHoldExpired: Notification = { ...holdExpired, code: 8 }

/** RFC 6608 §4: which state the message was unexpected in; the data is its type. */
export function unexpected(subcode: 1 | 2 | 3, kind: Message['kind']): MessageError {
  return {
    code: 5,
    subcode,
    data: Uint8Array.of(messageType[kind]),
    message: `unexpected ${kind === 'routeRefresh' ? 'ROUTE-REFRESH' : kind.toUpperCase()} message`,
  }
}
