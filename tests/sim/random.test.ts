/**
 * Random scenarios by the hundred. `HERALD_SEED=n` repeats one and prints what it does; `HERALD_SEEDS=n` runs so many.
 */
import assert from 'node:assert/strict'
import { it } from 'node:test'
import { runScenario } from '#sim/scenario.ts'

const one = process.env['HERALD_SEED']
const many = Number(process.env['HERALD_SEEDS'] ?? 200)

if (one !== undefined) {
  it(`holds with seed ${one}`, () => {
    const result = runScenario(Number(one))
    console.log(result.actions.join('\n'))
    assert.deepEqual(result.faults, [])
  })
} else {
  it(`holds with ${many} seeds`, () => {
    for (let seed = 1; seed <= many; seed++) check(seed)
  })

  it('does the same again with the same seed', () => {
    assert.deepEqual(runScenario(3), runScenario(3))
  })
}

function check(seed: number): void {
  const { faults, actions } = runScenario(seed)
  if (faults.length === 0) return
  const repeat = `HERALD_SEED=${seed} node_modules/.bin/node --test tests/sim/random.test.ts`
  assert.fail(
    `seed ${seed}:\n  ${faults.join('\n  ')}\nafter\n  ${actions.join('\n  ')}\nrepeat with: ${repeat}`,
  )
}
