/** The first cluster of the published Cilium walk-through, in the simulator. */
import assert from 'node:assert/strict'
import { compareText } from '#core/lib/order.ts'
import { address } from '#core/net/address.ts'
import { hostPrefix, prefix } from '#core/net/prefix.ts'
import type { Service } from '#core/schema/kubernetes.ts'
import type { KubeObject } from '#core/schema/object.ts'
import { checkQuiet } from '#sim/checkers.ts'
import { deployment, loadBalancer, peeringPolicy, pool } from '#sim/manifests.ts'
import { quietMs } from '#sim/scenario.ts'
import { Simulation, type SiteFacts } from '#sim/simulation.ts'

export const nodes = ['cilium-control-plane', 'cilium-worker', 'cilium-worker2']

export const ciliumSite: SiteFacts = {
  dialects: ['cilium'],
  nodes: nodes.map((name, i) => ({
    name,
    addresses: [address(`172.22.0.${2 + i}`)],
    podCIDRs: [prefix(`10.241.${i}.0/24`)],
    labels: {},
  })),
  serviceSubnets: [prefix('10.11.0.0/16')],
  routers: [
    {
      name: 'bird',
      addresses: [address('172.22.0.5')],
      asn: 65_000,
      routerId: address('172.22.0.5'),
      neighbors: nodes.map((_, i) => ({ address: address(`172.22.0.${2 + i}`), asn: 65_100 })),
    },
  ],
}

export const policy = peeringPolicy('demo', {
  nodeSelector: { matchLabels: { 'kubernetes.io/os': 'linux' } },
  virtualRouters: [
    {
      localASN: 65_100,
      exportPodCIDR: true,
      serviceSelector: { matchLabels: { app: 'nginx' } },
      neighbors: [{ peerASN: 65_000, peerAddress: '172.22.0.5/32' }],
    },
  ],
})

export const ciliumManifests: KubeObject[] = [
  deployment('nginx', 2),
  pool('demo', prefix('10.11.0.0/16')),
  loadBalancer('nginx'),
  policy,
]

/** The site with everything applied, and quiet. */
export function openCilium(seed = 1) {
  const simulation = new Simulation({ seed, site: ciliumSite })
  simulation.start()
  simulation.apply(...ciliumManifests)
  const { cluster, clock } = simulation
  const router = simulation.routers.get('bird')!
  const quiet = (ms = quietMs) => {
    clock.runFor(ms)
    assert.deepEqual(checkQuiet(simulation), [])
  }
  /** The address of a Service; fails if it has none. */
  const addressOf = (name: string): string => {
    const service = cluster.get('Service', 'default', name) as Service | undefined
    const ip = service?.status?.loadBalancer?.ingress?.[0]?.ip
    assert.ok(ip !== undefined, `Service ${name} has no address`)
    return ip
  }
  /** Nodes that the router has a route to the address from. */
  const announcers = (ip: string) =>
    router
      .routes('adjRibIn')
      .filter((route) => route.prefix === hostPrefix(address(ip)))
      .map(({ peer = '' }) => peer)
      .toSorted(compareText)
  /** Number of times that the router lost its session with the node. */
  const losses = (node: string) =>
    router.events.filter(({ event }) => event.kind === 'sessionDown' && event.peer === node).length
  quiet()
  return { simulation, cluster, clock, router, quiet, addressOf, announcers, losses }
}
