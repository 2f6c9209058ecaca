/**
 * Writes the status of this node's NodeState, at most once in a while and only when it says something new. While the
 * API server is away the newest state waits. Nothing depends on it but what people see.
 */
import type { NodeState, NodeStateStatus } from '#core/schema/node-state.ts'
import type { OwnerReference } from '#core/schema/object.ts'
import type { ApiError } from '#kube/client/api-error.ts'
import { Backoff } from '#kube/client/backoff.ts'
import type { KubeClient } from '#kube/client/client.ts'
import { apiVersionOf, resourceTypes } from '#kube/client/resource.ts'

export interface NodeStateWriterOptions {
  client: KubeClient
  node: string
  /** What to write, without the time. */
  status(): NodeStateStatus
  /** The Node, so that the state goes when it goes. */
  owner(): OwnerReference | undefined
  /** Between two writes, ms. */
  intervalMs?: number
  /** Once per outage. */
  failed?(error: ApiError): void
}

const type = resourceTypes.nodeStates

export class NodeStateWriter {
  readonly #options: NodeStateWriterOptions
  readonly #intervalMs: number
  readonly #backoff: Backoff
  #written: string | undefined
  #lastAt = -Infinity
  #timer: NodeJS.Timeout | undefined
  #writing: Promise<void> | undefined
  #failing = false
  #stopped = false

  constructor(options: NodeStateWriterOptions) {
    this.#options = options
    this.#intervalMs = options.intervalMs ?? 1_000
    this.#backoff = new Backoff({ firstMs: 500, maxMs: 10_000 })
  }

  /** The state may have changed: write it soon. */
  changed(): void {
    if (this.#stopped || this.#timer !== undefined || this.#writing !== undefined) return
    const dueMs = Math.max(20, this.#lastAt + this.#intervalMs - performance.now())
    this.#timer = setTimeout(() => this.#start(), dueMs)
  }

  /** Writes the last state, if the API server takes it at once. */
  async stop(): Promise<void> {
    clearTimeout(this.#timer)
    this.#timer = undefined
    await this.#writing
    if (!this.#failing) await this.#writeOnce()
    this.#stopped = true
    clearTimeout(this.#timer)
  }

  #start(): void {
    this.#timer = undefined
    if (!this.#stopped) this.#writing = this.#write()
  }

  async #write(): Promise<void> {
    const error = await this.#writeOnce()
    this.#writing = undefined
    if (error === undefined) {
      this.#failing = false
      this.#backoff.reset()
      // What changed meanwhile.
      if (JSON.stringify(this.#options.status()) !== this.#written) this.changed()
      return
    }
    if (!this.#failing) this.#options.failed?.(error)
    this.#failing = true
    if (!this.#stopped) this.#timer = setTimeout(() => this.#start(), this.#backoff.next())
  }

  async #writeOnce(): Promise<ApiError | undefined> {
    const status = this.#options.status()
    const text = JSON.stringify(status)
    if (text === this.#written) return undefined
    this.#lastAt = performance.now()
    const { client, node } = this.#options
    const patch = { status: { ...status, observedAt: new Date().toISOString() } }
    const patched = await client.patch(type, { name: node }, patch, { subresource: 'status' })
    let error = patched.ok ? undefined : patched.error
    if (error?.kind === 'notFound') {
      const owner = this.#options.owner()
      const created = await client.create<NodeState>(type, {
        apiVersion: apiVersionOf(type),
        kind: 'NodeState',
        metadata: { name: node, ...(owner === undefined ? {} : { ownerReferences: [owner] }) },
      })
      if (!created.ok && created.error.kind !== 'alreadyExists') return created.error
      const again = await client.patch(type, { name: node }, patch, { subresource: 'status' })
      error = again.ok ? undefined : again.error
    }
    if (error === undefined) this.#written = text
    return error
  }
}
