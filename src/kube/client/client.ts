/**
 * A thin client of the Kubernetes API over HTTP/1.1 and JSON. Nothing it does throws: each call gives a `Result`. It
 * knows no types of resources beyond the {@link ResourceType} that it is handed.
 */
import type { IncomingMessage } from 'node:http'
import { err, ok, type Result } from '#core/lib/result.ts'
import type { KubeObject } from '#core/schema/object.ts'
import { showEndpoint, type ClusterAccess } from './access.ts'
import { apiErrorOf, unavailable, type ApiError } from './api-error.ts'
import { HttpConnections, type HttpRequest } from './http.ts'
import { LineSplitter, LineTooLong } from './line-splitter.ts'
import { apiVersionOf, collectionPath, objectPath, type ObjectName, type ResourceType } from './resource.ts'

export type ApiResult<T> = Result<T, ApiError>

export interface ListOptions {
  namespace?: string
  labelSelector?: string
  fieldSelector?: string
  /** `0`: any version the server has at hand; absent: the newest. */
  resourceVersion?: string
}

export interface ObjectList {
  items: KubeObject[]
  /** To watch from. */
  resourceVersion: string
}

export interface WatchOptions extends Omit<ListOptions, 'resourceVersion'> {
  /** Of the list, or of the last event seen. */
  resourceVersion: string
  /** After this the server ends the watch. */
  timeoutSeconds: number
}

export type WatchEvent =
  | { type: 'ADDED' | 'MODIFIED' | 'DELETED' | 'BOOKMARK'; object: KubeObject }
  | { type: 'ERROR'; error: ApiError }

export interface WatchHandlers {
  /** The server has taken the request; events follow. */
  opened(): void
  event(event: WatchEvent): void
  /** The watch is over. An absent error: the server ended it, as it does after `timeoutSeconds`. Called once. */
  closed(error?: ApiError): void
}

export type PatchType = 'merge' | 'json' | 'strategic' | 'apply'

const patchContentTypes: Record<PatchType, string> = {
  merge: 'application/merge-patch+json',
  json: 'application/json-patch+json',
  strategic: 'application/strategic-merge-patch+json',
  apply: 'application/apply-patch+yaml',
}

export interface PatchOptions {
  /** Absent: `merge`. */
  type?: PatchType
  /** `status`, `scale`. */
  subresource?: string
  /** Server-side apply: who applies, and whether to take fields over from others. */
  fieldManager?: string
  force?: boolean
}

export interface ClientOptions {
  /** Longest wait for an answer other than a list's, ms. */
  timeoutMs?: number
  /** Longest wait for a list, ms. */
  listTimeoutMs?: number
  /** Ends everything that is under way. */
  signal?: AbortSignal
}

export class KubeClient {
  readonly access: ClusterAccess
  readonly #connections: HttpConnections
  readonly #timeoutMs: number
  readonly #listTimeoutMs: number
  readonly #signal: AbortSignal | undefined

  constructor(access: ClusterAccess, options: ClientOptions = {}) {
    this.access = access
    this.#connections = new HttpConnections(access)
    this.#timeoutMs = options.timeoutMs ?? 10_000
    this.#listTimeoutMs = options.listTimeoutMs ?? 60_000
    this.#signal = options.signal
  }

  /** The server's address, for people. */
  get server(): string {
    return showEndpoint(this.access.endpoint)
  }

  get<T extends KubeObject>(type: ResourceType, object: ObjectName): Promise<ApiResult<T>> {
    return this.#json<T>({ method: 'GET', path: objectPath(type, object) })
  }

  /** Items carry apiVersion and kind, which the server leaves out of lists. */
  async list(type: ResourceType, options: ListOptions = {}): Promise<ApiResult<ObjectList>> {
    const path = collectionPath(type, options.namespace) + query(options)
    const got = await this.#json<ListAnswer>({ method: 'GET', path, timeoutMs: this.#listTimeoutMs })
    if (!got.ok) return got
    const { items, metadata } = got.value
    if (!Array.isArray(items) || metadata?.resourceVersion === undefined)
      return err(unavailable('the API server answered a list request with something else'))
    for (const item of items) {
      item.apiVersion ??= apiVersionOf(type)
      item.kind ??= type.kind
    }
    return ok({ items, resourceVersion: metadata.resourceVersion })
  }

  create<T extends KubeObject>(type: ResourceType, object: T): Promise<ApiResult<T>> {
    const path = collectionPath(type, object.metadata.namespace)
    return this.#json<T>({ method: 'POST', path, body: jsonBody(object) })
  }

  /** Replaces the object; a `metadata.resourceVersion` in it makes that conditional. */
  update<T extends KubeObject>(type: ResourceType, object: T, subresource?: string): Promise<ApiResult<T>> {
    const path = objectPath(type, object.metadata, subresource)
    return this.#json<T>({ method: 'PUT', path, body: jsonBody(object) })
  }

  patch<T extends KubeObject>(
    type: ResourceType,
    object: ObjectName,
    patch: unknown,
    options: PatchOptions = {},
  ): Promise<ApiResult<T>> {
    const { subresource, fieldManager, force } = options
    const path = objectPath(type, object, subresource) + query({ fieldManager, force: force && 'true' })
    const body = { type: patchContentTypes[options.type ?? 'merge'], text: JSON.stringify(patch) }
    return this.#json<T>({ method: 'PATCH', path, body })
  }

  /**
   * Merges `status` into the object's status (null removes a field, lists replace), on condition that the object still
   * has the resourceVersion that `object` carries; `conflict` if it has not.
   */
  patchStatus<T extends KubeObject>(
    type: ResourceType,
    object: KubeObject,
    status: Record<string, unknown>,
  ): Promise<ApiResult<T>> {
    const { resourceVersion } = object.metadata
    const patch = { ...(resourceVersion === undefined ? {} : { metadata: { resourceVersion } }), status }
    return this.patch<T>(type, object.metadata, patch, { subresource: 'status' })
  }

  delete(
    type: ResourceType,
    object: ObjectName,
    preconditions?: { uid?: string; resourceVersion?: string },
  ): Promise<ApiResult<unknown>> {
    const body = { apiVersion: 'v1', kind: 'DeleteOptions', ...(preconditions && { preconditions }) }
    return this.#json({ method: 'DELETE', path: objectPath(type, object), body: jsonBody(body) })
  }

  /** Any other path, e.g. `/version`. */
  raw<T>(path: string): Promise<ApiResult<T>> {
    return this.#json<T>({ method: 'GET', path })
  }

  /** Follows a collection until the server ends it, it breaks, or `signal` says so (then no handler is called). */
  async watch(
    type: ResourceType,
    options: WatchOptions,
    handlers: WatchHandlers,
    signal: AbortSignal,
  ): Promise<void> {
    const { namespace, timeoutSeconds, ...rest } = options
    const path =
      collectionPath(type, namespace) +
      query({ ...rest, watch: '1', allowWatchBookmarks: 'true', timeoutSeconds: String(timeoutSeconds) })
    const opened = await this.#open({ method: 'GET', path, stream: true, timeoutMs: this.#timeoutMs, signal })
    if (signal.aborted) return
    if (!opened.ok) return handlers.closed(opened.error)
    readEvents(opened.value, handlers, signal)
  }

  close(): void {
    this.#connections.close()
  }

  async #json<T>(request: PartialRequest): Promise<ApiResult<T>> {
    const opened = await this.#open({ timeoutMs: this.#timeoutMs, stream: false, ...request })
    if (!opened.ok) return opened
    const body = await readAll(opened.value)
    if (!body.ok) return body
    try {
      return ok(JSON.parse(body.value) as T)
    } catch {
      return err(unavailable(`the API server's answer is not JSON: ${body.value.slice(0, 200)}`))
    }
  }

  /** A response of status 2xx. Refused credentials are renewed and tried once more. */
  async #open(request: HttpRequest): Promise<ApiResult<IncomingMessage>> {
    const signal = anySignal(this.#signal, request.signal)
    const first = await this.#answered({ ...request, signal })
    if (first.ok || first.error.kind !== 'unauthorized') return first
    this.access.credentialsRefused()
    return this.#answered({ ...request, signal })
  }

  async #answered(request: HttpRequest): Promise<ApiResult<IncomingMessage>> {
    const opened = await this.#connections.open(request)
    if (!opened.ok) return opened
    const response = opened.value
    const status = response.statusCode ?? 0
    if (status >= 200 && status < 300) return opened
    const body = await readAll(response)
    return err(apiErrorOf(status, body.ok ? body.value : '', response.headers['retry-after']))
  }
}

type PartialRequest = Omit<HttpRequest, 'timeoutMs' | 'stream'> & { timeoutMs?: number }

interface ListAnswer {
  items?: KubeObject[]
  metadata?: { resourceVersion?: string }
}

function jsonBody(value: unknown): { type: string; text: string } {
  return { type: 'application/json', text: JSON.stringify(value) }
}

function query(parameters: object): string {
  const parts: string[] = []
  for (const [key, value] of Object.entries(parameters) as [string, unknown][]) {
    if (typeof value === 'string' && key !== 'namespace') parts.push(`${key}=${encodeURIComponent(value)}`)
  }
  return parts.length === 0 ? '' : `?${parts.join('&')}`
}

function anySignal(a: AbortSignal | undefined, b: AbortSignal | undefined): AbortSignal | undefined {
  return a === undefined ? b : b === undefined ? a : AbortSignal.any([a, b])
}

function readAll(response: IncomingMessage): Promise<ApiResult<string>> {
  return new Promise((resolve) => {
    const chunks: Buffer[] = []
    response.on('data', (chunk: Buffer) => chunks.push(chunk))
    response.on('end', () => resolve(ok(Buffer.concat(chunks).toString('utf8'))))
    response.on('error', (error) =>
      resolve(err(unavailable(`the API server's answer broke off: ${error.message}`))),
    )
    response.on('close', () => resolve(err(unavailable("the API server's answer broke off"))))
  })
}

function readEvents(response: IncomingMessage, handlers: WatchHandlers, signal: AbortSignal): void {
  const lines = new LineSplitter()
  let over = false
  const end = (error?: ApiError) => {
    if (over) return
    over = true
    response.destroy()
    if (!signal.aborted) handlers.closed(error)
  }
  handlers.opened()
  response.on('data', (chunk: Buffer) => {
    try {
      for (const line of lines.push(chunk)) {
        if (over || signal.aborted) return
        handlers.event(watchEvent(line))
      }
    } catch (error) {
      if (!(error instanceof MalformedStream) && !(error instanceof LineTooLong)) throw error
      end(unavailable(error.message))
    }
  })
  response.on('end', () => end())
  response.on('error', (error) => end(unavailable(`the watch broke off: ${error.message}`)))
  response.on('close', () => end(unavailable('the watch broke off')))
}

class MalformedStream extends Error {}

function watchEvent(line: string): WatchEvent {
  let event: { type?: unknown; object?: unknown }
  try {
    event = JSON.parse(line) as typeof event
  } catch {
    throw new MalformedStream(`the watch sent something that is not JSON: ${line.slice(0, 200)}`)
  }
  const object = event.object as KubeObject & { code?: number; metadata?: KubeObject['metadata'] }
  switch (event.type) {
    case 'ADDED':
    case 'MODIFIED':
    case 'DELETED':
    case 'BOOKMARK':
      if (typeof object?.metadata !== 'object')
        throw new MalformedStream('the watch sent an event without an object')
      return { type: event.type, object }
    case 'ERROR':
      return { type: 'ERROR', error: apiErrorOf(object?.code ?? 500, JSON.stringify(object ?? {})) }
    default:
      throw new MalformedStream(`the watch sent an event of type ${String(event.type)}`)
  }
}
