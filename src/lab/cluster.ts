/**
 * One cluster of a lab: an embedded Kubernetes API, a controller, a speaker in every node's namespace, and the stand-ins
 * for the rest of Kubernetes (kubelets, workload controllers, service proxy).
 */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { arch, release } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { parse, stringify } from 'yaml'
import { rfc3339Seconds } from '#core/lib/time.ts'
import type { Node } from '#core/schema/kubernetes.ts'
import { hostnameLabel, osLabel } from '#core/schema/well-known.ts'
import { freePort } from '#host/free-port.ts'
import { KubeClient } from '#kube/client/client.ts'
import { loadKubeconfig } from '#kube/client/kubeconfig.ts'
import { resourceTypes } from '#kube/client/resource.ts'
import { Forwarder } from './forwarder.ts'
import { Kubelet } from './kubelet.ts'
import { startProcess, tail, type LabProcess, type ProcessEvents } from './processes.ts'
import type { LabState } from './lab-state.ts'
import type { ClusterTopology, NodeTopology } from './topology.ts'
import { namespaceName } from './wiring.ts'
import { WorkloadLoop } from './workload-loop.ts'

export interface ClusterContext {
  lab: string
  state: LabState
  events: ProcessEvents
  /** How to run Herald: program and first arguments. */
  herald: readonly string[]
  /** Start a process that ended again after this long; absent: leave it to the caller. */
  restartAfterMs?: number
  warn: (message: string) => void
  /** Applies manifests of a file or folder, named as in the topology. */
  apply: (path: string, kubeconfig: string, client: KubeClient) => Promise<void>
}

export interface Cluster {
  name: string
  kubeconfig: string
  client: KubeClient
  apiServer: LabProcess
  controller: LabProcess
  /** Where the controller answers `herald get`. */
  server: string
  /** By node. */
  speakers: ReadonlyMap<string, LabProcess>
  stop(): Promise<void>
}

const startTimeoutMs = 15_000

/** Resolves when the API answers and all else has been started; rejects with the end of its log. */
export async function startCluster(
  name: string,
  topology: ClusterTopology,
  context: ClusterContext,
): Promise<Cluster> {
  const { lab, state, events } = context
  const folder = join(state.folder, name)
  mkdirSync(folder, { recursive: true })
  const [program = '', ...first] = context.herald
  const start = (process: string, args: readonly string[], node?: string) =>
    startProcess(
      {
        name: `${name}-${process}`,
        program,
        args: [...first, ...args],
        ...(node === undefined ? {} : { namespace: namespaceName(lab, node) }),
        ...(context.restartAfterMs === undefined ? {} : { restartAfterMs: context.restartAfterMs }),
      },
      state,
      events,
    )

  const kubeconfig = join(folder, 'kubeconfig')
  const apiSocket = join(folder, 'kube.sock')
  // kubectl comes by loopback; nodes, which have a loopback of their own, by the socket, which no namespace hides.
  const listen = ['--listen', `127.0.0.1:${await freePort()}`, '--listen', `unix:${apiSocket}`]
  const data = ['--data-dir', join(folder, 'api'), '--kubeconfig', kubeconfig]
  const subnets = topology.serviceSubnets.flatMap((subnet) => ['--service-cidr', subnet])
  const apiServer = start('api-server', ['api-server', ...data, ...listen, ...subnets])
  const client = await connectTo(kubeconfig, apiServer)
  const nodeKubeconfig = writeNodeKubeconfig(kubeconfig, join(folder, 'node-kubeconfig'), apiSocket)

  await Promise.all(Object.entries(topology.nodes).map(([node, facts]) => registerNode(client, node, facts)))
  for (const path of topology.crds) await context.apply(path, kubeconfig, client)
  const cluster = ['--kubeconfig', nodeKubeconfig]
  if (topology.dialects.length > 0) cluster.push('--dialect', topology.dialects.join(','))
  const controllerSocket = join(folder, 'controller.sock')
  const controller = start('controller', ['controller', ...cluster, '--socket', controllerSocket])
  const speakers = new Map(
    Object.keys(topology.nodes).map((node) => [
      node,
      start(node, ['speaker', ...cluster, '--node', node, '--socket', join(folder, `${node}.sock`)], node),
    ]),
  )

  const loops = [
    new Kubelet({ lab, client, state, nodes: new Map(Object.entries(topology.nodes)), warn: context.warn }),
    new WorkloadLoop({ client, warn: context.warn }),
    new Forwarder({ lab, cluster: topology, client, warn: context.warn }),
  ]
  for (const loop of loops) loop.start()

  return {
    name,
    kubeconfig,
    client,
    apiServer,
    controller,
    server: `unix:${controllerSocket}`,
    speakers,
    async stop() {
      await Promise.all(loops.map((loop) => loop.stop()))
      // Speakers first: they tell their peers goodbye while the network still stands.
      await Promise.all([...speakers.values(), controller].map((process) => process.stop()))
      await apiServer.stop()
      client.close()
    },
  }
}

/** Waits for the kubeconfig that the API server writes and for its first answer. */
async function connectTo(kubeconfig: string, apiServer: LabProcess): Promise<KubeClient> {
  const deadline = Date.now() + startTimeoutMs
  let reason = 'it wrote no kubeconfig'
  while (Date.now() < deadline && apiServer.pid !== undefined) {
    const access = loadKubeconfig({ path: kubeconfig })
    if (access.ok) {
      const client = new KubeClient(access.value)
      const answer = await client.list(resourceTypes.namespaces)
      if (answer.ok) return client
      reason = answer.error.message
      client.close()
    }
    await sleep(20)
  }
  throw new Error(`the Kubernetes API did not start: ${reason}\n${tail(apiServer.logFile)}`)
}

/** The kubeconfig with the server's socket in place of its port. */
function writeNodeKubeconfig(from: string, to: string, socket: string): string {
  const config = parse(readFileSync(from, 'utf8')) as { clusters: { cluster: Record<string, unknown> }[] }
  for (const { cluster } of config.clusters) {
    cluster['server'] = `unix://${socket}`
    delete cluster['certificate-authority-data']
    delete cluster['certificate-authority']
  }
  writeFileSync(to, stringify(config), { mode: 0o600 })
  return to
}

/** Makes the Node object as a kubelet does. */
async function registerNode(client: KubeClient, name: string, node: NodeTopology): Promise<void> {
  const now = rfc3339Seconds(Date.now())
  const object: Node = {
    apiVersion: 'v1',
    kind: 'Node',
    metadata: {
      name,
      labels: { [hostnameLabel]: name, [osLabel]: 'linux', ...node.labels },
    },
    spec: { podCIDR: node.podCIDRs[0]!, podCIDRs: [...node.podCIDRs], taints: node.taints },
  }
  const status = {
    addresses: [
      ...Object.values(node.networks)
        .flat()
        .map((address) => ({ type: 'InternalIP', address })),
      { type: 'Hostname', address: name },
    ],
    nodeInfo: {
      kubeletVersion: 'herald-lab',
      osImage: 'network namespace',
      kernelVersion: release(),
      containerRuntimeVersion: 'none',
      operatingSystem: 'linux',
      architecture: arch(),
    },
    conditions: [
      {
        type: 'Ready',
        status: 'True',
        reason: 'LabIsUp',
        message: 'the namespace stands',
        lastHeartbeatTime: now,
        lastTransitionTime: now,
      },
    ],
  }
  const created = await client.create(resourceTypes.nodes, object)
  if (!created.ok) throw new Error(`node ${name}: ${created.error.message}`)
  const reported = await client.patch(resourceTypes.nodes, { name }, { status }, { subresource: 'status' })
  if (!reported.ok) throw new Error(`node ${name}: ${reported.error.message}`)
}
