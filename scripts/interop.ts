/**
 * Runs the interop matrix and writes docs/reference/interop.md from what passed. Run as root: node scripts/interop.ts.
 * `--results FILE`: write it from the results of a run that was made before, instead.
 */
import { spawnSync } from 'node:child_process'
import { existsSync, globSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import type { EngineName } from '../tests/interop/engine.ts'
import { everyCell, interopPage, type Passed } from '../tests/interop/matrix/page.ts'

const root = join(import.meta.dirname, '..')

/** Distribution packages, which say the versions. */
const packages: Record<EngineName, string> = {
  bird: 'bird2',
  frr: 'frr',
  gobgp: 'gobgpd',
  openbgpd: 'openbgpd',
  exabgp: 'exabgp',
}

const { values } = parseArgs({ options: { results: { type: 'string' } } })
const folder = mkdtempSync(join(tmpdir(), 'herald-interop-results-'))
try {
  const results = values.results ?? runMatrix(join(folder, 'results'))
  const lines = existsSync(results) ? readFileSync(results, 'utf8').split('\n').filter(Boolean) : []
  const passed = lines.map((line) => JSON.parse(line) as Passed)
  const page = interopPage(versions(), passed)
  writeFileSync(join(root, 'docs/reference/interop.md'), page)
  const missing = everyCell().length - new Set(lines).size
  console.log(`docs/reference/interop.md: ${new Set(lines).size} passed, ${missing} not`)
  process.exitCode = missing === 0 ? 0 : 1
} finally {
  rmSync(folder, { recursive: true })
}

function runMatrix(results: string): string {
  const files = globSync('tests/interop/matrix/{bird,frr,gobgp,openbgpd,exabgp}.test.ts', { cwd: root })
  spawnSync(process.execPath, ['--test', '--test-concurrency=2', ...files], {
    cwd: root,
    stdio: 'inherit',
    env: { ...process.env, HERALD_INTEROP_RESULTS: results },
  })
  return results
}

function versions(): Record<EngineName, string> {
  const entries = Object.entries(packages).map(([engine, name]) => {
    const { stdout } = spawnSync('dpkg-query', ['-W', '-f', '${Version}', name], { encoding: 'utf8' })
    // The epoch and Debian's revision are left out.
    return [engine, stdout.replace(/^\d+:/, '').replace(/-[^-]*$/, '')] as const
  })
  return Object.fromEntries(entries) as Record<EngineName, string>
}
