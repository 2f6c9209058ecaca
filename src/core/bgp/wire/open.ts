/**
 * OPEN messages as bytes (RFC 4271 §4.2, §6.2) with capabilities (RFC 5492). What can be judged without knowing the
 * configuration is judged here; whether the neighbour is the expected one is the session's to say.
 */
import { addressBytes, addressFromBytes } from '#core/net/address.ts'
import { ByteReader, ByteWriter } from '#core/lib/bytes.ts'
import { err, ok, type Result } from '#core/lib/result.ts'
import { familyCodes, familyOfCodes, type Family } from '../family.ts'
import { asTrans } from './attribute-codes.ts'
import { headerLength } from './context.ts'
import { messageType, writeHeader } from './framer.ts'
import type { Capabilities, MessageError, Open } from './message.ts'

/** IANA "Capability Codes". */
export const capabilityCode = {
  multiprotocol: 1,
  routeRefresh: 2,
  extendedNextHop: 5,
  fourOctetAsn: 65,
} as const

/** The only optional parameter there is (RFC 5492 §4). */
const capabilitiesParameter = 2
/** RFC 9072 §2: in place of the length and as the first type, it announces lengths of two octets. */
const extendedParameters = 255

/** `body`: at least ten octets, which framing has seen to. */
export function decodeOpen(body: Uint8Array): Result<Open, MessageError> {
  const reader = new ByteReader(body)
  const version = reader.u8()
  const headerAsn = reader.u16()
  const holdTimeSeconds = reader.u16()
  const identifier = reader.take(4)
  if (version !== 4)
    // RFC 4271 §6.2: the data is the largest version that is supported.
    return err(openError(1, Uint8Array.of(0, 4), `BGP version ${version} instead of 4`))
  const capabilities: Capabilities = noCapabilities()
  const asn4 = decodeParameters(reader, capabilities)
  if (!asn4.ok) return asn4
  const asn = asn4.value ?? headerAsn
  // RFC 7607 §2.
  if (asn === 0) return err(openError(2, noBytes, 'AS number 0'))
  if (holdTimeSeconds === 1 || holdTimeSeconds === 2)
    return err(openError(6, noBytes, `a hold time of ${holdTimeSeconds} s, neither 0 nor at least 3`))
  // RFC 6286 §2.2: any value but zero is a valid identifier.
  if (identifier.every((octet) => octet === 0)) return err(openError(3, noBytes, 'BGP identifier 0.0.0.0'))
  return ok({
    kind: 'open',
    version,
    asn,
    holdTimeSeconds,
    routerId: addressFromBytes(identifier),
    capabilities,
  })
}

/** One capability per parameter, which every implementation understands (RFC 5492 §4 asks to accept both ways). */
export function encodeOpen(open: Open): Uint8Array {
  const capabilities = encodeCapabilities(open)
  const plainLength = capabilities.reduce((sum, capability) => sum + 2 + capability.length, 0)
  const extended = plainLength > 255
  const parameters = new ByteWriter(plainLength + 3 * capabilities.length + 4)
  if (!extended) {
    parameters.u8(plainLength)
    for (const capability of capabilities)
      parameters.u8(capabilitiesParameter).u8(capability.length).raw(capability)
  } else {
    parameters
      .u8(extendedParameters)
      .u8(extendedParameters)
      .u16(plainLength + capabilities.length)
    for (const capability of capabilities)
      parameters.u8(capabilitiesParameter).u16(capability.length).raw(capability)
  }
  const length = headerLength + 9 + parameters.length
  const writer = new ByteWriter(length)
  writeHeader(writer, messageType.open, length)
  return writer
    .u8(open.version)
    .u16(open.asn > 0xffff ? asTrans : open.asn)
    .u16(open.holdTimeSeconds)
    .raw(addressBytes(open.routerId))
    .raw(parameters.finish())
    .finish()
}

/** The value of a Multiprotocol capability (RFC 4760 §8). */
export function multiprotocolCapability(family: Family): Uint8Array {
  const { afi, safi } = familyCodes[family]
  return Uint8Array.of(capabilityCode.multiprotocol, 4, afi >> 8, afi, 0, safi)
}

const noBytes = new Uint8Array(0)

function noCapabilities(): Capabilities {
  return { families: [], fourOctetAsn: false, routeRefresh: false, extendedNextHop: [], other: [] }
}

/** Fills `capabilities` and gives the AS number of the 4-octet AS capability, if there is one. */
function decodeParameters(
  reader: ByteReader,
  capabilities: Capabilities,
): Result<number | undefined, MessageError> {
  let length = reader.u8()
  let extended = false
  // RFC 9072 §2: decided by the type that follows, whatever the length says (it should be 255).
  if (length > 0 && reader.bytes[reader.offset] === extendedParameters && length === extendedParameters) {
    reader.u8()
    length = reader.u16()
    extended = true
  }
  if (reader.failed || length !== reader.remaining) return err(malformedParameters())
  let asn: number | undefined
  while (reader.remaining > 0) {
    const type = reader.u8()
    const part = reader.part(extended ? reader.u16() : reader.u8())
    if (reader.failed) return err(malformedParameters())
    if (type !== capabilitiesParameter)
      return err(openError(4, noBytes, `optional parameter of type ${type}, which is not supported`))
    while (part.remaining > 0) {
      const code = part.u8()
      const value = part.take(part.u8())
      if (part.failed) return err(malformedParameters())
      const decoded = decodeCapability(capabilities, code, value)
      if (!decoded.ok) return decoded
      asn = decoded.value ?? asn
    }
  }
  return ok(asn)
}

/** RFC 4271 §6.2: a recognised but malformed parameter has subcode 0, "Unspecific". */
function malformedParameters(): MessageError {
  return openError(0, noBytes, 'malformed optional parameters')
}

function decodeCapability(
  capabilities: Capabilities,
  code: number,
  value: Uint8Array,
): Result<number | undefined, MessageError> {
  const reader = new ByteReader(value)
  switch (code) {
    case capabilityCode.multiprotocol: {
      if (value.length !== 4) return err(badCapability(code, value))
      const afi = reader.u16()
      reader.u8()
      const family = familyOfCodes(afi, reader.u8())
      // Families that Herald does not speak are kept for display.
      if (family === undefined) capabilities.other.push({ code, value: value.slice() })
      else if (!capabilities.families.includes(family)) capabilities.families.push(family)
      return ok(undefined)
    }
    case capabilityCode.routeRefresh:
      capabilities.routeRefresh = true
      return ok(undefined)
    case capabilityCode.fourOctetAsn:
      if (value.length !== 4) return err(badCapability(code, value))
      capabilities.fourOctetAsn = true
      return ok(reader.u32())
    case capabilityCode.extendedNextHop:
      if (value.length % 6 !== 0) return err(badCapability(code, value))
      while (reader.remaining > 0) {
        const family = familyOfCodes(reader.u16(), reader.u16())
        const nextHopAfi = reader.u16()
        // RFC 8950 §4: the only use that is defined is IPv4 NLRI with an IPv6 next hop.
        if (family === 'ipv4/unicast' && nextHopAfi === 2 && !capabilities.extendedNextHop.includes(family))
          capabilities.extendedNextHop.push(family)
      }
      return ok(undefined)
    default:
      capabilities.other.push({ code, value: value.slice() })
      return ok(undefined)
  }
}

function badCapability(code: number, value: Uint8Array): MessageError {
  return openError(0, noBytes, `capability ${code} with a length of ${value.length}`)
}

/** Each with its code and length. */
function encodeCapabilities({ asn, capabilities }: Open): Uint8Array[] {
  const encoded = capabilities.families.map(multiprotocolCapability)
  if (capabilities.routeRefresh) encoded.push(Uint8Array.of(capabilityCode.routeRefresh, 0))
  if (capabilities.extendedNextHop.length > 0) {
    const writer = new ByteWriter(8).u8(capabilityCode.extendedNextHop)
    writer.u8(6 * capabilities.extendedNextHop.length)
    for (const family of capabilities.extendedNextHop)
      writer.u16(familyCodes[family].afi).u16(familyCodes[family].safi).u16(2)
    encoded.push(writer.finish())
  }
  if (capabilities.fourOctetAsn)
    encoded.push(new ByteWriter(6).u8(capabilityCode.fourOctetAsn).u8(4).u32(asn).finish())
  for (const { code, value } of capabilities.other) encoded.push(Uint8Array.of(code, value.length, ...value))
  return encoded
}

/** RFC 4271 §6.2. `message` goes on after "OPEN with". */
export function openError(subcode: number, data: Uint8Array, message: string): MessageError {
  return { code: 2, subcode, data, message: `OPEN with ${message}` }
}
