/**
 * Keeps a copy of one collection: list, then watch from the list's resourceVersion, for ever. While the server is away
 * the copy stays as it was; afterwards the watch goes on where it stopped, or a new list is compared with the copy.
 */
import type { KubeObject } from '#core/schema/object.ts'
import type { ApiError } from './api-error.ts'
import { Backoff } from './backoff.ts'
import type { KubeClient, WatchEvent } from './client.ts'
import type { ResourceType } from './resource.ts'

export interface ReflectorOptions {
  client: KubeClient
  type: ResourceType
  namespace?: string
  labelSelector?: string
  fieldSelector?: string
  /** Go on without these objects, as if there were none, if one may not read them. */
  optional?: boolean
  /** The copy changed, or was filled for the first time. Called synchronously, once per event or list. */
  changed(): void
  /** The server answers (again) or does not. For logs and for telling other reflectors. */
  connected?(): void
  failed?(error: ApiError, retryMs: number): void
  /** Absent: {@link defaultReflectorTimes}. */
  times?: Partial<ReflectorTimes>
}

export interface ReflectorTimes {
  /** First wait after a failure. */
  retryFirstMs: number
  /** Longest wait while nothing listens at the server's address: a cheap thing to try. */
  retryUnreachableMaxMs: number
  /** Longest wait while the server answers with errors: it may be overloaded. */
  retryRefusedMaxMs: number
  /** Longest wait for a type that the server does not know yet. */
  retryAbsentMaxMs: number
  /** A type with objects must be unknown for so long before they count as gone: a starting server may not know it yet. */
  absentGraceMs: number
  /** The server is asked to end watches after this, up to twice as long. */
  watchSeconds: number
}

export const defaultReflectorTimes: ReflectorTimes = {
  retryFirstMs: 50,
  retryUnreachableMaxMs: 1_000,
  retryRefusedMaxMs: 30_000,
  retryAbsentMaxMs: 10_000,
  absentGraceMs: 5_000,
  watchSeconds: 300,
}

export class Reflector {
  readonly type: ResourceType
  readonly #options: ReflectorOptions
  readonly #times: ReflectorTimes
  readonly #objects = new Map<string, KubeObject>()
  readonly #stop = new AbortController()
  readonly #backoff: Backoff
  #synced = false
  #absentSince: number | undefined
  /** To watch from; absent: list first. */
  #resourceVersion: string | undefined
  #retryTimer: NodeJS.Timeout | undefined
  #started = false

  constructor(options: ReflectorOptions) {
    this.type = options.type
    this.#options = options
    this.#times = { ...defaultReflectorTimes, ...options.times }
    this.#backoff = new Backoff({
      firstMs: this.#times.retryFirstMs,
      maxMs: this.#times.retryUnreachableMaxMs,
    })
  }

  /** Whether the copy has been filled once: from a list, or because the server does not know the type. */
  get synced(): boolean {
    return this.#synced
  }

  /** The copy, in no order. Objects are replaced, never changed; their managedFields are left out. */
  get objects(): ReadonlyMap<string, KubeObject> {
    return this.#objects
  }

  start(): void {
    if (this.#started) return
    this.#started = true
    // Any version will do at first: the watch brings it up to date.
    void this.#list('0')
  }

  stop(): void {
    this.#stop.abort()
    clearTimeout(this.#retryTimer)
  }

  /** If it waits to try again: try now. */
  retryNow(): void {
    if (this.#retryTimer === undefined || this.#stop.signal.aborted) return
    clearTimeout(this.#retryTimer)
    this.#retryTimer = undefined
    this.#resume()
  }

  /** The type was removed from the server: its objects are gone without waiting for the grace time. */
  typeRemoved(): void {
    this.#resourceVersion = undefined
    this.#clear()
  }

  #resume(): void {
    if (this.#resourceVersion === undefined) void this.#list()
    else void this.#watch(this.#resourceVersion)
  }

  async #list(resourceVersion?: string): Promise<void> {
    const { client, namespace, labelSelector, fieldSelector } = this.#options
    const scope = {
      ...(namespace === undefined ? {} : { namespace }),
      ...(labelSelector === undefined ? {} : { labelSelector }),
      ...(fieldSelector === undefined ? {} : { fieldSelector }),
    }
    const listed = await client.list(this.type, {
      ...scope,
      ...(resourceVersion === undefined ? {} : { resourceVersion }),
    })
    if (this.#stop.signal.aborted) return
    if (!listed.ok) {
      if (listed.error.kind === 'notFound') return this.#absent(listed.error)
      if (listed.error.kind === 'forbidden' && this.#options.optional === true && !this.#synced) this.#clear()
      return this.#retryAfter(listed.error)
    }
    this.#absentSince = undefined
    this.#resourceVersion = listed.value.resourceVersion
    this.#backoff.reset()
    this.#options.connected?.()
    this.#replace(listed.value.items)
    void this.#watch(listed.value.resourceVersion)
  }

  async #watch(resourceVersion: string): Promise<void> {
    const { client, namespace, labelSelector, fieldSelector } = this.#options
    const openedAt = { ms: Infinity }
    const timeoutSeconds = Math.round(this.#times.watchSeconds * (1 + Math.random()))
    await client.watch(
      this.type,
      {
        resourceVersion,
        timeoutSeconds,
        ...(namespace === undefined ? {} : { namespace }),
        ...(labelSelector === undefined ? {} : { labelSelector }),
        ...(fieldSelector === undefined ? {} : { fieldSelector }),
      },
      {
        opened: () => {
          openedAt.ms = Date.now()
          this.#options.connected?.()
        },
        event: (event) => this.#event(event),
        closed: (error) => {
          if (error?.kind === 'gone' || error?.kind === 'notFound') {
            this.#resourceVersion = undefined
            return void this.#list()
          }
          // A watch that lived for a while is not one more failure in a row.
          if (Date.now() - openedAt.ms > 1_000) this.#backoff.reset()
          if (error === undefined) this.#wait(this.#times.retryFirstMs)
          else this.#retryAfter(error)
        },
      },
      this.#stop.signal,
    )
  }

  #event(event: WatchEvent): void {
    if (event.type === 'ERROR') {
      // Usually 410: the copy must be compared with a new list. `closed` follows as the server ends the watch.
      this.#resourceVersion = undefined
      return
    }
    const { object } = event
    if (this.#resourceVersion !== undefined) this.#resourceVersion = object.metadata.resourceVersion
    if (event.type === 'BOOKMARK') return
    const key = keyOf(object)
    if (event.type === 'DELETED') {
      if (!this.#objects.delete(key)) return
    } else {
      const known = this.#objects.get(key)
      if (known !== undefined && sameVersion(known, object)) return
      this.#objects.set(key, stripped(object))
    }
    this.#options.changed()
  }

  /** Makes the copy equal to a list and says so if that changed anything. */
  #replace(items: KubeObject[]): void {
    let changed = !this.#synced
    const left = new Set(this.#objects.keys())
    for (const item of items) {
      const key = keyOf(item)
      left.delete(key)
      const known = this.#objects.get(key)
      if (known !== undefined && sameVersion(known, item)) continue
      this.#objects.set(key, stripped(item))
      changed = true
    }
    for (const key of left) {
      this.#objects.delete(key)
      changed = true
    }
    this.#synced = true
    if (changed) this.#options.changed()
  }

  #absent(error: ApiError): void {
    const now = Date.now()
    this.#absentSince ??= now
    this.#resourceVersion = undefined
    if (this.#objects.size === 0 || now - this.#absentSince >= this.#times.absentGraceMs) this.#clear()
    const retryMs = this.#backoff.next(this.#times.retryAbsentMaxMs)
    this.#options.failed?.(error, retryMs)
    this.#wait(retryMs)
  }

  #clear(): void {
    const changed = !this.#synced || this.#objects.size > 0
    this.#objects.clear()
    this.#synced = true
    if (changed) this.#options.changed()
  }

  #retryAfter(error: ApiError): void {
    const unreachable = error.kind === 'unavailable' && error.status === 0
    const { retryUnreachableMaxMs, retryRefusedMaxMs } = this.#times
    const step = this.#backoff.next(unreachable ? retryUnreachableMaxMs : retryRefusedMaxMs)
    const retryMs = Math.max(step, error.retryAfterMs ?? 0)
    this.#options.failed?.(error, retryMs)
    this.#wait(retryMs)
  }

  #wait(ms: number): void {
    if (this.#stop.signal.aborted) return
    this.#retryTimer = setTimeout(() => {
      this.#retryTimer = undefined
      this.#resume()
    }, ms)
  }
}

function keyOf(object: KubeObject): string {
  return `${object.metadata.namespace ?? ''}/${object.metadata.name}`
}

/** The same object in the same version. A deleted and recreated one has another resourceVersion, too. */
function sameVersion(a: KubeObject, b: KubeObject): boolean {
  return a.metadata.resourceVersion !== undefined && a.metadata.resourceVersion === b.metadata.resourceVersion
}

/** managedFields are often the greater part of an object, and nothing here reads them. */
function stripped(object: KubeObject): KubeObject {
  delete object.metadata.managedFields
  return object
}
