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

function encodeRouteRefresh({ family }: RouteRefresh): Uint8Array {
  const { afi, safi } = familyCodes[present(family, 'the family of a ROUTE-REFRESH to send')]
  const writer = new ByteWriter(headerLength + 4)
  writeHeader(writer, messageType.routeRefresh, headerLength + 4)
  return writer.u16(afi).u8(0).u8(safi).finish()
}

function decodeRouteRefresh(message: Uint8Array): Result<RouteRefresh, MessageError> {
  // Longer ones carry filters (RFC 5291), which are never asked for.
  if (message.length !== headerLength + 4)
    return err({
      code: 1,
      subcode: 2,
      data: message.slice(16, 18),
      message: `a ROUTE-REFRESH of ${message.length} octets`,
    })
  const afi = (message[19]! << 8) | message[20]!
  // RFC 7313 §3.2: the third octet tells requests (0) from their borders, which only a speaker of it would send.
  const family = message[21] === 0 ? familyOfCodes(afi, message[22]!) : undefined
  return ok({ kind: 'routeRefresh', family })
}
