import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { BitColumn, Column, columnsTogether, segmentSize } from './column.ts'

const id = fc.oneof(fc.nat({ max: 40 }), fc.nat({ max: 5 * segmentSize }))

test('cells of a column are those of a map, also beside others', () => {
  fc.assert(
    fc.property(
      fc.array(fc.tuple(id, fc.nat({ max: 3 }), fc.nat({ max: 9 })), { maxLength: 200 }),
      (steps) => {
        const columns = [...columnsTogether(4), new Column()]
        const maps = columns.map(() => new Map<number, number>())
        for (const [at, value, pick] of steps) {
          columns[pick % 5]!.set(at, value)
          maps[pick % 5]!.set(at, value)
        }
        for (const [i, column] of columns.entries())
          for (const [at] of steps) assert.equal(column.get(at), maps[i]!.get(at) ?? 0)
      },
    ),
  )
})

test('a segment that is dropped reads as zero, and ids are found without those that are not there', () => {
  const column = new Column()
  column.set(3 * segmentSize + 7, 1)
  assert.equal(column.present(0), 3 * segmentSize)
  assert.equal(column.present(3 * segmentSize + 5), 3 * segmentSize + 5)
  assert.equal(column.present(4 * segmentSize), Infinity)
  column.drop(3)
  assert.equal(column.get(3 * segmentSize + 7), 0)
  assert.equal(column.present(0), Infinity)
})

test('bits are those of a set, and the next one is found', () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(id, fc.boolean()), { maxLength: 200 }), (steps) => {
      const bits = new BitColumn()
      const set = new Set<number>()
      for (const [at, add] of steps) {
        if (add) {
          bits.add(at)
          set.add(at)
        } else {
          bits.remove(at)
          set.delete(at)
        }
      }
      assert.equal(bits.count, set.size)
      const found: number[] = []
      for (let at = bits.next(0); at >= 0; at = bits.next(at + 1)) found.push(at)
      assert.deepEqual(
        found,
        [...set].toSorted((a, b) => a - b),
      )
      for (const [at] of steps) assert.equal(bits.has(at), set.has(at))
    }),
  )
})
