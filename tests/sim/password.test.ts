/** Sessions with a TCP MD5 password (RFC 2385) from a Secret. */
import assert from 'node:assert/strict'
import { it } from 'node:test'
import { address } from '#core/net/address.ts'
import type { KubeObject } from '#core/schema/object.ts'
import { peeringPolicy } from '#sim/manifests.ts'
import { quietMs } from '#sim/scenario.ts'
import { Simulation } from '#sim/simulation.ts'
import { ciliumSite, nodes } from './cilium-site.ts'

it('stays down without its Secret, comes up with it, follows a new password, and drops nothing else', () => {
  const { simulation, clock, states, heldDown, expectPassword } = open()
  clock.runFor(quietMs)
  assert.deepEqual(states(), ['idle', 'idle', 'idle'])
  assert.match(heldDown() ?? '', /bgp-auth/)
  simulation.apply(secret('c2VjcmV0')) // "secret"
  clock.runFor(quietMs)
  assert.deepEqual(states(), ['established', 'established', 'established'])
  simulation.apply(secret('bmV3')) // "new"
  clock.runFor(quietMs)
  assert.ok(
    states().every((state) => state !== 'established'),
    'the router has the old one',
  )
  assert.match(heldDown() ?? '', /its MD5 password is another one/)
  expectPassword('new')
  clock.runFor(quietMs)
  assert.deepEqual(states(), ['established', 'established', 'established'])
})

function open() {
  const router = ciliumSite.routers[0]!
  const neighbors = (password: string) => router.neighbors.map((neighbor) => ({ ...neighbor, password }))
  const site = { ...ciliumSite, routers: [{ ...router, neighbors: neighbors('secret') }] }
  const simulation = new Simulation({ seed: 1, site })
  simulation.start()
  simulation.apply(
    peeringPolicy('demo', {
      virtualRouters: [
        {
          localASN: 65_100,
          exportPodCIDR: true,
          neighbors: [{ peerASN: 65_000, peerAddress: '172.22.0.5/32', authSecretRef: 'bgp-auth' }],
        },
      ],
    }),
  )
  const bird = simulation.routers.get('bird')!
  return {
    simulation,
    clock: simulation.clock,
    states: () => nodes.map((node) => simulation.speakers.get(node)!.peers()[0]?.state),
    heldDown: () => simulation.speakers.get(nodes[0]!)!.peers()[0]?.lastError?.message,
    expectPassword: (password: string) => {
      bird.configure({
        asn: router.asn,
        routerId: router.routerId,
        neighbours: nodes.map((name, i) => ({
          name,
          address: address(`172.22.0.${2 + i}`),
          asn: 65_100,
          password,
        })),
      })
    },
  }
}

function secret(password: string): KubeObject {
  const metadata = { name: 'bgp-auth', namespace: 'kube-system' }
  const object = { apiVersion: 'v1', kind: 'Secret', metadata, data: { password } }
  return object
}
