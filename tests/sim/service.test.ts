/** What happens to a Service's address and routes, from `kubectl` to the router's table. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { compareText } from '#core/lib/order.ts'
import { prefix } from '#core/net/prefix.ts'
import type { Pod, Service } from '#core/schema/kubernetes.ts'
import { deployment, loadBalancer, peeringPolicy, pool } from '#sim/manifests.ts'
import { probeServices } from '#sim/probe.ts'
import { nodes, openCilium, policy } from './cilium-site.ts'

describe('a Service of type LoadBalancer', () => {
  it('gets an address of the pool, announced by every node, and its pods answer', () => {
    const { simulation, addressOf, announcers, router } = openCilium()
    const ip = addressOf('nginx')
    assert.match(ip, /^10\.11\./)
    assert.deepEqual(announcers(ip), nodes)
    const prefixes = router.routes('locRib').map((route) => route.prefix)
    for (const i of [0, 1, 2]) assert.ok(prefixes.includes(prefix(`10.241.${i}.0/24`)))
    const probes = probeServices(simulation)
    assert.deepEqual(
      probes.map(({ status }) => status),
      [200, 200],
    )
    assert.notEqual(probes[0]?.node, probes[1]?.node, 'the pods are on two nodes')
  })

  it('is withdrawn and its address freed when it is deleted, and announced anew when it is exposed again', () => {
    const { simulation, cluster, addressOf, announcers, quiet, clock } = openCilium()
    const ip = addressOf('nginx')
    cluster.delete('Service', 'default', 'nginx')
    clock.runFor(1_000)
    assert.deepEqual(announcers(ip), [])
    quiet()
    simulation.apply(loadBalancer('other', {}, { app: 'nginx' }))
    quiet()
    assert.equal(addressOf('other'), ip, 'the address is free for others')
    simulation.apply(loadBalancer('nginx'))
    quiet()
    assert.deepEqual(announcers(addressOf('nginx')), nodes)
  })

  it('is withdrawn while no pod is ready', () => {
    const { simulation, addressOf, announcers, quiet, clock } = openCilium()
    const ip = addressOf('nginx')
    simulation.apply(deployment('nginx', 0))
    clock.runFor(5_000)
    assert.deepEqual(announcers(ip), [])
    quiet()
    assert.equal(addressOf('nginx'), ip, 'it keeps its address')
    simulation.apply(deployment('nginx', 2))
    clock.runFor(5_000)
    assert.deepEqual(announcers(ip), nodes)
    quiet()
  })

  it('with externalTrafficPolicy Local is announced by the nodes of its pods alone', () => {
    const { simulation, cluster, addressOf, announcers, quiet } = openCilium()
    simulation.apply(loadBalancer('nginx', { externalTrafficPolicy: 'Local' }))
    quiet()
    const homes = cluster.list<Pod>('Pod').map(({ spec }) => spec?.nodeName ?? '')
    assert.deepEqual(announcers(addressOf('nginx')), homes.toSorted(compareText))
  })

  it('loses its address when the pool is deleted, with an event that says why', () => {
    const { cluster, addressOf, announcers, quiet } = openCilium()
    const ip = addressOf('nginx')
    cluster.delete('CiliumLoadBalancerIPPool', undefined, 'demo')
    quiet()
    assert.deepEqual(announcers(ip), [])
    const service = cluster.get('Service', 'default', 'nginx') as Service
    assert.deepEqual(service.status?.loadBalancer?.ingress ?? [], [])
    const events = cluster.events.filter(({ key }) => key === 'Service default/nginx')
    assert.ok(
      events.some(
        ({ type, message }) =>
          type === 'Warning' && message.includes(ip) && message.includes('demo was deleted'),
      ),
      JSON.stringify(events),
    )
  })

  it('keeps its address when an older Service appears later to a restarted controller', () => {
    const { simulation, addressOf, quiet } = openCilium()
    const ip = addressOf('nginx')
    simulation.controller.kill()
    simulation.apply(loadBalancer('a', {}, { app: 'nginx' }), loadBalancer('z', {}, { app: 'nginx' }))
    simulation.controller.start()
    quiet()
    assert.equal(addressOf('nginx'), ip)
    assert.equal(new Set(['nginx', 'a', 'z'].map(addressOf)).size, 3)
  })
})

describe('two policies that select one node', () => {
  const second = peeringPolicy('second', {
    nodeSelector: { matchLabels: { 'kubernetes.io/hostname': 'cilium-worker' } },
    virtualRouters: [{ localASN: 65_200, neighbors: [{ peerASN: 65_000, peerAddress: '172.22.0.5/32' }] }],
  })

  it('leave the older working and tell the newer, naming the other', () => {
    const { simulation, cluster, losses, quiet } = openCilium()
    simulation.apply(second)
    quiet()
    for (const node of nodes) assert.equal(losses(node), 0)
    const newer = cluster.get('CiliumBGPPeeringPolicy', undefined, 'second') as unknown as {
      status?: { conditions?: { message: string }[] }
    }
    const told = newer.status?.conditions?.filter(({ message }) => message.includes('demo')) ?? []
    assert.equal(told.length, 1, JSON.stringify(newer))
    const events = cluster.events.filter(({ key }) => key === 'CiliumBGPPeeringPolicy second')
    assert.ok(events.some(({ type, message }) => type === 'Warning' && message.includes('demo')))
  })

  it('hand the node over when the older is deleted, and the session comes up with the other AS', () => {
    const { simulation, cluster, quiet, router } = openCilium()
    simulation.apply(second)
    cluster.delete('CiliumBGPPeeringPolicy', undefined, 'demo')
    quiet()
    assert.equal(simulation.speakers.get('cilium-worker')?.peers()[0]?.localAsn, 65_200)
    // The router expects AS 65100 of this node and refuses the other.
    assert.notEqual(router.peers().find(({ peer }) => peer === 'cilium-worker')?.state, 'established')
    cluster.delete('CiliumBGPPeeringPolicy', undefined, 'second')
    simulation.apply(policy)
    quiet()
  })
})

describe('a bad manifest', () => {
  for (const { name, manifest } of [
    { name: 'a pool of no addresses', manifest: pool('bad', '10.0.0.300/24' as never) },
    { name: 'a pool that overlaps an older one', manifest: pool('bad', prefix('10.11.0.0/17')) },
    {
      name: 'a policy with a hold time of 2',
      manifest: peeringPolicy('bad', {
        virtualRouters: [
          {
            localASN: 65_100,
            neighbors: [{ peerASN: 65_000, peerAddress: '172.22.0.5/32', holdTimeSeconds: 2 }],
          },
        ],
      }),
    },
    {
      name: 'a policy whose neighbour has no prefix length',
      manifest: peeringPolicy('bad', {
        virtualRouters: [{ localASN: 65_100, neighbors: [{ peerASN: 65_000, peerAddress: '172.22.0.5' }] }],
      }),
    },
  ]) {
    it(`does no harm to what runs: ${name}`, () => {
      const { simulation, cluster, clock, addressOf, announcers, losses } = openCilium()
      const ip = addressOf('nginx')
      simulation.apply(manifest)
      clock.runFor(60_000)
      assert.equal(addressOf('nginx'), ip)
      assert.deepEqual(announcers(ip), nodes)
      for (const node of nodes) assert.equal(losses(node), 0)
      const warnings = cluster.events.filter(({ key, type }) => type === 'Warning' && key.endsWith(' bad'))
      assert.ok(warnings.length > 0, 'an event says what is wrong')
    })
  }
})
