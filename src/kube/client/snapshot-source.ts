/**
 * Observes a cluster and hands out {@link Snapshot}s: the first once every kind has been listed, then one per turn of
 * the event loop in which something changed. Nothing is delayed beyond the end of the turn.
 */
import type { EndpointSlice, Namespace, Node, Secret, Service } from '#core/schema/kubernetes.ts'
import type { KubeObject } from '#core/schema/object.ts'
import type { Snapshot } from '#core/schema/snapshot.ts'
import type { ApiError } from './api-error.ts'
import type { KubeClient } from './client.ts'
import { Reflector, type ReflectorTimes } from './reflector.ts'
import {
  collectionPath,
  customResources,
  resourceName,
  resourceTypes,
  type ResourceType,
} from './resource.ts'

export interface SnapshotSourceOptions {
  client: KubeClient
  /** Dialects whose resources are observed beside the native ones: `cilium`. */
  dialects: readonly string[]
  /** Which Secrets are read; absent: none. Where one may not read them it goes on without. */
  secrets?: { namespace?: string; fieldSelector?: string }
  snapshot(snapshot: Snapshot): void
  /** The server went away or refuses; once per outage and kind, then `recovered`. */
  failed?(resource: string, error: ApiError): void
  recovered?(resource: string): void
  times?: Partial<ReflectorTimes>
}

export class SnapshotSource {
  readonly #options: SnapshotSourceOptions
  /** By {@link collectionPath}. */
  readonly #reflectors = new Map<string, Reflector>()
  readonly #custom: readonly ResourceType[]
  readonly #definitions: Reflector
  readonly #arrays = new Map<string, KubeObject[]>()
  readonly #failing = new Set<string>()
  #definedTypes = new Set<string>()
  #scheduled: NodeJS.Immediate | undefined
  #stopped = false

  constructor(options: SnapshotSourceOptions) {
    this.#options = options
    this.#custom = customResources(options.dialects)
    const types = [...builtInTypes(options), ...this.#custom]
    for (const type of types) this.#reflectors.set(collectionPath(type), this.#reflect(type))
    this.#definitions = this.#reflect(resourceTypes.customResourceDefinitions)
  }

  start(): void {
    for (const reflector of this.#all()) reflector.start()
  }

  stop(): void {
    this.#stopped = true
    for (const reflector of this.#all()) reflector.stop()
    if (this.#scheduled !== undefined) clearImmediate(this.#scheduled)
  }

  /** Whether a snapshot has been, or could be, handed out. */
  get synced(): boolean {
    return [...this.#reflectors.values()].every((reflector) => reflector.synced)
  }

  /** Kinds that have not been listed yet. */
  get waitingFor(): string[] {
    return [...this.#reflectors.values()].flatMap(({ type, synced }) => (synced ? [] : resourceName(type)))
  }

  #all(): Reflector[] {
    return [...this.#reflectors.values(), this.#definitions]
  }

  #reflect(type: ResourceType): Reflector {
    const { client, secrets, times } = this.#options
    const name = resourceName(type)
    const definitions = type === resourceTypes.customResourceDefinitions
    return new Reflector({
      client,
      type,
      ...(type === resourceTypes.secrets ? { ...secrets, optional: true } : {}),
      ...(times === undefined ? {} : { times }),
      changed: () => (definitions ? this.#definitionsChanged() : this.#changed(type)),
      connected: () => {
        if (this.#failing.delete(name)) {
          this.#options.recovered?.(name)
          // The server is back for all.
          for (const reflector of this.#all()) reflector.retryNow()
        }
      },
      failed: (error) => {
        // A custom resource whose definition is not installed is nothing to complain about.
        if (error.kind === 'notFound' || this.#failing.has(name)) return
        this.#failing.add(name)
        this.#options.failed?.(name, error)
      },
    })
  }

  /** A kind becomes readable as soon as its definition is there, and is known to be gone when that is removed. */
  #definitionsChanged(): void {
    const defined = new Set<string>()
    for (const definition of this.#definitions.objects.values())
      for (const name of servedResources(definition)) defined.add(name)
    for (const [name, reflector] of this.#reflectors) {
      if (defined.has(name) && !this.#definedTypes.has(name)) reflector.retryNow()
      if (!defined.has(name) && this.#definedTypes.has(name)) reflector.typeRemoved()
    }
    this.#definedTypes = defined
  }

  #changed(type: ResourceType): void {
    this.#arrays.delete(collectionPath(type))
    if (this.#stopped || this.#scheduled !== undefined || !this.synced) return
    // After the poll phase: what other watches received in the same turn is in the same snapshot.
    this.#scheduled = setImmediate(() => {
      this.#scheduled = undefined
      this.#options.snapshot(this.#snapshot())
    })
  }

  #snapshot(): Snapshot {
    return {
      nodes: this.#array(resourceTypes.nodes) as Node[],
      services: this.#array(resourceTypes.services) as Service[],
      endpointSlices: this.#array(resourceTypes.endpointSlices) as EndpointSlice[],
      namespaces: this.#array(resourceTypes.namespaces) as Namespace[],
      secrets: this.#array(resourceTypes.secrets) as Secret[],
      custom: this.#custom.flatMap((type) => this.#array(type)),
    }
  }

  /** The objects of one type; the same array until one of them changes. */
  #array(type: ResourceType): KubeObject[] {
    const name = collectionPath(type)
    const known = this.#arrays.get(name)
    if (known !== undefined) return known
    const array = [...(this.#reflectors.get(name)?.objects.values() ?? [])]
    this.#arrays.set(name, array)
    return array
  }
}

function builtInTypes(options: SnapshotSourceOptions): ResourceType[] {
  const { nodes, services, endpointSlices, namespaces, secrets } = resourceTypes
  return [nodes, services, endpointSlices, namespaces, ...(options.secrets === undefined ? [] : [secrets])]
}

interface Definition extends KubeObject {
  spec?: { group?: string; names?: { plural?: string }; versions?: { name: string; served?: boolean }[] }
  status?: { conditions?: { type: string; status: string }[] }
}

/** Paths of the collections that an established CustomResourceDefinition makes. */
function servedResources(definition: Definition): string[] {
  const { spec, status } = definition
  const established = (status?.conditions ?? []).some(
    (condition) => condition.type === 'Established' && condition.status === 'True',
  )
  if (!established) return []
  return (spec?.versions ?? []).flatMap(({ name: version, served }) =>
    served === false ? [] : `/apis/${spec?.group}/${version}/${spec?.names?.plural}`,
  )
}
