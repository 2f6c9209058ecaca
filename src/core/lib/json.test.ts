import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { canonicalJson, equalJson } from './json.ts'

const table: { name: string; a: unknown; b: unknown; equal: boolean }[] = [
  { name: 'keys in another order', a: { x: 1, y: [2] }, b: { y: [2], x: 1 }, equal: true },
  { name: 'undefined and absent', a: { x: undefined }, b: {}, equal: true },
  { name: 'null and absent', a: { x: null }, b: {}, equal: false },
  { name: 'lists in another order', a: [1, 2], b: [2, 1], equal: false },
  { name: 'a list and an object', a: [], b: {}, equal: false },
  { name: 'a number and its text', a: { x: 1 }, b: { x: '1' }, equal: false },
]
for (const { name, a, b, equal } of table) {
  test(`finds ${equal ? 'equal' : 'different'}: ${name}`, () => {
    assert.equal(equalJson(a, b), equal)
    assert.equal(equalJson(b, a), equal)
    assert.equal(canonicalJson(a) === canonicalJson(b), equal)
  })
}

test('the canonical text means the same value', () => {
  fc.assert(
    fc.property(fc.jsonValue(), (value) => {
      const plain = JSON.parse(JSON.stringify(value)) as unknown
      assert.ok(equalJson(JSON.parse(canonicalJson(plain)), plain))
    }),
  )
})
