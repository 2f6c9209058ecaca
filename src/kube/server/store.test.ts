import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import type { Resource } from './json.ts'
import { Store, type Change } from './store.ts'

const key = '/configmaps'

function object(name: string, namespace = 'default'): Resource {
  const metadata = {
    name,
    namespace,
    uid: name,
    resourceVersion: '',
    creationTimestamp: '2026-01-01T00:00:00Z',
  }
  return { apiVersion: 'v1', kind: 'ConfigMap', metadata }
}

test('every write gets the next resourceVersion, whatever it writes', () => {
  const store = new Store(':memory:')
  const one = object('one')
  store.put(key, one, undefined)
  store.put('/secrets', object('two'), undefined)
  store.remove(key, one)
  assert.equal(store.resourceVersion, 3)
  assert.deepEqual(
    store.changesSince(0, key).map(({ type, resourceVersion }) => [type, resourceVersion]),
    [
      ['ADDED', 1],
      ['DELETED', 3],
    ],
  )
  assert.equal(store.get(key, 'default', 'one'), undefined)
  store.close()
})

test('listeners see a change before the write returns', () => {
  const store = new Store(':memory:')
  const seen: Change[] = []
  store.subscribe((change) => seen.push(change))
  const before = object('one')
  store.put(key, before, undefined)
  const after = structuredClone(before)
  after['data'] = { a: '1' }
  store.put(key, after, before)
  assert.deepEqual(
    seen.map(({ type, object, previous }) => [type, object['data'], previous?.metadata.resourceVersion]),
    [
      ['ADDED', undefined, undefined],
      ['MODIFIED', { a: '1' }, '1'],
    ],
  )
  store.close()
})

test('lists are in order of namespace and name, and go on after a name', () => {
  const store = new Store(':memory:')
  for (const [name, namespace] of [
    ['b', 'y'],
    ['a', 'y'],
    ['c', 'x'],
  ] as const) {
    store.put(key, object(name, namespace), undefined)
  }
  const names = (rows: { namespace: string; name: string }[]) =>
    rows.map((row) => `${row.namespace}/${row.name}`)
  assert.deepEqual(names(store.list(key)), ['x/c', 'y/a', 'y/b'])
  assert.deepEqual(names(store.list(key, 'y')), ['y/a', 'y/b'])
  assert.deepEqual(names(store.list(key, undefined, { namespace: 'x', name: 'c' })), ['y/a', 'y/b'])
  assert.deepEqual(names(store.list(key, 'y', { namespace: 'y', name: 'a' })), ['y/b'])
  store.close()
})

test('the log forgets old changes and says up to which', () => {
  const store = new Store(':memory:', { logMax: 8 })
  for (let i = 0; i < 30; i++) store.put(key, object(`o${i}`), undefined)
  assert.ok(store.compacted >= 20 && store.compacted <= 22)
  assert.equal(store.changesSince(store.compacted, key).length, 30 - store.compacted)
  store.close()
})

test('numbering goes on after a restart, even when the log is empty', () => {
  const directory = mkdtempSync(join(tmpdir(), 'herald-store-'))
  const path = join(directory, 'state.db')
  try {
    const first = new Store(path)
    first.put(key, object('one'), undefined)
    first.put(key, object('two'), undefined)
    first.compact(2)
    first.close()
    const second = new Store(path)
    assert.equal(second.resourceVersion, 2)
    assert.equal(second.get(key, 'default', 'two')?.metadata.resourceVersion, '2')
    assert.throws(() => new Store(path), /in use by another API server/)
    second.close()
  } finally {
    rmSync(directory, { recursive: true })
  }
})
