/** From HTTP request to verb: authentication is done, paths become resources, bodies JSON, errors Status objects. */
import type { IncomingMessage, ServerResponse } from 'node:http'
import { ApiError, badRequest, methodNotAllowed, pathNotFound, unsupportedMediaType } from './api-error.ts'
import { putScale, scaleOf } from './builtin/scale.ts'
import type { Cluster } from './cluster.ts'
import { answerDocument } from './documents.ts'
import { isObject, stringAt, type Json, type JsonObject, type Resource } from './json.ts'
import { parseJson, parseYaml, patch, patchedObject, patchTypes } from './patch/patch.ts'
import { protobufType, readProtobuf } from './protobuf.ts'
import { get, list, listObject, matcherOf, resourceVersionOf, type CollectionTarget } from './read.ts'
import type { ResourceType } from './resource-type.ts'
import { parseRoute, type ResourceRoute } from './route.ts'
import { metadataOf, tableOf, type IncludeObject } from './table.ts'
import { errorEvent, type WatchHub } from './watch.ts'
import { create, remove, update, type DeleteOptions, type Target, type WriteOptions } from './write.ts'

const bodyBytesMax = 3 * 1024 * 1024
/** Beyond this the connection is cut. */
const drainedBytesMax = 64 * 1024 * 1024

export interface Api {
  cluster: Cluster
  hub: WatchHub
  /** `host:port` of the server, for clients that ask. */
  address: string
}

/** Answers one request. Never throws; every failure is answered as a Status object. */
export async function handleRequest(
  api: Api,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  try {
    const url = new URL(request.url ?? '/', 'http://localhost')
    const bodiless = request.method === 'GET' || request.method === 'HEAD'
    const body = bodiless ? Buffer.alloc(0) : await readBody(request)
    // There is nobody to answer.
    if (body === undefined) return
    if (answerDocument(api, request, url, response)) return
    const route = parseRoute(url.pathname)
    const type = route && api.cluster.registry.find(route.group, route.version, route.plural)
    if (route === undefined || type === undefined) throw pathNotFound()
    const exchange: Exchange = { api, request, response, query: url.searchParams, body, route, type }
    dispatch(exchange)
  } catch (error) {
    answerError(response, error)
  }
}

interface Exchange {
  api: Api
  request: IncomingMessage
  response: ServerResponse
  query: URLSearchParams
  body: Buffer
  route: ResourceRoute
  type: ResourceType
}

function dispatch(exchange: Exchange): void {
  const { route, type, request } = exchange
  if (
    type.namespaced
      ? route.name !== undefined && route.namespace === undefined
      : route.namespace !== undefined
  )
    throw pathNotFound()
  if (route.name === undefined) {
    switch (request.method) {
      case 'GET':
        return isWatch(exchange.query) ? watch(exchange) : answerList(exchange)
      case 'POST':
        if (type.namespaced && route.namespace === undefined) throw methodNotAllowed()
        return answerWrite(exchange, (target, options) => ({
          object: create(exchange.api.cluster, target, readObject(exchange), options),
          code: 201,
        }))
      case 'DELETE':
        return deleteCollection(exchange)
      default:
        throw methodNotAllowed()
    }
  }
  if (route.subresource !== undefined) return dispatchSubresource(exchange, route.name, route.subresource)
  switch (request.method) {
    case 'GET':
      return isWatch(exchange.query)
        ? watch(exchange)
        : answerObject(exchange, 200, getNamed(exchange, route.name))
    case 'PUT':
      return put(exchange, route.name, 'main')
    case 'PATCH':
      return answerPatch(exchange, route.name, 'main')
    case 'DELETE':
      return deleteOne(exchange, route.name)
    default:
      throw methodNotAllowed()
  }
}

function dispatchSubresource(exchange: Exchange, name: string, subresource: string): void {
  const { type, request, api } = exchange
  if (subresource === 'status' && type.status) {
    if (request.method === 'GET') return answerObject(exchange, 200, getNamed(exchange, name))
    if (request.method === 'PUT') return put(exchange, name, 'status')
    if (request.method === 'PATCH') return answerPatch(exchange, name, 'status')
    throw methodNotAllowed()
  }
  if (subresource === 'scale' && type.scale !== undefined) {
    const paths = type.scale
    const stored = getNamed(exchange, name)
    const write = (scale: Json) => {
      const options = writeOptions(exchange)
      answer(exchange, 200, putScale(api.cluster, targetOf(exchange), name, scale, paths, options))
    }
    if (request.method === 'GET') return answer(exchange, 200, scaleOf(stored, paths))
    if (request.method === 'PUT') return write(readObject(exchange))
    if (request.method === 'PATCH') {
      const body = parseJson(exchange.body.toString())
      return write(patchedObject(scaleOf(stored, paths), contentType(request), body))
    }
    throw methodNotAllowed()
  }
  throw pathNotFound()
}

function put(exchange: Exchange, name: string, part: 'main' | 'status'): void {
  answerWrite(exchange, (target, options) => ({
    object: update(exchange.api.cluster, target, name, readObject(exchange), part, options),
    code: 200,
  }))
}

function answerPatch(exchange: Exchange, name: string, part: 'main' | 'status'): void {
  const { api, query, request, body } = exchange
  answerWrite(exchange, (target, options) => {
    const { object, created } = patch(
      api.cluster,
      target,
      name,
      contentType(request),
      body.toString(),
      part,
      {
        ...options,
        fieldManager: query.get('fieldManager') ?? '',
        force: query.get('force') === 'true',
      },
    )
    return { object, code: created ? 201 : 200 }
  })
}

function answerWrite(
  exchange: Exchange,
  write: (target: Target, options: WriteOptions) => { object: Resource; code: number },
): void {
  const options = writeOptions(exchange)
  const { object, code } = write(targetOf(exchange), options)
  for (const warning of options.warnings ?? []) {
    exchange.response.appendHeader(
      'Warning',
      `299 - ${JSON.stringify(warning.replaceAll(/[^\x20-\x7e]/g, '?'))}`,
    )
  }
  answerObject(exchange, code, object)
}

function deleteOne(exchange: Exchange, name: string): void {
  const target = targetOf(exchange)
  const { object, gone } = remove(exchange.api.cluster, target, name, deleteOptions(exchange))
  if (!gone) return answer(exchange, 200, object)
  const { group, plural } = target.type
  const details = { name, ...(group === '' ? {} : { group }), kind: plural, uid: object.metadata.uid }
  answer(exchange, 200, { kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Success', details })
}

function deleteCollection(exchange: Exchange): void {
  const { api, query } = exchange
  const target = collectionOf(exchange)
  const options = deleteOptions(exchange)
  const page = list(api.cluster, target, query)
  for (const object of page.objects) {
    remove(
      api.cluster,
      { ...target, namespace: object.metadata.namespace ?? '' },
      object.metadata.name,
      options,
    )
  }
  answer(exchange, 200, listObject(target, page))
}

function answerList(exchange: Exchange): void {
  const { api, query, type, route } = exchange
  const target = collectionOf(exchange)
  const page = list(api.cluster, target, query)
  const form = formOf(exchange.request, query)
  if (form.kind === 'table') {
    return answer(exchange, 200, tableOf(type, route.version, page.objects, form.include, page.metadata))
  }
  if (form.kind === 'metadata') {
    const items = page.objects.map(metadataOf)
    const apiVersion = 'meta.k8s.io/v1'
    return answer(exchange, 200, {
      kind: 'PartialObjectMetadataList',
      apiVersion,
      metadata: page.metadata,
      items,
    })
  }
  answer(exchange, 200, listObject(target, page))
}

function answerObject(exchange: Exchange, code: number, object: Resource): void {
  answer(exchange, code, render(exchange, object))
}

/** The object in the form that the client accepts. */
function render({ request, query, type, route }: Exchange, object: Resource): JsonObject {
  const form = formOf(request, query)
  if (form.kind === 'object') return object
  if (form.kind === 'metadata') return metadataOf(object)
  const { resourceVersion } = object.metadata
  return tableOf(type, route.version, [object], form.include, { resourceVersion })
}

function watch(exchange: Exchange): void {
  const { api, query, response, route } = exchange
  const target = collectionOf(exchange)
  if (route.name !== undefined) query.append('fieldSelector', `metadata.name=${route.name}`)
  // What is wrong with the request itself is answered before the watch begins.
  matcherOf(target, query)
  resourceVersionOf(query)
  const seconds = Number(query.get('timeoutSeconds') ?? 0)
  // Watches without a bound last 30 to 60 minutes, so that clients do not all come back at once.
  const timeoutMs = seconds > 0 ? seconds * 1000 : (30 + 30 * Math.random()) * 60_000
  response.writeHead(200, { 'content-type': 'application/json', 'cache-control': 'no-cache, private' })
  response.flushHeaders()
  const end = () => response.end()
  const sink = {
    write: (line: string) => void response.write(line),
    pending: () => response.writableLength,
    end,
  }
  let stop = () => {}
  try {
    stop = api.hub.start(target, query, (object) => render(exchange, object), sink)
  } catch (error) {
    if (!(error instanceof ApiError)) throw error
    response.end(errorEvent(error))
    return
  }
  const timer = setTimeout(end, Math.min(timeoutMs, 2 ** 31 - 1))
  timer.unref()
  response.on('close', () => {
    clearTimeout(timer)
    stop()
  })
}

type Form = { kind: 'object' } | { kind: 'metadata' } | { kind: 'table'; include: IncludeObject }

/** Which of the forms that the server has comes first in the Accept header. */
function formOf(request: IncomingMessage, query: URLSearchParams): Form {
  for (const accepted of (request.headers.accept ?? '').split(',')) {
    const [media, ...parameters] = accepted.split(';').map((part) => part.trim())
    if (media !== 'application/json') continue
    if (parameters.includes('as=Table') && parameters.includes('v=v1')) {
      const include = query.get('includeObject') ?? 'Metadata'
      return { kind: 'table', include: include === 'Object' || include === 'None' ? include : 'Metadata' }
    }
    if (parameters.some((one) => one.startsWith('as=PartialObjectMetadata'))) return { kind: 'metadata' }
    if (!parameters.some((one) => one.startsWith('as='))) return { kind: 'object' }
  }
  return { kind: 'object' }
}

function getNamed(exchange: Exchange, name: string): Resource {
  return get(exchange.api.cluster, targetOf(exchange), name)
}

function targetOf({ type, route }: Exchange): Target {
  return { type, version: route.version, namespace: route.namespace ?? '' }
}

function collectionOf({ type, route }: Exchange): CollectionTarget {
  return { type, version: route.version, namespace: type.namespaced ? route.namespace : undefined }
}

function isWatch(query: URLSearchParams): boolean {
  const watch = query.get('watch')
  return watch === 'true' || watch === '1'
}

function writeOptions({ query }: Exchange): WriteOptions {
  const mode = query.get('fieldValidation') ?? ''
  if (mode !== '' && mode !== 'Strict' && mode !== 'Warn' && mode !== 'Ignore')
    throw badRequest(
      `fieldValidation: Unsupported value: "${mode}": supported values: "Ignore", "Strict", "Warn"`,
    )
  const dryRun = isDryRun(query.getAll('dryRun'))
  return { dryRun, warnings: [], ...(mode === '' ? {} : { fieldValidation: mode }) }
}

function isDryRun(values: string[]): boolean {
  for (const value of values) {
    if (value !== 'All') throw badRequest(`dryRun: Unsupported value: "${value}": supported values: "All"`)
  }
  return values.length > 0
}

function deleteOptions(exchange: Exchange): DeleteOptions {
  const { query, body } = exchange
  const sent = body.length === 0 ? {} : readObject(exchange)
  const given: JsonObject = isObject(sent) ? sent : {}
  const preconditions = isObject(given['preconditions']) ? given['preconditions'] : {}
  const propagation = stringAt(given, 'propagationPolicy') || (query.get('propagationPolicy') ?? '')
  const dryRun = Array.isArray(given['dryRun']) ? given['dryRun'].map(String) : query.getAll('dryRun')
  const options: DeleteOptions = { dryRun: isDryRun(dryRun) }
  if (propagation === 'Orphan' || propagation === 'Foreground' || propagation === 'Background')
    options.propagation = propagation
  else if (propagation !== '') {
    const supported = '"Background", "Foreground", "Orphan"'
    throw badRequest(`propagationPolicy: Unsupported value: "${propagation}": supported values: ${supported}`)
  } else if (given['orphanDependents'] === true) options.propagation = 'Orphan'
  if (typeof preconditions['uid'] === 'string') options.uid = preconditions['uid']
  if (typeof preconditions['resourceVersion'] === 'string')
    options.resourceVersion = preconditions['resourceVersion']
  return options
}

function readObject({ request, body }: Exchange): Json {
  const type = contentType(request)
  if (type === '' || type === 'application/json') return parseJson(body.toString())
  if (type === 'application/yaml') return parseYaml(body.toString())
  if (type === protobufType) return readProtobuf(body)
  throw unsupportedMediaType(type, ['application/json', 'application/yaml', ...patchTypes])
}

function contentType(request: IncomingMessage): string {
  return (request.headers['content-type'] ?? '').split(';')[0]!.trim()
}

/**
 * The whole body; undefined when the client went away before it had sent everything. One that is too large is read to
 * its end all the same, so that the client comes to read the answer.
 */
function readBody(request: IncomingMessage): Promise<Buffer | undefined> {
  const chunks: Buffer[] = []
  let length = 0
  return new Promise((resolve, reject) => {
    request.on('data', (chunk: Buffer) => {
      length += chunk.length
      if (length <= bodyBytesMax) chunks.push(chunk)
      else if (length > drainedBytesMax) request.destroy()
    })
    request.on('end', () => {
      if (length <= bodyBytesMax) resolve(Buffer.concat(chunks))
      else reject(new ApiError(413, 'RequestEntityTooLarge', `limit is ${bodyBytesMax}`))
    })
    request.on('error', () => resolve(undefined))
    request.on('close', () => resolve(undefined))
  })
}

function answer({ response }: Exchange, code: number, object: JsonObject): void {
  const text = JSON.stringify(object)
  response.writeHead(code, {
    'content-type': 'application/json',
    'cache-control': 'no-cache, private',
    'content-length': Buffer.byteLength(text),
  })
  response.end(text)
}

/** Answers with the Status that `error` is; a bug of ours is an internal error to the client and told to stderr. */
export function answerError(response: ServerResponse, error: unknown): void {
  const known = error instanceof ApiError
  if (!known) process.stderr.write(`kube server: ${error instanceof Error ? error.stack : String(error)}\n`)
  const status = known
    ? error
    : new ApiError(500, 'InternalError', `Internal error occurred: ${String(error)}`)
  if (response.headersSent) {
    response.destroy()
    return
  }
  const headers: Record<string, string> = { 'content-type': 'application/json' }
  // The rest of a body that was refused unread would be taken for the next request.
  if (status.code === 401) headers['connection'] = 'close'
  response.writeHead(status.code, headers)
  response.end(JSON.stringify(status.status()))
}
