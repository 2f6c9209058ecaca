import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { address } from '#core/net/address.ts'
import type { PathAttributes } from '../attributes.ts'
import { encodeAttributes } from '../wire/attributes.ts'
import { attributeFlags, AttributeStore } from './attribute-store.ts'

const nextHop = address('192.0.2.1')
const plain: PathAttributes = { origin: 'igp', asPath: [], nextHop }

function intern(store: AttributeStore, attributes: PathAttributes): number {
  const { nextHop: global, linkLocalNextHop: linkLocal } = attributes
  return store.intern(
    encodeAttributes(attributes),
    linkLocal === undefined ? { global } : { global, linkLocal },
  )
}

const columns = [
  { name: 'no LOCAL_PREF counts as 100', attributes: plain, localPref: 100, flags: 0 },
  {
    name: 'LOCAL_PREF and MED',
    attributes: { ...plain, localPref: 7, med: 4294967295 },
    localPref: 7,
    med: 4294967295,
    flags: attributeFlags.localPref | attributeFlags.med,
  },
  {
    name: 'an AS_SET counts one (RFC 4271 §9.1.2.2 a)',
    attributes: {
      ...plain,
      origin: 'incomplete',
      asPath: [
        { kind: 'sequence', asns: [4200000000, 65002] },
        { kind: 'set', asns: [1, 2, 3] },
      ],
    },
    neighbourAsn: 4200000000,
    shape: 4 * 3 + 2,
    originAsn: 0,
  },
  {
    name: 'confederation segments count nothing (RFC 5065 §5.3)',
    attributes: {
      ...plain,
      origin: 'egp',
      asPath: [
        { kind: 'confedSequence', asns: [65010, 65011] },
        { kind: 'confedSet', asns: [65012] },
        { kind: 'sequence', asns: [65002] },
      ],
    },
    shape: 4 * 1 + 1,
    neighbourAsn: 65002,
    originAsn: 65002,
  },
  {
    name: 'communities of long-lived stale routes (RFC 9494 §3.2, §3.3)',
    attributes: { ...plain, communities: [1, 0xffff0006, 0xffff0007] },
    flags: attributeFlags.longLivedStale | attributeFlags.noLongLived,
  },
  {
    name: 'what route reflectors add (RFC 4456 §8)',
    attributes: { ...plain, originatorId: nextHop, clusterList: [nextHop, address('192.0.2.2')] },
    originatorId: 0xc0000201,
    clusterListLength: 2,
  },
  {
    name: 'a path of 300 ASes, in an attribute of extended length',
    attributes: {
      ...plain,
      asPath: [
        { kind: 'sequence', asns: Array<number>(255).fill(65002) },
        { kind: 'sequence', asns: Array<number>(45).fill(65003) },
      ],
    },
    shape: 4 * 300,
    neighbourAsn: 65002,
    originAsn: 65003,
  },
] satisfies ({ name: string; attributes: PathAttributes } & Record<string, unknown>)[]

for (const { name, attributes, ...expected } of columns) {
  test(`decodes what the decision compares: ${name}`, () => {
    const store = new AttributeStore(0)
    const id = intern(store, attributes)
    const { localPref, med, neighbourAsn, originAsn, shape, originatorId, clusterListLength, flags } = store
    const found = {
      localPref: localPref[id],
      med: med[id],
      neighbourAsn: neighbourAsn[id],
      originAsn: originAsn[id],
      shape: shape[id],
      originatorId: originatorId[id],
      clusterListLength: clusterListLength[id],
      flags: flags[id],
    }
    assert.deepEqual(found, { ...found, ...expected })
    assert.deepEqual(store.attributes(id), attributes)
  })
}

test('the next hop, also the link-local one, is part of the set', () => {
  const store = new AttributeStore(0)
  const global = address('2001:db8::1')
  const ids = [
    intern(store, plain),
    intern(store, { ...plain, nextHop: global }),
    intern(store, { ...plain, nextHop: global, linkLocalNextHop: address('fe80::1') }),
  ]
  assert.equal(new Set(ids).size, 3)
  assert.equal(store.attributes(ids[2]!).linkLocalNextHop, 'fe80::1')
  assert.equal(intern(store, { ...plain, nextHop: global }), ids[1])
})

test('equal sets share an id, and a set that nobody holds is gone: over any order of holding and releasing', () => {
  const held = fc.array(fc.tuple(fc.nat({ max: 120 }), fc.integer({ min: 0, max: 2 })), {
    minLength: 50,
    maxLength: 800,
    size: 'max',
  })
  fc.assert(
    fc.property(held, (steps) => {
      const store = new AttributeStore(3)
      const counts = new Map<number, { id: number; count: number }>()
      const attributesOf = (n: number): PathAttributes => ({
        ...plain,
        nextHop: address(`192.0.2.${n % 5}`),
        med: n,
        communities: Array.from({ length: n % 40 }, (_, i) => i),
      })
      for (const [n, action] of steps) {
        const known = counts.get(n)
        if (action > 0) {
          const id = intern(store, attributesOf(n))
          if (known !== undefined) assert.equal(id, known.id)
          counts.set(n, { id, count: (known?.count ?? 0) + 1 })
        } else if (known !== undefined) {
          store.release(known.id)
          if (--known.count === 0) counts.delete(n)
        }
      }
      assert.equal(store.size, counts.size)
      for (const [n, { id }] of counts) {
        const { communities, ...others } = attributesOf(n)
        assert.deepEqual(store.attributes(id), communities!.length > 0 ? { ...others, communities } : others)
        assert.equal(store.med[id], n)
      }
    }),
    { numRuns: 60 },
  )
})

test('a set that went out of use is known again by the same id until many others went', () => {
  const store = new AttributeStore(5)
  const id = intern(store, plain)
  const generation = store.generation[id]
  for (let time = 0; time < 200; time++) {
    store.release(id)
    assert.equal(store.size, 0)
    assert.equal(intern(store, plain), id)
    assert.equal(store.size, 1)
  }
  assert.equal(store.generation[id], generation)
  store.release(id)
  for (let med = 0; med < 1000; med++) store.release(intern(store, { ...plain, med }))
  assert.notEqual(store.generation[id], generation)
  assert.equal(store.size, 0)
  assert.ok(store.top < 100, `${store.top} ids were given out`)
})

test('weight and AIGP are values of the set', () => {
  const store = new AttributeStore(0)
  const id = intern(store, { ...plain, weight: 7, aigp: 2n ** 63n + 1n })
  assert.equal(store.weight(id), 7)
  assert.equal(store.aigp(id), 2n ** 63n + 1n)
  assert.equal(store.weight(intern(store, plain)), 0)
  assert.equal(store.aigp(intern(store, plain)), undefined)
})

test('of neighbours with one address, as link-local ones may have, the first is the owner of the next hop', () => {
  const store = new AttributeStore(1)
  const before = intern(store, plain)
  store.addOwner(nextHop, 1)
  store.addOwner(nextHop, 2)
  const after = intern(store, { ...plain, localPref: 7 })
  const owners = () => [store.ownerOf(before), store.ownerOf(after)]
  assert.deepEqual(owners(), [1, 1])
  store.removeOwner(nextHop, 2)
  assert.deepEqual(owners(), [1, 1])
  store.removeOwner(nextHop, 1)
  assert.deepEqual(owners(), [0, 0])
})
