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
    pathLength: 3,
    origin: 2,
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
    pathLength: 1,
    origin: 1,
  },
  {
    name: 'the own AS anywhere in the path',
    attributes: { ...plain, asPath: [{ kind: 'set', asns: [65002, 65001] }] },
    pathLength: 1,
    flags: attributeFlags.ownAsn,
  },
  {
    name: 'well-known communities (RFC 1997)',
    attributes: { ...plain, communities: [1, 0xffffff01, 0xffffff02, 0xffffff03] },
    flags: attributeFlags.noExport | attributeFlags.noAdvertise | attributeFlags.noExportSubconfed,
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
    pathLength: 300,
    neighbourAsn: 65002,
  },
] satisfies ({ name: string; attributes: PathAttributes } & Record<string, unknown>)[]

for (const { name, attributes, ...expected } of columns) {
  test(`decodes what the decision compares: ${name}`, () => {
    const store = new AttributeStore(65001, 0)
    const id = intern(store, attributes)
    const { localPref, med, neighbourAsn, pathLength, origin, flags } = store
    const found = {
      localPref: localPref[id],
      med: med[id],
      neighbourAsn: neighbourAsn[id],
      pathLength: pathLength[id],
      origin: origin[id],
      flags: flags[id],
    }
    assert.deepEqual(found, { ...found, ...expected })
    assert.deepEqual(store.attributes(id), attributes)
  })
}

test('the next hop, also the link-local one, is part of the set', () => {
  const store = new AttributeStore(65001, 0)
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
      const store = new AttributeStore(65001, 3)
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
