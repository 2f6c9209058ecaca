/** Asks a Herald API, over a unix socket or HTTP. */
import { request, type IncomingMessage } from 'node:http'
import { createInterface } from 'node:readline'
import type { z } from 'zod'
import { messageOf } from '#core/lib/error.ts'
import { err, ok, type Result } from '#core/lib/result.ts'
import { endOfRowsSchema, errorSchema, ndjson, type List } from './contract.ts'

export interface ApiError {
  kind: 'unreachable' | 'notFound' | 'refused'
  message: string
  hint?: string
}

/**
 * GET `path` of the API at `server` (`unix:/path/to.sock`, or `http://host:port`), validated by `schema`. Gives up after
 * `timeoutMs` without an answer.
 */
export async function getJson<T extends z.ZodType>(
  server: string,
  path: string,
  schema: T,
  timeoutMs = 5000,
): Promise<Result<z.output<T>, ApiError>> {
  const opened = await open(server, path, timeoutMs)
  return opened.ok ? read(server, opened.value, schema) : opened
}

async function read<T extends z.ZodType>(
  server: string,
  response: IncomingMessage,
  schema: T,
): Promise<Result<z.output<T>, ApiError>> {
  let text = ''
  try {
    response.setEncoding('utf8')
    for await (const chunk of response) text += String(chunk)
  } catch (error) {
    return err({ kind: 'unreachable', message: `${server} broke off its answer: ${messageOf(error)}` })
  }
  return parse(server, text, response.statusCode ?? 0, schema)
}

/** POST of a JSON value, else as {@link getJson}. */
export async function postJson<T extends z.ZodType>(
  server: string,
  path: string,
  value: unknown,
  schema: T,
  timeoutMs = 5000,
): Promise<Result<z.output<T>, ApiError>> {
  const opened = await open(server, path, timeoutMs, { body: JSON.stringify(value) })
  return opened.ok ? read(server, opened.value, schema) : opened
}

/** Rows so many at a time, so that a person sees the first ones at once. */
const rowsAtATime = 500

/**
 * The rows of a list that may be long, some at a time as they come, with the warnings at the end. After an error nothing
 * follows.
 */
export async function* streamRows<T extends z.ZodType>(
  server: string,
  path: string,
  row: T,
  timeoutMs = 5000,
): AsyncGenerator<Result<List<z.output<T>>, ApiError>> {
  const opened = await open(server, path, timeoutMs, { headers: { accept: ndjson } })
  if (!opened.ok) {
    yield opened
    return
  }
  const status = opened.value.statusCode ?? 0
  if (status !== 200) {
    const refused = await read(server, opened.value, row)
    yield refused.ok ? err({ kind: 'refused', message: `${server} answered with status ${status}` }) : refused
    return
  }
  const page: List<z.output<T>> = { items: [], warnings: [] }
  let complete = false
  try {
    for await (const line of createInterface({ input: opened.value, crlfDelay: Infinity })) {
      const end = parseEnd(line)
      if (end !== undefined) {
        page.warnings.push(...end)
        complete = true
        break
      }
      const parsed = parse(server, line, status, row)
      if (!parsed.ok) {
        yield parsed
        return
      }
      page.items.push(parsed.value)
      if (page.items.length >= rowsAtATime) yield ok({ items: page.items.splice(0), warnings: [] })
    }
  } catch (error) {
    yield err({ kind: 'unreachable', message: `${server} broke off its answer: ${messageOf(error)}` })
    return
  }
  yield complete ? ok(page) : err({ kind: 'unreachable', message: `${server} broke off its answer` })
}

/** The warnings of the last line; undefined for a row, which says more. */
function parseEnd(line: string): string[] | undefined {
  if (!line.startsWith('{"warnings":')) return undefined
  try {
    return endOfRowsSchema.parse(JSON.parse(line)).warnings
  } catch {
    return undefined
  }
}

/** The values of a watch, one per server-sent event, until `signal` aborts or the server goes away. */
export async function* watchJson<T extends z.ZodType>(
  server: string,
  path: string,
  schema: T,
  signal: AbortSignal,
): AsyncGenerator<Result<z.output<T>, ApiError>> {
  const opened = await open(server, path, 5000, { signal })
  if (!opened.ok) {
    yield opened
    return
  }
  let text = ''
  opened.value.setEncoding('utf8')
  try {
    for await (const chunk of opened.value) {
      const searched = Math.max(0, text.length - 1)
      text += String(chunk)
      let end = text.indexOf('\n\n', searched)
      while (end >= 0) {
        const data = text
          .slice(0, end)
          .split('\n')
          .filter((line) => line.startsWith('data:'))
          .map((line) => line.slice(5))
          .join('')
        text = text.slice(end + 2)
        if (data !== '') yield parse(server, data, opened.value.statusCode ?? 0, schema)
        end = text.indexOf('\n\n')
      }
    }
  } catch (error) {
    if (!signal.aborted) {
      yield err({ kind: 'unreachable', message: `${server} went away: ${messageOf(error)}` })
    }
  }
}

function open(
  server: string,
  path: string,
  timeoutMs: number,
  how: { signal?: AbortSignal; headers?: Record<string, string>; body?: string } = {},
): Promise<Result<IncomingMessage, ApiError>> {
  const unix = server.startsWith('unix:') ? server.slice('unix:'.length) : undefined
  if (unix === undefined && !(server.startsWith('http://') && URL.canParse(server))) {
    return Promise.resolve(
      err({
        kind: 'unreachable',
        message: `"${server}" is not the address of a Herald API`,
        hint: 'write unix:/path/to.sock or http://host:port',
      }),
    )
  }
  const url = unix === undefined ? new URL(path, server) : new URL(path, 'http://herald')
  const target = unix === undefined ? {} : { socketPath: unix }
  return new Promise((resolve) => {
    const { body, signal, headers } = how
    const method = body === undefined ? 'GET' : 'POST'
    const json = body === undefined ? {} : { 'content-type': 'application/json' }
    const asked = request(
      url,
      { ...target, signal, method, headers: { ...headers, ...json } },
      (response) => {
        asked.setTimeout(0)
        resolve(ok(response))
      },
    )
    asked.setTimeout(timeoutMs, () => asked.destroy(new Error(`no answer within ${timeoutMs} ms`)))
    asked.on('error', (error: NodeJS.ErrnoException) => {
      const hint =
        error.code === 'ENOENT' || error.code === 'ECONNREFUSED'
          ? 'is a Herald running here? `npm start` or `herald up` starts one; --server names another'
          : undefined
      resolve(err({ kind: 'unreachable', message: `cannot reach ${server}: ${error.message}`, hint }))
    })
    asked.end(body)
  })
}

function parse<T extends z.ZodType>(
  server: string,
  text: string,
  status: number,
  schema: T,
): Result<z.output<T>, ApiError> {
  let json: unknown
  try {
    json = JSON.parse(text)
  } catch {
    return err({ kind: 'refused', message: `${server} did not answer in JSON (status ${status})` })
  }
  if (status !== 200) {
    const known = errorSchema.safeParse(json)
    const { error, hint } = known.success ? known.data : { error: `status ${status}`, hint: undefined }
    return err({ kind: status === 404 ? 'notFound' : 'refused', message: error, hint })
  }
  const parsed = schema.safeParse(json)
  if (!parsed.success) {
    return err({
      kind: 'refused',
      message: `${server} speaks another version of the API: ${parsed.error.issues[0]?.message}`,
      hint: 'compare `herald version` with the version of the daemon',
    })
  }
  return ok(parsed.data)
}
