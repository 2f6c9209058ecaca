/** How a router ends by SIGTERM, as its neighbour sees it: the program itself, on TCP between two addresses of a namespace. */
import assert from 'node:assert/strict'
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { stringify } from 'yaml'
import { getJson } from '#api/contract/client.ts'
import {
  listSchema,
  peerRowSchema,
  routeRowSchema,
  type PeerRow,
  type RouteRow,
} from '#api/contract/contract.ts'
import { enterPrivateNetns } from '../contract/private-netns.ts'
import { until } from '../until.testing.ts'

const netns = enterPrivateNetns([
  'link set lo up',
  ...[1, 2].flatMap((n) => [`addr add 192.0.2.${n}/32 dev lo`, `addr add 2001:db8::${n}/128 dev lo`]),
])
const skip = 'unavailable' in netns && netns.unavailable
if (!('unavailable' in netns)) after(netns.leave)

const program = new URL('../../src/herald.ts', import.meta.url).pathname

for (const [version, stays, leaves, routes] of [
  [4, '192.0.2.1', '192.0.2.2', ['198.51.100.0/24']],
  [6, '2001:db8::1', '2001:db8::2', ['2001:db8:100::/48']],
] as const) {
  const bed = async (gracefulRestart: boolean, body: (bed: Bed) => Promise<void>) => {
    const folder = mkdtempSync(join(tmpdir(), 'herald-stop-'))
    const started: ChildProcess[] = []
    const router = (name: string, own: string, other: string, asn: number, spec: object, more = '') => {
      const config = join(folder, `${name}.yaml`)
      const instance = { asn, routerId: `10.0.0.${asn % 100}`, listenAddresses: [own], listenPort: 179 }
      const peer = {
        address: other,
        asn: asn === 65001 ? 65002 : 65001,
        sourceAddress: own,
        families: [`ipv${version}/unicast`],
        timers: { connectRetrySeconds: 1 },
        ...spec,
      }
      writeFileSync(config, object('BGPInstance', name, instance) + object('BGPPeer', 'other', peer) + more)
      const socket = join(folder, `${name}.sock`)
      return () => {
        const args = [program, 'router', '--config', config, '--socket', socket, '--log-level', 'error']
        const child = spawn(process.execPath, args, { stdio: ['ignore', 'inherit', 'inherit'] })
        started.push(child)
        return child
      }
    }
    const restart = (spec: object) => (gracefulRestart ? { gracefulRestart: spec } : {})
    const helper = { importRoutes: true, passive: true, ...restart({ helperOnly: true }) }
    const stay = router('stays', stays, leaves, 65001, helper)
    const own = object('BGPAdvertisement', 'own', { prefixes: routes })
    const leave = router('leaves', leaves, stays, 65002, restart({ restartSeconds: 60 }), own)
    const server = `unix:${join(folder, 'stays.sock')}`
    const rows = async <T>(path: string, schema: Parameters<typeof listSchema>[0]) => {
      const answer = await getJson(server, path, listSchema(schema))
      return answer.ok ? (answer.value.items as T[]) : []
    }
    try {
      stay()
      await body({
        leave,
        peer: async () => (await rows<PeerRow>('/v1/peers', peerRowSchema))[0],
        routes: () => rows<RouteRow>('/v1/routes?view=available', routeRowSchema),
      })
    } finally {
      for (const child of started) child.kill('SIGKILL')
      rmSync(folder, { recursive: true, force: true })
    }
  }

  test(
    `RFC 4724 §4.1: a router that is to restart leaves at SIGTERM without a word, and its routes stay, IPv${version}`,
    {
      skip,
    },
    async () => {
      await bed(true, async ({ leave, peer, routes }) => {
        const leaving = leave()
        await until(async () => (await routes()).length === 1, 'the route', peer)
        leaving.kill('SIGTERM')
        assert.deepEqual(await once(leaving, 'exit'), [0, null])
        await until(async () => (await peer())?.state !== 'established', 'the session to end', peer)
        assert.deepEqual(
          (await routes()).map(({ stale }) => stale),
          [true],
        )
        const left = await peer()
        assert.equal(left?.lastError?.direction, 'local')
        assert.match(left?.lastError?.message ?? '', /the other end closed the connection/)
        assert.deepEqual(
          left?.stale?.map(({ phase }) => phase),
          ['waiting'],
        )
        leave()
        await until(
          async () => (await peer())?.state === 'established' && (await routes())[0]?.stale !== true,
          'the route, fresh',
          async () => [await peer(), await routes()],
        )
        assert.equal((await routes()).length, 1)
      })
    },
  )

  test(
    `RFC 4486 §4: a router without graceful restart says goodbye at SIGTERM, and its routes go, IPv${version}`,
    {
      skip,
    },
    async () => {
      await bed(false, async ({ leave, peer, routes }) => {
        const leaving = leave()
        await until(async () => (await routes()).length === 1, 'the route', peer)
        leaving.kill('SIGTERM')
        assert.deepEqual(await once(leaving, 'exit'), [0, null])
        await until(async () => (await routes()).length === 0, 'the route to go', peer)
        const left = await peer()
        assert.equal(left?.lastError?.direction, 'received')
        assert.match(left?.lastError?.message ?? '', /Administrative Shutdown/)
      })
    },
  )
}

interface Bed {
  leave: () => ChildProcess
  peer: () => Promise<PeerRow | undefined>
  routes: () => Promise<RouteRow[]>
}

function object(kind: string, name: string, spec: object): string {
  return `---\n${stringify({ apiVersion: 'herald.dev/v1alpha1', kind, metadata: { name }, spec })}`
}
