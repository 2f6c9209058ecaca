/** Everything that looks at the code without running it: types, lint, format, dead code, import table. */
import { capture, pinnedNode } from './processes.mjs'

const bin = 'node_modules/.bin'

/** Runs all checks, two at a time, shows the output of those that failed, and resolves to an exit code. */
export async function runChecks() {
  const checks = [
    { name: 'types', program: `${bin}/tsc`, args: ['-p', 'tsconfig.json'] },
    { name: 'types of the pure rooms', program: `${bin}/tsc`, args: ['-p', 'tsconfig.core.json'] },
    { name: 'lint', program: `${bin}/oxlint`, args: ['--type-aware', '--deny-warnings'] },
    { name: 'format', program: `${bin}/oxfmt`, args: ['--check'] },
    { name: 'dead code', program: `${bin}/knip`, args: ['--no-progress', '--treat-config-hints-as-errors'] },
    { name: 'import table', program: pinnedNode(), args: ['--test', 'tests/architecture/**/*.test.ts'] },
  ]
  const failed = []
  const queue = [...checks]
  const worker = async () => {
    for (let check = queue.shift(); check !== undefined; check = queue.shift()) {
      const { code, output } = await capture(check.program, check.args)
      if (code === 0) continue
      failed.push(check.name)
      console.error(`\n── ${check.name}\n${output.trimEnd()}`)
    }
  }
  await Promise.all([worker(), worker()])
  console.log(failed.length === 0 ? `check: ${checks.length} passed` : `check failed: ${failed.join(', ')}`)
  return failed.length === 0 ? 0 : 1
}
