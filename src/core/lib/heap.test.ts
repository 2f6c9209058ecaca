import assert from 'node:assert/strict'
import { it } from 'node:test'
import * as fc from 'fast-check'
import { Heap } from './heap.ts'

it('gives its elements in order, whatever the order of pushes and pops', () => {
  fc.assert(
    fc.property(fc.array(fc.option(fc.integer({ min: 0, max: 20 }))), (operations) => {
      const heap = new Heap<number>((a, b) => a < b)
      const model: number[] = []
      for (const operation of operations) {
        if (operation === null) {
          assert.equal(heap.peek(), model[0])
          assert.equal(heap.pop(), model.shift())
        } else {
          heap.push(operation)
          model.push(operation)
          model.sort((a, b) => a - b)
        }
        assert.equal(heap.size, model.length)
      }
      while (model.length > 0) assert.equal(heap.pop(), model.shift())
      assert.equal(heap.pop(), undefined)
    }),
  )
})
