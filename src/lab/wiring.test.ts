import assert from 'node:assert/strict'
import { test } from 'node:test'
import { address } from '#core/net/address.ts'
import { prefix } from '#core/net/prefix.ts'
import { deviceName, podGateway } from './pod-network.ts'
import { parseTopology } from './topology.ts'
import { wire } from './wiring.ts'

const text = `
name: dual
networks: { lan: { subnets: [10.0.0.0/24, 'fd00::/64'] } }
clusters:
  c:
    podSubnets: [10.1.0.0/16, 'fd01::/48']
    serviceSubnets: [10.2.0.0/16]
    gateways: [10.0.0.1, 'fd00::1']
    nodes:
      a: { networks: { lan: [10.0.0.2, 'fd00::2'] }, podCIDRs: [10.1.0.0/24, 'fd01::/64'] }
      b: { networks: { lan: [10.0.0.3, 'fd00::3'] }, podCIDRs: [10.1.1.0/24, 'fd01:0:0:1::/64'] }
`

test('a node gets its addresses, its gateways and routes to the other nodes’ pods, in both IP versions', () => {
  const topology = parseTopology(text, '/nowhere')
  assert.ok(topology.ok)
  const { machines, switch: bridges } = wire(topology.value, 'lab')
  assert.equal(machines[0]?.namespace, 'lab.a')
  assert.deepEqual(machines[0]?.lines, [
    'link set lo up',
    'address add 10.0.0.2/24 dev eth0',
    'address add fd00::2/64 dev eth0 nodad',
    'link set eth0 up',
    'route add default via 10.0.0.1',
    'route add default via fd00::1',
    'route add 10.1.1.0/24 via 10.0.0.3',
    'route add fd01:0:0:1::/64 via fd00::3',
  ])
  assert.deepEqual(bridges.lines.slice(0, 4), [
    'link add br0 type bridge mcast_snooping 0',
    'link set br0 up',
    'link add port0 type veth peer name eth0 netns lab.a',
    'link set port0 master br0 up',
  ])
})

test('the node’s end of a pod’s link is named after the pod, short and unique', () => {
  const cases: [pod: string, taken: string[], name: string][] = [
    ['web', [], 'web'],
    ['nginx-ff6774dc6-rnw9n', [], 'nginx-ff6-rnw9n'],
    ['nginx-ff6774dc6-rnw9n', ['nginx-ff6-rnw9n'], 'nginx-ff6-rnw-1'],
  ]
  for (const [pod, taken, name] of cases) {
    assert.equal(deviceName(pod, new Set(taken)), name)
    assert.ok(name.length <= 15)
  }
  assert.notEqual(deviceName('eth0', new Set()), 'eth0')
})

test('the gateway of a pod network is its first address', () => {
  assert.equal(podGateway(prefix('10.1.1.0/24')), address('10.1.1.1'))
  assert.equal(podGateway(prefix('fd01::/64')), address('fd01::1'))
})
