/** A plain BGP router on the simulated network, standing in for BIRD or FRR: it takes what it is sent and passes it on. */
import { Bgp } from '#core/bgp/bgp.ts'
import type { InstanceConfig, PeerConfig } from '#core/bgp/config.ts'
import type { Family } from '#core/bgp/family.ts'
import type {
  BgpEvent,
  BgpInput,
  BgpOutput,
  PeerStatus,
  RouteEntry,
  RouteFilter,
  RouteTable,
} from '#core/bgp/io.ts'
import { Prng } from '#core/lib/prng.ts'
import type { Address } from '#core/net/address.ts'
import type { VirtualClock } from './clock.ts'
import { Connections } from './connections.ts'
import { Drive } from './machine.ts'
import type { Host } from './network.ts'
import type { SimulatedTcp, TcpProcess } from './tcp.ts'

export interface RouterConfig {
  asn: number
  routerId: Address
  neighbours: RouterNeighbour[]
}

export interface RouterNeighbour {
  name: string
  address: Address
  asn: number
  passive?: boolean
  /** Absent: both. */
  families?: Family[]
  password?: string
  timers?: Partial<PeerConfig['timers']>
}

interface Running {
  bgp: Bgp
  drive: Drive<BgpInput, BgpOutput>
  process: TcpProcess
  connections: Connections
}

export class SimulatedRouter {
  readonly host: Host
  /** What its BGP reported, with the time, since it first started. */
  readonly events: { at: number; event: BgpEvent }[] = []
  readonly #clock: VirtualClock
  readonly #tcp: SimulatedTcp
  readonly #random: Prng
  /** Shared by all starts: a connection's number is never used twice. */
  readonly #numbers = { next: 1 }
  #config: RouterConfig
  #running: Running | undefined

  constructor(clock: VirtualClock, tcp: SimulatedTcp, host: Host, config: RouterConfig, seed: number) {
    this.#clock = clock
    this.#tcp = tcp
    this.host = host
    this.#config = config
    this.#random = new Prng(seed)
  }

  get neighbours(): readonly RouterNeighbour[] {
    return this.#config.neighbours
  }

  get running(): boolean {
    return this.#running !== undefined
  }

  start(): void {
    if (this.#running !== undefined) return
    const process = this.#tcp.process(this.host)
    const bgp = new Bgp(this.#random, this.#numbers)
    const connections = new Connections(this.#clock, process, (input) => {
      // A port that is taken is tried again by `Connections`.
      if (input.kind !== 'listening' && input.kind !== 'listenFailed') drive.step(input)
    })
    const drive = new Drive<BgpInput, BgpOutput>(this.#clock, bgp, { kind: 'tick' }, (output) => {
      if (output.kind === 'dial') connections.dial(output.connection, output.dial)
      else if (output.kind === 'send') connections.send(output.connection, output.bytes)
      else if (output.kind === 'setTtl') connections.setTtl(output.connection, output.ttl, output.minTtl)
      else if (output.kind === 'close') connections.close(output.connection)
      else if (output.kind === 'event') this.events.push({ at: this.#clock.now(), event: output.event })
    })
    this.#running = { bgp, drive, process, connections }
    this.configure(this.#config)
  }

  /** kill -9. */
  kill(): void {
    this.#running?.drive.stop()
    this.#running?.process.kill()
    this.#running = undefined
  }

  /** Sessions that the change does not touch stay up. */
  configure(config: RouterConfig): void {
    this.#config = config
    const passwords = config.neighbours.flatMap(({ address, password }) =>
      password === undefined ? [] : [{ address, password }],
    )
    this.#running?.connections.listen('router', { port: 179, passwords })
    this.#running?.drive.step({ kind: 'configure', config: instanceConfig(config) })
  }

  peers(): PeerStatus[] {
    return this.#running?.bgp.peers() ?? []
  }

  routes(table: RouteTable, filter: RouteFilter = {}): RouteEntry[] {
    return this.#running?.bgp.routes(table, filter) ?? []
  }
}

function instanceConfig({ asn, routerId, neighbours }: RouterConfig): InstanceConfig {
  return {
    name: 'router',
    asn,
    routerId,
    listenPort: 179,
    routes: [],
    peers: neighbours.map((neighbour) => ({
      name: neighbour.name,
      address: neighbour.address,
      port: 179,
      asn: neighbour.asn,
      passive: neighbour.passive ?? false,
      families: neighbour.families ?? ['ipv4/unicast', 'ipv6/unicast'],
      ttl: neighbour.asn === asn ? 255 : 1,
      timers: { connectRetrySeconds: 120, holdTimeSeconds: 90, keepaliveSeconds: 30, ...neighbour.timers },
      ...(neighbour.password === undefined ? {} : { password: neighbour.password }),
      importRoutes: true,
      exportLearned: true,
    })),
  }
}
