/**
 * `herald speaker`: one node's BGP, told what to do by the cluster. A crash cleans nothing up: the kernel resets the
 * connections, and neighbours drop the routes at once, or keep them for the next start where graceful restart was agreed on.
 */
import { speakerBackend } from '#api/speaker-backend.ts'
import { serveApi, type ApiServer } from '#api/server.ts'
import type { Clock } from '#core/lib/clock.ts'
import type { Address } from '#core/net/address.ts'
import type { Tcp } from '#core/net/tcp.ts'
import type { Node } from '#core/schema/kubernetes.ts'
import type { OwnerReference } from '#core/schema/object.ts'
import { systemClock } from '#host/clock.ts'
import { systemFiles } from '#host/files.ts'
import { linuxDiscovery } from '#host/neighbour-discovery.ts'
import { linuxTcp } from '#host/tcp-linux.ts'
import type { ClusterAccess } from '#kube/client/access.ts'
import { KubeClient } from '#kube/client/client.ts'
import { SnapshotSource } from '#kube/client/snapshot-source.ts'
import { Beside } from './beside.ts'
import { BgpLog } from './bgp-log.ts'
import { Changes } from './changes.ts'
import { observe } from './observe.ts'
import type { Logger } from './log.ts'
import { NodeStateWriter } from './node-state-writer.ts'
import { ProblemLog } from './problem-log.ts'
import { markRun } from './run-marker.ts'
import { SpeakerLoop } from './speaker-loop.ts'
import { speakerView } from './speaker-view.ts'
import { aborted } from './aborted.ts'

export interface SpeakerOptions {
  /** Name of the Node that this speaker speaks for. */
  node: string
  /** Dialects to obey beside the native resources: `cilium`. */
  dialects: string[]
  access: ClusterAccess
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

/** Runs until `signal`, then ends every session with Cease/Administrative Shutdown. Rejects if it cannot start. */
export async function runSpeaker(options: SpeakerOptions, signal: AbortSignal): Promise<void> {
  const { node, dialects, access, log, socket } = options
  const client = new KubeClient(access)
  const changes = new Changes()
  const problems = new ProblemLog(log)
  const clock = options.clock ?? systemClock
  const tcp = options.tcp ?? linuxTcp()
  const bgpLog = new BgpLog(log, () => clock.now())
  let nodeObject: Node | undefined
  const restarted = socket !== undefined && (await markRun(systemFiles, `${socket}.running`))
  const loop = new SpeakerLoop({
    config: {
      node,
      dialects,
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
      writer.changed()
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
  const writer = new NodeStateWriter({
    client,
    node,
    status: () => ({
      ...loop.speaker.nodeState(),
      ...(socket === undefined ? {} : { endpoint: `unix:${socket}` }),
    }),
    owner: () => ownerOf(nodeObject),
    failed: (error) => log.warn('cannot write the state of the node', { error: error.message }),
  })
  const source = new SnapshotSource({
    client,
    dialects,
    // Tokens of service accounts and Helm's releases are many, and never a BGP password.
    secrets: { fieldSelector: 'type!=kubernetes.io/service-account-token,type!=helm.sh/release.v1' },
    snapshot: (snapshot) => {
      nodeObject = snapshot.nodes.find(({ metadata }) => metadata.name === node)
      loop.input({ kind: 'snapshot', snapshot })
      beside.follow()
    },
    ...observe(log, client),
  })
  const view = speakerView(loop, beside, { version: options.version, role: 'speaker', node }, changes)
  let api: ApiServer | undefined
  try {
    if (socket !== undefined) api = await serveApi(speakerBackend(view), socket)
    log.info('speaker starts', { node, server: client.server, ...(socket === undefined ? {} : { socket }) })
    source.start()
    await aborted(signal)
    log.info('speaker stops', { node })
    source.stop()
    await loop.stop()
    await beside.stop()
    await writer.stop()
  } finally {
    source.stop()
    await api?.close()
    client.close()
  }
}

function ownerOf(node: Node | undefined): OwnerReference | undefined {
  const uid = node?.metadata.uid
  if (node === undefined || uid === undefined) return undefined
  return { apiVersion: 'v1', kind: 'Node', name: node.metadata.name, uid }
}
