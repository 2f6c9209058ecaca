/**
 * An RPKI-to-Router client (RFC 8210, RFC 6810): sessions with configured caches by preference, and the validated ROA
 * payloads of the one that is used, as changes. The data of a cache that is lost stays until it expires or another cache has
 * told all of its own. Validation itself (RFC 6811) is the speaker's.
 */
import type { Address } from '#core/net/address.ts'
import { KeySet } from './key-set.ts'
import { errorCode, PduFramer, type Version } from './pdu.ts'
import { CacheRecords, roaOf, type RecordKey, type Roa } from './records.ts'
import {
  initialSession,
  nextDeadline,
  progressed,
  step,
  type CacheSession,
  type SessionInput,
  type SessionOutput,
} from './session.ts'

export interface CacheConfig {
  address: Address
  port: number
  /** The lowest is tried first (RFC 8210 §10). */
  preference: number
}

/** Connections are numbered by this machine; the edge opens and closes them. */
export type RpkiInput =
  /** Replaces the caches. Sessions with caches that stay are not touched. */
  | { kind: 'configure'; caches: readonly CacheConfig[] }
  | { kind: 'opened'; connection: number }
  | { kind: 'failed' | 'closed'; connection: number; reason: string }
  /** The machine may keep the array. */
  | { kind: 'received'; connection: number; bytes: Uint8Array }
  | { kind: 'tick' }

export type RpkiOutput =
  | { kind: 'dial'; connection: number; address: Address; port: number }
  | { kind: 'send'; connection: number; bytes: Uint8Array }
  | { kind: 'close'; connection: number }
  /** To be given to the speaker in this order. */
  | { kind: 'origins'; added: Roa[]; removed: Roa[] }
  /** For logs. */
  | { kind: 'event'; cache: string; message: string; reason?: string }

/** What is shown of a cache. Times in ms. */
export interface CacheStatus {
  address: Address
  port: number
  preference: number
  state: 'idle' | 'connecting' | 'loading' | 'ready'
  /** Its data is the one that counts. */
  used: boolean
  version?: Version
  sessionId?: number
  serial?: number
  records: { ipv4: number; ipv6: number }
  /** Time of the last complete answer. */
  updatedAt?: number
  /** While it is lost: when its data ends. */
  expiresAt?: number
  lastError?: { at: number; direction: 'sent' | 'received' | 'local'; message: string }
}

/** Payloads looked at in one call: a full table is spread over many, so that routing never waits for it. */
const sliceMax = 4_096

interface Cache {
  config: CacheConfig
  name: string
  session: CacheSession
  framer: PduFramer
  records: CacheRecords
  updatedAt?: number
  lastError?: CacheStatus['lastError']
}

export class Rpki {
  /** In the order in which they are tried. */
  #caches: Cache[] = []
  /** The cache whose data counts. It stays so while it is lost and its data has not expired. */
  #used: Cache | undefined
  /** What the speaker was told. */
  readonly #told = new KeySet()
  /** Keys for which what was told may differ from what is used. */
  #due: Iterator<RecordKey>[] = []
  #nextConnection = 1
  #outputs: RpkiOutput[] = []
  #now = 0

  /** `now` in ms, never less than before. The outputs are to be performed in their order. */
  handle(input: RpkiInput, now: number): RpkiOutput[] {
    this.#outputs = []
    this.#now = now
    this.#take(input)
    for (const cache of this.#caches)
      if (nextDeadline(cache.session) <= now) this.#step(cache, { kind: 'tick' })
    if (this.#expiresAt() <= now) this.#expire()
    this.#choose()
    this.#tell()
    return this.#outputs
  }

  /** Time at which the next `tick` is due, unless another input comes before; `Infinity`: none. */
  nextDeadline(): number {
    if (this.#due.length > 0) return this.#now
    let deadline = this.#expiresAt()
    for (const cache of this.#caches) {
      const { session } = cache
      deadline = Math.min(deadline, nextDeadline(session))
      if (session.state.kind === 'idle' && this.#isWanted(cache))
        deadline = Math.min(deadline, session.state.retryAt)
    }
    return deadline
  }

  /** In the order in which they are tried. */
  status(): CacheStatus[] {
    return this.#caches.map((cache) => {
      const { config, session, records, updatedAt, lastError } = cache
      const used = cache === this.#used
      const { kind } = session.state
      return {
        ...config,
        state: kind === 'asking' ? (session.position === undefined ? 'loading' : 'ready') : kind,
        used,
        ...session.position,
        records: records.counts,
        ...(updatedAt === undefined ? {} : { updatedAt }),
        ...(used && kind !== 'ready' ? { expiresAt: this.#expiresAt() } : {}),
        ...(lastError === undefined ? {} : { lastError }),
      }
    })
  }

  #take(input: RpkiInput): void {
    switch (input.kind) {
      case 'configure':
        return this.#configure(input.caches)
      case 'tick':
        return
      case 'received':
        return this.#receive(input.connection, input.bytes)
      case 'opened':
      case 'failed':
      case 'closed': {
        const cache = this.#cacheOf(input.connection)
        if (cache !== undefined) this.#step(cache, input)
        else if (input.kind === 'opened') this.#outputs.push({ kind: 'close', connection: input.connection })
      }
    }
  }

  #configure(configs: readonly CacheConfig[]): void {
    const known = new Map(this.#caches.map((cache) => [cache.name, cache]))
    const wanted = new Map(configs.map((config) => [nameOf(config), config]))
    for (const cache of this.#caches) {
      if (wanted.has(cache.name)) continue
      this.#step(cache, { kind: 'stop' })
      // Nobody vouches for the data of a cache that was taken out.
      if (cache === this.#used) this.#expire()
    }
    const caches = [...wanted].map(([name, config]): Cache => {
      const cache = known.get(name)
      if (cache !== undefined) {
        cache.config = config
        return cache
      }
      const records = new CacheRecords()
      return { config, name, session: initialSession, framer: new PduFramer(), records }
    })
    this.#caches = caches.toSorted((a, b) => a.config.preference - b.config.preference)
  }

  #cacheOf(connection: number): Cache | undefined {
    return this.#caches.find(
      ({ session: { state } }) => state.kind !== 'idle' && state.connection === connection,
    )
  }

  #receive(connection: number, bytes: Uint8Array): void {
    const cache = this.#cacheOf(connection)
    if (cache === undefined) return
    cache.framer.push(bytes)
    // A PDU may end the connection.
    while (this.#cacheOf(connection) === cache) {
      const next = cache.framer.next()
      if (next === undefined) break
      if (!next.ok) {
        this.#step(cache, { kind: 'malformed', error: next.error })
        break
      }
      const pdu = next.value
      const { state } = cache.session
      if (pdu.kind !== 'prefix' && pdu.kind !== 'routerKey') {
        this.#step(cache, { kind: 'pdu', pdu })
        continue
      }
      const code =
        recordError(state, pdu) ??
        (pdu.kind === 'prefix' ? cache.records.stage(pdu.announce, pdu) : undefined)
      if (code === undefined) continue
      const message = pdu.kind === 'prefix' ? `${pdu.prefix} of AS ${pdu.asn}` : 'router key out of order'
      this.#step(cache, { kind: 'malformed', error: { code, message, pdu: new Uint8Array(0) } })
    }
    progressed(cache.session, this.#now)
  }

  #step(cache: Cache, input: SessionInput): void {
    const { session, outputs } = step(cache.session, input, this.#now)
    cache.session = session
    for (const output of outputs) this.#perform(cache, output)
  }

  #perform(cache: Cache, output: SessionOutput): void {
    switch (output.kind) {
      case 'send':
      case 'close':
        this.#outputs.push(output)
        return
      case 'begin':
        return cache.records.begin(output.answer)
      case 'commit':
        return this.#commit(cache)
      case 'forget':
        cache.records.clear()
        if (cache === this.#used) this.#expire()
        return
      case 'failed': {
        cache.records.discard()
        const { direction, reason: message } = output
        cache.lastError = { at: this.#now, direction, message }
        this.#event(cache, 'RPKI cache lost', direction === 'local' ? message : `${direction} ${message}`)
      }
    }
  }

  #commit(cache: Cache): void {
    const change = cache.records.commit()
    const first = this.#used !== cache
    cache.updatedAt = this.#now
    if (first) {
      const old = this.#used
      this.#used = cache
      if (old !== undefined) this.#abandon(old)
      this.#event(cache, 'RPKI cache in use')
    }
    if (first || change.kind === 'full') this.#due = [this.#told.keys(), cache.records.current.keys()]
    else if (change.keys.length > 0) this.#due.push(change.keys.values())
  }

  /** Its data no longer counts, and when it comes back it starts from the beginning. */
  #abandon(cache: Cache): void {
    cache.records.clear()
    const { position: _, ...session } = cache.session
    cache.session = session
    delete cache.updatedAt
    this.#step(cache, { kind: 'stop' })
  }

  /** RFC 8210 §6: the data must no longer be used. */
  #expire(): void {
    const cache = this.#used
    if (cache === undefined) return
    this.#used = undefined
    this.#event(cache, 'RPKI data withdrawn', 'it expired, or its cache no longer vouches for it')
    const { position: _, ...session } = cache.session
    cache.session = session
    cache.records.clear()
    delete cache.updatedAt
    this.#due = [this.#told.keys()]
  }

  /** RFC 8210 §6: the expire interval runs from the last complete answer. */
  #expiresAt(): number {
    const used = this.#used
    return used?.updatedAt === undefined
      ? Infinity
      : used.updatedAt + 1000 * used.session.intervals.expireSeconds
  }

  /** RFC 8210 §10: connects to those that are preferred to what works, and leaves those that are not needed. */
  #choose(): void {
    for (const cache of this.#caches) {
      const { state } = cache.session
      const wanted = this.#isWanted(cache)
      if (!wanted && state.kind !== 'idle') {
        this.#step(cache, { kind: 'stop' })
        cache.records.discard()
      }
      if (!wanted || state.kind !== 'idle' || state.retryAt > this.#now) continue
      const connection = this.#nextConnection++
      cache.framer = new PduFramer()
      this.#step(cache, { kind: 'connect', connection })
      const { address, port } = cache.config
      this.#outputs.push({ kind: 'dial', connection, address, port })
    }
  }

  /** Not when one as good as it works; and while one before it is tried, only what has begun goes on. */
  #isWanted(cache: Cache): boolean {
    for (const other of this.#caches) {
      if (other === cache) break
      if (other.session.state.kind !== 'idle') return cache.session.state.kind !== 'idle' && !works(other)
    }
    const { preference } = cache.config
    return !this.#caches.some(
      (other) => other !== cache && works(other) && other.config.preference <= preference,
    )
  }

  /** Brings what was told nearer to what is used, a slice at a time. */
  #tell(): void {
    const current = this.#used?.records.current
    const added: Roa[] = []
    const removed: Roa[] = []
    let looked = 0
    while (this.#due.length > 0 && looked < sliceMax) {
      const { done, value: key } = this.#due[0]!.next()
      if (done === true) {
        this.#due.shift()
        continue
      }
      looked++
      const wanted = current?.has(key) === true
      if (wanted === this.#told.has(key)) continue
      if (wanted) this.#told.add(key)
      else this.#told.delete(key)
      ;(wanted ? added : removed).push(roaOf(key))
    }
    if (added.length > 0 || removed.length > 0) this.#outputs.push({ kind: 'origins', added, removed })
  }

  #event({ name }: Cache, message: string, reason?: string): void {
    this.#outputs.push({ kind: 'event', cache: name, message, ...(reason === undefined ? {} : { reason }) })
  }
}

/** A record may come between Cache Response and End of Data only (RFC 8210 §8.1), in the version agreed on (§7). */
function recordError(state: CacheSession['state'], { version }: { version: Version }): number | undefined {
  if (state.kind !== 'loading') return errorCode.corruptData
  return state.version === version ? undefined : errorCode.unexpectedVersion
}

/** It has told all it had and is still there. */
function works({ session }: Cache): boolean {
  const { state, position } = session
  return (
    state.kind === 'ready' || (position !== undefined && state.kind !== 'idle' && state.kind !== 'connecting')
  )
}

function nameOf({ address, port }: CacheConfig): string {
  return address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`
}
