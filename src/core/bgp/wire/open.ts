/**
 * OPEN messages as bytes (RFC 4271 §4.2, §6.2) around their capabilities (RFC 5492), which are in `capability.ts`. What can be judged without knowing the
 * configuration is judged here; whether the neighbour is the expected one is the session's to say.
 */
import { addressBytes, addressFromBytes } from '#core/net/address.ts'
import { ByteReader, ByteWriter } from '#core/lib/bytes.ts'
import { err, ok, type Result } from '#core/lib/result.ts'
import { asTrans } from './attribute-codes.ts'
import { decodeCapability, encodeCapabilities, noCapabilities } from './capability.ts'
import { headerLength } from './context.ts'
import { messageType, writeHeader } from './framer.ts'
import type { Capabilities, MessageError, Open } from './message.ts'

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

/**
 * One capability per parameter, which every implementation understands (RFC 5492 §4 asks to accept both ways). Without any
 * there are no optional parameters at all.
 */
export function encodeOpen(open: Open): Uint8Array {
  const capabilities = encodeCapabilities(open.asn, open.capabilities)
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

const noBytes = new Uint8Array(0)

/** Fills `capabilities` and gives the AS number of the 4-octet AS capability, if there is one. */
function decodeParameters(
  reader: ByteReader,
  capabilities: Capabilities,
): Result<number | undefined, MessageError> {
  let length = reader.u8()
  let extended = false
  // RFC 9072 §2: decided by the type that follows, whatever the length says (it should be 255).
  if (length > 0 && reader.bytes[reader.offset] === extendedParameters) {
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
      if (!decoded.ok) return err(openError(decoded.error.subcode, decoded.error.data, decoded.error.message))
      asn = decoded.value ?? asn
    }
  }
  return ok(asn)
}

/** RFC 4271 §6.2: a recognised but malformed parameter has subcode 0, "Unspecific". */
function malformedParameters(): MessageError {
  return openError(0, noBytes, 'malformed optional parameters')
}

/** RFC 4271 §6.2. `message` goes on after "OPEN with". */
export function openError(subcode: number, data: Uint8Array, message: string): MessageError {
  return { code: 2, subcode, data, message: `OPEN with ${message}` }
}
