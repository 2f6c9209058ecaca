/** Get and list: what is stored, selected, in the form that the client asked for. */
import { ApiError, badRequest, expired, notFound } from './api-error.ts'
import type { Cluster } from './cluster.ts'
import type { JsonObject, Resource } from './json.ts'
import { apiVersionOf, keyOf } from './resource-type.ts'
import { fieldMatcher, labelMatcher, type Matcher } from './selectors.ts'
import { asVersion, type Target } from './write.ts'

/** A request over a collection: `namespace` of the target undefined means all namespaces. */
export interface CollectionTarget extends Omit<Target, 'namespace'> {
  namespace: string | undefined
}

export interface Page {
  objects: Resource[]
  metadata: JsonObject
}

export function get(cluster: Cluster, target: Target, name: string): Resource {
  const object = cluster.store.get(keyOf(target.type), target.namespace, name)
  if (object === undefined) throw notFound(target.type, name)
  return asVersion(object, target)
}

/** `limit` and `continue` page through the present state; a page does not remember the state of the first one. */
export function list(cluster: Cluster, target: CollectionTarget, query: URLSearchParams): Page {
  const { store } = cluster
  const after = query.get('continue') ?? ''
  const rows = store.list(keyOf(target.type), target.namespace, after === '' ? undefined : readToken(after))
  checkResourceVersion(cluster, query)
  const matches = matcherOf(target, query)
  const limit = Number(query.get('limit') ?? 0)
  const objects: Resource[] = []
  const metadata: JsonObject = { resourceVersion: String(store.resourceVersion) }
  for (const [i, row] of rows.entries()) {
    const object = JSON.parse(row.body) as Resource
    if (!matches(object)) continue
    objects.push(asVersion(object, target))
    if (limit > 0 && objects.length === limit && i + 1 < rows.length) {
      metadata['continue'] = writeToken(row)
      // With selectors, how many of the rest match is not known.
      if (!query.has('labelSelector') && !query.has('fieldSelector'))
        metadata['remainingItemCount'] = rows.length - i - 1
      break
    }
  }
  return { objects, metadata }
}

export function listObject(target: CollectionTarget, { objects, metadata }: Page): JsonObject {
  const { group, listKind } = target.type
  return { kind: listKind, apiVersion: apiVersionOf(group, target.version), metadata, items: objects }
}

/** Both selectors of a query as one. */
export function matcherOf({ type }: CollectionTarget, query: URLSearchParams): Matcher {
  const labels = labelMatcher(query.get('labelSelector') ?? '')
  const { fields = () => ({}) } = type.strategy
  // Which fields a resource can be selected by shows in those of an empty object.
  const empty = {
    apiVersion: '',
    kind: '',
    metadata: { name: '', uid: '', resourceVersion: '', creationTimestamp: '' },
  }
  const matchesFields = fieldMatcher(query.get('fieldSelector') ?? '', fields, Object.keys(fields(empty)))
  return (object) => labels(object) && matchesFields(object)
}

/** The resourceVersion of a query as a number; undefined when there is none. */
export function resourceVersionOf(query: URLSearchParams): number | undefined {
  const text = query.get('resourceVersion') ?? ''
  if (text === '') return undefined
  if (!/^\d+$/.test(text)) {
    throw badRequest(`Invalid value: "${text}": strconv.ParseUint: parsing "${text}": invalid syntax`)
  }
  return Number(text)
}

function checkResourceVersion(cluster: Cluster, query: URLSearchParams): void {
  const wanted = resourceVersionOf(query)
  if (wanted === undefined || wanted === 0) return
  const { resourceVersion, compacted } = cluster.store
  if (wanted > resourceVersion) {
    throw new ApiError(504, 'Timeout', `Too large resource version: ${wanted}, current: ${resourceVersion}`, {
      causes: [{ reason: 'ResourceVersionTooLarge', message: 'Too large resource version' }],
      retryAfterSeconds: 1,
    })
  }
  // Only the present state is kept, so an exact old version cannot be served once something was written after it.
  if (query.get('resourceVersionMatch') === 'Exact' && wanted < resourceVersion)
    throw expired(wanted, Math.max(compacted, resourceVersion))
}

function writeToken({ namespace, name }: { namespace: string; name: string }): string {
  return Buffer.from(JSON.stringify([namespace, name])).toString('base64url')
}

function readToken(token: string): { namespace: string; name: string } {
  try {
    const [namespace, name] = JSON.parse(Buffer.from(token, 'base64url').toString()) as unknown[]
    if (typeof namespace === 'string' && typeof name === 'string') return { namespace, name }
  } catch {
    // Answered below.
  }
  throw badRequest('continue key is not valid')
}
