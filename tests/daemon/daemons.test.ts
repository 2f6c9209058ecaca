/** The daemons together on loopback, from a Service to the route in a router, and back. */
import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { networkInterfaces } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { address } from '#core/net/address.ts'
import type { EndpointSlice, Service } from '#core/schema/kubernetes.ts'
import type { NodeState } from '#core/schema/node-state.ts'
import type { KubeObject } from '#core/schema/object.ts'
import { freePort } from '#host/free-port.ts'
import { resourceTypes } from '#kube/client/resource.ts'
import { until } from '../until.testing.ts'
import { clusterBed, type ClusterBed, type Daemon, type KillableDaemon } from './cluster-bed.testing.ts'

const hasIpv6 = Object.values(networkInterfaces()).some((entries) =>
  entries?.some((e) => e.address === '::1'),
)
const skip =
  process.platform === 'linux' ? false : 'needs Linux: the speakers set socket options through its C library'

interface Family {
  version: 'IPv4' | 'IPv6'
  /** Of the two nodes. IPv6 has a single loopback address: one node. */
  nodes: { name: string; address: string }[]
  router: string
  pool: string
  service: string
  length: number
}

const families: Family[] = [
  {
    version: 'IPv4',
    nodes: [
      { name: 'a', address: '127.0.0.2' },
      { name: 'b', address: '127.0.0.3' },
    ],
    router: '127.0.0.1',
    pool: '198.51.100.0/28',
    service: '198.51.100.',
    length: 32,
  },
  {
    version: 'IPv6',
    nodes: [{ name: 'a', address: '::1' }],
    router: '::1',
    pool: '2001:db8:1::/124',
    service: '2001:db8:1::',
    length: 128,
  },
]

for (const family of families) {
  const { version, nodes, router, pool, length } = family
  describe(
    `daemons over ${version}`,
    { skip: skip || (version === 'IPv6' && !hasIpv6 && 'no IPv6 here') },
    () => {
      let bed: ClusterBed
      let controller: KillableDaemon
      let api: Daemon
      let routerFile: string
      let port: number
      const speakers = new Map<string, KillableDaemon>()

      before(async () => {
        bed = await clusterBed()
        api = bed.api
        port = await freePort()
        routerFile = join(bed.directory, 'router.yaml')
        writeFileSync(routerFile, routerConfig(port, nodes))
        bed.startRouter(routerFile, [address(router)])
        await bed.apply(...nodes.map(nodeObject), ...resources(port, family))
        controller = bed.spawnController()
        for (const { name } of nodes) speakers.set(name, bed.spawnSpeaker(name))
        await until(established(nodes.length), 'all sessions up', () => [bed.log.slice(-10)])
      })
      after(() => bed.close())

      const established = (count: number) => async () =>
        (await bed.peers('router')).filter(({ state }) => state === 'established').length === count
      /** `prefix via node` of all that the router has. */
      const routes = async () =>
        (await bed.routes('router', 'received')).map(({ prefix, peer }) => `${prefix} ${peer}`).toSorted()
      const routesAre = (what: string, expected: () => string[]) =>
        until(
          async () => JSON.stringify(await routes()) === JSON.stringify(expected().toSorted()),
          what,
          async () => ({ expected: expected(), routes: await routes(), log: bed.log.slice(-5) }),
        )
      const addressOf = async (name: string): Promise<string | undefined> => {
        const got = await bed.client.get<Service>(resourceTypes.services, { name, namespace: 'default' })
        return got.ok ? got.value.status?.loadBalancer?.ingress?.[0]?.ip : undefined
      }
      const expose = async (name: string): Promise<string> => {
        await bed.apply(serviceObject(name, version), sliceObject(name, version, nodes))
        let ip: string | undefined
        await until(async () => (ip = await addressOf(name)) !== undefined, `${name} has an address`)
        return `${ip}/${length}`
      }
      const fromAll = (...prefixes: string[]) =>
        prefixes.flatMap((prefix) => nodes.map(({ address }) => `${prefix} ${address}`))
      const web = { apiVersion: 'v1', kind: 'Service', metadata: { name: 'web', namespace: 'default' } }
      const slice = (name: string) => sliceObject(name, version, nodes)
      let webPrefix: string

      test('a Service gets an address of the pool and every node announces it', async () => {
        webPrefix = await expose('web')
        assert.ok(webPrefix.startsWith(family.service), `${webPrefix} is of ${pool}`)
        await routesAre('the route from every node', () => fromAll(webPrefix))
        const [route] = await bed.routes('router', 'received')
        assert.equal(route?.asPath, '65001')
      })

      test('each speaker reports its session in its NodeState', async () => {
        for (const { name } of nodes) {
          let state: NodeState | undefined
          await until(
            async () => {
              const got = await bed.client.get<NodeState>(resourceTypes.nodeStates, { name })
              state = got.ok ? got.value : undefined
              return state?.status?.counts?.established === 1 && state.status.counts.advertised === 1
            },
            `the state of ${name}`,
            () => state,
          )
          assert.match(state?.status?.endpoint ?? '', /^unix:/)
          assert.equal(state?.metadata.ownerReferences?.[0]?.kind, 'Node')
        }
      })

      test('without an API server sessions and routes stay, and what comes after it is served', async () => {
        await api.stop()
        await new Promise((resolve) => setTimeout(resolve, 1_500))
        assert.equal(await established(nodes.length)(), true)
        assert.deepEqual(await routes(), fromAll(webPrefix).toSorted())
        api = await bed.startApi()
        const backAt = Date.now()
        const late = await expose('late')
        await routesAre('the new route', () => fromAll(webPrefix, late))
        assert.ok(Date.now() - backAt < 4_000, `served ${Date.now() - backAt} ms after the API came back`)
        await bed.remove(slice('late'))
        await bed.remove({ ...web, metadata: { ...web.metadata, name: 'late' } })
        await routesAre('the withdrawal', () => fromAll(webPrefix))
      })

      test('nothing is withdrawn when the controller is killed, and the next one goes on', async () => {
        await controller.kill()
        await new Promise((resolve) => setTimeout(resolve, 500))
        assert.deepEqual(await routes(), fromAll(webPrefix).toSorted())
        controller = bed.spawnController()
        const next = await expose('next')
        assert.notEqual(next, webPrefix)
        await routesAre('both routes', () => fromAll(webPrefix, next))
        await bed.remove(slice('next'))
        await bed.remove({ ...web, metadata: { ...web.metadata, name: 'next' } })
        await routesAre('the withdrawal', () => fromAll(webPrefix))
      })

      test('when a speaker is killed its routes go and only they; it comes back to one session', async () => {
        const [killed, ...others] = nodes
        await speakers.get(killed!.name)!.kill()
        await routesAre('the other nodes only', () => others.map(({ address }) => `${webPrefix} ${address}`))
        speakers.set(killed!.name, bed.spawnSpeaker(killed!.name))
        await routesAre('the route is back', () => fromAll(webPrefix))
        assert.equal((await bed.peers('router')).length, nodes.length)
      })

      test('a speaker that is stopped says goodbye', async () => {
        const { name } = nodes[0]!
        await speakers.get(name)!.stop()
        await until(
          async () =>
            (await bed.peers('router')).some(({ lastError }) =>
              /Administrative Shutdown/i.test(lastError?.message ?? ''),
            ),
          'Cease, Administrative Shutdown',
          () => bed.peers('router'),
        )
        speakers.set(name, bed.spawnSpeaker(name))
        await routesAre('the route is back', () => fromAll(webPrefix))
      })

      test('a router that reads an invalid file goes on with the last valid one and says so', async () => {
        writeFileSync(
          routerFile,
          'apiVersion: herald.dev/v1alpha1\nkind: BGPInstance\nmetadata: {name: x}\nspec: {asn: many}\n',
        )
        await until(() => bed.log.some((line) => line.includes('configuration not valid')), 'it says so')
        assert.equal(await established(nodes.length)(), true)
        assert.deepEqual(await routes(), fromAll(webPrefix).toSorted())
      })

      test('a router that reads a changed file does what changed and keeps the sessions', async () => {
        const before = await bed.peers('router')
        const own = version === 'IPv4' ? '203.0.113.0/24' : '2001:db8:2::/48'
        const announcement = native('BGPAdvertisement', 'own', { prefixes: [own] })
        writeFileSync(routerFile, `${routerConfig(port, nodes)}---\n${JSON.stringify(announcement)}\n`)
        await until(
          async () => (await bed.routes('router')).some(({ prefix }) => prefix === own),
          'its own route',
          () => bed.log.slice(-5),
        )
        const after = await bed.peers('router')
        assert.deepEqual(
          after.map(({ state, since }) => [state, since]),
          before.map(({ state, since }) => [state, since]),
        )
        assert.deepEqual(await routes(), fromAll(webPrefix).toSorted())
      })

      test('a deleted Service is withdrawn', async () => {
        await bed.remove(web)
        await routesAre('no route', () => [])
      })
    },
  )
}

function nodeObject({ name, address }: { name: string; address: string }): KubeObject {
  return {
    apiVersion: 'v1',
    kind: 'Node',
    metadata: { name, labels: { 'kubernetes.io/hostname': name } },
    status: { addresses: [{ type: 'InternalIP', address }] },
  } as KubeObject
}

function native(kind: string, name: string, spec: object): KubeObject {
  return { apiVersion: 'herald.dev/v1alpha1', kind, metadata: { name }, spec } as KubeObject
}

function resources(port: number, { version, nodes, router, pool }: Family): KubeObject[] {
  return [
    native('AddressPool', 'pool', { ranges: [pool] }),
    native('BGPInstance', 'cluster', {
      asn: 65001,
      overrides: nodes.map(({ name }, i) => ({ node: name, routerId: `10.0.0.${i + 1}` })),
    }),
    ...nodes.map(({ name, address }) =>
      native('BGPPeer', `router-of-${name}`, {
        address: router,
        port,
        asn: 65000,
        sourceAddress: address,
        nodeSelector: { matchLabels: { 'kubernetes.io/hostname': name } },
        timers: { connectRetrySeconds: 1 },
      }),
    ),
    // A loopback address is no next hop that a neighbour accepts.
    ...nodes.map(({ name }, i) =>
      native('BGPAdvertisement', `services-of-${name}`, {
        services: { selector: {} },
        nodeSelector: { matchLabels: { 'kubernetes.io/hostname': name } },
        attributes: { nextHop: version === 'IPv4' ? `192.0.2.${i + 1}` : `2001:db8::${i + 1}` },
      }),
    ),
  ]
}

function routerConfig(port: number, nodes: Family['nodes']): string {
  const peers = nodes.map(
    ({ name, address }) => `---
apiVersion: herald.dev/v1alpha1
kind: BGPPeer
metadata: {name: ${name}}
spec: {address: "${address}", asn: 65001, passive: true, importRoutes: true}
`,
  )
  return `apiVersion: herald.dev/v1alpha1
kind: BGPInstance
metadata: {name: router}
spec: {asn: 65000, routerId: 10.0.0.254, listenPort: ${port}}
${peers.join('')}`
}

function serviceObject(name: string, version: 'IPv4' | 'IPv6'): KubeObject {
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name, namespace: 'default' },
    spec: { type: 'LoadBalancer', ipFamilies: [version], ports: [{ port: 80 }], selector: { app: name } },
  } as KubeObject
}

function sliceObject(name: string, version: 'IPv4' | 'IPv6', nodes: Family['nodes']): EndpointSlice {
  return {
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: { name, namespace: 'default', labels: { 'kubernetes.io/service-name': name } },
    addressType: version,
    endpoints: nodes.map((node, i) => ({
      addresses: [version === 'IPv4' ? `10.241.0.${i + 1}` : `fd00:241::${i + 1}`],
      nodeName: node.name,
      conditions: { ready: true },
    })),
    ports: [{ port: 80, protocol: 'TCP' }],
  }
}
