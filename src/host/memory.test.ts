import assert from 'node:assert/strict'
import { test } from 'node:test'
import { libc } from './libc.ts'

test('memory of small arrays that were freed goes back to the system', async () => {
  const octets = 64 * 2 ** 20
  const before = process.memoryUsage.rss()
  const arrays = Array.from({ length: octets / 2 ** 14 }, () => new Uint8Array(2 ** 14).fill(1))
  const full = process.memoryUsage.rss()
  assert.ok(full - before > 0.9 * octets, `${full - before} octets more are resident`)
  // The last one stays, so that the end of the heap cannot move.
  for (const array of arrays.slice(0, -1)) array.buffer.transfer(0)
  await libc().trim()
  const left = process.memoryUsage.rss() - before
  assert.ok(left < 0.3 * octets, `${left} octets are still resident`)
})
