/** The lists of a schema that server-side apply merges by key or as sets. */
import { isObject, type JsonObject } from '../json.ts'
import type { MergeKeys } from '../patch/strategic-merge.ts'

export function schemaMergeKeys(schema: JsonObject): MergeKeys {
  const keys: MergeKeys = {}
  collect(schema, '', keys)
  return keys
}

function collect(schema: JsonObject, path: string, keys: MergeKeys): void {
  const kind = schema['x-kubernetes-list-type']
  if (kind === 'set') keys[path] = []
  if (kind === 'map' && Array.isArray(schema['x-kubernetes-list-map-keys']))
    keys[path] = schema['x-kubernetes-list-map-keys'].map(String)
  if (isObject(schema['items'])) collect(schema['items'], path, keys)
  if (isObject(schema['properties'])) {
    for (const [name, child] of Object.entries(schema['properties'])) {
      if (isObject(child)) collect(child, path === '' ? name : `${path}.${name}`, keys)
    }
  }
}
