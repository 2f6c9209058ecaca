/** `npm test`: the checks, then every test file under node:test with a reporter that ends on a summary. */
import { runChecks } from './checks.mjs'
import { pinnedNode, run } from './processes.mjs'

const everything = ['src/**/*.test.ts', 'tests/**/*.test.ts']

/** `args`: files or globs to run instead of all, and options of node --test. With files named the checks are left out. */
export async function runTests(args) {
  const files = args.filter((arg) => !arg.startsWith('-'))
  const options = args.filter((arg) => arg.startsWith('-'))
  const checked = files.length === 0 ? await runChecks() : 0
  const reporter = options.some((option) => option.startsWith('--test-reporter'))
    ? []
    : [`--test-reporter=${new URL('reporter.mjs', import.meta.url).href}`]
  const tested = await run(pinnedNode(), [
    '--test',
    // Files that make namespaces name them uniquely, so that two may run at a time.
    '--test-concurrency=2',
    // A server that a test left open must not hold the run up for ever.
    '--test-timeout=600000',
    ...reporter,
    ...options,
    ...(files.length === 0 ? everything : files),
  ])
  return checked !== 0 ? checked : tested
}
