/** `herald mrt replay`: plays the routes of an MRT file into a router, as a neighbour of its. */
import { familyOfPrefix } from '#core/bgp/family.ts'
import type { RouteChange } from '#core/bgp/wire/route-updates.ts'
import type { Clock } from '#core/lib/clock.ts'
import { ok, type Result } from '#core/lib/result.ts'
import type { Address } from '#core/net/address.ts'
import type { Tcp, TcpConnection } from '#core/net/tcp.ts'
import { Player, type PlayerInput, type PlayerOutput } from '#core/mrt/player.ts'
import type { MrtPeer, MrtRecord } from '#core/mrt/record.ts'
import { attributesOfEntry, changesOf, updateOf } from '#core/mrt/routes.ts'
import { mrtRecords } from './mrt-show.ts'

export interface ReplayOptions {
  file: string
  to: Address
  port: number
  /** Own AS number and identifier. */
  asn: number
  routerId: Address
  /** The router's AS number; 0: any. */
  peerAsn: number
  sourceAddress?: Address
  /** IP TTL of packets sent. */
  ttl: number
  password?: string
  keepNextHop: boolean
  /** Changes of routes in a second; absent: as fast as the router takes them. */
  rate?: number
  /** Only what this peer of the file said; absent: of a table the first path of each prefix, of updates everybody's. */
  from?: Address
  /** End when everything has been said; else the session stays, and so the routes, until `signal`. */
  exit: boolean
  tcp: Tcp
  clock: Clock
  say: (line: string) => void
}

/** After this a dial has failed. */
const dialTimeoutMs = 15_000
/** Bytes that may wait for the router to take them. */
const queueMax = 1024 * 1024
/** Between two looks at whether the router has taken what was sent. */
const pollMs = 10
/** Changes that are encoded together. */
const batchMax = 500

/** Resolves when it is done or `signal` aborts; the error says what was wrong with the file or the session. */
export async function replayMrt(options: ReplayOptions, signal: AbortSignal): Promise<Result<undefined>> {
  const run = new Run(options)
  const onAbort = () => run.stop()
  signal.addEventListener('abort', onAbort, { once: true })
  try {
    if (signal.aborted) return ok(undefined)
    run.start()
    if (!(await run.up())) return run.result()
    const played = await run.play()
    if (!played.ok) return played
    if (run.stopped) return run.result()
    options.say(options.exit ? 'all is said' : 'all is said; the session stays until this ends (Ctrl-C)')
    if (!options.exit) await run.ended()
    return run.result()
  } finally {
    signal.removeEventListener('abort', onAbort)
    await run.close()
  }
}

class Run {
  readonly #options: ReplayOptions
  readonly #player: Player
  readonly #connections = new Map<number, TcpConnection>()
  readonly #closing = new Set<TcpConnection>()
  #cancelTick = () => {}
  #wake = () => {}
  #isUp = false
  #failure: string | undefined
  stopped = false

  constructor(options: ReplayOptions) {
    this.#options = options
    const { asn, routerId, peerAsn, to: address, keepNextHop } = options
    this.#player = new Player({ asn, routerId, peerAsn, address, keepNextHop, holdTimeSeconds: 90 })
  }

  start(): void {
    this.#give({ kind: 'start' })
  }

  /** By the user. */
  stop(): void {
    this.stopped = true
    this.#wake()
  }

  /** Waits for the session; false: it will not come. */
  async up(): Promise<boolean> {
    while (!this.#isUp && !this.stopped && this.#failure === undefined) await this.#change()
    return this.#isUp
  }

  /** Waits for the end of the session, or for the user. */
  async ended(): Promise<void> {
    while (this.#isUp && !this.stopped) await this.#change()
  }

  result(): Result<undefined> {
    return this.#failure === undefined || this.stopped ? ok(undefined) : { ok: false, error: this.#failure }
  }

  async play(): Promise<Result<undefined>> {
    const { file, clock, rate, say } = this.#options
    const started = clock.now()
    const reader = new ChangeReader(this.#options.from)
    let count = 0
    for await (const records of mrtRecords(file)) {
      if (!records.ok) return records
      const changes = records.value.flatMap((record) => reader.changesOf(record))
      for (let at = 0; at < changes.length;) {
        const batch = consistent(
          changes,
          at,
          rate === undefined ? batchMax : Math.min(batchMax, Math.max(1, rate / 20)),
        )
        await this.#ready(rate === undefined ? 0 : started + (1000 * count) / rate)
        if (!this.#isUp || this.stopped) return this.result()
        this.#send(this.#player.encode(batch))
        at += batch.length
        count += batch.length
      }
    }
    await this.#ready(0)
    if (this.#isUp) this.#send(this.#player.endOfRib())
    const seconds = (clock.now() - started) / 1000
    say(
      `${count} changes in ${seconds.toFixed(1)} s${reader.skipped > 0 ? `, ${reader.skipped} left out as malformed` : ''}`,
    )
    return ok(undefined)
  }

  /** Says goodbye and waits until that has left. */
  async close(): Promise<void> {
    const { clock } = this.#options
    const drained = () => [...this.#connections.values()].every(({ queuedBytes }) => queuedBytes === 0)
    for (let i = 0; i < 500 && this.#isUp && !this.stopped && !drained(); i++) await this.#sleep(pollMs)
    this.#give({ kind: 'stop' })
    this.#cancelTick()
    const until = clock.now() + 1000
    while (clock.now() < until && [...this.#closing].some(({ queuedBytes }) => queuedBytes > 0))
      await this.#sleep(pollMs)
  }

  /** Until the router has taken most of what was sent, and the time has come. */
  async #ready(notBefore: number): Promise<void> {
    const { clock } = this.#options
    for (;;) {
      const { connection } = this.#player
      const queued = connection === undefined ? 0 : (this.#connections.get(connection)?.queuedBytes ?? 0)
      if (!this.#isUp || this.stopped || (queued <= queueMax && clock.now() >= notBefore)) return
      await this.#sleep(Math.max(1, Math.min(pollMs, notBefore - clock.now())))
    }
  }

  #sleep(ms: number): Promise<void> {
    const { clock } = this.#options
    return new Promise((resolve) => void clock.at(clock.now() + ms, resolve))
  }

  #change(): Promise<void> {
    return new Promise((resolve) => (this.#wake = resolve))
  }

  #send(messages: readonly Uint8Array[]): void {
    const { connection } = this.#player
    const to = connection === undefined ? undefined : this.#connections.get(connection)
    for (const bytes of messages) to?.send(bytes)
  }

  #give(input: PlayerInput): void {
    const { clock } = this.#options
    for (const output of this.#player.handle(input, clock.now())) this.#perform(output)
    this.#cancelTick()
    this.#cancelTick = clock.at(this.#player.nextDeadline(), () => this.#give({ kind: 'tick' }))
  }

  #perform(output: PlayerOutput): void {
    const { say, to } = this.#options
    switch (output.kind) {
      case 'dial':
        return this.#dial(output.connection)
      case 'send':
        this.#connections.get(output.connection)?.send(output.bytes)
        return
      case 'close': {
        const connection = this.#connections.get(output.connection)
        this.#connections.delete(output.connection)
        if (connection === undefined) return
        this.#closing.add(connection)
        connection.close()
        return
      }
      case 'up':
        this.#isUp = true
        say(`session with AS ${output.peerAsn} at ${to} is up (${output.families.join(', ')})`)
        this.#wake()
        return
      case 'down':
        this.#isUp = false
        // A session that could not be made is tried again; what was said on one that ended is lost with it.
        if (output.wasUp) this.#failure = `the session ended: ${output.reason}`
        else if (!this.stopped) say(`no session yet: ${output.reason}`)
        this.#wake()
    }
  }

  #dial(connection: number): void {
    const { tcp, to: address, port, ttl, sourceAddress, password } = this.#options
    const ended = (kind: 'dialFailed' | 'closed') => (reason: string) => {
      this.#connections.delete(connection)
      this.#give({ kind, connection, reason })
    }
    const opened = tcp.dial(
      {
        address,
        port,
        ttl,
        timeoutMs: dialTimeoutMs,
        ...(sourceAddress === undefined ? {} : { sourceAddress }),
        ...(password === undefined ? {} : { password }),
      },
      {
        opened: (ends) => this.#give({ kind: 'dialed', connection, ends }),
        received: (bytes) => this.#give({ kind: 'received', connection, bytes }),
        failed: ended('dialFailed'),
        closed: ended('closed'),
      },
    )
    this.#connections.set(connection, opened)
  }
}

/** Picks what is to be said of each record. */
class ChangeReader {
  readonly #from: Address | undefined
  #peers: readonly MrtPeer[] = []
  #last = ''
  /** Routes that RFC 7606 would not let in. */
  skipped = 0

  constructor(from: Address | undefined) {
    this.#from = from
  }

  changesOf(record: MrtRecord): RouteChange[] {
    switch (record.kind) {
      case 'peers':
        this.#peers = record.peers
        return []
      case 'rib': {
        const entry = record.entries.find(({ peer }) => this.#isWanted(this.#peers[peer]?.address))
        // The paths of a prefix may be spread over records that follow each other.
        const key = `${record.family} ${record.prefix}`
        if (entry === undefined || key === this.#last) return []
        this.#last = key
        const attributes = attributesOfEntry(record.family, record.prefix, entry)
        if (attributes === undefined) this.skipped++
        return attributes === undefined ? [] : [{ prefix: record.prefix, attributes }]
      }
      case 'message': {
        if (record.local || !this.#isWanted(record.session.peerAddress)) return []
        const update = updateOf(record)
        return update === undefined ? [] : changesOf(update)
      }
      case 'stateChange':
      case 'other':
        return []
    }
  }

  #isWanted(address: Address | undefined): boolean {
    return address !== undefined && (this.#from === undefined || this.#from === address)
  }
}

/** The changes from `at` on, at most `max`, up to the second one of a prefix: within a batch the order is free. */
function consistent(changes: readonly RouteChange[], at: number, max: number): RouteChange[] {
  const seen = new Set<string>()
  const batch: RouteChange[] = []
  for (let i = at; i < changes.length && batch.length < max; i++) {
    const change = changes[i]!
    const key = `${familyOfPrefix(change.prefix)} ${change.prefix}`
    if (seen.has(key)) break
    seen.add(key)
    batch.push(change)
  }
  return batch
}
