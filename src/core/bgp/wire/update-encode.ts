/**
 * UPDATE messages as bytes (RFC 4271 §4.3, RFC 4760). IPv4 routes with an IPv4 next hop travel in the message's own
 * fields, everything else in MP_REACH_NLRI and MP_UNREACH_NLRI. A message is cut where it would grow too long.
 */
import { assert } from '#core/lib/assert.ts'
import { addressBytes, versionOf } from '#core/net/address.ts'
import { ByteReader, ByteWriter } from '#core/lib/bytes.ts'
import { familyCodes, type Family } from '../family.ts'
import { decodeAsPath, encodeAsPath, isConfederation } from './as-path.ts'
import {
  asTrans,
  attributeFlag,
  attributeType,
  optionalNonTransitive,
  optionalTransitive,
  wellKnown,
} from './attribute-codes.ts'
import { encodeRawAttributes, rawAttributes, type RawAttribute } from './attributes.ts'
import { defaultMaxLength, headerLength, type EncodeContext } from './context.ts'
import { writeHeader } from './framer.ts'
import type { NextHop, Update } from './message.ts'
import { nlriNext, pathIdLength } from './nlri.ts'

/** Header and both length fields. */
const fixedLength = headerLength + 4
/** Of the whole NEXT_HOP attribute. */
const nextHopLength = 7

/**
 * The messages that carry this update, withdrawals first. Prefixes whose attributes leave no room for even one of them
 * are left out, as RFC 4271 §9.2 asks: no message is longer than the context allows.
 */
export function encodeUpdates(update: Update, context: EncodeContext): Uint8Array[] {
  const messages: Uint8Array[] = []
  for (const { family, nlri, pathIds } of [...update.withdrawn, ...update.announced])
    assert(
      nlri.length === 0 || (pathIds === true) === sendsPathIds(family, context),
      'path identifiers as agreed',
    )
  for (const { family, nlri } of update.withdrawn) messages.push(...encodeWithdrawals(family, nlri, context))
  for (const { family, nlri, nextHop } of update.announced)
    messages.push(...encodeAnnouncements(family, update.attributes, nextHop, nlri, context))
  for (const family of update.endOfRib) messages.push(encodeEndOfRib(family))
  return messages
}

/** `block`: canonical attributes. `nlri`: a validated block of `family`, with path identifiers if `context` says so. */
export function encodeAnnouncements(
  family: Family,
  block: Uint8Array,
  nextHop: NextHop,
  nlri: Uint8Array,
  context: EncodeContext,
): Uint8Array[] {
  const attributes = context.fourOctetAsn ? block : withTwoOctetAsns(block)
  const max = context.maxLength ?? defaultMaxLength
  const skip = sendsPathIds(family, context) ? pathIdLength : 0
  if (family === 'ipv4/unicast' && versionOf(nextHop.global) === 4) {
    const parts = withNextHop(attributes, nextHop)
    const room = max - fixedLength - attributes.length - nextHopLength
    return cutNlri(nlri, skip, room).map((part) => updateMessage(none, parts, part))
  }
  const head = mpReachHead(family, nextHop)
  // Four octets of attribute header: flags, type and an extended length.
  const room = max - fixedLength - attributes.length - 4 - head.length
  // RFC 7606 §5.1: MP_REACH_NLRI is the very first attribute.
  return cutNlri(nlri, skip, room).map((part) =>
    updateMessage(none, [mpAttribute(attributeType.mpReach, head, part), attributes], none),
  )
}

/** `nlri`: a validated block of `family`, with path identifiers if `context` says so. */
export function encodeWithdrawals(family: Family, nlri: Uint8Array, context: EncodeContext): Uint8Array[] {
  const room = (context.maxLength ?? defaultMaxLength) - fixedLength
  const skip = sendsPathIds(family, context) ? pathIdLength : 0
  if (family === 'ipv4/unicast') return cutNlri(nlri, skip, room).map((part) => updateMessage(part, [], none))
  const head = mpFamily(family)
  return cutNlri(nlri, skip, room - 4 - head.length).map((part) =>
    updateMessage(none, [mpAttribute(attributeType.mpUnreach, head, part)], none),
  )
}

/** RFC 4724 §2: an empty UPDATE for IPv4 unicast, an empty MP_UNREACH_NLRI for others. */
export function encodeEndOfRib(family: Family): Uint8Array {
  if (family === 'ipv4/unicast') return updateMessage(none, [], none)
  return updateMessage(none, [mpAttribute(attributeType.mpUnreach, mpFamily(family), none)], none)
}

const none = new Uint8Array(0)

function updateMessage(withdrawn: Uint8Array, attributes: Uint8Array[], nlri: Uint8Array): Uint8Array {
  const attributesLength = attributes.reduce((sum, part) => sum + part.length, 0)
  const writer = new ByteWriter(fixedLength + withdrawn.length + attributesLength + nlri.length)
  writeHeader(writer, 2, fixedLength + withdrawn.length + attributesLength + nlri.length)
  writer.u16(withdrawn.length).raw(withdrawn).u16(attributesLength)
  for (const part of attributes) writer.raw(part)
  return writer.raw(nlri).finish()
}

/** RFC 7911 §3. */
function sendsPathIds(family: Family, context: EncodeContext): boolean {
  return context.addPathSend?.includes(family) === true
}

/** Views of `nlri` of at most `room` octets each, none when a prefix does not fit. `skip`: octets before each prefix. */
function cutNlri(nlri: Uint8Array, skip: number, room: number): Uint8Array[] {
  const parts: Uint8Array[] = []
  let start = 0
  for (let at = 0; at < nlri.length;) {
    const next = nlriNext(nlri, at + skip)
    if (next - start > room) {
      if (at > start) parts.push(nlri.subarray(start, at))
      start = at
      if (next - at > room) start = next
    }
    at = next
  }
  if (start < nlri.length) parts.push(nlri.subarray(start))
  return parts
}

/** NEXT_HOP between AS_PATH and what follows it, as parts to be written one after another. */
function withNextHop(attributes: Uint8Array, nextHop: NextHop): Uint8Array[] {
  let at = 0
  while (at < attributes.length && attributes[at + 1]! < attributeType.nextHop) {
    const extended = (attributes[at]! & attributeFlag.extendedLength) !== 0
    at += extended ? 4 + ((attributes[at + 2]! << 8) | attributes[at + 3]!) : 3 + attributes[at + 2]!
  }
  const value = addressBytes(nextHop.global)
  const own = Uint8Array.of(wellKnown, attributeType.nextHop, value.length, ...value)
  return [attributes.subarray(0, at), own, attributes.subarray(at)]
}

function mpFamily(family: Family): Uint8Array {
  const { afi, safi } = familyCodes[family]
  return Uint8Array.of(afi >> 8, afi, safi)
}

/** AFI, SAFI, next hop and the reserved octet (RFC 4760 §3; RFC 2545 §3 for two next hops; RFC 8950 §3). */
export function mpReachHead(family: Family, nextHop: NextHop): Uint8Array {
  const global = addressBytes(nextHop.global)
  const linkLocal =
    nextHop.linkLocal === undefined || global.length !== 16 ? none : addressBytes(nextHop.linkLocal)
  return new ByteWriter(40)
    .raw(mpFamily(family))
    .u8(mpNextHopLength(family, global) + linkLocal.length)
    .raw(mapped(family, global))
    .raw(linkLocal)
    .u8(0)
    .finish()
}

function mpNextHopLength(family: Family, global: Uint8Array): number {
  return family === 'ipv6/unicast' ? 16 : global.length
}

/** An IPv4 next hop of an IPv6 route has no form but the IPv4-mapped one (RFC 4291 §2.5.5.2). */
function mapped(family: Family, global: Uint8Array): Uint8Array {
  if (family !== 'ipv6/unicast' || global.length === 16) return global
  const bytes = new Uint8Array(16)
  bytes.fill(0xff, 10, 12)
  bytes.set(global, 12)
  return bytes
}

function mpAttribute(type: number, head: Uint8Array, nlri: Uint8Array): Uint8Array {
  return new ByteWriter(4 + head.length + nlri.length)
    .u8(optionalNonTransitive | attributeFlag.extendedLength)
    .u8(type)
    .u16(head.length + nlri.length)
    .raw(head)
    .raw(nlri)
    .finish()
}

/** For a neighbour with AS numbers of two octets: AS_TRANS, with AS4_PATH and AS4_AGGREGATOR beside it (RFC 6793 §4.2.2). */
export function withTwoOctetAsns(block: Uint8Array): Uint8Array {
  const sent: RawAttribute[] = []
  for (const attribute of rawAttributes(block)) {
    if (attribute.type === attributeType.asPath) {
      const path = decodeAsPath(attribute.value, 4)
      sent.push({ ...attribute, value: encodeAsPath(path, 2) })
      const public4 = path.filter((segment) => !isConfederation(segment))
      if (public4.some((segment) => segment.asns.some((asn) => asn > 0xffff)))
        sent.push({
          flags: optionalTransitive,
          type: attributeType.as4Path,
          value: encodeAsPath(public4, 4),
        })
    } else if (attribute.type === attributeType.aggregator) {
      const reader = new ByteReader(attribute.value)
      const asn = reader.u32()
      const value = new ByteWriter(6)
        .u16(asn > 0xffff ? asTrans : asn)
        .raw(reader.take(4))
        .finish()
      sent.push({ ...attribute, value })
      if (asn > 0xffff)
        sent.push({ flags: optionalTransitive, type: attributeType.as4Aggregator, value: attribute.value })
    } else {
      sent.push(attribute)
    }
  }
  return encodeRawAttributes(sent)
}
