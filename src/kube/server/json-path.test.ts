import assert from 'node:assert/strict'
import { test } from 'node:test'
import { compileJsonPath } from './json-path.ts'
import type { Json } from './json.ts'
import { showAge } from './resource-type.ts'

const object: Json = {
  spec: {
    ranges: ['a', 'b'],
    'x.y/z': 1,
    ports: [
      { name: 'web', port: 80 },
      { name: 'dns', port: 53 },
    ],
  },
  metadata: { annotations: { 'a.b/c': 'v' } },
}

const cases: [path: string, values: Json[]][] = [
  ['.spec.ranges', [['a', 'b']]],
  ['.spec.ranges[*]', ['a', 'b']],
  ['{.spec.ranges[0]}', ['a']],
  ['.spec.ranges[-1]', ['b']],
  ["$.spec['x.y/z']", [1]],
  ['.metadata.annotations.a\\.b/c', ['v']],
  ['.spec.ports[?(@.name=="dns")].port', [53]],
  ['.spec.ports[?(@.port!=80)].name', ['dns']],
  ['.spec.missing.field', []],
]

for (const [path, values] of cases) {
  test(`${path} finds ${JSON.stringify(values)}`, () => {
    const compiled = compileJsonPath(path)
    assert.ok(compiled.ok)
    assert.deepEqual(compiled.value(object), values)
  })
}

test('what columns cannot use is refused', () => {
  for (const path of ['spec', '.spec[', '..x', '.a[?(@.b>1)]'])
    assert.equal(compileJsonPath(path).ok, false, path)
})

test('ages are shown as kubectl shows them', () => {
  const at = Date.UTC(2026, 0, 1)
  const second = 1000
  const ages: [number, string][] = [
    [0, '0s'],
    [119, '119s'],
    [120, '2m'],
    [330, '5m30s'],
    [11 * 60 + 5, '11m'],
    [3 * 3600 + 60, '3h1m'],
    [30 * 3600, '30h'],
    [3 * 86_400 + 3600, '3d1h'],
    [400 * 86_400, '400d'],
    [800 * 86_400, '2y70d'],
  ]
  for (const [seconds, text] of ages)
    assert.equal(showAge('2026-01-01T00:00:00Z', at + seconds * second), text)
  assert.equal(showAge(undefined), '<unknown>')
})
