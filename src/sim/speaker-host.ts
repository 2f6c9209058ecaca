/** One node's speaker as a process that can be killed: the brain of `core/speaker` on the simulated network and cluster. */
import type { BgpEvent, PeerStatus, RouteEntry, RouteFilter, RouteTable } from '#core/bgp/io.ts'
import { Prng } from '#core/lib/prng.ts'
import type { SpeakerInput, SpeakerOutput } from '#core/speaker/io.ts'
import { Speaker } from '#core/speaker/speaker.ts'
import type { Cluster } from './cluster.ts'
import type { ClusterObserver } from './cluster-observer.ts'
import { Connections } from './connections.ts'
import { Drive } from './machine.ts'
import type { Host } from './network.ts'
import type { SimulatedTcp, TcpProcess } from './tcp.ts'

export interface SpeakerHostOptions {
  host: Host
  cluster: Cluster
  tcp: SimulatedTcp
  dialects: string[]
  seed: number
  /** By how much its watches lag. */
  watchDelayMs: () => number
}

interface Running {
  speaker: Speaker
  drive: Drive<SpeakerInput, SpeakerOutput>
  process: TcpProcess
  observer: ClusterObserver
}

export class SpeakerHost {
  /** What its BGP reported, with the time, since it first started. */
  readonly events: { at: number; instance: string; event: BgpEvent }[] = []
  readonly #options: SpeakerHostOptions
  readonly #random: Prng
  #running: Running | undefined

  constructor(options: SpeakerHostOptions) {
    this.#options = options
    this.#random = new Prng(options.seed)
  }

  get node(): string {
    return this.#options.host.name
  }

  get host(): Host {
    return this.#options.host
  }

  get running(): boolean {
    return this.#running !== undefined
  }

  get speaker(): Speaker | undefined {
    return this.#running?.speaker
  }

  /** It has seen everything in the cluster. */
  get current(): boolean {
    return this.#running?.observer.current ?? true
  }

  start(): void {
    if (this.#running !== undefined) return
    const { host, cluster, tcp, dialects, watchDelayMs } = this.#options
    const { clock } = cluster
    const process = tcp.process(host)
    const speaker = new Speaker({ node: host.name, dialects, seed: this.#random.u32() })
    const connections = new Connections(clock, process, (input) => drive.step(input))
    const drive = new Drive<SpeakerInput, SpeakerOutput>(clock, speaker, { kind: 'tick' }, (output) => {
      switch (output.kind) {
        case 'dial':
          return connections.dial(output.connection, output.dial)
        case 'send':
          return connections.send(output.connection, output.bytes)
        case 'close':
          return connections.close(output.connection)
        case 'listen':
          return connections.listen(output.instance, output.listen)
        case 'unlisten':
          return connections.unlisten(output.instance)
        case 'event':
          this.events.push({ at: clock.now(), instance: output.instance, event: output.event })
          return
        case 'setTtl':
          return connections.setTtl(output.connection, output.ttl, output.minTtl)
        case 'tap':
        case 'stateChanged':
        // The virtual network has no links without addresses.
        case 'discover':
          return
      }
    })
    const observer = cluster.observe({
      delayMs: watchDelayMs,
      changed: (snapshot) => drive.step({ kind: 'snapshot', snapshot }),
    })
    this.#running = { speaker, drive, process, observer }
  }

  /** kill -9. */
  kill(): void {
    const running = this.#running
    if (running === undefined) return
    this.#running = undefined
    running.drive.stop()
    running.observer.close()
    running.process.kill()
  }

  /** SIGTERM: it says goodbye to its peers first. */
  stop(): void {
    this.#running?.drive.step({ kind: 'shutdown' })
    const process = this.#running?.process
    this.#running?.drive.stop()
    this.#running?.observer.close()
    this.#running = undefined
    // Its kernel sends what was written; the process is gone by then.
    this.#options.cluster.clock.after(1_000, () => process?.kill())
  }

  /** Cuts the node off from the API server, and back. */
  setApiConnected(connected: boolean): void {
    this.#running?.observer.setConnected(connected)
  }

  /** Names of its instances, none before its first snapshot. */
  instances(): string[] {
    return this.#running?.speaker.plan()?.instances.map(({ config }) => config.name) ?? []
  }

  /** Of all its instances. */
  peers(): PeerStatus[] {
    return this.instances().flatMap((instance) => this.#running?.speaker.peers(instance) ?? [])
  }

  /** Of all its instances. */
  routes(table: RouteTable, filter: RouteFilter = {}): RouteEntry[] {
    return this.instances().flatMap(
      (instance) => this.#running?.speaker.routes(instance, table, filter) ?? [],
    )
  }
}
