/** Herald and one neighbour of another make on one network, each in its namespace, and what either of them sees. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { stringify } from 'yaml'
import { getJson } from '#api/contract/client.ts'
import {
  listSchema,
  peerRowSchema,
  routeRowSchema,
  type PeerRow,
  type RouteRow,
} from '#api/contract/contract.ts'
import { find, labUp, missingForLab, type RunningLab } from '#lab/lab.ts'
import type { LabProcess } from '#lab/processes.ts'
import type { Router } from '#lab/router.ts'
import type { Engine, NeighbourConfig, SeenRoute } from './engine.ts'

export const heraldAsn = 65001
export const neighbourAsn = 65002

const addresses = {
  4: { herald: '192.0.2.1', neighbour: '192.0.2.2' },
  6: { herald: '2001:db8::1', neighbour: '2001:db8::2' },
} as const

/** What Herald announces. */
export const ourRoutes = {
  prefixes: { 'ipv4/unicast': '198.51.100.0/24', 'ipv6/unicast': '2001:db8:100::/48' },
  med: 50,
  communities: ['65001:7', '65535:65281'],
  largeCommunities: ['65001:1:2'],
} as const

export interface PairOptions {
  engine: Engine
  /** Of the session. */
  version: 4 | 6
  heraldPassive?: boolean
  neighbourPassive?: boolean
  /** iBGP: both have Herald's number. */
  internal?: boolean
  /** What Herald expects of the neighbour, if that is not what the neighbour is. */
  expectedAsn?: number
  neighbourRouterId?: string
  holdTimeSeconds?: number
}

export interface Pair {
  neighbour: Router
  herald: Router
  /** Herald's one session. */
  session(): Promise<PeerRow>
  established(): Promise<boolean>
  /** Lets a neighbour that pauses after a lost session try again. */
  hurry(): Promise<void>
  /** What Herald received, used or not. */
  received(): Promise<RouteRow[]>
  /** What the neighbour uses. */
  seenByNeighbour(prefix: string): Promise<SeenRoute | undefined>
  /** Gives Herald these resources instead, without a restart. */
  reconfigure(change: { prefixes?: readonly string[] }): void
  withdrawTheirs(): Promise<void>
  /** To be called after the neighbour's daemon was started again, until it gives true. */
  neighbourRestarted(): Promise<true>
  down(): Promise<void>
}

/** Why interop tests with this engine cannot run on this machine, or false. */
export function skipReason(engine: Engine): string | false {
  const missing = missingForLab()[0]
  if (missing !== undefined) return `needs ${missing.what}: ${missing.hint}`
  return find(engine.program) === undefined
    ? `needs ${engine.program}: npm test installs it on Debian as root`
    : false
}

/** To a process and those that it started for itself, as OpenBGPD does: all are one process group. */
export function signal({ pid }: LabProcess, name: NodeJS.Signals): void {
  if (pid !== undefined) process.kill(-pid, name)
}

let labs = 0

export async function startPair(options: PairOptions): Promise<Pair> {
  const { engine, version, holdTimeSeconds = 9 } = options
  const { herald: heraldAddress, neighbour: address } = addresses[version]
  const neighbour: NeighbourConfig = {
    asn: options.internal === true ? heraldAsn : neighbourAsn,
    routerId: options.neighbourRouterId ?? '192.0.2.2',
    address,
    heraldAddress,
    heraldAsn,
    passive: options.neighbourPassive ?? false,
    holdTimeSeconds,
    announces: true,
  }
  const folder = mkdtempSync(join(tmpdir(), 'herald-interop-'))
  const heraldFile = join(folder, 'herald.yaml')
  const resources = (prefixes: readonly string[]) =>
    heraldResources({
      ...options,
      holdTimeSeconds,
      prefixes,
      asn: options.expectedAsn ?? neighbour.asn,
      address,
    })
  writeFileSync(heraldFile, resources(Object.values(ourRoutes.prefixes)))
  writeFileSync(join(folder, 'neighbour.conf'), engine.config(neighbour))
  writeFileSync(join(folder, 'topology.yaml'), topologyOf(engine, neighbour))
  let lab: RunningLab
  try {
    lab = await labUp(
      folder,
      { name: `interop-${process.pid}-${++labs}`, restartAfterMs: false },
      { step: () => {}, warning: () => {} },
    )
  } catch (error) {
    rmSync(folder, { recursive: true })
    throw error
  }
  const router = lab.routers.get('neighbour')!
  const herald = lab.routers.get('herald')!
  await engine.afterStart?.(router, neighbour)
  const server = `unix:${join(lab.folder, 'herald', 'api.sock')}`
  return {
    neighbour: router,
    herald,
    session: async () => {
      const answer = await getJson(server, '/v1/peers', listSchema(peerRowSchema))
      if (!answer.ok) throw new Error(answer.error.message)
      return answer.value.items[0]!
    },
    established: () => engine.established(router, neighbour),
    hurry: async () => engine.hurry?.(router, neighbour),
    received: async () => {
      const answer = await getJson(server, '/v1/routes?view=received', listSchema(routeRowSchema))
      if (!answer.ok) throw new Error(answer.error.message)
      return answer.value.items
    },
    seenByNeighbour: (prefix) => engine.route(router, prefix),
    reconfigure: ({ prefixes }) => {
      writeFileSync(heraldFile, resources(prefixes ?? []))
      for (const process of herald.processes) signal(process, 'SIGHUP')
    },
    withdrawTheirs: () => engine.withdraw(router),
    neighbourRestarted: async () => {
      await engine.afterRestart?.(router, neighbour)
      return true
    },
    down: async () => {
      await lab.down()
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

function topologyOf(engine: Engine, neighbour: NeighbourConfig): string {
  const router = (
    name: string,
    config: string,
    version: 'herald' | 'neighbour',
    asn: number,
    routerId: string,
  ) => ({
    engine: name,
    config,
    networks: { lan: [addresses[4][version], addresses[6][version]] },
    asn,
    routerId,
  })
  return stringify({
    name: 'interop',
    networks: { lan: { subnets: ['192.0.2.0/24', '2001:db8::/64'] } },
    routers: {
      herald: router('herald', 'herald.yaml', 'herald', heraldAsn, '192.0.2.1'),
      neighbour: router(engine.name, 'neighbour.conf', 'neighbour', neighbour.asn, neighbour.routerId),
    },
  })
}

function heraldResources(
  options: PairOptions & {
    prefixes: readonly string[]
    asn: number
    address: string
    holdTimeSeconds: number
  },
): string {
  const object = (kind: string, name: string, spec: object) => ({
    apiVersion: 'herald.dev/v1alpha1',
    kind,
    metadata: { name },
    spec,
  })
  const resources = [
    object('BGPInstance', 'edge', { asn: heraldAsn, routerId: '192.0.2.1', listenPort: 179 }),
    object('BGPPeer', 'neighbour', {
      address: options.address,
      asn: options.asn,
      passive: options.heraldPassive ?? false,
      importRoutes: true,
      timers: {
        connectRetrySeconds: 1,
        holdTimeSeconds: options.holdTimeSeconds,
        keepaliveSeconds: Math.max(1, Math.floor(options.holdTimeSeconds / 3)),
      },
    }),
    object('BGPAdvertisement', 'own', {
      prefixes: options.prefixes,
      attributes: {
        med: ourRoutes.med,
        communities: {
          standard: [ourRoutes.communities[0]],
          wellKnown: ['no-export'],
          large: ourRoutes.largeCommunities,
        },
      },
    }),
  ]
  return resources.map((resource) => stringify(resource)).join('---\n')
}
