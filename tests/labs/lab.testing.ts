/** What the tests of labs share: whether labs can run here, names of their own. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { find, labUp, missingForLab, type LabOptions, type RunningLab } from '#lab/lab.ts'
import { listNamespaces, runInside } from '#lab/namespaces.ts'
import { loadTopology } from '#lab/topology.ts'

/** For the `skip` of a test: false where the lab of this folder can run. */
export function skipReason(folder: string, programs: readonly string[] = []): string | false {
  const loaded = loadTopology(folder)
  const missing = [
    ...missingForLab(loaded.ok ? loaded.value : undefined).map(({ what, hint }) => `${what} (${hint})`),
    ...programs.filter((program) => find(program) === undefined),
  ]
  return missing.length === 0 ? false : `a lab needs ${missing.join(', ')}`
}

let labCount = 0

/** A name that no other test process uses. */
export function labName(): string {
  return `t${process.pid}-${labCount++}`
}

/** Starts a lab under a name of its own; its processes are not started again when they end. */
export function startLab(folder: string, options: LabOptions = {}): Promise<RunningLab> {
  const progress = { step: () => {}, warning: () => {} }
  return labUp(folder, { name: labName(), restartAfterMs: false, ...options }, progress)
}

/** Nothing on this machine bears the lab's name. */
export function assertNothingLeft(name: string): void {
  assert.ok(!existsSync(`/run/herald/lab/${name}`), 'its folder is gone')
  assert.deepEqual(
    listNamespaces().filter((namespace) => namespace.startsWith(`${name}.`)),
    [],
  )
  assert.deepEqual(processesOf(name), [])
}

/** Command lines of the processes that the lab started. */
function processesOf(name: string): string[] {
  return readdirSync('/proc').flatMap((pid) => {
    if (!/^\d+$/.test(pid)) return []
    try {
      const environment = readFileSync(`/proc/${pid}/environ`, 'utf8').split('\0')
      if (!environment.includes(`HERALD_LAB=${name}`)) return []
      return [readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ')]
    } catch {
      // It ended meanwhile, or is not ours to read.
      return []
    }
  })
}

/** A lab in a process of its own, so that it can be killed. Resolves when it is up. */
export async function labProcess(folder: string, name: string) {
  const child = spawn(process.execPath, [join(import.meta.dirname, 'run-lab.testing.ts'), folder, name], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const ended = once(child, 'exit')
  const first = await Promise.race([once(child.stdout, 'data'), ended])
  assert.equal(String(first[0]).trim(), 'up')
  assert.ok(processesOf(name).length > 0, 'its processes can be told')
  return { child, ended }
}

/** Runs `kubectl` against the lab's only cluster. Rejects with what it printed when it fails. */
export async function kubectl(lab: RunningLab, args: readonly string[], input = ''): Promise<string> {
  const { kubeconfig } = [...lab.clusters.values()][0]!
  const { code, output } = await runInside(
    undefined,
    'kubectl',
    [`--kubeconfig=${kubeconfig}`, ...args],
    input,
  )
  if (code !== 0) throw new Error(`kubectl ${args.join(' ')}: ${output.trim()}`)
  return output.trim()
}

/** Next hops that BIRD has for a prefix, sorted; none: it has no route. */
export async function nextHops(lab: RunningLab, prefix: string): Promise<string[]> {
  const text = await lab.routers.get('bird')!.ask('show', 'route', prefix)
  return [...text.matchAll(/unicast \[\w+ [^\]]*\][^\n]*\n\s+via (\S+)/g)]
    .map((match) => match[1]!)
    .toSorted()
}
