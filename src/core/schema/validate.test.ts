import assert from 'node:assert/strict'
import { test } from 'node:test'
import { showProblem } from '#core/lib/reason.ts'
import type { KubeObject } from './object.ts'
import { typeOf } from './resource-type.ts'
import { parseSpec, showPath } from './validate.ts'

function problems(apiVersion: string, kind: string, spec: unknown): string[] {
  const object = { apiVersion, kind, metadata: { name: 'x' }, spec } as KubeObject
  const schema = typeOf(object)?.spec
  assert.ok(schema !== undefined)
  const parsed = parseSpec(object, schema)
  return parsed.ok ? [] : parsed.error.map(showProblem)
}

const policy = (neighbor: object, router: object = {}) => ({
  virtualRouters: [
    {
      localASN: 65100,
      ...router,
      neighbors: [{ peerASN: 65000, peerAddress: '172.22.0.5/32', ...neighbor }],
    },
  ],
})

const neighbor = 'CiliumBGPPeeringPolicy x, spec.virtualRouters[0].neighbors[0]'

const policyCases: { name: string; spec: unknown; expected: string[] }[] = [
  { name: 'accepts the least that a policy needs', spec: policy({}), expected: [] },
  { name: 'accepts an IPv6 neighbor', spec: policy({ peerAddress: 'fd00::5/128' }), expected: [] },
  {
    name: 'asks for a missing peerASN',
    spec: policy({ peerASN: undefined }),
    expected: [`${neighbor}.peerASN: the field is required (add it: a number)`],
  },
  {
    name: 'refuses a peerAddress without a length',
    spec: policy({ peerAddress: '172.22.0.5' }),
    expected: [`${neighbor}.peerAddress: "172.22.0.5" has no prefix length (write it as 172.22.0.5/32)`],
  },
  {
    name: 'refuses a peerAddress that is a network (IPv4)',
    spec: policy({ peerAddress: '172.22.0.0/16' }),
    expected: [
      `${neighbor}.peerAddress: "172.22.0.0/16" is a network and not one address (write the address with /32 (IPv4) or /128 (IPv6) at its end)`,
    ],
  },
  {
    name: 'refuses a peerAddress that is a network (IPv6)',
    spec: policy({ peerAddress: 'fd00::/64' }),
    expected: [
      `${neighbor}.peerAddress: "fd00::/64" is a network and not one address (write the address with /32 (IPv4) or /128 (IPv6) at its end)`,
    ],
  },
  {
    name: 'refuses a hold time of 2',
    spec: policy({ holdTimeSeconds: 2, keepAliveTimeSeconds: 1 }),
    expected: [`${neighbor}.holdTimeSeconds: 2 is out of bounds (write at least 3)`],
  },
  {
    name: 'refuses keepalives that are rarer than the hold time',
    spec: policy({ holdTimeSeconds: 9 }),
    expected: [
      `${neighbor}.keepAliveTimeSeconds: keepAliveTimeSeconds must not be more than holdTimeSeconds (a third of the hold time is usual)`,
    ],
  },
  {
    name: 'names an unknown field where it is',
    spec: policy({ peerAsn: 1 }),
    expected: [
      `${neighbor}.peerAsn: there is no field "peerAsn" here (remove it, or check its spelling and indentation)`,
    ],
  },
  {
    name: 'refuses a port of 0',
    spec: policy({ peerPort: 0 }),
    expected: [`${neighbor}.peerPort: 0 is out of bounds (write at least 1)`],
  },
  {
    name: 'refuses an AS number of more than 32 bits',
    spec: policy({}, { localASN: 4294967296 }),
    expected: [
      'CiliumBGPPeeringPolicy x, spec.virtualRouters[0].localASN: 4294967296 is out of bounds (write at most 4294967295)',
    ],
  },
  {
    name: 'refuses a word it does not know',
    spec: policy({}, { serviceAdvertisements: ['NodeIP'] }),
    expected: [
      'CiliumBGPPeeringPolicy x, spec.virtualRouters[0].serviceAdvertisements[0]: "NodeIP" is not one of the known values (write one of LoadBalancerIP, ExternalIP, ClusterIP)',
    ],
  },
  {
    name: 'refuses one local AS number twice',
    spec: { virtualRouters: [policy({}).virtualRouters[0], policy({}).virtualRouters[0]] },
    expected: [
      'CiliumBGPPeeringPolicy x, spec.virtualRouters[1].localASN: 65100 is that of item 0 already (put the neighbors of both into one virtual router)',
    ],
  },
  {
    name: 'refuses text in place of a list',
    spec: { virtualRouters: 'all' },
    expected: ['CiliumBGPPeeringPolicy x, spec.virtualRouters: "all" is not a list (write a list)'],
  },
  {
    name: 'refuses a spec that is no object',
    spec: [],
    expected: ['CiliumBGPPeeringPolicy x, spec: [] is not an object (write an object)'],
  },
]

for (const { name, spec, expected } of policyCases) {
  test(`CiliumBGPPeeringPolicy: ${name}`, () => {
    assert.deepEqual(problems('cilium.io/v2alpha1', 'CiliumBGPPeeringPolicy', spec), expected)
  })
}

const pool = 'CiliumLoadBalancerIPPool x'
const networkHint = 'write a network such as 10.0.0.0/24 or fd00::/64'
const poolCases: { name: string; spec: unknown; expected: string[] }[] = [
  {
    name: 'accepts blocks',
    spec: { blocks: [{ cidr: '10.0.0.0/24' }, { cidr: 'fd00::/112' }] },
    expected: [],
  },
  { name: 'accepts the old cidrs', spec: { cidrs: [{ cidr: '10.0.0.0/24' }] }, expected: [] },
  { name: 'accepts one address', spec: { blocks: [{ start: '10.0.0.1' }] }, expected: [] },
  {
    name: 'refuses an octet of 300',
    spec: { blocks: [{ cidr: '10.0.0.300/24' }] },
    expected: [
      `${pool}, spec.blocks[0].cidr: "10.0.0.300/24" is not a prefix: "10.0.0.300" is not an IP address (${networkHint})`,
    ],
  },
  {
    name: 'refuses a length of 129',
    spec: { blocks: [{ cidr: 'fd00::/129' }] },
    expected: [
      `${pool}, spec.blocks[0].cidr: "fd00::/129" is not a prefix: its length must be between 0 and 128 (${networkHint})`,
    ],
  },
  {
    name: 'refuses stop without start',
    spec: { blocks: [{ cidr: '10.0.0.0/24', stop: '10.0.0.9' }] },
    expected: [
      `${pool}, spec.blocks[0].stop: stop goes with start and not with cidr (remove stop, or write start in place of cidr)`,
    ],
  },
  {
    name: 'refuses both cidr and start',
    spec: { blocks: [{ cidr: '10.0.0.0/24', start: '10.0.0.9' }] },
    expected: [
      `${pool}, spec.blocks[0]: a block has either cidr or start (write cidr, or start with or without stop)`,
    ],
  },
  {
    name: 'refuses a range that ends before it starts',
    spec: { blocks: [{ start: '10.0.0.9', stop: '10.0.0.1' }] },
    expected: [
      `${pool}, spec.blocks[0].stop: the range ends (10.0.0.1) before it starts (10.0.0.9) (write two addresses of one IP version, the lower one as start)`,
    ],
  },
  {
    name: 'refuses a range of two IP versions',
    spec: { blocks: [{ start: '10.0.0.9', stop: 'fd00::1' }] },
    expected: [
      `${pool}, spec.blocks[0].stop: 10.0.0.9 and fd00::1 are of different IP versions (write two addresses of one IP version, the lower one as start)`,
    ],
  },
  {
    name: 'refuses a pool without addresses',
    spec: {},
    expected: [`${pool}, spec.blocks: the pool has no addresses (add a block with a cidr)`],
  },
]

for (const { name, spec, expected } of poolCases) {
  test(`CiliumLoadBalancerIPPool: ${name}`, () => {
    for (const version of ['v2', 'v2alpha1']) {
      assert.deepEqual(problems(`cilium.io/${version}`, 'CiliumLoadBalancerIPPool', spec), expected)
    }
  })
}

const nativeCases: { name: string; kind: string; spec: unknown; fields: string[] }[] = [
  { name: 'a whole instance', kind: 'BGPInstance', spec: { asn: 64512, routerId: '10.0.0.1' }, fields: [] },
  { name: 'AS number 0', kind: 'BGPInstance', spec: { asn: 0 }, fields: ['spec.asn'] },
  {
    name: 'an IPv6 router ID',
    kind: 'BGPInstance',
    spec: { asn: 1, routerId: 'fd00::1' },
    fields: ['spec.routerId'],
  },
  {
    name: 'router ID 0.0.0.0',
    kind: 'BGPInstance',
    spec: { asn: 1, routerId: '0.0.0.0' },
    fields: ['spec.routerId'],
  },
  { name: 'a whole peer', kind: 'BGPPeer', spec: { address: 'fd00::1', asn: 0 }, fields: [] },
  {
    name: 'hold time 0',
    kind: 'BGPPeer',
    spec: { address: '10.0.0.1', asn: 1, timers: { holdTimeSeconds: 0 } },
    fields: [],
  },
  {
    name: 'hold time 2',
    kind: 'BGPPeer',
    spec: { address: '10.0.0.1', asn: 1, timers: { holdTimeSeconds: 2, keepaliveSeconds: 1 } },
    fields: ['spec.timers.holdTimeSeconds'],
  },
  { name: 'no statement', kind: 'RoutePolicy', spec: { statements: [] }, fields: [] },
  {
    name: 'mistakes in matches',
    kind: 'RoutePolicy',
    spec: {
      sets: { prefixes: [{ name: 'a', entries: [{ prefix: '10.0.0.0/8', minLength: 7 }] }] },
      statements: [
        { match: { communities: { entries: ['65536:1'], regexes: ['('] } } },
        { match: { prefixes: { entries: [{ prefix: 'fd00::/8', minLength: 24, maxLength: 16 }] } } },
        { match: { asPath: { entries: [{ regex: '[', contains: [1] }, {}] } } },
      ],
    },
    fields: [
      'spec.sets.prefixes[0].entries[0].minLength',
      'spec.statements[0].match.communities.entries[0]',
      'spec.statements[0].match.communities.regexes[0]',
      'spec.statements[1].match.prefixes.entries[0].maxLength',
      'spec.statements[2].match.asPath.entries[0].regex',
      'spec.statements[2].match.asPath.entries[0]',
      'spec.statements[2].match.asPath.entries[1]',
    ],
  },
  {
    name: 'sets that do not exist or exist twice',
    kind: 'RoutePolicy',
    spec: {
      sets: { asPaths: [{ name: 'a' }, { name: 'a' }] },
      statements: [{ match: { prefixes: { set: 'a' }, asPath: { set: 'a' } } }],
    },
    fields: ['spec.statements[0].match.prefixes.set', 'spec.sets.asPaths[1].name'],
  },
  {
    name: 'mistakes in actions',
    kind: 'RoutePolicy',
    spec: {
      statements: [
        { set: { med: { set: 1, add: 1 } } },
        { set: { nextHop: 'other' } },
        { set: { prepend: { asn: 0 } }, then: 'deny' },
      ],
    },
    fields: [
      'spec.statements[0].set.med',
      'spec.statements[1].set.nextHop',
      'spec.statements[2].set.prepend.asn',
      'spec.statements[2].then',
    ],
  },
  { name: 'no AS number', kind: 'BGPPeer', spec: { address: '10.0.0.1' }, fields: ['spec.asn'] },
  { name: 'neither address nor range', kind: 'BGPPeer', spec: { asn: 1 }, fields: ['spec.address'] },
  {
    name: 'both distances',
    kind: 'BGPPeerGroup',
    spec: { multihopTtl: 2, ttlSecurityHops: 1 },
    fields: ['spec.ttlSecurityHops'],
  },
  {
    name: 'both kinds of client',
    kind: 'BGPPeerGroup',
    spec: { routeReflectorClient: true, routeServerClient: true },
    fields: ['spec.routeServerClient'],
  },
  {
    name: 'an address with a length',
    kind: 'BGPPeer',
    spec: { address: '10.0.0.1/32', asn: 1 },
    fields: ['spec.address'],
  },
  {
    name: 'communities out of bounds',
    kind: 'BGPAdvertisement',
    spec: { attributes: { communities: { standard: ['65536:1', '1:2', '4294967296'], large: ['1:2'] } } },
    fields: [
      'spec.attributes.communities.standard[0]',
      'spec.attributes.communities.standard[2]',
      'spec.attributes.communities.large[0]',
    ],
  },
  {
    name: 'ranges',
    kind: 'AddressPool',
    spec: { ranges: ['10.0.0.1-10.0.0.9', 'fd00::/64', '10.0.1.1'] },
    fields: [],
  },
  {
    name: 'bad ranges',
    kind: 'AddressPool',
    spec: { ranges: ['10.0.0.9-10.0.0.1', ''] },
    fields: ['spec.ranges[0]', 'spec.ranges[1]'],
  },
  { name: 'no range', kind: 'AddressPool', spec: { ranges: [] }, fields: ['spec.ranges'] },
]

for (const { name, kind, spec, fields } of nativeCases) {
  test(`${kind} with ${name} is ${fields.length === 0 ? 'valid' : 'refused'}`, () => {
    const object = { apiVersion: 'herald.dev/v1alpha1', kind, metadata: { name: 'x' }, spec } as KubeObject
    const parsed = parseSpec(object, typeOf(object)!.spec!)
    assert.deepEqual(parsed.ok ? [] : parsed.error.map(({ field }) => field), fields)
  })
}

test('quotes keys in paths that are no identifiers', () => {
  assert.equal(
    showPath(['spec', 'matchLabels', 'app.kubernetes.io/name', 0]),
    'spec.matchLabels["app.kubernetes.io/name"][0]',
  )
})
