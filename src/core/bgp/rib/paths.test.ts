import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { PathChains } from './paths.ts'

test('RFC 7911 §3: paths of a prefix are told apart by neighbour and identifier, as in a map, while others come and go', () => {
  // Prefixes of two segments.
  const key = fc.tuple(fc.constantFrom(0, 1, 5000), fc.integer({ min: 1, max: 3 }), fc.constantFrom(0, 1, 7))
  const change = fc.record({ key, cell: fc.option(fc.integer({ min: 1, max: 9 }), { nil: undefined }) })
  fc.assert(
    fc.property(fc.array(change, { maxLength: 60, size: 'max' }), (changes) => {
      const chains = new PathChains()
      const known = new Map<string, number>()
      for (const { key: path, cell } of changes) {
        const [prefix, slot, pathId] = path
        const node = chains.find(prefix, slot, pathId)
        assert.equal(node >= 0, known.has(path.join()))
        if (cell !== undefined) {
          const kept = node < 0 ? chains.add(prefix, slot, pathId) : node
          chains.cell.set(kept, cell)
          known.set(path.join(), cell)
        } else if (node >= 0) {
          chains.remove(prefix, node)
          known.delete(path.join())
        }
        assert.equal(chains.size, known.size)
        const found = [0, 1, 5000].flatMap((each) => pathsOf(chains, each))
        assert.deepEqual(new Map(found), known)
        assert.equal(found.length, known.size)
      }
    }),
    { numRuns: 200 },
  )
})

function pathsOf(chains: PathChains, prefix: number): [string, number][] {
  const found: [string, number][] = []
  for (let node = chains.first(prefix); node >= 0; node = chains.next(node)) {
    const slot = chains.slot.get(node)
    found.push([[prefix, slot, chains.pathId.get(node)].join(), chains.cell.get(node)])
  }
  for (const slot of [1, 2, 3])
    assert.equal(
      chains.count(prefix, slot),
      found.filter(([key]) => key.startsWith(`${prefix},${slot},`)).length,
    )
  return found
}
