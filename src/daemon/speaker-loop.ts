/**
 * Runs a {@link Speaker} on real (or simulated) TCP and time: carries its outputs out in their order, turns what happens
 * into its inputs, and wakes it at its next deadline. It decides nothing but when to try a port again.
 */
import type { BgpEvent, ConnectionId } from '#core/bgp/io.ts'
import type { Tap } from '#core/bgp/tap.ts'
import type { Clock } from '#core/lib/clock.ts'
import type { Address } from '#core/net/address.ts'
import type { NeighbourDiscovery } from '#core/net/neighbour-discovery.ts'
import type { ConnectionHandlers, Tcp, TcpConnection, TcpListener } from '#core/net/tcp.ts'
import type { SpeakerConfig, SpeakerInput, SpeakerOutput } from '#core/speaker/io.ts'
import type { Listen } from '#core/speaker/listen.ts'
import { Speaker } from '#core/speaker/speaker.ts'

export interface SpeakerLoopOptions {
  config: SpeakerConfig
  tcp: Tcp
  clock: Clock
  /** Finds neighbours that are known by their interface alone; absent: they stay unknown. */
  discovery?: NeighbourDiscovery
  /** Accept connections on these addresses only; absent: on all. */
  listenAddresses?: Address[]
  /** Every event of every instance, as it happens. */
  event: (instance: string, event: BgpEvent) => void
  /** For stations and dumps, in the order in which it happens. Whoever is told may ask the speaker and not tell it anything. */
  tapped?: (instance: string, tap: Tap) => void
  /** The speaker's state may look different now. Told at most every {@link tellMs}, and of the last change in any case. */
  stateChanged: () => void
  /** Something about a port or a password did not work: once each. */
  trouble: (message: string, about: Trouble) => void
}

export interface Trouble {
  instance: string
  port?: number
  address?: string
  reason: string
}

interface Listening {
  listen: Listen
  listener: TcpListener | undefined
  cancelRetry: (() => void) | undefined
}

/** After this a dial has failed; the session's own connect-retry timer goes on independently. */
const dialTimeoutMs = 15_000
/** Between two tries to listen on a port that is taken. */
const listenRetryMs = 1_000
/** @public Time between two calls of `stateChanged`, in ms. */
export const tellMs = 100
/** A call that takes longer makes the next ones do less, in ms. */
const sliceMs = 3
/** After this a call that is under way does no more than it must, in ms: what neighbours are told is yet to be written. */
const lateMs = 2
/** Below this a slice is mostly overhead. */
const leastEffort = 1 / 16
/** How long the end waits for the last messages to leave. */
const drainMs = 1_000

export class SpeakerLoop {
  readonly speaker: Speaker
  readonly #options: SpeakerLoopOptions
  readonly #connections = new Map<ConnectionId, TcpConnection>()
  readonly #listening = new Map<string, Listening>()
  /** By interface. */
  readonly #watches = new Map<string, { close: () => void }>()
  readonly #closing = new Set<TcpConnection>()
  readonly #queue: SpeakerInput[] = []
  #busy = false
  /** Part of a slice that a call does of what can wait. */
  #effort = leastEffort
  #startedAt = 0
  readonly #isLate = () => this.#options.clock.now() - this.#startedAt > lateMs
  #lastAccepted: ConnectionId = 0
  #deadline = Infinity
  #cancelTick: (() => void) | undefined
  #toldAt = -Infinity
  #cancelTell: (() => void) | undefined
  #stopped = false

  constructor(options: SpeakerLoopOptions) {
    this.#options = options
    this.speaker = new Speaker(options.config)
  }

  /** Handles the input, and all that it leads to, before it returns; one at a time, whoever calls. */
  input(input: SpeakerInput): void {
    if (this.#stopped) return
    this.#queue.push(input)
    if (this.#busy) return
    this.#busy = true
    let changed = false
    for (let next = this.#queue.shift(); next !== undefined; next = this.#queue.shift()) {
      const outputs = this.#handle(next)
      for (const output of outputs) {
        if (output.kind === 'stateChanged') changed = true
        else this.#perform(output)
      }
    }
    this.#busy = false
    this.#arm()
    if (changed) this.#tell()
  }

  /** Says goodbye on every session (Cease, Administrative Shutdown), and is done when that has left. */
  async stop(): Promise<void> {
    if (this.#stopped) return
    this.input({ kind: 'shutdown' })
    this.#stopped = true
    this.#cancelTick?.()
    if (this.#cancelTell !== undefined) {
      this.#cancelTell()
      this.#options.stateChanged()
    }
    const until = this.#options.clock.now() + drainMs
    while ([...this.#closing].some(({ queuedBytes }) => queuedBytes > 0)) {
      if (this.#options.clock.now() >= until) break
      await new Promise<void>(
        (resolve) => void this.#options.clock.at(this.#options.clock.now() + 5, resolve),
      )
    }
  }

  /** What can wait is done in slices that take about as long as they may, on code that is cold and on a slow machine, too. */
  #handle(input: SpeakerInput): SpeakerOutput[] {
    const { clock } = this.#options
    const startedAt = clock.now()
    this.#startedAt = startedAt
    const outputs = this.speaker.handle(input, startedAt, this.#effort, this.#isLate)
    const endedAt = clock.now()
    const tookMs = endedAt - startedAt
    if (tookMs > sliceMs) this.#effort = Math.max(leastEffort, this.#effort / 2)
    else if (2 * tookMs < sliceMs && this.speaker.nextDeadline() <= endedAt)
      this.#effort = Math.min(1, 2 * this.#effort)
    return outputs
  }

  #perform(output: Exclude<SpeakerOutput, { kind: 'stateChanged' }>): void {
    switch (output.kind) {
      case 'dial':
        return this.#dial(output)
      case 'send':
        this.#connections.get(output.connection)?.send(output.bytes)
        return
      case 'setTtl':
        this.#connections.get(output.connection)?.setTtl(output.ttl, output.minTtl)
        return
      case 'close': {
        const connection = this.#connections.get(output.connection)
        this.#connections.delete(output.connection)
        if (connection === undefined) return
        this.#dropDrained()
        this.#closing.add(connection)
        connection.close()
        return
      }
      case 'listen':
        return this.#listen(output.instance, output.listen)
      case 'unlisten':
        return this.#unlisten(output.instance)
      case 'discover':
        return this.#discover(output.interfaces)
      case 'event':
        return this.#options.event(output.instance, output.event)
      case 'tap':
        return this.#options.tapped?.(output.instance, output.tap)
    }
  }

  #dial({ connection, dial }: Extract<SpeakerOutput, { kind: 'dial' }>): void {
    const opened = this.#options.tcp.dial(
      { ...dial, timeoutMs: dialTimeoutMs },
      {
        opened: (ends) => this.input({ kind: 'dialed', connection, ends }),
        failed: (reason) => {
          this.#connections.delete(connection)
          this.input({ kind: 'dialFailed', connection, reason })
        },
        ...this.#handlers(connection),
      },
    )
    this.#connections.set(connection, opened)
  }

  #handlers(connection: ConnectionId): ConnectionHandlers {
    return {
      received: (bytes) => this.input({ kind: 'received', connection, bytes }),
      sendQueue: (bytes, stalled) => this.input({ kind: 'sendQueue', connection, bytes, stalled }),
      closed: (reason) => {
        this.#connections.delete(connection)
        this.input({ kind: 'closed', connection, reason })
      },
    }
  }

  #listen(instance: string, listen: Listen): void {
    const known = this.#listening.get(instance)
    if (known?.listener !== undefined && isSamePlace(known.listen, listen)) {
      known.listen = listen
      known.listener.setPasswords(listen.passwords)
      known.listener.setMinTtls(listen.minTtls)
      return
    }
    if (known !== undefined) this.#unlisten(instance)
    const listening: Listening = { listen, listener: undefined, cancelRetry: undefined }
    this.#listening.set(instance, listening)
    this.#open(instance, listening)
  }

  #open(instance: string, listening: Listening): void {
    const { listenAddresses, tcp, clock, trouble } = this.#options
    const { port, passwords, minTtls, addresses = listenAddresses } = listening.listen
    listening.listener = tcp.listen(
      {
        port,
        passwords,
        minTtls,
        ...(addresses === undefined ? {} : { addresses }),
      },
      {
        listening: () => this.input({ kind: 'listening', instance, port }),
        failed: (reason) => {
          listening.listener = undefined
          if (this.#listening.get(instance) !== listening || this.#stopped) return
          trouble('cannot listen', { instance, port, reason })
          this.input({ kind: 'listenFailed', instance, port, reason })
          listening.cancelRetry = clock.at(clock.now() + listenRetryMs, () => this.#open(instance, listening))
        },
        passwordFailed: (address, reason) => {
          trouble('cannot set the password of a neighbour', { instance, address, reason })
          this.input({ kind: 'unheard', instance, address, reason })
        },
        wrongSignature: (address, reason) => this.input({ kind: 'unheard', instance, address, reason }),
        accepted: (connection, ends) => {
          const id = --this.#lastAccepted
          this.#connections.set(id, connection)
          // The handlers must be in place before the speaker may close the connection.
          queueMicrotask(() => {
            // It may have ended meanwhile, which nobody would be told again.
            if (this.#connections.has(id)) this.input({ kind: 'accepted', instance, connection: id, ends })
          })
          return this.#handlers(id)
        },
      },
    )
  }

  #unlisten(instance: string): void {
    const listening = this.#listening.get(instance)
    this.#listening.delete(instance)
    listening?.cancelRetry?.()
    listening?.listener?.close()
  }

  #discover(interfaces: readonly string[]): void {
    for (const [name, watch] of this.#watches) {
      if (interfaces.includes(name)) continue
      watch.close()
      this.#watches.delete(name)
    }
    const { discovery } = this.#options
    for (const name of interfaces) {
      if (this.#watches.has(name) || discovery === undefined) continue
      const watch = discovery.watch(name, {
        discovered: (address) => this.input({ kind: 'discovered', interface: name, address }),
        failed: (reason) => this.input({ kind: 'discoveryFailed', interface: name, reason }),
      })
      this.#watches.set(name, watch)
    }
  }

  /** An alarm that is set for an earlier time stays: deadlines move on with every message, and few are ever reached. */
  #arm(): void {
    const deadline = this.speaker.nextDeadline()
    if (this.#deadline <= deadline) return
    this.#cancelTick?.()
    this.#deadline = deadline
    this.#cancelTick = this.#options.clock.at(deadline, () => {
      this.#deadline = Infinity
      if (this.speaker.nextDeadline() <= this.#options.clock.now()) this.input({ kind: 'tick' })
      else this.#arm()
    })
  }

  #tell(): void {
    const { clock, stateChanged } = this.#options
    if (this.#cancelTell !== undefined) return
    // What was sent leaves first.
    this.#cancelTell = clock.at(Math.max(clock.now(), this.#toldAt + tellMs), () => {
      this.#cancelTell = undefined
      this.#toldAt = clock.now()
      stateChanged()
    })
  }

  #dropDrained(): void {
    for (const connection of this.#closing) if (connection.queuedBytes === 0) this.#closing.delete(connection)
  }
}

function isSamePlace(a: Listen, b: Listen): boolean {
  return a.port === b.port && String(a.addresses) === String(b.addresses)
}
