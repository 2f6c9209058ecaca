/** What a deletion leaves to be done: dependents, blocked owners, orphans, namespaces. In process, without HTTP. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { prefix } from '#core/net/prefix.ts'
import type { Cluster } from '#kube/server/cluster.ts'
import type { JsonObject, Resource } from '#kube/server/json.ts'
import { Lifecycle } from '#kube/server/lifecycle.ts'
import { openCluster } from '#kube/server/server.ts'
import { create, remove, update, type DeleteOptions, type Target } from '#kube/server/write.ts'
import { until } from '../until.testing.ts'

function setUp() {
  const cluster = openCluster({ dataDir: ':memory:', serviceCidrs: [prefix('10.0.0.0/24')] })
  const lifecycle = new Lifecycle(cluster)
  lifecycle.start()
  return { cluster, lifecycle }
}

const settled = (lifecycle: Lifecycle) => until(() => lifecycle.idle, 'all is done')

const target = (cluster: Cluster, plural: string, namespace: string): Target => ({
  type: cluster.registry.get(`/${plural}`)!,
  version: 'v1',
  namespace,
})

function owned(cluster: Cluster, name: string, owners: Resource[], metadata: JsonObject = {}): Resource {
  const ownerReferences = owners.map((owner) => ({
    apiVersion: 'v1',
    kind: owner.kind,
    name: owner.metadata.name,
    uid: owner.metadata.uid,
    blockOwnerDeletion: true,
  }))
  return create(cluster, target(cluster, 'configmaps', 'default'), {
    metadata: { name, ownerReferences, ...metadata },
  })
}

const stored = (cluster: Cluster, name: string) => cluster.store.get('/configmaps', 'default', name)
const drop = (cluster: Cluster, name: string, options: DeleteOptions = {}) =>
  remove(cluster, target(cluster, 'configmaps', 'default'), name, options)

test('dependents of a deleted owner go, unless another owner is left', async () => {
  const { cluster, lifecycle } = setUp()
  const [a, b] = [owned(cluster, 'a', []), owned(cluster, 'b', [])]
  const child = owned(cluster, 'child', [a])
  owned(cluster, 'grandchild', [child])
  owned(cluster, 'shared', [a, b])
  drop(cluster, 'a')
  await settled(lifecycle)
  assert.equal(stored(cluster, 'child'), undefined)
  assert.equal(stored(cluster, 'grandchild'), undefined)
  assert.deepEqual(
    stored(cluster, 'shared')?.metadata.ownerReferences?.map((owner) => owner.name),
    ['b'],
  )
  lifecycle.close()
})

test('an object of an owner that is gone already goes too', async () => {
  const { cluster, lifecycle } = setUp()
  const a = owned(cluster, 'a', [])
  drop(cluster, 'a')
  owned(cluster, 'late', [a])
  await settled(lifecycle)
  assert.equal(stored(cluster, 'late'), undefined)
  lifecycle.close()
})

test('foreground deletion keeps the owner until its dependents are gone', async () => {
  const { cluster, lifecycle } = setUp()
  const a = owned(cluster, 'a', [])
  owned(cluster, 'child', [a], { finalizers: ['test/hold'] })
  drop(cluster, 'a', { propagation: 'Foreground' })
  await settled(lifecycle)
  assert.notEqual(stored(cluster, 'a')?.metadata.deletionTimestamp, undefined)
  const child = stored(cluster, 'child')!
  assert.notEqual(child.metadata.deletionTimestamp, undefined)
  const finalizers = child.metadata.finalizers!.filter((one) => one !== 'test/hold')
  const freed = { ...child, metadata: { ...child.metadata, finalizers } }
  update(cluster, target(cluster, 'configmaps', 'default'), 'child', freed)
  await settled(lifecycle)
  assert.equal(stored(cluster, 'child'), undefined)
  assert.equal(stored(cluster, 'a'), undefined)
  lifecycle.close()
})

test('orphaned dependents stay and forget their owner', async () => {
  const { cluster, lifecycle } = setUp()
  const a = owned(cluster, 'a', [])
  owned(cluster, 'child', [a])
  drop(cluster, 'a', { propagation: 'Orphan' })
  await settled(lifecycle)
  assert.equal(stored(cluster, 'a'), undefined)
  assert.equal(stored(cluster, 'child')?.metadata.ownerReferences, undefined)
  lifecycle.close()
})

test('a namespace takes nothing new while it goes, and goes when it is empty', async () => {
  const { cluster, lifecycle } = setUp()
  create(cluster, target(cluster, 'namespaces', ''), { metadata: { name: 'n' } })
  const inside = target(cluster, 'configmaps', 'n')
  create(cluster, inside, { metadata: { name: 'a', finalizers: ['test/hold'] } })
  remove(cluster, target(cluster, 'namespaces', ''), 'n')
  assert.throws(() => create(cluster, inside, { metadata: { name: 'b' } }), /is being terminated/)
  await settled(lifecycle)
  assert.equal(cluster.store.get('/namespaces', '', 'n')?.['status'] !== undefined, true)
  const held = cluster.store.get('/configmaps', 'n', 'a')!
  update(cluster, inside, 'a', { ...held, metadata: { ...held.metadata, finalizers: [] } })
  await settled(lifecycle)
  assert.equal(cluster.store.get('/namespaces', '', 'n'), undefined)
  lifecycle.close()
})

test('what a killed process left undone is done at the next start', async () => {
  const cluster = openCluster({ dataDir: ':memory:', serviceCidrs: [prefix('10.0.0.0/24')] })
  const a = owned(cluster, 'a', [])
  owned(cluster, 'child', [a])
  create(cluster, target(cluster, 'namespaces', ''), { metadata: { name: 'n' } })
  // No lifecycle runs yet: nothing follows these deletions.
  drop(cluster, 'a')
  remove(cluster, target(cluster, 'namespaces', ''), 'n')
  const lifecycle = new Lifecycle(cluster)
  lifecycle.start()
  await settled(lifecycle)
  assert.equal(stored(cluster, 'child'), undefined)
  assert.equal(cluster.store.get('/namespaces', '', 'n'), undefined)
  lifecycle.close()
})

test('what may not be deleted outlives its owner, and the server goes on', async () => {
  const { cluster, lifecycle } = setUp()
  const owner = owned(cluster, 'owner', [])
  const namespaces = { ...target(cluster, 'namespaces', ''), namespace: '' }
  const stored = cluster.store.get('/namespaces', '', 'default')!
  const { uid } = owner.metadata
  const ownerReferences = [{ apiVersion: 'v1', kind: 'ConfigMap', name: 'owner', uid }]
  update(cluster, namespaces, 'default', { ...stored, metadata: { ...stored.metadata, ownerReferences } })
  drop(cluster, 'owner')
  await settled(lifecycle)
  assert.ok(cluster.store.get('/namespaces', '', 'default'))
  lifecycle.close()
})
