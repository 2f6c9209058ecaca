/** The embedded API server over HTTP, where kubectl does not show enough: killed, compacted, unauthorised. */
import assert from 'node:assert/strict'
import { spawn, type ChildProcess } from 'node:child_process'
import { rmSync, statSync } from 'node:fs'
import { request as httpRequest, type IncomingMessage } from 'node:http'
import { request as httpsRequest } from 'node:https'
import { join } from 'node:path'
import { test } from 'node:test'
import { prefix } from '#core/net/prefix.ts'
import { startKubeServer, type KubeServer } from '#kube/server/server.ts'
import { temporaryDirectory } from './target.ts'

interface Reply {
  code: number
  body: string
}

interface KubeJson {
  type: string
  reason: string
  code: number
  kind: string
  metadata: { name: string; resourceVersion: string }
  data: Record<string, string>
  spec: { clusterIP: string }
  items: KubeJson[]
  object: KubeJson
}

interface Call {
  method?: string
  path: string
  body?: unknown
  contentType?: string
  token?: string
}

function readAll(response: IncomingMessage): Promise<Reply> {
  return new Promise((resolve, reject) => {
    let body = ''
    response.on('data', (chunk: Buffer) => (body += chunk.toString()))
    response.on('end', () => resolve({ code: response.statusCode ?? 0, body }))
    response.on('error', reject)
  })
}

function overSocket(
  socketPath: string,
  { method = 'GET', path, body, contentType = 'application/json' }: Call,
): Promise<Reply> {
  return new Promise((resolve, reject) => {
    const headers = { 'content-type': contentType }
    const request = httpRequest({ socketPath, method, path, headers }, (response) => {
      readAll(response).then(resolve, reject)
    })
    request.on('error', reject)
    request.end(body === undefined ? undefined : JSON.stringify(body))
  })
}

function overTls(server: KubeServer, { path, token }: Call, trusted = true): Promise<Reply> {
  return new Promise((resolve, reject) => {
    const headers = token === undefined ? {} : { authorization: `Bearer ${token}` }
    const ca = trusted ? { ca: server.certificateAuthority } : {}
    const request = httpsRequest(`${server.url}${path}`, { headers, ...ca, agent: false }, (response) => {
      readAll(response).then(resolve, reject)
    })
    request.on('error', reject)
    request.end()
  })
}

const read = (reply: Reply) => JSON.parse(reply.body) as KubeJson

/** The events of a watch that ends by its own timeout. */
async function watchOnce(socketPath: string, query: string): Promise<KubeJson[]> {
  const path = `/api/v1/namespaces/default/configmaps?watch=true&timeoutSeconds=1&${query}`
  const reply = await overSocket(socketPath, { path })
  return reply.body
    .trim()
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as KubeJson)
}

async function withServer(
  options: { eventLogMax?: number; bookmarkIntervalMs?: number },
  body: (server: KubeServer, socketPath: string) => Promise<void>,
): Promise<void> {
  const directory = temporaryDirectory()
  const socketPath = join(directory, 'api.sock')
  const server = await startKubeServer({
    dataDir: join(directory, 'data'),
    listen: [
      { kind: 'tcp', host: '127.0.0.1', port: 0 },
      { kind: 'tcp', host: '::1', port: 0 },
      { kind: 'unix', path: socketPath },
    ],
    serviceCidrs: [prefix('fd00:96::/108')],
    ...options,
  })
  try {
    await body(server, socketPath)
  } finally {
    await server.close()
    rmSync(directory, { recursive: true })
  }
}

const configMaps = '/api/v1/namespaces/default/configmaps'
const configMap = (name: string, data: Record<string, string> = {}) => ({ metadata: { name }, data })

test('over TCP only the token opens, and the certificate holds', async () => {
  await withServer({}, async (server) => {
    const path = '/api/v1/namespaces'
    assert.equal((await overTls(server, { path, token: server.token })).code, 200)
    const refused = await overTls(server, { path })
    assert.deepEqual([refused.code, read(refused).reason], [401, 'Unauthorized'])
    assert.equal((await overTls(server, { path, token: `${server.token}x` })).code, 401)
    await assert.rejects(overTls(server, { path, token: server.token }, false), /self-signed certificate/)
  })
})

test('the unix socket is private to its owner and needs no token', async () => {
  await withServer({}, async (_, socketPath) => {
    assert.equal(statSync(socketPath).mode & 0o777, 0o600)
    const reply = await overSocket(socketPath, { path: '/readyz' })
    assert.deepEqual([reply.code, reply.body], [200, 'ok'])
  })
})

test('a cluster with IPv6 Services only gives its own Service an IPv6 address', async () => {
  await withServer({}, async (_, socketPath) => {
    const reply = await overSocket(socketPath, { path: '/api/v1/namespaces/default/services/kubernetes' })
    assert.equal(read(reply).spec.clusterIP, 'fd00:96::1')
  })
})

test('a watch from before the log is answered 410', async () => {
  await withServer({ eventLogMax: 20 }, async (_, socketPath) => {
    for (let i = 0; i < 40; i++) {
      const reply = await overSocket(socketPath, {
        method: 'POST',
        path: configMaps,
        body: configMap(`c${i}`),
      })
      assert.equal(reply.code, 201)
    }
    const [event] = await watchOnce(socketPath, 'resourceVersion=2')
    assert.deepEqual([event?.type, event?.object.code, event?.object.reason], ['ERROR', 410, 'Expired'])
    // Nor can a client go on from a number that this store never gave out.
    const [ahead] = await watchOnce(socketPath, 'resourceVersion=999999')
    assert.equal(ahead?.object.code, 410)
    const list = read(await overSocket(socketPath, { path: configMaps }))
    assert.deepEqual(await watchOnce(socketPath, `resourceVersion=${list.metadata.resourceVersion}`), [])
  })
})

test('bookmarks tell a silent watch how far the store has come', async () => {
  await withServer({ bookmarkIntervalMs: 100 }, async (_, socketPath) => {
    const list = read(await overSocket(socketPath, { path: configMaps }))
    const watching = watchOnce(
      socketPath,
      `allowWatchBookmarks=true&resourceVersion=${list.metadata.resourceVersion}`,
    )
    const body = { metadata: { name: 'elsewhere' } }
    const made = read(await overSocket(socketPath, { method: 'POST', path: '/api/v1/namespaces', body }))
    const events = await watching
    assert.ok(events.length > 0 && events.every((event) => event.type === 'BOOKMARK'))
    assert.equal(events.at(-1)!.object.metadata.resourceVersion, made.metadata.resourceVersion)
    const silent = await watchOnce(socketPath, `resourceVersion=${list.metadata.resourceVersion}`)
    assert.deepEqual(silent, [])
  })
})

test('what is no request of the API gets a Status', async () => {
  const cases: [Call, number, string][] = [
    [{ path: '/api/v1/nonsense' }, 404, 'NotFound'],
    [{ path: '/apis/apps/v2/deployments' }, 404, 'NotFound'],
    [{ path: '/api/v1/namespaces/default/configmaps/%ff' }, 404, 'NotFound'],
    [{ method: 'PUT', path: configMaps }, 405, 'MethodNotAllowed'],
    [{ method: 'POST', path: configMaps, body: 'text' }, 400, 'BadRequest'],
    [{ method: 'POST', path: configMaps, body: { metadata: [] } }, 400, 'BadRequest'],
    [
      { method: 'POST', path: configMaps, body: { metadata: { name: 'a', labels: { a: 1 } } } },
      422,
      'Invalid',
    ],
    [{ method: 'POST', path: configMaps, body: {}, contentType: 'text/plain' }, 415, 'UnsupportedMediaType'],
    [{ method: 'POST', path: configMaps, body: 'x'.repeat(4_000_000) }, 413, 'RequestEntityTooLarge'],
    [{ path: `${configMaps}?labelSelector=a+b` }, 400, 'BadRequest'],
    [{ path: `${configMaps}?fieldSelector=data.x%3D1` }, 400, 'BadRequest'],
    [{ path: `${configMaps}?continue=nonsense` }, 400, 'BadRequest'],
    [{ path: `${configMaps}?resourceVersion=x&watch=1` }, 400, 'BadRequest'],
    [{ method: 'POST', path: `${configMaps}?dryRun=Some`, body: configMap('a') }, 400, 'BadRequest'],
  ]
  await withServer({}, async (_, socketPath) => {
    for (const [call, code, reason] of cases) {
      const reply = await overSocket(socketPath, call)
      assert.deepEqual(
        [reply.code, read(reply).reason, read(reply).kind],
        [code, reason, 'Status'],
        call.path,
      )
    }
  })
})

function startProcess(directory: string): Promise<ChildProcess> {
  const script = new URL('server-process.ts', import.meta.url).pathname
  const child = spawn(process.execPath, [script, directory, '0'], { stdio: ['ignore', 'pipe', 'inherit'] })
  return new Promise((resolve, reject) => {
    child.stdout.once('data', () => resolve(child))
    child.once('exit', (code) => reject(new Error(`the server ended with ${code}`)))
  })
}

test('state survives a kill -9 in the middle of writes', async () => {
  const directory = temporaryDirectory()
  const socketPath = join(directory, 'api.sock')
  const written = new Map<string, string>()
  try {
    for (let round = 0; round < 3; round++) {
      const child = await startProcess(directory)
      const list = read(await overSocket(socketPath, { path: configMaps }))
      const stored = new Map(list.items.map((item) => [item.metadata.name, item.metadata.resourceVersion]))
      // All that was answered is there; what was not answered may be there too.
      for (const [name, version] of written) assert.equal(stored.get(name), version, name)
      assert.ok(stored.size <= written.size + 4 * round)
      for (const [name, version] of stored) written.set(name, version)
      const writers = [0, 1, 2, 3].map(async (writer) => {
        for (let i = 0; ; i++) {
          const body = configMap(`r${round}-w${writer}-${i}`)
          try {
            const reply = await overSocket(socketPath, { method: 'POST', path: configMaps, body })
            if (reply.code === 201) written.set(body.metadata.name, read(reply).metadata.resourceVersion)
          } catch {
            // The server was killed: this write was not answered.
            return i
          }
        }
      })
      const exited = new Promise((resolve) => child.once('exit', resolve))
      setTimeout(() => child.kill('SIGKILL'), 300)
      const counts = await Promise.all(writers)
      await exited
      assert.ok(counts.every((count) => count > 0))
    }
    const versions = new Set(written.values())
    assert.equal(versions.size, written.size, 'no resourceVersion is given out twice')
  } finally {
    rmSync(directory, { recursive: true })
  }
})
