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
import { create } from '#kube/server/write.ts'

const cluster = openCluster({ dataDir: ':memory:', serviceCidrs: [prefix('10.11.0.0/16')] })
for (const type of resourceTypes) {
  const target = { type: customResourceDefinitions, version: 'v1', namespace: '' }
  cluster.registry.add(customResourceType(create(cluster, target, crdOf(type) as unknown as JsonObject)))
}

function make(plural: string, version: string, spec: Json): Resource {
  const type = cluster.registry.all().find((one) => one.plural === plural && one.versions.includes(version))!
  const target = { type, version, namespace: '' }
  return create(cluster, target, { metadata: { generateName: 'demo-' }, spec }, { fieldValidation: 'Strict' })
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

const refused: [name: string, plural: string, spec: Json, why: RegExp][] = [
  [
    'a peer without peerASN',
    'ciliumbgppeeringpolicies',
    policy({ peerAddress: '172.22.0.5/32' }),
    /neighbors\[0\]\.peerASN: Required value/,
  ],
  [
    'a hold time of 2',
    'ciliumbgppeeringpolicies',
    policy({ peerASN: 1, peerAddress: '172.22.0.5/32', holdTimeSeconds: 2 }),
    /holdTimeSeconds/,
  ],
  [
    'an unknown field',
    'ciliumbgppeeringpolicies',
    policy({ peerASN: 1, peerAddress: '172.22.0.5/32' }, { locaASN: 1 }),
    /unknown field "spec\.virtualRouters\[0\]\.locaASN"/,
  ],
]

for (const [name, plural, spec, why] of refused) {
  test(`${name} is refused`, () => {
    assert.throws(
      () => make(plural, 'v2alpha1', spec),
      (error) => error instanceof ApiError && why.test(error.message),
    )
  })
}
