/**
 * `herald speaker`: one node's BGP, told what to do by the cluster. A crash cleans nothing up: the kernel resets the
 * connections, and neighbours drop the routes at once, or keep them for the next start where graceful restart was agreed on.
 */
import { speakerBackend } from '#api/speaker-backend.ts'
import { serveApi, type ApiServer } from '#api/server.ts'
import type { Node } from '#core/schema/kubernetes.ts'
import type { OwnerReference } from '#core/schema/object.ts'
import type { ClusterAccess } from '#kube/client/access.ts'
import { KubeClient } from '#kube/client/client.ts'
import { SnapshotSource } from '#kube/client/snapshot-source.ts'
import { observe } from './observe.ts'
import { NodeStateWriter } from './node-state-writer.ts'
import { startSpeaker, type SpeakerRoleOptions } from './running-speaker.ts'
import { aborted } from './aborted.ts'

export interface SpeakerOptions extends SpeakerRoleOptions {
  /** Name of the Node that this speaker speaks for. */
  node: string
  /** Dialects to obey beside the native resources: `cilium`. */
  dialects: string[]
  access: ClusterAccess
}

/** Runs until `signal`, then ends every session: with Cease, or without a word where the routes are to be kept. */
export async function runSpeaker(options: SpeakerOptions, signal: AbortSignal): Promise<void> {
  const { node, dialects, access, log, socket } = options
  const client = new KubeClient(access)
  let nodeObject: Node | undefined
  const running = await startSpeaker({
    ...options,
    role: 'speaker',
    stateChanged: () => writer.changed(),
  })
  const writer = new NodeStateWriter({
    client,
    node,
    status: () => ({
      ...running.speaker.nodeState(),
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
      running.show(snapshot)
    },
    ...observe(log, client),
  })
  let api: ApiServer | undefined
  try {
    if (socket !== undefined) api = await serveApi(speakerBackend(running.view), socket)
    log.info('speaker starts', { node, server: client.server, ...(socket === undefined ? {} : { socket }) })
    source.start()
    await aborted(signal)
    log.info('speaker stops', { node })
    source.stop()
    await running.stop()
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
