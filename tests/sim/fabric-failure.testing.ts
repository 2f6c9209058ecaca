import type { FabricResult } from '#sim/bgp-scenario.ts'

/** What was wrong, what led to it, and how to see it again. */
export function fabricFailure({ seed, faults, actions }: FabricResult): string {
  const repeat = `HERALD_SEED=${seed} node_modules/.bin/node --test tests/sim/fabric.test.ts`
  return `seed ${seed}:\n  ${faults.join('\n  ')}\nafter\n  ${actions.join('\n  ')}\nrepeat with: ${repeat}`
}
