/**
 * One BGP speaker (an "instance") as one machine: configuration, connections, bytes and time go in, connections, bytes and
 * events come out (RFC 4271). It joins the parts: a framer per connection, a session per neighbour (`session/`), the routing
 * information bases (`rib/`). Whatever an input led to, the UPDATEs that it makes necessary are in the same call's outputs.
 *
 * It does no I/O, keeps no clock and knows nothing of Kubernetes.
 */
import { present } from '#core/lib/assert.ts'
import type { Prng } from '#core/lib/prng.ts'
import { type BgpState, type ConnectionNumbers, newState, showTap } from './bgp-state.ts'
import { obey } from './commands.ts'
import { configure, removeNeighbour } from './configuration.ts'
import { accept, fullFor, queueChanged, receive, unheard } from './connections.ts'
import { families } from './family.ts'
import type {
  BgpInput,
  BgpOutput,
  PeerStatus,
  RouteEntry,
  RouteFilter,
  RoutePage,
  RouteTable,
  WithheldFilter,
  WithheldPage,
} from './io.ts'
import { type Neighbour, dynamicIdleMs, isOpening, neighbourDeadline, tappedSession } from './neighbour.ts'
import { peerStatus } from './peer-status.ts'
import type { OriginChange } from './policy/origins.ts'
import { isOver } from './restarter.ts'
import { ribSink, runRib } from './rib-output.ts'
import { ownOrigin } from './rib-session.ts'
import { withheldPage } from './rib/explain.ts'
import { queryPage, queryRoutes } from './rib/query.ts'
import type { RouteQuery } from './rib/route-reader.ts'
import type { RibSink } from './rib/update-groups.ts'
import { drive, startSession, stopSession } from './sessions.ts'
import { expired } from './stale-routes.ts'
import type { TappedSession } from './tap.ts'
import { ceaseSubcode } from './wire/notification.ts'

export type { ConnectionNumbers } from './bgp-state.ts'

export class Bgp {
  readonly #state: BgpState
  readonly #sink: RibSink

  constructor(random: Prng, numbers: ConnectionNumbers) {
    this.#state = newState(random, numbers)
    this.#sink = ribSink(this.#state)
  }

  /**
   * `now` in ms, never less than before. The outputs are to be performed in their order. `effort`, above 0 up to 1: how much of
   * the work that can wait is done in this call. `isLate`: whether the call has taken so long already that less of it is to be done.
   */
  handle(input: BgpInput, now: number, effort = 1, isLate: () => boolean = () => false): BgpOutput[] {
    this.#state.outputs = []
    this.#state.now = now
    take(this.#state, input)
    if (this.#state.wakeAt <= now) wake(this.#state)
    endDeferral(this.#state)
    const origins = this.#state.validation.run()
    if (origins !== undefined) originsChanged(this.#state, origins)
    runRib(this.#state, this.#sink, effort, isLate)
    return this.#state.outputs
  }

  /** Time at which the next `tick` is due, unless another input comes before; `Infinity`: none. */
  nextDeadline(): number {
    if (this.#state.validation.waiting) return this.#state.now
    return Math.min(
      this.#state.wakeAt,
      this.#state.restarter?.until ?? Infinity,
      this.#state.rib?.nextRunAt() ?? Infinity,
    )
  }

  /** In the order of the configuration, and then those made from listen ranges. */
  peers(): PeerStatus[] {
    const { config, rib, restarter } = this.#state
    if (config === undefined || rib === undefined) return []
    const dynamic = [...this.#state.neighbours.values()].filter(
      (neighbour) => neighbour.dynamic !== undefined,
    )
    return [
      ...config.peers.map(({ name }) => present(this.#state.neighbours.get(name), name)),
      ...dynamic,
    ].map((neighbour) => peerStatus(neighbour, rib, restarter))
  }

  /** Ordered by prefix, then peer. */
  routes(table: RouteTable, filter: RouteFilter = {}): RouteEntry[] {
    const query = this.#queryOf(filter)
    if (this.#state.rib === undefined || query === undefined) return []
    return this.#withOrigins(queryRoutes(this.#state.rib, table, query, this.#names()))
  }

  /**
   * The same routes in pages of about `limit`, in the order of the tables. `cursor`: 0, then what the page before gave. Routes
   * that come or go between two pages may be missed; those that stay are given once. A page may be empty and not the last: it
   * ends when it has done its work, of which `effort` (up to 1) says how much that is.
   */
  routePage(table: RouteTable, filter: RouteFilter, cursor: number, limit: number, effort = 1): RoutePage {
    const query = this.#queryOf(filter)
    if (this.#state.rib === undefined || query === undefined) return { entries: [] }
    const page = queryPage(this.#state.rib, table, query, this.#names(), cursor, limit, effort)
    return { ...page, entries: this.#withOrigins(page.entries) }
  }

  /** What the tables hold in memory: prefixes that are known, by whatever, and distinct attribute sets. */
  tableSizes(): { prefixes: number; attributeSets: number } {
    if (this.#state.rib === undefined) return { prefixes: 0, attributeSets: 0 }
    const { tables, store } = this.#state.rib
    const prefixes = families.reduce((sum, family) => sum + tables[family].prefixes.size, 0)
    return { prefixes, attributeSets: store.size }
  }

  /**
   * A page of the own routes and, with `exportLearned`, best paths that this established peer is meant to get and does not.
   * `cursor`, `effort`: as of {@link routePage}.
   */
  withheld(peer: string, filter: WithheldFilter = { of: 'all' }, cursor = 0, effort = 1): WithheldPage {
    const neighbour = this.#state.neighbours.get(peer)
    return neighbour === undefined || this.#state.rib === undefined
      ? { entries: [] }
      : withheldPage(this.#state.rib, neighbour.slot, filter, cursor, effort)
  }

  /** Established sessions, as stations and dumps are told of them. */
  tappedSessions(): TappedSession[] {
    return [...this.#state.neighbours.values()].flatMap((neighbour) => tappedSession(neighbour) ?? [])
  }

  /** Undefined: of a peer that does not exist. */
  #queryOf({ peer, ...query }: RouteFilter): RouteQuery | undefined {
    if (peer === undefined) return query
    const slot = this.#state.neighbours.get(peer)?.slot
    return slot === undefined ? undefined : { ...query, slot }
  }

  #withOrigins(entries: RouteEntry[]): RouteEntry[] {
    return this.#state.validation.withStates(entries, ownOrigin(this.#state.config!))
  }

  #names(): Map<number, string> {
    return new Map([...this.#state.neighbours].map(([name, neighbour]) => [neighbour.slot, name]))
  }
}

function take(bgp: BgpState, input: BgpInput): void {
  switch (input.kind) {
    case 'configure':
      return configure(bgp, input.config)
    case 'dialed': {
      const { connection } = input
      const link = bgp.links.get(connection)
      const reason = link === undefined ? undefined : fullFor(bgp, link.neighbour)
      if (link !== undefined && reason === undefined) return drive(bgp, link.neighbour, input)
      // The peer may have been taken out of the configuration meanwhile.
      bgp.links.delete(connection)
      bgp.outputs.push({ kind: 'close', connection })
      if (link !== undefined) drive(bgp, link.neighbour, { kind: 'dialFailed', connection, reason: reason! })
      return
    }
    case 'dialFailed':
    case 'closed': {
      const link = bgp.links.get(input.connection)
      bgp.links.delete(input.connection)
      if (link !== undefined) drive(bgp, link.neighbour, input)
      return
    }
    case 'accepted':
      return accept(bgp, input.connection, input.ends)
    case 'unheard':
      return unheard(bgp, input.address, input.reason)
    case 'received':
      return receive(bgp, input.connection, input.bytes)
    case 'shutdown':
      bgp.shutDown = true
      for (const neighbour of bgp.neighbours.values())
        stopSession(bgp, neighbour, {
          subcode: ceaseSubcode.administrativeShutdown,
          manner: input.graceful === false ? 'end' : 'leave',
        })
      return
    case 'sendQueue': {
      const link = bgp.links.get(input.connection)
      if (link !== undefined) queueChanged(bgp, link.neighbour, input)
      return
    }
    case 'command': {
      const neighbour = bgp.neighbours.get(input.peer)
      if (neighbour !== undefined) obey(bgp, neighbour, input.command)
      return
    }
    case 'origins':
      return bgp.validation.feed(input.added, input.removed)
    case 'tick':
      return
  }
}

/** RFC 6811 §4: routes are judged again when what is known of their origins changes. */
function originsChanged(bgp: BgpState, change: OriginChange): void {
  bgp.rib?.originsChanged(change)
  if (bgp.config?.taps !== undefined) showTap(bgp, { kind: 'reevaluated' })
}

/** The steps that are due by now. */
function wake(bgp: BgpState): void {
  for (const neighbour of bgp.neighbours.values())
    if (neighbourDeadline(neighbour) <= bgp.now) tickNeighbour(bgp, neighbour)
  bgp.wakeAt = Infinity
  for (const neighbour of bgp.neighbours.values())
    bgp.wakeAt = Math.min(bgp.wakeAt, neighbourDeadline(neighbour))
}

function tickNeighbour(bgp: BgpState, neighbour: Neighbour): void {
  const { stale, slot, breach, dynamic } = neighbour
  const { forgotten, longLived } = expired(stale, bgp.now)
  for (const family of forgotten) bgp.rib!.sweepStale(slot, family)
  for (const family of longLived) bgp.rib!.toLongLived(slot, family)
  if (breach !== undefined && breach.until <= bgp.now) {
    delete neighbour.breach
    startSession(bgp, neighbour)
  }
  drive(bgp, neighbour, { kind: 'tick' })
  if (dynamic === undefined || dynamic.expiresAt > bgp.now) return
  if (stale.size > 0 || isOpening(neighbour)) dynamic.expiresAt = bgp.now + dynamicIdleMs
  else removeNeighbour(bgp, neighbour, ceaseSubcode.peerDeconfigured)
}

function endDeferral(bgp: BgpState): void {
  if (bgp.restarter === undefined || !isOver(bgp.restarter, bgp.now)) return
  bgp.restarter = undefined
  bgp.rib!.setDeferred(false)
}
