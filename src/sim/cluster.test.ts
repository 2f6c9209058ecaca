import assert from 'node:assert/strict'
import { it } from 'node:test'
import type { KubeObject } from '#core/schema/object.ts'
import type { Snapshot } from '#core/schema/snapshot.ts'
import { VirtualClock } from './clock.ts'
import { Cluster } from './cluster.ts'

const service = (name: string, spec: Record<string, unknown> = {}): KubeObject =>
  ({ apiVersion: 'v1', kind: 'Service', metadata: { name, namespace: 'default' }, spec }) as KubeObject
const node = (name: string): KubeObject => ({ apiVersion: 'v1', kind: 'Node', metadata: { name } })

it('gives objects a uid, a creation time and a resourceVersion that every change moves', () => {
  const { cluster } = open()
  const made = cluster.apply(service('a'))
  assert.equal(made.metadata.creationTimestamp, '2026-01-01T00:00:00Z')
  assert.equal(made.metadata.generation, 1)
  const same = cluster.apply(service('a'))
  assert.equal(same.metadata.resourceVersion, made.metadata.resourceVersion)
  const other = cluster.apply(service('a', { type: 'LoadBalancer' }))
  assert.notEqual(other.metadata.resourceVersion, made.metadata.resourceVersion)
  assert.equal(other.metadata.generation, 2)
  assert.equal(other.metadata.uid, made.metadata.uid)
  cluster.delete('Service', 'default', 'a')
  assert.notEqual(cluster.apply(service('a')).metadata.uid, made.metadata.uid)
})

it('writes a status only over the object that the writer saw', () => {
  const { cluster } = open()
  const seen = cluster.apply(service('a'))
  const first = cluster.writeStatus(seen, { loadBalancer: { ingress: [{ ip: '192.0.2.1' }] } })
  assert.ok(first.ok)
  assert.deepEqual((first.value as { status?: unknown }).status, {
    loadBalancer: { ingress: [{ ip: '192.0.2.1' }] },
  })
  assert.equal(first.value.metadata.generation, 1)
  const stale = cluster.writeStatus(seen, { loadBalancer: null })
  assert.ok(!stale.ok && stale.error.reason === 'conflict')
  cluster.setAvailable(false)
  const down = cluster.writeStatus(first.value, {})
  assert.ok(!down.ok && down.error.reason === 'unavailable')
  cluster.setAvailable(true)
  cluster.delete('Service', 'default', 'a')
  cluster.apply(service('a'))
  const gone = cluster.writeStatus(first.value, {})
  assert.ok(!gone.ok && gone.error.reason === 'gone')
})

it('refuses that a reader changes what it was given', () => {
  const { cluster } = open()
  const made = cluster.apply(service('a', { ports: [{ port: 80 }] }))
  assert.throws(() => (made.metadata.name = 'b'), TypeError)
})

it('shows every kind late by its own delay, each in order', () => {
  const { clock, cluster } = open()
  const delays = [5, 30, 10, 1]
  const seen: string[] = []
  cluster.observe({
    delayMs: () => delays.shift() ?? 1,
    changed: (snapshot) => seen.push(`${clock.now() - start} ${names(snapshot)}`),
  })
  clock.runFor(10)
  cluster.apply(service('a'))
  cluster.apply(node('n'))
  cluster.apply(service('b'))
  clock.runFor(100)
  assert.deepEqual(seen, ['5 ', '20 n', '40 n a', '40 n a b'])
})

it('shows nothing during an outage and everything after it', () => {
  const { clock, cluster } = open()
  const seen: string[] = []
  const observer = cluster.observe({ delayMs: () => 3, changed: (snapshot) => seen.push(names(snapshot)) })
  cluster.apply(node('n'))
  clock.runFor(10)
  assert.ok(observer.current)
  cluster.apply(service('a'))
  cluster.setAvailable(false)
  cluster.delete('Node', undefined, 'n')
  clock.runFor(1_000)
  assert.ok(!observer.current)
  assert.deepEqual(seen, ['n'])
  cluster.setAvailable(true)
  clock.runFor(10)
  assert.deepEqual(seen, ['n', 'a'])
  observer.setConnected(false)
  cluster.apply(node('m'))
  clock.runFor(1_000)
  observer.setConnected(true)
  clock.runFor(10)
  assert.deepEqual(seen, ['n', 'a', 'm a'])
  assert.ok(observer.current)
  observer.close()
  cluster.apply(node('o'))
  clock.runFor(10)
  assert.equal(seen.length, 3)
})

const start = Date.UTC(2026, 0, 1)

function open() {
  const clock = new VirtualClock(start)
  return { clock, cluster: new Cluster(clock) }
}

function names(snapshot: Snapshot): string {
  return [...snapshot.nodes, ...snapshot.services].map(({ metadata }) => metadata.name).join(' ')
}
