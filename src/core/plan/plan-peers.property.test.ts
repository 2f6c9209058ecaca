import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { z } from 'zod'
import { Bgp } from '#core/bgp/bgp.ts'
import { Prng } from '#core/lib/prng.ts'
import { bgpInstanceSpecSchema } from '#core/schema/bgp-instance.ts'
import { bgpPeerGroupSpecSchema } from '#core/schema/bgp-peer-group.ts'
import { bgpPeerSpecSchema } from '#core/schema/bgp-peer.ts'
import { nativeOf, nodeOf, secretOf, snapshotOf } from '#core/schema/cluster.testing.ts'
import type { KubeObject } from '#core/schema/object.ts'
import { routePolicySpecSchema } from '#core/schema/route-policy.ts'
import { shaped } from '#core/schema/shaped.testing.ts'
import { planNode } from './plan-node.ts'

/** Right for nearly every field of its kind and name. */
function leaf(field: z.ZodType, name: string): fc.Arbitrary<unknown> {
  if (field instanceof z.ZodBoolean) return fc.boolean()
  if (field instanceof z.ZodEnum) return fc.constantFrom(...(field.options as unknown[]))
  if (field instanceof z.ZodNumber) {
    const min = field.minValue ?? 0
    const max = field.maxValue ?? 100
    return fc.oneof(fc.constantFrom(min, max), fc.integer({ min, max }))
  }
  if (/^(listenAddresses|address|sourceAddress)$/.test(name))
    return fc.constantFrom('192.0.2.1', '2001:db8::1')
  if (/^(prefix|prefixes)$/.test(name)) return fc.constantFrom('10.0.0.0/8', 'fd00::/8')
  if (/^(routerId|clusterId)$/.test(name)) return fc.constant('192.0.2.9')
  if (/regex/i.test(name)) return fc.constantFrom('^65000', '_1_', '[0-9]+:1$')
  if (/^(group|set|name|importPolicies|exportPolicies)$/.test(name)) return fc.constantFrom('a', 'b')
  if (/^(instances|nodes|node)$/.test(name)) return fc.constantFrom('main', 'n1')
  if (/^(entries|add|remove|replace|nextHops)$/.test(name))
    return fc.constantFrom('65000:1', '65000:1:2', 'rt:65000:1', '192.0.2.0/24', '2001:db8::1')
  return fc.constantFrom('self', 'eth0', 'bgp', 'key')
}

const objects = fc.record({
  instance: shaped(bgpInstanceSpecSchema, leaf),
  groups: fc.array(shaped(bgpPeerGroupSpecSchema, leaf), { minLength: 1, maxLength: 2 }),
  peers: fc.array(
    fc
      .tuple(
        fc.constantFrom(
          { address: '192.0.2.1' },
          { address: '2001:db8::1' },
          { listen: { prefixes: ['fd00::/8'] } },
        ),
        fc.constantFrom({ asn: 65001 }, { asn: 65002 }, { peerAs: 'external' }, { group: 'a' }),
        shaped(bgpPeerSpecSchema, leaf),
      )
      .map(([where, who, more]) => ({ ...(more as object), ...where, ...who })),
    { maxLength: 3 },
  ),
  policies: fc.array(shaped(routePolicySpecSchema, leaf), { maxLength: 2 }),
})

test('whatever resources say, there is a plan, and a speaker takes it', () => {
  const names = ['a', 'b', 'c']
  let configured = 0
  fc.assert(
    fc.property(objects, ({ instance, groups, peers, policies }) => {
      const all = (kind: string, specs: unknown[]): KubeObject[] =>
        specs.map((spec, i) => nativeOf(kind, names[i]!, spec))
      const snapshot = snapshotOf({
        nodes: [nodeOf('n1')],
        secrets: [secretOf('bgp', 'key', { password: 'aHVudGVyMg==' })],
        custom: [
          // Most random ones are wrong somewhere, so that another one is there for the peers.
          nativeOf('BGPInstance', 'main', { asn: 65001 }),
          nativeOf('BGPInstance', 'other', instance),
          ...all('BGPPeerGroup', groups),
          ...all('BGPPeer', peers),
          ...all('RoutePolicy', policies),
        ],
      })
      const plan = planNode(snapshot, 'n1', [])
      assert.deepEqual(planNode(snapshot, 'n1', []), plan)
      for (const { config } of plan.instances) {
        const bgp = new Bgp(new Prng(1), { next: 1 })
        bgp.handle({ kind: 'configure', config }, 0)
        bgp.handle({ kind: 'configure', config: { ...config, peers: [] } }, 1)
        configured += config.peers.length + (config.listenRanges?.length ?? 0)
        for (const { timers, ttl, minTtl = 1 } of config.peers) {
          assert.ok(timers.holdTimeSeconds === 0 || timers.keepaliveSeconds <= timers.holdTimeSeconds)
          assert.ok(ttl >= 1 && ttl <= 255 && minTtl >= 1 && minTtl <= 255)
        }
      }
    }),
    { numRuns: 300 },
  )
  assert.ok(configured > 20, `${configured} peers`)
})
