/**
 * Strategic merge patch: a merge patch that knows which lists are maps by a key (containers by name) and which are
 * sets (finalizers), with the directives `$patch`, `$retainKeys`, `$setElementOrder/…` and `$deleteFromPrimitiveList/…`.
 */
import { equalJson } from '#core/lib/json.ts'
import { badRequest } from '../api-error.ts'
import { isObject, type Json, type JsonObject } from '../json.ts'

/** Merge keys by list path without indices (`spec.ports`); the first key counts. An empty array: a set of plain values. */
export type MergeKeys = Record<string, string[]>

/** Merge keys that all objects have. */
export const metadataMergeKeys: MergeKeys = {
  'metadata.finalizers': [],
  'metadata.ownerReferences': ['uid'],
}

/** Returns the patched object; `target` is not changed. Throws BadRequest for a directive it cannot follow. */
export function strategicMerge(target: JsonObject, patch: JsonObject, mergeKeys: MergeKeys): JsonObject {
  return mergeObject(target, patch, '', { ...metadataMergeKeys, ...mergeKeys })
}

function mergeObject(target: JsonObject, patch: JsonObject, path: string, keys: MergeKeys): JsonObject {
  const directive = patch['$patch']
  if (directive === 'replace') return withoutDirectives(patch)
  if (directive === 'delete') return {}
  if (directive !== undefined && directive !== 'merge')
    throw badRequest(`Unknown patch type found in strategic merge patch: ${JSON.stringify(directive)}`)

  const result: JsonObject = { ...target }
  retainKeys(result, patch)
  for (const [name, value] of Object.entries(patch)) {
    if (name.startsWith('$') || value === undefined || name === '__proto__') continue
    const at = path === '' ? name : `${path}.${name}`
    if (value === null) delete result[name]
    else if (Array.isArray(value)) {
      const key = keys[at]
      const before = result[name]
      if (key === undefined || !Array.isArray(before))
        result[name] = key === undefined ? value : cleanList(value, key)
      else if (key.length === 0) result[name] = mergeSet(before, value)
      else result[name] = mergeList(before, value, key[0]!, at, keys)
    } else if (isObject(value)) {
      const before = result[name]
      if (value['$patch'] === 'delete') delete result[name]
      else result[name] = mergeObject(isObject(before) ? before : {}, value, at, keys)
    } else result[name] = value
  }
  deleteFromSets(result, patch)
  setOrders(result, patch, path, keys)
  return result
}

/** `$retainKeys`: of the fields that the target has, only these stay. */
function retainKeys(result: JsonObject, patch: JsonObject): void {
  const retained = patch['$retainKeys']
  if (retained === undefined) return
  if (!Array.isArray(retained)) throw badRequest('$retainKeys must be a list')
  for (const name of Object.keys(result)) if (!retained.includes(name)) delete result[name]
}

function deleteFromSets(result: JsonObject, patch: JsonObject): void {
  const prefix = '$deleteFromPrimitiveList/'
  for (const [name, value] of Object.entries(patch)) {
    if (!name.startsWith(prefix)) continue
    const list = result[name.slice(prefix.length)]
    if (!Array.isArray(value)) throw badRequest(`${name} must be a list`)
    if (Array.isArray(list)) {
      result[name.slice(prefix.length)] = list.filter((one) => !value.some((gone) => equalJson(one, gone)))
    }
  }
}

function setOrders(result: JsonObject, patch: JsonObject, path: string, keys: MergeKeys): void {
  const prefix = '$setElementOrder/'
  for (const [name, order] of Object.entries(patch)) {
    if (!name.startsWith(prefix)) continue
    const field = name.slice(prefix.length)
    const list = result[field]
    const key = keys[path === '' ? field : `${path}.${field}`]
    if (!Array.isArray(order)) throw badRequest(`${name} must be a list`)
    if (!Array.isArray(list) || key === undefined) continue
    result[field] = ordered(list, order, key[0])
  }
}

/** Listed elements in the order given; others keep their place behind the element that they followed. */
function ordered(list: Json[], order: Json[], key: string | undefined): Json[] {
  const identity = (value: Json) =>
    JSON.stringify(key !== undefined && isObject(value) ? (value[key] ?? null) : value)
  const rank = new Map(order.map((value, i) => [identity(value), i]))
  const listed = list
    .filter((value) => rank.has(identity(value)))
    .sort((a, b) => rank.get(identity(a))! - rank.get(identity(b))!)
  let next = 0
  return list.map((value) => (rank.has(identity(value)) ? listed[next++]! : value))
}

function mergeSet(before: Json[], added: Json[]): Json[] {
  const result = [...before]
  for (const value of added) if (!result.some((one) => equalJson(one, value))) result.push(value)
  return result
}

function mergeList(before: Json[], patch: Json[], key: string, path: string, keys: MergeKeys): Json[] {
  const replaced = patch.some((one) => isObject(one) && one['$patch'] === 'replace' && one[key] === undefined)
  if (replaced)
    return cleanList(
      patch.filter((one) => !(isObject(one) && one['$patch'] === 'replace')),
      [key],
    )
  let result = [...before]
  for (const change of patch) {
    if (!isObject(change)) throw badRequest(`the elements of ${path} must be objects`)
    const id = change[key]
    if (id === undefined)
      throw badRequest(`map: ${JSON.stringify(change)} does not contain declared merge key: ${key}`)
    const same = (one: Json) => isObject(one) && equalJson(one[key], id)
    if (change['$patch'] === 'delete') {
      result = result.filter((one) => !same(one))
      continue
    }
    const at = result.findIndex(same)
    if (at < 0) result.push(mergeObject({}, change, path, keys))
    else result[at] = mergeObject(result[at] as JsonObject, change, path, keys)
  }
  return result
}

/** A list that is new as a whole: directives have nothing to act on. */
function cleanList(list: Json[], key: string[]): Json[] {
  if (key.length === 0) return list
  return list
    .filter((one) => !(isObject(one) && (one['$patch'] === 'delete' || one['$patch'] === 'replace')))
    .map((one) => (isObject(one) ? withoutDirectives(one) : one))
}

function withoutDirectives(object: JsonObject): JsonObject {
  const result: JsonObject = {}
  for (const [name, value] of Object.entries(object)) {
    if (name.startsWith('$') || value === null) continue
    result[name] = isObject(value) ? withoutDirectives(value) : value
  }
  return result
}
