/** NOTIFICATION messages (RFC 4271 §4.5): bytes, and what codes and subcodes are called. */
import { ByteWriter } from '#core/lib/bytes.ts'
import { decodeUtf8, utf8Bytes } from '#core/lib/utf8.ts'
import { defaultMaxLength, headerLength } from './context.ts'
import { messageType, writeHeader } from './framer.ts'
import type { MessageError, Notification } from './message.ts'

/** Subcodes of Cease (RFC 4486 §3, RFC 8538 §3, RFC 9384 §3). */
export const ceaseSubcode = {
  maximumPrefixes: 1,
  administrativeShutdown: 2,
  peerDeconfigured: 3,
  administrativeReset: 4,
  connectionRejected: 5,
  otherConfigurationChange: 6,
  connectionCollision: 7,
  outOfResources: 8,
  hardReset: 9,
  bfdDown: 10,
} as const

const codes: Partial<Record<number, { name: string; subcodes: readonly (string | undefined)[] }>> = {
  1: {
    name: 'Message Header Error',
    subcodes: [undefined, 'Connection Not Synchronized', 'Bad Message Length', 'Bad Message Type'],
  },
  2: {
    name: 'OPEN Message Error',
    subcodes: [
      undefined,
      'Unsupported Version Number',
      'Bad Peer AS',
      'Bad BGP Identifier',
      'Unsupported Optional Parameter',
      'Authentication Failure',
      'Unacceptable Hold Time',
      'Unsupported Capability',
      undefined,
      undefined,
      undefined,
      'Role Mismatch',
    ],
  },
  3: {
    name: 'UPDATE Message Error',
    subcodes: [
      undefined,
      'Malformed Attribute List',
      'Unrecognized Well-known Attribute',
      'Missing Well-known Attribute',
      'Attribute Flags Error',
      'Attribute Length Error',
      'Invalid ORIGIN Attribute',
      'AS Routing Loop',
      'Invalid NEXT_HOP Attribute',
      'Optional Attribute Error',
      'Invalid Network Field',
      'Malformed AS_PATH',
    ],
  },
  4: { name: 'Hold Timer Expired', subcodes: [] },
  5: {
    name: 'Finite State Machine Error',
    // RFC 6608 §3.
    subcodes: [
      undefined,
      'Unexpected Message in OpenSent',
      'Unexpected Message in OpenConfirm',
      'Unexpected Message in Established',
    ],
  },
  6: {
    name: 'Cease',
    // RFC 4486 §3, RFC 8538 §3, RFC 9384 §3.
    subcodes: [
      undefined,
      'Maximum Number of Prefixes Reached',
      'Administrative Shutdown',
      'Peer De-configured',
      'Administrative Reset',
      'Connection Rejected',
      'Other Configuration Change',
      'Connection Collision Resolution',
      'Out of Resources',
      'Hard Reset',
      'BFD Down',
    ],
  },
  7: { name: 'ROUTE-REFRESH Message Error', subcodes: [undefined, 'Invalid Message Length'] },
  8: { name: 'Send Hold Timer Expired', subcodes: [] },
}

/** `Cease/Administrative Shutdown`, with the numbers of what has no name. */
export function notificationName(code: number, subcode: number): string {
  const known = codes[code]
  const name = known?.name ?? `Code ${code}`
  const detail = known?.subcodes[subcode]
  if (detail !== undefined) return `${name}/${detail}`
  return subcode === 0 ? name : `${name}/Subcode ${subcode}`
}

/**
 * The name, and the text that the sender added for people (RFC 9003) if there is one; of a hard reset what it is in place of
 * (RFC 8538 §3).
 */
export function showNotification({ code, subcode, data }: Notification): string {
  const name = notificationName(code, subcode)
  const inner = hardReset({ code, subcode, data })
  if (inner !== undefined) return `${name} (${showNotification(inner)})`
  const text = shutdownText(code, subcode, data)
  return text === undefined ? name : `${name}: ${text}`
}

/** Whether it ends the session for good, whatever was agreed on about restarts (RFC 8538 §3). */
export function isHardReset({ code, subcode }: Notification): boolean {
  return code === 6 && subcode === ceaseSubcode.hardReset
}

/** A hard reset in place of this one, which becomes its data (RFC 8538 §3). */
export function asHardReset({ code, subcode, data }: Notification): Notification {
  return {
    kind: 'notification',
    code: 6,
    subcode: ceaseSubcode.hardReset,
    data: Uint8Array.of(code, subcode, ...data),
  }
}

/** The NOTIFICATION that answers an error in a message. */
export function notificationOf(error: MessageError): Notification {
  return { kind: 'notification', code: error.code, subcode: error.subcode, data: error.data }
}

/** RFC 9003 §2: data of a Cease with text for people, cut at a character after at most 255 bytes; empty without text. */
export function shutdownCommunication(text: string | undefined): Uint8Array {
  if (text === undefined || text === '') return new Uint8Array(0)
  const utf8 = utf8Bytes(text, 255)
  return Uint8Array.of(utf8.length, ...utf8)
}

/** The whole message, at most 4096 octets: longer data is cut. */
export function encodeNotification({ code, subcode, data }: Notification): Uint8Array {
  // Data is often (part of) the offending message; no message may be too long because of it.
  const sent = data.subarray(0, defaultMaxLength - headerLength - 2)
  const length = headerLength + 2 + sent.length
  const writer = new ByteWriter(length)
  writeHeader(writer, messageType.notification, length)
  return writer.u8(code).u8(subcode).raw(sent).finish()
}

/** `body`: at least two octets, which framing has seen to. */
export function decodeNotification(body: Uint8Array): Notification {
  return { kind: 'notification', code: body[0]!, subcode: body[1]!, data: body.slice(2) }
}

/** What a hard reset is in place of; undefined if it does not say, and for a hard reset in a hard reset. */
function hardReset(notification: Pick<Notification, 'code' | 'subcode' | 'data'>): Notification | undefined {
  const [code, subcode] = notification.data
  if (!isHardReset({ kind: 'notification', ...notification }) || code === undefined || subcode === undefined)
    return undefined
  const inner: Notification = { kind: 'notification', code, subcode, data: notification.data.subarray(2) }
  return isHardReset(inner) ? undefined : inner
}

function shutdownText(code: number, subcode: number, data: Uint8Array): string | undefined {
  const carriesText =
    subcode === ceaseSubcode.administrativeShutdown || subcode === ceaseSubcode.administrativeReset
  if (code !== 6 || !carriesText || data.length === 0) return undefined
  const length = data[0]!
  if (length === 0 || length > data.length - 1) return undefined
  return decodeUtf8(data.subarray(1, 1 + length))
}
