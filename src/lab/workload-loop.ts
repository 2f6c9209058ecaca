/** Performs what `core/workload` decides for a cluster: the controllers and the scheduler that a lab has no others for. */
import { Prng } from '#core/lib/prng.ts'
import type { KubeObject } from '#core/schema/object.ts'
import type { Deployment, EndpointSlice, Node, Pod, Service } from '#core/schema/kubernetes.ts'
import type { WorkloadAction } from '#core/workload/io.ts'
import { reconcileWorkloads } from '#core/workload/workload.ts'
import type { ApiResult, KubeClient } from '#kube/client/client.ts'
import { Reflector } from '#kube/client/reflector.ts'
import { resourceTypes, typeOf, type ResourceType } from '#kube/client/resource.ts'
import { SingleTask } from './single-task.ts'

export interface WorkloadLoopOptions {
  client: KubeClient
  warn: (message: string) => void
}

/** After a failed action nothing else may change that would wake the loop. */
const retryMs = 500

export class WorkloadLoop {
  readonly #options: WorkloadLoopOptions
  readonly #reflectors
  readonly #random = new Prng(Date.now() ^ process.pid)
  readonly #task = new SingleTask(() => this.#pass())
  #retry: NodeJS.Timeout | undefined

  constructor(options: WorkloadLoopOptions) {
    this.#options = options
    const reflect = (type: ResourceType) =>
      new Reflector({ client: options.client, type, changed: () => this.#schedule() })
    this.#reflectors = {
      deployments: reflect(resourceTypes.deployments),
      pods: reflect(resourceTypes.pods),
      services: reflect(resourceTypes.services),
      endpointSlices: reflect(resourceTypes.endpointSlices),
      nodes: reflect(resourceTypes.nodes),
    }
  }

  start(): void {
    for (const reflector of Object.values(this.#reflectors)) reflector.start()
  }

  async stop(): Promise<void> {
    for (const reflector of Object.values(this.#reflectors)) reflector.stop()
    await this.#task.stop()
    clearTimeout(this.#retry)
  }

  #schedule(): void {
    if (Object.values(this.#reflectors).every(({ synced }) => synced)) this.#task.request()
  }

  async #pass(): Promise<void> {
    const { deployments, pods, services, endpointSlices, nodes } = this.#reflectors
    const state = {
      deployments: [...deployments.objects.values()] as Deployment[],
      pods: [...pods.objects.values()] as Pod[],
      services: [...services.objects.values()] as Service[],
      endpointSlices: [...endpointSlices.objects.values()] as EndpointSlice[],
      nodes: [...nodes.objects.values()] as Node[],
    }
    let failed = false
    for (const action of reconcileWorkloads(state, this.#random, Date.now())) {
      if (this.#task.stopped) return
      failed = !(await this.#perform(action)) || failed
    }
    clearTimeout(this.#retry)
    if (failed && !this.#task.stopped) this.#retry = setTimeout(() => this.#schedule(), retryMs)
  }

  /** False: it failed, because something changed meanwhile or the API is away; the next pass decides anew. */
  async #perform(action: WorkloadAction): Promise<boolean> {
    const { client, warn } = this.#options
    const object: KubeObject = action.object
    const type = typeOf(object)
    if (type === undefined) return true
    const answer = await request(client, type, action)
    if (answer.ok) return true
    const { kind, message } = answer.error
    if (kind === 'invalid' || kind === 'forbidden')
      warn(`${action.kind} ${object.kind} ${object.metadata.name}: ${message}`)
    return false
  }
}

function request(
  client: KubeClient,
  type: ResourceType,
  { kind, object }: WorkloadAction,
): Promise<ApiResult<unknown>> {
  switch (kind) {
    case 'create':
      return client.create<KubeObject>(type, object)
    case 'delete':
      return client.delete(type, object.metadata, uidOf(object))
    case 'update':
      return client.update<KubeObject>(type, object)
    case 'updateStatus':
      return client.update<KubeObject>(type, object, 'status')
  }
}

function uidOf(object: KubeObject): { uid?: string } {
  return object.metadata.uid === undefined ? {} : { uid: object.metadata.uid }
}
