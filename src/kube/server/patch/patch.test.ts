import assert from 'node:assert/strict'
import { test } from 'node:test'
import { mergePatch } from '#core/lib/json.ts'
import { ApiError } from '../api-error.ts'
import type { Json, JsonObject } from '../json.ts'
import { jsonPatch } from './json-patch.ts'
import { strategicMerge } from './strategic-merge.ts'

const jsonPatches: { name: string; before: JsonObject; patch: Json; after: JsonObject | number }[] = [
  { name: 'adds a field', before: {}, patch: [{ op: 'add', path: '/a', value: 1 }], after: { a: 1 } },
  {
    name: 'inserts before an element',
    before: { a: [1] },
    patch: [{ op: 'add', path: '/a/0', value: 0 }],
    after: { a: [0, 1] },
  },
  {
    name: 'appends to a list',
    before: { a: [1] },
    patch: [{ op: 'add', path: '/a/-', value: 2 }],
    after: { a: [1, 2] },
  },
  {
    name: 'removes an element',
    before: { a: [1, 2] },
    patch: [{ op: 'remove', path: '/a/0' }],
    after: { a: [2] },
  },
  {
    name: 'moves',
    before: { a: { b: 1 } },
    patch: [{ op: 'move', from: '/a/b', path: '/c' }],
    after: { a: {}, c: 1 },
  },
  {
    name: 'copies',
    before: { a: [1] },
    patch: [{ op: 'copy', from: '/a', path: '/b' }],
    after: { a: [1], b: [1] },
  },
  {
    name: 'reads ~0 and ~1',
    before: { 'a/b~c': 1 },
    patch: [{ op: 'replace', path: '/a~1b~0c', value: 2 }],
    after: { 'a/b~c': 2 },
  },
  { name: 'fails a test', before: { a: 1 }, patch: [{ op: 'test', path: '/a', value: 2 }], after: 422 },
  {
    name: 'does not replace what is missing',
    before: {},
    patch: [{ op: 'replace', path: '/a', value: 2 }],
    after: 422,
  },
  {
    name: 'does not write past the end',
    before: { a: [] },
    patch: [{ op: 'add', path: '/a/1', value: 2 }],
    after: 422,
  },
  { name: 'keeps to known operations', before: {}, patch: [{ op: 'explode', path: '/a' }], after: 400 },
  { name: 'needs a list', before: {}, patch: { op: 'add' }, after: 400 },
  {
    name: 'does not reach prototypes',
    before: {},
    patch: [{ op: 'add', path: '/__proto__/polluted', value: 1 }],
    after: 422,
  },
]

for (const { name, before, patch, after } of jsonPatches) {
  test(`a JSON patch ${name}`, () => {
    if (typeof after === 'number') {
      assert.throws(
        () => jsonPatch(structuredClone(before), patch),
        (error) => error instanceof ApiError && error.code === after,
      )
    } else assert.deepEqual(jsonPatch(structuredClone(before), patch), after)
    assert.equal(({} as JsonObject)['polluted'], undefined)
  })
}

test('a merge patch removes by null, merges objects and replaces lists (RFC 7386)', () => {
  const before = { a: { b: 1, c: 2 }, list: [1, 2], gone: 'x' }
  assert.deepEqual(mergePatch(before, { a: { b: null, d: 3 }, list: [3], gone: null }), {
    a: { c: 2, d: 3 },
    list: [3],
  })
  assert.deepEqual(before.list, [1, 2])
})

const keys = { containers: ['name'], 'containers.ports': ['containerPort', 'protocol'], set: [] }
const strategic: { name: string; before: JsonObject; patch: JsonObject; after: JsonObject }[] = [
  {
    name: 'merges list elements by key, at any depth',
    before: { containers: [{ name: 'a', ports: [{ containerPort: 1 }] }, { name: 'b' }] },
    patch: { containers: [{ name: 'a', ports: [{ containerPort: 2 }] }] },
    after: {
      containers: [{ name: 'a', ports: [{ containerPort: 1 }, { containerPort: 2 }] }, { name: 'b' }],
    },
  },
  {
    name: 'deletes elements by directive',
    before: { containers: [{ name: 'a' }, { name: 'b' }] },
    patch: { containers: [{ name: 'a', $patch: 'delete' }] },
    after: { containers: [{ name: 'b' }] },
  },
  {
    name: 'replaces lists and objects by directive',
    before: { containers: [{ name: 'a' }], object: { x: 1 } },
    patch: { containers: [{ name: 'c' }, { $patch: 'replace' }], object: { $patch: 'replace', y: 2 } },
    after: { containers: [{ name: 'c' }], object: { y: 2 } },
  },
  {
    name: 'orders elements as told',
    before: { containers: [{ name: 'a' }, { name: 'b' }] },
    patch: {
      '$setElementOrder/containers': [{ name: 'c' }, { name: 'a' }, { name: 'b' }],
      containers: [{ name: 'c' }],
    },
    after: { containers: [{ name: 'c' }, { name: 'a' }, { name: 'b' }] },
  },
  {
    name: 'unites sets and takes from them',
    before: { set: ['a', 'b'] },
    patch: { set: ['c', 'a'], '$deleteFromPrimitiveList/set': ['b'] },
    after: { set: ['a', 'c'] },
  },
  {
    name: 'keeps only retained keys',
    before: { strategy: { type: 'RollingUpdate', rollingUpdate: { maxSurge: 1 } } },
    patch: { strategy: { $retainKeys: ['type'], type: 'Recreate' } },
    after: { strategy: { type: 'Recreate' } },
  },
  {
    name: 'replaces lists without a key',
    before: { other: [1, 2] },
    patch: { other: [3] },
    after: { other: [3] },
  },
  { name: 'removes by null', before: { a: 1, b: 2 }, patch: { a: null }, after: { b: 2 } },
]

for (const { name, before, patch, after } of strategic) {
  test(`a strategic merge patch ${name}`, () => {
    const kept = structuredClone(before)
    assert.deepEqual(strategicMerge(before, patch, keys), after)
    assert.deepEqual(before, kept)
  })
}
