import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Snapshot } from '#core/schema/snapshot.ts'
import { ciliumPoolOf, nativeOf, nodeOf, policyOf, snapshotOf } from '#core/schema/cluster.testing.ts'
import { nativeSet, withLastValid } from './native.ts'

const router = { localASN: 65100, neighbors: [{ peerASN: 65000, peerAddress: '10.0.0.9/32' }] }

function poolsOf(...custom: Snapshot['custom']) {
  const { pools, problems } = nativeSet(snapshotOf({ custom }), ['cilium'])
  return {
    pools: pools.map(({ resource, conflict }) => ({
      name: resource.metadata.name,
      ranges: resource.spec.ranges,
      disabled: resource.spec.disabled,
      other: conflict?.other?.name,
      field: conflict?.field,
    })),
    rules: problems.map(({ rule, object }) => `${rule} ${object?.name}`),
  }
}

const good = (name: string, ranges: string[]) => ({
  name,
  ranges,
  disabled: false,
  other: undefined,
  field: undefined,
})

test('makes native pools of Cilium pools, of blocks and of the old cidrs', () => {
  const spec = {
    blocks: [{ cidr: '10.0.0.0/24' }, { start: '10.0.1.1', stop: '10.0.1.9' }, { start: 'fd00::1' }],
    cidrs: [{ cidr: 'fd01::/112' }],
    allowFirstLastIPs: 'No',
    serviceSelector: { matchLabels: { a: 'b' } },
  }
  const { pools } = nativeSet(snapshotOf({ custom: [ciliumPoolOf('demo', spec)] }), ['cilium'])
  assert.deepEqual(pools[0]?.resource.spec, {
    ranges: ['10.0.0.0/24', '10.0.1.1-10.0.1.9', 'fd00::1', 'fd01::/112'],
    serviceSelector: { matchLabels: { a: 'b' } },
    autoAssign: true,
    avoidFirstAndLast: true,
    disabled: false,
  })
})

for (const [version, a, b] of [
  ['IPv4', '10.0.0.0/24', '10.0.0.128/25'],
  ['IPv6', 'fd00::/64', 'fd00::ff:0/112'],
] as const) {
  test(`disables the newer of two pools that overlap and names the older (${version})`, () => {
    const older = ciliumPoolOf('z-older', { blocks: [{ cidr: a }] }, { age: 1 })
    const newer = ciliumPoolOf('a-newer', { blocks: [{ start: '192.0.2.1' }, { cidr: b }] }, { age: 2 })
    const expected = {
      pools: [
        {
          name: 'cilium/a-newer',
          ranges:
            version === 'IPv4'
              ? [`10.0.0.128-10.0.0.255`, '192.0.2.1']
              : ['192.0.2.1', 'fd00::ff:0-fd00::ff:ffff'],
          disabled: true,
          other: 'z-older',
          field: 'spec.blocks[1].cidr',
        },
        good('cilium/z-older', [a]),
      ],
      rules: ['PoolConflict a-newer'],
    }
    assert.deepEqual(poolsOf(older, newer), expected)
    assert.deepEqual(poolsOf(newer, older), expected)
  })
}

test('of two pools of one age the name decides, across dialects', () => {
  const native = nativeOf('AddressPool', 'b', { ranges: ['10.0.0.1-10.0.0.9'] })
  const cilium = ciliumPoolOf('a', { blocks: [{ cidr: '10.0.0.0/30' }] })
  const { pools, rules } = poolsOf(native, cilium)
  assert.deepEqual(rules, ['PoolConflict b'])
  assert.equal(pools.find(({ name }) => name === 'b')?.other, 'a')
})

test('a third pool may use what a disabled one claims', () => {
  const pools = [
    ciliumPoolOf('a', { blocks: [{ cidr: '10.0.0.0/25' }] }, { age: 1 }),
    ciliumPoolOf('b', { blocks: [{ cidr: '10.0.0.0/24' }] }, { age: 2 }),
    ciliumPoolOf('c', { blocks: [{ cidr: '10.0.0.128/25' }] }, { age: 3 }),
  ]
  assert.deepEqual(poolsOf(...pools).rules, ['PoolConflict b'])
})

test('a pool that overlaps itself is in conflict with itself', () => {
  const { pools, rules } = poolsOf(nativeOf('AddressPool', 'a', { ranges: ['10.0.0.0/24', '10.0.0.7'] }))
  assert.deepEqual(rules, ['PoolConflict a'])
  assert.deepEqual(pools, [
    { name: 'a', ranges: ['10.0.0.0-10.0.0.255'], disabled: true, other: 'a', field: 'spec.ranges[1]' },
  ])
})

test('a pool served by two API versions is one pool', () => {
  const old = ciliumPoolOf('a', { blocks: [{ cidr: '10.0.0.0/24' }] })
  const { pools, rules } = poolsOf(old, { ...old, apiVersion: 'cilium.io/v2' })
  assert.deepEqual([pools.length, rules], [1, []])
})

test('leaves out what is not valid and says so', () => {
  const { pools, rules } = poolsOf(
    ciliumPoolOf('bad', { blocks: [{ cidr: '10.0.0.300/24' }] }),
    ciliumPoolOf('good', { blocks: [{ cidr: '10.0.0.0/24' }] }),
  )
  assert.deepEqual(pools, [good('cilium/good', ['10.0.0.0/24'])])
  assert.deepEqual(rules, ['InvalidValue bad'])
})

test('flags names of instances and peers that do not exist', () => {
  const custom = [
    nativeOf('BGPPeer', 'p', { instances: ['nowhere'], address: '10.0.0.1', asn: 1 }),
    nativeOf('BGPAdvertisement', 'a', { peers: ['p', 'nobody'], podCIDR: true }),
  ]
  const { problems } = nativeSet(snapshotOf({ custom }), [])
  assert.deepEqual(
    problems.map(({ object, field, message }) => [object?.name, field, message]),
    [
      ['a', 'spec.peers[1]', 'there is no valid BGPPeer "nobody"'],
      ['p', 'spec.instances[0]', 'there is no valid BGPInstance "nowhere"'],
    ],
  )
})

test('keeps the last valid spec of an object that became invalid, and says what is wrong', () => {
  const before = snapshotOf({ custom: [policyOf('demo', { virtualRouters: [router] }, { uid: '1' })] })
  const broken = policyOf(
    'demo',
    { virtualRouters: [{ ...router, localASN: 'x' }] },
    { uid: '1', resourceVersion: '2' },
  )
  const after = withLastValid(before, snapshotOf({ custom: [broken] }), ['cilium'])
  assert.deepEqual(after.custom, [{ ...broken, spec: { virtualRouters: [router] } }])
  const set = nativeSet(after, ['cilium'])
  assert.equal(set.instances.length, 1)
  assert.deepEqual(
    set.problems.map(({ rule, field }) => [rule, field]),
    [['InvalidValue', 'spec.virtualRouters[0].localASN']],
  )
  const later = withLastValid(after, snapshotOf({ custom: [broken] }), ['cilium'])
  assert.deepEqual(later, after, 'it stays so as long as the object is invalid')
  const mended = withLastValid(later, before, ['cilium'])
  assert.deepEqual(mended, before)
})

test('does not keep the spec of an object that was deleted and made again', () => {
  const before = snapshotOf({ custom: [policyOf('demo', { virtualRouters: [router] }, { uid: '1' })] })
  const now = snapshotOf({ custom: [policyOf('demo', { virtualRouters: [] }, { uid: '2' })] })
  assert.deepEqual(withLastValid(before, now, ['cilium']), now)
  assert.deepEqual(withLastValid(before, snapshotOf({}), ['cilium']), snapshotOf({}))
})

test('keeps the last valid annotation of a node', () => {
  const key = 'cilium.io/bgp-virtual-router.65100'
  const before = snapshotOf({ nodes: [nodeOf('n', { annotations: { [key]: 'local-port=179' } })] })
  const broken = snapshotOf({ nodes: [nodeOf('n', { annotations: { [key]: 'local-port=x', other: '1' } })] })
  const after = withLastValid(before, broken, ['cilium'])
  assert.deepEqual(after.nodes[0]?.metadata.annotations, { [key]: 'local-port=179', other: '1' })
  assert.deepEqual(
    after.problems?.map(({ rule, object }) => [rule, object?.name]),
    [['InvalidAnnotation', 'n']],
  )
})

test('peers and groups that name what does not exist say so in the cluster, not only on a node', () => {
  const set = nativeSet(
    snapshotOf({
      custom: [
        nativeOf('BGPPeerGroup', 'g', { asn: 1, exportPolicies: ['nothing'] }),
        nativeOf('BGPPeer', 'a', { address: '192.0.2.1', group: 'nobody' }),
        nativeOf('BGPPeer', 'b', { address: '2001:db8::1', group: 'g', importPolicies: ['none'] }),
      ],
    }),
    [],
  )
  assert.deepEqual(
    set.problems.map(({ rule, object, field, other }) => [rule, object?.name, field, other?.name]),
    [
      ['UnknownName', 'a', 'spec.group', 'nobody'],
      ['UnknownName', 'b', 'spec.importPolicies[0]', 'none'],
      ['UnknownName', 'g', 'spec.exportPolicies[0]', 'nothing'],
    ],
  )
})
