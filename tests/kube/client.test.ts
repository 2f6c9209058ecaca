/** What Herald's client needs of an API server. Runs on the embedded one, and on a real one where one is named. */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { after, before, describe, test } from 'node:test'
import { promisify } from 'node:util'
import type { Service } from '#core/schema/kubernetes.ts'
import type { KubeObject } from '#core/schema/object.ts'
import { resourceTypes as customTypes } from '#core/schema/resource-type.ts'
import type { Snapshot } from '#core/schema/snapshot.ts'
import { KubeClient } from '#kube/client/client.ts'
import { installDefinitions } from '#kube/client/definitions.ts'
import { EventRecorder } from '#kube/client/events.ts'
import { LeaseElector } from '#kube/client/lease.ts'
import { Reflector } from '#kube/client/reflector.ts'
import { resourceTypes } from '#kube/client/resource.ts'
import { SnapshotSource } from '#kube/client/snapshot-source.ts'
import { until } from '../until.testing.ts'
import { apiUnderTest, type ApiUnderTest } from './api-under-test.testing.ts'

const { configMaps, events, leases, namespaces, services } = resourceTypes

for (const over of ['tcp', 'tcp6', 'unix'] as const) {
  describe(`the client over ${over}`, () => {
    let api: ApiUnderTest
    let client: KubeClient
    const namespace = `herald-test-${process.pid}-${over}`
    before(async () => {
      api = await apiUnderTest(over)
      client = new KubeClient(api.access)
      const made = await client.create(namespaces, {
        apiVersion: 'v1',
        kind: 'Namespace',
        metadata: { name: namespace },
      })
      assert.ok(made.ok)
    })
    after(async () => {
      await client.delete(namespaces, { name: namespace })
      client.close()
      await api.close()
    })

    const configMap = (name: string, data = {}): KubeObject =>
      ({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name, namespace }, data }) as KubeObject
    const service = (name: string): KubeObject =>
      ({
        apiVersion: 'v1',
        kind: 'Service',
        metadata: { name, namespace },
        spec: { type: 'LoadBalancer', ports: [{ port: 80 }] },
      }) as KubeObject

    test('creates, reads, replaces, patches and deletes an object', async () => {
      const created = await client.create(configMaps, configMap('crud', { a: '1' }))
      assert.ok(created.ok)
      const replaced = await client.update(configMaps, { ...created.value, data: { a: '2' } } as KubeObject)
      assert.ok(replaced.ok)
      const patched = await client.patch(configMaps, { name: 'crud', namespace }, { data: { b: '3' } })
      assert.ok(patched.ok)
      const got = await client.get<KubeObject & { data: unknown }>(configMaps, { name: 'crud', namespace })
      assert.ok(got.ok)
      assert.deepEqual(got.value.data, { a: '2', b: '3' })
      assert.ok((await client.delete(configMaps, { name: 'crud', namespace })).ok)
      const gone = await client.get(configMaps, { name: 'crud', namespace })
      assert.equal(gone.ok ? 'there' : gone.error.kind, 'notFound')
    })

    test('tells refusals apart', async () => {
      const created = await client.create(configMaps, configMap('twice'))
      assert.ok(created.ok)
      const again = await client.create(configMaps, configMap('twice'))
      assert.equal(again.ok || again.error.kind, 'alreadyExists')
      await client.patch(configMaps, { name: 'twice', namespace }, { data: { x: 'y' } })
      const stale = await client.update(configMaps, created.value)
      assert.equal(stale.ok || stale.error.kind, 'conflict')
      const bad = await client.create(configMaps, configMap('Bad_Name'))
      assert.equal(bad.ok || bad.error.kind, 'invalid')
      const unknown = await client.list({ ...configMaps, plural: 'nothings' })
      assert.equal(unknown.ok || unknown.error.kind, 'notFound')
    })

    test('writes a status only over the version that it was made for', async () => {
      const created = await client.create(services, service('status'))
      assert.ok(created.ok)
      const status = { loadBalancer: { ingress: [{ ip: '192.0.2.1' }] } }
      const written = await client.patchStatus<Service>(services, created.value, status)
      assert.ok(written.ok)
      assert.equal(written.value.status?.loadBalancer?.ingress?.[0]?.ip, '192.0.2.1')
      const stale = await client.patchStatus(services, created.value, { loadBalancer: { ingress: null } })
      assert.equal(stale.ok || stale.error.kind, 'conflict')
      await client.delete(services, { name: 'status', namespace })
      const gone = await client.patchStatus(services, written.value, { loadBalancer: { ingress: null } })
      assert.equal(gone.ok || gone.error.kind, 'notFound')
    })

    test('follows a collection through creation, change, deletion and a break of the server', async (t) => {
      const reflector = new Reflector({ client, type: configMaps, namespace, changed() {} })
      t.after(() => reflector.stop())
      reflector.start()
      await until(() => reflector.synced, 'synced')
      const has = (name: string) =>
        reflector.objects.get(`${namespace}/${name}`) as { data?: object } | undefined
      await client.create(configMaps, configMap('followed', { v: '1' }))
      await until(() => has('followed') !== undefined, 'created')
      await client.patch(configMaps, { name: 'followed', namespace }, { data: { v: '2' } })
      await until(() => JSON.stringify(has('followed')?.data) === '{"v":"2"}', 'changed')
      if (api.outage !== undefined) {
        await api.outage.begin()
        await new Promise((resolve) => setTimeout(resolve, 300))
        assert.notEqual(has('followed'), undefined, 'the copy stays while the server is away')
        await api.outage.end()
        const backAt = Date.now()
        await client.create(configMaps, configMap('after-outage'))
        await until(() => has('after-outage') !== undefined, 'followed again')
        assert.ok(Date.now() - backAt < 1_500, `reconnected after ${Date.now() - backAt} ms`)
      }
      await client.delete(configMaps, { name: 'followed', namespace })
      await until(() => has('followed') === undefined, 'deleted')
    })

    test('hands out a snapshot once all kinds are known, then one per change, also of kinds defined later', async (t) => {
      const snapshots: Snapshot[] = []
      const failures: string[] = []
      const source = new SnapshotSource({
        client,
        dialects: ['cilium'],
        secrets: {},
        snapshot: (snapshot) => snapshots.push(snapshot),
        failed: (resource, error) => failures.push(`${resource}: ${error.message}`),
      })
      t.after(() => source.stop())
      source.start()
      await until(() => snapshots.length > 0, `a first snapshot; waiting for ${source.waitingFor.join()}`)
      assert.ok(snapshots[0]!.namespaces.some(({ metadata }) => metadata.name === namespace))
      const pools = customTypes.filter(({ kind }) => kind === 'AddressPool')
      assert.equal(await installDefinitions(client, pools), undefined)
      const pool = {
        apiVersion: 'herald.dev/v1alpha1',
        kind: 'AddressPool',
        metadata: { name: namespace },
        spec: { ranges: ['192.0.2.0/28'] },
      }
      const type = {
        group: 'herald.dev',
        version: 'v1alpha1',
        plural: 'addresspools',
        kind: 'AddressPool',
        namespaced: false,
      }
      await until(async () => (await client.list(type)).ok, 'the definition is in force')
      assert.ok((await client.create(type, pool)).ok)
      const definedAt = Date.now()
      const has = () => snapshots.at(-1)!.custom.some(({ metadata }) => metadata.name === namespace)
      await until(has, 'the new kind is observed')
      assert.ok(Date.now() - definedAt < 2_000)
      await client.delete(type, { name: namespace })
      await until(() => !has(), 'its deletion too')
      // One change, one snapshot, without any delay of our own.
      const count = snapshots.length
      const startedAt = performance.now()
      await client.create(services, service('snap'))
      await until(() => snapshots.length > count, 'the service is seen')
      t.diagnostic(`create to snapshot: ${(performance.now() - startedAt).toFixed(1)} ms`)
      assert.deepEqual(failures, [])
    })

    test('elects one leader, hands over on release, and takes over from a process that has died', async (t) => {
      const log: string[] = []
      const elector = (identity: string | undefined, name: string, lease: string) =>
        new LeaseElector({
          client,
          name: lease,
          namespace,
          ...(identity === undefined ? {} : { identity }),
          durationSeconds: 2,
          renewMs: 100,
          acquired: () => log.push(`${name} acquired`),
          lost: (reason) => log.push(`${name} lost: ${reason}`),
        })
      const a = elector('a', 'a', 'shared')
      const b = elector('b', 'b', 'shared')
      t.after(() => Promise.all([a.stop(), b.stop()]))
      a.start()
      await until(() => a.held, 'a leads')
      b.start()
      await new Promise((resolve) => setTimeout(resolve, 300))
      assert.equal(b.held, false)
      await a.stop()
      await until(() => b.held, 'b leads at once')
      assert.deepEqual(log, ['a acquired', 'b acquired'])
      // A lease of a process of this machine that is no more.
      const dead = await deadIdentity()
      const lease = {
        apiVersion: 'coordination.k8s.io/v1',
        kind: 'Lease',
        metadata: { name: 'orphan', namespace },
        spec: {
          holderIdentity: dead,
          leaseDurationSeconds: 3600,
          renewTime: new Date().toISOString().replace('Z', '000Z'),
        },
      }
      assert.ok((await client.create(leases, lease)).ok)
      const c = elector(undefined, 'c', 'orphan')
      t.after(() => c.stop())
      c.start()
      await until(() => c.held, 'c does not wait for an hour')
    })

    test('takes a lease that its holder stopped renewing, and tells a holder that lost it', async (t) => {
      const log: string[] = []
      const elector = (identity: string) =>
        new LeaseElector({
          client,
          name: 'expiring',
          namespace,
          identity,
          durationSeconds: 1,
          renewMs: 50,
          acquired: () => log.push(`${identity} acquired`),
          lost: () => log.push(`${identity} lost`),
        })
      const lease = {
        apiVersion: 'coordination.k8s.io/v1',
        kind: 'Lease',
        metadata: { name: 'expiring', namespace },
        spec: { holderIdentity: 'somebody', leaseDurationSeconds: 1 },
      }
      assert.ok((await client.create(leases, lease)).ok)
      const a = elector('a')
      t.after(() => a.stop())
      const startedAt = Date.now()
      a.start()
      await until(() => a.held, 'taken after its duration')
      assert.ok(Date.now() - startedAt >= 1_000)
      await client.patch(
        leases,
        { name: 'expiring', namespace },
        { spec: { holderIdentity: 'usurper', leaseDurationSeconds: 60 } },
      )
      await until(() => !a.held, 'lost')
      assert.deepEqual(log, ['a acquired', 'a lost'])
    })

    test('writes an event once and counts its repeats', async (t) => {
      const recorder = new EventRecorder({ client, component: 'herald-test', aggregateMs: 50 })
      t.after(() => recorder.stop())
      const created = await client.create(services, service('evented'))
      assert.ok(created.ok)
      for (let i = 0; i < 5; i++)
        recorder.record(created.value, 'Warning', 'NoPool', 'no pool has an address')
      recorder.record(created.value, 'Normal', 'Assigned', 'it has one now')
      const listed = async () => {
        const list = await client.list(events, { namespace })
        assert.ok(list.ok)
        return list.value.items.map((event) => {
          const { reason, count } = event as KubeObject & { reason: string; count: number }
          return `${reason} ${count}`
        })
      }
      await until(async () => (await listed()).toSorted().join() === 'Assigned 1,NoPool 5', 'both events')
    })
  })
}

/** Identity of a process of this machine that has ended. */
async function deadIdentity(): Promise<string> {
  const module = new URL('../../src/kube/client/lease.ts', import.meta.url).href
  const script = `import { processIdentity } from ${JSON.stringify(module)}; console.log(processIdentity())`
  const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', script])
  return stdout.trim()
}
