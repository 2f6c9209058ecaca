/**
 * Export to one monitoring station (RFC 7854) as a state machine. It connects, tells the sessions and tables that there are,
 * page by page as the station takes them, and from then on every change. A station that falls too far behind is left and told
 * everything anew when it is connected to again: it never holds anything up.
 */
import { families } from '#core/bgp/family.ts'
import type { PeerStatus, RouteFilter, RoutePage, RouteTable } from '#core/bgp/io.ts'
import type { Tap, TappedSession } from '#core/bgp/tap.ts'
import { messageType } from '#core/bgp/wire/framer.ts'
import { nlriPaths } from '#core/bgp/wire/nlri.ts'
import { encodeRouteChanges, type RouteChange } from '#core/bgp/wire/route-updates.ts'
import { encodeEndOfRib } from '#core/bgp/wire/update-encode.ts'
import { decodeMessage } from '#core/bgp/wire/wire.ts'
import type { Address } from '#core/net/address.ts'
import {
  encodeInitiation,
  encodePeerDown,
  encodePeerUp,
  encodeRouteMonitoring,
  encodeStatistics,
  encodeTermination,
  type LocalIdentity,
  type Subject,
  type View,
} from './encode.ts'
import { Pending } from './pending.ts'
import { changesOfPage, contextOf, locRibContext, sessionOf, tableOf, type Walk } from './walk.ts'

export interface StationConfig {
  address: Address
  port: number
  /** What it is told: routes as received, as let in by import policy, as sent, and the best ones. */
  views: View[]
  /** Between two statistics reports of each peer; absent: none. */
  statisticsSeconds?: number
}

/** The speaker as a station's machine asks about it. Every answer is about this very moment. */
export interface StationSource {
  local(): LocalIdentity
  sessions(): TappedSession[]
  peers(): PeerStatus[]
  page(table: RouteTable, filter: RouteFilter, cursor: number, limit: number): RoutePage
  /** Bytes that the connection has not taken yet. */
  queuedBytes(): number
}

export type StationInput =
  | { kind: 'opened' }
  | { kind: 'failed' | 'closed'; reason: string }
  | { kind: 'tap'; tap: Tap }
  | { kind: 'stop' }
  | { kind: 'tick' }

export type StationOutput =
  | { kind: 'dial'; address: Address; port: number }
  | { kind: 'send'; bytes: Uint8Array }
  | { kind: 'close' }
  /** For logs. */
  | { kind: 'event'; message: string; reason?: string }

/** What is shown of a station. Times in ms. */
export interface StationStatus {
  address: Address
  port: number
  views: View[]
  /** `dumping`: connected, and tables are being told for the first time. */
  state: 'idle' | 'connecting' | 'dumping' | 'up'
  /** Time of the last change into or out of a connection. */
  since?: number
  messages: number
  bytes: number
  lastError?: { at: number; message: string }
}

/** Above this a station has fallen too far behind. */
export const stationQueueMax = 32 * 1024 * 1024
/** Above this no further slice is told. */
const workQueueMax = 256 * 1024
/** Routes that are told in one step: a millisecond or two. */
const sliceSize = 250
/** Between two looks at a queue that is full. */
const pacingMs = 20
const retryMinMs = 1_000
const retryMaxMs = 60_000

type State = { kind: 'idle'; retryAt: number } | { kind: 'connecting' } | Up

interface Up {
  kind: 'up'
  walks: Walk[]
  /** When the next slice may be told. */
  workAt: number
  statisticsAt: number
}

export class Station {
  readonly #config: StationConfig
  readonly #source: StationSource
  readonly #name: string
  readonly #description: string
  #state: State = { kind: 'idle', retryAt: 0 }
  #failures = 0
  #since: number | undefined
  #lastError: StationStatus['lastError']
  #messages = 0
  #bytes = 0
  /** Sessions that the station knows, by peer. */
  readonly #sessions = new Map<string, TappedSession>()
  readonly #pending = new Pending()
  #outputs: StationOutput[] = []
  #now = 0

  /** `name` and `description` introduce the speaker. */
  constructor(config: StationConfig, source: StationSource, name: string, description: string) {
    this.#config = config
    this.#source = source
    this.#name = name
    this.#description = description
  }

  /** `now` in ms since 1970, never less than before. The outputs are to be performed in their order. */
  handle(input: StationInput, now: number): StationOutput[] {
    this.#outputs = []
    this.#now = now
    this.#take(input)
    this.#tick()
    return this.#outputs
  }

  /** Time at which the next `tick` is due, unless another input comes before; `Infinity`: none. */
  nextDeadline(): number {
    const state = this.#state
    switch (state.kind) {
      case 'idle':
        return state.retryAt
      case 'connecting':
        return Infinity
      case 'up':
        return Math.min(this.#hasWork(state) ? state.workAt : Infinity, state.statisticsAt)
    }
  }

  status(): StationStatus {
    const { address, port, views } = this.#config
    const state = this.#state
    return {
      address,
      port,
      views,
      state: state.kind === 'up' && state.walks.length > 0 ? 'dumping' : state.kind,
      ...(this.#since === undefined ? {} : { since: this.#since }),
      messages: this.#messages,
      bytes: this.#bytes,
      ...(this.#lastError === undefined ? {} : { lastError: this.#lastError }),
    }
  }

  #take(input: StationInput): void {
    switch (input.kind) {
      case 'opened':
        if (this.#state.kind === 'connecting') this.#opened()
        return
      case 'failed':
      case 'closed':
        return this.#lost(input.reason)
      case 'tap':
        if (this.#state.kind === 'up') this.#tapped(input.tap)
        return
      case 'stop':
        if (this.#state.kind === 'up') this.#send(encodeTermination(0))
        if (this.#state.kind !== 'idle') this.#outputs.push({ kind: 'close' })
        this.#sessions.clear()
        this.#state = { kind: 'idle', retryAt: Infinity }
        return
      case 'tick':
        return
    }
  }

  #tick(): void {
    const state = this.#state
    if (state.kind === 'idle' && state.retryAt <= this.#now) {
      this.#state = { kind: 'connecting' }
      const { address, port } = this.#config
      this.#outputs.push({ kind: 'dial', address, port })
      return
    }
    if (state.kind !== 'up') return
    if (this.#source.queuedBytes() > stationQueueMax) {
      // RFC 7854 §3.2: the station learns everything anew on its next connection.
      this.#outputs.push({ kind: 'send', bytes: encodeTermination(2) }, { kind: 'close' })
      this.#lost(`it fell more than ${stationQueueMax / 1024 / 1024} MiB behind`)
      return
    }
    if (state.statisticsAt <= this.#now) this.#report(state)
    if (this.#hasWork(state) && state.workAt <= this.#now) this.#work(state)
  }

  #hasWork({ walks }: Up): boolean {
    return walks.length > 0 || !this.#pending.isEmpty
  }

  /** A slice of what is to be told, unless the station is still busy with the ones before. */
  #work(state: Up): void {
    state.workAt = this.#now
    if (this.#source.queuedBytes() > workQueueMax) state.workAt = this.#now + pacingMs
    else if (this.#pending.isEmpty) this.#walk(state)
    else this.#tellChanges()
  }

  #opened(): void {
    const { statisticsSeconds = Infinity, views } = this.#config
    this.#failures = 0
    this.#since = this.#now
    const statisticsAt = this.#now + 1000 * statisticsSeconds
    this.#state = { kind: 'up', walks: [], workAt: this.#now, statisticsAt }
    this.#outputs.push({ kind: 'event', message: 'monitoring station connected' })
    this.#send(encodeInitiation(this.#description, this.#name))
    if (views.includes('locRib')) {
      const subject = this.#locRib()
      this.#send(encodePeerUp(subject, this.#now))
      for (const family of families)
        this.#state.walks.push({ subject, view: 'locRib', family, cursor: 0, again: false })
    }
    for (const session of this.#source.sessions()) {
      this.#up(session)
      for (const view of views) if (view !== 'locRib') this.#tell(session, view, false)
    }
  }

  #lost(reason: string): void {
    const state = this.#state
    if (state.kind === 'idle') return
    const delay = Math.min(retryMaxMs, retryMinMs * 2 ** Math.min(this.#failures, 10))
    this.#failures++
    this.#sessions.clear()
    this.#pending.clear()
    if (state.kind === 'up') this.#since = this.#now
    this.#lastError = { at: this.#now, message: reason }
    this.#state = { kind: 'idle', retryAt: this.#now + delay }
    this.#outputs.push({ kind: 'event', message: 'monitoring station lost', reason })
  }

  #tapped(tap: Tap): void {
    switch (tap.kind) {
      case 'up':
        return this.#up(tap.session)
      case 'down': {
        const session = this.#sessions.get(tap.peer)
        if (session === undefined || this.#state.kind !== 'up') return
        this.#sessions.delete(tap.peer)
        this.#pending.forget(tap.peer)
        this.#state.walks = this.#state.walks.filter(({ subject }) => sessionOf(subject) !== session)
        this.#send(encodePeerDown(session, tap, this.#now))
        return
      }
      case 'received':
        return this.#received(tap.peer, tap.bytes)
      case 'sent': {
        const session = this.#sessions.get(tap.peer)
        if (session !== undefined && this.#wants('adjOut') && tap.bytes[18] === messageType.update)
          this.#monitor({ kind: 'peer', session }, 'adjOut', [tap.bytes])
        return
      }
      case 'best':
        if (this.#wants('locRib')) this.#pending.addBest(tap.prefixes)
        return
      case 'reevaluated':
        if (this.#wants('post'))
          for (const session of this.#sessions.values()) this.#tell(session, 'post', true)
    }
  }

  #up(session: TappedSession): void {
    this.#sessions.set(session.peer, session)
    this.#send(encodePeerUp({ kind: 'peer', session }, this.#now))
  }

  /** From the first route on. */
  #tell(session: TappedSession, view: View, again: boolean): void {
    const state = this.#state
    if (state.kind !== 'up') return
    state.walks = state.walks.filter((walk) => sessionOf(walk.subject) !== session || walk.view !== view)
    for (const family of session.families)
      state.walks.push({ subject: { kind: 'peer', session }, view, family, cursor: 0, again })
    state.workAt = this.#now
  }

  #received(peer: string, bytes: Uint8Array): void {
    const session = this.#sessions.get(peer)
    if (session === undefined || bytes[18] !== messageType.update) return
    const subject: Subject = { kind: 'peer', session }
    if (this.#wants('pre')) this.#monitor(subject, 'pre', [bytes])
    if (!this.#wants('post')) return
    const decoded = decodeMessage(bytes, {
      ...session,
      kind: session.asn === session.localAsn ? 'ibgp' : 'ebgp',
      extendedNextHop: session.families,
    })
    if (!decoded.ok || decoded.value.kind !== 'update') return
    const { withdrawn, announced, endOfRib } = decoded.value
    const paths = [...withdrawn, ...announced].flatMap((block) =>
      nlriPaths(block).map(({ prefix, pathId }) =>
        block.pathIds === true ? { prefix, pathId } : { prefix },
      ),
    )
    this.#pending.addPaths(peer, paths, endOfRib)
  }

  /** A slice of what changed, as it is now. */
  #tellChanges(): void {
    const best = this.#pending.takeBest(sliceSize)
    if (best.length > 0) {
      const changes = best.map((prefix): RouteChange => {
        const { entries } = this.#source.page('locRib', { prefix }, 0, sliceSize)
        return { prefix, attributes: entries.find((entry) => entry.best)?.attributes }
      })
      this.#monitor(this.#locRib(), 'locRib', encodeRouteChanges(changes, locRibContext))
      return
    }
    const taken = this.#pending.takePaths(sliceSize)
    const session = taken === undefined ? undefined : this.#sessions.get(taken.peer)
    if (taken === undefined || session === undefined) return
    const { peer, paths, endOfRib } = taken
    const changes = paths.map(({ prefix, pathId }): RouteChange => {
      const { entries } = this.#source.page('accepted', { peer, prefix }, 0, sliceSize)
      const entry = entries.find((each) => pathId === undefined || each.pathId === pathId)
      return { prefix, pathId, attributes: entry?.attributes }
    })
    const subject: Subject = { kind: 'peer', session }
    this.#monitor(subject, 'post', encodeRouteChanges(changes, contextOf(session, 'post')))
    this.#monitor(subject, 'post', endOfRib.map(encodeEndOfRib))
  }

  /** One page of the table that is being told. */
  #walk(state: Up): void {
    const [walk] = state.walks
    if (walk === undefined) return
    const { subject, view, family, cursor, again } = walk
    const session = sessionOf(subject)
    const filter = session === undefined ? { family } : { family, peer: session.peer }
    const page = this.#source.page(tableOf(walk), filter, cursor, sliceSize)
    const context = session === undefined ? locRibContext : contextOf(session, view)
    this.#monitor(subject, view, encodeRouteChanges(changesOfPage(walk, page), context))
    if (page.next !== undefined) walk.cursor = page.next
    else {
      state.walks.shift()
      // RFC 7854 §5: the end of the first telling of a table.
      if (!again) this.#monitor(subject, view, [encodeEndOfRib(family)])
    }
  }

  #report(state: Up): void {
    state.statisticsAt = this.#now + 1000 * (this.#config.statisticsSeconds ?? Infinity)
    for (const status of this.#source.peers()) {
      const session = this.#sessions.get(status.peer)
      if (session !== undefined)
        this.#send(encodeStatistics({ kind: 'peer', session }, status.families, this.#now))
    }
  }

  #monitor(subject: Subject, view: View, updates: readonly Uint8Array[]): void {
    for (const update of updates) this.#send(encodeRouteMonitoring(subject, view, update, this.#now))
  }

  #wants(view: View): boolean {
    return this.#config.views.includes(view)
  }

  #locRib(): Subject {
    return { kind: 'locRib', local: this.#source.local() }
  }

  #send(bytes: Uint8Array): void {
    this.#messages++
    this.#bytes += bytes.length
    this.#outputs.push({ kind: 'send', bytes })
  }
}
