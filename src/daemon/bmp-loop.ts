/**
 * Runs the export to monitoring stations beside the instances that name some: dials, sends and closes for it, passes on what
 * the speaker shows, and wakes it at its next deadline. It decides nothing.
 */
import { families } from '#core/bgp/family.ts'
import type { Tap } from '#core/bgp/tap.ts'
import {
  Station,
  type StationInput,
  type StationOutput,
  type StationSource,
  type StationStatus,
} from '#core/bmp/station.ts'
import type { Clock } from '#core/lib/clock.ts'
import { urlHost } from '#core/net/address.ts'
import type { Tcp, TcpConnection } from '#core/net/tcp.ts'
import type { InstancePlan } from '#core/plan/node-plan.ts'
import type { Speaker } from '#core/speaker/speaker.ts'
import type { Logger } from './log.ts'

export interface BmpLoopOptions {
  /** Asked, never told anything. */
  speaker: () => Speaker
  tcp: Tcp
  clock: Clock
  log: Logger
  /** How the speaker introduces itself: its node's name and the program's version. */
  node: string
  version: string
  /** Something that `status` shows is other than before. */
  changed: () => void
}

interface Running {
  instance: string
  station: Station
  name: string
  connection: TcpConnection | undefined
  cancelTick: () => void
}

/** After this a dial has failed. */
const dialTimeoutMs = 15_000
/** Stations may be anywhere. */
const ttl = 64

export class BmpLoop {
  readonly #options: BmpLoopOptions
  /** By instance, its identity, and the station's configuration: what changes starts anew. */
  readonly #running = new Map<string, Running>()

  constructor(options: BmpLoopOptions) {
    this.#options = options
  }

  /** Makes the stations of every instance those of its plan. To be called after the speaker took the plan over. */
  follow(instances: readonly InstancePlan[]): void {
    const wanted = new Map(
      instances.flatMap(({ config, bmpStations = [] }) =>
        bmpStations.map((station) => {
          const { name, asn, routerId } = config
          return [JSON.stringify([name, asn, routerId, station]), { name, asn, routerId, station }] as const
        }),
      ),
    )
    for (const [key, running] of this.#running) {
      if (wanted.has(key)) continue
      this.#give(running, { kind: 'stop' })
      running.cancelTick()
      this.#running.delete(key)
    }
    for (const [key, { name: instance, asn, routerId, station: config }] of wanted) {
      if (this.#running.has(key)) continue
      const { node, version, speaker } = this.#options
      const source = {
        local: () => ({ asn, routerId, families }),
        sessions: () => speaker().tappedSessions(instance),
        peers: () => speaker().peers(instance),
        page: (...query: Parameters<StationSource['page']>) => speaker().routePage(instance, ...query),
        queuedBytes: () => running.connection?.queuedBytes ?? 0,
      }
      const running: Running = {
        instance,
        station: new Station(config, source, node, `Herald ${version}, instance ${instance}`),
        name: `${urlHost(config.address)}:${config.port}`,
        connection: undefined,
        cancelTick: () => {},
      }
      this.#running.set(key, running)
      this.#give(running, { kind: 'tick' })
    }
  }

  /** What the speaker showed. */
  tapped(instance: string, tap: Tap): void {
    for (const running of this.#running.values())
      if (running.instance === instance) this.#give(running, { kind: 'tap', tap })
  }

  /** Of one instance. */
  status(instance: string): StationStatus[] {
    return [...this.#running.values()].flatMap((running) =>
      running.instance === instance ? running.station.status() : [],
    )
  }

  /** Says goodbye to all stations. */
  stop(): void {
    this.follow([])
  }

  #give(running: Running, input: StationInput): void {
    const { clock } = this.#options
    for (const output of running.station.handle(input, clock.now())) this.#perform(running, output)
    running.cancelTick()
    running.cancelTick = clock.at(running.station.nextDeadline(), () => this.#give(running, { kind: 'tick' }))
  }

  #perform(running: Running, output: StationOutput): void {
    const { tcp, log, changed } = this.#options
    switch (output.kind) {
      case 'dial': {
        const { address, port } = output
        const ended = (kind: 'failed' | 'closed') => (reason: string) => {
          if (running.connection !== connection) return
          running.connection = undefined
          this.#give(running, { kind, reason })
        }
        const connection: TcpConnection = tcp.dial(
          { address, port, ttl, timeoutMs: dialTimeoutMs },
          {
            opened: () => {
              if (running.connection === connection) this.#give(running, { kind: 'opened' })
            },
            // RFC 7854 §3.2: a station has nothing to say.
            received: () => {},
            failed: ended('failed'),
            closed: ended('closed'),
          },
        )
        running.connection = connection
        return
      }
      case 'send':
        running.connection?.send(output.bytes)
        return
      case 'close':
        running.connection?.close()
        running.connection = undefined
        return
      case 'event': {
        const { message, reason } = output
        const about = { instance: running.instance, address: running.name }
        if (reason === undefined) log.info(message, about)
        else log.warn(message, { ...about, reason })
        changed()
      }
    }
  }
}
