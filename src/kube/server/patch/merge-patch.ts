/** JSON Merge Patch (RFC 7386). */
import { isObject, type Json, type JsonObject } from '../json.ts'

/** Returns the patched object; `target` is not changed. Null removes a field, lists replace. */
export function mergePatch(target: JsonObject, patch: JsonObject): JsonObject {
  const result: JsonObject = { ...target }
  for (const [key, value] of Object.entries(patch)) {
    if (value === undefined || key === '__proto__') continue
    if (value === null) delete result[key]
    else if (isObject(value)) result[key] = mergePatch(asObject(result[key]), value)
    else result[key] = value
  }
  return result
}

function asObject(value: Json | undefined): JsonObject {
  return isObject(value) ? value : {}
}
