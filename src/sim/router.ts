/** A plain BGP router on the simulated network, standing in for BIRD or FRR: it takes what it is sent and passes it on. */
import type { InstanceConfig, PeerConfig } from '#core/bgp/config.ts'
import type { Family } from '#core/bgp/family.ts'
import type { Address } from '#core/net/address.ts'
import { SimulatedBgp } from './bgp-host.ts'
import type { VirtualClock } from './clock.ts'
import type { Host } from './network.ts'
import type { SimulatedTcp } from './tcp.ts'

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

export class SimulatedRouter {
  readonly host: Host
  readonly #bgp: SimulatedBgp
  #config: RouterConfig

  constructor(clock: VirtualClock, tcp: SimulatedTcp, host: Host, config: RouterConfig, seed: number) {
    this.host = host
    this.#config = config
    this.#bgp = new SimulatedBgp(clock, tcp, host, instanceConfig(config), seed)
  }

  get events(): SimulatedBgp['events'] {
    return this.#bgp.events
  }

  get neighbours(): readonly RouterNeighbour[] {
    return this.#config.neighbours
  }

  get running(): boolean {
    return this.#bgp.running
  }

  start(): void {
    this.#bgp.start()
  }

  /** kill -9. */
  kill(): void {
    this.#bgp.kill()
  }

  /** Sessions that the change does not touch stay up. */
  configure(config: RouterConfig): void {
    this.#config = config
    this.#bgp.configure(instanceConfig(config))
  }

  peers(): ReturnType<SimulatedBgp['peers']> {
    return this.#bgp.peers()
  }

  routes(...query: Parameters<SimulatedBgp['routes']>): ReturnType<SimulatedBgp['routes']> {
    return this.#bgp.routes(...query)
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
