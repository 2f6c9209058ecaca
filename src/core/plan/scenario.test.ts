/** The manifests of the published walk-through with Cilium and BIRD, first cluster, and the plan of one of its nodes. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { prefix } from '#core/net/prefix.ts'
import {
  ciliumPoolOf,
  nodeOf,
  policyOf,
  serviceOf,
  sliceOf,
  snapshotOf,
} from '#core/schema/cluster.testing.ts'
import { planNode } from './plan-node.ts'

const annotations = { 'cilium.io/bgp-virtual-router.65100': 'local-port=179' }

const snapshot = snapshotOf({
  nodes: [
    nodeOf('cilium-control-plane', { addresses: ['172.22.0.2'], podCIDRs: ['10.241.0.0/24'], annotations }),
    nodeOf('cilium-worker', { addresses: ['172.22.0.3'], podCIDRs: ['10.241.1.0/24'], annotations }),
    nodeOf('cilium-worker2', { addresses: ['172.22.0.4'], podCIDRs: ['10.241.2.0/24'], annotations }),
  ],
  services: [
    serviceOf('nginx', ['10.11.108.98'], { clusterIP: '10.11.156.124', selector: { app: 'nginx' } }),
  ],
  endpointSlices: [sliceOf('nginx', 'IPv4', ['cilium-worker', 'cilium-worker2'])],
  custom: [
    ciliumPoolOf('demo', { cidrs: [{ cidr: '10.11.0.0/16' }] }),
    policyOf('demo', {
      nodeSelector: { matchLabels: { 'kubernetes.io/os': 'linux' } },
      virtualRouters: [
        {
          exportPodCIDR: true,
          localASN: 65100,
          neighbors: [{ peerASN: 65000, peerAddress: '172.22.0.5/32' }],
          serviceSelector: { matchLabels: { app: 'nginx' } },
        },
      ],
    }),
  ],
})

test('plans the walk-through with Cilium and BIRD', () => {
  const plan = planNode(snapshot, 'cilium-worker', ['cilium'])
  assert.deepEqual(plan.problems, [])
  assert.equal(plan.instances.length, 1)
  const [instance] = plan.instances
  const peer = 'cilium/demo/65100/172.22.0.5'
  assert.deepEqual(instance?.config, {
    name: 'cilium/demo/65100',
    asn: 65100,
    routerId: '172.22.0.3',
    listenPort: 179,
    peers: [
      {
        name: peer,
        address: '172.22.0.5',
        port: 179,
        asn: 65000,
        passive: false,
        families: ['ipv4/unicast', 'ipv6/unicast'],
        ttl: 1,
        timers: { connectRetrySeconds: 120, holdTimeSeconds: 90, keepaliveSeconds: 30 },
        importRoutes: false,
        exportLearned: false,
      },
    ],
    routes: [
      { prefix: prefix('10.11.108.98/32'), to: [{ peer, attributes: {} }] },
      { prefix: prefix('10.241.1.0/24'), to: [{ peer, attributes: {} }] },
    ],
  })
  assert.deepEqual(instance.withheld, [])
})

test('every item of the walk-through points to what the user wrote', () => {
  const [instance] = planNode(snapshot, 'cilium-worker', ['cilium']).instances
  const policy = { kind: 'CiliumBGPPeeringPolicy', name: 'demo' }
  const where = (reasons: readonly { object?: unknown; field?: string }[] = []) =>
    reasons.map(({ object, field }) => [object, field])
  assert.deepEqual(instance?.source, policy)
  assert.deepEqual(where(instance.reasons), [
    [policy, 'spec.nodeSelector'],
    [{ kind: 'Node', name: 'cilium-worker' }, 'status.addresses[0]'],
    [{ kind: 'Node', name: 'cilium-worker' }, 'metadata.annotations["cilium.io/bgp-virtual-router.65100"]'],
  ])
  assert.deepEqual(where(instance.peerReasons['cilium/demo/65100/172.22.0.5']), [
    [policy, 'spec.virtualRouters[0].neighbors[0].peerAddress'],
    [policy, 'spec.virtualRouters[0].neighbors[0].eBGPMultihopTTL'],
  ])
  const service = { kind: 'Service', namespace: 'default', name: 'nginx' }
  assert.deepEqual(where(instance.routeReasons[0]?.reasons), [
    [policy, 'spec.virtualRouters[0].serviceSelector'],
    [service, 'status.loadBalancer.ingress[0].ip'],
    [service, 'spec.externalTrafficPolicy'],
  ])
  assert.deepEqual(where(instance.routeReasons[1]?.reasons), [
    [{ kind: 'Node', name: 'cilium-worker' }, 'spec.podCIDRs[0]'],
    [policy, 'spec.virtualRouters[0].exportPodCIDR'],
  ])
})

test('obeys no dialect that it was not told to', () => {
  const plan = planNode(snapshot, 'cilium-worker', [])
  assert.deepEqual(plan, { node: 'cilium-worker', instances: [], problems: [] })
})
