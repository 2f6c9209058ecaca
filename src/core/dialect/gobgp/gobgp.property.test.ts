import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { z } from 'zod'
import { bgpInstanceSpecSchema } from '#core/schema/bgp-instance.ts'
import { bgpPeerSpecSchema } from '#core/schema/bgp-peer.ts'
import { gobgpConfigSchema } from '#core/schema/gobgp/config.ts'
import { parseGobgpConfig } from '#core/schema/gobgp/parse.ts'
import { routePolicySpecSchema } from '#core/schema/route-policy.ts'
import { shaped } from '#core/schema/shaped.testing.ts'
import { gobgpFile, gobgpResources } from './gobgp.ts'

const file = { kind: 'File', name: 'f' }
const global = { config: { as: 65001 } }

/** What may stand at some leaf, and is right at some of them. */
const leaves: readonly unknown[] = [
  0,
  1,
  3,
  90,
  179,
  65001,
  65002,
  4294967295,
  -1,
  256,
  65536,
  4294967296,
  '4294967296',
  '+4294967296',
  '0.0.0.0',
  '65002',
  'last-as',
  '+5',
  '24..32',
  '16..8',
  true,
  false,
  '192.0.2.1',
  '2001:db8::1',
  'fe80::1',
  '10.0.0.0/8',
  'fd00::/8',
  '',
  'a',
  'p',
  'ipv4-unicast',
  'l2vpn-evpn',
  'accept-route',
  'reject-route',
  'any',
  'ALL',
  'invert',
  'add',
  'remove',
  'replace',
  'self',
  'unchanged',
  '65000:1',
  '65000:1:2',
  'rt:65000:1',
  'SoO:1:1',
  '^65',
  '(',
  'internal',
  'valid',
  'eq',
  'eth0',
  '/tmp/x',
  'updates',
  'table',
]
const leaf = fc.constantFrom(...leaves)

function checkResources(value: unknown): boolean {
  const parsed = parseGobgpConfig(value, file)
  if (!parsed.ok) {
    assert.ok(parsed.error.length > 0, 'a refusal says why')
    return false
  }
  const set = gobgpResources(gobgpFile('f', parsed.value.config))
  for (const { resource } of set.instances) bgpInstanceSpecSchema.parse(resource.spec)
  for (const { resource } of set.peers) bgpPeerSpecSchema.parse(resource.spec)
  for (const { resource } of set.policies) routePolicySpecSchema.parse(resource.spec)
  return true
}

test('no value makes the reader throw', () => {
  fc.assert(
    fc.property(fc.anything({ maxDepth: 4 }), (value) => {
      checkResources(value)
      checkResources({ global: { config: { as: 1 } }, neighbors: value, 'policy-definitions': value })
    }),
    { numRuns: 500 },
  )
})

test('whatever is not refused becomes resources that are valid', () => {
  const parts = Object.entries(gobgpConfigSchema.shape)
    .filter(([key]) => key !== 'global')
    .map(([key, field]) => [key, shaped(field as z.ZodType, () => leaf)] as const)
  // One part at a time: all of them together would hardly ever be right.
  for (const [key, part] of parts) {
    let valid = 0
    fc.assert(
      fc.property(part, (value) => {
        if (checkResources({ global, [key]: value })) valid++
      }),
      { numRuns: 500 },
    )
    assert.ok(valid > 0, `some ${key} are right`)
  }
})

test('a value that a field does not take is refused', () => {
  for (const [key, field] of Object.entries(gobgpConfigSchema.shape)) {
    let valid = 0
    for (const value of alone(field as z.ZodType)) if (checkResources({ global, [key]: value })) valid++
    assert.ok(valid > 0, `some ${key} are right`)
  }
})

/** Values of this shape with one leaf each, besides what must be there. */
function* alone(schema: z.ZodType): Generator {
  if (schema instanceof z.ZodOptional || schema instanceof z.ZodDefault)
    yield* alone(schema.unwrap() as z.ZodType)
  else if (schema instanceof z.ZodArray) for (const value of alone(schema.element as z.ZodType)) yield [value]
  else if (schema instanceof z.ZodObject) {
    const rest = least(schema) as object
    for (const [name, field] of Object.entries(schema.shape))
      for (const value of alone(field as z.ZodType)) yield { ...rest, [name]: value }
  } else yield* leaves
}

/** With what must be there, and no more. */
function least(schema: z.ZodType): unknown {
  if (schema instanceof z.ZodArray) return []
  if (!(schema instanceof z.ZodObject)) return leaves.find((each) => schema.safeParse(each).success)
  const fields: [string, z.ZodType][] = Object.entries(schema.shape)
  const needed = fields.filter(([, field]) => !field.safeParse(undefined).success)
  return Object.fromEntries(needed.map(([name, field]) => [name, least(field)]))
}

/** A neighbour that is right but for what is random in it, so that most are taken. */
const neighbor = fc.record(
  {
    config: fc.record(
      {
        'neighbor-address': fc.constantFrom('192.0.2.1', '2001:db8::1', 'fe80::1', ''),
        'neighbor-interface': fc.constantFrom('', 'eth0'),
        'peer-as': fc.constantFrom(0, 65001, 65002),
        'local-as': fc.constantFrom(0, 65001, 65002, 65003),
        'auth-password': fc.constantFrom('', 'hush'),
        'admin-down': fc.boolean(),
        'remove-private-as': fc.constantFrom('', 'all', 'replace'),
      },
      { requiredKeys: ['neighbor-address'] },
    ),
    timers: fc.record({
      config: fc.record({
        'hold-time': fc.constantFrom(0, 1, 3, 90, 65535),
        'keepalive-interval': fc.constantFrom(0, 1, 30, 65535),
        'connect-retry': fc.constantFrom(0, 1, 65535),
      }),
    }),
    transport: fc.record({
      config: fc.record({
        'local-address': fc.constantFrom('', '0.0.0.0', '::', 'fd00::1'),
        ttl: fc.nat(255),
      }),
    }),
    'ebgp-multihop': fc.record({ config: fc.record({ enabled: fc.boolean(), 'multihop-ttl': fc.nat(255) }) }),
    'ttl-security': fc.record({ config: fc.record({ enabled: fc.boolean(), 'ttl-min': fc.nat(255) }) }),
    'route-server': fc.record({ config: fc.record({ 'route-server-client': fc.boolean() }) }),
    'route-reflector': fc.record({ config: fc.record({ 'route-reflector-client': fc.boolean() }) }),
    'add-paths': fc.record({ config: fc.record({ receive: fc.boolean(), 'send-max': fc.nat(255) }) }),
    'graceful-restart': fc.record({
      config: fc.record({
        enabled: fc.boolean(),
        'restart-time': fc.nat(4095),
        'stale-routes-time': fc.nat(4095),
        'deferral-time': fc.nat(4095),
        'long-lived-enabled': fc.boolean(),
      }),
    }),
    'afi-safis': fc.array(
      fc.record({
        config: fc.record({ 'afi-safi-name': fc.constantFrom('ipv4-unicast', 'ipv6-unicast', 'l2vpn-evpn') }),
        'prefix-limit': fc.record({ config: fc.record({ 'max-prefixes': fc.nat(10) }) }),
        'long-lived-graceful-restart': fc.record({
          config: fc.record({ enabled: fc.boolean(), 'restart-time': fc.nat(16777215) }),
        }),
      }),
      { maxLength: 3 },
    ),
  },
  { requiredKeys: ['config'] },
)

test('a neighbour that GoBGP takes is taken, and its peer is valid', () => {
  fc.assert(
    fc.property(fc.array(neighbor, { maxLength: 3 }), (neighbors) => {
      assert.ok(checkResources({ global, neighbors }), 'it is taken')
    }),
    { numRuns: 500 },
  )
})
