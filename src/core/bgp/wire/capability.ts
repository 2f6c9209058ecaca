/** Capabilities of an OPEN (RFC 5492 §4) as bytes: each with its code and length. What they lead to is the session's to say. */
import { ByteReader, ByteWriter } from '#core/lib/bytes.ts'
import { err, ok, type Result } from '#core/lib/result.ts'
import { decodeUtf8, utf8Bytes } from '#core/lib/utf8.ts'
import type { Role } from '../config.ts'
import { familyCodes, familyOfCodes, type Family } from '../family.ts'
import type { Capabilities, GracefulRestartCapability, LongLivedFamily } from './message.ts'

/** IANA "Capability Codes". */
const capabilityCode = {
  multiprotocol: 1,
  routeRefresh: 2,
  extendedNextHop: 5,
  extendedMessages: 6,
  role: 9,
  gracefulRestart: 64,
  fourOctetAsn: 65,
  addPath: 69,
  enhancedRouteRefresh: 70,
  longLivedRestart: 71,
  hostname: 73,
} as const

/** RFC 9234 §4.1: by code. */
const roles: readonly Role[] = ['provider', 'rs', 'rs-client', 'customer', 'peer']

/** Bits of RFC 4724 §3 and RFC 8538 §2. */
const restartBits = { restarting: 0x8, notification: 0x4, forwarding: 0x80 } as const

/** What is wrong with a capability: subcode and data of the OPEN Message Error, and a text that goes on after "OPEN with". */
export interface CapabilityError {
  subcode: number
  data: Uint8Array
  message: string
}

/** Of an OPEN without optional parameters. */
export function noCapabilities(): Capabilities {
  return { families: [], fourOctetAsn: false, routeRefresh: false, extendedNextHop: [], other: [] }
}

/** Adds one to `capabilities`; gives the AS number if it is the 4-octet AS capability. `value` is not kept. */
export function decodeCapability(
  capabilities: Capabilities,
  code: number,
  value: Uint8Array,
): Result<number | undefined, CapabilityError> {
  switch (code) {
    case capabilityCode.multiprotocol: {
      if (value.length !== 4) return err(badLength(code, value))
      const family = familyOfCodes((value[0]! << 8) | value[1]!, value[3]!)
      // Families that Herald does not speak are kept for display.
      if (family === undefined) capabilities.other.push({ code, value: value.slice() })
      else if (!capabilities.families.includes(family)) capabilities.families.push(family)
      return ok(undefined)
    }
    case capabilityCode.routeRefresh:
      capabilities.routeRefresh = true
      return ok(undefined)
    case capabilityCode.extendedMessages:
      capabilities.extendedMessages = true
      return ok(undefined)
    case capabilityCode.enhancedRouteRefresh:
      capabilities.enhancedRouteRefresh = true
      return ok(undefined)
    case capabilityCode.fourOctetAsn:
      if (value.length !== 4) return err(badLength(code, value))
      capabilities.fourOctetAsn = true
      return ok(new ByteReader(value).u32())
    case capabilityCode.extendedNextHop:
      if (value.length % 6 !== 0) return err(badLength(code, value))
      for (const family of extendedNextHops(value))
        if (!capabilities.extendedNextHop.includes(family)) capabilities.extendedNextHop.push(family)
      return ok(undefined)
    case capabilityCode.addPath:
      if (value.length % 4 !== 0) return err(badLength(code, value))
      capabilities.addPath = addPathFamilies(value)
      return ok(undefined)
    case capabilityCode.gracefulRestart: {
      // RFC 4724 §3: only the last instance counts. A length that none can have makes it as if it were not there.
      if (value.length < 2 || value.length % 4 !== 2) return ok(undefined)
      capabilities.gracefulRestart = decodeGracefulRestart(value)
      return ok(undefined)
    }
    case capabilityCode.longLivedRestart:
      if (value.length % 7 !== 0) return ok(undefined)
      capabilities.longLivedRestart = decodeLongLived(value)
      return ok(undefined)
    case capabilityCode.role:
      return decodeRole(capabilities, value)
    case capabilityCode.hostname: {
      const name = decodeHostname(value)
      if (name === undefined) capabilities.other.push({ code, value: value.slice() })
      else capabilities.hostname = name
      return ok(undefined)
    }
    default:
      capabilities.other.push({ code, value: value.slice() })
      return ok(undefined)
  }
}

/** Each with its code and length. `asn`: for the 4-octet AS capability. */
export function encodeCapabilities(asn: number, capabilities: Capabilities): Uint8Array[] {
  const { addPath, gracefulRestart, longLivedRestart, role, hostname } = capabilities
  const encoded = capabilities.families.map(multiprotocolCapability)
  if (capabilities.routeRefresh) encoded.push(capability(capabilityCode.routeRefresh))
  if (capabilities.extendedNextHop.length > 0) {
    const writer = new ByteWriter(8)
    for (const family of capabilities.extendedNextHop) {
      const { afi, safi } = familyCodes[family]
      writer.u16(afi).u16(safi).u16(2)
    }
    encoded.push(capability(capabilityCode.extendedNextHop, writer.finish()))
  }
  if (capabilities.extendedMessages === true) encoded.push(capability(capabilityCode.extendedMessages))
  if (role !== undefined) encoded.push(capability(capabilityCode.role, Uint8Array.of(roles.indexOf(role))))
  if (gracefulRestart !== undefined)
    encoded.push(capability(capabilityCode.gracefulRestart, encodeGracefulRestart(gracefulRestart)))
  if (capabilities.fourOctetAsn)
    encoded.push(capability(capabilityCode.fourOctetAsn, new ByteWriter(4).u32(asn).finish()))
  if (addPath !== undefined) {
    const writer = new ByteWriter(8)
    for (const { family, receive, send } of addPath) {
      const { afi, safi } = familyCodes[family]
      writer
        .u16(afi)
        .u8(safi)
        .u8((receive ? 1 : 0) | (send ? 2 : 0))
    }
    encoded.push(capability(capabilityCode.addPath, writer.finish()))
  }
  if (capabilities.enhancedRouteRefresh === true)
    encoded.push(capability(capabilityCode.enhancedRouteRefresh))
  if (longLivedRestart !== undefined)
    encoded.push(capability(capabilityCode.longLivedRestart, encodeLongLived(longLivedRestart)))
  if (hostname !== undefined) {
    const octets = utf8Bytes(hostname, 64)
    // The domain name, which comes second, is left empty.
    encoded.push(capability(capabilityCode.hostname, Uint8Array.of(octets.length, ...octets, 0)))
  }
  for (const { code, value } of capabilities.other) encoded.push(capability(code, value))
  return encoded
}

/** RFC 4760 §8. */
export function multiprotocolCapability(family: Family): Uint8Array {
  const { afi, safi } = familyCodes[family]
  return Uint8Array.of(capabilityCode.multiprotocol, 4, afi >> 8, afi, 0, safi)
}

/** A Role capability whose value is not assigned (RFC 9234 §4.1). */
export function hasUnknownRole({ other }: Capabilities): boolean {
  return other.some(({ code }) => code === capabilityCode.role)
}

const noBytes = new Uint8Array(0)

function capability(code: number, value: Uint8Array = noBytes): Uint8Array {
  return Uint8Array.of(code, value.length, ...value)
}

function badLength(code: number, value: Uint8Array): CapabilityError {
  return { subcode: 0, data: noBytes, message: `capability ${code} with a length of ${value.length}` }
}

function extendedNextHops(value: Uint8Array): Family[] {
  const reader = new ByteReader(value)
  const families: Family[] = []
  while (reader.remaining > 0) {
    const family = familyOfCodes(reader.u16(), reader.u16())
    // RFC 8950 §4: the only use that is defined is IPv4 NLRI with an IPv6 next hop.
    if (reader.u16() === 2 && family === 'ipv4/unicast') families.push(family)
  }
  return families
}

/** RFC 7911 §4: 1 receives, 2 sends, 3 both; another value makes all of it not understood. The first entry of a family counts. */
function addPathFamilies(value: Uint8Array): NonNullable<Capabilities['addPath']> {
  const reader = new ByteReader(value)
  const known: NonNullable<Capabilities['addPath']> = []
  while (reader.remaining > 0) {
    const family = familyOfCodes(reader.u16(), reader.u8())
    const way = reader.u8()
    if (way < 1 || way > 3) return []
    if (family === undefined || known.some((each) => each.family === family)) continue
    known.push({ family, receive: (way & 1) !== 0, send: (way & 2) !== 0 })
  }
  return known
}

function decodeGracefulRestart(value: Uint8Array): GracefulRestartCapability {
  const reader = new ByteReader(value)
  const head = reader.u16()
  const families: GracefulRestartCapability['families'] = []
  while (reader.remaining > 0) {
    const family = familyOfCodes(reader.u16(), reader.u8())
    const forwarding = (reader.u8() & restartBits.forwarding) !== 0
    if (family !== undefined && families.every((each) => each.family !== family))
      families.push({ family, forwarding })
  }
  return {
    restarting: ((head >> 12) & restartBits.restarting) !== 0,
    notification: ((head >> 12) & restartBits.notification) !== 0,
    restartSeconds: head & 0xfff,
    families,
  }
}

function encodeGracefulRestart(offer: GracefulRestartCapability): Uint8Array {
  const bits =
    (offer.restarting ? restartBits.restarting : 0) | (offer.notification ? restartBits.notification : 0)
  const writer = new ByteWriter(10).u16((bits << 12) | offer.restartSeconds)
  for (const { family, forwarding } of offer.families) {
    const { afi, safi } = familyCodes[family]
    writer
      .u16(afi)
      .u8(safi)
      .u8(forwarding ? restartBits.forwarding : 0)
  }
  return writer.finish()
}

function decodeLongLived(value: Uint8Array): LongLivedFamily[] {
  const reader = new ByteReader(value)
  const known: LongLivedFamily[] = []
  while (reader.remaining > 0) {
    const family = familyOfCodes(reader.u16(), reader.u8())
    const forwarding = (reader.u8() & restartBits.forwarding) !== 0
    const staleSeconds = (reader.u8() << 16) | reader.u16()
    if (family !== undefined && known.every((each) => each.family !== family))
      known.push({ family, forwarding, staleSeconds })
  }
  return known
}

function encodeLongLived(offers: readonly LongLivedFamily[]): Uint8Array {
  const writer = new ByteWriter(14)
  for (const { family, forwarding, staleSeconds } of offers) {
    const { afi, safi } = familyCodes[family]
    writer
      .u16(afi)
      .u8(safi)
      .u8(forwarding ? restartBits.forwarding : 0)
      .u8(staleSeconds >> 16)
      .u16(staleSeconds & 0xffff)
  }
  return writer.finish()
}

/** RFC 9234 §4.2: several are one if they are equal, and a mismatch if not. */
function decodeRole(capabilities: Capabilities, value: Uint8Array): Result<undefined, CapabilityError> {
  if (value.length !== 1) return err(badLength(capabilityCode.role, value))
  const role = roles[value[0]!]
  if (role === undefined) {
    // Not assigned: kept for display, and as if there were none.
    capabilities.other.push({ code: capabilityCode.role, value: value.slice() })
    return ok(undefined)
  }
  if (capabilities.role !== undefined && capabilities.role !== role)
    return err({
      subcode: 11,
      data: noBytes,
      message: `the roles ${capabilities.role} and ${role} at once (RFC 9234 §4.2)`,
    })
  capabilities.role = role
  return ok(undefined)
}

/** Undefined for what is no such capability. */
function decodeHostname(value: Uint8Array): string | undefined {
  const reader = new ByteReader(value)
  const host = decodeUtf8(reader.take(reader.u8()))
  const domain = decodeUtf8(reader.take(reader.u8()))
  if (reader.failed || host === undefined || domain === undefined || host === '') return undefined
  return domain === '' ? host : `${host}.${domain}`
}
