/** One BGP speaker as a process on a host of the simulated network: started, killed and configured, it runs on by itself. */
import { Bgp } from '#core/bgp/bgp.ts'
import type { InstanceConfig } from '#core/bgp/config.ts'
import type {
  BgpEvent,
  BgpInput,
  BgpOutput,
  ConnectionId,
  PeerStatus,
  RouteEntry,
  RouteFilter,
  RouteTable,
} from '#core/bgp/io.ts'
import { unnegotiated } from '#core/bgp/wire/context.ts'
import { messageType } from '#core/bgp/wire/framer.ts'
import { decodeMessage, encodeMessage } from '#core/bgp/wire/wire.ts'
import { Prng } from '#core/lib/prng.ts'
import type { Address } from '#core/net/address.ts'
import type { VirtualClock } from './clock.ts'
import { Connections } from './connections.ts'
import { Drive } from './machine.ts'
import type { Host } from './network.ts'
import type { SimulatedTcp, TcpProcess } from './tcp.ts'

interface Running {
  bgp: Bgp
  drive: Drive<BgpInput, BgpOutput>
  process: TcpProcess
  connections: Connections
}

export class SimulatedBgp {
  readonly host: Host
  /** What it reported, with the time, since it first started. */
  readonly events: { at: number; event: BgpEvent }[] = []
  /** Neighbours that are not told of AS numbers of four octets. */
  readonly #twoOctetNeighbours: ReadonlySet<Address>
  readonly #clock: VirtualClock
  readonly #tcp: SimulatedTcp
  readonly #random: Prng
  /** Shared by all starts: a connection's number is never used twice. */
  readonly #numbers = { next: 1 }
  #config: InstanceConfig
  #running: Running | undefined

  constructor(
    clock: VirtualClock,
    tcp: SimulatedTcp,
    host: Host,
    config: InstanceConfig,
    seed: number,
    twoOctetNeighbours: ReadonlySet<Address> = new Set(),
  ) {
    this.#clock = clock
    this.#twoOctetNeighbours = twoOctetNeighbours
    this.#tcp = tcp
    this.host = host
    this.#config = config
    this.#random = new Prng(seed)
  }

  get running(): boolean {
    return this.#running !== undefined
  }

  start(): void {
    if (this.#running !== undefined) return
    const process = this.#tcp.process(this.host)
    const bgp = new Bgp(this.#random, this.#numbers)
    const remotes = new Map<ConnectionId, Address>()
    const connections = new Connections(this.#clock, process, (input) => {
      // A port that is taken is tried again by `Connections`.
      if (input.kind === 'accepted') remotes.set(input.connection, input.ends.remoteAddress)
      if (input.kind !== 'listening' && input.kind !== 'listenFailed') drive.step(input)
    })
    const drive = new Drive<BgpInput, BgpOutput>(this.#clock, bgp, { kind: 'tick' }, (output) => {
      if (output.kind === 'dial') {
        remotes.set(output.connection, output.dial.address)
        connections.dial(output.connection, output.dial)
      } else if (output.kind === 'send') {
        const twoOctets = this.#twoOctetNeighbours.has(remotes.get(output.connection)!)
        connections.send(output.connection, twoOctets ? withoutFourOctets(output.bytes) : output.bytes)
      } else if (output.kind === 'setTtl') connections.setTtl(output.connection, output.ttl, output.minTtl)
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

  /** Sessions that the change does not touch stay up. The configuration is kept for later starts, and not changed. */
  configure(config: InstanceConfig): void {
    this.#config = config
    const passwords = config.peers.flatMap(({ address, password }) =>
      password === undefined ? [] : [{ address, password }],
    )
    if (config.listenPort !== undefined)
      this.#running?.connections.listen(config.name, { port: config.listenPort, passwords })
    this.#running?.drive.step({ kind: 'configure', config })
  }

  peers(): PeerStatus[] {
    return this.#running?.bgp.peers() ?? []
  }

  tableSizes(): ReturnType<Bgp['tableSizes']> {
    return this.#running?.bgp.tableSizes() ?? { prefixes: 0, attributeSets: 0 }
  }

  routes(table: RouteTable, filter: RouteFilter = {}): RouteEntry[] {
    return this.#running?.bgp.routes(table, filter) ?? []
  }
}

/** An OPEN as a speaker that knows AS numbers of two octets only would send it (RFC 6793 §4.1); others as they are. */
function withoutFourOctets(bytes: Uint8Array): Uint8Array {
  if (bytes[18] !== messageType.open) return bytes
  const open = decodeMessage(bytes, unnegotiated)
  if (!open.ok || open.value.kind !== 'open') return bytes
  return encodeMessage({ ...open.value, capabilities: { ...open.value.capabilities, fourOctetAsn: false } })
}
