/** JSON values as the server handles them: objects of any kind pass through it with fields that it does not know. */
import type { OwnerReference } from '#core/schema/object.ts'

export type Json = null | boolean | number | string | Json[] | JsonObject
export interface JsonObject {
  [key: string]: Json | undefined
}

export interface Metadata extends JsonObject {
  name: string
  namespace?: string
  generateName?: string
  uid: string
  resourceVersion: string
  generation?: number
  /** RFC 3339, whole seconds. */
  creationTimestamp: string
  deletionTimestamp?: string
  deletionGracePeriodSeconds?: number
  labels?: Record<string, string>
  annotations?: Record<string, string>
  finalizers?: string[]
  ownerReferences?: (OwnerReference & JsonObject)[]
  managedFields?: JsonObject[]
}

/** An object as the store keeps it. */
export interface Resource extends JsonObject {
  apiVersion: string
  kind: string
  metadata: Metadata
}

export function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** The object at `key`, or an empty one that is not stored. */
export function objectAt(object: JsonObject | undefined, key: string): JsonObject {
  const value = object?.[key]
  return isObject(value) ? value : {}
}

/** The object at `key`, made if it is missing. */
export function ensureObject(object: JsonObject, key: string): JsonObject {
  const value = object[key]
  if (isObject(value)) return value
  const made: JsonObject = {}
  object[key] = made
  return made
}

export function listAt(object: JsonObject | undefined, key: string): Json[] {
  const value = object?.[key]
  return Array.isArray(value) ? value : []
}

/** The objects in the list at `key`; what is not an object is left out. */
export function objectsAt(object: JsonObject | undefined, key: string): JsonObject[] {
  return listAt(object, key).filter(isObject)
}

export function stringAt(object: JsonObject | undefined, key: string): string {
  const value = object?.[key]
  return typeof value === 'string' ? value : ''
}

export function stringsAt(object: JsonObject | undefined, key: string): string[] {
  return listAt(object, key).filter((value) => typeof value === 'string')
}

export function numberAt(object: JsonObject | undefined, key: string): number | undefined {
  const value = object?.[key]
  return typeof value === 'number' ? value : undefined
}

/** The value at a path of plain field names. */
export function valueAt(value: Json | undefined, path: readonly string[]): Json | undefined {
  let at: Json | undefined = value
  for (const key of path) {
    if (!isObject(at)) return undefined
    at = at[key]
  }
  return at
}

export function setAt(object: JsonObject, path: readonly string[], value: Json): void {
  let at = object
  for (const key of path.slice(0, -1)) at = ensureObject(at, key)
  at[path.at(-1)!] = value
}

/** A value as a cell or message shows it: text as it is, anything else as JSON, nothing for undefined. */
export function show(value: Json | undefined): string {
  if (value === undefined) return ''
  return typeof value === 'string' ? value : JSON.stringify(value)
}
