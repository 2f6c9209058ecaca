/**
 * A Kubernetes API in memory, on virtual time: objects with resourceVersions, optimistic concurrency, watches that lag
 * behind by kind, outages. It stores what it is told and knows of no resource more than the API server itself does;
 * `workloads.ts` plays the controllers and the kubelet beside it.
 */
import { equalJson, mergePatch } from '#core/lib/json.ts'
import { err, ok, type Result } from '#core/lib/result.ts'
import { rfc3339Seconds } from '#core/lib/time.ts'
import type { KubeObject } from '#core/schema/object.ts'
import { type Snapshot } from '#core/schema/snapshot.ts'
import type { VirtualClock } from './clock.ts'
import { ClusterObserver, type Change, type ObserverOptions } from './cluster-observer.ts'
import { frozenCopy } from './json.ts'
import { snapshotOf } from './snapshot-of.ts'

export interface WriteError {
  reason: 'conflict' | 'gone' | 'invalid' | 'unavailable'
  message: string
}

export type Written = Result<KubeObject, WriteError>

export interface RecordedEvent {
  at: number
  kind: string
  key: string
  type: 'Normal' | 'Warning'
  reason: string
  message: string
}

const unavailable: WriteError = { reason: 'unavailable', message: 'the API server does not answer' }

export class Cluster {
  readonly clock: VirtualClock
  /** What was recorded about objects, oldest first. */
  readonly events: RecordedEvent[] = []
  /** Everything that ever changed, in order. A watch is a position in it. */
  readonly #changes: Change[] = []
  readonly #objects = new Map<string, KubeObject>()
  readonly #observers = new Set<ClusterObserver>()
  readonly #changeListeners = new Set<() => void>()
  readonly #admit: (object: KubeObject) => KubeObject
  #available = true
  #uids = 0

  /** `admit`: what the API server makes of an object that is created. */
  constructor(clock: VirtualClock, admit: (object: KubeObject) => KubeObject = (object) => object) {
    this.clock = clock
    this.#admit = admit
  }

  get available(): boolean {
    return this.#available
  }

  /** While it is not, `writeStatus` fails and watches stand still. `apply` and the like go on: they are the test's own hand. */
  setAvailable(available: boolean): void {
    this.#available = available
    this.#wakeAll()
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
      const created = { uid, generation: 1, creationTimestamp: rfc3339Seconds(this.clock.now()) }
      return this.#store(key, this.#admit({ ...object, metadata: { ...object.metadata, ...created } }))
    }
    return this.#store(key, mergePatch(present, rest) as KubeObject)
  }

  /** Puts `object` in the place of the one whose resourceVersion it has; the status stays. */
  replace(object: KubeObject): Written {
    if (!this.#available) return err(unavailable)
    const key = keyOfObject(object)
    const present = this.#unmodified(object)
    if (!present.ok) return present
    const { status: _status, ...rest } = object as KubeObject & { status?: unknown }
    const { status } = present.value as KubeObject & { status?: unknown }
    return ok(this.#store(key, (status === undefined ? rest : { ...rest, status }) as KubeObject))
  }

  /** Puts the status of `object` in the place of the one of the object whose resourceVersion it has. */
  replaceStatus(object: KubeObject): Written {
    if (!this.#available) return err(unavailable)
    const present = this.#unmodified(object)
    if (!present.ok) return present
    const { status } = object as KubeObject & { status?: unknown }
    return ok(this.#store(keyOfObject(object), { ...present.value, status } as KubeObject))
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
    this.#changed({ at: this.clock.now(), kind, key })
    return true
  }

  /**
   * A status write by a program: a merge patch of `status`, on condition that the object's resourceVersion is still that of
   * `seen`.
   */
  writeStatus(seen: KubeObject, status: Record<string, unknown>): Written {
    if (!this.#available) return err(unavailable)
    const present = this.#unmodified(seen)
    if (!present.ok) return present
    return ok(this.#store(keyOfObject(seen), mergePatch(present.value, { status }) as KubeObject))
  }

  recordEvent(object: KubeObject, type: 'Normal' | 'Warning', reason: string, message: string): void {
    if (!this.#available) return
    const at = this.clock.now()
    this.events.push({ at, kind: object.kind, key: keyOfObject(object), type, reason, message })
  }

  /** Calls `listener` after every change and at the start and end of outages, without any lag. */
  onChange(listener: () => void): void {
    this.#changeListeners.add(listener)
  }

  /** A program that watches the cluster, from now on. */
  observe(options: ObserverOptions): ClusterObserver {
    const observer = new ClusterObserver(this, options, () => this.#observers.delete(observer))
    this.#observers.add(observer)
    observer.wake()
    return observer
  }

  #unmodified(seen: KubeObject): Written {
    const key = keyOfObject(seen)
    const present = this.#objects.get(key)
    if (present === undefined || present.metadata.uid !== seen.metadata.uid) {
      return err({ reason: 'gone', message: `${key} not found` })
    }
    if (present.metadata.resourceVersion !== seen.metadata.resourceVersion) {
      return err({ reason: 'conflict', message: `${key} has been modified` })
    }
    return ok(present)
  }

  #store(key: string, object: KubeObject): KubeObject {
    const present = this.#objects.get(key)
    const unchanged = present !== undefined && equalJson(withoutVersion(present), withoutVersion(object))
    if (unchanged) return present
    const resourceVersion = String(this.#changes.length + 1)
    const generation =
      present !== undefined && !equalJson(specOf(present), specOf(object))
        ? (present.metadata.generation ?? 1) + 1
        : object.metadata.generation
    const metadata = { ...object.metadata, resourceVersion }
    if (generation !== undefined) metadata.generation = generation
    const stored = frozenCopy({ ...object, metadata })
    this.#objects.set(key, stored)
    this.#changed({ at: this.clock.now(), kind: object.kind, key, object: stored })
    return stored
  }

  #changed(change: Change): void {
    this.#changes.push(change)
    this.#wakeAll()
  }

  #wakeAll(): void {
    for (const observer of this.#observers) observer.wake()
    for (const listener of this.#changeListeners) listener()
  }
}

export function keyOfObject({ kind, metadata }: KubeObject): string {
  return keyOf(kind, metadata.namespace, metadata.name)
}

export function keyOf(kind: string, namespace: string | undefined, name: string): string {
  return namespace === undefined ? `${kind} ${name}` : `${kind} ${namespace}/${name}`
}

function withoutVersion({ metadata, ...rest }: KubeObject): unknown {
  const { resourceVersion: _version, ...kept } = metadata
  return { ...rest, metadata: kept }
}

function specOf(object: KubeObject): unknown {
  return (object as { spec?: unknown }).spec
}
