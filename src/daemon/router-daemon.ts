/**
 * `herald router`: a speaker without a cluster, from files of native resources. They are read again when they change and
 * on SIGHUP; sessions that a change does not concern stay up, and an invalid file changes nothing.
 */
import { serveApi, type ApiServer } from '#api/server.ts'
import { speakerBackend } from '#api/speaker-backend.ts'
import type { Clock } from '#core/lib/clock.ts'
import { showProblem } from '#core/lib/reason.ts'
import type { Address } from '#core/net/address.ts'
import type { Tcp } from '#core/net/tcp.ts'
import type { Snapshot } from '#core/schema/snapshot.ts'
import { systemClock } from '#host/clock.ts'
import { systemFiles } from '#host/files.ts'
import { linuxDiscovery } from '#host/neighbour-discovery.ts'
import { linuxTcp } from '#host/tcp-linux.ts'
import { Beside } from './beside.ts'
import { BgpLog } from './bgp-log.ts'
import { Changes } from './changes.ts'
import type { Logger } from './log.ts'
import { ProblemLog } from './problem-log.ts'
import { readRouterFiles } from './router-files.ts'
import { markRun } from './run-marker.ts'
import { SpeakerLoop } from './speaker-loop.ts'
import { speakerView } from './speaker-view.ts'
import { aborted } from './aborted.ts'

export interface RouterOptions {
  /** YAML files with BGPInstance, BGPPeer, BGPAdvertisement and Secret documents. */
  files: string[]
  /** What the router calls itself in tables, and the Node that selectors see; absent: `router`. */
  node?: string
  /** Path of the Unix socket to serve the API on; absent: no API. */
  socket?: string
  log: Logger
  /** What the API says of this program. */
  version: string
  /** Accept BGP connections on these addresses only; absent: on all. */
  listenAddresses?: Address[]
  /** Absent: this machine's. */
  tcp?: Tcp
  clock?: Clock
  /** For jitter; absent: chosen anew. */
  seed?: number
}

/** Runs until `signal`. Rejects if the files are not valid at the start. */
export async function runRouter(options: RouterOptions, signal: AbortSignal): Promise<void> {
  const { files, log, socket } = options
  const node = options.node ?? 'router'
  const first = await readRouterFiles(files, node)
  if (!first.ok) throw new Error(first.error.map(showProblem).join('\n'))
  const changes = new Changes()
  const problems = new ProblemLog(log)
  const clock = options.clock ?? systemClock
  const tcp = options.tcp ?? linuxTcp()
  const bgpLog = new BgpLog(log, () => clock.now())
  const restarted = socket !== undefined && (await markRun(systemFiles, `${socket}.running`))
  const loop = new SpeakerLoop({
    config: {
      node,
      dialects: [],
      seed: options.seed ?? Math.floor(Math.random() * 2 ** 32),
      restarted,
    },
    tcp,
    ...(options.tcp === undefined ? { discovery: linuxDiscovery() } : {}),
    clock,
    ...(options.listenAddresses === undefined ? {} : { listenAddresses: options.listenAddresses }),
    event: (instance, event) => bgpLog.write(instance, event),
    tapped: (instance, tap) => beside.tapped(instance, tap),
    stateChanged: () => {
      changes.announce()
      problems.update(loop.speaker.plan()?.problems ?? [])
    },
    trouble: (message, about) => log.warn(message, about),
  })
  const beside = new Beside({
    speaker: () => loop.speaker,
    tcp,
    clock,
    log,
    node,
    version: options.version,
    input: (input) => loop.input(input),
    changed: () => changes.announce(),
  })
  const show = (snapshot: Snapshot) => {
    loop.input({ kind: 'snapshot', snapshot })
    beside.follow()
  }
  let loads = 0
  const load = async () => {
    const mine = ++loads
    const read = await readRouterFiles(files, node)
    // Of two at a time the later one has seen what the earlier one may have missed.
    if (signal.aborted || mine !== loads) return
    if (read.ok) {
      log.info('configuration read', { count: files.length })
      show(read.value)
      return
    }
    for (const problem of read.error)
      log.error('configuration not valid; what ran keeps running', { problem: showProblem(problem) })
  }
  const onHangup = () => void load()
  let api: ApiServer | undefined
  const watchers = files.map((file) => systemFiles.watch(file, () => void load()))
  process.on('SIGHUP', onHangup)
  try {
    const view = speakerView(loop, beside, { version: options.version, role: 'router', node }, changes)
    if (socket !== undefined) api = await serveApi(speakerBackend(view), socket)
    log.info('router starts', { node, ...(socket === undefined ? {} : { socket }) })
    show(first.value)
    await aborted(signal)
    log.info('router stops', { node })
    await loop.stop()
    await beside.stop()
  } finally {
    process.off('SIGHUP', onHangup)
    for (const watcher of watchers) watcher.close()
    await api?.close()
  }
}
