/** BGP messages to and from bytes: the door of this folder. Framing is in `framer.ts`, UPDATE in its own two files. */
import { ByteWriter } from '#core/lib/bytes.ts'
import { present, unreachable } from '#core/lib/assert.ts'
import { err, ok, type Result } from '#core/lib/result.ts'
import { familyCodes, familyOfCodes } from '../family.ts'
import { headerLength, type UpdateContext } from './context.ts'
import { messageType, writeHeader } from './framer.ts'
import type { Message, MessageError, RouteRefresh, Update } from './message.ts'
import { decodeNotification, encodeNotification } from './notification.ts'
import { decodeOpen, encodeOpen } from './open.ts'
import { decodeUpdate } from './update-decode.ts'

/**
 * Decodes one whole message that {@link Framer} gave. Never throws, whatever the bytes. `context`: the session's
 * `Negotiated`, or `unnegotiated` before it is up. An UPDATE's NLRI may be views of `message`.
 */
export function decodeMessage(message: Uint8Array, context: UpdateContext): Result<Message, MessageError> {
  const body = message.subarray(headerLength)
  switch (message[18]) {
    case messageType.open:
      return decodeOpen(body)
    case messageType.update:
      return decodeUpdate(body, context)
    case messageType.notification:
      return ok(decodeNotification(body))
    case messageType.keepalive:
      return ok({ kind: 'keepalive' })
    case messageType.routeRefresh:
      return decodeRouteRefresh(message)
    default:
      return err({ code: 1, subcode: 3, data: message.slice(18, 19), message: 'a message of unknown type' })
  }
}

/** Every message but UPDATE, which may become several: see `encodeUpdates`. */
export function encodeMessage(message: Exclude<Message, Update>): Uint8Array {
  switch (message.kind) {
    case 'open':
      return encodeOpen(message)
    case 'notification':
      return encodeNotification(message)
    case 'keepalive':
      return encodeKeepalive()
    case 'routeRefresh':
      return encodeRouteRefresh(message)
    default:
      return unreachable(message)
  }
}

function encodeKeepalive(): Uint8Array {
  const writer = new ByteWriter(headerLength)
  writeHeader(writer, messageType.keepalive, headerLength)
  return writer.finish()
}

/** RFC 7313 §3.2: the octet that RFC 2918 §3 had reserved, by its value. */
const refreshRoles = ['request', 'begin', 'end'] as const

function encodeRouteRefresh({ family, role }: RouteRefresh): Uint8Array {
  const { afi, safi } = familyCodes[present(family, 'the family of a ROUTE-REFRESH to send')]
  const writer = new ByteWriter(headerLength + 4)
  writeHeader(writer, messageType.routeRefresh, headerLength + 4)
  return writer.u16(afi).u8(refreshRoles.indexOf(role)).u8(safi).finish()
}

function decodeRouteRefresh(message: Uint8Array): Result<RouteRefresh, MessageError> {
  const text = `a ROUTE-REFRESH of ${message.length} octets`
  // Longer ones carry filters (RFC 5291), which are never asked for.
  if (message.length !== headerLength + 4) {
    // RFC 7313 §5: a border of another length has an answer of its own, with the whole message as its data.
    const error =
      message[21] === 1 || message[21] === 2
        ? { code: 7, subcode: 1, data: message.slice(), message: text }
        : { code: 1, subcode: 2, data: message.slice(16, 18), message: text }
    return err(error)
  }
  const afi = (message[19]! << 8) | message[20]!
  const role = refreshRoles[message[21]!]
  // RFC 7313 §5: an unknown role is ignored, as an unknown family is.
  if (role === undefined) return ok({ kind: 'routeRefresh', family: undefined, role: 'request' })
  return ok({ kind: 'routeRefresh', family: familyOfCodes(afi, message[22]!), role })
}
