import assert from 'node:assert/strict'
import { it } from 'node:test'
import { Prng } from '#core/lib/prng.ts'
import { prefix } from '#core/net/prefix.ts'
import type { EndpointSlice, Pod, Service } from '#core/schema/kubernetes.ts'
import { VirtualClock } from './clock.ts'
import { Cluster } from './cluster.ts'
import { deployment, loadBalancer } from './manifests.ts'
import { readyEndpoints } from './oracle.ts'
import { serviceDefaults } from './service-defaults.ts'
import { Workloads } from './workloads.ts'

it('makes ready pods and endpoints of both IP versions of a Deployment, and takes them away again', () => {
  const { clock, cluster } = open()
  cluster.apply(deployment('web', 3))
  const service = cluster.apply(loadBalancer('web', { ipFamilyPolicy: 'PreferDualStack' })) as Service
  assert.deepEqual(service.spec?.ipFamilies, ['IPv4', 'IPv6'])
  clock.runFor(50)
  assert.equal(readyEndpoints(cluster, service, 4).length, 0, 'not before they are ready')
  clock.runFor(2_000)
  for (const version of [4, 6] as const) {
    const ready = readyEndpoints(cluster, service, version)
    assert.equal(new Set(ready.map(({ address }) => address)).size, 3)
    assert.deepEqual(new Set(ready.map(({ node }) => node)), new Set(['a', 'b']))
  }
  cluster.apply(deployment('web', 1))
  clock.runFor(5_000)
  assert.equal(cluster.list<Pod>('Pod').length, 1)
  assert.equal(readyEndpoints(cluster, service, 6).length, 1)
  cluster.delete('Deployment', 'default', 'web')
  cluster.delete('Service', 'default', 'web')
  clock.runFor(5_000)
  assert.deepEqual(cluster.list<Pod>('Pod'), [])
  assert.deepEqual(cluster.list<EndpointSlice>('EndpointSlice'), [])
})

it('stands still while the API is down and goes on afterwards', () => {
  const { clock, cluster } = open()
  cluster.setAvailable(false)
  cluster.apply(deployment('web', 2))
  clock.runFor(10_000)
  assert.equal(cluster.list('Pod').length, 0)
  cluster.setAvailable(true)
  clock.runFor(100)
  cluster.setAvailable(false)
  clock.runFor(10_000)
  cluster.setAvailable(true)
  clock.runFor(5_000)
  const ready = cluster
    .list<Pod>('Pod')
    .filter(({ status }) =>
      status?.conditions?.some(({ type, status }) => type === 'Ready' && status === 'True'),
    )
  assert.equal(ready.length, 2)
})

it('comes to rest', () => {
  const { clock, cluster } = open()
  cluster.apply(deployment('web', 2))
  cluster.apply(loadBalancer('web'))
  clock.runFor(10_000)
  const before = cluster.changes.length
  assert.equal(clock.next(), Infinity)
  assert.equal(cluster.changes.length, before)
})

function open() {
  const clock = new VirtualClock(Date.UTC(2026, 0, 1))
  const subnets = [prefix('10.11.0.0/16'), prefix('fd11::/108')]
  const cluster = new Cluster(clock, serviceDefaults(subnets))
  for (const [i, name] of ['a', 'b'].entries()) {
    const podCIDRs = [`10.241.${i}.0/24`, `fd41:0:0:${i}::/64`]
    const node = { apiVersion: 'v1', kind: 'Node', metadata: { name }, spec: { podCIDRs } }
    cluster.apply(node)
  }
  const options = { random: new Prng(1), readyDelayMs: () => 1_000, watchDelayMs: () => 5 }
  const workloads = new Workloads({ cluster, ...options })
  workloads.start()
  return { clock, cluster }
}
