import assert from 'node:assert/strict'
import { test } from 'node:test'
import { practice } from './practice.ts'

test('a practice comes to its end in many short steps', () => {
  let steps = 0
  for (const _ of practice()) steps++
  assert.ok(steps > 500 && steps < 100_000, `${steps} steps`)
})
