/** The connections and listeners of one speaker or router: performs what it asks for on a {@link Tcp} and tells it what came. */
import type { BgpInput, ConnectionEnds, ConnectionId, Dial } from '#core/bgp/io.ts'
import type { Address } from '#core/net/address.ts'
import type {
  ListenHandlers,
  Tcp,
  TcpConnection,
  TcpListener,
  TcpMinTtl,
  TcpPassword,
} from '#core/net/tcp.ts'
import type { VirtualClock } from './clock.ts'

/** What happened. `instance` is the name under which `listen` was called. */
export type ConnectionInput =
  | Extract<BgpInput, { kind: 'dialed' | 'dialFailed' | 'received' | 'sendQueue' | 'closed' }>
  | { kind: 'accepted'; instance: string; connection: ConnectionId; ends: ConnectionEnds }
  | { kind: 'unheard'; instance: string; address: Address; reason: string }
  | { kind: 'listenFailed'; instance: string; port: number; reason: string }
  | { kind: 'listening'; instance: string; port: number }

export interface ListenRequest {
  port: number
  passwords: TcpPassword[]
  minTtls?: TcpMinTtl[]
}

/** As the real speaker's. */
const dialTimeoutMs = 30_000
const listenRetryMs = 1_000

export class Connections {
  readonly #clock: VirtualClock
  readonly #tcp: Tcp
  readonly #tell: (input: ConnectionInput) => void
  readonly #open = new Map<ConnectionId, TcpConnection>()
  readonly #listeners = new Map<string, { request: ListenRequest; listener: TcpListener }>()
  #accepted = 0

  constructor(clock: VirtualClock, tcp: Tcp, tell: (input: ConnectionInput) => void) {
    this.#clock = clock
    this.#tcp = tcp
    this.#tell = tell
  }

  dial(connection: ConnectionId, dial: Dial): void {
    const opened = this.#tcp.dial(
      { ...dial, timeoutMs: dialTimeoutMs },
      {
        opened: (ends) => this.#tell({ kind: 'dialed', connection, ends }),
        failed: (reason) => {
          this.#open.delete(connection)
          this.#tell({ kind: 'dialFailed', connection, reason })
        },
        ...this.#handlers(connection),
      },
    )
    this.#open.set(connection, opened)
  }

  send(connection: ConnectionId, bytes: Uint8Array): void {
    this.#open.get(connection)?.send(bytes)
  }

  close(connection: ConnectionId): void {
    this.#open.get(connection)?.close()
    this.#open.delete(connection)
  }

  setTtl(connection: ConnectionId, ttl: number, minTtl?: number): void {
    this.#open.get(connection)?.setTtl(ttl, minTtl)
  }

  listen(instance: string, request: ListenRequest): void {
    const present = this.#listeners.get(instance)
    const { port, passwords, minTtls = [] } = request
    if (present?.request.port === port) {
      present.request = request
      present.listener.setPasswords(passwords)
      present.listener.setMinTtls(minTtls)
      return
    }
    present?.listener.close()
    const handlers: ListenHandlers = {
      listening: (port) => this.#tell({ kind: 'listening', instance, port }),
      failed: (reason) => {
        this.#tell({ kind: 'listenFailed', instance, port, reason })
        this.#clock.after(listenRetryMs, () => {
          const wanted = this.#listeners.get(instance)
          if (wanted?.listener !== listener) return
          this.#listeners.delete(instance)
          this.listen(instance, wanted.request)
        })
      },
      passwordFailed: (address, reason) => this.#tell({ kind: 'unheard', instance, address, reason }),
      wrongSignature: (address, reason) => this.#tell({ kind: 'unheard', instance, address, reason }),
      accepted: (opened, ends) => {
        const connection = --this.#accepted
        this.#open.set(connection, opened)
        this.#clock.after(0, () => this.#tell({ kind: 'accepted', instance, connection, ends }))
        return this.#handlers(connection)
      },
    }
    const listener = this.#tcp.listen({ port, passwords, minTtls }, handlers)
    this.#listeners.set(instance, { request, listener })
  }

  unlisten(instance: string): void {
    this.#listeners.get(instance)?.listener.close()
    this.#listeners.delete(instance)
  }

  #handlers(connection: ConnectionId) {
    return {
      received: (bytes: Uint8Array) => this.#tell({ kind: 'received', connection, bytes }),
      sendQueue: (bytes: number, stalled: boolean) =>
        this.#tell({ kind: 'sendQueue', connection, bytes, stalled }),
      closed: (reason: string) => {
        this.#open.delete(connection)
        this.#tell({ kind: 'closed', connection, reason })
      },
    }
  }
}
