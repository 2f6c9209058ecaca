import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { ByteQueue } from './byte-queue.ts'

test('what is read is what came, however it was cut and read', () => {
  const steps = fc.array(fc.tuple(fc.uint8Array({ maxLength: 20 }), fc.nat(25)))
  fc.assert(
    fc.property(steps, (all) => {
      const queue = new ByteQueue()
      const came: number[] = []
      const read: number[] = []
      for (const [chunk, wanted] of all) {
        queue.push(chunk)
        came.push(...chunk)
        const count = Math.min(wanted, queue.available)
        read.push(...queue.bytes.subarray(queue.at, queue.at + count))
        queue.at += count
      }
      assert.deepEqual(read, came.slice(0, read.length))
      assert.equal(queue.available, came.length - read.length)
      queue.clear()
      assert.equal(queue.available, 0)
    }),
  )
})
