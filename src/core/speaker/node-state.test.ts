import assert from 'node:assert/strict'
import { test } from 'node:test'
import { z } from 'zod'
import type { PeerStatus } from '#core/bgp/io.ts'
import { address } from '#core/net/address.ts'
import { planNode } from '#core/plan/plan-node.ts'
import { nativeOf, nodeOf, secretOf, snapshotOf } from '#core/schema/cluster.testing.ts'
import { nodeStateStatusSchema } from '#core/schema/node-state.ts'
import { nodeStateOf } from './node-state.ts'

const noMessages = { open: 0, update: 0, notification: 0, keepalive: 0, routeRefresh: 0 }

function statusOf(peer: string, at: string, more: Partial<PeerStatus> = {}): PeerStatus {
  return {
    peer,
    address: address(at),
    port: 179,
    localAsn: 64512,
    asn: 65000,
    state: 'established',
    since: 0,
    families: [{ family: 'ipv6/unicast', received: 3, accepted: 2, advertised: 1, limit: 10 }],
    messages: { sent: 0, received: 0, sentByKind: noMessages, receivedByKind: noMessages },
    updateFaults: 0,
    flaps: 0,
    dynamic: false,
    stale: [],
    lastError: { at: 0, direction: 'received', message: 'Cease', hex: 'ffff' },
    ...more,
  }
}

/** The schema, refusing what an API server would take out. */
function strict(schema: z.ZodType): z.ZodType {
  if (schema instanceof z.ZodOptional) return strict(schema.unwrap() as z.ZodType).optional()
  if (schema instanceof z.ZodArray) return z.array(strict(schema.element as z.ZodType))
  if (!(schema instanceof z.ZodObject)) return schema
  const fields: [string, z.ZodType][] = Object.entries(schema.shape)
  return z.strictObject(Object.fromEntries(fields.map(([key, field]) => [key, strict(field)])))
}

for (const [configured, range, connected] of [
  ['192.0.2.1', '198.51.100.0/24', '198.51.100.7'],
  ['2001:db8::1', '2001:db8:1::/64', '2001:db8:1::7'],
] as const) {
  test(`reports configured neighbours and those of a range, with fields that the API has (${configured})`, () => {
    const plan = planNode(
      snapshotOf({
        nodes: [nodeOf('n1')],
        secrets: [secretOf('bgp', 'key', { password: 'aHVudGVyMg==' })],
        custom: [
          nativeOf('BGPInstance', 'main', { asn: 64512, listenPort: 179 }),
          nativeOf('BGPPeer', 'tor', { address: configured, asn: 65000 }),
          nativeOf('BGPPeer', 'racks', {
            listen: { prefixes: [range] },
            asn: 65000,
            timers: { holdTimeSeconds: 9 },
            passwordSecret: { namespace: 'bgp', name: 'key' },
          }),
        ],
      }),
      'n1',
      [],
    )
    const statuses = [
      statusOf('tor', configured),
      statusOf(`racks-${connected}`, connected, { dynamic: true }),
      statusOf('gone', connected),
    ]
    const state = nodeStateOf(plan, () => statuses)
    strict(nodeStateStatusSchema).parse(state)
    assert.deepEqual(
      state.sessions?.map((session) => [
        session.peer,
        session.configuredHoldTimeSeconds,
        session.passwordEnabled,
      ]),
      [
        ['tor', 90, false],
        [`racks-${connected}`, 9, true],
      ],
    )
    assert.equal(state.sessions[0]?.lastError?.hex, 'ffff')
  })
}
