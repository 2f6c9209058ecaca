/**
 * Random fabrics of BGP speakers by the hundred. `HERALD_SEED=n` repeats one and prints what it does; `HERALD_SEEDS=n` runs so
 * many, and `npm run bench -- sim [fabrics] [seed]` many more.
 */
import assert from 'node:assert/strict'
import { it } from 'node:test'
import { runFabric } from '#sim/bgp-scenario.ts'
import { fabricFailure } from './fabric-failure.testing.ts'

const one = process.env['HERALD_SEED']
const many = Number(process.env['HERALD_SEEDS'] ?? 1000)

if (one !== undefined) {
  it(`comes to what the oracle says with seed ${one}`, () => {
    const result = runFabric(Number(one))
    console.log(result.actions.join('\n'))
    assert.deepEqual(result.faults, [])
  })
} else {
  it(`comes to what the oracle says with ${many} seeds`, () => {
    const outcomes = new Map<string, number>()
    for (let seed = 1; seed <= many; seed++) {
      const result = runFabric(seed)
      if (result.faults.length > 0) assert.fail(fabricFailure(result))
      for (const outcome of result.outcomes) outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1)
    }
    const checks = outcomes.values().reduce((sum, count) => sum + count, 0)
    assert.ok((outcomes.get('oracle') ?? 0) > 0.9 * checks, 'nearly every fabric has one stable state')
  })

  it('does the same again with the same seed', () => {
    assert.deepEqual(runFabric(3), runFabric(3))
  })
}
