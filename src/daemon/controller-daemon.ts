/**
 * `herald controller`: one at a time for a cluster, elected by a lease. All it knows is in the API server, so that the
 * next one goes on where it stopped, and nothing is withdrawn while there is none.
 */
import { clusterBackend, type ClusterView } from '#api/cluster-backend.ts'
import { serveApi, type ApiServer } from '#api/server.ts'
import type { Clock } from '#core/lib/clock.ts'
import { showObject } from '#core/lib/reason.ts'
import { planNode } from '#core/plan/plan-node.ts'
import type { NodeState } from '#core/schema/node-state.ts'
import { refOf } from '#core/schema/object.ts'
import { emptySnapshot } from '#core/schema/snapshot.ts'
import { systemClock } from '#host/clock.ts'
import type { ClusterAccess } from '#kube/client/access.ts'
import { KubeClient } from '#kube/client/client.ts'
import { EventRecorder } from '#kube/client/events.ts'
import { LeaseElector } from '#kube/client/lease.ts'
import { Reflector } from '#kube/client/reflector.ts'
import { resourceTypes } from '#kube/client/resource.ts'
import { SnapshotSource } from '#kube/client/snapshot-source.ts'
import { Changes } from './changes.ts'
import { ControllerLoop, type ControllerLoopOptions } from './controller-loop.ts'
import type { Logger } from './log.ts'
import { observe } from './observe.ts'
import { aborted } from './aborted.ts'

export interface ControllerOptions {
  /** Dialects to obey beside the native resources: `cilium`. */
  dialects: string[]
  access: ClusterAccess
  /** Path of the Unix socket to serve the API on; absent: no API. */
  socket?: string
  log: Logger
  /** What the API says of this program. */
  version: string
  /** Where the lease is; absent: `kube-system`. */
  leaseNamespace?: string
  /** Absent: `herald-controller`. */
  leaseName?: string
  /** Absent: this machine's. */
  clock?: Clock
}

/** Runs until `signal`, then gives the lease up. Rejects if it cannot start. */
export async function runController(options: ControllerOptions, signal: AbortSignal): Promise<void> {
  const { dialects, access, log, socket } = options
  const client = new KubeClient(access)
  const changes = new Changes()
  const events = new EventRecorder({
    client,
    component: 'herald-controller',
    failed: (message) => log.warn('cannot write an event', { error: message }),
  })
  let snapshot = emptySnapshot
  let observed = false
  /** Present while this is the leader. */
  let loop: ControllerLoop | undefined
  const lead = () => {
    loop = new ControllerLoop({
      config: { dialects },
      client,
      events,
      clock: options.clock ?? systemClock,
      ...logWrites(log),
    })
    if (observed) loop.input({ kind: 'snapshot', snapshot })
  }
  const follow = () => {
    loop?.stop()
    loop = undefined
  }
  const source = new SnapshotSource({
    client,
    dialects,
    snapshot: (next) => {
      snapshot = next
      observed = true
      loop?.input({ kind: 'snapshot', snapshot })
      changes.announce()
    },
    ...observe(log, client),
  })
  const nodeStates = new Reflector({
    client,
    type: resourceTypes.nodeStates,
    changed: () => changes.announce(),
  })
  const lease = new LeaseElector({
    client,
    name: options.leaseName ?? 'herald-controller',
    namespace: options.leaseNamespace ?? 'kube-system',
    acquired: () => {
      log.info('controller leads', { holder: lease.identity })
      lead()
    },
    lost: (reason) => {
      log.warn('controller no longer leads', { reason })
      follow()
    },
    waiting: (holder) => log.info('another controller leads', { holder }),
  })
  const view: ClusterView = {
    version: { version: options.version, role: 'controller' },
    nodeStates: () => [...nodeStates.objects.values()] as NodeState[],
    services: () => snapshot.services,
    plans: () => snapshot.nodes.map(({ metadata }) => planNode(snapshot, metadata.name, dialects)),
    subscribe: (changed) => changes.subscribe(changed),
  }
  let api: ApiServer | undefined
  try {
    if (socket !== undefined) api = await serveApi(clusterBackend(view), socket)
    log.info('controller starts', { server: client.server, ...(socket === undefined ? {} : { socket }) })
    source.start()
    nodeStates.start()
    lease.start()
    await aborted(signal)
    log.info('controller stops')
    follow()
    await lease.stop()
  } finally {
    source.stop()
    nodeStates.stop()
    events.stop()
    await api?.close()
    client.close()
  }
}

function logWrites(log: Logger): Pick<ControllerLoopOptions, 'wrote' | 'recorded'> {
  return {
    wrote: ({ object }, error) => {
      const about = showObject(refOf(object))
      if (error === undefined) log.debug('status written', { object: about })
      // Somebody was quicker: the controller looks again and decides anew.
      else if (error.kind === 'conflict' || error.kind === 'notFound')
        log.debug('status not written', { object: about, error: error.message })
      else log.warn('status not written', { object: about, error: error.message })
    },
    recorded: ({ object, type, reason, message }) => {
      const keys = { object: showObject(refOf(object)), event: reason, reason: message }
      if (type === 'Warning') log.warn('event', keys)
      else log.info('event', keys)
    },
  }
}
