/**
 * The embedded Kubernetes API: a resource store that clients of Kubernetes take for a cluster's API server. No
 * kubelet, scheduler or controllers are in it; it stores, validates, defaults, allocates and tells those who watch.
 */
import { randomBytes, timingSafeEqual } from 'node:crypto'
import { chmodSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer as createHttpServer, type RequestListener, type Server } from 'node:http'
import { createServer as createHttpsServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { dirname, join } from 'node:path'
import { assert } from '#core/lib/assert.ts'
import { urlHost } from '#core/net/address.ts'
import type { Prefix } from '#core/net/prefix.ts'
import { answerError, handleRequest, type Api } from './api.ts'
import { unauthorized } from './api-error.ts'
import { deployments, replicaSets } from './builtin/apps.ts'
import { configMaps, endpoints, events, namespaces, secrets, serviceAccounts } from './builtin/core.ts'
import { customResourceDefinitions, customResourceType } from './builtin/custom-resource-definition.ts'
import { endpointSlices, leases } from './builtin/extended.ts'
import { nodes } from './builtin/node.ts'
import { pods } from './builtin/pod.ts'
import { services } from './builtin/service.ts'
import { ServiceAllocator } from './builtin/service-allocator.ts'
import { covers, selfSignedCertificate, type Certificate } from './certificate.ts'
import type { Cluster } from './cluster.ts'
import { objectAt, stringAt, type JsonObject } from './json.ts'
import { writeKubeconfig } from './kubeconfig.ts'
import { Lifecycle } from './lifecycle.ts'
import { Registry } from './registry.ts'
import { keyOf, type ResourceType } from './resource-type.ts'
import { Store } from './store.ts'
import { WatchHub } from './watch.ts'
import { create } from './write.ts'

/** Where to listen. Over TCP: TLS and the token; on a unix socket: plain, and the file's permission (0600) is the guard. */
export type Listen = { kind: 'tcp'; host: string; port: number } | { kind: 'unix'; path: string }

export interface KubeServerOptions {
  /** Made if missing. Holds database, certificate and token; everything in it is private to the owner. */
  dataDir: string
  listen: Listen[]
  /** One or two, of different IP versions; Services get the family of the first unless they ask. */
  serviceCidrs: Prefix[]
  /** Inclusive; default 30000–32767. */
  nodePortRange?: { first: number; last: number }
  /** Where to write the kubeconfig; it names the first TCP address. */
  kubeconfigPath?: string
  /** Name of cluster, user and context in the kubeconfig; default `herald`. */
  contextName?: string
  /** Default: one that is made once and kept in `dataDir`. */
  token?: string
  /** Changes that a watch may go back; default 20,000. */
  eventLogMax?: number
  /** Default one minute. */
  bookmarkIntervalMs?: number
}

export interface KubeServer {
  /** `https://host:port` of the first TCP listener; `unix:path` when there is none. */
  url: string
  token: string
  /** PEM of the certificate that the server shows. */
  certificateAuthority: string
  close: () => Promise<void>
}

const eventTtlMs = 3600_000

/** Serves until it is closed. Rejects when an address cannot be listened on. */
export async function startKubeServer(options: KubeServerOptions): Promise<KubeServer> {
  assert(options.listen.length > 0, 'an API server listens somewhere')
  mkdirSync(options.dataDir, { recursive: true, mode: 0o700 })
  const token = options.token ?? keptToken(options.dataDir)
  const certificate = keptCertificate(options)
  const cluster = openCluster(options)
  const { store } = cluster
  const hub = new WatchHub(cluster, options.bookmarkIntervalMs)
  followDefinitions(cluster, hub)
  const lifecycle = new Lifecycle(cluster)
  lifecycle.start()
  const expiry = setInterval(() => expireEvents(cluster), 60_000)
  expiry.unref()

  const api: Api = { cluster, hub, address: '' }
  const servers: Server[] = []
  let url = ''
  const close = async () => {
    clearInterval(expiry)
    lifecycle.close()
    hub.end()
    const closed = servers.map(
      (server) =>
        new Promise<void>((resolve) => {
          server.close(() => resolve())
          server.closeAllConnections()
        }),
    )
    await Promise.all(closed)
    for (const listen of options.listen) if (listen.kind === 'unix') rmSync(listen.path, { force: true })
    store.close()
  }
  try {
    for (const listen of options.listen) {
      const server = await listenOn(
        listen,
        certificate,
        listener(api, listen.kind === 'unix' ? undefined : token),
      )
      servers.push(server)
      if (listen.kind === 'tcp' && url === '') {
        const { port } = server.address() as AddressInfo
        api.address = `${urlHost(listen.host)}:${port}`
        url = `https://${api.address}`
      }
    }
  } catch (error) {
    await close()
    throw error
  }
  if (options.kubeconfigPath !== undefined && url !== '') {
    const name = options.contextName ?? 'herald'
    writeKubeconfig(options.kubeconfigPath, {
      name,
      url,
      token,
      certificateAuthority: certificate.certificate,
    })
  }
  if (url === '') url = options.listen.map((one) => (one.kind === 'unix' ? `unix:${one.path}` : '')).join('')
  return { url, token, certificateAuthority: certificate.certificate, close }
}

/** Store and registry with the built-in resources, those of stored definitions, and the objects that every cluster has. */
export function openCluster(
  options: Pick<KubeServerOptions, 'dataDir' | 'serviceCidrs' | 'nodePortRange' | 'eventLogMax'>,
): Cluster {
  const path = options.dataDir === ':memory:' ? ':memory:' : join(options.dataDir, 'state.db')
  const store = new Store(path, options.eventLogMax === undefined ? {} : { logMax: options.eventLogMax })
  const registry = new Registry()
  const allocator = new ServiceAllocator(
    options.serviceCidrs,
    options.nodePortRange ?? { first: 30_000, last: 32_767 },
  )
  const serviceType = services(allocator)
  const builtin: ResourceType[] = [
    namespaces,
    nodes,
    serviceType,
    pods,
    configMaps,
    secrets,
    serviceAccounts,
    endpoints,
    events,
    deployments,
    replicaSets,
    endpointSlices,
    leases,
    customResourceDefinitions,
  ]
  for (const type of builtin) registry.add(type)
  for (const definition of store.objects(keyOf(customResourceDefinitions)))
    registry.add(customResourceType(definition))
  for (const service of store.objects(keyOf(serviceType))) allocator.observe(undefined, service)
  store.subscribe(({ key, type, object, previous }) => {
    if (key === keyOf(serviceType)) allocator.observe(previous, type === 'DELETED' ? undefined : object)
  })

  const cluster: Cluster = { store, registry }
  for (const name of ['default', 'kube-system', 'kube-public', 'kube-node-lease']) {
    ensure(cluster, namespaces, '', { metadata: { name } })
  }
  ensure(cluster, serviceType, 'default', {
    metadata: { name: 'kubernetes', labels: { component: 'apiserver', provider: 'kubernetes' } },
    spec: {
      clusterIP: allocator.apiAddress(),
      ports: [{ name: 'https', protocol: 'TCP', port: 443, targetPort: 6443 }],
    },
  })
  return cluster
}

function ensure(
  cluster: Cluster,
  type: ResourceType,
  namespace: string,
  object: JsonObject & { metadata: { name: string } & JsonObject },
): void {
  if (cluster.store.get(keyOf(type), namespace, object.metadata.name) !== undefined) return
  create(cluster, { type, version: type.storageVersion, namespace }, object)
}

/** Keeps the registry in step with the stored definitions; the objects of a definition go with it. */
function followDefinitions(cluster: Cluster, hub: WatchHub): void {
  const { store, registry } = cluster
  store.subscribe(({ key, type, object }) => {
    if (key !== keyOf(customResourceDefinitions)) return
    if (type !== 'DELETED') {
      registry.add(customResourceType(object))
      return
    }
    const spec = objectAt(object, 'spec')
    const gone = `${stringAt(spec, 'group')}/${stringAt(objectAt(spec, 'names'), 'plural')}`
    for (const instance of store.objects(gone)) store.remove(gone, instance)
    registry.remove(gone)
    hub.end(gone)
  })
}

function expireEvents({ store }: Cluster): void {
  const key = keyOf(events)
  for (const event of store.objects(key)) {
    const last = stringAt(event, 'lastTimestamp') || event.metadata.creationTimestamp
    if (Date.parse(last) < Date.now() - eventTtlMs) store.remove(key, event)
  }
}

function listener(api: Api, token: string | undefined): RequestListener {
  return (request, response) => {
    if (token !== undefined && !hasToken(request.headers.authorization, token)) {
      answerError(response, unauthorized())
      return
    }
    void handleRequest(api, request, response)
  }
}

function hasToken(authorization: string | undefined, token: string): boolean {
  const sent = Buffer.from(authorization ?? '')
  const expected = Buffer.from(`Bearer ${token}`)
  return sent.length === expected.length && timingSafeEqual(sent, expected)
}

async function listenOn(
  listen: Listen,
  certificate: Certificate,
  onRequest: RequestListener,
): Promise<Server> {
  const server =
    listen.kind === 'unix'
      ? createHttpServer(onRequest)
      : createHttpsServer({ key: certificate.key, cert: certificate.certificate }, onRequest)
  // Watches send nothing for long times.
  server.requestTimeout = 0
  server.keepAliveTimeout = 120_000
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    if (listen.kind === 'unix') {
      mkdirSync(dirname(listen.path), { recursive: true })
      // What a killed process left behind is in nobody's use: the database admits one server only.
      rmSync(listen.path, { force: true })
      server.listen(listen.path, resolve)
    } else server.listen(listen.port, listen.host, resolve)
  })
  if (listen.kind === 'unix') chmodSync(listen.path, 0o600)
  return server
}

function keptToken(dataDir: string): string {
  const path = join(dataDir, 'token')
  const kept = readOptional(path)?.trim()
  if (kept !== undefined && kept !== '') return kept
  const token = randomBytes(32).toString('base64url')
  writeFileSync(path, `${token}\n`, { mode: 0o600 })
  return token
}

/** The certificate of an earlier start while it fits, so that kubeconfigs out there stay good. */
function keptCertificate({ dataDir, listen }: KubeServerOptions): Certificate {
  const hosts = new Set(['localhost', '127.0.0.1', '::1'])
  for (const one of listen)
    if (one.kind === 'tcp' && !['0.0.0.0', '::'].includes(one.host)) hosts.add(one.host)
  const [certificatePath, keyPath] = [join(dataDir, 'server.crt'), join(dataDir, 'server.key')]
  const [certificate, key] = [readOptional(certificatePath), readOptional(keyPath)]
  if (certificate !== undefined && key !== undefined && covers({ certificate, key }, [...hosts]))
    return { certificate, key }
  const made = selfSignedCertificate('herald embedded kubernetes api', [...hosts])
  writeFileSync(keyPath, made.key, { mode: 0o600 })
  writeFileSync(certificatePath, made.certificate, { mode: 0o600 })
  return made
}

function readOptional(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
}
