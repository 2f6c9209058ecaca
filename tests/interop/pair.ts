/** Herald and one neighbour of another make on one network, each in its namespace, and what either of them sees. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { stringify } from 'yaml'
import { getJson, postJson } from '#api/contract/client.ts'
import {
  listSchema,
  peerCommandAnswerSchema,
  peerRowSchema,
  routeRowSchema,
  type PeerRow,
  type RouteRow,
  type RouteView,
} from '#api/contract/contract.ts'
import { find, labUp, missingForLab, type RunningLab } from '#lab/lab.ts'
import { namespaceName } from '#lab/wiring.ts'
import type { LabProcess } from '#lab/processes.ts'
import type { Router } from '#lab/router.ts'
import { untilGiven } from '../until.testing.ts'
import type { Engine, NeighbourConfig, NeighbourFeatures, SeenRoute } from './engine.ts'
import { bird } from './engines/bird.ts'
import { witnessConfig, type WitnessOptions } from './witness.ts'

export const heraldAsn = 65001
export const neighbourAsn = 65002

const addresses = {
  4: { herald: '192.0.2.1', neighbour: '192.0.2.2', witness: '192.0.2.3' },
  6: { herald: '2001:db8::1', neighbour: '2001:db8::2', witness: '2001:db8::3' },
} as const

export const heraldAddresses = [addresses[4].herald, addresses[6].herald]
export const witnessAddress = { 4: addresses[4].witness, 6: addresses[6].witness }

const subnets = { 4: '192.0.2.0/24', 6: '2001:db8::/64' } as const

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
  /** Prefixes that Herald announces; absent: {@link ourRoutes}. */
  prefixes?: readonly string[]
  /** What else the neighbour is told to do. */
  features?: NeighbourFeatures
  /** What else Herald's BGPInstance and its BGPPeer of the neighbour say; `null` takes a field out. */
  instance?: object
  peer?: Record<string, unknown>
  /** Further resources for Herald. */
  resources?: readonly object[]
  /** The link has addresses of the session's IP version only. */
  oneVersion?: boolean
  /** Told of Herald's namespace just before Herald starts. */
  beforeHerald?: (namespace: string) => void
  /** A BIRD beside the two, to see what others get to see. */
  witness?: WitnessOptions & {
    /** What else Herald's BGPPeer of it says. */
    peer?: object
    /** What it takes Herald for, if that is not Herald's AS number. */
    heraldAsn?: number
  }
}

export interface Pair {
  neighbour: Router
  herald: Router
  /** Herald's session with the neighbour, or with the witness. */
  session(name?: 'neighbour' | 'witness'): Promise<PeerRow>
  /** The same, or nothing while there is none, as with a neighbour from a range. */
  sessions(): Promise<PeerRow[]>
  established(): Promise<boolean>
  /** Lets a neighbour that pauses after a lost session try again. */
  hurry(): Promise<void>
  /** What Herald received, used or not. */
  received(): Promise<RouteRow[]>
  /** What Herald sees: the received paths used or not, its best ones, or those sent. */
  routes(view: RouteView): Promise<RouteRow[]>
  /** The first path that the neighbour has, and all. */
  seenByNeighbour(prefix: string): Promise<SeenRoute | undefined>
  pathsAtNeighbour(prefix: string): Promise<SeenRoute[]>
  pathsAtWitness(prefix: string): Promise<SeenRoute[]>
  /** Gives Herald these resources instead, without a restart. */
  reconfigure(change: Pick<PairOptions, 'prefixes' | 'peer' | 'resources'>): void
  withdrawTheirs(): Promise<void>
  /** Herald asks the neighbour for all routes again. */
  refreshByHerald(): Promise<void>
  /** The neighbour asks for all routes again. */
  refreshByNeighbour(): Promise<void>
  /** The neighbour ends the session on purpose. */
  shutdownByNeighbour(text: string): Promise<void>
  /** All that the neighbour says about the ends of its session. */
  neighbourErrors(): Promise<string>
  /** Kills the neighbour's BGP daemon, and starts it as one that restarts. */
  killNeighbour(): Promise<void>
  restartNeighbour(): Promise<void>
  /** Takes the neighbour's `shutdownByNeighbour` back. */
  enableNeighbour(): Promise<void>
  killHerald(): Promise<void>
  startHerald(): void
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
    features: options.features ?? {},
  }
  const folder = mkdtempSync(join(tmpdir(), 'herald-interop-'))
  const heraldFile = join(folder, 'herald.yaml')
  const resources = (change: Partial<PairOptions>) =>
    heraldResources({
      ...options,
      prefixes: Object.values(ourRoutes.prefixes),
      ...change,
      holdTimeSeconds,
      asn: options.expectedAsn ?? neighbour.asn,
      address,
    })
  writeFileSync(heraldFile, resources({ ...(options.prefixes && { prefixes: options.prefixes }) }))
  writeFileSync(join(folder, 'neighbour.conf'), engine.config(neighbour))
  if (options.witness !== undefined)
    writeFileSync(
      join(folder, 'witness.conf'),
      witnessConfig(options.witness, addresses[version], {
        herald: options.witness.heraldAsn ?? heraldAsn,
        neighbour: neighbour.asn,
      }),
    )
  writeFileSync(join(folder, 'topology.yaml'), topologyOf(neighbour, options))
  let lab: RunningLab
  const name = `interop-${process.pid}-${++labs}`
  const step = (message: string) => {
    if (message.startsWith('router herald:')) options.beforeHerald?.(namespaceName(name, 'herald'))
  }
  try {
    lab = await labUp(folder, { name, restartAfterMs: false }, { step, warning: () => {} })
  } catch (error) {
    rmSync(folder, { recursive: true })
    throw error
  }
  const router = lab.routers.get('neighbour')!
  const witness = lab.routers.get('witness')
  const herald = lab.routers.get('herald')!
  await engine.afterStart?.(router, neighbour)
  const server = `unix:${join(lab.folder, 'herald', 'api.sock')}`
  const sessions = async () => {
    const answer = await getJson(server, '/v1/peers', listSchema(peerRowSchema))
    if (!answer.ok) throw new Error(answer.error.message)
    return answer.value.items
  }
  const routes = async (view: RouteView) => {
    const answer = await getJson(server, `/v1/routes?view=${view}`, listSchema(routeRowSchema))
    if (!answer.ok) throw new Error(answer.error.message)
    return answer.value.items
  }
  const daemon = router.processes.at(-1)!
  const kill = async (each: LabProcess) => {
    signal(each, 'SIGKILL')
    await untilGiven('the killed process is gone', () => Promise.resolve(each.pid === undefined))
  }
  return {
    neighbour: router,
    herald,
    session: async (name = 'neighbour') => {
      const row = (await sessions()).find((each) => each.address === addresses[version][name])
      if (row === undefined) throw new Error(`Herald has no session with the ${name}`)
      return row
    },
    sessions,
    established: () => engine.established(router, neighbour),
    hurry: async () => engine.hurry?.(router, neighbour),
    received: () => routes('received'),
    routes,
    seenByNeighbour: async (prefix) => (await engine.paths(router, prefix))[0],
    pathsAtNeighbour: (prefix) => engine.paths(router, prefix),
    pathsAtWitness: (prefix) => bird.paths(witness!, prefix),
    reconfigure: (change) => {
      writeFileSync(heraldFile, resources(change))
      for (const process of herald.processes) signal(process, 'SIGHUP')
    },
    withdrawTheirs: () => engine.withdraw(router),
    refreshByHerald: async () => {
      const command = { peer: address, command: 'refreshIn' }
      const answer = await postJson(server, '/v1/peers/command', command, peerCommandAnswerSchema)
      if (!answer.ok) throw new Error(answer.error.message)
    },
    refreshByNeighbour: () => engine.refresh?.(router, neighbour) ?? Promise.resolve(),
    shutdownByNeighbour: async (text) => engine.shutdown?.(router, neighbour, text),
    enableNeighbour: async () => engine.enable?.(router, neighbour),
    neighbourErrors: () => engine.lastError(router, neighbour),
    killNeighbour: () => kill(daemon),
    restartNeighbour: async () => {
      daemon.start(engine.restartArguments)
      await untilGiven('it takes its configuration', async () => {
        await engine.afterRestart?.(router, neighbour)
        return true
      })
    },
    killHerald: () => kill(herald.processes[0]!),
    startHerald: () => herald.processes[0]!.start(),
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

function topologyOf(
  neighbour: NeighbourConfig,
  { engine, version, oneVersion, witness }: PairOptions,
): string {
  const versions = oneVersion === true ? [version] : ([4, 6] as const)
  const router = (
    name: string,
    config: string,
    machine: 'herald' | 'neighbour' | 'witness',
    asn: number,
    routerId: string,
  ) => ({
    engine: name,
    config,
    networks: { lan: versions.map((each) => addresses[each][machine]) },
    asn,
    routerId,
  })
  return stringify({
    name: 'interop',
    networks: { lan: { subnets: versions.map((each) => subnets[each]) } },
    routers: {
      herald: router('herald', 'herald.yaml', 'herald', heraldAsn, '192.0.2.1'),
      neighbour: router(engine.name, 'neighbour.conf', 'neighbour', neighbour.asn, neighbour.routerId),
      ...(witness !== undefined && {
        witness: router('bird', 'witness.conf', 'witness', witness.asn, '192.0.2.3'),
      }),
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
  const resources: object[] = [
    object('BGPInstance', 'edge', {
      asn: heraldAsn,
      routerId: '192.0.2.1',
      listenPort: 179,
      ...options.instance,
    }),
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
      ...options.peer,
    }),
    ...(options.witness === undefined
      ? []
      : [
          object('BGPPeer', 'witness', {
            address: addresses[options.version].witness,
            asn: options.witness.asn,
            importRoutes: true,
            exportLearned: true,
            timers: { connectRetrySeconds: 1, holdTimeSeconds: options.holdTimeSeconds },
            ...options.witness.peer,
          }),
        ]),
    ...(options.resources ?? []),
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
  // A field that is null is left out.
  return resources.map((resource) => stringify(without(resource))).join('---\n')
}

/** A copy without the fields of `spec` that are null. */
function without(resource: object): object {
  if (!('spec' in resource)) return resource
  const fields = Object.entries(resource.spec as object).filter(([, value]) => value !== null)
  return { ...resource, spec: Object.fromEntries(fields) }
}
