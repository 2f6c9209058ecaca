/** What an API server with our CustomResourceDefinitions takes and refuses: mistakes do not get into the cluster. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import type { KubeObject } from '#core/schema/object.ts'
import { resourceTypes } from '#core/schema/resource-type.ts'
import { KubeClient } from '#kube/client/client.ts'
import { installDefinitions } from '#kube/client/definitions.ts'
import { typeOf } from '#kube/client/resource.ts'
import { apiUnderTest, type ApiUnderTest } from './api-under-test.testing.ts'

let api: ApiUnderTest
let client: KubeClient

before(async () => {
  api = await apiUnderTest('unix')
  client = new KubeClient(api.access)
  assert.equal(await installDefinitions(client, resourceTypes), undefined)
})

after(async () => {
  client.close()
  await api.close()
})

const policy = (neighbor: object, router: object = {}) => ({
  apiVersion: 'cilium.io/v2alpha1',
  kind: 'CiliumBGPPeeringPolicy',
  spec: {
    virtualRouters: [
      {
        localASN: 65100,
        ...router,
        neighbors: [{ peerASN: 65000, peerAddress: '172.22.0.5/32', ...neighbor }],
      },
    ],
  },
})

const pool = (spec: object, version = 'v2alpha1') => ({
  apiVersion: `cilium.io/${version}`,
  kind: 'CiliumLoadBalancerIPPool',
  spec,
})

const native = (kind: string, spec: object) => ({ apiVersion: 'herald.dev/v1alpha1', kind, spec })

const neighbor = /spec\.virtualRouters\[0\]\.neighbors\[0\]/
const cases: { name: string; object: object; refused?: RegExp[] }[] = [
  { name: 'a policy', object: policy({}, { serviceSelector: { matchLabels: { app: 'nginx' } } }) },
  { name: 'a policy with an IPv6 neighbor', object: policy({ peerAddress: 'fd00::5/128' }) },
  {
    name: 'a policy without peerASN',
    object: policy({ peerASN: undefined }),
    refused: [neighbor, /peerASN/],
  },
  {
    name: 'a policy with an address without its length',
    object: policy({ peerAddress: '172.22.0.5' }),
    refused: [neighbor, /peerAddress/],
  },
  {
    name: 'a policy with a network for an address',
    object: policy({ peerAddress: 'fd00::/64' }),
    refused: [neighbor, /peerAddress/],
  },
  {
    name: 'a policy with a hold time of 2',
    object: policy({ holdTimeSeconds: 2, keepAliveTimeSeconds: 1 }),
    refused: [/holdTimeSeconds/, /(greater than or equal to|at least) 3/],
  },
  {
    name: 'a policy with keepalives rarer than the hold time',
    object: policy({ holdTimeSeconds: 9 }),
    refused: [/keepAliveTimeSeconds must not be more than holdTimeSeconds/],
  },
  { name: 'a pool of cidrs', object: pool({ cidrs: [{ cidr: '10.11.0.0/16' }] }) },
  {
    name: 'a pool of blocks (v2)',
    object: pool({ blocks: [{ cidr: 'fd00::/112' }, { start: '10.0.0.1' }] }, 'v2'),
  },
  {
    name: 'a pool with an octet of 300',
    object: pool({ cidrs: [{ cidr: '10.0.0.300/24' }] }),
    refused: [/spec\.cidrs\[0\]\.cidr/, /10\.0\.0\.300/],
  },
  {
    name: 'a pool block of both cidr and start',
    object: pool({ blocks: [{ cidr: '10.0.0.0/24', start: '10.0.0.1' }] }, 'v2'),
    refused: [/spec\.blocks\[0\]/, /either cidr or start/],
  },
  { name: 'an instance', object: native('BGPInstance', { asn: 4294967295, routerId: '10.0.0.1' }) },
  { name: 'an instance of AS 0', object: native('BGPInstance', { asn: 0 }), refused: [/spec\.asn/] },
  {
    name: 'a peer',
    object: native('BGPPeer', { address: 'fd00::1', asn: 0, timers: { holdTimeSeconds: 0 } }),
  },
  {
    name: 'a peer with a hold time of 1',
    object: native('BGPPeer', {
      address: 'fd00::1',
      asn: 1,
      timers: { holdTimeSeconds: 1, keepaliveSeconds: 1 },
    }),
    refused: [/spec\.timers\.holdTimeSeconds/, /at least 3/],
  },
  {
    name: 'a peer with an address and a range',
    object: native('BGPPeer', { address: 'fd00::1', listen: { prefixes: ['fd00::/64'] }, asn: 1 }),
    refused: [/a peer has either an address or prefixes to listen for/],
  },
  {
    name: 'a link-local peer without its interface',
    object: native('BGPPeer', { address: 'fe80::1', asn: 1 }),
    refused: [/a link-local address means nothing without its interface/],
  },
  {
    name: 'a link-local peer',
    object: native('BGPPeer', { address: 'fe80::1', interface: 'eth0', peerAs: 'external' }),
  },
  {
    name: 'a peer with a number and a kind of neighbour',
    object: native('BGPPeer', { address: '10.0.0.1', asn: 1, peerAs: 'any' }),
    refused: [/asn and peerAs exclude each other/],
  },
  {
    name: 'a peer whose keepalive time is longer than its hold time',
    object: native('BGPPeer', {
      address: '10.0.0.1',
      asn: 1,
      timers: { holdTimeSeconds: 9, keepaliveSeconds: 10 },
    }),
    refused: [/keepaliveSeconds must not be more than holdTimeSeconds/],
  },
  {
    name: 'RFC 9687 §4.4: a peer whose send hold time is not longer than its hold time',
    object: native('BGPPeer', {
      address: '10.0.0.1',
      asn: 1,
      timers: { holdTimeSeconds: 90, sendHoldSeconds: 90 },
    }),
    refused: [/sendHoldSeconds must be more than holdTimeSeconds/],
  },
  {
    name: 'a group',
    object: native('BGPPeerGroup', { asn: 1, addPath: { receive: true }, gracefulRestart: {} }),
  },
  {
    name: 'a group with two kinds of authentication',
    object: native('BGPPeerGroup', {
      passwordSecret: { namespace: 'a', name: 'b' },
      tcpAo: { keyId: 1, secret: { namespace: 'a', name: 'b' } },
    }),
    refused: [/passwordSecret and tcpAo exclude each other/],
  },
  {
    name: 'an advertisement with a community out of bounds',
    object: native('BGPAdvertisement', { attributes: { communities: { standard: ['65536:1'] } } }),
    refused: [/spec\.attributes\.communities\.standard\[0\]/],
  },
  { name: 'an address pool', object: native('AddressPool', { ranges: ['10.0.0.1-10.0.0.9', 'fd00::/64'] }) },
]

for (const [i, { name, object, refused }] of cases.entries()) {
  test(`the API ${refused === undefined ? 'takes' : 'refuses'} ${name}`, async () => {
    const named = { ...object, metadata: { name: `herald-test-${i}` } } as KubeObject
    const type = typeOf(named)
    assert.ok(type !== undefined)
    const created = await client.create(type, named)
    if (created.ok) await client.delete(type, named.metadata)
    if (refused === undefined) assert.ok(created.ok, created.ok ? '' : created.error.message)
    else {
      assert.ok(!created.ok)
      for (const pattern of refused) assert.match(created.error.message, pattern)
    }
  })
}

test('the API writes no default into a peer, which would hide what its group says', async () => {
  const spec = { address: '10.0.0.1', group: 'tors', timers: { holdTimeSeconds: 30 } }
  const peer = { ...native('BGPPeer', spec), metadata: { name: 'defaults' } } as KubeObject
  const type = typeOf(peer)!
  const created = await client.create<KubeObject & { spec: object }>(
    type,
    peer as KubeObject & { spec: object },
  )
  assert.ok(created.ok)
  await client.delete(type, peer.metadata)
  assert.deepEqual(created.value.spec, spec)
})
