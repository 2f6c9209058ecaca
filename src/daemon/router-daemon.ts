/**
 * `herald router`: a speaker without a cluster, from files of native resources. They are read again when they change and
 * on SIGHUP; sessions that a change does not concern stay up, and an invalid file changes nothing.
 */
import { serveApi, type ApiServer } from '#api/server.ts'
import { speakerBackend } from '#api/speaker-backend.ts'
import { showProblem } from '#core/lib/reason.ts'
import { systemFiles } from '#host/files.ts'
import { readRouterFiles } from './router-files.ts'
import { startSpeaker, type SpeakerRoleOptions } from './running-speaker.ts'
import { aborted } from './aborted.ts'

export interface RouterOptions extends SpeakerRoleOptions {
  /** YAML files with BGPInstance, BGPPeer, BGPAdvertisement and Secret documents, or one of GoBGP's. */
  files: string[]
  /** What the router calls itself in tables, and the Node that selectors see; absent: `router`. */
  node?: string
}

/** Runs until `signal`. Rejects if the files are not valid at the start. */
export async function runRouter(options: RouterOptions, signal: AbortSignal): Promise<void> {
  const { files, log, socket } = options
  const node = options.node ?? 'router'
  const first = await readRouterFiles(files, node)
  if (!first.ok) throw new Error(first.error.map(showProblem).join('\n'))
  const speaker = await startSpeaker({ ...options, role: 'router', node, dialects: [] })
  let loads = 0
  let obeyed = first.value
  const load = async () => {
    const mine = ++loads
    const read = await readRouterFiles(files, node)
    // Of two at a time the later one has seen what the earlier one may have missed.
    if (signal.aborted || mine !== loads) return
    if (read.ok) {
      log.info('configuration read', { count: files.length })
      obeyed = read.value
      speaker.show(obeyed)
      return
    }
    // What is wrong is also asked for: `herald get problems`.
    speaker.show({ ...obeyed, problems: [...(obeyed.problems ?? []), ...read.error] })
    for (const problem of read.error)
      log.error('configuration not valid; what ran keeps running', { problem: showProblem(problem) })
  }
  const onHangup = () => void load()
  let api: ApiServer | undefined
  const watchers = files.map((file) => systemFiles.watch(file, () => void load()))
  process.on('SIGHUP', onHangup)
  try {
    if (socket !== undefined) api = await serveApi(speakerBackend(speaker.view), socket)
    log.info('router starts', { node, ...(socket === undefined ? {} : { socket }) })
    speaker.show(obeyed)
    await aborted(signal)
    log.info('router stops', { node })
    await speaker.stop()
  } finally {
    process.off('SIGHUP', onHangup)
    for (const watcher of watchers) watcher.close()
    await api?.close()
  }
}
