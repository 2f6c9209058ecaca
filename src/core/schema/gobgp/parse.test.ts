import assert from 'node:assert/strict'
import { test } from 'node:test'
import { showProblem } from '#core/lib/reason.ts'
import { isGobgpConfig, parseGobgpConfig } from './parse.ts'

const file = { kind: 'File', name: 'gobgpd.yaml' }
const global = { config: { as: 65001, 'router-id': '192.0.2.1' } }
const neighbor = (config: object, more: object = {}) => ({
  config: { 'neighbor-address': '192.0.2.2', 'peer-as': 65002, ...config },
  ...more,
})

for (const { name, value, is } of [
  { name: 'the smallest file', value: { global }, is: true },
  { name: 'keys in any case', value: { Global: global }, is: true },
  { name: 'a file that starts with neighbours', value: { neighbors: [] }, is: true },
  { name: 'a resource', value: { apiVersion: 'herald.dev/v1alpha1', kind: 'BGPPeer' }, is: false },
  { name: 'something else', value: { a: 1 }, is: false },
  { name: 'a list', value: [global], is: false },
  { name: 'nothing', value: null, is: false },
]) {
  test(`${name} is ${is ? '' : 'not '}taken for GoBGP's configuration`, () => {
    assert.equal(isGobgpConfig(value), is)
  })
}

test('keys may be in any case and numbers in quotes, as GoBGP takes them', () => {
  const parsed = parseGobgpConfig(
    { GLOBAL: { Config: { AS: '65001', 'Router-ID': '192.0.2.1', Port: '-1' } } },
    file,
  )
  assert.ok(parsed.ok)
  assert.partialDeepStrictEqual(parsed.value.config.global.config, { as: 65001, port: -1 })
})

const mistakes: { name: string; value: object; says: string[] }[] = [
  {
    name: 'a key that is misspelt',
    value: { global, neighbors: [neighbor({ 'peer-asn': 1 })] },
    says: [
      'File gobgpd.yaml, neighbors[0].config.peer-asn: GoBGP knows no "peer-asn" here (did you mean "peer-as"?)',
    ],
  },
  {
    name: 'a key in the wrong place',
    value: { global: { ...global, as: 1 } },
    says: [/global\.as: GoBGP knows no "as" here \(known here: config, .*\)/.source],
  },
  {
    name: 'no AS number',
    value: { global: { config: {} } },
    says: ['global.config.as: the field is required'],
  },
  {
    name: 'addresses that are none',
    value: { global, neighbors: [neighbor({ 'neighbor-address': '192.0.2.300' })] },
    says: ['neighbors[0].config.neighbor-address: "192.0.2.300" is not an IP address'],
  },
  {
    name: 'a prefix of an IPv6 network that is none',
    value: {
      global,
      'peer-groups': [{ config: { 'peer-group-name': 'g' } }],
      'dynamic-neighbors': [{ config: { prefix: '2001:db8::/129', 'peer-group': 'g' } }],
    },
    says: ['dynamic-neighbors[0].config.prefix:'],
  },
  {
    name: 'names that stand for nothing',
    value: {
      global: { ...global, 'apply-policy': { config: { 'import-policy-list': ['polici1'] } } },
      neighbors: [neighbor({ 'peer-group': 'absent' })],
      'policy-definitions': [
        {
          name: 'policy1',
          statements: [{ conditions: { 'match-prefix-set': { 'prefix-set': 'ps' } } }],
        },
      ],
    },
    says: [
      'neighbors[0].config.peer-group: there is no peer group "absent"',
      'there is no policy "polici1" (did you mean "policy1"?)',
      'match-prefix-set.prefix-set: there is no prefix set "ps"',
    ],
  },
  {
    name: 'a condition that Herald does not have',
    value: {
      global,
      'policy-definitions': [{ name: 'p', statements: [{ conditions: { 'call-policy': 'q' } }] }],
    },
    says: ['conditions.call-policy: Herald has no such condition'],
  },
  {
    name: 'patterns and values that are none',
    value: {
      global,
      'defined-sets': {
        'bgp-defined-sets': { 'as-path-sets': [{ 'as-path-set-name': 'a', 'as-path-list': ['('] }] },
      },
      'policy-definitions': [
        {
          name: 'p',
          statements: [
            {
              actions: {
                'bgp-actions': {
                  'set-med': 'high',
                  'set-next-hop': 'here',
                  'set-as-path-prepend': { as: 'me', 'repeat-n': 1 },
                  'set-community': { 'set-community-method': { 'communities-list': ['6.*'] } },
                },
              },
            },
          ],
        },
      ],
    },
    says: [
      'as-path-list[0]: "(" is not a regular',
      'set-med',
      'set-next-hop',
      'prepend.as',
      'communities-list[0]',
    ],
  },
  ...['0', '4294967296'].map((as) => ({
    name: `more than there are of AS numbers, metrics and repetitions, and AS ${as}`,
    value: {
      global,
      'policy-definitions': [
        {
          name: 'p',
          statements: [
            {
              actions: {
                'bgp-actions': { 'set-med': '-4294967296', 'set-as-path-prepend': { as, 'repeat-n': 256 } },
              },
            },
          ],
        },
      ],
    },
    says: ['set-med: write 100', 'prepend.as: write an AS', 'repeat-n'],
  })),
]

for (const { name, value, says } of mistakes) {
  test(`refuses ${name}`, () => {
    const parsed = parseGobgpConfig(value, file)
    assert.ok(!parsed.ok)
    const text = parsed.error.map(showProblem).join('\n')
    for (const each of says)
      assert.ok(text.includes(each) || new RegExp(each).test(text), `${each} in\n${text}`)
  })
}

test('says of known keys without effect why, and nothing of those that are switched off', () => {
  const parsed = parseGobgpConfig(
    {
      global: { ...global, 'default-route-distance': { config: { 'external-route-distance': 20 } } },
      neighbors: [
        neighbor(
          { 'route-flap-damping': true },
          { bfd: { config: { enabled: true } }, state: { 'admin-down': false } },
        ),
      ],
      zebra: { config: { enabled: false, url: 'unix:/x' } },
      vrfs: [],
    },
    file,
  )
  assert.ok(parsed.ok)
  assert.deepEqual(
    parsed.value.problems.map(({ rule, field, object }) => [rule, field, object?.name]),
    [
      ['NoEffect', 'global.default-route-distance', 'gobgpd.yaml'],
      ['NoEffect', 'neighbors[0].config.route-flap-damping', 'gobgpd.yaml'],
      ['Unsupported', 'neighbors[0].bfd', 'gobgpd.yaml'],
    ],
  )
})
