/** Serves the contract over HTTP, on a unix socket that only its owner may open. */
import { getRequestListener } from '@hono/node-server'
import { Hono, type Context } from 'hono'
import { stream, streamSSE } from 'hono/streaming'
import type { StreamingApi } from 'hono/utils/stream'
import { chmodSync, mkdirSync, rmSync } from 'node:fs'
import { createServer } from 'node:http'
import { connect } from 'node:net'
import { dirname } from 'node:path'
import type { z } from 'zod'
import {
  defaultSockets,
  ndjson,
  peerCommandSchema,
  routeQuerySchema,
  withheldQuerySchema,
  type List,
  type PeerCommandAnswer,
  type PeerCommandRequest,
  type PeerRow,
  type ProblemRow,
  type RouteQuery,
  type RouteRow,
  type RpkiRow,
  type ServiceRow,
  type StationRow,
  type Version,
  type WithheldQuery,
  type WithheldRow,
} from './contract/contract.ts'
import type { Refusal } from './peer-command.ts'

/** What a role answers with. */
export interface ApiBackend {
  version(): Version
  peers(): List<PeerRow> | Promise<List<PeerRow>>
  /** In pages, since a full table is long: nobody has all of it at a time. */
  routes(query: RouteQuery): Iterable<List<RouteRow>> | AsyncIterable<List<RouteRow>>
  /** What is not announced, and why; in pages, too. */
  withheld(query: WithheldQuery): Iterable<List<WithheldRow>> | AsyncIterable<List<WithheldRow>>
  /** What is wrong with what users said. */
  problems(): List<ProblemRow> | Promise<List<ProblemRow>>
  /** Gives a command to the sessions that are meant. */
  command(request: PeerCommandRequest): PeerCommandAnswer | Refusal | Promise<PeerCommandAnswer | Refusal>
  /** Monitoring stations. */
  stations(): List<StationRow> | Promise<List<StationRow>>
  /** Caches of validated route origins. */
  rpki(): List<RpkiRow> | Promise<List<RpkiRow>>
  /** Absent: this role knows of no Services. */
  services?(): List<ServiceRow> | Promise<List<ServiceRow>>
  /** Calls back after anything that the lists show may have changed, until the function given back is called. */
  subscribe(changed: () => void): () => void
}

export interface ApiServer {
  /** Where it listens: `unix:/path/to.sock`. */
  url: string
  close(): Promise<void>
}

/** Listens on the unix socket `path`; takes the place of a socket that nobody serves any more. */
export async function serveApi(backend: ApiBackend, path: string): Promise<ApiServer> {
  if (await isServed(path)) throw new Error(`another Herald serves ${path}`)
  mkdirSync(dirname(path), { recursive: true })
  rmSync(path, { force: true })
  const app = apiRoutes(backend)
  const listener = getRequestListener(app.fetch)
  const server = createServer((request, response) => void listener(request, response))
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(path, resolve)
  })
  chmodSync(path, 0o600)
  return {
    url: `unix:${path}`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}

/** The API as a Hono app, without a socket. */
export function apiRoutes(backend: ApiBackend): Hono {
  const app = new Hono()
  app.get('/v1/version', (c) => c.json(backend.version()))
  app.get('/v1/peers', (c) => answer(c, backend, () => backend.peers()))
  app.get('/v1/routes', (c) => {
    const query = routeQuerySchema.safeParse(c.req.query())
    if (!query.success) return c.json({ error: queryFault(query.error) }, 400)
    return answerPages(c, backend, () => backend.routes(query.data))
  })
  app.get('/v1/withheld', (c) => {
    const query = withheldQuerySchema.safeParse(c.req.query())
    if (!query.success) return c.json({ error: queryFault(query.error) }, 400)
    return answerPages(c, backend, () => backend.withheld(query.data))
  })
  app.get('/v1/problems', (c) => answer(c, backend, () => backend.problems()))
  app.post('/v1/peers/command', async (c) => {
    const request = peerCommandSchema.safeParse(await c.req.json().catch(() => undefined))
    if (!request.success) return c.json({ error: queryFault(request.error) }, 400)
    const done = await backend.command(request.data)
    return 'error' in done ? c.json({ error: done.error, hint: done.hint }, done.status) : c.json(done)
  })
  app.get('/v1/stations', (c) => answer(c, backend, () => backend.stations()))
  app.get('/v1/rpki', (c) => answer(c, backend, () => backend.rpki()))
  app.get('/v1/services', (c) => {
    if (backend.services === undefined) {
      const hint = `ask the controller: --server unix:${defaultSockets.whole}`
      return c.json({ error: 'this role knows of no Services', hint }, 404)
    }
    return answer(c, backend, () => backend.services!())
  })
  app.notFound((c) => c.json({ error: `no such path: ${c.req.path}` }, 404))
  app.onError((error, c) => c.json({ error: error.message }, 500))
  return app
}

function queryFault({ issues: [issue] }: z.ZodError): string {
  return `${issue?.path.join('.') ?? 'query'}: ${issue?.message ?? 'not valid'}`
}

type Pages<T> = Iterable<List<T>> | AsyncIterable<List<T>>

/** A list as JSON; with `?watch` as server-sent events, a whole list at each change. */
function answer<T>(c: Context, backend: ApiBackend, list: () => T | Promise<T>) {
  if (c.req.query('watch') === undefined)
    return Promise.resolve(list()).then((value) => c.json(value as object))
  let last = ''
  return watched(c, backend, async (out) => {
    const text = JSON.stringify(await list())
    if (text !== last) await out.write(`data: ${text}\n\n`)
    last = text
  })
}

/**
 * A list that may be long, page by page, with whatever else there is to do in between: a line for each row and at the end one
 * with the warnings for those who accept `application/x-ndjson`, else one list. With `?watch` as {@link answer}.
 */
function answerPages<T>(c: Context, backend: ApiBackend, pages: () => Pages<T>) {
  if (c.req.query('watch') !== undefined) return watchPages(c, backend, pages)
  const lines = c.req.header('accept') === ndjson
  c.header('Content-Type', lines ? ndjson : 'application/json')
  return stream(c, async (out) => {
    for await (const part of lines ? lineParts(pages()) : listParts(pages())) {
      if (out.aborted) return
      await out.write(part)
    }
  })
}

/** So many characters of a list are held back until it is known whether it says anything new. */
const heldMax = 2 ** 18

/**
 * A list that has grown long goes out as it comes, and is never held whole. Changes may come all the time: after such a list
 * there is a pause as long as it took.
 */
function watchPages<T>(c: Context, backend: ApiBackend, pages: () => Pages<T>) {
  let last: string | undefined
  return watched(c, backend, async (out) => {
    const start = performance.now()
    let held: string | undefined = ''
    for await (const part of listParts(pages())) {
      if (out.aborted) return
      if (held === undefined) await out.write(`data: ${part}\n`)
      else if (held.length + part.length <= heldMax) held += part
      else {
        await out.write(`data: ${held}${part}\n`)
        held = undefined
      }
    }
    if (held === undefined) {
      await out.write('\n')
      await out.sleep(performance.now() - start)
    } else if (held !== last) await out.write(`data: ${held}\n\n`)
    last = held
  })
}

/** Server-sent events: lets `write` say what there is, now and after each change. */
function watched(c: Context, backend: ApiBackend, write: (out: StreamingApi) => Promise<void>) {
  return streamSSE(c, async (out) => {
    let wake: () => void = () => {}
    let changed = true
    const notify = () => {
      changed = true
      wake()
    }
    const unsubscribe = backend.subscribe(notify)
    out.onAbort(() => wake())
    try {
      while (!out.aborted) {
        if (!changed) await new Promise<void>((resolve) => (wake = resolve))
        changed = false
        await write(out)
      }
    } finally {
      unsubscribe()
    }
  })
}

async function* lineParts<T>(pages: Pages<T>): AsyncGenerator<string> {
  const warnings: string[] = []
  for await (const page of inTurns(pages)) {
    warnings.push(...page.warnings)
    if (page.items.length > 0) yield `${page.items.map((row) => JSON.stringify(row)).join('\n')}\n`
  }
  yield `${JSON.stringify({ warnings })}\n`
}

/** The list as JSON without line breaks. */
async function* listParts<T>(pages: Pages<T>): AsyncGenerator<string> {
  const warnings: string[] = []
  let before = '{"items":['
  for await (const page of inTurns(pages)) {
    warnings.push(...page.warnings)
    if (page.items.length === 0) continue
    yield before + page.items.map((row) => JSON.stringify(row)).join(',')
    before = ','
  }
  yield `${before === ',' ? '' : before}],"warnings":${JSON.stringify(warnings)}}`
}

/** Between two pages everything else gets its turn. */
async function* inTurns<T>(pages: Pages<T>): AsyncGenerator<List<T>> {
  let first = true
  for await (const page of pages) {
    if (!first) await new Promise((resolve) => setImmediate(resolve))
    first = false
    yield page
  }
}

function isServed(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path)
    socket.once('connect', () => {
      socket.destroy()
      resolve(true)
    })
    socket.once('error', () => resolve(false))
  })
}
