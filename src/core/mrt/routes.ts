/** What the records of a file say about routes: changes with their attributes as values, for people and for replays. */
import type { PathAttributes } from '#core/bgp/attributes.ts'
import { families, familyCodes, type Family } from '#core/bgp/family.ts'
import {
  attributeFlag,
  attributeType,
  optionalNonTransitive,
  wellKnown,
} from '#core/bgp/wire/attribute-codes.ts'
import { attributeRules } from '#core/bgp/wire/attribute-rules.ts'
import { decodeAttributes } from '#core/bgp/wire/attributes.ts'
import { messageType, writeHeader } from '#core/bgp/wire/framer.ts'
import type { NextHop, Update } from '#core/bgp/wire/message.ts'
import { encodePrefix, nlriPaths } from '#core/bgp/wire/nlri.ts'
import type { RouteChange } from '#core/bgp/wire/route-updates.ts'
import { decodeMessage } from '#core/bgp/wire/wire.ts'
import { ByteReader, ByteWriter } from '#core/lib/bytes.ts'
import { address, addressBytes, addressFromBytes } from '#core/net/address.ts'
import type { Prefix } from '#core/net/prefix.ts'
import type { MrtRecord, RibEntry } from './record.ts'

/** The UPDATE of a record of a message; undefined for other messages, and for one that RFC 7606 lets nothing be taken from. */
export function updateOf(record: Extract<MrtRecord, { kind: 'message' }>): Update | undefined {
  const { message, fourOctetAsn, addPath } = record
  if (message[18] !== messageType.update) return undefined
  const reader = new ByteReader(message, 19)
  reader.part(reader.u16())
  const attributes = reader.part(reader.u16())
  return decodeUpdate(message, fourOctetAsn, addPath, attributes)
}

/** What the UPDATE changes, in its order. */
export function changesOf(update: Update): RouteChange[] {
  const changes: RouteChange[] = update.withdrawn.flatMap((block) => nlriPaths(block).map(pathOf(block)))
  for (const block of update.announced) {
    const attributes = decodeAttributes(update.attributes, block.nextHop)
    changes.push(...nlriPaths(block).map((path) => ({ ...pathOf(block)(path), attributes })))
  }
  return changes
}

/** Attributes of an entry of a RIB; undefined for what RFC 7606 would not let in. An own route of the collector's may have no next hop. */
export function attributesOfEntry(
  family: Family,
  prefix: Prefix,
  entry: RibEntry,
): PathAttributes | undefined {
  const split = withoutNextHop(entry.attributes)
  if (split === undefined) return undefined
  const nextHop = nextHopOf(family, split.nextHop)
  if (nextHop === undefined) return undefined
  // Decoded as an UPDATE with a next hop that is never at fault: a collector keeps also what no neighbour would take.
  const nlri = encodePrefix(prefix)
  const { afi, safi } = familyCodes[family]
  const reach =
    family === 'ipv4/unicast'
      ? attribute(wellKnown, attributeType.nextHop, harmless.v4)
      : attribute(
          optionalNonTransitive,
          attributeType.mpReach,
          Uint8Array.of(0, afi, safi, 16, ...harmless.v6, 0, ...nlri),
        )
  const tail = family === 'ipv4/unicast' ? nlri : noBytes
  const attributes = new ByteWriter(split.rest.length + reach.length).raw(reach).raw(split.rest).finish()
  const length = 23 + attributes.length + tail.length
  if (length > 0xffff) return undefined
  const writer = new ByteWriter(length)
  writeHeader(writer, messageType.update, length)
  const message = writer.u16(0).u16(attributes.length).raw(attributes).raw(tail).finish()
  const update = decodeUpdate(message, true, false, new ByteReader(attributes))
  if (update?.announced[0] === undefined) return undefined
  return decodeAttributes(update.attributes, nextHop)
}

const harmless = {
  v4: addressBytes(address('192.0.2.1')),
  v6: addressBytes(address('2001:db8::1')),
} as const

const noBytes = new Uint8Array(0)

function pathOf(block: { pathIds?: true }) {
  return ({ prefix, pathId }: { prefix: Prefix; pathId: number }): RouteChange =>
    block.pathIds === true ? { prefix, pathId } : { prefix }
}

/** `attributes`: a reader of the part of the message that holds them. */
function decodeUpdate(
  message: Uint8Array,
  fourOctetAsn: boolean,
  addPath: boolean,
  attributes: ByteReader,
): Update | undefined {
  const decoded = decodeMessage(message, {
    fourOctetAsn,
    // RFC 7606 §7.5: LOCAL_PREF belongs to iBGP alone, and must be there. Which session it was is not in every file.
    kind: hasLocalPref(attributes) ? 'ibgp' : 'ebgp',
    families,
    extendedNextHop: families,
    ...(addPath ? { addPathReceive: families } : {}),
  })
  return decoded.ok && decoded.value.kind === 'update' ? decoded.value : undefined
}

function hasLocalPref(attributes: ByteReader): boolean {
  for (const { type } of attributesIn(attributes)) if (type === attributeType.localPref) return true
  return false
}

interface Attribute {
  flags: number
  type: number
  value: Uint8Array
}

/** Ends early where the bytes do not hold an attribute: the decoder is the one that judges. */
function* attributesIn(reader: ByteReader): Generator<Attribute> {
  while (reader.remaining > 0) {
    const flags = reader.u8()
    const type = reader.u8()
    const value = reader.take((flags & attributeFlag.extendedLength) === 0 ? reader.u8() : reader.u16())
    if (reader.failed) return
    yield { flags, type, value }
  }
}

/** The attributes but for next hops, with ORIGIN and AS_PATH in any case, and the octets of the next hop; undefined when the bytes are no attributes. */
function withoutNextHop(bytes: Uint8Array): { rest: Uint8Array; nextHop: Uint8Array } | undefined {
  const reader = new ByteReader(bytes)
  const writer = new ByteWriter(bytes.length + 64)
  let nextHop: Uint8Array = noBytes
  const missing = new Set<number>([attributeType.origin, attributeType.asPath])
  for (const { flags: written, type, value } of attributesIn(reader)) {
    // BIRD writes none for attributes that did not come by BGP.
    const flags = written === 0 ? (attributeRules[type]?.flags ?? written) : written
    if (type === attributeType.nextHop && nextHop.length === 0) nextHop = value
    else if (type === attributeType.mpReach) {
      // RFC 6396 §4.3.4: cut down to the next hop, whose length is never 0; some write the whole, which begins with a 0.
      const at = value[0] === 0 ? 3 : 0
      const length = value[at]
      if (length === undefined || value.length < at + 1 + length) return undefined
      nextHop = value.subarray(at + 1, at + 1 + length)
    } else if (type !== attributeType.nextHop) writer.raw(attribute(flags, type, value))
    missing.delete(type)
  }
  // Routes that the collector did not learn by BGP need not have them.
  if (missing.has(attributeType.origin))
    writer.raw(attribute(wellKnown, attributeType.origin, Uint8Array.of(2)))
  if (missing.has(attributeType.asPath)) writer.raw(attribute(wellKnown, attributeType.asPath, noBytes))
  return reader.failed ? undefined : { rest: writer.finish(), nextHop }
}

/** RFC 4271 §4.3: an extended length is always allowed. */
function attribute(flags: number, type: number, value: Uint8Array): Uint8Array {
  return new ByteWriter(4 + value.length)
    .u8(flags | attributeFlag.extendedLength)
    .u8(type)
    .u16(value.length)
    .raw(value)
    .finish()
}

/** RFC 2545 §3: of 32 octets the second half is a link-local address. */
function nextHopOf(family: Family, bytes: Uint8Array): NextHop | undefined {
  switch (bytes.length) {
    case 0:
      return { global: address(family === 'ipv4/unicast' ? '0.0.0.0' : '::') }
    case 4:
    case 16:
      return { global: addressFromBytes(bytes) }
    case 32:
      return {
        global: addressFromBytes(bytes.subarray(0, 16)),
        linkLocal: addressFromBytes(bytes.subarray(16)),
      }
  }
  return undefined
}
