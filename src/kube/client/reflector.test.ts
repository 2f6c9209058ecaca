/** Against a scripted server: what a real one does only when it is in trouble. */
import assert from 'node:assert/strict'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { test, type TestContext } from 'node:test'
import type { KubeObject } from '#core/schema/object.ts'
import { until } from '../../../tests/until.testing.ts'
import { parseEndpoint } from './access.ts'
import { KubeClient } from './client.ts'
import { Reflector } from './reflector.ts'
import { resourceTypes } from './resource.ts'

type Handler = (url: URL, response: ServerResponse, request: IncomingMessage) => void

interface Bed {
  reflector: Reflector
  /** Replaces what the server does from now on. */
  serve(handler: Handler): void
  requests: URL[]
  changes(): number
  names: () => string[]
  /** Ends all connections, as a dying server does. */
  breakOff(): void
}

async function bed(t: TestContext, handler: Handler, { optional = false } = {}): Promise<Bed> {
  let serve = handler
  let changes = 0
  const requests: URL[] = []
  const server = createServer((request, response) => {
    const url = new URL(request.url ?? '/', 'http://x')
    requests.push(url)
    serve(url, response, request)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  const client = new KubeClient({
    endpoint: parseEndpoint(`http://127.0.0.1:${port}`)!,
    tls: { insecure: false },
    origin: 'test',
    namespace: 'default',
    credentials: () => Promise.resolve({}),
    credentialsRefused() {},
  })
  const reflector = new Reflector({
    client,
    type: resourceTypes.services,
    optional,
    changed: () => changes++,
    times: {
      retryFirstMs: 5,
      retryUnreachableMaxMs: 20,
      retryRefusedMaxMs: 20,
      retryAbsentMaxMs: 20,
      absentGraceMs: 60,
    },
  })
  t.after(() => {
    reflector.stop()
    client.close()
    server.closeAllConnections()
    server.close()
  })
  return {
    reflector,
    serve: (next) => (serve = next),
    requests,
    changes: () => changes,
    names: () => [...reflector.objects.keys()].toSorted(),
    breakOff: () => server.closeAllConnections(),
  }
}

function service(name: string, resourceVersion: number): KubeObject {
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name, namespace: 'default', resourceVersion: String(resourceVersion) },
  }
}

function list(response: ServerResponse, resourceVersion: number, ...items: KubeObject[]): void {
  response.end(
    JSON.stringify({ kind: 'ServiceList', metadata: { resourceVersion: String(resourceVersion) }, items }),
  )
}

function send(response: ServerResponse, type: string, object: unknown): void {
  response.write(`${JSON.stringify({ type, object })}\n`)
}

function status(response: ServerResponse, code: number, reason: string): void {
  response.statusCode = code
  response.end(JSON.stringify({ kind: 'Status', code, reason, message: reason }))
}

const isWatch = (url: URL) => url.searchParams.get('watch') === '1'

test('lists, then follows events from the version of the list', async (t) => {
  const { reflector, requests, names } = await bed(t, (url, response) => {
    if (!isWatch(url)) return list(response, 5, service('a', 3), service('b', 4))
    send(response, 'ADDED', service('c', 6))
    send(response, 'DELETED', service('a', 7))
  })
  reflector.start()
  await until(() => names().join() === 'default/b,default/c', 'the events are applied')
  assert.equal(requests[1]!.searchParams.get('resourceVersion'), '5')
  assert.equal(requests[1]!.searchParams.get('allowWatchBookmarks'), 'true')
  assert.equal(reflector.synced, true)
})

test('goes on from a bookmark when the watch ends', async (t) => {
  const { reflector, requests } = await bed(t, (url, response) => {
    if (!isWatch(url)) return list(response, 5)
    if (url.searchParams.get('resourceVersion') !== '5') return
    send(response, 'BOOKMARK', { kind: 'Service', metadata: { resourceVersion: '90' } })
    response.end()
  })
  reflector.start()
  await until(() => requests.length === 3, 'a second watch')
  assert.equal(requests[2]!.searchParams.get('resourceVersion'), '90')
})

for (const how of ['by status', 'by event'] as const) {
  test(`lists again after 410 told ${how}, and takes over only the difference`, async (t) => {
    const b = await bed(t, (url, response) => {
      if (isWatch(url)) return response.flushHeaders()
      list(response, 5, service('kept', 1), service('gone', 2))
    })
    b.reflector.start()
    await until(() => b.requests.length === 2, 'a watch')
    const kept = b.reflector.objects.get('default/kept')
    const changesBefore = b.changes()
    b.serve((url, response) => {
      if (!isWatch(url)) return list(response, 50, service('kept', 1), service('new', 40))
      if (url.searchParams.get('resourceVersion') === '50') return response.flushHeaders()
      if (how === 'by status') return status(response, 410, 'Expired')
      send(response, 'ERROR', { kind: 'Status', code: 410, reason: 'Expired' })
      response.end()
    })
    b.breakOff()
    await until(() => b.names().join() === 'default/kept,default/new', 'the list is taken over')
    assert.equal(b.reflector.objects.get('default/kept'), kept, 'what did not change is the same object')
    assert.equal(b.changes(), changesBefore + 1)
    const relist = b.requests.filter((url) => !isWatch(url)).at(-1)!
    assert.equal(relist.searchParams.get('resourceVersion'), null, 'asks for the newest')
  })
}

test('keeps its copy while the server answers with errors, and reports each failure', async (t) => {
  const b = await bed(t, (url, response) => {
    if (isWatch(url)) return response.flushHeaders()
    list(response, 5, service('a', 1))
  })
  b.reflector.start()
  await until(() => b.requests.length === 2, 'a watch')
  b.serve((_url, response) => status(response, 503, 'ServiceUnavailable'))
  b.breakOff()
  await until(() => b.requests.length > 5, 'it tries again')
  assert.deepEqual(b.names(), ['default/a'])
  b.serve((url, response) => {
    assert.ok(isWatch(url), 'it goes on where it was and does not list')
    send(response, 'ADDED', service('b', 9))
  })
  await until(() => b.names().length === 2, 'events after the outage')
})

test('counts a type that the server does not know as empty, and reads it once it is there', async (t) => {
  const b = await bed(t, (_url, response) => status(response, 404, 'NotFound'))
  b.reflector.start()
  await until(() => b.reflector.synced, 'synced although there is nothing')
  b.serve((url, response) => {
    if (!isWatch(url)) list(response, 5, service('a', 1))
  })
  b.reflector.retryNow()
  await until(() => b.names().length === 1, 'the objects are read')
})

test('keeps objects of a type that the server does not know for a moment, and drops them later', async (t) => {
  const b = await bed(t, (url, response) => {
    if (isWatch(url)) return response.flushHeaders()
    list(response, 5, service('a', 1))
  })
  b.reflector.start()
  await until(() => b.requests.length === 2, 'a watch')
  b.serve((_url, response) => status(response, 404, 'NotFound'))
  const startedAt = Date.now()
  b.breakOff()
  await until(() => b.requests.length > 3, 'it was told')
  if (Date.now() - startedAt < 50) assert.deepEqual(b.names(), ['default/a'])
  await until(() => b.names().length === 0, 'gone after the grace time')
  assert.ok(Date.now() - startedAt >= 60)
})

test('goes on without optional objects that one may not read', async (t) => {
  const b = await bed(t, (_url, response) => status(response, 403, 'Forbidden'), { optional: true })
  b.reflector.start()
  await until(() => b.reflector.synced, 'synced without')
  assert.deepEqual(b.names(), [])
})

test('starts the watch again when it sends something that is not JSON', async (t) => {
  let watches = 0
  const b = await bed(t, (url, response) => {
    if (!isWatch(url)) return list(response, 5)
    if (watches++ === 0) return void response.write('{"type":\n')
    send(response, 'ADDED', service('a', 6))
  })
  b.reflector.start()
  await until(() => b.names().length === 1, 'the second watch is read')
})
