/** MRT records as bytes (RFC 6396, RFC 8050). */
import type { PathAttributes } from '#core/bgp/attributes.ts'
import type { Family } from '#core/bgp/family.ts'
import { attributeType, optionalNonTransitive, wellKnown } from '#core/bgp/wire/attribute-codes.ts'
import { encodeAttributes, encodeRawAttributes, rawAttributes } from '#core/bgp/wire/attributes.ts'
import { encodePrefix } from '#core/bgp/wire/nlri.ts'
import { ByteWriter } from '#core/lib/bytes.ts'
import { utf8Bytes } from '#core/lib/utf8.ts'
import { addressBytes, type Address } from '#core/net/address.ts'
import type { Prefix } from '#core/net/prefix.ts'
import {
  bgp4mpSubtype,
  mrtType,
  tableDump2Subtype,
  type MrtPeer,
  type MrtSession,
  type RibEntry,
} from './record.ts'

/** RFC 6396 §4.4.2, §4.4.3; RFC 8050 §3. `at` in ms since 1970; `message`: whole. */
export function writeMessage(
  at: number,
  session: MrtSession,
  message: Uint8Array,
  options: { fourOctetAsn: boolean; addPath: boolean; local?: boolean },
): Uint8Array {
  const { fourOctetAsn, addPath, local = false } = options
  const is = bgp4mpSubtype
  const subtype = fourOctetAsn
    ? addPath
      ? local
        ? is.messageAs4LocalAddPath
        : is.messageAs4AddPath
      : local
        ? is.messageAs4Local
        : is.messageAs4
    : addPath
      ? local
        ? is.messageLocalAddPath
        : is.messageAddPath
      : local
        ? is.messageLocal
        : is.message
  const writer = new ByteWriter(64 + message.length)
  writeSession(writer, session, fourOctetAsn)
  return record(at, mrtType.bgp4mp, subtype, writer.raw(message).finish())
}

/** RFC 6396 §4.4.4. States: 1 (Idle) to 6 (Established). */
export function writeStateChange(at: number, session: MrtSession, from: number, to: number): Uint8Array {
  const writer = new ByteWriter(64)
  writeSession(writer, session, true)
  return record(at, mrtType.bgp4mp, bgp4mpSubtype.stateChangeAs4, writer.u16(from).u16(to).finish())
}

/** RFC 6396 §4.3.1. At most 65535 peers. */
export function writePeers(
  at: number,
  collector: Address,
  view: string,
  peers: readonly MrtPeer[],
): Uint8Array {
  const name = utf8Bytes(view, 255)
  const writer = new ByteWriter(256).raw(addressBytes(collector)).u16(name.length)
  writer.raw(Uint8Array.from(name)).u16(peers.length)
  for (const { address, routerId, asn } of peers)
    writer
      .u8(address.includes(':') ? 3 : 2)
      .raw(addressBytes(routerId))
      .raw(addressBytes(address))
      .u32(asn)
  return record(at, mrtType.tableDump2, tableDump2Subtype.peerIndexTable, writer.finish())
}

/** RFC 6396 §4.3.2; RFC 8050 §4.1 when an entry has a path identifier. */
export function writeRib(
  at: number,
  family: Family,
  sequence: number,
  prefix: Prefix,
  entries: readonly RibEntry[],
): Uint8Array {
  const addPath = entries.some(({ pathId }) => pathId !== undefined)
  const is = tableDump2Subtype
  const subtype =
    family === 'ipv4/unicast'
      ? addPath
        ? is.ribIpv4UnicastAddPath
        : is.ribIpv4Unicast
      : addPath
        ? is.ribIpv6UnicastAddPath
        : is.ribIpv6Unicast
  const writer = new ByteWriter(256).u32(sequence).raw(encodePrefix(prefix)).u16(entries.length)
  for (const { peer, originatedAt, pathId = 0, attributes } of entries) {
    writer.u16(peer).u32(Math.floor(originatedAt / 1000))
    if (addPath) writer.u32(pathId)
    writer.u16(attributes.length).raw(attributes)
  }
  return record(at, mrtType.tableDump2, subtype, writer.finish())
}

/** Attributes as a RIB entry has them: NEXT_HOP of an IPv4 one, else MP_REACH_NLRI with nothing but next hops (RFC 6396 §4.3.4). */
export function ribAttributes(family: Family, attributes: PathAttributes): Uint8Array {
  const { nextHop, linkLocalNextHop, weight: _, ...rest } = attributes
  const raw = [...rawAttributes(encodeAttributes(rest))]
  const hop = addressBytes(nextHop)
  if (family === 'ipv4/unicast' && hop.length === 4)
    raw.push({ flags: wellKnown, type: attributeType.nextHop, value: hop })
  else {
    const linkLocal = linkLocalNextHop === undefined ? [] : addressBytes(linkLocalNextHop)
    const hops = hop.length === 4 ? [...ipv4Mapped, ...hop] : [...hop, ...linkLocal]
    const value = Uint8Array.of(hops.length, ...hops)
    raw.push({ flags: optionalNonTransitive, type: attributeType.mpReach, value })
  }
  return encodeRawAttributes(raw.toSorted((a, b) => a.type - b.type))
}

/** RFC 4291 §2.5.5.2: the only form that an IPv4 next hop of an IPv6 route has. */
const ipv4Mapped = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff]

function writeSession(writer: ByteWriter, session: MrtSession, fourOctetAsn: boolean): void {
  const { peerAsn, localAsn, peerAddress, localAddress } = session
  if (fourOctetAsn) writer.u32(peerAsn).u32(localAsn)
  else writer.u16(twoOctets(peerAsn)).u16(twoOctets(localAsn))
  writer.u16(0).u16(peerAddress.includes(':') ? 2 : 1)
  writer.raw(addressBytes(peerAddress)).raw(addressBytes(localAddress))
}

/** RFC 6793 §4.2.2: AS_TRANS. */
function twoOctets(asn: number): number {
  return asn > 0xffff ? 23456 : asn
}

/** RFC 6396 §2. */
function record(at: number, type: number, subtype: number, body: Uint8Array): Uint8Array {
  return new ByteWriter(12 + body.length)
    .u32(Math.floor(at / 1000))
    .u16(type)
    .u16(subtype)
    .u32(body.length)
    .raw(body)
    .finish()
}
