/**
 * What happens after a deletion: dependents of an owner that is gone go too (garbage collection), and a namespace that
 * is being deleted is emptied first. Works on what is stored, so that it goes on where a killed process stopped.
 */
import { ApiError } from './api-error.ts'
import type { Cluster } from './cluster.ts'
import { objectAt, stringsAt, type JsonObject, type Resource } from './json.ts'
import { keyOf } from './resource-type.ts'
import type { Change } from './store.ts'
import { remove, type DeleteOptions, type Target } from './write.ts'

/** Where an object is stored. */
interface Place {
  key: string
  namespace: string
  name: string
}

export class Lifecycle {
  readonly #cluster: Cluster
  /** Objects by the uid of each of their owners. Derived from the store. */
  readonly #dependents = new Map<string, Map<string, Place>>()
  /** All objects by uid: owners that exist. Derived as well. */
  readonly #uids = new Map<string, Place>()
  readonly #queue: (() => void)[] = []
  #scheduled: NodeJS.Immediate | undefined
  #closed = false

  constructor(cluster: Cluster) {
    this.#cluster = cluster
    cluster.store.subscribe((change) => this.#observe(change))
  }

  /** Reads what is stored and finishes what an earlier process left undone. */
  start(): void {
    const { registry, store } = this.#cluster
    const waiting: Change[] = []
    for (const type of registry.all()) {
      for (const object of store.objects(keyOf(type))) {
        this.#index(keyOf(type), object, true)
        if (object.metadata.deletionTimestamp === undefined) continue
        const change = {
          type: 'MODIFIED',
          key: keyOf(type),
          resourceVersion: 0,
          object,
          previous: undefined,
        } as const
        waiting.push(change)
      }
    }
    for (const change of waiting) this.#react(change)
    for (const uid of this.#dependents.keys())
      if (!this.#uids.has(uid)) this.#enqueue(() => this.#collect(uid))
  }

  /** Whether it has done all that the writes so far asked for. */
  get idle(): boolean {
    return this.#scheduled === undefined
  }

  close(): void {
    this.#closed = true
    clearImmediate(this.#scheduled)
  }

  #observe(change: Change): void {
    if (change.previous !== undefined) this.#index(change.key, change.previous, false)
    if (change.type !== 'DELETED') this.#index(change.key, change.object, true)
    this.#react(change)
  }

  #react({ type, key, object }: Change): void {
    const { metadata } = object
    if (type === 'DELETED') {
      this.#enqueue(() => this.#collect(metadata.uid))
      for (const owner of metadata.ownerReferences ?? [])
        this.#enqueue(() => this.#finishForeground(owner.uid))
      if (metadata.namespace !== undefined) this.#enqueue(() => this.#finishNamespace(metadata.namespace!))
      return
    }
    // A new object whose owner is gone already is a dependent of nobody.
    if (type === 'ADDED') {
      for (const { uid } of metadata.ownerReferences ?? []) {
        if (!this.#uids.has(uid)) this.#enqueue(() => this.#collect(uid))
      }
    }
    if (metadata.deletionTimestamp === undefined) return
    if (key === '/namespaces') this.#enqueue(() => this.#emptyNamespace(metadata.name))
    if (metadata.finalizers?.includes('foregroundDeletion')) {
      this.#enqueue(() => this.#collect(metadata.uid, { propagation: 'Foreground' }))
      this.#enqueue(() => this.#finishForeground(metadata.uid))
    }
    if (metadata.finalizers?.includes('orphan')) this.#enqueue(() => this.#orphan(key, object))
  }

  #index(key: string, object: Resource, present: boolean): void {
    const { uid, name, namespace = '', ownerReferences = [] } = object.metadata
    if (present) this.#uids.set(uid, { key, namespace, name })
    else this.#uids.delete(uid)
    for (const owner of ownerReferences) {
      const map = this.#dependents.get(owner.uid) ?? new Map<string, Place>()
      if (present) map.set(`${key}/${namespace}/${name}`, { key, namespace, name })
      else map.delete(`${key}/${namespace}/${name}`)
      if (map.size === 0) this.#dependents.delete(owner.uid)
      else this.#dependents.set(owner.uid, map)
    }
  }

  /** Work is done after the write that caused it was answered, one piece at a time. */
  #enqueue(work: () => void): void {
    this.#queue.push(work)
    this.#scheduled ??= setImmediate(() => this.#run())
  }

  #run(): void {
    this.#scheduled = undefined
    if (this.#closed) return
    this.#queue.shift()?.()
    if (this.#queue.length > 0) this.#scheduled ??= setImmediate(() => this.#run())
  }

  /** Deletes the dependents of `uid` that have no other owner. */
  #collect(uid: string, options: DeleteOptions = {}): void {
    for (const dependent of this.#dependentsOf(uid)) {
      const object = this.#stored(dependent)
      if (object === undefined) continue
      const others = (object.metadata.ownerReferences ?? []).filter((owner) => owner.uid !== uid)
      if (others.some((owner) => this.#uids.has(owner.uid))) {
        this.#put(dependent.key, object, { ownerReferences: others })
      } else this.#delete(dependent, options)
    }
  }

  #orphan(key: string, owner: Resource): void {
    for (const dependent of this.#dependentsOf(owner.metadata.uid)) {
      const object = this.#stored(dependent)
      if (object === undefined) continue
      const rest = (object.metadata.ownerReferences ?? []).filter((one) => one.uid !== owner.metadata.uid)
      this.#put(
        dependent.key,
        object,
        rest.length === 0 ? { ownerReferences: undefined } : { ownerReferences: rest },
      )
    }
    this.#dropFinalizer(key, owner, 'orphan')
  }

  /** An owner that waits for its dependents goes when no dependent is left that blocks it. */
  #finishForeground(uid: string): void {
    const place = this.#uids.get(uid)
    const owner = place === undefined ? undefined : this.#stored(place)
    if (place === undefined || owner?.metadata.finalizers?.includes('foregroundDeletion') !== true) return
    const left = this.#dependentsOf(uid).some((dependent) => {
      const owners = this.#stored(dependent)?.metadata.ownerReferences ?? []
      return owners.some((one) => one.uid === uid && one.blockOwnerDeletion === true)
    })
    if (!left) this.#dropFinalizer(place.key, owner, 'foregroundDeletion')
  }

  #dropFinalizer(key: string, object: Resource, finalizer: string): void {
    const { name, namespace = '' } = object.metadata
    const current = this.#cluster.store.get(key, namespace, name)
    if (current === undefined) return
    const rest = (current.metadata.finalizers ?? []).filter((one) => one !== finalizer)
    if (rest.length === 0 && current.metadata.deletionTimestamp !== undefined)
      this.#cluster.store.remove(key, current)
    else this.#put(key, current, { finalizers: rest })
  }

  #emptyNamespace(namespace: string): void {
    const { registry, store } = this.#cluster
    for (const type of registry.all()) {
      if (!type.namespaced) continue
      for (const { name } of store.list(keyOf(type), namespace))
        this.#delete({ key: keyOf(type), namespace, name }, {})
    }
    this.#finishNamespace(namespace)
  }

  #finishNamespace(name: string): void {
    const { registry, store } = this.#cluster
    const namespace = store.get('/namespaces', '', name)
    if (namespace?.metadata.deletionTimestamp === undefined) return
    const left = registry.all().some((type) => type.namespaced && store.list(keyOf(type), name).length > 0)
    if (left) return
    const finalizers = stringsAt(objectAt(namespace, 'spec'), 'finalizers').filter(
      (one) => one !== 'kubernetes',
    )
    if (finalizers.length === 0 && (namespace.metadata.finalizers ?? []).length === 0)
      store.remove('/namespaces', namespace)
  }

  /** A copy, because what is done to them changes the index. */
  #dependentsOf(uid: string): Place[] {
    return Array.from(this.#dependents.get(uid)?.values() ?? [])
  }

  #stored({ key, namespace, name }: Place): Resource | undefined {
    return this.#cluster.store.get(key, namespace, name)
  }

  #delete(dependent: Place, options: DeleteOptions): void {
    const { key, namespace, name } = dependent
    const type = this.#cluster.registry.get(key)
    const object = this.#stored(dependent)
    if (type === undefined || object === undefined) return
    if (options.propagation === undefined && object.metadata.deletionTimestamp !== undefined) return
    const target: Target = { type, version: type.storageVersion, namespace }
    try {
      remove(this.#cluster, target, name, options)
    } catch (error) {
      // What may not be deleted, such as the namespace `default`, stays, whatever its owner references say.
      if (!(error instanceof ApiError)) throw error
    }
  }

  #put(key: string, previous: Resource, metadata: JsonObject): void {
    const object = structuredClone(previous)
    Object.assign(object.metadata, metadata)
    this.#cluster.store.put(key, object, previous)
  }
}
