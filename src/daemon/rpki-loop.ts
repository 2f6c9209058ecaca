/**
 * Runs an RPKI client beside each instance that names caches: dials, sends and closes for it, wakes it at its next deadline,
 * and gives what it learns to the speaker. It decides nothing.
 */
import type { Clock } from '#core/lib/clock.ts'
import type { Tcp, TcpConnection } from '#core/net/tcp.ts'
import type { InstancePlan } from '#core/plan/node-plan.ts'
import { Rpki, type CacheStatus, type RpkiInput, type RpkiOutput } from '#core/rpki/rpki.ts'
import type { SpeakerInput } from '#core/speaker/io.ts'
import type { Logger } from './log.ts'

export interface RpkiLoopOptions {
  tcp: Tcp
  clock: Clock
  log: Logger
  /** To the speaker. */
  input: (input: SpeakerInput) => void
  /** Something that `status` shows is other than before. */
  changed: () => void
}

interface Client {
  rpki: Rpki
  connections: Map<number, TcpConnection>
  configText: string
  cancelTick: () => void
}

/** After this a dial has failed. */
const dialTimeoutMs = 15_000
/** Caches may be anywhere. */
const ttl = 64

export class RpkiLoop {
  readonly #options: RpkiLoopOptions
  readonly #clients = new Map<string, Client>()

  constructor(options: RpkiLoopOptions) {
    this.#options = options
  }

  /** Makes the caches of every instance those of its plan. To be called after the speaker took the plan over. */
  follow(instances: readonly InstancePlan[]): void {
    const wanted = new Map(instances.map(({ config, rpkiCaches }) => [config.name, rpkiCaches ?? []]))
    for (const [instance, client] of this.#clients) {
      if (wanted.has(instance)) continue
      this.#clients.delete(instance)
      client.cancelTick()
      for (const connection of client.connections.values()) connection.close()
    }
    for (const [instance, caches] of wanted) {
      const configText = JSON.stringify(caches)
      let client = this.#clients.get(instance)
      if (client === undefined) {
        if (caches.length === 0) continue
        client = { rpki: new Rpki(), connections: new Map(), configText: '', cancelTick: () => {} }
        this.#clients.set(instance, client)
      }
      if (client.configText === configText) continue
      client.configText = configText
      this.#give(instance, client, { kind: 'configure', caches })
    }
  }

  /** Of one instance; empty for one without caches. */
  status(instance: string): CacheStatus[] {
    return this.#clients.get(instance)?.rpki.status() ?? []
  }

  stop(): void {
    this.follow([])
  }

  #give(instance: string, client: Client, input: RpkiInput): void {
    if (this.#clients.get(instance) !== client) return
    const { clock } = this.#options
    client.cancelTick()
    for (const output of client.rpki.handle(input, clock.now())) this.#perform(instance, client, output)
    client.cancelTick()
    client.cancelTick = clock.at(client.rpki.nextDeadline(), () =>
      this.#give(instance, client, { kind: 'tick' }),
    )
  }

  #perform(instance: string, client: Client, output: RpkiOutput): void {
    const { tcp, log, input, changed } = this.#options
    switch (output.kind) {
      case 'dial': {
        const { connection, address, port } = output
        const ended = (kind: 'failed' | 'closed') => (reason: string) => {
          client.connections.delete(connection)
          this.#give(instance, client, { kind, connection, reason })
        }
        const opened = tcp.dial(
          { address, port, ttl, timeoutMs: dialTimeoutMs },
          {
            opened: () => this.#give(instance, client, { kind: 'opened', connection }),
            received: (bytes) => this.#give(instance, client, { kind: 'received', connection, bytes }),
            failed: ended('failed'),
            closed: ended('closed'),
          },
        )
        client.connections.set(connection, opened)
        return
      }
      case 'send':
        client.connections.get(output.connection)?.send(output.bytes)
        return
      case 'close':
        client.connections.get(output.connection)?.close()
        client.connections.delete(output.connection)
        return
      case 'origins': {
        input({ ...output, instance })
        changed()
        return
      }
      case 'event': {
        const { message, cache, reason } = output
        if (reason === undefined) log.info(message, { instance, address: cache })
        else log.warn(message, { instance, address: cache, reason })
        changed()
      }
    }
  }
}
