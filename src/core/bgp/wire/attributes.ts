/**
 * The canonical attribute block and its value. The block is what the RIB interns: path attributes ascending by type,
 * without NEXT_HOP, MP_REACH_NLRI and MP_UNREACH_NLRI, flags normalised, AS numbers of four octets, communities sorted.
 * Equal values have equal blocks.
 */
import { addressBytes, addressFromBytes, type Address } from '#core/net/address.ts'
import { ByteReader, ByteWriter, hex } from '#core/lib/bytes.ts'
import type { LargeCommunity } from '#core/net/community.ts'
import type { Origin, PathAttributes, UnknownAttribute } from '../attributes.ts'
import { decodeAsPath, encodeAsPath } from './as-path.ts'
import {
  attributeFlag,
  attributeType,
  optionalNonTransitive,
  optionalTransitive,
  wellKnown,
} from './attribute-codes.ts'
import type { NextHop } from './message.ts'

/** What a block holds. A next hop may be there and is not encoded. */
export type BlockAttributes = Omit<PathAttributes, 'nextHop'> & { nextHop?: Address }

/** One attribute of a block: `value` is a view. */
export interface RawAttribute {
  /** Without the extended-length bit, which depends on the value. */
  flags: number
  type: number
  value: Uint8Array
}

/** Of an AIGP TLV, with its head (RFC 7311 §3). */
const aigpOctets = 11

const origins: readonly Origin[] = ['igp', 'egp', 'incomplete']

/** The value of a canonical block, with the next hop that came with its NLRI. Unknown values are views of the block. */
export function decodeAttributes(block: Uint8Array, nextHop: NextHop): PathAttributes {
  const attributes: PathAttributes = { origin: 'igp', asPath: [], nextHop: nextHop.global }
  if (nextHop.linkLocal !== undefined) attributes.linkLocalNextHop = nextHop.linkLocal
  const unknown: UnknownAttribute[] = []
  const partial: number[] = []
  for (const attribute of rawAttributes(block)) {
    if (!decodeKnown(attributes, attribute)) unknown.push(attribute)
    else if ((attribute.flags & attributeFlag.partial) !== 0) partial.push(attribute.type)
  }
  if (partial.length > 0) attributes.partial = partial
  if (unknown.length > 0) attributes.unknown = unknown
  return attributes
}

/** The canonical block of these attributes. */
export function encodeAttributes(attributes: BlockAttributes): Uint8Array {
  const raw: RawAttribute[] = [
    {
      flags: wellKnown,
      type: attributeType.origin,
      value: Uint8Array.of(origins.indexOf(attributes.origin)),
    },
    { flags: wellKnown, type: attributeType.asPath, value: encodeAsPath(attributes.asPath, 4) },
  ]
  const { med, localPref, aggregator, originatorId, clusterList, aigp, aigpOthers, otc, weight } = attributes
  const add = (flags: number, type: number, value: Uint8Array) => raw.push({ flags, type, value })
  if (weight !== undefined && weight > 0) add(optionalNonTransitive, attributeType.weight, u32Bytes(weight))
  if (med !== undefined) add(optionalNonTransitive, attributeType.med, u32Bytes(med))
  if (localPref !== undefined) add(wellKnown, attributeType.localPref, u32Bytes(localPref))
  if (attributes.atomicAggregate === true) add(wellKnown, attributeType.atomicAggregate, new Uint8Array(0))
  if (aggregator !== undefined) {
    const value = new ByteWriter(8).u32(aggregator.asn).raw(addressBytes(aggregator.address)).finish()
    add(optionalTransitive, attributeType.aggregator, value)
  }
  if (originatorId !== undefined)
    add(optionalNonTransitive, attributeType.originatorId, addressBytes(originatorId))
  if (clusterList !== undefined && clusterList.length > 0)
    add(optionalNonTransitive, attributeType.clusterList, joined(clusterList.map(addressBytes)))
  if (aigp !== undefined) {
    const value = new ByteWriter(11)
      .u8(1)
      .u16(aigpOctets)
      .u32(Number(aigp >> 32n))
      .u32(Number(aigp & 0xffff_ffffn))
    if (aigpOthers !== undefined) value.raw(fromHex(aigpOthers))
    add(optionalNonTransitive, attributeType.aigp, value.finish())
  }
  if (otc !== undefined) add(optionalTransitive, attributeType.otc, u32Bytes(otc))
  addCommunities(attributes, add)
  for (const attribute of raw)
    if (attributes.partial?.includes(attribute.type) === true) attribute.flags |= attributeFlag.partial
  if (attributes.unknown !== undefined) raw.push(...attributes.unknown)
  return encodeRawAttributes(raw)
}

function addCommunities(
  attributes: BlockAttributes,
  add: (flags: number, type: number, value: Uint8Array) => void,
): void {
  const { communities, largeCommunities, extendedCommunities, ipv6ExtendedCommunities } = attributes
  const lists = [
    [attributeType.communities, communities && u32Bytes(...communities)],
    [attributeType.extendedCommunities, extendedCommunities && joined(extendedCommunities.map(fromHex))],
    [
      attributeType.ipv6ExtendedCommunities,
      ipv6ExtendedCommunities && joined(ipv6ExtendedCommunities.map(fromHex)),
    ],
    [attributeType.largeCommunities, largeCommunities && u32Bytes(...largeCommunities.flat())],
  ] as const
  for (const [type, value] of lists)
    if (value !== undefined && value.length > 0) add(optionalTransitive, type, canonicalValue(type, value))
}

/** Octets of one member, of attributes that are sets. */
const memberOctets: Partial<Record<number, number>> = {
  [attributeType.communities]: 4,
  [attributeType.extendedCommunities]: 8,
  [attributeType.ipv6ExtendedCommunities]: 20,
  [attributeType.largeCommunities]: 12,
}

/** The one form in which a block has this well-formed value; the same array when it already has. */
export function canonicalValue(type: number, value: Uint8Array): Uint8Array {
  const octets = memberOctets[type]
  if (octets !== undefined) return sortedCommunities(value, octets)
  if (type !== attributeType.aigp) return value
  // RFC 7311 §3: of several AIGP TLVs the first counts, and stands before the other TLVs here.
  let at = 0
  while (value[at] !== 1) at += (value[at + 1]! << 8) | value[at + 2]!
  if (at === 0) return value
  const [counts, after] = [value.subarray(at, at + aigpOctets), value.subarray(at + aigpOctets)]
  return joined([counts, value.subarray(0, at), after])
}

/** Walks a well-formed block or attribute list. */
export function* rawAttributes(block: Uint8Array): Generator<RawAttribute> {
  const reader = new ByteReader(block)
  while (reader.remaining > 0 && !reader.failed) {
    const flags = reader.u8()
    const type = reader.u8()
    const length = (flags & attributeFlag.extendedLength) === 0 ? reader.u8() : reader.u16()
    yield { flags: flags & ~attributeFlag.extendedLength, type, value: reader.take(length) }
  }
}

/** Sorts the attributes by type and writes them with normalised flags. */
export function encodeRawAttributes(attributes: RawAttribute[]): Uint8Array {
  attributes.sort((a, b) => a.type - b.type)
  const writer = new ByteWriter(256)
  for (const { flags, type, value } of attributes) {
    // RFC 4271 §4.3: the lower half of the octet is zero but for the extended length, used only where it must be.
    const kept = flags & (attributeFlag.optional | attributeFlag.transitive | attributeFlag.partial)
    if (value.length > 255)
      writer
        .u8(kept | attributeFlag.extendedLength)
        .u8(type)
        .u16(value.length)
    else writer.u8(kept).u8(type).u8(value.length)
    writer.raw(value)
  }
  return writer.finish()
}

/**
 * A list of communities of `octets` octets each, ascending and without duplicates (RFC 8092 §3); the same array when it
 * already is. Order and duplicates mean nothing, and a sorted list makes equal sets equal bytes.
 */
function sortedCommunities(value: Uint8Array, octets: number): Uint8Array {
  let sorted = true
  for (let at = octets; at < value.length && sorted; at += octets)
    sorted = compareAt(value, at - octets, at, octets) < 0
  if (sorted) return value
  const order = Array.from({ length: value.length / octets }, (_, i) => i * octets)
  order.sort((a, b) => compareAt(value, a, b, octets))
  const writer = new ByteWriter(value.length)
  for (const [i, at] of order.entries()) {
    if (i === 0 || compareAt(value, order[i - 1]!, at, octets) !== 0)
      writer.raw(value.subarray(at, at + octets))
  }
  return writer.finish()
}

/** False for a type that {@link PathAttributes} has no field for. */
function decodeKnown(attributes: PathAttributes, { type, value }: RawAttribute): boolean {
  const reader = new ByteReader(value)
  switch (type) {
    case attributeType.origin:
      attributes.origin = origins[reader.u8()] ?? 'incomplete'
      return true
    case attributeType.asPath:
      attributes.asPath = decodeAsPath(value, 4)
      return true
    case attributeType.med:
      attributes.med = reader.u32()
      return true
    case attributeType.localPref:
      attributes.localPref = reader.u32()
      return true
    case attributeType.atomicAggregate:
      attributes.atomicAggregate = true
      return true
    case attributeType.aggregator:
      attributes.aggregator = { asn: reader.u32(), address: addressFromBytes(reader.take(4)) }
      return true
    case attributeType.communities:
      attributes.communities = []
      while (reader.remaining > 0) attributes.communities.push(reader.u32())
      return true
    case attributeType.originatorId:
      attributes.originatorId = addressFromBytes(value)
      return true
    case attributeType.clusterList:
      attributes.clusterList = []
      while (reader.remaining > 0) attributes.clusterList.push(addressFromBytes(reader.take(4)))
      return true
    case attributeType.extendedCommunities:
      attributes.extendedCommunities = []
      while (reader.remaining > 0) attributes.extendedCommunities.push(hex(reader.take(8)))
      return true
    case attributeType.ipv6ExtendedCommunities:
      attributes.ipv6ExtendedCommunities = []
      while (reader.remaining > 0) attributes.ipv6ExtendedCommunities.push(hex(reader.take(20)))
      return true
    case attributeType.aigp:
      reader.take(3)
      attributes.aigp = (BigInt(reader.u32()) << 32n) | BigInt(reader.u32())
      if (reader.remaining > 0) attributes.aigpOthers = hex(reader.take(reader.remaining))
      return true
    case attributeType.otc:
      attributes.otc = reader.u32()
      return true
    case attributeType.weight:
      attributes.weight = reader.u32()
      return true
    case attributeType.largeCommunities: {
      const communities: LargeCommunity[] = []
      while (reader.remaining > 0) communities.push([reader.u32(), reader.u32(), reader.u32()])
      attributes.largeCommunities = communities
      return true
    }
    default:
      return false
  }
}

function joined(parts: readonly Uint8Array[]): Uint8Array {
  const writer = new ByteWriter(64)
  for (const part of parts) writer.raw(part)
  return writer.finish()
}

function fromHex(digits: string): Uint8Array {
  return Uint8Array.from({ length: digits.length / 2 }, (_, i) =>
    Number.parseInt(digits.slice(2 * i, 2 * i + 2), 16),
  )
}

function u32Bytes(...values: number[]): Uint8Array {
  const writer = new ByteWriter(4 * values.length)
  for (const value of values) writer.u32(value)
  return writer.finish()
}

function compareAt(bytes: Uint8Array, a: number, b: number, octets: number): number {
  for (let i = 0; i < octets; i++) {
    const difference = bytes[a + i]! - bytes[b + i]!
    if (difference !== 0) return difference
  }
  return 0
}
