import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { address } from '#core/net/address.ts'
import type { PathAttributes } from '../attributes.ts'
import { families, type Family } from '../family.ts'
import { encodeAttributes } from '../wire/attributes.ts'
import { headerLength, type UpdateContext } from '../wire/context.ts'
import { decodeUpdate } from '../wire/update-decode.ts'
import { Ingest } from './ingest.ts'
import { queryRoutes } from './query.ts'
import { Rib, type NeighbourSession } from './rib.ts'
import type { RibSink } from './update-groups.ts'

const local = address('192.0.2.1')
const from = {
  kind: 'internal',
  name: 'peer',
  address: address('192.0.2.2'),
  asn: 65001,
  routerId: address('10.0.0.2'),
} as const
const identity = { localAsn: 65001, clusterId: address('10.0.0.1'), localAddress: local }
const session: NeighbourSession = {
  from,
  source: {
    from,
    ...identity,
    localRouterId: address('10.0.0.1'),
    importRoutes: true,
    enforceFirstAs: false,
    honourGracefulShutdown: false,
    aigp: true,
  },
  target: { kind: 'internal', address: from.address, asn: 65001, ...identity, extendedNextHop: [] },
  families,
  fourOctetAsn: true,
  maxLength: 4096,
}

/** Parts of messages, few enough to come again, odd enough to meet every way out of the fast way. */
const attributeBytes = fc.constantFrom(
  ...(
    [
      { origin: 'igp', asPath: [] },
      { origin: 'egp', asPath: [{ kind: 'sequence', asns: [65002, 65003] }], med: 1, communities: [1, 2] },
      {
        origin: 'igp',
        asPath: [{ kind: 'set', asns: [65004] }],
        localPref: 50,
        originatorId: address('10.0.0.9'),
      },
    ] satisfies Omit<PathAttributes, 'nextHop'>[]
  ).map((each) => [...encodeAttributes(each)]),
  // No AS_PATH; ORIGIN of value 9; an attribute that runs over.
  [0x40, 1, 1, 0],
  [0x40, 1, 1, 9, 0x40, 2, 0],
  [0x40, 1, 9, 0],
)
const nextHopBytes = fc.constantFrom([0x40, 3, 4, 192, 0, 2, 9], [0x40, 3, 4, 224, 0, 0, 1], [])
const nlri4 = fc.constantFrom<number[]>(
  [8, 10],
  [24, 203, 0, 113],
  [0],
  [8, 224],
  [7, 255],
  [33, 1, 2, 3, 4, 5],
  [16, 1],
)
const nlri6 = fc.constantFrom<number[]>(
  [0],
  [32, 0x20, 1, 0xd, 0xb8],
  [8, 0xff],
  [129],
  [4, 0xff],
  [16, 0x20],
)
const pathId = fc.constantFrom<number[]>([], [], [0, 0, 0, 1], [0, 0, 0, 2])
const some = <T>(each: fc.Arbitrary<T>, minLength = 0) => fc.array(each, { minLength, maxLength: 3 })
const paths = (nlri: fc.Arbitrary<number[]>) =>
  some(fc.tuple(pathId, nlri).map(([id, bytes]) => [...id, ...bytes])).map((all) => all.flat())
const cleanPaths = (nlri: number[][]) =>
  fc
    .record({ ids: fc.boolean(), of: some(fc.constantFrom(...nlri), 1) })
    .map(({ ids, of }) => of.flatMap((bytes, i) => [...(ids ? [0, 0, 0, i] : []), ...bytes]))
const classic = fc.oneof(paths(nlri4), cleanPaths([[8, 10], [24, 203, 0, 113], [0]]))
const reachNlri = fc.oneof(paths(nlri6), cleanPaths([[0], [32, 0x20, 1, 0xd, 0xb8], [16, 0x20]]))
const multiprotocol = (type: 14 | 15) =>
  fc
    .record({
      family: fc.constantFrom([0, 2, 1], [0, 2, 1], [0, 2, 1], [0, 1, 1], [0, 1, 2], [0, 2]),
      nextHop: fc.constantFrom(
        [16, 0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9, 0],
        [4, 192, 0, 2, 9, 0],
        [200, 1],
      ),
      nlri: fc.oneof(reachNlri, classic),
      flags: fc.constantFrom(0x80, 0x80, 0x80, 0x90, 0xa0, 0xc0),
    })
    .map(({ family, nextHop, nlri, flags }) => {
      const value = [...family, ...(type === 14 ? nextHop : []), ...nlri]
      return [flags, type, ...(flags === 0x90 ? [0] : []), value.length, ...value]
    })
const wild = fc.record({
  withdrawn: fc.oneof(fc.constant<number[]>([]), classic),
  attributes: fc.array(
    fc.oneof(
      attributeBytes,
      attributeBytes,
      nextHopBytes,
      nextHopBytes,
      multiprotocol(14),
      multiprotocol(15),
    ),
    { maxLength: 4 },
  ),
  nlri: fc.oneof(fc.constant<number[]>([]), classic),
  lengths: fc.constantFrom([0, 0], [0, 0], [0, 0], [0, 0], [0, 0], [1, 0], [0, 1], [0, 200]),
  changes: fc.oneof(
    { weight: 4, arbitrary: fc.constant<[number, number][]>([]) },
    { weight: 1, arbitrary: fc.array(fc.tuple(fc.nat(), fc.nat({ max: 255 })), { maxLength: 2 }) },
  ),
})

/** As speakers write them. */
const goodBlock = fc.constantFrom(
  ...[0, 1, 2].map((med) => [
    ...encodeAttributes({ origin: 'igp', asPath: [], med }),
    0x40,
    3,
    4,
    192,
    0,
    2,
    9,
  ]),
)
const good4 = fc.constantFrom<number[]>([8, 10], [24, 203, 0, 113], [0, 24, 203, 0, 114], [16, 10, 1])
const good6 = fc.constantFrom<number[]>([0], [32, 0x20, 1, 0xd, 0xb8], [16, 0x20, 1])
const reachHead = [0, 2, 1, 16, 0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9, 0]
const reach = good6.map((nlri) => [0x80, 14, reachHead.length + nlri.length, ...reachHead, ...nlri])
const unreach = good6.map((nlri) => [0x90, 15, 0, 3 + nlri.length, 0, 2, 1, ...nlri])
const none = fc.constant<number[]>([])
const neat = fc.oneof(
  fc.record({ withdrawn: fc.oneof(none, good4), attributes: goodBlock.map((block) => [block]), nlri: good4 }),
  fc.record({
    withdrawn: none,
    attributes: fc.oneof(
      fc.tuple(reach, goodBlock),
      fc.tuple(goodBlock, reach),
      fc.tuple(goodBlock, unreach, reach),
    ),
    nlri: none,
  }),
  fc.record({ withdrawn: good4, attributes: fc.oneof(fc.constant([]), fc.tuple(unreach)), nlri: none }),
  fc.record({ withdrawn: none, attributes: fc.tuple(unreach), nlri: none }),
)

const message = fc
  .oneof(
    { weight: 1, arbitrary: wild },
    {
      weight: 2,
      arbitrary: neat.map((parts) => ({ ...parts, lengths: [0, 0], changes: [] as [number, number][] })),
    },
  )
  .map(({ withdrawn, attributes, nlri, lengths, changes }) => {
    const block = attributes.flat()
    const [more = 0, andMore = 0] = lengths
    const first = withdrawn.length + more
    const second = block.length + andMore
    const body = [first >> 8, first & 255, ...withdrawn, second >> 8, second & 255, ...block, ...nlri]
    for (const [at, value] of changes) body[at % body.length] = value
    const length = headerLength + body.length
    return Uint8Array.of(...Array<number>(16).fill(255), length >> 8, length & 255, 2, ...body)
  })

const contexts: fc.Arbitrary<UpdateContext> = fc.record({
  fourOctetAsn: fc.boolean(),
  kind: fc.constantFrom('ibgp' as const, 'ebgp' as const),
  families: fc.constantFrom<readonly Family[]>(families, families, ['ipv4/unicast'], ['ipv6/unicast']),
  extendedNextHop: fc.constantFrom<readonly Family[]>([], families),
  addPathReceive: fc.constantFrom<readonly Family[]>([], [], families, ['ipv4/unicast']),
  ends: fc.constant({ localAddress: local }),
})

test('UPDATEs taken in place leave what decoding them leaves, whatever their bytes, in several kinds of session', () => {
  let taken = 0
  let all = 0
  fc.assert(
    fc.property(
      fc.array(contexts, { minLength: 1, maxLength: 3 }),
      fc.array(fc.tuple(fc.nat({ max: 2 }), message), { minLength: 5, maxLength: 40, size: 'max' }),
      (kinds, messages) => {
        const [fast, slow] = [new Rib({ seed: 1 }), new Rib({ seed: 1 })]
        const ingest = new Ingest(fast, 1)
        const slots = kinds.map(() => {
          for (const rib of [fast, slow]) rib.sessionUp(rib.addNeighbour(policy), session)
          return fast.neighbours.length - 1
        })
        for (const [pick, bytes] of messages) {
          const slot = slots[pick % slots.length]!
          const context = kinds[pick % slots.length]!
          // At an offset, so that nothing depends on where a message lies.
          const chunk = new Uint8Array(bytes.length + 9)
          chunk.set(bytes, 4)
          const decoded = decodeUpdate(bytes.subarray(headerLength), context)
          const took = ingest.take(ingest.kindOf(context), slot, chunk, 4, 4 + bytes.length, 0)
          all++
          if (took) taken++
          if (took)
            assert.ok(decoded.ok && decoded.value.faults.length === 0 && decoded.value.endOfRib.length === 0)
          if (!decoded.ok) continue
          slow.receive(slot, decoded.value, 0)
          if (!took) fast.receive(slot, decoded.value, 0)
          fast.run(0, sink)
          slow.run(0, sink)
        }
        const names = new Map(slots.map((slot) => [slot, String(slot)]))
        assert.deepEqual(queryRoutes(fast, 'adjRibIn', {}, names), queryRoutes(slow, 'adjRibIn', {}, names))
        assert.deepEqual(queryRoutes(fast, 'locRib', {}, names), queryRoutes(slow, 'locRib', {}, names))
      },
    ),
    { numRuns: 500 },
  )
  assert.ok(taken > all / 20, `${taken} of ${all} were taken in place`)
})

test('attributes that every route has lost are decoded again', () => {
  const rib = new Rib({ seed: 1 })
  const ingest = new Ingest(rib, 1)
  const slot = rib.addNeighbour(policy)
  rib.sessionUp(slot, session)
  const context: UpdateContext = { fourOctetAsn: true, kind: 'ibgp', families, extendedNextHop: [] }
  const kind = ingest.kindOf(context)
  const names = new Map([[slot, 'peer']])
  for (let round = 0; round < 3; round++)
    for (let n = 0; n < 400; n++) {
      const block = [...encodeAttributes({ origin: 'igp', asPath: [], med: n }), 0x40, 3, 4, 192, 0, 2, 9]
      const announce = update([], block, [16, n >> 8, n & 255])
      assert.ok(ingest.take(kind, slot, announce, 0, announce.length, 0))
      const [route] = queryRoutes(rib, 'adjRibIn', {}, names)
      assert.equal(route!.attributes.med, n)
      const withdraw = update([16, n >> 8, n & 255], [], [])
      assert.ok(ingest.take(kind, slot, withdraw, 0, withdraw.length, 0))
      rib.run(0, sink)
      assert.equal(rib.store.size, 0)
    }
})

const policy = { importRoutes: true, exportLearned: true }
const sink: RibSink = { send() {}, refreshBorder() {}, bestChanged() {} }

function update(withdrawn: number[], block: number[], nlri: number[]): Uint8Array {
  const body = [0, withdrawn.length, ...withdrawn, 0, block.length, ...block, ...nlri]
  return Uint8Array.of(...Array<number>(16).fill(255), 0, headerLength + body.length, 2, ...body)
}
