import assert from 'node:assert/strict'
import { test } from 'node:test'
import { address } from '#core/net/address.ts'
import type { PathAttributes } from '../attributes.ts'
import { decodeAttributes, encodeAttributes } from './attributes.ts'
import type { UpdateContext } from './context.ts'
import type { Update } from './message.ts'
import { decodeUpdate } from './update-decode.ts'
import { bytes, ebgp, updateBody } from './wire.testing.ts'

const ibgp: UpdateContext = { ...ebgp, kind: 'ibgp' }
const confed: UpdateContext = { ...ebgp, kind: 'confed' }
const nextHop = { global: address('192.0.2.1') }
const base: PathAttributes = {
  origin: 'igp',
  asPath: [{ kind: 'sequence', asns: [65001] }],
  nextHop: nextHop.global,
}

const families = [
  { version: 'IPv4', nextHop: '40 03 04 c0000201', nlri: '08 0a' },
  {
    version: 'IPv6',
    nextHop: '80 0e 1a 0002 01 10 20010db8000000000000000000000001 00 20 20010db8',
    nlri: '',
  },
]

interface Case {
  name: string
  context?: UpdateContext
  /** The AS path; absent: one external AS. */
  asPath?: string
  attributes: string
  /** What is decoded beside the mandatory ones, or the answer to the fault. */
  expect: Partial<PathAttributes> | 'attributeDiscard' | 'treatAsWithdraw'
}

const cases: Case[] = [
  {
    name: 'RFC 4456 §8: ORIGINATOR_ID and CLUSTER_LIST from an internal neighbour',
    context: ibgp,
    attributes: '80 09 04 0a000001 80 0a 08 0a000002 0a000003',
    expect: { originatorId: address('10.0.0.1'), clusterList: ['10.0.0.2', '10.0.0.3'].map(address) },
  },
  {
    name: 'RFC 4360 §2: extended communities, ascending and once each',
    attributes: 'c0 10 18 0002fde800000064 0002fde800000001 0002fde800000064',
    expect: { extendedCommunities: ['0002fde800000001', '0002fde800000064'] },
  },
  {
    name: 'RFC 5701 §2: IPv6 extended communities',
    attributes: 'c0 19 14 0002 20010db8000000000000000000000001 0064',
    expect: { ipv6ExtendedCommunities: ['000220010db80000000000000000000000010064'] },
  },
  {
    name: 'RFC 7606 §7.15: IPv6 extended communities of length 8',
    attributes: 'c0 19 08 0002fde800000064',
    expect: 'treatAsWithdraw',
  },
  {
    name: 'RFC 7311 §3: the first AIGP TLV of an AIGP attribute, and other TLVs beside it',
    attributes: '80 1a 1d 020003 01000b 0000000100000002 01000b ffffffffffffffff 070004ab',
    expect: { aigp: 0x1_0000_0002n, aigpOthers: '02000301000bffffffffffffffff070004ab' },
  },
  {
    name: 'RFC 7311 §3: an AIGP TLV of length 7',
    attributes: '80 1a 07 010007 00000001',
    expect: 'attributeDiscard',
  },
  {
    name: 'RFC 7311 §3: an AIGP TLV that overruns',
    attributes: '80 1a 04 01000b 00',
    expect: 'attributeDiscard',
  },
  {
    name: 'RFC 7311 §3.2: AIGP with the Transitive bit',
    attributes: 'c0 1a 0b 01000b 0000000100000002',
    expect: 'attributeDiscard',
  },
  {
    name: 'RFC 7311 §3.2: AIGP that cannot grow',
    attributes: '80 1a 0b 01000b ffffffffffffffff',
    expect: 'attributeDiscard',
  },
  { name: 'RFC 7311 §3: an AIGP TLV of length 0', attributes: '80 1a 03 020000', expect: 'attributeDiscard' },
  {
    name: 'RFC 7311 §3: AIGP without an AIGP TLV',
    attributes: '80 1a 03 020003',
    expect: 'attributeDiscard',
  },
  { name: 'RFC 9234 §5: ONLY_TO_CUSTOMER', attributes: 'c0 23 04 0000fde8', expect: { otc: 65000 } },
  {
    name: 'RFC 9234 §5: ONLY_TO_CUSTOMER of length 2',
    attributes: 'c0 23 02 fde8',
    expect: 'treatAsWithdraw',
  },
  {
    name: 'RFC 4271 §5: the Partial bit of an attribute that is recognised',
    attributes: 'e0 08 04 00000001 c0 20 0c 000000010000000200000003',
    expect: { communities: [1], largeCommunities: [[1, 2, 3]], partial: [8] },
  },
  {
    name: 'RFC 4271 §4.3: a Partial bit that has no business where it is, cleared',
    attributes: 'a0 04 04 00000001',
    expect: { med: 1 },
  },
  { name: 'the reserved attribute type 0', attributes: 'c0 00 04 00000001', expect: 'attributeDiscard' },
  {
    name: 'RFC 5065 §5: a path from another member AS that begins with its AS_CONFED_SEQUENCE',
    context: confed,
    asPath: '40 02 0c 03 01 0000fdea 02 01 0000fde9',
    attributes: '40 05 04 00000064',
    expect: {
      asPath: [
        { kind: 'confedSequence', asns: [65002] },
        { kind: 'sequence', asns: [65001] },
      ],
      localPref: 100,
    },
  },
  {
    name: 'RFC 5065 §5: a path from another member AS without AS_CONFED_SEQUENCE in front',
    context: confed,
    attributes: '',
    expect: 'treatAsWithdraw',
  },
  {
    name: 'RFC 5065 §5: an empty path from another member AS',
    context: confed,
    asPath: '40 02 00',
    attributes: '',
    expect: 'treatAsWithdraw',
  },
]

for (const { name, context = ebgp, asPath = '40 02 06 02 01 0000fde9', attributes, expect } of cases) {
  for (const family of families) {
    test(`${family.version}: ${typeof expect === 'string' ? `${expect} for ` : 'takes '}${name}`, () => {
      const block = bytes('40 01 01 00', asPath, family.nextHop, attributes)
      const result = decodeUpdate(updateBody(bytes(), block, bytes(family.nlri)), context)
      assert.ok(result.ok)
      if (expect === 'treatAsWithdraw') assert.equal(result.value.announced.length, 0)
      else assert.deepEqual(valueOf(result.value), typeof expect === 'string' ? base : { ...base, ...expect })
      assert.deepEqual(
        result.value.faults.map(({ answer }) => answer),
        typeof expect === 'string' ? [expect] : [],
      )
    })
  }
}

test('weight is kept in a block, where it is none it takes no room', () => {
  const block = encodeAttributes({ ...base, weight: 32768 })
  assert.deepEqual(decodeAttributes(block, nextHop), { ...base, weight: 32768 })
  assert.deepEqual(encodeAttributes({ ...base, weight: 0 }), encodeAttributes(base))
})

function valueOf({ attributes }: Update): PathAttributes {
  return decodeAttributes(attributes, nextHop)
}
