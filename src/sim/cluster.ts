/**
 * A Kubernetes API in memory, on virtual time: objects with resourceVersions, optimistic concurrency, watches that lag
 * behind by kind, outages. It stores what it is told and knows of no resource more than the API server itself does;
 * `workloads.ts` plays the controllers and the kubelet beside it.
 */
import { err, ok, type Result } from '#core/lib/result.ts'
import type { Prng } from '#core/lib/prng.ts'
import type { KubeObject } from '#core/schema/object.ts'
import { type Snapshot } from '#core/schema/snapshot.ts'
import type { VirtualClock } from './clock.ts'
import { ClusterObserver, type ObserverOptions } from './cluster-observer.ts'
import { frozenCopy, mergePatch } from './json.ts'
import { snapshotOf } from './snapshot-of.ts'

export interface WriteError {
  reason: 'conflict' | 'gone' | 'invalid' | 'unavailable'
  message: string
}

export type Written = Result<KubeObject, WriteError>

/** One change of one object. `object` absent: it was deleted. */
export interface Change {
  kind: string
  key: string
  object?: KubeObject
}

export interface RecordedEvent {
  at: number
  kind: string
  key: string
  type: 'Normal' | 'Warning'
  reason: string
  message: string
}

export class Cluster {
  readonly clock: VirtualClock
  readonly random: Prng
  /** What was recorded about objects, oldest first. */
  readonly events: RecordedEvent[] = []
  /** Everything that ever changed, in order. A watch is a position in it. */
  readonly #changes: Change[] = []
  readonly #objects = new Map<string, KubeObject>()
  readonly #observers = new Set<ClusterObserver>()
  #available = true
  #uids = 0

  constructor(clock: VirtualClock, random: Prng) {
    this.clock = clock
    this.random = random
  }

  get available(): boolean {
    return this.#available
  }

  /** While it is not, writes by {@link Writer}s fail and watches stand still. `create` and the like go on: they are the user's. */
  setAvailable(available: boolean): void {
    this.#available = available
    for (const observer of this.#observers) observer.wake()
  }

  get changes(): readonly Change[] {
    return this.#changes
  }

  get(kind: string, namespace: string | undefined, name: string): KubeObject | undefined {
    return this.#objects.get(keyOf(kind, namespace, name))
  }

  /** In order of creation. */
  list<T extends KubeObject = KubeObject>(kind: string): T[] {
    return [...this.#objects.values()].filter((object) => object.kind === kind) as T[]
  }

  /** All that there is, as a snapshot without any lag. */
  truth(): Snapshot {
    return snapshotOf(this.#objects.values())
  }

  /** `kubectl apply`: creates the object, or lays its fields over the present ones. Its status is ignored. */
  apply(object: KubeObject): KubeObject {
    const key = keyOfObject(object)
    const present = this.#objects.get(key)
    const { status: _status, ...rest } = object as KubeObject & { status?: unknown }
    if (present === undefined) {
      const uid = `00000000-0000-4000-8000-${(++this.#uids).toString(16).padStart(12, '0')}`
      const created = { uid, generation: 1, creationTimestamp: rfc3339(this.clock.now()) }
      return this.#store(key, { ...object, metadata: { ...object.metadata, ...created } })
    }
    return this.#store(key, mergePatch(present, rest) as KubeObject)
  }

  /** JSON merge patch (RFC 7386) of an object that exists. */
  patch(kind: string, namespace: string | undefined, name: string, patch: Record<string, unknown>): Written {
    const key = keyOf(kind, namespace, name)
    const present = this.#objects.get(key)
    if (present === undefined) return err({ reason: 'gone', message: `${kind} ${name} not found` })
    return ok(this.#store(key, mergePatch(present, patch) as KubeObject))
  }

  delete(kind: string, namespace: string | undefined, name: string): boolean {
    const key = keyOf(kind, namespace, name)
    if (!this.#objects.delete(key)) return false
    this.#changed({ kind, key })
    return true
  }

  /**
   * A status write by a program: a merge patch of `status`, on condition that the object's resourceVersion is still that of
   * `seen`.
   */
  writeStatus(seen: KubeObject, status: Record<string, unknown>): Written {
    if (!this.#available) return err({ reason: 'unavailable', message: 'the API server does not answer' })
    const key = keyOfObject(seen)
    const present = this.#objects.get(key)
    if (present === undefined || present.metadata.uid !== seen.metadata.uid) {
      return err({ reason: 'gone', message: `${key} not found` })
    }
    if (present.metadata.resourceVersion !== seen.metadata.resourceVersion) {
      return err({ reason: 'conflict', message: `${key} has been modified` })
    }
    return ok(this.#store(key, mergePatch(present, { status }) as KubeObject))
  }

  recordEvent(object: KubeObject, type: 'Normal' | 'Warning', reason: string, message: string): void {
    if (!this.#available) return
    const at = this.clock.now()
    this.events.push({ at, kind: object.kind, key: keyOfObject(object), type, reason, message })
  }

  /** A program that watches the cluster, from now on. */
  observe(options: ObserverOptions): ClusterObserver {
    const observer = new ClusterObserver(this, options, () => this.#observers.delete(observer))
    this.#observers.add(observer)
    observer.wake()
    return observer
  }

  #store(key: string, object: KubeObject): KubeObject {
    const present = this.#objects.get(key)
    const unchanged =
      present !== undefined &&
      JSON.stringify(withoutVersion(present)) === JSON.stringify(withoutVersion(object))
    if (unchanged) return present
    const resourceVersion = String(this.#changes.length + 1)
    const generation =
      present !== undefined && JSON.stringify(specOf(present)) !== JSON.stringify(specOf(object))
        ? (present.metadata.generation ?? 1) + 1
        : object.metadata.generation
    const metadata = { ...object.metadata, resourceVersion }
    if (generation !== undefined) metadata.generation = generation
    const stored = frozenCopy({ ...object, metadata })
    this.#objects.set(key, stored)
    this.#changed({ kind: object.kind, key, object: stored })
    return stored
  }

  #changed(change: Change): void {
    this.#changes.push(change)
    for (const observer of this.#observers) observer.wake()
  }
}

export function keyOfObject({ kind, metadata }: KubeObject): string {
  return keyOf(kind, metadata.namespace, metadata.name)
}

export function keyOf(kind: string, namespace: string | undefined, name: string): string {
  return namespace === undefined ? `${kind} ${name}` : `${kind} ${namespace}/${name}`
}

/** As the API server writes times: whole seconds. */
export function rfc3339(ms: number): string {
  return new Date(ms).toISOString().replace(/\.\d+Z$/, 'Z')
}

function withoutVersion({ metadata, ...rest }: KubeObject): unknown {
  const { resourceVersion: _version, ...kept } = metadata
  return { ...rest, metadata: kept }
}

function specOf(object: KubeObject): unknown {
  return (object as { spec?: unknown }).spec
}
