/**
 * UPDATE messages from bytes (RFC 4271 §4.3, §6.3), with the milder answers to errors of RFC 7606: an attribute may be
 * discarded, routes may be withdrawn, and only what leaves the NLRI in doubt ends the session. Everything a neighbour can
 * send comes out as a value.
 */
import { ByteReader, ByteWriter } from '#core/lib/bytes.ts'
import { err, ok, type Result } from '#core/lib/result.ts'
import type { Family } from '../family.ts'
import { decodeAsPath, encodeAsPath, mergeAs4Path } from './as-path.ts'
import {
  asTrans,
  attributeFlag,
  attributeName,
  attributeType,
  optionalTransitive,
} from './attribute-codes.ts'
import { attributeRules } from './attribute-rules.ts'
import { canonicalValue, encodeRawAttributes, type RawAttribute } from './attributes.ts'
import type { UpdateContext } from './context.ts'
import type { MessageError, NlriBlock, Update, UpdateFault } from './message.ts'
import { decodeMpReach, decodeMpUnreach, type MpReach } from './multiprotocol.ts'
import { decodeNextHop, nextHopFault } from './next-hop.ts'
import { checkNlri, nlriBlock } from './nlri.ts'

/** `body`: the message after its header. NLRI in the result may be views of it. */
export function decodeUpdate(body: Uint8Array, context: UpdateContext): Result<Update, MessageError> {
  const reader = new ByteReader(body)
  const withdrawnField = reader.take(reader.u16())
  const attributesField = reader.take(reader.u16())
  // RFC 7606 §3 a: with lengths that do not add up nothing can be located.
  if (reader.failed)
    return err(
      updateError(1, noBytes, 'Withdrawn Routes Length or Total Attribute Length beyond the message'),
    )
  const nlriField = reader.take(reader.remaining)
  const decoder: Decoder = {
    context,
    update: { kind: 'update', withdrawn: [], announced: [], attributes: noBytes, endOfRib: [], faults: [] },
    withdraw: undefined,
    attributes: [],
    seen: new Set(),
  }
  const error =
    takeWithdrawn(decoder, withdrawnField) ??
    scanAttributes(decoder, attributesField) ??
    takeAnnounced(decoder, nlriField)
  if (error !== undefined) return err(error)
  if (body.length === 4) endOfRib(decoder, 'ipv4/unicast')
  return ok(decoder.update)
}

interface Decoder {
  readonly context: UpdateContext
  readonly update: Update
  /** The first fault that asks for treat-as-withdraw, as the error it would be if the session had to end for it. */
  withdraw: MessageError | undefined
  /** Accepted ones, but MP_REACH_NLRI, MP_UNREACH_NLRI and NEXT_HOP. */
  readonly attributes: RawAttribute[]
  readonly seen: Set<number>
  reach?: MpReach
  /** MP_REACH_NLRI holds NLRI, be they of a family that was negotiated or not. */
  reachable?: boolean
  /** Family of MP_UNREACH_NLRI. */
  unreachFamily?: Family
  nextHop?: Uint8Array
}

const noBytes = new Uint8Array(0)

function takeWithdrawn(decoder: Decoder, field: Uint8Array): MessageError | undefined {
  if (field.length === 0) return undefined
  return takeNlri(decoder, 'ipv4/unicast', field, decoder.update.withdrawn)
}

/** NLRI of the message's own fields: always IPv4 unicast. */
function takeNlri(
  decoder: Decoder,
  family: Family,
  field: Uint8Array,
  blocks: NlriBlock[],
): MessageError | undefined {
  const pathIds = decoder.context.addPathReceive?.includes(family) === true
  const checked = checkNlri(family, field, pathIds)
  // RFC 7606 §3 i, §5.3.
  if (checked.kind === 'malformed')
    return updateError(10, noBytes, `a prefix that is too long at octet ${checked.at} of the NLRI`)
  if (!decoder.context.families.includes(family)) {
    fault(decoder, 0, 'attributeDiscard', `RFC 4760 §7: NLRI of ${family}, which was not negotiated`)
    return undefined
  }
  noteIgnored(decoder, checked.ignored)
  if (checked.nlri.length > 0) blocks.push(nlriBlock(family, checked.nlri, pathIds))
  return undefined
}

function scanAttributes(decoder: Decoder, field: Uint8Array): MessageError | undefined {
  const reader = new ByteReader(field)
  while (reader.remaining > 0) {
    const start = reader.offset
    const flags = reader.u8()
    const type = reader.u8() // 0 when there is none
    const length = (flags & attributeFlag.extendedLength) === 0 ? reader.u8() : reader.u16()
    const value = reader.take(length)
    if (reader.failed) {
      // RFC 7606 §3 j: its NLRI cannot be parsed as a whole.
      if (isMultiprotocol(type))
        return updateError(1, noBytes, `${attributeName(type)} runs beyond the attributes`)
      // RFC 7606 §4: Total Attribute Length still says where the NLRI begins.
      withdraw(decoder, type, 'RFC 7606 §4', 'runs beyond the attributes', 1, noBytes)
      return undefined
    }
    const whole = field.subarray(start, reader.offset)
    const error = takeAttribute(decoder, { flags: flags & ~attributeFlag.extendedLength, type, value }, whole)
    if (error !== undefined) return error
  }
  return undefined
}

/** `whole`: with flags, type and length, as error data has it (RFC 4271 §6.3). */
function takeAttribute(
  decoder: Decoder,
  attribute: RawAttribute,
  whole: Uint8Array,
): MessageError | undefined {
  const { context, seen } = decoder
  const { flags, type, value } = attribute
  if (seen.has(type)) {
    // RFC 7606 §3 g.
    if (isMultiprotocol(type)) return updateError(1, noBytes, `${attributeName(type)} twice`)
    fault(decoder, type, 'attributeDiscard', `RFC 7606 §3: ${attributeName(type)} again`)
    return undefined
  }
  seen.add(type)
  const rule = attributeRules[type]
  if (rule === undefined) return takeUnrecognised(decoder, attribute, whole)
  if (rule.internalOnly === true && context.kind === 'ebgp') {
    fault(
      decoder,
      type,
      'attributeDiscard',
      `${rule.source}: ${attributeName(type)} from an external neighbour`,
    )
    return undefined
  }
  // RFC 6793 §4.1: between four-octet speakers these two have no meaning.
  if ((type === attributeType.as4Path || type === attributeType.as4Aggregator) && context.fourOctetAsn) {
    fault(
      decoder,
      type,
      'attributeDiscard',
      `RFC 6793 §4.1: ${attributeName(type)} from a four-octet speaker`,
    )
    return undefined
  }
  if (type === attributeType.aigp && (flags & attributeFlag.transitive) !== 0) {
    fault(decoder, type, 'attributeDiscard', 'RFC 7311 §3.2: AIGP with the Transitive bit')
    return undefined
  }
  const category = attributeFlag.optional | attributeFlag.transitive
  const flagsFit = (flags & category) === rule.flags
  // RFC 7606 §5.3: with other flags its NLRI are not to be trusted.
  if (!flagsFit && isMultiprotocol(type))
    return updateError(9, whole.slice(), `${attributeName(type)} with flags 0x${flags.toString(16)}`)
  // RFC 7606 §3 c.
  if (!flagsFit) withdraw(decoder, type, 'RFC 7606 §3', `has flags 0x${flags.toString(16)}`, 4, whole)
  if (type === attributeType.mpReach) return takeReach(decoder, value, whole)
  if (type === attributeType.mpUnreach) return takeUnreach(decoder, value, whole)
  if (!flagsFit) return undefined
  const wrong = rule.fault(value, context)
  if (type === attributeType.nextHop) {
    // Judged only if it is used: RFC 4760 §3 has it ignored beside MP_REACH_NLRI alone.
    decoder.nextHop = value
  } else if (wrong === undefined) {
    // RFC 4271 §5: once set, the Partial bit of an optional transitive attribute stays.
    const partial = rule.flags === optionalTransitive ? flags & attributeFlag.partial : 0
    decoder.attributes.push({ flags: rule.flags | partial, type, value })
  } else if (rule.answer === 'treatAsWithdraw') {
    // RFC 4271 §6.3: Attribute Length Error.
    const subcode = rule.octets === undefined || rule.octets === value.length ? rule.subcode : 5
    withdraw(decoder, type, rule.source, `has ${wrong}`, subcode, whole)
  } else {
    fault(decoder, type, rule.answer, `${rule.source}: ${attributeName(type)} has ${wrong}`)
  }
  return undefined
}

function isMultiprotocol(type: number): boolean {
  return type === attributeType.mpReach || type === attributeType.mpUnreach
}

function takeUnrecognised(
  decoder: Decoder,
  { flags, type, value }: RawAttribute,
  whole: Uint8Array,
): MessageError | undefined {
  // RFC 4271 §6.3.
  if ((flags & attributeFlag.optional) === 0)
    return updateError(2, whole.slice(), `unrecognised well-known attribute ${type}`)
  // The block has the type for its own use; IANA reserves it, so nobody misses it.
  if (type === attributeType.weight)
    fault(decoder, type, 'attributeDiscard', `RFC 4271 §5: the reserved ${attributeName(type)}`)
  // RFC 4271 §5: without the Transitive bit it is quietly ignored.
  else if ((flags & attributeFlag.transitive) !== 0) decoder.attributes.push({ flags, type, value })
  return undefined
}

function takeReach(decoder: Decoder, value: Uint8Array, whole: Uint8Array): MessageError | undefined {
  const reach = decodeMpReach(value, decoder.context)
  if (reach.kind === 'malformed')
    return updateError(9, whole.slice(), `MP_REACH_NLRI: ${reach.message} (RFC 7606 §7.11)`)
  if (reach.kind === 'ignored') {
    decoder.reachable = true
    fault(decoder, attributeType.mpReach, 'attributeDiscard', `RFC 4760 §7: ${reach.message}`)
    return undefined
  }
  noteIgnored(decoder, reach.ignored)
  decoder.reach = reach
  decoder.reachable = reach.block.nlri.length > 0 || reach.ignored > 0
  return undefined
}

function takeUnreach(decoder: Decoder, value: Uint8Array, whole: Uint8Array): MessageError | undefined {
  const unreach = decodeMpUnreach(value, decoder.context)
  if (unreach.kind === 'malformed')
    return updateError(9, whole.slice(), `MP_UNREACH_NLRI: ${unreach.message} (RFC 7606 §7.12)`)
  if (unreach.kind === 'ignored') {
    fault(decoder, attributeType.mpUnreach, 'attributeDiscard', `RFC 4760 §7: ${unreach.message}`)
    return undefined
  }
  noteIgnored(decoder, unreach.ignored)
  const { block } = unreach
  decoder.unreachFamily = block.family
  if (block.nlri.length > 0) decoder.update.withdrawn.push(block)
  return undefined
}

/** NLRI, then what can only be judged with all attributes at hand. */
function takeAnnounced(decoder: Decoder, field: Uint8Array): MessageError | undefined {
  const { context, update, reach } = decoder
  const classic: NlriBlock[] = []
  if (field.length > 0) {
    const error = takeNlri(decoder, 'ipv4/unicast', field, classic)
    if (error !== undefined) return error
  }
  if (field.length > 0 || (reach !== undefined && decoder.reachable === true)) missingMandatory(decoder)
  if (field.length > 0) announceClassic(decoder, classic)
  else if (!decoder.seen.has(attributeType.mpReach)) judgeNextHopLength(decoder)
  // RFC 7606 §5.2: without reachable NLRI there is nothing to withdraw, and perhaps it was not found.
  if (decoder.withdraw !== undefined && field.length === 0 && decoder.reachable !== true)
    return decoder.withdraw
  if (reach !== undefined && decoder.reachable === true) {
    const wrong = nextHopFault(reach.nextHop, context)
    if (wrong !== undefined)
      withdraw(decoder, attributeType.mpReach, 'RFC 4271 §6.3', `has ${wrong}`, 8, noBytes)
    if (reach.block.nlri.length > 0) update.announced.push({ ...reach.block, nextHop: reach.nextHop })
  }
  if (decoder.withdraw !== undefined) {
    for (const { nextHop: _, ...block } of update.announced) update.withdrawn.push(block)
    update.announced = []
  }
  if (update.announced.length > 0) update.attributes = canonicalBlock(decoder)
  else emptyUnreach(decoder, field)
  return undefined
}

/** RFC 4271 §6.3, RFC 7606 §3 d. LOCAL_PREF is not mandatory: iBGP without it takes the default. */
function missingMandatory(decoder: Decoder): void {
  for (const type of [attributeType.origin, attributeType.asPath]) {
    if (!decoder.seen.has(type)) withdraw(decoder, type, 'RFC 7606 §3', 'is missing', 3, Uint8Array.of(type))
  }
}

/** RFC 7606 §7.3. True if there is one of the right length. */
function judgeNextHopLength(decoder: Decoder): boolean {
  const { nextHop } = decoder
  if (nextHop === undefined || nextHop.length === 4) return nextHop !== undefined
  const wrong = `has length ${nextHop.length} instead of 4`
  withdraw(decoder, attributeType.nextHop, 'RFC 7606 §7.3', wrong, 5, noBytes)
  return false
}

function announceClassic(decoder: Decoder, classic: readonly NlriBlock[]): void {
  const { update, context, nextHop } = decoder
  const type = attributeType.nextHop
  if (!decoder.seen.has(type)) withdraw(decoder, type, 'RFC 7606 §3', 'is missing', 3, Uint8Array.of(type))
  if (!judgeNextHopLength(decoder) || nextHop === undefined) {
    update.withdrawn.push(...classic)
    return
  }
  const decoded = decodeNextHop(nextHop)
  const wrong = nextHopFault(decoded, context)
  if (wrong !== undefined) withdraw(decoder, type, 'RFC 4271 §6.3', `has ${wrong}`, 8, noBytes)
  for (const block of classic) update.announced.push({ ...block, nextHop: decoded })
}

/** RFC 4724 §2: an UPDATE with nothing but an empty MP_UNREACH_NLRI. */
function emptyUnreach(decoder: Decoder, field: Uint8Array): void {
  const { update, seen } = decoder
  const alone = seen.size === 1 && seen.has(attributeType.mpUnreach)
  if (!alone || field.length > 0 || update.withdrawn.length > 0 || update.faults.length > 0) return
  if (decoder.unreachFamily !== undefined) endOfRib(decoder, decoder.unreachFamily)
}

function endOfRib(decoder: Decoder, family: Family): void {
  if (decoder.context.families.includes(family)) decoder.update.endOfRib.push(family)
}

function canonicalBlock(decoder: Decoder): Uint8Array {
  if (!decoder.context.fourOctetAsn) widenAsns(decoder.attributes)
  for (const attribute of decoder.attributes)
    attribute.value = canonicalValue(attribute.type, attribute.value)
  return encodeRawAttributes(decoder.attributes)
}

/** RFC 6793 §4.2.3: what a two-octet speaker's attributes say in four octets. */
function widenAsns(attributes: RawAttribute[]): void {
  const find = (type: number) => attributes.find((attribute) => attribute.type === type)
  const aggregator = find(attributeType.aggregator)
  const as4Aggregator = find(attributeType.as4Aggregator)
  const as4Path = find(attributeType.as4Path)
  const asPath = find(attributeType.asPath)
  let ignoreAs4 = false
  if (aggregator !== undefined) {
    const reader = new ByteReader(aggregator.value)
    const asn = reader.u16()
    // An aggregator that knows only two octets has replaced the path: what stands beside it is stale.
    ignoreAs4 = asn !== asTrans && as4Aggregator !== undefined
    aggregator.value =
      asn === asTrans && as4Aggregator !== undefined
        ? as4Aggregator.value
        : new ByteWriter(8).u32(asn).raw(reader.take(4)).finish()
  }
  if (asPath !== undefined) {
    const path = decodeAsPath(asPath.value, 2)
    const merged =
      as4Path === undefined || ignoreAs4 ? path : mergeAs4Path(path, decodeAsPath(as4Path.value, 4))
    asPath.value = encodeAsPath(merged, 4)
  }
  for (const stale of [as4Path, as4Aggregator]) {
    if (stale !== undefined) attributes.splice(attributes.indexOf(stale), 1)
  }
}

function withdraw(
  decoder: Decoder,
  type: number,
  source: string,
  wrong: string,
  subcode: number,
  data: Uint8Array,
): void {
  const message = `${source}: ${attributeName(type)} ${wrong}`
  fault(decoder, type, 'treatAsWithdraw', message)
  decoder.withdraw ??= { code: 3, subcode, data: data.slice(), message }
}

function noteIgnored(decoder: Decoder, ignored: number): void {
  if (ignored > 0)
    fault(decoder, 0, 'attributeDiscard', `RFC 4271 §6.3: ${ignored} multicast prefixes ignored`)
}

function fault(decoder: Decoder, attribute: number, answer: UpdateFault['answer'], message: string): void {
  decoder.update.faults.push({ attribute, answer, message })
}

function updateError(subcode: number, data: Uint8Array, message: string): MessageError {
  return { code: 3, subcode, data, message }
}
