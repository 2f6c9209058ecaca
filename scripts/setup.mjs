/**
 * The door behind `npm start`, `npm test`, `npm run check` and `npm run bench`: installs what the command needs, says
 * so, and runs it with the pinned Node. Plain JavaScript for Node >= 20, because it runs before anything is installed.
 */
import { ensureDistributionPackages } from './setup/distribution.mjs'
import { ensureNodeModules } from './setup/node-modules.mjs'
import { pinnedNode, refuse, run, searchPath } from './setup/processes.mjs'

const command = process.argv[2] ?? 'help'
const rest = process.argv.slice(3)

const usage = `usage: node scripts/setup.mjs COMMAND
  start [ARGUMENT…]     set up, then play the lab (herald lab up labs/cilium-bird)
  test [FILE…]          set up, then check and run all tests, or those in the files named
  check                 types, lint, format, dead code, import table
  bench NAME            set up, then run one benchmark
  install               set up only`

if (Number(process.versions.node.split('.')[0]) < 20)
  refuse(`Herald is set up by Node 20 or newer; this is ${process.version}`, 'https://nodejs.org/en/download')

process.chdir(new URL('..', import.meta.url).pathname)
process.env['PATH'] = searchPath
process.env['NODE_COMPILE_CACHE'] ??= `${process.cwd()}/.herald/compile-cache`

switch (command) {
  case 'start':
    await ensureNodeModules()
    await ensureDistributionPackages('lab')
    process.exit(
      await run(pinnedNode(), ['src/herald.ts', 'lab', 'up', 'labs/cilium-bird', ...rest], { leash: true }),
    )
  case 'test': {
    await ensureNodeModules()
    await ensureDistributionPackages('test')
    const { runTests } = await import('./setup/tests.mjs')
    process.exit(await runTests(rest))
  }
  case 'check': {
    await ensureNodeModules()
    const { runChecks } = await import('./setup/checks.mjs')
    process.exit(await runChecks())
  }
  case 'bench':
    await ensureNodeModules()
    await ensureDistributionPackages('lab')
    process.exit(await run(pinnedNode(), ['bench/run.ts', ...rest]))
  case 'install':
    await ensureNodeModules()
    await ensureDistributionPackages('test')
    break
  default:
    console.log(usage)
    process.exit(command === 'help' ? 0 : 2)
}
