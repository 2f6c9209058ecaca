import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Prng } from './prng.ts'

test('a seed repeats its numbers and another gives others', () => {
  const draw = (seed: number) => {
    const prng = new Prng(seed)
    return Array.from({ length: 8 }, () => prng.u32())
  }
  assert.deepEqual(draw(7), draw(7))
  assert.notDeepEqual(draw(7), draw(8))
})

test('numbers stay in their bounds and spread over them', () => {
  const prng = new Prng(1)
  const counts = Array<number>(10).fill(0)
  for (let i = 0; i < 10_000; i++) {
    const n = prng.below(10)
    assert.ok(Number.isInteger(n) && n >= 0 && n < 10)
    counts[n]!++
  }
  for (const count of counts) assert.ok(count > 800 && count < 1200, counts.join())
})
