/** What the server knows of one resource: a row of its registry, for built-in resources and custom ones alike. */
import type { Cause } from './api-error.ts'
import type { Json, JsonObject, Resource } from './json.ts'

export interface ResourceType {
  /** '' for the core group. */
  group: string
  /** Served versions, the preferred one first. */
  versions: string[]
  /** The version that objects are stored in; all versions have the same fields (conversion None). */
  storageVersion: string
  kind: string
  listKind: string
  plural: string
  singular: string
  shortNames: string[]
  categories: string[]
  namespaced: boolean
  status: boolean
  scale?: ScalePaths
  /** Whether metadata.generation counts changes outside metadata and status. */
  generation: boolean
  strategy: Strategy
  columns: (version: string) => Column[]
  /** Schema of the objects in this version; absent: any fields. */
  schema?: (version: string) => JsonObject | undefined
  /** True for rows that a CustomResourceDefinition added. */
  custom: boolean
}

/** Paths as field names: `['spec', 'replicas']`. */
export interface ScalePaths {
  spec: string[]
  status: string[]
  /** Where the label selector is: an object (built-in) or its text (custom). */
  selector?: string[]
}

/** A column of the table form. `priority` 0: always shown; more: only in wide output. */
export interface Column {
  name: string
  type: 'string' | 'integer' | 'number' | 'boolean' | 'date'
  format?: string
  description: string
  priority: number
  cell: (object: Resource) => Json
}

/** What is peculiar to a resource. All hooks are pure but for what they change in `object`. */
export interface Strategy {
  /** Fill in what the user left out. Runs before `prepare`, on create and update. */
  defaults?: (object: Resource) => void
  /**
   * Set what only the server may set (allocations, phases), and put back what an update may not touch. `previous`:
   * the stored object when this is an update.
   */
  prepare?: (object: Resource, previous: Resource | undefined) => Cause[]
  validate?: (object: Resource, previous: Resource | undefined) => Cause[]
  /** A status that a new object starts with; absent: none, and what the user sent is dropped. */
  initialStatus?: (object: Resource) => JsonObject | undefined
  /** Values for field selectors beside metadata.name and metadata.namespace. */
  fields?: (object: Resource) => Record<string, string>
  /** Whether `name` may be used; default: DNS subdomain (RFC 1123). */
  nameForm?: 'subdomain' | 'label' | 'label1035'
  /**
   * Merge keys of lists by their path without indices (`spec.template.spec.containers`); the first key is the one
   * of strategic merge patch, all together those of server-side apply. An empty array: a set of plain values.
   */
  mergeKeys?: Record<string, string[]>
}

/** `group/plural`: the key of a resource in registry and store. */
export function keyOf(type: { group: string; plural: string }): string {
  return `${type.group}/${type.plural}`
}

/** `apps/v1`, or `v1` in the core group. */
export function apiVersionOf(group: string, version: string): string {
  return group === '' ? version : `${group}/${version}`
}

/** A row with what most rows have; `given` says the rest. */
export function resourceType(
  given: Pick<ResourceType, 'group' | 'kind' | 'plural' | 'namespaced'> & Partial<ResourceType>,
): ResourceType {
  const versions = given.versions ?? ['v1']
  return {
    versions,
    storageVersion: versions[0]!,
    listKind: `${given.kind}List`,
    singular: given.kind.toLowerCase(),
    shortNames: [],
    categories: [],
    status: false,
    generation: false,
    strategy: {},
    columns: () => [nameColumn, ageColumn],
    custom: false,
    ...given,
  }
}

export const nameColumn: Column = {
  name: 'Name',
  type: 'string',
  format: 'name',
  description: 'Name must be unique within a namespace',
  priority: 0,
  cell: (object) => object.metadata.name,
}

export const ageColumn: Column = {
  name: 'Age',
  type: 'string',
  description: 'Time since the object was created',
  priority: 0,
  cell: (object) => showAge(object.metadata.creationTimestamp),
}

/** A column of text; `wide`: only in wide output. */
export function column(name: string, cell: (object: Resource) => Json, wide = false): Column {
  return { name, type: 'string', description: name, priority: wide ? 1 : 0, cell }
}

/** Time since `timestamp` (RFC 3339) as `kubectl` shows it: `<unknown>`, `45s`, `5m30s`, `3h`, `12d`. */
export function showAge(timestamp: string | undefined, now = Date.now()): string {
  const at = timestamp === undefined ? Number.NaN : Date.parse(timestamp)
  if (Number.isNaN(at)) return '<unknown>'
  const seconds = Math.floor((now - at) / 1000)
  if (seconds < -1) return '<invalid>'
  if (seconds < 0) return '0s'
  if (seconds < 120) return `${seconds}s`
  const minutes = Math.floor(seconds / 60)
  if (minutes < 10) return seconds % 60 === 0 ? `${minutes}m` : `${minutes}m${seconds % 60}s`
  if (minutes < 180) return `${minutes}m`
  const hours = Math.floor(minutes / 60)
  if (hours < 8) return minutes % 60 === 0 ? `${hours}h` : `${hours}h${minutes % 60}m`
  if (hours < 48) return `${hours}h`
  const days = Math.floor(hours / 24)
  if (hours < 192) return hours % 24 === 0 ? `${days}d` : `${days}d${hours % 24}h`
  if (days < 730) return `${days}d`
  const years = Math.floor(days / 365)
  return years < 8 && days % 365 !== 0 ? `${years}y${days % 365}d` : `${years}y`
}
