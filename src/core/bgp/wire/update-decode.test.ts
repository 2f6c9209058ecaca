import assert from 'node:assert/strict'
import test from 'node:test'
import { address } from '#core/net/address.ts'
import { decodeAttributes, encodeAttributes } from './attributes.ts'
import type { UpdateContext } from './context.ts'
import type { MessageError, Update } from './message.ts'
import { nlriPaths, nlriPrefixes } from './nlri.ts'
import { decodeUpdate } from './update-decode.ts'
import { bothFamilies, bytes, ebgp, updateBody } from './wire.testing.ts'

const ibgp: UpdateContext = { ...ebgp, kind: 'ibgp' }
const none = bytes()
const nlri = bytes('08 0a')

const origin = '40 01 01 00'
const asPath = '40 02 06 02 01 0000 fde9'
const nextHop = '40 03 04 c0000201'
const mandatory = [origin, asPath, nextHop]

/** 2001:db8::/32 by 2001:db8::1. */
const reach = '80 0e 1a 0002 01 10 20010db8000000000000000000000001 00 20 20010db8'
const unreach = '80 0f 08 0002 01 20 20010db8'

function decode(attributes: string[], context = ebgp, field = nlri, withdrawn = none): Update {
  const result = decodeUpdate(updateBody(withdrawn, bytes(...attributes), field), context)
  assert.ok(result.ok, result.ok ? '' : result.error.message)
  return result.value
}

function error(body: Uint8Array, context = ebgp): MessageError {
  const result = decodeUpdate(body, context)
  assert.ok(!result.ok)
  return result.error
}

function withdrawnPrefixes(update: Update): string[] {
  return update.withdrawn.flatMap(nlriPrefixes)
}

test('announces IPv4 with NEXT_HOP, its attributes canonical', () => {
  const update = decode([nextHop, asPath, 'c0 08 08 00000007 00000003', origin])
  assert.deepEqual(update.announced.flatMap(nlriPrefixes), ['10.0.0.0/8'])
  assert.deepEqual(update.announced[0]!.nextHop, { global: '192.0.2.1' })
  assert.deepEqual(update.attributes, bytes(origin, asPath, 'c0 08 08 00000003 00000007'))
  assert.deepEqual(update.faults, [])
})

test('announces IPv6 and withdraws it, with both multiprotocol attributes', () => {
  const announced = decode([reach, origin, asPath], ebgp, none)
  assert.deepEqual(announced.announced.flatMap(nlriPrefixes), ['2001:db8::/32'])
  assert.deepEqual(announced.announced[0]!.nextHop, { global: '2001:db8::1' })
  const withdrawn = decode([unreach], ebgp, none)
  assert.deepEqual(withdrawnPrefixes(withdrawn), ['2001:db8::/32'])
  assert.equal(withdrawn.attributes.length, 0)
})

test('clears host bits and leaves multicast prefixes out (RFC 4271 §4.3, §6.3)', () => {
  const update = decode(mandatory, ebgp, bytes('04 af 08 e0 04 e0 0c 0aff'))
  assert.deepEqual(update.announced.flatMap(nlriPrefixes), ['160.0.0.0/4', '10.240.0.0/12'])
  assert.deepEqual(update.announced[0]!.nlri, bytes('04 a0 0c 0af0'))
  assert.equal(update.faults.length, 1)
})

const treatedAsWithdraw: {
  name: string
  attributes: string[]
  attribute: number
  context?: UpdateContext
}[] = [
  { name: 'ORIGIN of value 3 (RFC 7606 §7.1)', attributes: ['40 01 01 03', asPath, nextHop], attribute: 1 },
  {
    name: 'ORIGIN of length 2 (RFC 7606 §7.1)',
    attributes: ['40 01 02 0000', asPath, nextHop],
    attribute: 1,
  },
  { name: 'no ORIGIN (RFC 7606 §3)', attributes: [asPath, nextHop], attribute: 1 },
  { name: 'no AS_PATH (RFC 7606 §3)', attributes: [origin, nextHop], attribute: 2 },
  { name: 'no NEXT_HOP (RFC 7606 §3)', attributes: [origin, asPath], attribute: 3 },
  {
    name: 'AS_PATH with a segment of type 5',
    attributes: [origin, '40 02 06 05 01 00000001', nextHop],
    attribute: 2,
  },
  { name: 'AS_PATH with an empty segment', attributes: [origin, '40 02 02 02 00', nextHop], attribute: 2 },
  { name: 'AS_PATH that overruns', attributes: [origin, '40 02 06 02 02 00000001', nextHop], attribute: 2 },
  {
    name: 'AS 0 in AS_PATH (RFC 7607)',
    attributes: [origin, '40 02 06 02 01 00000000', nextHop],
    attribute: 2,
  },
  {
    name: 'a confederation segment over eBGP (RFC 5065 §5)',
    attributes: [origin, '40 02 06 03 01 00000001', nextHop],
    attribute: 2,
  },
  {
    name: 'NEXT_HOP of length 5 (RFC 7606 §7.3)',
    attributes: [origin, asPath, '40 03 05 c000020100'],
    attribute: 3,
  },
  {
    name: 'NEXT_HOP 0.0.0.0 (RFC 4271 §6.3)',
    attributes: [origin, asPath, '40 03 04 00000000'],
    attribute: 3,
  },
  {
    name: 'NEXT_HOP 224.0.0.1 (RFC 4271 §6.3)',
    attributes: [origin, asPath, '40 03 04 e0000001'],
    attribute: 3,
  },
  {
    name: 'NEXT_HOP of the receiver (RFC 4271 §6.3)',
    attributes: mandatory,
    attribute: 3,
    context: { ...ebgp, ends: { localAddress: address('192.0.2.1') } },
  },
  { name: 'MED of length 3 (RFC 7606 §7.4)', attributes: [...mandatory, '80 04 03 000000'], attribute: 4 },
  {
    name: 'LOCAL_PREF of length 3 over iBGP (RFC 7606 §7.5)',
    attributes: [...mandatory, '40 05 03 000000'],
    attribute: 5,
    context: ibgp,
  },
  { name: 'COMMUNITIES of length 0 (RFC 7606 §7.8)', attributes: [...mandatory, 'c0 08 00'], attribute: 8 },
  {
    name: 'COMMUNITIES of length 6 (RFC 7606 §7.8)',
    attributes: [...mandatory, 'c0 08 06 000000000000'],
    attribute: 8,
  },
  {
    name: 'ORIGINATOR_ID of length 3 over iBGP (RFC 7606 §7.9)',
    attributes: [...mandatory, '80 09 03 000000'],
    attribute: 9,
    context: ibgp,
  },
  {
    name: 'CLUSTER_LIST of length 0 over iBGP (RFC 7606 §7.10)',
    attributes: [...mandatory, '80 0a 00'],
    attribute: 10,
    context: ibgp,
  },
  {
    name: 'EXTENDED COMMUNITIES of length 4 (RFC 7606 §7.14)',
    attributes: [...mandatory, 'c0 10 04 00000000'],
    attribute: 16,
  },
  {
    name: 'LARGE_COMMUNITY of length 8 (RFC 8092 §6)',
    attributes: [...mandatory, 'c0 20 08 0000000000000000'],
    attribute: 32,
  },
  {
    name: 'ORIGIN flagged optional (RFC 7606 §3)',
    attributes: ['c0 01 01 00', asPath, nextHop],
    attribute: 1,
  },
  {
    name: 'MED flagged transitive (RFC 7606 §3)',
    attributes: [...mandatory, 'c0 04 04 00000000'],
    attribute: 4,
  },
  {
    name: 'an attribute that overruns (RFC 7606 §4)',
    attributes: [...mandatory, '80 04 09 00'],
    attribute: 4,
  },
  {
    name: 'one octet after the last attribute (RFC 7606 §4)',
    attributes: [...mandatory, '40'],
    attribute: 0,
  },
  {
    name: 'two octets after the last attribute (RFC 7606 §4)',
    attributes: [...mandatory, '80 04'],
    attribute: 4,
  },
  {
    name: 'three octets after the last attribute, of extended length (RFC 7606 §4)',
    attributes: [...mandatory, '90 04 00'],
    attribute: 4,
  },
  { name: 'ORIGIN of length 0 (RFC 7606 §4)', attributes: ['40 01 00', asPath, nextHop], attribute: 1 },
  {
    name: 'the stronger of two answers (RFC 7606 §3)',
    attributes: [...mandatory, '40 06 01 00', '80 04 03 000000'],
    attribute: 4,
  },
]

for (const { name, attributes, attribute, context = ebgp } of treatedAsWithdraw) {
  test(`treats as withdraw: ${name}`, () => {
    const update = decode(attributes, context)
    assert.deepEqual(withdrawnPrefixes(update), ['10.0.0.0/8'])
    assert.deepEqual(update.announced, [])
    assert.equal(update.attributes.length, 0)
    assert.ok(
      update.faults.some((fault) => fault.attribute === attribute && fault.answer === 'treatAsWithdraw'),
    )
  })
}

const discarded: { name: string; attributes: string[]; attribute: number; context?: UpdateContext }[] = [
  { name: 'LOCAL_PREF over eBGP (RFC 7606 §7.5)', attributes: ['40 05 04 00000064'], attribute: 5 },
  { name: 'ATOMIC_AGGREGATE of length 1 (RFC 7606 §7.6)', attributes: ['40 06 01 00'], attribute: 6 },
  {
    name: 'AGGREGATOR of length 6 between four-octet speakers (RFC 7606 §7.7)',
    attributes: ['c0 07 06 fde9 c0000201'],
    attribute: 7,
  },
  { name: 'AGGREGATOR with AS 0 (RFC 7607)', attributes: ['c0 07 08 00000000 c0000201'], attribute: 7 },
  { name: 'ORIGINATOR_ID over eBGP (RFC 7606 §7.9)', attributes: ['80 09 04 00000001'], attribute: 9 },
  { name: 'CLUSTER_LIST over eBGP (RFC 7606 §7.10)', attributes: ['80 0a 04 00000001'], attribute: 10 },
  {
    name: 'AS4_PATH from a four-octet speaker (RFC 6793 §4.1)',
    attributes: ['c0 11 06 02 01 00000001'],
    attribute: 17,
  },
  { name: 'a second ORIGIN (RFC 7606 §3)', attributes: ['40 01 01 02'], attribute: 1 },
]

for (const { name, attributes, attribute, context = ebgp } of discarded) {
  test(`discards: ${name}`, () => {
    const update = decode([...mandatory, ...attributes], context)
    assert.deepEqual(update.announced.flatMap(nlriPrefixes), ['10.0.0.0/8'])
    assert.deepEqual(update.attributes, bytes(origin, asPath))
    assert.deepEqual(
      update.faults.map((fault) => [fault.attribute, fault.answer]),
      [[attribute, 'attributeDiscard']],
    )
  })
}

const resets: {
  name: string
  body: Uint8Array
  subcode: number
  data?: Uint8Array
  context?: UpdateContext
}[] = [
  { name: 'Withdrawn Routes Length beyond the message', body: bytes('0005 08 0a'), subcode: 1 },
  { name: 'Total Attribute Length beyond the message', body: bytes('0000 0009 40'), subcode: 1 },
  {
    name: 'an unrecognised well-known attribute',
    body: updateBody(none, bytes(...mandatory, '40 63 01 00'), nlri),
    subcode: 2,
    data: bytes('40 63 01 00'),
  },
  {
    name: 'MP_REACH_NLRI twice (RFC 7606 §3)',
    body: updateBody(none, bytes(reach, reach), none),
    subcode: 1,
  },
  {
    name: 'MP_UNREACH_NLRI twice (RFC 7606 §3)',
    body: updateBody(none, bytes(unreach, unreach), none),
    subcode: 1,
  },
  {
    name: 'a prefix of 33 bits',
    body: updateBody(none, bytes(...mandatory), bytes('21 0a00000000')),
    subcode: 10,
  },
  {
    name: 'a prefix beyond the message',
    body: updateBody(none, bytes(...mandatory), bytes('18 0a00')),
    subcode: 10,
  },
  {
    name: 'a withdrawn prefix of 33 bits',
    body: updateBody(bytes('21 0a00000000'), none, none),
    subcode: 10,
  },
  {
    name: 'an IPv6 prefix of 129 bits',
    body: updateBody(none, bytes('80 0f 04 0002 01 81'), none),
    subcode: 9,
  },
  {
    name: 'an IPv6 next hop of 4 octets (RFC 7606 §7.11)',
    body: updateBody(none, bytes('80 0e 09 0002 01 04 c0000201 00', origin, asPath), none),
    subcode: 9,
  },
  {
    name: 'an IPv6 next hop for IPv4 that was not negotiated (RFC 8950)',
    body: updateBody(
      none,
      bytes('80 0e 17 0001 01 10 20010db8000000000000000000000001 00 08 0a', origin, asPath),
      none,
    ),
    subcode: 9,
    context: { ...ebgp, extendedNextHop: [] },
  },
  ...[
    'c0 0e 1a 0002 01 10 20010db8000000000000000000000001 00 20 20010db8',
    'c0 0f 08 0002 01 20 20010db8',
  ].map((attribute) => ({
    name: `MP_${attribute.startsWith('c0 0e') ? 'REACH' : 'UNREACH'}_NLRI flagged transitive (RFC 7606 §5.3)`,
    body: updateBody(none, bytes(attribute, ...mandatory), nlri),
    subcode: 9,
    data: bytes(attribute),
  })),
  ...['80 0e 1a 0002 01', '80 0f 08 0002 01'].map((attribute) => ({
    name: `MP_${attribute.startsWith('80 0e') ? 'REACH' : 'UNREACH'}_NLRI that overruns (RFC 7606 §3)`,
    body: updateBody(none, bytes(...mandatory, attribute), nlri),
    subcode: 1,
  })),
  {
    name: 'MP_REACH_NLRI of 4 octets (RFC 7606 §5.3)',
    body: updateBody(none, bytes('80 0e 04 0002 01 00', ...mandatory), nlri),
    subcode: 9,
  },
  {
    name: 'MP_UNREACH_NLRI of 2 octets (RFC 7606 §5.3)',
    body: updateBody(none, bytes('80 0f 02 0002', ...mandatory), nlri),
    subcode: 9,
  },
  {
    name: 'a malformed attribute beside an empty MP_REACH_NLRI (RFC 7606 §5.2)',
    body: updateBody(
      none,
      bytes('80 0e 15 0002 01 10 20010db8000000000000000000000001 00', '40 01 01 07', asPath),
      none,
    ),
    subcode: 6,
    data: bytes('40 01 01 07'),
  },
  {
    name: 'NEXT_HOP of length 5 without NLRI (RFC 7606 §5.2)',
    body: updateBody(nlri, bytes(origin, asPath, '40 03 05 c000020100'), none),
    subcode: 5,
  },
  {
    name: 'two octets after the last attribute, without NLRI (RFC 7606 §4)',
    body: updateBody(nlri, bytes(origin, asPath, '4001'), none),
    subcode: 1,
  },
  {
    name: 'a malformed attribute without NLRI (RFC 7606 §5.2)',
    body: updateBody(none, bytes('40 01 01 07'), none),
    subcode: 6,
    data: bytes('40 01 01 07'),
  },
]

for (const { name, body, subcode, data, context } of resets) {
  test(`ends the session: ${name}`, () => {
    const { code, ...rest } = error(body, context)
    assert.deepEqual([code, rest.subcode], [3, subcode])
    if (data !== undefined) assert.deepEqual(rest.data, data)
  })
}

test('takes an IPv6 next hop for IPv4 where it was negotiated (RFC 8950)', () => {
  const extended = '80 0e 17 0001 01 10 20010db8000000000000000000000001 00 08 0a'
  const update = decode([extended, origin, asPath], ebgp, none)
  assert.deepEqual(update.announced.flatMap(nlriPrefixes), ['10.0.0.0/8'])
  assert.equal(update.announced[0]!.nextHop.global, '2001:db8::1')
})

test('takes a pair of IPv6 next hops (RFC 2545 §3)', () => {
  const pair = '20010db8000000000000000000000001 fe800000000000000000000000000001'
  const update = decode([`80 0e 2a 0002 01 20 ${pair} 00 20 20010db8`, origin, asPath], ebgp, none)
  assert.deepEqual(update.announced[0]!.nextHop, { global: '2001:db8::1', linkLocal: 'fe80::1' })
})

test('ignores NLRI of a family that was not negotiated (RFC 4760 §7)', () => {
  const update = decode([reach, origin, asPath], { ...ebgp, families: ['ipv4/unicast'] }, none)
  assert.deepEqual([update.announced, update.withdrawn], [[], []])
  assert.equal(update.faults.length, 1)
})

test('ignores NEXT_HOP beside MP_REACH_NLRI alone (RFC 4760 §3)', () => {
  const update = decode([reach, origin, asPath, '40 03 04 00000000'], ebgp, none)
  assert.equal(update.announced.length, 1)
  assert.deepEqual(update.faults, [])
})

test('knows End-of-RIB of both families (RFC 4724 §2)', () => {
  assert.deepEqual(decode([], ebgp, none).endOfRib, ['ipv4/unicast'])
  assert.deepEqual(decode(['80 0f 03 0002 01'], ebgp, none).endOfRib, ['ipv6/unicast'])
  assert.deepEqual(decode([unreach], ebgp, none).endOfRib, [])
})

test('keeps unknown transitive attributes with their Partial bit and drops others (RFC 4271 §5)', () => {
  const update = decode([...mandatory, 'e0 63 01 07', '80 64 01 07'])
  assert.deepEqual(decodeAttributes(update.attributes, { global: address('192.0.2.1') }).unknown, [
    { flags: 0xe0, type: 0x63, value: bytes('07') },
  ])
})

const twoOctet: UpdateContext = { ...ebgp, fourOctetAsn: false }
const merging: { name: string; attributes: string[]; path: unknown; aggregator?: number }[] = [
  {
    name: 'prepends what AS4_PATH lacks',
    attributes: ['40 02 08 02 03 000a 5ba0 0014', 'c0 11 0a 02 02 00010000 00000014'],
    path: [{ kind: 'sequence', asns: [10, 65536, 20] }],
  },
  {
    name: 'ignores an AS4_PATH that is longer',
    attributes: ['40 02 04 02 01 5ba0', 'c0 11 0a 02 02 00010000 00000014'],
    path: [{ kind: 'sequence', asns: [23456] }],
  },
  {
    name: 'ignores both when AGGREGATOR is not AS_TRANS',
    attributes: [
      '40 02 04 02 01 5ba0',
      'c0 07 06 000a c0000201',
      'c0 11 06 02 01 00010000',
      'c0 12 08 00010000 c0000201',
    ],
    path: [{ kind: 'sequence', asns: [23456] }],
    aggregator: 10,
  },
  {
    name: 'takes AS4_AGGREGATOR for AS_TRANS',
    attributes: [
      '40 02 04 02 01 5ba0',
      'c0 07 06 5ba0 c0000201',
      'c0 11 06 02 01 00010000',
      'c0 12 08 00010000 c0000201',
    ],
    path: [{ kind: 'sequence', asns: [65536] }],
    aggregator: 65536,
  },
  {
    name: 'leaves confederation segments of AS4_PATH out',
    attributes: ['40 02 06 02 02 000a 5ba0', 'c0 11 0c 03 01 00000001 02 01 00010000'],
    path: [{ kind: 'sequence', asns: [10, 65536] }],
  },
]

for (const { name, attributes, path, aggregator } of merging) {
  test(`merging AS4_PATH ${name} (RFC 6793 §4.2.3)`, () => {
    const update = decode([origin, nextHop, ...attributes], twoOctet)
    const value = decodeAttributes(update.attributes, { global: address('192.0.2.1') })
    assert.deepEqual(value.asPath, path)
    assert.equal(value.aggregator?.asn, aggregator)
    assert.equal(value.unknown, undefined)
  })
}

const addPath: UpdateContext = { ...ebgp, addPathReceive: bothFamilies }

test('reads path identifiers of both families, announced and withdrawn (RFC 7911 §3)', () => {
  const four = decode(mandatory, addPath, bytes('00000001 08 0a ffffffff 08 0a'), bytes('00000007 00'))
  assert.deepEqual(four.announced.flatMap(nlriPaths), [
    { pathId: 1, prefix: '10.0.0.0/8' },
    { pathId: 0xffffffff, prefix: '10.0.0.0/8' },
  ])
  assert.deepEqual(four.withdrawn.flatMap(nlriPaths), [{ pathId: 7, prefix: '0.0.0.0/0' }])
  const reached = '80 0e 1e 0002 01 10 20010db8000000000000000000000001 00 00000002 20 20010db8'
  const six = decode([reached, origin, asPath, '80 0f 0c 0002 01 00000003 20 20010db8'], addPath, none)
  assert.deepEqual(six.announced.flatMap(nlriPaths), [{ pathId: 2, prefix: '2001:db8::/32' }])
  assert.deepEqual(six.withdrawn.flatMap(nlriPaths), [{ pathId: 3, prefix: '2001:db8::/32' }])
})

test('reads path identifiers of the agreed families only (RFC 7911 §4)', () => {
  const context: UpdateContext = { ...ebgp, addPathReceive: ['ipv6/unicast'] }
  const [block] = decode(mandatory, context).announced
  assert.equal(block!.pathIds, undefined)
  assert.deepEqual(nlriPaths(block!), [{ pathId: 0, prefix: '10.0.0.0/8' }])
})

test('clears host bits and leaves multicast prefixes out behind path identifiers (RFC 7911 §3)', () => {
  const update = decode(mandatory, addPath, bytes('00000001 04 af 00000002 08 e0 000000ff 0c 0aff'))
  assert.deepEqual(update.announced[0]!.nlri, bytes('00000001 04 a0 000000ff 0c 0af0'))
  assert.equal(update.faults.length, 1)
})

test('withdraws the paths of a malformed UPDATE by their identifiers (RFC 7606 §2)', () => {
  const update = decode(['40 01 01 03', asPath, nextHop], addPath, bytes('00000009 08 0a'))
  assert.deepEqual(update.withdrawn.flatMap(nlriPaths), [{ pathId: 9, prefix: '10.0.0.0/8' }])
  assert.equal(update.withdrawn[0]!.pathIds, true)
})

for (const [name, field] of [
  ['a path identifier that is cut', '00000001 08 0a 0000'],
  ['a path identifier without a prefix', '00000001'],
  ['a prefix of 33 bits behind a path identifier', '00000001 21 0a00000000'],
  ['a prefix that overruns behind a path identifier', '00000001 18 0a00'],
] as const) {
  test(`ends the session: ${name} (RFC 7606 §5.3)`, () => {
    assert.deepEqual(error(updateBody(none, bytes(...mandatory), bytes(field)), addPath).subcode, 10)
    const unreachable = bytes(
      '80 0f',
      (3 + bytes(field).length).toString(16).padStart(2, '0'),
      '0001 01',
      field,
    )
    assert.deepEqual(error(updateBody(none, unreachable, none), addPath).subcode, 9)
  })
}

test('keeps the Partial bit of attributes that it knows (RFC 4271 §5)', () => {
  const update = decode([...mandatory, 'e0 08 04 00000003', 'c0 20 0c 000000010000000200000003'])
  const value = decodeAttributes(update.attributes, { global: address('192.0.2.1') })
  assert.deepEqual(value.partial, [8])
  assert.deepEqual(encodeAttributes(value), update.attributes)
  assert.deepEqual(
    encodeAttributes(value),
    bytes(origin, asPath, 'e0 08 04 00000003', 'c0 20 0c 000000010000000200000003'),
  )
})

test('ignores the Partial bit where it has no meaning (RFC 4271 §4.3)', () => {
  const update = decode(['60 01 01 00', asPath, nextHop, 'a0 04 04 00000007'])
  assert.deepEqual(update.faults, [])
  assert.deepEqual(update.attributes, bytes(origin, asPath, '80 04 04 00000007'))
})
