/** Patch requests of all four kinds: read the patch, make the new object, write it by the way of every update. */
import { parseAllDocuments } from 'yaml'
import { messageOf } from '#core/lib/error.ts'
import { mergePatch } from '#core/lib/json.ts'
import { badRequest, conflict, notFound, unsupportedMediaType } from '../api-error.ts'
import type { Cluster } from '../cluster.ts'
import { isObject, type Json, type JsonObject, type Resource } from '../json.ts'
import { keyOf } from '../resource-type.ts'
import { asVersion, update, type Part, type Target, type WriteOptions } from '../write.ts'
import { jsonPatch } from './json-patch.ts'
import { applyObject, type ApplyOptions } from './server-side-apply.ts'
import { strategicMerge } from './strategic-merge.ts'

export const patchTypes = [
  'application/json-patch+json',
  'application/merge-patch+json',
  'application/strategic-merge-patch+json',
  'application/apply-patch+yaml',
]

/** `created`: server-side apply made the object. */
export function patch(
  cluster: Cluster,
  target: Target,
  name: string,
  contentType: string,
  body: string,
  part: Part,
  options: WriteOptions & ApplyOptions,
): { object: Resource; created: boolean } {
  const { type, namespace } = target
  if (contentType === 'application/apply-patch+yaml' || contentType === 'application/apply-patch+json') {
    return applyObject(cluster, target, name, parseYaml(body), part, options)
  }
  if (contentType === 'application/strategic-merge-patch+json' && type.custom) {
    throw unsupportedMediaType(contentType, patchTypes.toSpliced(2, 1))
  }
  const stored = cluster.store.get(keyOf(type), namespace, name)
  if (stored === undefined) throw notFound(type, name)
  const patched = patchedObject(
    asVersion(stored, target),
    contentType,
    parseJson(body),
    type.strategy.mergeKeys,
  )
  const { metadata } = patched
  if (!isObject(metadata)) throw badRequest('a patch may not remove metadata')
  // A patch that does not speak of the resourceVersion is for whatever version there is.
  const sent = metadata['resourceVersion']
  if (sent !== undefined && sent !== null && sent !== '' && sent !== stored.metadata.resourceVersion)
    throw conflict(type, name)
  // Managed fields say who applied what; only apply writes them.
  if (stored.metadata.managedFields !== undefined) metadata['managedFields'] = stored.metadata.managedFields
  return { object: update(cluster, target, name, patched, part, options), created: false }
}

/** `object` after a JSON patch, merge patch or strategic merge patch. */
export function patchedObject(
  object: JsonObject,
  contentType: string,
  patch: Json,
  mergeKeys: Record<string, string[]> = {},
): JsonObject {
  const copy = structuredClone(object)
  if (contentType === 'application/json-patch+json') return jsonPatch(copy, patch)
  if (!isObject(patch)) throw badRequest('the patch is not an object')
  switch (contentType) {
    case 'application/merge-patch+json':
      return mergePatch(copy, patch) as JsonObject
    case 'application/strategic-merge-patch+json':
      return strategicMerge(copy, patch, mergeKeys)
    default:
      throw unsupportedMediaType(contentType, patchTypes)
  }
}

export function parseJson(text: string): Json {
  try {
    return JSON.parse(text) as Json
  } catch (error) {
    throw badRequest(`the body of the request is not JSON: ${messageOf(error)}`)
  }
}

/** One YAML (or JSON) document. */
export function parseYaml(text: string): Json {
  const documents = parseAllDocuments(text)
  const [document] = documents
  if (document === undefined || documents.length !== 1)
    throw badRequest('the body of the request is not one YAML document')
  const error = document.errors[0]
  if (error !== undefined) throw badRequest(`the body of the request is not YAML: ${error.message}`)
  return document.toJS({ maxAliasCount: 100 }) as Json
}
