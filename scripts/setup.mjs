// Placeholder until the set-up lands: runs the project's commands with the pinned Node.
import { spawnSync } from 'node:child_process'
const node = 'node_modules/.bin/node'
const [command, ...rest] = process.argv.slice(2)
const steps =
  {
    check: [
      ['node_modules/.bin/tsc', '-p', 'tsconfig.json'],
      ['node_modules/.bin/tsc', '-p', 'tsconfig.core.json'],
      ['node_modules/.bin/oxlint', '--type-aware', '--deny-warnings'],
      ['node_modules/.bin/oxfmt', '--check'],
      [node, '--test', 'tests/architecture/**/*.test.ts'],
    ],
    test: [[node, '--test', 'src/**/*.test.ts', 'tests/**/*.test.ts']],
  }[command] ?? []
for (const [program, ...args] of steps) {
  const { status } = spawnSync(program, [...args, ...rest], { stdio: 'inherit' })
  if (status !== 0) process.exit(status ?? 1)
}
