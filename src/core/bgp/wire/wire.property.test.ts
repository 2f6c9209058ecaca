import assert from 'node:assert/strict'
import test from 'node:test'
import fc from 'fast-check'
import { address } from '#core/net/address.ts'
import { Prng } from '#core/lib/prng.ts'
import { decodeAttributes, encodeAttributes } from './attributes.ts'
import type { EncodeContext, UpdateContext } from './context.ts'
import { Framer } from './framer.ts'
import type { Message, NextHop, Update } from './message.ts'
import { encodePaths, encodePrefixes, nlriPaths, nlriPrefixes, type NlriPath } from './nlri.ts'
import { encodeUpdates } from './update-encode.ts'
import { decodeMessage, encodeMessage } from './wire.ts'
import { blockAttributes, bothFamilies, ebgp, open, prefixes, u32 } from './wire.testing.ts'

function decoded(bytes: Uint8Array, context: UpdateContext = ebgp): Message {
  const framer = new Framer()
  framer.push(bytes)
  const framed = framer.next()
  assert.ok(framed?.ok)
  const result = decodeMessage(framed.value, context)
  assert.ok(result.ok, result.ok ? '' : result.error.message)
  return result.value
}

test('an OPEN survives the wire', () => {
  fc.assert(fc.property(open, (value) => assert.deepEqual(decoded(encodeMessage(value)), value)))
})

test('a NOTIFICATION survives the wire', () => {
  const byte = fc.integer({ min: 0, max: 255 })
  fc.assert(
    fc.property(byte, byte, fc.uint8Array({ maxLength: 300 }), (code, subcode, data) => {
      const value: Message = { kind: 'notification', code, subcode, data }
      assert.deepEqual(decoded(encodeMessage(value)), value)
    }),
  )
})

test('attributes survive their canonical block, and equal ones have equal blocks', () => {
  const nextHop: NextHop = { global: address('192.0.2.1') }
  fc.assert(
    fc.property(blockAttributes, (value) => {
      const block = encodeAttributes(value)
      const back = decodeAttributes(block, nextHop)
      assert.deepEqual(back, { ...value, nextHop: nextHop.global })
      assert.deepEqual(encodeAttributes(back), block)
    }),
  )
})

const nextHops: NextHop[] = [
  { global: address('192.0.2.1') },
  { global: address('2001:db8::1') },
  { global: address('2001:db8::1'), linkLocal: address('fe80::1') },
]

for (const fourOctetAsn of [true, false]) {
  test(`UPDATEs survive a session of ${fourOctetAsn ? 'four' : 'two'}-octet AS numbers`, () => {
    const families = fc.constantFrom(...bothFamilies)
    const routes = families.chain((family) =>
      fc.tuple(fc.constant(family), prefixes(family), prefixes(family)),
    )
    fc.assert(
      fc.property(
        blockAttributes,
        fc.constantFrom(...nextHops),
        routes,
        (value, hop, [family, gone, come]) => {
          const { localPref: _, originatorId: __, clusterList: ___, ...external } = value
          const nextHop: NextHop =
            family === 'ipv6/unicast' && hop.global === '192.0.2.1'
              ? { global: address('::ffff:192.0.2.1') }
              : hop
          const attributes = encodeAttributes(external)
          const context: EncodeContext = { fourOctetAsn }
          const update: Update = {
            kind: 'update',
            withdrawn: [{ family, nlri: encodePrefixes(gone) }],
            announced: [{ family, nlri: encodePrefixes(come), nextHop }],
            attributes,
            endOfRib: [family],
            faults: [],
          }
          const fits = attributes.length < 2500
          const seen = { gone: [] as string[], come: [] as string[], endOfRib: [] as string[] }
          for (const bytes of encodeUpdates(update, context)) {
            assert.ok(bytes.length <= 4096)
            const back = decoded(bytes, { ...ebgp, fourOctetAsn })
            assert.equal(back.kind, 'update')
            if (back.kind !== 'update') return
            assert.deepEqual(back.faults, [])
            for (const block of back.withdrawn) seen.gone.push(...nlriPrefixes(block))
            for (const block of back.announced) {
              seen.come.push(...nlriPrefixes(block))
              assert.deepEqual(block.nextHop, nextHop)
              assert.deepEqual(
                flatPath(decodeAttributes(back.attributes, block.nextHop)),
                flatPath(decodeAttributes(attributes, nextHop)),
              )
            }
            seen.endOfRib.push(...back.endOfRib)
          }
          assert.deepEqual(seen.gone, gone)
          assert.deepEqual(seen.endOfRib, [family])
          if (fits) assert.deepEqual(seen.come, come)
        },
      ),
      { numRuns: 60 },
    )
  })
}

test('paths survive the wire, and no message is longer than agreed (RFC 7911 §3, RFC 8654 §4)', () => {
  const routes = fc
    .constantFrom(...bothFamilies)
    .chain((family) => fc.tuple(fc.constant(family), prefixes(family), fc.array(u32, { minLength: 1 })))
  fc.assert(
    fc.property(
      routes,
      blockAttributes,
      fc.constantFrom(4096, 65535),
      ([family, list, ids], value, maxLength) => {
        const paths: NlriPath[] = list.map((prefix, i) => ({ prefix, pathId: ids[i % ids.length]! }))
        const { localPref: _, originatorId: __, clusterList: ___, ...external } = value
        const attributes = encodeAttributes(external)
        const nextHop: NextHop = { global: address(family === 'ipv4/unicast' ? '192.0.2.1' : '2001:db8::1') }
        const block = { family, nlri: encodePaths(paths), pathIds: true as const }
        const update: Update = {
          kind: 'update',
          withdrawn: [block],
          announced: [{ ...block, nextHop }],
          attributes,
          endOfRib: [],
          faults: [],
        }
        const seen: { gone: NlriPath[]; come: NlriPath[] } = { gone: [], come: [] }
        const messages = encodeUpdates(update, { fourOctetAsn: true, maxLength, addPathSend: [family] })
        const framer = new Framer()
        framer.setMaxLength(maxLength)
        for (const bytes of messages) {
          framer.push(bytes)
          const framed = framer.next()
          assert.ok(framed?.ok)
          const back = decodeMessage(framed.value, { ...ebgp, addPathReceive: [family] })
          assert.ok(back.ok && back.value.kind === 'update')
          assert.deepEqual(back.value.faults, [])
          seen.gone.push(...back.value.withdrawn.flatMap(nlriPaths))
          seen.come.push(...back.value.announced.flatMap(nlriPaths))
        }
        assert.deepEqual(seen.gone, paths)
        if (attributes.length < maxLength - 1500) assert.deepEqual(seen.come, paths)
      },
    ),
    { numRuns: 60 },
  )
})

/** Where a sequence is cut into segments says nothing, and RFC 6793 merging may cut it elsewhere. */
function flatPath(attributes: ReturnType<typeof decodeAttributes>): unknown {
  const { asPath, ...rest } = attributes
  return {
    ...rest,
    asPath: asPath.flatMap(({ kind, asns }): unknown[] => (kind === 'sequence' ? asns : [asns])),
  }
}

test('bytes cut anywhere give the same messages', () => {
  const bytes = [
    encodeMessage({ kind: 'keepalive' }),
    encodeMessage({ kind: 'routeRefresh', family: 'ipv6/unicast', role: 'begin' }),
    encodeMessage({ kind: 'notification', code: 6, subcode: 2, data: new Uint8Array(0) }),
    encodeMessage({ kind: 'keepalive' }),
  ]
  const stream = Uint8Array.from(bytes.flatMap((part) => [...part]))
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 0, max: stream.length })), (cuts) => {
      const at = [0, ...cuts.sort((a, b) => a - b), stream.length]
      const framer = new Framer()
      const messages: Uint8Array[] = []
      for (let i = 1; i < at.length; i++) {
        framer.push(stream.slice(at[i - 1], at[i]))
        for (let next = framer.next(); next !== undefined; next = framer.next()) {
          assert.ok(next.ok)
          messages.push(next.value.slice())
        }
      }
      assert.deepEqual(messages, bytes)
    }),
  )
})

test('no bytes make the decoder throw, and what it accepts is valid', () => {
  const random = new Prng(20)
  const samples = fc.sample(
    fc.tuple(open, blockAttributes, prefixes('ipv4/unicast'), prefixes('ipv6/unicast')),
    {
      numRuns: 40,
      seed: 7,
    },
  )
  const seeds: Uint8Array[] = samples.flatMap(([greeting, value, four, six]) => [
    encodeMessage(greeting),
    ...encodeUpdates(
      {
        kind: 'update',
        withdrawn: [{ family: 'ipv6/unicast', nlri: encodePrefixes(six.slice(0, 3)) }],
        announced: [
          { family: 'ipv4/unicast', nlri: encodePrefixes(four.slice(0, 5)), nextHop: nextHops[0]! },
          { family: 'ipv6/unicast', nlri: encodePrefixes(six.slice(0, 5)), nextHop: nextHops[2]! },
        ],
        attributes: encodeAttributes(value),
        endOfRib: [],
        faults: [],
      },
      { fourOctetAsn: random.below(2) === 0 },
    ),
  ])
  for (let run = 0; run < 30_000; run++) {
    const bytes = random.pick(seeds).slice()
    const changes = 1 + random.below(4)
    // Not the length, which would only make the framer wait.
    for (let i = 0; i < changes; i++) bytes[18 + random.below(bytes.length - 18)] = random.below(256)
    const framer = new Framer()
    framer.push(bytes)
    const framed = framer.next()
    if (framed === undefined || !framed.ok) continue
    const kind = random.pick(['ebgp', 'ibgp'] as const)
    const context: UpdateContext = { ...ebgp, kind, fourOctetAsn: random.below(2) === 0 }
    const result = decodeMessage(framed.value, context)
    if (!result.ok) {
      assert.ok(result.error.code >= 1 && result.error.code <= 3)
      continue
    }
    if (result.value.kind !== 'update') continue
    const { withdrawn, announced, attributes } = result.value
    for (const block of [...withdrawn, ...announced]) nlriPrefixes(block)
    for (const { nextHop } of announced) {
      const value = decodeAttributes(attributes, nextHop)
      assert.deepEqual(encodeAttributes(value), attributes)
    }
  }
})
