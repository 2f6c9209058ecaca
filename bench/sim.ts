/**
 * Random fabrics of BGP speakers by the thousand: `npm run bench -- sim [fabrics] [seed]`. After quiet every loc-rib is compared
 * with an oracle that knows the configurations alone (`src/sim/bgp-oracle.ts`). It ends with an error at the first fault, and
 * says how to repeat it.
 */
import { runFabric } from '#sim/bgp-scenario.ts'
import { fabricFailure } from '../tests/sim/fabric-failure.testing.ts'
import { writeSection } from './report.ts'

/** `seed`: of the first; the others follow. */
export function run(fabrics: number, seed: number): void {
  const outcomes = { oracle: 0, other: 0, unsettled: 0 }
  const start = performance.now()
  for (let next = seed; next < seed + fabrics; next++) {
    const result = runFabric(next)
    if (result.faults.length > 0) throw new Error(fabricFailure(result))
    for (const outcome of result.outcomes) outcomes[outcome]++
  }
  const seconds = (performance.now() - start) / 1000
  const checks = outcomes.oracle + outcomes.other + outcomes.unsettled
  writeSection('sim', [
    `${fabrics.toLocaleString('en')} fabrics from seed ${seed} on in ${seconds.toFixed(0)} s (${((1000 * seconds) / fabrics).toFixed(0)} ms each), ${checks.toLocaleString('en')} times brought to rest and checked: ${outcomes.oracle.toLocaleString('en')} were what the oracle says, ${outcomes.other.toLocaleString('en')} another stable state of a fabric that has several, ${outcomes.unsettled.toLocaleString('en')} have none.`,
  ])
}
