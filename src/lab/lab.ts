/**
 * The lab: a topology file brought to life in network namespaces, and taken down again without a trace. The room's door;
 * the command line prints what it says.
 */
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { showProblem } from '#core/lib/reason.ts'
import { UnsupportedHost, libc } from '#host/libc.ts'
import type { KubeClient } from '#kube/client/client.ts'
import { startCluster, type Cluster } from './cluster.ts'
import { claimLab, LabRunning, listLabs, takeDown } from './lab-state.ts'
import { applyManifest } from './manifests.ts'
import { addNamespaces, connectMachines } from './namespaces.ts'
import type { LabProcess, ProcessEvents } from './processes.ts'
import { openbgpdProgram, startRouter, type Router } from './router.ts'
import { loadTopology, type Topology } from './topology.ts'
import { namespaceName, wire } from './wiring.ts'

export { LabRunning, listLabs, takeDown as labDown }

export interface LabOptions {
  /** Name on this machine; absent: the topology's. Two labs may run at a time under two names. */
  name?: string
  /**
   * Start Herald's processes again when they end, as Kubernetes would; absent: after {@link defaultRestartMs}. `false`:
   * leave that to the caller.
   */
  restartAfterMs?: number | false
  /** How to run Herald: program and first arguments. Absent: this program, as it was started. */
  herald?: readonly string[]
  /** Gives up between two steps of the start; what was made until then is removed. */
  signal?: AbortSignal
}

/** Says what is going on, one line each. */
export interface LabProgress {
  step(message: string): void
  /** Something ended or failed that the lab goes on without. */
  warning(message: string): void
}

export interface RunningLab {
  name: string
  topology: Topology
  /** State, sockets and logs. */
  folder: string
  routers: ReadonlyMap<string, Router>
  clusters: ReadonlyMap<string, Cluster>
  /** Client → its network namespace. */
  clients: ReadonlyMap<string, string>
  /** Whether manifests were applied by kubectl (true) or by Herald's own client. */
  kubectl: boolean
  /** Ends all processes, removes all namespaces and files. May be called at any time, more than once. */
  down(): Promise<void>
}

export const defaultRestartMs = 3_000

/** The user's mistake, or this machine's lack: one sentence, and what to do about it. */
export class LabFailure extends Error {
  override name = 'LabFailure'
  readonly hint: string | undefined

  constructor(message: string, hint?: string) {
    super(message)
    this.hint = hint
  }
}

/** Why no lab can run on this machine, and what would change that; empty: it can. */
export function missingForLab(topology?: Topology): { what: string; hint: string }[] {
  if (process.platform !== 'linux')
    return [{ what: 'network namespaces (this is not Linux)', hint: 'run it on Linux' }]
  if (process.getuid?.() !== 0) return [{ what: 'root', hint: 'sudo npm start' }]
  const missing: { what: string; hint: string }[] = []
  const engines = new Set(Object.values(topology?.routers ?? {}).map(({ engine }) => engine))
  const programs = [
    ['ip', 'iproute2', true],
    ['nft', 'nftables', true],
    ['bird', 'bird2', engines.has('bird')],
    ['/usr/lib/frr/bgpd', 'frr', engines.has('frr')],
    ['gobgpd', 'gobgpd', engines.has('gobgp')],
    [openbgpdProgram, 'openbgpd', engines.has('openbgpd')],
    ['exabgp', 'exabgp', engines.has('exabgp')],
  ] as const
  const absent = programs.filter(([program, , needed]) => needed && find(program) === undefined)
  if (absent.length > 0) {
    const packages = absent.map(([, name]) => name).join(' ')
    const what = absent.map(([program]) => program).join(', ')
    missing.push({ what, hint: `apt-get install --no-install-recommends ${packages}` })
  }
  try {
    libc()
  } catch (error) {
    if (!(error instanceof UnsupportedHost)) throw error
    missing.push({ what: 'koffi', hint: error.message })
  }
  // Bind mounts of namespaces; a container without CAP_SYS_ADMIN may neither mount nor unshare.
  if (missing.length === 0 && !mayMakeNamespaces())
    missing.push({
      what: 'the right to make network namespaces',
      hint: 'run the container with --privileged, or on the machine itself',
    })
  return missing
}

/**
 * Starts the lab of a topology file (or of the folder that has one) and resolves when all processes run and all
 * manifests are applied. Throws {@link LabFailure} or {@link LabRunning}; what was made until then is removed.
 */
export async function labUp(path: string, options: LabOptions, progress: LabProgress): Promise<RunningLab> {
  const loaded = loadTopology(path)
  if (!loaded.ok) {
    const [first, ...more] = loaded.error.map(showProblem)
    throw new LabFailure([first, ...more].join('\n'), undefined)
  }
  const topology = loaded.value
  const missing = missingForLab(topology)
  if (missing[0] !== undefined) {
    throw new LabFailure(`a lab needs ${missing.map(({ what }) => what).join(', ')}`, missing[0].hint)
  }
  const name = options.name ?? topology.name
  const state = await claimLab(name, () => progress.step(`removing what an earlier ${name} left behind`))
  const routers = new Map<string, Router>()
  const clusters = new Map<string, Cluster>()
  let ending: Promise<void> | undefined
  let over = false
  const down = () => {
    over = true
    ending ??= (async () => {
      await Promise.all([...clusters.values()].map((cluster) => cluster.stop()))
      // Also those of a router or cluster that never came up, which would be started again.
      await Promise.all(processes.map((process) => process.stop()))
      await state.destroy()
    })()
    return ending
  }
  const processes: LabProcess[] = []
  const events: ProcessEvents = {
    made: (process) => processes.push(process),
    ended: (process, how) => {
      if (!over) progress.warning(`${process.name} ended (${how}); its log: ${process.logFile}`)
    },
  }
  const warn = (message: string) => {
    if (!over) progress.warning(message)
  }
  const herald = options.herald ?? [process.execPath, resolve(import.meta.dirname, '../herald.ts')]
  const kubectl = find('kubectl')
  const apply = async (path: string, kubeconfig: string, client: KubeClient) => {
    const { command, output } = await applyManifest(
      resolve(topology.folder, path),
      kubeconfig,
      kubectl,
      client,
    )
    const by = kubectl === undefined ? ' (no kubectl here: applied by Herald’s own client)' : ''
    progress.step(`${command}${by}\n${output.replaceAll(/^/gm, '  ')}`)
  }
  const context = { lab: name, state, events, herald, warn, apply }
  try {
    const wiring = wire(topology, name)
    const names = [wiring.switch, ...wiring.machines].map(({ namespace }) => namespace)
    progress.step(`network: ${names.length} namespaces with bridges, links, addresses and routes`)
    state.recordNamespaces(names)
    await addNamespaces(names)
    await connectMachines(wiring)
    options.signal?.throwIfAborted()
    const restartAfterMs =
      options.restartAfterMs === false ? {} : { restartAfterMs: options.restartAfterMs ?? defaultRestartMs }
    await allSettled([
      ...Object.entries(topology.routers).map(async ([router, facts]) => {
        const file = resolve(topology.folder, facts.config)
        progress.step(`router ${router}: ${facts.engine} with ${facts.config}`)
        routers.set(router, await startRouter(router, facts, file, namespaceName(name, router), context))
      }),
      ...Object.entries(topology.clusters).map(async ([cluster, facts]) => {
        progress.step(
          `cluster ${cluster}: Kubernetes API, controller, ${Object.keys(facts.nodes).length} speakers`,
        )
        clusters.set(cluster, await startCluster(cluster, facts, { ...context, ...restartAfterMs }))
      }),
    ])
    for (const { cluster, file } of topology.manifests) {
      options.signal?.throwIfAborted()
      const { kubeconfig, client } = clusters.get(cluster)!
      await apply(file, kubeconfig, client)
    }
    return {
      name,
      topology,
      folder: state.folder,
      routers,
      clusters,
      clients: new Map(Object.keys(topology.clients).map((client) => [client, namespaceName(name, client)])),
      kubectl: kubectl !== undefined,
      down,
    }
  } catch (error) {
    await down()
    throw error
  }
}

/** Like Promise.all, but what goes on beside a failure has come to its end before that is told. */
async function allSettled(work: readonly Promise<void>[]): Promise<void> {
  for (const result of await Promise.allSettled(work)) if (result.status === 'rejected') throw result.reason
}

function mayMakeNamespaces(): boolean {
  return spawnSync('unshare', ['--net', '--mount', '--uts', 'true']).status === 0
}

/** Where a program lies, also outside of a PATH without system folders; undefined: nowhere. */
export function find(program: string): string | undefined {
  if (program.includes('/')) return existsSync(program) ? program : undefined
  const folders = [...(process.env['PATH'] ?? '').split(':'), '/usr/local/sbin', '/usr/sbin', '/sbin']
  return folders.map((folder) => join(folder, program)).find((path) => existsSync(path))
}
