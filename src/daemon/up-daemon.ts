/**
 * `herald up`: the embedded Kubernetes API, a controller and the speaker of this machine in one process, for trying it and
 * for sites of one machine. State lives in the API's data folder and survives any end.
 */
import { networkInterfaces } from 'node:os'
import { join } from 'node:path'
import type { Prefix } from '#core/net/prefix.ts'
import { hostnameLabel, osLabel } from '#core/schema/well-known.ts'
import { reachableAddresses } from '#host/interfaces.ts'
import { resourceTypes } from '#kube/client/resource.ts'
import type { ClusterAccess } from '#kube/client/access.ts'
import { KubeClient } from '#kube/client/client.ts'
import { runApiServer } from './api-server-daemon.ts'
import { runController } from './controller-daemon.ts'
import type { Logger } from './log.ts'
import { runSpeaker } from './speaker-daemon.ts'

export interface UpOptions {
  dataDir: string
  serviceCidrs: Prefix[]
  /** Name of the Node that stands for this machine. */
  node: string
  dialects: string[]
  log: Logger
  version: string
  /** Where kubectl finds the API, on loopback. */
  port: number
  /** Socket of the controller's API, for `herald get`; the speaker's is beside it. */
  socket: string
}

/** Runs until `signal`. Rejects if anything of it cannot start, after ending the rest. */
export async function runUp(options: UpOptions, signal: AbortSignal): Promise<void> {
  const { dataDir, node, dialects, log, version } = options
  const stop = new AbortController()
  const ended = AbortSignal.any([signal, stop.signal])
  const kubeconfigPath = join(dataDir, 'kubeconfig')
  let started: Promise<unknown> = Promise.resolve()
  const ready = (access: ClusterAccess) => {
    started = (async () => {
      await registerNode(access, node)
      log.info('ready', { file: kubeconfigPath, node })
      await Promise.all([
        runController({ dialects, access, socket: options.socket, log, version }, ended),
        runSpeaker({ node, dialects, access, socket: `${options.socket}.speaker`, log, version }, ended),
      ])
    })()
    // Whichever role fails takes the others down; its reason is rethrown below.
    started.catch(() => stop.abort())
  }
  await runApiServer(
    {
      dataDir,
      kubeconfigPath,
      listen: [
        { kind: 'tcp', host: '127.0.0.1', port: options.port },
        { kind: 'unix', path: join(dataDir, 'kube.sock') },
      ],
      serviceCidrs: options.serviceCidrs,
      log,
      ready: (_server, access) => ready(access),
    },
    ended,
  )
  await started
}

/** Makes or renews the Node of this machine, with the addresses that it has now. */
async function registerNode(access: ClusterAccess, name: string): Promise<void> {
  const client = new KubeClient(access)
  try {
    const metadata = { name, labels: { [hostnameLabel]: name, [osLabel]: 'linux' } }
    const created = await client.create(resourceTypes.nodes, { apiVersion: 'v1', kind: 'Node', metadata })
    if (!created.ok && created.error.kind !== 'alreadyExists') throw new Error(created.error.message)
    const status = {
      addresses: [
        ...reachableAddresses(networkInterfaces()).map((address) => ({ type: 'InternalIP', address })),
        { type: 'Hostname', address: name },
      ],
      conditions: [{ type: 'Ready', status: 'True', reason: 'HeraldIsUp', message: 'herald up runs here' }],
    }
    const reported = await client.patch(resourceTypes.nodes, { name }, { status }, { subresource: 'status' })
    if (!reported.ok) throw new Error(reported.error.message)
  } finally {
    client.close()
  }
}
