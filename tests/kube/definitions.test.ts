/** The definitions that Herald brings, in the embedded API server: accepted as they are, and what they refuse. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { prefix } from '#core/net/prefix.ts'
import { crdOf } from '#core/schema/crd.ts'
import { resourceTypes } from '#core/schema/resource-type.ts'
import { ApiError } from '#kube/server/api-error.ts'
import {
  customResourceDefinitions,
  customResourceType,
} from '#kube/server/builtin/custom-resource-definition.ts'
import type { Json, JsonObject, Resource } from '#kube/server/json.ts'
import { openCluster } from '#kube/server/server.ts'
import { create, type WriteOptions } from '#kube/server/write.ts'

const cluster = openCluster({ dataDir: ':memory:', serviceCidrs: [prefix('10.11.0.0/16')] })
for (const type of resourceTypes) {
  const target = { type: customResourceDefinitions, version: 'v1', namespace: '' }
  cluster.registry.add(customResourceType(create(cluster, target, crdOf(type) as unknown as JsonObject)))
}

function make(
  plural: string,
  version: string,
  spec: Json,
  options: WriteOptions = { fieldValidation: 'Strict' },
): Resource {
  const type = cluster.registry.all().find((one) => one.plural === plural && one.versions.includes(version))!
  const target = { type, version, namespace: '' }
  return create(cluster, target, { metadata: { generateName: 'demo-' }, spec }, options)
}

const policy = (neighbor: JsonObject, router: JsonObject = {}) => ({
  nodeSelector: { matchLabels: { 'kubernetes.io/os': 'linux' } },
  virtualRouters: [{ localASN: 65100, exportPodCIDR: true, neighbors: [neighbor], ...router }],
})

test('every definition is accepted and serves its kind', () => {
  for (const type of resourceTypes) {
    assert.equal(cluster.registry.ofKind(type.group, type.kind)?.plural, type.plural)
  }
})

test('the walk-through resources are accepted, with defaults', () => {
  make('ciliumloadbalancerippools', 'v2alpha1', { cidrs: [{ cidr: '10.11.0.0/16' }] })
  const made = make(
    'ciliumbgppeeringpolicies',
    'v2alpha1',
    policy({ peerASN: 65000, peerAddress: '172.22.0.5/32' }),
  )
  assert.match(JSON.stringify(made['spec']), /"peerPort":179/)
})

const address = '172.22.0.5/32'
const neighbor = 'spec.virtualRouters[0].neighbors[0]'
const refused: [name: string, plural: string, spec: Json, why: string][] = [
  [
    'a peer without peerASN',
    'ciliumbgppeeringpolicies',
    policy({ peerAddress: address }),
    `${neighbor}.peerASN: the field is required; add it: a number`,
  ],
  [
    'a peerAddress without its length',
    'ciliumbgppeeringpolicies',
    policy({ peerASN: 1, peerAddress: '172.22.0.5' }),
    `${neighbor}.peerAddress: "172.22.0.5" has no prefix length; write it as 172.22.0.5/32`,
  ],
  [
    'an IPv6 peerAddress without its length',
    'ciliumbgppeeringpolicies',
    policy({ peerASN: 1, peerAddress: 'fd00::5' }),
    `${neighbor}.peerAddress: "fd00::5" has no prefix length; write it as fd00::5/128`,
  ],
  [
    'a hold time of 2',
    'ciliumbgppeeringpolicies',
    policy({ peerASN: 1, peerAddress: address, holdTimeSeconds: 2 }),
    `${neighbor}.holdTimeSeconds: 2 is out of bounds; write at least 3`,
  ],
  [
    'a hold time below the keepalive time',
    'ciliumbgppeeringpolicies',
    policy({ peerASN: 1, peerAddress: address, holdTimeSeconds: 9 }),
    `${neighbor}.keepAliveTimeSeconds: keepAliveTimeSeconds must not be more than holdTimeSeconds; a third of the hold time is usual`,
  ],
  [
    'an unknown field',
    'ciliumbgppeeringpolicies',
    policy({ peerASN: 1, peerAddress: address }, { locaASN: 1 }),
    'unknown field "spec.virtualRouters[0].locaASN"; did you mean "localASN"?',
  ],
  [
    'an address that is none',
    'ciliumloadbalancerippools',
    { blocks: [{ cidr: '10.0.0.300/24' }] },
    'spec.blocks[0].cidr: "10.0.0.300/24" is not a prefix: "10.0.0.300" is not an IP address; write a network such as 10.0.0.0/24 or fd00::/64',
  ],
]

for (const [name, plural, spec, why] of refused) {
  test(`${name} is refused`, () => {
    assert.throws(
      () => make(plural, 'v2alpha1', spec),
      (error) => error instanceof ApiError && error.message.endsWith(`: ${why}`),
    )
  })
}

test('an unknown field is refused also for a client that does not say what is to become of it', () => {
  const spec = policy({ peerASN: 1, peerAddress: address }, { locaASN: 1 })
  assert.throws(
    () => make('ciliumbgppeeringpolicies', 'v2alpha1', spec, {}),
    (error) => error instanceof ApiError && error.message.includes('locaASN'),
  )
  const warnings: string[] = []
  make('ciliumbgppeeringpolicies', 'v2alpha1', spec, { fieldValidation: 'Warn', warnings })
  assert.match(warnings.join(), /locaASN/)
})
