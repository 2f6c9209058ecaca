import assert from 'node:assert/strict'
import { test } from 'node:test'
import { nativeSet } from '#core/dialect/native.ts'
import { snapshotOf } from '#core/schema/cluster.testing.ts'
import { resourceStatuses } from './resource-status.ts'

test('an object that is watched in two versions gets one status and one event, by the version its type prefers', () => {
  const custom = ['cilium.io/v2alpha1', 'cilium.io/v2'].map((apiVersion) => ({
    apiVersion,
    kind: 'CiliumLoadBalancerIPPool',
    metadata: { name: 'bad', uid: '1', resourceVersion: '7' },
    spec: {},
  }))
  const snapshot = snapshotOf({ custom })
  const { problems } = nativeSet(snapshot, ['cilium'])
  const desired = resourceStatuses(snapshot, problems, [], ['cilium'], 0)
  assert.deepEqual(
    desired.map(({ object, events }) => [object.apiVersion, events.map(({ reason }) => reason)]),
    [['cilium.io/v2', ['InvalidValue']]],
  )
})
