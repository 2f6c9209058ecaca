/** A tiny API server for the controller's tests: versions, merge patches on condition, and views that lag behind. */
import { equalJson, mergePatch } from '#core/lib/json.ts'
import { rfc3339Seconds } from '#core/lib/time.ts'
import type { Node, Service } from '#core/schema/kubernetes.ts'
import type { KubeObject } from '#core/schema/object.ts'
import { emptySnapshot, type Snapshot } from '#core/schema/snapshot.ts'
import { Controller } from './controller.ts'
import type { ControllerInput, ControllerOutput } from './io.ts'

type WriteOutput = Extract<ControllerOutput, { kind: 'writeStatus' }>

export class FakeApi {
  /** What there is; objects in it are never changed, only replaced. */
  #objects = new Map<string, KubeObject>()
  #versions = 0
  now = Date.UTC(2026, 0, 1)
  readonly events: { object: string; type: string; reason: string; message: string }[] = []
  controller: Controller
  readonly #dialects: string[]
  /** Requests that the server has not seen yet. */
  requests: WriteOutput[] = []
  /** Answers on their way to the controller. */
  answers: ControllerInput[] = []
  /** States that the controller's watch has not shown it yet, oldest first. */
  views: Snapshot[] = []

  constructor(dialects: string[] = ['cilium']) {
    this.#dialects = dialects
    this.controller = new Controller({ dialects })
  }

  /** A new process: what was on its way to the old one is lost, what was on its way to the server is not done. */
  restart(): void {
    this.controller = new Controller({ dialects: this.#dialects })
    this.requests = []
    this.answers = []
    this.views = [this.snapshot()]
  }

  put(object: KubeObject): void {
    const key = keyOf(object)
    const present: (KubeObject & { status?: unknown }) | undefined = this.#objects.get(key)
    this.#versions++
    this.now += 1000
    const metadata = {
      uid: `uid-${this.#versions}`,
      creationTimestamp: rfc3339Seconds(this.now),
      ...present?.metadata,
      ...object.metadata,
      resourceVersion: String(this.#versions),
    }
    const status = present === undefined ? {} : { status: present.status }
    this.#objects.set(key, { ...status, ...object, metadata })
    this.views.push(this.snapshot())
  }

  delete(kind: string, name: string): void {
    for (const [key, object] of this.#objects) {
      if (object.kind === kind && object.metadata.name === name) this.#objects.delete(key)
    }
    this.#versions++
    this.views.push(this.snapshot())
  }

  get(kind: string, name: string): KubeObject | undefined {
    return [...this.#objects.values()].find((object) => object.kind === kind && object.metadata.name === name)
  }

  service(name: string): Service {
    return this.get('Service', name) as Service
  }

  addressesOf(name: string): string[] {
    return (this.service(name).status?.loadBalancer?.ingress ?? []).map(({ ip }) => ip ?? '')
  }

  snapshot(): Snapshot {
    const objects = [...this.#objects.values()]
    return {
      ...emptySnapshot,
      services: objects.filter(({ kind }) => kind === 'Service') as Service[],
      nodes: objects.filter(({ kind }) => kind === 'Node') as Node[],
      custom: objects.filter(({ kind }) => kind !== 'Service' && kind !== 'Node'),
    }
  }

  tell(input: ControllerInput): ControllerOutput[] {
    const outputs = this.controller.handle(input, this.now)
    for (const output of outputs) {
      if (output.kind === 'writeStatus') this.requests.push(output)
      else {
        const { type, reason, message, object } = output
        this.events.push({ object: `${object.kind} ${object.metadata.name}`, type, reason, message })
      }
    }
    return outputs
  }

  /** The server does the oldest request; its answer is on its way. `lost`: done or not, the answer is "unavailable". */
  serve({ lost = false, down = false } = {}): void {
    const request = this.requests.shift()
    if (request === undefined) return
    const result: ControllerInput = down
      ? { kind: 'writeFailed', request: request.request, reason: 'unavailable', message: 'no answer' }
      : this.#perform(request)
    this.answers.push(
      lost
        ? { kind: 'writeFailed', request: request.request, reason: 'unavailable', message: 'no answer' }
        : result,
    )
  }

  answer(): void {
    const answer = this.answers.shift()
    if (answer !== undefined) this.tell(answer)
  }

  /** Shows the next state, or `skip` further ones at once. */
  show(skip = 0): void {
    if (this.views.length === 0) return
    const index = Math.min(skip, this.views.length - 1)
    const snapshot = this.views[index]!
    this.views.splice(0, index + 1)
    this.tell({ kind: 'snapshot', snapshot })
  }

  /** Until nothing is on its way and no deadline is near. */
  settle(): void {
    for (let i = 0; i < 2000; i++) {
      if (this.requests.length > 0) this.serve()
      else if (this.answers.length > 0) this.answer()
      else if (this.views.length > 0) this.show(this.views.length - 1)
      else if (this.controller.nextDeadline() < Infinity) {
        this.now = Math.max(this.now, this.controller.nextDeadline())
        this.tell({ kind: 'tick' })
      } else return
    }
    throw new Error('does not settle')
  }

  #perform({ object, status, request }: WriteOutput): ControllerInput {
    const key = keyOf(object)
    const present = this.#objects.get(key)
    const failed = (reason: 'gone' | 'conflict'): ControllerInput => ({
      kind: 'writeFailed',
      request,
      reason,
      message: reason,
    })
    if (present === undefined || present.metadata.uid !== object.metadata.uid) return failed('gone')
    if (present.metadata.resourceVersion !== object.metadata.resourceVersion) return failed('conflict')
    const patched = mergePatch(present, { status }) as KubeObject
    if (equalJson(patched, present)) return { kind: 'written', request, object: present }
    this.#versions++
    const written = { ...patched, metadata: { ...present.metadata, resourceVersion: String(this.#versions) } }
    this.#objects.set(key, written)
    this.views.push(this.snapshot())
    return { kind: 'written', request, object: written }
  }
}

function keyOf({ kind, metadata }: KubeObject): string {
  return `${kind} ${metadata.namespace ?? ''}/${metadata.name}`
}
