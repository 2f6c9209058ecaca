/**
 * Plays the kubelets of a cluster: every pod that has a node and addresses (`core/workload` gives them) becomes a
 * namespace with a link to its node and a small HTTP server inside; its readiness is probed and written into its status.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { join } from 'node:path'
import { messageOf } from '#core/lib/error.ts'
import { rfc3339Seconds } from '#core/lib/time.ts'
import { parseAddress, type Address } from '#core/net/address.ts'
import type { Pod } from '#core/schema/kubernetes.ts'
import type { KubeClient } from '#kube/client/client.ts'
import { Reflector } from '#kube/client/reflector.ts'
import { resourceTypes } from '#kube/client/resource.ts'
import { httpGet } from './http-probe.ts'
import type { LabState } from './lab-state.ts'
import { addNamespaces, deleteNamespaces, ipBatch } from './namespaces.ts'
import { deviceName, nodeLines, podGateway, podLines } from './pod-network.ts'
import { startProcess, type LabProcess } from './processes.ts'
import { namespaceName } from './wiring.ts'
import type { NodeTopology } from './topology.ts'

export interface KubeletOptions {
  lab: string
  client: KubeClient
  state: LabState
  nodes: ReadonlyMap<string, NodeTopology>
  warn: (message: string) => void
}

/** A deleted pod goes on answering for this long, while the news of its end spreads. */
const drainMs = 300

/** While a pod is not ready it is probed often, afterwards seldom. */
const eagerProbeMs = 50
const probeMs = 1_000
/** So many probes in a row must fail before a ready pod counts as unready. */
const failuresAllowed = 2

interface RunningPod {
  uid: string
  name: string
  namespace: string
  node: string
  device: string
  addresses: Address[]
  /** Network namespace. */
  netns: string
  ports: number[]
  process: LabProcess | undefined
  restartCount: number
  ready: boolean
  startedAt: string
  /** What was last written to the API. */
  written: string
  stopping: AbortController
}

export class Kubelet {
  readonly #options: KubeletOptions
  readonly #pods = new Map<string, RunningPod>()
  readonly #reflector: Reflector
  readonly #ending = new Set<Promise<void>>()
  #stopped = false

  constructor(options: KubeletOptions) {
    this.#options = options
    this.#reflector = new Reflector({
      client: options.client,
      type: resourceTypes.pods,
      changed: () => this.#reconcile(),
    })
  }

  start(): void {
    this.#reflector.start()
  }

  async stop(): Promise<void> {
    this.#stopped = true
    this.#reflector.stop()
    for (const pod of this.#pods.values()) pod.stopping.abort()
    await Promise.all([...this.#pods.values()].map(async (pod) => pod.process?.stop()))
    await Promise.all(this.#ending)
  }

  /** Compares the pods that should run with those that do. */
  #reconcile(): void {
    if (this.#stopped) return
    const wanted = new Map<string, Pod>()
    for (const object of this.#reflector.objects.values()) {
      const pod = object as Pod
      const { uid, deletionTimestamp } = pod.metadata
      if (uid === undefined || deletionTimestamp !== undefined) continue
      if (this.#options.nodes.has(pod.spec?.nodeName ?? '') && addressesOf(pod).length > 0)
        wanted.set(uid, pod)
    }
    for (const [uid, pod] of this.#pods) if (!wanted.has(uid)) this.#end(pod)
    for (const [uid, pod] of wanted) if (!this.#pods.has(uid)) this.#begin(uid, pod)
  }

  #begin(uid: string, pod: Pod): void {
    const { lab, nodes } = this.#options
    const nodeName = pod.spec!.nodeName!
    const node = nodes.get(nodeName)!
    const running = [...this.#pods.values()]
    const { name, namespace = 'default' } = pod.metadata
    const devices = new Set(running.filter((other) => other.node === nodeName).map(({ device }) => device))
    const started: RunningPod = {
      uid,
      name,
      namespace,
      node: nodeName,
      device: deviceName(name, devices),
      addresses: addressesOf(pod),
      netns: namespaceName(lab, namespace === 'default' ? name : `${name}.${namespace}`),
      ports: (pod.spec?.containers ?? []).flatMap(({ ports }) =>
        (ports ?? []).map((port) => port.containerPort),
      ),
      process: undefined,
      restartCount: 0,
      ready: false,
      startedAt: rfc3339Seconds(Date.now()),
      written: '',
      stopping: new AbortController(),
    }
    this.#pods.set(uid, started)
    void this.#run(started, node)
  }

  async #run(pod: RunningPod, node: NodeTopology): Promise<void> {
    const { state, lab, warn } = this.#options
    const { signal } = pod.stopping
    try {
      const nodeNamespace = namespaceName(lab, pod.node)
      const link = {
        device: pod.device,
        podNamespace: pod.netns,
        addresses: pod.addresses,
        gateways: node.podCIDRs.map(podGateway),
      }
      state.recordNamespaces([pod.netns])
      await addNamespaces([pod.netns])
      await ipBatch(nodeNamespace, nodeLines(link))
      await ipBatch(pod.netns, podLines(link))
      if (signal.aborted) return
      pod.process = startProcess(
        {
          name: `pod-${pod.namespace}-${pod.name}`,
          namespace: pod.netns,
          program: process.execPath,
          args: [join(import.meta.dirname, 'pod-server.mjs'), pod.name, pod.node, ...pod.ports.map(String)],
          restartAfterMs: 500,
        },
        state,
        { ended: () => pod.restartCount++ },
      )
      await this.#probe(pod, nodeNamespace)
    } catch (error) {
      if (!signal.aborted) warn(`pod ${pod.namespace}/${pod.name}: ${messageOf(error)}`)
    }
  }

  /** Probes and reports until the pod ends. */
  async #probe(pod: RunningPod, nodeNamespace: string): Promise<void> {
    const { signal } = pod.stopping
    let failures = 0
    while (!signal.aborted) {
      const up = await this.#answers(pod, nodeNamespace)
      failures = up ? 0 : failures + 1
      if (up) pod.ready = true
      else if (failures >= failuresAllowed || pod.process?.pid === undefined) pod.ready = false
      await this.#report(pod)
      await sleep(pod.ready ? probeMs : eagerProbeMs, undefined, { signal }).catch(() => {})
    }
  }

  async #answers({ addresses, ports, process: server }: RunningPod, nodeNamespace: string): Promise<boolean> {
    if (server?.pid === undefined) return false
    const address = addresses[0]
    const port = ports[0]
    if (address === undefined || port === undefined) return true
    const answer = await httpGet(nodeNamespace, address, port, { timeoutMs: probeMs })
    return answer.ok && answer.value.status === 200
  }

  async #report(pod: RunningPod): Promise<void> {
    const object = this.#reflected(pod)
    if (object === undefined) return
    const status = statusOf(pod, object)
    const text = JSON.stringify(status)
    if (text === pod.written || this.#stopped) return
    const done = await this.#options.client.patch(
      resourceTypes.pods,
      { namespace: pod.namespace, name: pod.name },
      { metadata: { uid: pod.uid, resourceVersion: object.metadata.resourceVersion }, status },
      { subresource: 'status' },
    )
    // Otherwise it is written again after the next probe; a pod that is gone ends soon.
    if (done.ok) pod.written = text
  }

  #reflected(pod: RunningPod): Pod | undefined {
    for (const object of this.#reflector.objects.values())
      if (object.metadata.uid === pod.uid) return object as Pod
    return undefined
  }

  #end(pod: RunningPod): void {
    this.#pods.delete(pod.uid)
    pod.stopping.abort()
    const ended = this.#remove(pod).catch((error: Error) =>
      this.#options.warn(`pod ${pod.namespace}/${pod.name}: ${error.message}`),
    )
    this.#ending.add(ended)
    void ended.then(() => this.#ending.delete(ended))
  }

  async #remove(pod: RunningPod): Promise<void> {
    await sleep(drainMs)
    await pod.process?.stop()
    await deleteNamespaces([pod.netns])
    this.#options.state.forgetNamespaces([pod.netns])
    const left = this.#options.client
    // A pod that waits for its kubelet (deletionTimestamp) is let go; of others nothing is left.
    await left.delete(resourceTypes.pods, { namespace: pod.namespace, name: pod.name }, { uid: pod.uid })
  }
}

/** The addresses that the pod was given, as far as they are addresses. */
function addressesOf({ status }: Pod): Address[] {
  const texts = status?.podIPs?.map(({ ip }) => ip) ?? (status?.podIP === undefined ? [] : [status.podIP])
  return texts.flatMap((text) => {
    const parsed = parseAddress(text)
    return parsed.ok ? [parsed.value] : []
  })
}

/** What a kubelet says of a pod; addresses and the condition PodScheduled are others' and stay. */
function statusOf(pod: RunningPod, object: Pod): Record<string, unknown> {
  const earlier = object.status?.conditions ?? []
  const own = ['Initialized', 'ContainersReady', 'Ready']
  const condition = (type: string, value: boolean) => {
    const status = value ? 'True' : 'False'
    const old = earlier.find((one) => one.type === type)
    const since = old?.status === status ? old.lastTransitionTime : undefined
    return { type, status, lastTransitionTime: since ?? rfc3339Seconds(Date.now()) }
  }
  return {
    phase: 'Running',
    startTime: pod.startedAt,
    conditions: [
      ...earlier.filter(({ type }) => !own.includes(type)),
      condition('Initialized', true),
      condition('ContainersReady', pod.ready),
      condition('Ready', pod.ready),
    ],
    containerStatuses: (object.spec?.containers ?? []).map(({ name, image }) => ({
      name,
      image: image ?? '',
      imageID: '',
      ready: pod.ready,
      started: pod.process !== undefined,
      restartCount: pod.restartCount,
      state: { running: { startedAt: pod.startedAt } },
    })),
  }
}
