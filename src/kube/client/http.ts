/** One HTTP exchange with an API server over TCP, TLS or a Unix socket, on connections that are kept. */
import http from 'node:http'
import https from 'node:https'
import { messageOf } from '#core/lib/error.ts'
import { err, ok, type Result } from '#core/lib/result.ts'
import type { ClusterAccess, Credentials } from './access.ts'
import { unavailable, type ApiError } from './api-error.ts'

export interface HttpRequest {
  method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'
  /** Path and query below the server's own base path. */
  path: string
  body?: { type: string; text: string }
  /** Longest wait for the head of the response; for its body too when it is read whole. */
  timeoutMs: number
  signal?: AbortSignal | undefined
  /** A response that goes on for long: it gets a connection of its own. */
  stream: boolean
}

/** Dead connections are noticed this long after they fell silent (then 10 probes, a second apart). */
const keepAliveProbeMs = 15_000

export class HttpConnections {
  readonly #access: ClusterAccess
  readonly #agent: http.Agent
  readonly #streamAgent: http.Agent

  constructor(access: ClusterAccess) {
    this.#access = access
    const { endpoint, tls } = access
    const secure = endpoint.kind === 'tcp' && endpoint.protocol === 'https:'
    const tlsOptions = {
      ...(tls.ca === undefined ? {} : { ca: tls.ca }),
      ...(tls.serverName === undefined ? {} : { servername: tls.serverName }),
      rejectUnauthorized: !tls.insecure,
    }
    const kept = { keepAlive: true, keepAliveMsecs: keepAliveProbeMs, maxSockets: 16 }
    this.#agent = secure ? new https.Agent({ ...kept, ...tlsOptions }) : new http.Agent(kept)
    this.#streamAgent = secure ? new https.Agent(tlsOptions) : new http.Agent()
  }

  /** The response once its head is there. The error is always `unavailable` or `aborted`. */
  async open(request: HttpRequest): Promise<Result<http.IncomingMessage, ApiError>> {
    let credentials: Credentials
    try {
      credentials = await this.#access.credentials()
    } catch (error) {
      return err(unavailable(`no credentials: ${messageOf(error)}`))
    }
    const first = await this.#attempt(request, credentials)
    // The server may close an idle connection just as it is used again; nothing of the request was read then.
    return first === 'staleConnection' ? asResult(await this.#attempt(request, credentials)) : first
  }

  close(): void {
    this.#agent.destroy()
    this.#streamAgent.destroy()
  }

  #attempt(
    request: HttpRequest,
    credentials: Credentials,
  ): Promise<Result<http.IncomingMessage, ApiError> | 'staleConnection'> {
    const { endpoint } = this.#access
    const headers: Record<string, string> = { Accept: 'application/json', 'User-Agent': 'herald' }
    if (credentials.authorization !== undefined) headers['Authorization'] = credentials.authorization
    if (request.body !== undefined) {
      headers['Content-Type'] = request.body.type
      headers['Content-Length'] = String(Buffer.byteLength(request.body.text))
    }
    const options: https.RequestOptions = {
      method: request.method,
      agent: request.stream ? this.#streamAgent : this.#agent,
      headers,
      ...(request.signal === undefined ? {} : { signal: request.signal }),
      ...(credentials.certificate === undefined ? {} : { cert: credentials.certificate }),
      ...(credentials.key === undefined ? {} : { key: credentials.key }),
      ...(endpoint.kind === 'unix'
        ? { socketPath: endpoint.path, path: request.path, host: 'localhost' }
        : { host: endpoint.host, port: endpoint.port, path: endpoint.basePath + request.path }),
    }
    const secure = endpoint.kind === 'tcp' && endpoint.protocol === 'https:'
    return new Promise((resolve) => {
      const sent = (secure ? https : http).request(options)
      const timer = setTimeout(() => {
        sent.destroy(new Error(`no answer within ${request.timeoutMs / 1000} s`))
      }, request.timeoutMs)
      sent.on('response', (response) => {
        if (request.stream) clearTimeout(timer)
        else response.on('close', () => clearTimeout(timer))
        resolve(ok(response))
      })
      sent.on('socket', (socket) => socket.setKeepAlive(true, keepAliveProbeMs))
      sent.on('error', (error: NodeJS.ErrnoException) => {
        clearTimeout(timer)
        if (request.signal?.aborted === true)
          return resolve(err({ kind: 'aborted', status: 0, message: 'the request was given up' }))
        if (sent.reusedSocket && error.code === 'ECONNRESET') return resolve('staleConnection')
        resolve(err(unavailable(`cannot reach the API server: ${error.message || error.code || error.name}`)))
      })
      sent.end(request.body?.text)
    })
  }
}

function asResult(
  attempt: Result<http.IncomingMessage, ApiError> | 'staleConnection',
): Result<http.IncomingMessage, ApiError> {
  return attempt === 'staleConnection'
    ? err(unavailable('the API server closes connections as they are used'))
    : attempt
}
