/**
 * Create, update and delete: the one way by which objects change, whoever asks. All of it is synchronous, so what is
 * read before a write still holds when it is written.
 */
import { randomBytes, randomUUID } from 'node:crypto'
import { equalJson } from '#core/lib/json.ts'
import {
  alreadyExists,
  badRequest,
  conflict,
  forbidden,
  invalid,
  notFound,
  requiredValue,
  type Cause,
} from './api-error.ts'
import { timestamp, type Cluster } from './cluster.ts'
import { isObject, type Json, type JsonObject, type Metadata, type Resource, show } from './json.ts'
import { validateMetadata } from './meta-validation.ts'
import { apiVersionOf, keyOf, type ResourceType } from './resource-type.ts'
import { isOwnKind } from './schema/own-words.ts'
import { prepareFields } from './schema/prepare-fields.ts'
import { showUnknownField } from './schema/unknown-field.ts'

export interface WriteOptions {
  /** Everything is checked and answered, nothing is stored. */
  dryRun?: boolean
  /** What to do about unknown and duplicate fields. Default: Strict for Herald's own and obeyed resources, else Warn. */
  fieldValidation?: 'Strict' | 'Warn' | 'Ignore'
  /** Sentences for the `Warning` headers are added here. */
  warnings?: string[]
}

export interface DeleteOptions {
  dryRun?: boolean
  propagation?: 'Orphan' | 'Background' | 'Foreground'
  uid?: string
  resourceVersion?: string
}

/** What a request names: a resource in one of its versions, in a namespace ('' for cluster-scoped ones). */
export interface Target {
  type: ResourceType
  version: string
  namespace: string
}

/** Which part of the object a write is for. */
export type Part = 'main' | 'status'

export function create(cluster: Cluster, target: Target, body: Json, options: WriteOptions = {}): Resource {
  const { type, namespace } = target
  const object = incoming(target, body)
  const { metadata } = object
  if (metadata.resourceVersion !== '')
    throw badRequest('resourceVersion should not be set on objects to be created')
  if (metadata.name === '' && metadata.generateName !== undefined && metadata.generateName !== '') {
    metadata.name = `${metadata.generateName.slice(0, 58)}${randomSuffix()}`
  }
  if (metadata.name === '') {
    throw invalid(type, '', [requiredValue('metadata.name', 'name or generateName is required')])
  }
  checkNamespace(cluster, type, namespace, metadata.name)
  metadata.uid = randomUUID()
  metadata.creationTimestamp = timestamp()
  if (type.generation) metadata.generation = 1
  delete metadata.deletionTimestamp
  delete metadata.deletionGracePeriodSeconds

  checkFields(target, object, options)
  type.strategy.defaults?.(object)
  if (type.status) {
    const status = type.strategy.initialStatus?.(object)
    if (status === undefined) delete object['status']
    else object['status'] = status
  }
  if (cluster.store.get(keyOf(type), namespace, metadata.name) !== undefined)
    throw alreadyExists(type, metadata.name)
  check(type, object, undefined)
  object.apiVersion = apiVersionOf(type.group, type.storageVersion)
  if (options.dryRun !== true) cluster.store.put(keyOf(type), object, undefined)
  return asVersion(object, target)
}

/** Replaces `part` of the stored object by that of `body`. */
export function update(
  cluster: Cluster,
  target: Target,
  name: string,
  body: Json,
  part: Part = 'main',
  options: WriteOptions = {},
): Resource {
  const { type, namespace } = target
  const key = keyOf(type)
  const previous = cluster.store.get(key, namespace, name)
  if (previous === undefined) throw notFound(type, name)
  const sent = incoming(target, body)
  if (sent.metadata.name === '') sent.metadata.name = name
  if (sent.metadata.name !== name) {
    throw badRequest(
      `the name of the object (${sent.metadata.name}) does not match the name on the URL (${name})`,
    )
  }
  const { uid, resourceVersion } = sent.metadata
  if (uid !== '' && uid !== previous.metadata.uid) {
    const why = `Precondition failed: UID in precondition: ${uid}, UID in object meta: ${previous.metadata.uid}`
    throw conflict(type, name, why)
  }
  if (resourceVersion !== '' && resourceVersion !== previous.metadata.resourceVersion)
    throw conflict(type, name)

  checkFields(target, sent, options)
  const object = part === 'status' ? withStatus(previous, sent) : withoutStatus(type, previous, sent)
  keepSystemFields(object, previous)
  // Who applied what is kept by clients that know nothing of it.
  const managed = sent.metadata.managedFields ?? previous.metadata.managedFields
  if (managed !== undefined) object.metadata.managedFields = managed
  if (part === 'main') type.strategy.defaults?.(object)
  check(type, object, previous)
  if (type.generation) {
    const changed = part === 'main' && !equalJson(specOf(type, object), specOf(type, previous))
    object.metadata.generation = (previous.metadata.generation ?? 1) + (changed ? 1 : 0)
  }
  object.apiVersion = previous.apiVersion
  if (options.dryRun === true || equalJson(object, previous)) return asVersion(object, target)
  // The last finalizer of an object that waits for its deletion is gone: so is the object.
  if (object.metadata.deletionTimestamp !== undefined && !held(object)) {
    cluster.store.remove(key, object)
    return asVersion(object, target)
  }
  cluster.store.put(key, object, previous)
  return asVersion(object, target)
}

/** Returns the object as it was, and whether it is gone; it stays, marked, while finalizers hold it. */
export function remove(
  cluster: Cluster,
  target: Target,
  name: string,
  options: DeleteOptions = {},
): { object: Resource; gone: boolean } {
  const { type, namespace } = target
  const key = keyOf(type)
  const object = cluster.store.get(key, namespace, name)
  if (object === undefined) throw notFound(type, name)
  if (options.uid !== undefined && options.uid !== object.metadata.uid) {
    const why = `Precondition failed: UID in precondition: ${options.uid}, UID in object meta: ${object.metadata.uid}`
    throw conflict(type, name, why)
  }
  if (options.resourceVersion !== undefined && options.resourceVersion !== object.metadata.resourceVersion)
    throw conflict(type, name)
  if (key === '/namespaces' && ['default', 'kube-system', 'kube-public'].includes(name))
    throw forbidden(type, name, 'this namespace may not be deleted')
  if (options.dryRun === true) return { object: asVersion(object, target), gone: true }

  const finalizers = new Set(object.metadata.finalizers)
  if (options.propagation === 'Foreground') finalizers.add('foregroundDeletion')
  if (options.propagation === 'Orphan') finalizers.add('orphan')
  if (finalizers.size === 0 && !held(object)) {
    cluster.store.remove(key, object)
    return { object: asVersion(object, target), gone: true }
  }
  const marked = structuredClone(object)
  if (finalizers.size > 0) marked.metadata.finalizers = [...finalizers]
  if (marked.metadata.deletionTimestamp === undefined) {
    marked.metadata.deletionTimestamp = timestamp()
    marked.metadata.deletionGracePeriodSeconds = 0
    if (type.generation) marked.metadata.generation = (marked.metadata.generation ?? 1) + 1
    if (key === '/namespaces') marked['status'] = { phase: 'Terminating' }
  }
  if (!equalJson(marked, object)) cluster.store.put(key, marked, object)
  return { object: asVersion(marked, target), gone: false }
}

/** The object as it reads in the version that was asked for. */
export function asVersion(object: Resource, target: Pick<Target, 'type' | 'version'>): Resource {
  const apiVersion = apiVersionOf(target.type.group, target.version)
  return object.apiVersion === apiVersion ? object : { ...object, apiVersion }
}

/** Whether something must still happen before the object may go. */
function held(object: Resource): boolean {
  if ((object.metadata.finalizers ?? []).length > 0) return true
  const spec = object['spec']
  if (object.kind !== 'Namespace' || object.apiVersion !== 'v1' || !isObject(spec)) return false
  return Array.isArray(spec['finalizers']) && spec['finalizers'].length > 0
}

/** The body of a write as an object with all metadata that the code relies on; throws BadRequest for anything else. */
function incoming({ type, version, namespace }: Target, body: Json): Resource {
  if (!isObject(body)) throw badRequest('the body of the request is not an object')
  const expected = apiVersionOf(type.group, version)
  const { apiVersion = expected, kind = type.kind } = body
  if (apiVersion !== expected) {
    throw badRequest(
      `the API version in the data (${show(apiVersion)}) does not match the expected API version (${expected})`,
    )
  }
  if (kind !== type.kind) {
    throw badRequest(`${show(kind)} in version "${version}" cannot be handled as a ${type.kind}`)
  }
  const given = body['metadata'] ?? {}
  if (!isObject(given)) throw badRequest('metadata is not an object')
  const metadata: Metadata = { ...given, name: '', uid: '', resourceVersion: '', creationTimestamp: '' }
  for (const field of ['name', 'uid', 'resourceVersion', 'creationTimestamp', 'generateName'] as const) {
    const value = given[field] ?? undefined
    if (value === undefined) continue
    if (typeof value !== 'string') throw badRequest(`metadata.${field} is not a string`)
    metadata[field] = value
  }
  for (const field of ['labels', 'annotations', 'finalizers', 'ownerReferences', 'managedFields'] as const) {
    if (metadata[field] === null) delete metadata[field]
  }
  delete metadata['selfLink']
  if (type.namespaced) {
    const given = metadata.namespace ?? ''
    if (given !== '' && given !== namespace) {
      throw badRequest(
        `the namespace of the provided object does not match the namespace sent on the request`,
      )
    }
    metadata.namespace = namespace
  } else delete metadata.namespace
  return structuredClone({ ...body, apiVersion: expected, kind: type.kind, metadata })
}

function checkNamespace(cluster: Cluster, type: ResourceType, namespace: string, name: string): void {
  if (!type.namespaced) return
  const namespaces = cluster.registry.get('/namespaces')!
  const found = cluster.store.get('/namespaces', '', namespace)
  if (found === undefined) throw notFound(namespaces, namespace)
  if (found.metadata.deletionTimestamp !== undefined) {
    const why = `unable to create new content in namespace ${namespace} because it is being terminated`
    throw forbidden(type, name, why)
  }
}

/** Schema work on what the user sent: unknown fields by `fieldValidation`, pruning, defaults, types. */
function checkFields(target: Target, object: Resource, options: WriteOptions): void {
  const { type, version } = target
  const schema = type.schema?.(version)
  if (schema === undefined) return
  const { unknown, causes } = prepareFields(schema, object)
  const mode = options.fieldValidation ?? (isOwnKind(object) ? 'Strict' : 'Warn')
  if (unknown.length > 0 && mode === 'Strict') {
    const list = unknown.map(showUnknownField).join(', ')
    throw badRequest(
      `${type.kind} in version "${version}" cannot be handled as a ${type.kind}: strict decoding error: ${list}`,
    )
  }
  if (mode === 'Warn') options.warnings?.push(...unknown.map(showUnknownField))
  if (causes.length > 0) throw invalid(type, object.metadata.name, causes)
}

function check(type: ResourceType, object: Resource, previous: Resource | undefined): void {
  const causes: Cause[] = validateMetadata(type, object)
  if (causes.length === 0) {
    causes.push(...(type.strategy.prepare?.(object, previous) ?? []))
    causes.push(...(type.strategy.validate?.(object, previous) ?? []))
  }
  if (causes.length > 0) throw invalid(type, object.metadata.name, causes)
}

function withStatus(previous: Resource, sent: Resource): Resource {
  const object = structuredClone(previous)
  if (sent['status'] === undefined) delete object['status']
  else object['status'] = sent['status']
  return object
}

function withoutStatus(type: ResourceType, previous: Resource, sent: Resource): Resource {
  if (!type.status) return sent
  const object = { ...sent }
  if (previous['status'] === undefined) delete object['status']
  else object['status'] = previous['status']
  return object
}

function keepSystemFields(object: Resource, previous: Resource): void {
  const { metadata } = object
  const kept = previous.metadata
  metadata.uid = kept.uid
  metadata.resourceVersion = kept.resourceVersion
  metadata.creationTimestamp = kept.creationTimestamp
  for (const field of [
    'generation',
    'deletionTimestamp',
    'deletionGracePeriodSeconds',
    'generateName',
  ] as const) {
    if (kept[field] === undefined) delete metadata[field]
    else (metadata as JsonObject)[field] = kept[field]
  }
}

function specOf(type: ResourceType, object: Resource): JsonObject {
  const { metadata: _metadata, apiVersion: _apiVersion, ...rest } = object
  if (type.status) delete rest['status']
  return rest
}

/** Five characters without vowels, as the real server appends to generateName. */
function randomSuffix(): string {
  const letters = 'bcdfghjklmnpqrstvwxz2456789'
  return [...randomBytes(5)].map((byte) => letters[byte % letters.length]!).join('')
}
