import assert from 'node:assert/strict'
import { test } from 'node:test'
import { prefix } from '#core/net/prefix.ts'
import { openCluster } from '../server.ts'
import type { Cluster } from '../cluster.ts'
import { objectsAt, objectAt, stringsAt, type JsonObject, type Resource } from '../json.ts'
import { create, remove, update, type Target } from '../write.ts'

function setUp(cidrs: string[], first = 30_000, last = 32_767): { cluster: Cluster; target: Target } {
  const serviceCidrs = cidrs.map((cidr) => prefix(cidr))
  const cluster = openCluster({ dataDir: ':memory:', serviceCidrs, nodePortRange: { first, last } })
  return {
    cluster,
    target: { type: cluster.registry.get('/services')!, version: 'v1', namespace: 'default' },
  }
}

const service = (name: string, spec: JsonObject) => ({
  metadata: { name },
  spec: { ports: [{ port: 80 }], ...spec },
})
const spec = (object: Resource) => objectAt(object, 'spec')

for (const [cidr, size] of [
  ['10.0.0.0/29', 5],
  ['fd00::/125', 6],
] as const) {
  test(`all of ${cidr} can be given out once, and again after a deletion`, () => {
    const { cluster, target } = setUp([cidr])
    const given = new Set<string>()
    for (let i = 0; i < size; i++)
      given.add(stringsAt(spec(create(cluster, target, service(`s${i}`, {}))), 'clusterIPs')[0]!)
    assert.equal(given.size, size)
    assert.throws(() => create(cluster, target, service('full', {})), /no free address/)
    const { object } = remove(cluster, target, 's0')
    assert.equal(spec(create(cluster, target, service('again', {})))['clusterIP'], spec(object)['clusterIP'])
  })
}

test('node ports are given out once, and freed by a change of type', () => {
  const { cluster, target } = setUp(['10.0.0.0/24'], 30_000, 30_001)
  const lb = { type: 'LoadBalancer' }
  create(cluster, target, service('a', lb))
  create(cluster, target, service('b', lb))
  assert.throws(() => create(cluster, target, service('c', lb)), /range is full/)
  const bare = create(cluster, target, service('d', { ...lb, allocateLoadBalancerNodePorts: false }))
  assert.equal(objectsAt(spec(bare), 'ports')[0]?.['nodePort'], undefined)
  const a = cluster.store.get('/services', 'default', 'a')!
  update(cluster, target, 'a', { ...a, spec: { ...spec(a), type: 'ClusterIP' } })
  create(cluster, target, service('c', lb))
})

test('the policy decides about families', () => {
  const { cluster, target } = setUp(['fd00::/112', '10.0.0.0/24'])
  const families = (name: string, more: JsonObject) =>
    stringsAt(spec(create(cluster, target, service(name, more))), 'ipFamilies')
  assert.deepEqual(families('a', {}), ['IPv6'])
  assert.deepEqual(families('b', { ipFamilies: ['IPv4'] }), ['IPv4'])
  assert.deepEqual(families('c', { ipFamilyPolicy: 'PreferDualStack' }), ['IPv6', 'IPv4'])
  assert.deepEqual(families('d', { ipFamilyPolicy: 'RequireDualStack', ipFamilies: ['IPv4'] }), [
    'IPv4',
    'IPv6',
  ])
  assert.deepEqual(families('e', { clusterIP: 'None' }), ['IPv6'])
  const c = cluster.store.get('/services', 'default', 'c')!
  const single = update(cluster, target, 'c', { ...c, spec: { ...spec(c), ipFamilyPolicy: 'SingleStack' } })
  assert.equal(stringsAt(spec(single), 'clusterIPs').length, 1)
  const alone = setUp(['10.0.0.0/24'])
  const dual = service('x', { ipFamilyPolicy: 'RequireDualStack' })
  assert.throws(() => create(alone.cluster, alone.target, dual), /not configured for dual-stack/)
  assert.throws(
    () => create(alone.cluster, alone.target, service('y', { ipFamilies: ['IPv6'] })),
    /not configured on this cluster/,
  )
})
