/** Hostile messages against the framer and the decoder, each answer held against the oracles. */
import assert from 'node:assert/strict'
import { hex } from '#core/lib/bytes.ts'
import { Prng } from '#core/lib/prng.ts'
import { address } from '#core/net/address.ts'
import { families } from '#core/bgp/family.ts'
import { decodeAttributes, encodeAttributes, rawAttributes } from '#core/bgp/wire/attributes.ts'
import { unnegotiated, type UpdateContext } from '#core/bgp/wire/context.ts'
import { Framer } from '#core/bgp/wire/framer.ts'
import type { Message, MessageError, NlriBlock, Update } from '#core/bgp/wire/message.ts'
import { nlriNext, pathIdAt, pathIdLength } from '#core/bgp/wire/nlri.ts'
import { decodeMessage } from '#core/bgp/wire/wire.ts'
import type { Result } from '#core/lib/result.ts'
import { pauseEvery, type FuzzRun } from './fuzz-run.testing.ts'
import { judgeHeader, judgeOpen, judgeRouteRefresh, type Code } from './message-oracle.testing.ts'
import { MessageMaker } from './message-maker.testing.ts'
import { judgeUpdate, tally, type Taken, type Tally } from './update-oracle.testing.ts'

/** How often each answer came. */
export interface DecodeCounts {
  cases: number
  accepted: number
  discarded: number
  treatedAsWithdraw: number
  reset: number
  /** Milliseconds that the slowest case took. */
  slowestMs: number
}

const ends = { localAddress: address('192.0.2.1'), localAddressOtherVersion: address('2001:db8::1') }

/** Sessions of every kind that decoding depends on. */
const contexts: UpdateContext[] = (['ebgp', 'ibgp', 'confed'] as const).flatMap((kind) =>
  [true, false].flatMap((fourOctetAsn): UpdateContext[] => [
    { kind, fourOctetAsn, families, extendedNextHop: ['ipv4/unicast'] },
    { kind, fourOctetAsn, families, extendedNextHop: [], ends },
    { kind, fourOctetAsn, families: ['ipv6/unicast'], extendedNextHop: [] },
    {
      kind,
      fourOctetAsn,
      families: ['ipv4/unicast'],
      extendedNextHop: [],
      ends,
      addPathReceive: ['ipv4/unicast'],
    },
    { kind, fourOctetAsn, families, extendedNextHop: ['ipv4/unicast'], addPathReceive: families },
  ]),
)

/** Throws at the first answer that no RFC names, with the message that got it. */
export function fuzzDecoder({ cases, seed, clock, pause }: FuzzRun): DecodeCounts {
  const random = new Prng(seed)
  const maker = new MessageMaker(random)
  const counts: DecodeCounts = {
    cases: 0,
    accepted: 0,
    discarded: 0,
    treatedAsWithdraw: 0,
    reset: 0,
    slowestMs: 0,
  }
  for (; counts.cases < cases; counts.cases++) {
    const roll = random.below(20)
    const context = roll < 16 ? random.pick(contexts) : unnegotiated
    const bytes = roll < 16 ? maker.update(context) : roll < 18 ? maker.open(65001) : maker.other()
    const before = clock()
    try {
      judgeCase(bytes, context, counts, random)
    } catch (error) {
      const what = `case ${counts.cases} of seed ${seed}: ${hex(bytes)} with ${JSON.stringify(context)}`
      throw new Error(`${what}: ${String(error)}`, { cause: error })
    }
    counts.slowestMs = Math.max(counts.slowestMs, clock() - before)
    if (counts.cases % pauseEvery === pauseEvery - 1) pause?.()
  }
  return counts
}

function judgeCase(bytes: Uint8Array, context: UpdateContext, counts: DecodeCounts, random: Prng): void {
  const framed = frame(bytes, random)
  const header = judgeHeader(bytes)
  if (header.length > 0) {
    assert.ok(framed !== undefined && !framed.ok, 'the header is refused')
    expectCode(framed.error, header)
    counts.reset++
    return
  }
  const length = bytes[16]! * 256 + bytes[17]!
  if (length > bytes.length) {
    assert.equal(framed, undefined, 'a message that is not whole waits')
    counts.accepted++
    return
  }
  assert.ok(framed?.ok, 'the header is accepted')
  const result = decodeMessage(framed.value, context)
  const body = bytes.subarray(19, length)
  switch (bytes[18]) {
    case 1:
      return judgeCodes(result, judgeOpen(body), counts)
    case 2:
      return compareUpdate(result, body, context, counts, random)
    case 5:
      return judgeCodes(result, judgeRouteRefresh(body), counts)
    default:
      return judgeCodes(result, { must: [], may: [] }, counts)
  }
}

/** In one piece or in two. */
function frame(bytes: Uint8Array, random: Prng): ReturnType<Framer['next']> {
  const framer = new Framer()
  if (random.below(4) > 0) {
    framer.push(bytes)
    return framer.next()
  }
  const cut = random.below(bytes.length + 1)
  framer.push(bytes.subarray(0, cut))
  const early = framer.next()
  if (early !== undefined) return early
  framer.push(bytes.subarray(cut))
  return framer.next()
}

function judgeCodes(
  result: Result<Message, MessageError>,
  { must, may }: { must: readonly Code[]; may: readonly Code[] },
  counts: DecodeCounts,
): void {
  if (result.ok) {
    assert.deepEqual(must, [], 'what must be refused is refused')
    counts.accepted++
  } else {
    expectCode(result.error, [...must, ...may])
    counts.reset++
  }
}

function expectCode({ code, subcode }: MessageError, codes: readonly Code[]): void {
  if (!codes.some((each) => each[0] === code && each[1] === subcode))
    assert.fail(`answered ${code}/${subcode} instead of one of ${JSON.stringify(codes)}`)
}

function compareUpdate(
  result: Result<Message, MessageError>,
  body: Uint8Array,
  context: UpdateContext,
  counts: DecodeCounts,
  random: Prng,
): void {
  const verdict = judgeUpdate(body, context)
  if (verdict.kind === 'reset') {
    assert.ok(!result.ok, `the session ends with 3/${[...verdict.subcodes].join('|')}`)
    expectCode(
      result.error,
      [...verdict.subcodes].map((subcode) => [3, subcode]),
    )
    counts.reset++
    return
  }
  if (!result.ok) assert.fail(`the session goes on, instead of ${result.error.code}/${result.error.subcode}`)
  if (result.value.kind !== 'update') assert.fail(`taken for ${result.value.kind}`)
  compareTaken(result.value, verdict, random)
  if (verdict.treatAsWithdraw) counts.treatedAsWithdraw++
  else if (verdict.discarded.size > 0) counts.discarded++
  else counts.accepted++
}

function compareTaken(update: Update, verdict: Taken, random: Prng): void {
  const { faults, attributes } = update
  const withdraws = faults.some(({ answer }) => answer === 'treatAsWithdraw')
  assert.equal(withdraws, verdict.treatAsWithdraw, 'treat-as-withdraw')
  for (const type of verdict.discarded)
    assert.ok(
      faults.some((fault) => fault.attribute === type && fault.answer === 'attributeDiscard'),
      `attribute ${type} is discarded`,
    )
  sameTally(update.announced, verdict.announced, 'announced')
  sameTally(update.withdrawn, verdict.withdrawn, 'withdrawn')
  if (update.announced.length === 0) {
    assert.equal(attributes.length, 0, 'no attributes without routes')
    return
  }
  let last = -1
  let kept = 0
  for (const { type, value } of rawAttributes(attributes)) {
    assert.ok(type > last, 'attributes ascend')
    last = type
    // Whether a value of AIGP is malformed is not judged here.
    if (type === 26) continue
    kept++
    assert.ok(verdict.kept.has(type), `attribute ${type} does not go on`)
    const expected = verdict.values.get(type)
    if (expected !== undefined) assert.equal(hex(value), hex(expected), `value of attribute ${type}`)
  }
  assert.equal(kept, verdict.kept.size - (verdict.kept.has(26) ? 1 : 0), 'as many attributes go on')
  if (random.below(8) > 0) return
  const value = decodeAttributes(attributes, update.announced[0]!.nextHop)
  if (verdict.asPath !== undefined) {
    const asns = value.asPath.flatMap((segment) => segment.asns)
    assert.equal(asns.join(' '), verdict.asPath.join(' '), 'AS path')
    assert.equal(value.aggregator?.asn, verdict.aggregator, 'AGGREGATOR')
  }
  assert.equal(hex(encodeAttributes(value)), hex(attributes), 'the block is canonical')
}

function sameTally(blocks: readonly NlriBlock[], expected: Tally, what: string): void {
  const seen: Tally = { count: 0, sum: 0 }
  for (const { family, nlri, pathIds } of blocks) {
    const skip = pathIds === true ? pathIdLength : 0
    for (let at = 0; at < nlri.length;) {
      const pathId = pathIds === true ? pathIdAt(nlri, at) : 0
      const next = nlriNext(nlri, at + skip)
      tally(seen, family, pathId, nlri[at + skip]!, nlri.subarray(at + skip + 1, next))
      at = next
    }
  }
  assert.equal(seen.count, expected.count, `prefixes ${what}`)
  assert.equal(seen.sum, expected.sum, `which prefixes are ${what}`)
}
