import assert from 'node:assert/strict'
import { test } from 'node:test'
import { nativeSet } from '#core/dialect/native.ts'
import { snapshotOf } from '#core/schema/cluster.testing.ts'
import { resourceStatuses } from './resource-status.ts'

for (const { name, versions, counts } of [
  { name: 'the version that its type prefers', versions: ['7', '7'], counts: 'cilium.io/v2' },
  { name: 'the view that is not behind', versions: ['8', '7'], counts: 'cilium.io/v2alpha1' },
]) {
  test(`an object that is watched in two versions gets one status and one event, by ${name}`, () => {
    const custom = ['cilium.io/v2alpha1', 'cilium.io/v2'].map((apiVersion, i) => ({
      apiVersion,
      kind: 'CiliumLoadBalancerIPPool',
      metadata: { name: 'bad', uid: '1', resourceVersion: versions[i]! },
      spec: {},
    }))
    const snapshot = snapshotOf({ custom })
    const { problems } = nativeSet(snapshot, ['cilium'])
    const desired = resourceStatuses(snapshot, problems, [], ['cilium'], 0)
    assert.deepEqual(
      desired.map(({ object, events }) => [object.apiVersion, events.map(({ reason }) => reason)]),
      [[counts, ['InvalidValue']]],
    )
  })
}
