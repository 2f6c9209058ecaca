/**
 * Herald beside the other daemons: `npm run bench -- bgp [scenarios] [routers] [repetitions]`, each list joined by commas.
 * Two namespaces joined by one veth pair hold all traffic; every receiver's table is compared with what was sent. The whole
 * of it writes its table into docs/performance.md.
 */
import { execFileSync, spawn, type ChildProcess, type SpawnOptions } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs'
import { once } from 'node:events'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { z } from 'zod'
import { inNamespace } from '#lab/namespaces.ts'
import { devices, routerAddress, routerAsn, type BenchPeer, type Device } from './devices.ts'
import { scenarios, type Scenario } from './scenarios.ts'
import { tables } from './tables.ts'
import { writeSection } from '../report.ts'

const resultSchema = z.looseObject({
  ok: z.boolean(),
  error: z.string().optional(),
  wall_s: z.number().optional(),
  connect_s: z.number().optional(),
  cpu_settled_s: z.number().optional(),
  peak_kb: z.number().optional(),
  end_rss_kb: z.number().optional(),
  routes: z.number().optional(),
  updates: z.number().optional(),
  wrong: z.number().optional(),
  drop_s: z.number().optional(),
  lose_s: z.number().optional(),
  lose_cpu_s: z.number().optional(),
  wrong_after_loss: z.number().optional(),
  announce_p50_ms: z.number().optional(),
  announce_p99_ms: z.number().optional(),
  withdraw_p50_ms: z.number().optional(),
  withdraw_p99_ms: z.number().optional(),
  churn_cpu_s: z.number().optional(),
  churn_longest_s: z.number().optional(),
  churn_rss_before_kb: z.number().optional(),
  churn_rss_after_kb: z.number().optional(),
  rest_rss_kb: z.number().optional(),
})
export type Result = z.output<typeof resultSchema> & { loopMaxMs?: number; loopOwnMs?: number }

/** What was measured of one router in one scenario. */
export interface Cell {
  scenario: Scenario
  device: Device
  version: string
  results: Result[]
}

export async function run(scenarioList?: string, deviceList?: string, repetitions = 3): Promise<void> {
  const chosen = choose('scenario', scenarios, scenarioList)
  const asked = choose('router', devices, deviceList)
  const bed = openBed()
  const cells: Cell[] = []
  const leave = () => {
    for (const child of bed.running) child.kill('SIGKILL')
    closeBed(bed)
    process.exit(130)
  }
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, leave)
  try {
    // Repetitions outermost: what else the machine does is spread over all.
    for (let repetition = 0; repetition < repetitions; repetition++)
      for (const scenario of chosen)
        for (const device of asked) {
          const version = device.version()
          if (version === undefined || (deviceList === undefined && isLeftOut(scenario, device))) continue
          let cell = cells.find((each) => each.scenario === scenario && each.device === device)
          if (cell === undefined) cells.push((cell = { scenario, device, version, results: [] }))
          const result = await measure(bed, scenario, device).catch((error: unknown): Result => ({
            ok: false,
            error: String(error),
          }))
          cell.results.push(result)
          console.log(`${scenario.name} ${device.name} ${JSON.stringify(result)}`)
        }
  } finally {
    closeBed(bed)
  }
  const lines = tables(cells)
  if (scenarioList === undefined && deviceList === undefined) writeSection('bgp', lines)
  else console.log(lines.join('\n'))
}

function isLeftOut(scenario: Scenario, device: Device): boolean {
  if (scenario.alone === true) return device.name !== 'herald'
  return scenario.without?.includes(device.name) === true
}

interface Bed {
  router: string
  peers: string
  folder: string
  program: string
  /** What must not outlive the benchmark. */
  running: Set<ChildProcess>
}

/** Namespaces, the pair between them and `peers.c` compiled. */
function openBed(): Bed {
  const folder = mkdtempSync(join(tmpdir(), 'herald-bench-'))
  const bed = {
    router: `bench-router-${process.pid}`,
    peers: `bench-peers-${process.pid}`,
    folder,
    program: join(folder, 'peers'),
    running: new Set<ChildProcess>(),
  }
  execFileSync('cc', ['-O2', '-o', bed.program, resolve(import.meta.dirname, 'peers.c'), '-lm'])
  ip(`netns add ${bed.router}`, `netns add ${bed.peers}`)
  ip(`-n ${bed.router} link add veth0 type veth peer name veth1 netns ${bed.peers}`)
  for (const [namespace, device] of [
    [bed.router, 'veth0'],
    [bed.peers, 'veth1'],
  ] as const)
    ip(`-n ${namespace} link set lo up`, `-n ${namespace} link set ${device} up`)
  ip(
    `-n ${bed.router} address add ${routerAddress}/16 dev veth0`,
    `-n ${bed.router} address add 2001:db8:0:77::1/64 dev veth0 nodad`,
  )
  const addresses = [1, 2, 3].flatMap((role) =>
    Array.from({ length: role === 3 ? 1 : 100 }, (_, i) => `10.77.${role}.${i + 1}`),
  )
  for (const address of addresses) ip(`-n ${bed.peers} address add ${address}/16 dev veth1`)
  return bed
}

function closeBed(bed: Bed): void {
  ip(`netns delete ${bed.router}`, `netns delete ${bed.peers}`)
  rmSync(bed.folder, { recursive: true })
}

async function measure(bed: Bed, scenario: Scenario, device: Device): Promise<Result> {
  const folder = join(bed.folder, 'run')
  // FRR's daemons drop their rights and write here.
  mkdirSync(folder, { mode: 0o777 })
  execFileSync('chmod', ['777', bed.folder, folder])
  const started: ChildProcess[] = []
  try {
    for (const [program, ...args] of device.prepare({ folder, peers: peersOf(scenario), ...scenario })) {
      const log = openSync(join(folder, 'log'), 'a')
      const env = {
        ...process.env,
        BENCH_LOOP_DELAY: join(folder, 'loop'),
        // Further options, to profile it as it runs here.
        NODE_OPTIONS: `--import ${join(import.meta.dirname, 'loop-delay.ts')} ${process.env['BENCH_NODE_OPTIONS'] ?? ''}`,
      }
      started.push(launch(bed, bed.router, program!, args, { stdio: ['ignore', log, log], env }))
      await sleep(500)
    }
    await listening(bed.router, join(folder, 'log'))
    await sleep(1000)
    const pids = started.flatMap(({ pid }) => family(pid!)).join(',')
    const count = scenario.counts === true ? ['--count', device.count(folder)] : []
    const result = await playPeers(bed, scenario, [...count, '--pids', pids])
    await end(started)
    const loop = join(folder, 'loop')
    if (!existsSync(loop)) return result
    const [loopMaxMs, loopOwnMs] = readFileSync(loop, 'utf8').split(' ').map(Number)
    return { ...result, loopMaxMs: loopMaxMs!, loopOwnMs: loopOwnMs! }
  } finally {
    await end(started)
    rmSync(folder, { recursive: true })
  }
}

function launch(
  bed: Bed,
  namespace: string,
  program: string,
  args: string[],
  options: SpawnOptions,
): ChildProcess {
  const child = inNamespace(namespace, () => spawn(program, args, options))
  bed.running.add(child)
  child.once('exit', () => bed.running.delete(child))
  return child
}

function peersOf({ senders, receivers, arguments: more }: Scenario): BenchPeer[] {
  const of = (role: number, count: number) =>
    Array.from({ length: count }, (_, i) => ({
      address: `10.77.${role}.${i + 1}`,
      asn: 64300 + 200 * role + i,
    }))
  return [...of(1, senders), ...of(2, receivers), ...of(3, more.includes('--probes') ? 1 : 0)]
}

async function playPeers(bed: Bed, scenario: Scenario, more: string[]): Promise<Result> {
  const { senders, receivers, prefixes, family, paths } = scenario
  const numbers = { senders, receivers, prefixes, family, paths, asn: routerAsn }
  const named = Object.entries(numbers).flatMap(([name, value]) => [`--${name}`, String(value)])
  const args = ['--router', routerAddress, ...named, ...scenario.arguments, ...more]
  const child = launch(bed, bed.peers, bed.program, args, { stdio: ['ignore', 'pipe', 'inherit'] })
  let text = ''
  child.stdout!.setEncoding('utf8').on('data', (chunk: string) => (text += chunk))
  await once(child, 'close')
  const read = resultSchema.safeParse(parsed(text))
  return read.success ? read.data : { ok: false, error: text }
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

async function listening(namespace: string, log: string): Promise<void> {
  for (let i = 0; i < 300; i++) {
    const listeners = execFileSync('ip', ['netns', 'exec', namespace, 'ss', '-Hltn', 'sport = :179'])
    if (listeners.length > 0) return
    await sleep(100)
  }
  throw new Error(`the router does not listen:\n${readFileSync(log, 'utf8').slice(-2000)}`)
}

/** The process and its descendants: OpenBGPD is several. */
function family(pid: number): number[] {
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').split(' ').filter(Boolean)
  return [pid, ...children.flatMap((child) => family(Number(child)))]
}

async function end(processes: ChildProcess[]): Promise<void> {
  for (const child of processes.toReversed()) {
    if (child.exitCode !== null || child.signalCode !== null) continue
    const ended = once(child, 'exit')
    child.kill('SIGTERM')
    const killed = setTimeout(() => child.kill('SIGKILL'), 5000)
    await ended
    clearTimeout(killed)
  }
}

function choose<T extends { name: string }>(what: string, all: readonly T[], list?: string): readonly T[] {
  if (list === undefined || list === 'all') return all
  return list.split(',').map((name) => {
    const found = all.find((each) => each.name === name)
    if (found === undefined)
      throw new Error(`no ${what} ${name}; there are ${all.map((each) => each.name).join(', ')}`)
    return found
  })
}

function ip(...lines: string[]): void {
  for (const line of lines) execFileSync('ip', line.split(' '))
}
