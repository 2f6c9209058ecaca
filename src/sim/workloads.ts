/**
 * What else runs in a cluster: the controllers of Kubernetes that make pods and EndpointSlices (`core/workload`), and a
 * kubelet on every node to whom pods get ready after a while and are gone after a while.
 */
import type { Prng } from '#core/lib/prng.ts'
import { rfc3339Seconds } from '#core/lib/time.ts'
import type { Deployment, EndpointSlice, Node, Pod, Service } from '#core/schema/kubernetes.ts'
import type { WorkloadAction } from '#core/workload/io.ts'
import { reconcileWorkloads } from '#core/workload/workload.ts'
import { keyOfObject, type Cluster } from './cluster.ts'

export interface WorkloadsOptions {
  cluster: Cluster
  random: Prng
  /** A pod until it is ready, and until it is gone after its deletion. */
  readyDelayMs: () => number
  /** A change until the controllers act on it. */
  watchDelayMs: () => number
}

export class Workloads {
  readonly #options: WorkloadsOptions
  #planned = false
  /** Pods that a kubelet is starting or ending, by key and uid. */
  readonly #underWay = new Set<string>()

  constructor(options: WorkloadsOptions) {
    this.#options = options
  }

  start(): void {
    this.#options.cluster.onChange(() => this.#wake())
    this.#wake()
  }

  #wake(): void {
    const { cluster, watchDelayMs } = this.#options
    if (this.#planned || !cluster.available) return
    this.#planned = true
    cluster.clock.after(watchDelayMs(), () => {
      this.#planned = false
      if (cluster.available) this.#reconcile()
    })
  }

  #reconcile(): void {
    const { cluster, random } = this.#options
    const state = {
      deployments: cluster.list<Deployment>('Deployment'),
      pods: cluster.list<Pod>('Pod'),
      services: cluster.list<Service>('Service'),
      endpointSlices: cluster.list<EndpointSlice>('EndpointSlice'),
      nodes: cluster.list<Node>('Node'),
    }
    for (const action of reconcileWorkloads(state, random, cluster.clock.now())) this.#perform(action)
    for (const pod of cluster.list<Pod>('Pod')) this.#tend(pod)
  }

  /** What fails is tried again at the next change, which a conflict always comes with. */
  #perform({ kind, object }: WorkloadAction): void {
    const { cluster } = this.#options
    switch (kind) {
      case 'create': {
        const { status, ...bare } = object as Pod
        const created = cluster.apply(bare)
        if (status !== undefined) cluster.writeStatus(created, status)
        return
      }
      case 'update':
        cluster.replace(object)
        return
      case 'updateStatus':
        cluster.replaceStatus(object)
        return
      case 'delete':
        if (object.kind === 'Pod') this.#terminate(object)
        else cluster.delete(object.kind, object.metadata.namespace, object.metadata.name)
        return
    }
  }

  /** A pod on a node is only marked; its kubelet removes it. */
  #terminate(pod: Pod): void {
    const { cluster } = this.#options
    const { namespace, name, deletionTimestamp } = pod.metadata
    if (pod.spec?.nodeName === undefined) cluster.delete('Pod', namespace, name)
    else if (deletionTimestamp === undefined) {
      cluster.patch('Pod', namespace, name, {
        metadata: { deletionTimestamp: rfc3339Seconds(cluster.clock.now()) },
      })
    }
  }

  /** The kubelet's part. */
  #tend(pod: Pod): void {
    const { cluster, readyDelayMs } = this.#options
    const { namespace, name, uid, deletionTimestamp } = pod.metadata
    if (pod.spec?.nodeName === undefined) return
    const ending = deletionTimestamp !== undefined
    const ready = pod.status?.conditions?.some(({ type, status }) => type === 'Ready' && status === 'True')
    if (!ending && (ready === true || pod.status?.podIP === undefined)) return
    const task = `${keyOfObject(pod)} ${uid} ${ending}`
    if (this.#underWay.has(task)) return
    this.#underWay.add(task)
    cluster.clock.after(readyDelayMs(), () => {
      this.#underWay.delete(task)
      const present = cluster.get('Pod', namespace, name) as Pod | undefined
      if (present === undefined || present.metadata.uid !== uid) return
      if (!cluster.available) return
      if (ending) cluster.delete('Pod', namespace, name)
      else if (present.metadata.deletionTimestamp === undefined) this.#setReady(present)
    })
  }

  #setReady(pod: Pod): void {
    const { cluster } = this.#options
    const condition = {
      type: 'Ready',
      status: 'True',
      lastTransitionTime: rfc3339Seconds(cluster.clock.now()),
    }
    const others = pod.status?.conditions?.filter(({ type }) => type !== 'Ready') ?? []
    cluster.writeStatus(pod, { phase: 'Running', conditions: [...others, condition] })
  }
}
