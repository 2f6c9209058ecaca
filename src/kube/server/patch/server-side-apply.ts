/**
 * Server-side apply: every manager's last applied fields are kept in metadata.managedFields (FieldsV1), so that a
 * field that it no longer applies goes, unless another manager applies it as well, and a field that two managers want
 * to differ is a conflict.
 *
 * Deviation from the real server: fields written by create, update and patch are not tracked; they belong to nobody.
 */
import { equalJson } from '#core/lib/json.ts'
import { compareText } from '#core/lib/order.ts'
import { ApiError, badRequest } from '../api-error.ts'
import { timestamp, type Cluster } from '../cluster.ts'
import { isObject, type Json, type JsonObject, type Resource, show } from '../json.ts'
import { keyOf } from '../resource-type.ts'
import { asVersion, create, update, type Part, type Target, type WriteOptions } from '../write.ts'
import { metadataMergeKeys, type MergeKeys } from './strategic-merge.ts'

export interface ApplyOptions {
  fieldManager?: string
  /** Take fields over from other managers. */
  force?: boolean
}

export function applyObject(
  cluster: Cluster,
  target: Target,
  name: string,
  applied: Json,
  part: Part,
  options: WriteOptions & ApplyOptions,
): { object: Resource; created: boolean } {
  const { type, namespace } = target
  const manager = options.fieldManager ?? ''
  if (manager === '')
    throw badRequest(
      'PatchOptions.meta.k8s.io "" is invalid: fieldManager: Required value: is required for apply patch',
    )
  if (!isObject(applied)) throw badRequest('the body of the request is not an object')
  const metadata = isObject(applied['metadata']) ? applied['metadata'] : {}
  if (metadata['managedFields'] !== undefined && metadata['managedFields'] !== null)
    throw badRequest('metadata.managedFields must be nil')
  const keys = { ...metadataMergeKeys, ...type.strategy.mergeKeys }
  const fields = fieldsOf(withoutIdentity(applied), '', keys)
  const entry: JsonObject = {
    manager,
    operation: 'Apply',
    apiVersion: typeof applied['apiVersion'] === 'string' ? applied['apiVersion'] : '',
    time: timestamp(),
    fieldsType: 'FieldsV1',
    fieldsV1: fields,
    ...(part === 'status' ? { subresource: 'status' } : {}),
  }
  const stored = cluster.store.get(keyOf(type), namespace, name)
  if (stored === undefined) {
    const object = { ...applied, metadata: { ...metadata, name, managedFields: [entry] } }
    return { object: create(cluster, target, object, options), created: true }
  }

  const live = asVersion(stored, target)
  const entries = (live.metadata.managedFields ?? []).filter(isObject)
  const mine = entries.find((one) => isEntryOf(one, manager, part))
  const others = entries.filter((one) => one !== mine && one['operation'] === 'Apply')
  const conflicts = others.flatMap((other) => {
    const paths = conflictsWith(fields, fieldsIn(other), live, applied, '', keys)
    return paths.map((path) => ({ manager: show(other['manager']), path }))
  })
  if (conflicts.length > 0 && options.force !== true) throw conflictError(conflicts)

  const kept = others.map((other) => fieldsIn(other))
  const pruned = removeFields(
    live,
    subtract(mine === undefined ? {} : fieldsIn(mine), [fields, ...kept]),
    '',
    keys,
  )
  const merged = mergeApplied(pruned, withoutIdentity(applied), '', keys)
  const same = mine !== undefined && equalJson(mine['fieldsV1'], fields)
  const rest = entries
    .filter((one) => one !== mine)
    .map((one) => (conflicts.length === 0 ? one : { ...one, fieldsV1: withoutPaths(one, conflicts) }))
  // Nothing but the time would change: leave the entry as it is, so that applying again writes nothing.
  const managedFields = [...rest, same ? mine : entry]
  const order = (one: JsonObject) => `${show(one['manager'])}/${show(one['subresource'])}`
  managedFields.sort((a, b) => compareText(order(a), order(b)))
  const object: JsonObject = {
    ...merged,
    apiVersion: live.apiVersion,
    kind: live.kind,
    metadata: {
      ...(isObject(merged['metadata']) ? merged['metadata'] : {}),
      managedFields,
      resourceVersion: typeof metadata['resourceVersion'] === 'string' ? metadata['resourceVersion'] : '',
    },
  }
  return { object: update(cluster, target, name, object, part, options), created: false }
}

/** The FieldsV1 set of what `value` names: `f:` fields, `k:` list elements by key, `v:` elements of sets. */
export function fieldsOf(value: JsonObject, path: string, keys: MergeKeys): JsonObject {
  const fields: JsonObject = {}
  for (const [name, child] of Object.entries(value)) {
    if (child === undefined) continue
    const at = path === '' ? name : `${path}.${name}`
    fields[`f:${name}`] = fieldsOfValue(child, at, keys)
  }
  return fields
}

function fieldsOfValue(value: Json, path: string, keys: MergeKeys): JsonObject {
  if (isObject(value)) return fieldsOf(value, path, keys)
  const mergeKeys = keys[path]
  if (!Array.isArray(value) || mergeKeys === undefined) return {}
  const fields: JsonObject = {}
  for (const element of value) {
    if (mergeKeys.length === 0) fields[`v:${JSON.stringify(element)}`] = {}
    else if (isObject(element))
      fields[elementId(element, mergeKeys)] = { '.': {}, ...fieldsOf(element, path, keys) }
  }
  return fields
}

function elementId(element: JsonObject, keys: string[]): string {
  const defaults: JsonObject = { protocol: 'TCP' }
  return `k:${JSON.stringify(Object.fromEntries(keys.map((key) => [key, element[key] ?? defaults[key] ?? null])))}`
}

/** Applied fields over the live ones: maps merge, keyed lists merge by key, sets unite, all else replaces. */
function mergeApplied(live: JsonObject, applied: JsonObject, path: string, keys: MergeKeys): JsonObject {
  const result = { ...live }
  for (const [name, value] of Object.entries(applied)) {
    if (value === undefined) continue
    const at = path === '' ? name : `${path}.${name}`
    const before = result[name]
    const mergeKeys = keys[at]
    if (isObject(value) && isObject(before)) result[name] = mergeApplied(before, value, at, keys)
    else if (Array.isArray(value) && Array.isArray(before) && mergeKeys !== undefined) {
      const list = [...before]
      for (const element of value) {
        if (mergeKeys.length === 0 || !isObject(element)) {
          if (!list.some((one) => equalJson(one, element))) list.push(element)
          continue
        }
        const id = elementId(element, mergeKeys)
        const i = list.findIndex((one) => isObject(one) && elementId(one, mergeKeys) === id)
        if (i < 0) list.push(element)
        else list[i] = mergeApplied(list[i] as JsonObject, element, at, keys)
      }
      result[name] = list
    } else if (value === null) delete result[name]
    else result[name] = value
  }
  return result
}

/** `fields` without what any of `kept` also has. */
function subtract(fields: JsonObject, kept: JsonObject[]): JsonObject {
  const result: JsonObject = {}
  for (const [id, children] of Object.entries(fields)) {
    if (id === '.' || !isObject(children)) continue
    const keptHere = kept.map((one) => one[id]).filter(isObject)
    if (keptHere.length === 0) result[id] = children
    else {
      const rest = subtract(children, keptHere)
      if (Object.keys(rest).length > 0) result[id] = { ...rest, '#kept': true }
    }
  }
  return result
}

/** Removes from `object` what `fields` names; a field goes as a whole unless part of it is kept. */
function removeFields(object: JsonObject, fields: JsonObject, path: string, keys: MergeKeys): JsonObject {
  const result = { ...object }
  for (const [id, children] of Object.entries(fields)) {
    if (!id.startsWith('f:') || !isObject(children)) continue
    const name = id.slice(2)
    const value = result[name]
    const at = path === '' ? name : `${path}.${name}`
    const mergeKeys = keys[at]
    const ids = Object.keys(children).filter((child) => child !== '.' && child !== '#kept')
    if (ids.length === 0) delete result[name]
    else if (isObject(value)) {
      const rest = removeFields(value, children, at, keys)
      if (Object.keys(rest).length === 0 && children['#kept'] !== true) delete result[name]
      else result[name] = rest
    } else if (Array.isArray(value) && mergeKeys !== undefined) {
      const rest = value.flatMap((element) => {
        const keyed = isObject(element) ? element : undefined
        const mine =
          keyed === undefined
            ? children[`v:${JSON.stringify(element)}`]
            : children[elementId(keyed, mergeKeys)]
        if (!isObject(mine)) return [element]
        if (keyed === undefined || mine['#kept'] !== true) return []
        return [removeFields(keyed, mine, at, keys)]
      })
      if (rest.length === 0 && children['#kept'] !== true) delete result[name]
      else result[name] = rest
    }
  }
  return result
}

/** Paths that both sets own and where the applied value differs from the live one. */
function conflictsWith(
  mine: JsonObject,
  theirs: JsonObject,
  live: JsonObject,
  applied: JsonObject,
  path: string,
  keys: MergeKeys,
): string[] {
  return Object.entries(mine).flatMap(([id, children]) => {
    const others = theirs[id]
    if (!id.startsWith('f:') || !isObject(others) || !isObject(children)) return []
    const name = id.slice(2)
    const at = path === '' ? name : `${path}.${name}`
    const [before, after] = [live[name], applied[name]]
    if (isObject(before) && isObject(after)) return conflictsWith(children, others, before, after, at, keys)
    const mergeKeys = keys[at]
    if (Array.isArray(before) && Array.isArray(after) && mergeKeys !== undefined) {
      return after.filter(isObject).flatMap((element) => {
        const identity = elementId(element, mergeKeys)
        const found = before.filter(isObject).find((one) => elementId(one, mergeKeys) === identity)
        const [a, b] = [children[identity], others[identity]]
        if (found === undefined || !isObject(a) || !isObject(b)) return []
        return conflictsWith(a, b, found, element, at, keys)
      })
    }
    return equalJson(before, after) ? [] : [`.${at}`]
  })
}

function withoutPaths(entry: JsonObject, conflicts: { manager: string; path: string }[]): JsonObject {
  const lost = new Set(conflicts.filter((one) => one.manager === entry['manager']).map((one) => one.path))
  const filter = (fields: JsonObject, path: string): JsonObject =>
    Object.fromEntries(
      Object.entries(fields).flatMap(([id, children]) => {
        const at = id.startsWith('f:') ? `${path}.${id.slice(2)}` : path
        if (id.startsWith('f:') && lost.has(at)) return []
        return [[id, isObject(children) ? filter(children, at) : children]]
      }),
    )
  return filter(fieldsIn(entry), '')
}

function conflictError(conflicts: { manager: string; path: string }[]): ApiError {
  const managers = [...new Set(conflicts.map((one) => one.manager))]
  const count = conflicts.length === 1 ? '1 conflict' : `${conflicts.length} conflicts`
  const lines = managers.map((manager) => {
    const paths = conflicts.filter((one) => one.manager === manager).map((one) => one.path)
    return `conflict with "${manager}"${paths.length === 1 ? `: ${paths[0]}` : `:\n- ${paths.join('\n- ')}`}`
  })
  const only = managers.length === 1 ? lines[0]! : `conflicts: ${lines.join('; ')}`
  return new ApiError(409, 'Conflict', `Apply failed with ${count}: ${only}`, {
    causes: conflicts.map(({ manager, path }) => ({
      reason: 'FieldManagerConflict',
      message: `conflict with "${manager}"`,
      field: path,
    })),
  })
}

function isEntryOf(entry: JsonObject, manager: string, part: Part): boolean {
  const subresource = part === 'status' ? 'status' : undefined
  return (
    entry['manager'] === manager && entry['operation'] === 'Apply' && entry['subresource'] === subresource
  )
}

function fieldsIn(entry: JsonObject): JsonObject {
  return isObject(entry['fieldsV1']) ? entry['fieldsV1'] : {}
}

/** What is applied, without the fields that say which object it is. */
function withoutIdentity(applied: JsonObject): JsonObject {
  const { apiVersion: _apiVersion, kind: _kind, metadata, ...rest } = applied
  if (!isObject(metadata)) return rest
  const {
    name: _name,
    namespace: _namespace,
    resourceVersion: _version,
    uid: _uid,
    creationTimestamp: _time,
    generation: _generation,
    managedFields: _managed,
    ...own
  } = metadata
  return Object.keys(own).length === 0 ? rest : { ...rest, metadata: own }
}
