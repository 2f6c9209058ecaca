/**
 * Decodes the paths of a prefix, one prefix at a time, as a question asks for them, and counts what that costs: whoever walks
 * the tables with it (`query.ts`) says when to stop. It changes nothing, and knows nothing that outlives a change of the RIB.
 */
import { linkBandwidthOf } from '#core/net/extended-community.ts'
import type { PathAttributes } from '../attributes.ts'
import type { Family } from '../family.ts'
import type { DecisionStep, RouteEntry, RouteFilter, RouteTable } from '../io.ts'
import { Candidates, decisiveStep, multipaths, selectBest } from './decision.ts'
import { chained, setOf, usableSet, type PeerTable } from './rib-table.ts'
import type { Rib } from './rib.ts'
import { setFilter } from './set-filter.ts'
import type { UpdateGroup } from './update-group.ts'

export interface RouteQuery extends Omit<RouteFilter, 'peer'> {
  /** Only what this neighbour sent or was sent; in the loc-rib, only paths from it. 0: own routes. */
  slot?: number
}

/** What things cost, in units of about 10 ns. */
const costs = { cell: 1, decoded: 400, entry: 100, reason: 1000 } as const

export class RouteReader {
  /** Spent so far. */
  cost = 0
  readonly #rib: Rib
  readonly #table: RouteTable
  readonly #query: RouteQuery
  readonly #names: ReadonlyMap<number, string>
  readonly #wanted: (set: number) => boolean
  readonly #decoded = new Map<number, PathAttributes>()
  readonly #asked = new Map<Family, readonly number[]>()
  readonly #among = new Candidates()
  readonly #others = new Candidates()
  /** What `#among` holds the candidates of, and where they are in it. */
  #amongFamily: Family | undefined
  #amongId = -1
  readonly #indexes = new Map<number, number>()

  /** `names`: of the peers, by slot. */
  constructor(rib: Rib, table: RouteTable, query: RouteQuery, names: ReadonlyMap<number, string>) {
    this.#rib = rib
    this.#table = table
    this.#query = query
    this.#names = names
    this.#wanted = setFilter(query, rib.store, (cost) => {
      this.cost += cost
    })
  }

  /** The first id from `from` on that there may be something of; Infinity if there is none. */
  next(family: Family, from: number): number {
    const { slot } = this.#query
    const table = this.#rib.tables[family]
    if (slot === undefined || this.#table === 'adjRibOut') return from
    const peer = table.peers[slot]
    if (peer === undefined || peer.received === 0) return Infinity
    return peer.chained > 0 ? from : peer.in.present(from)
  }

  /** Whether there is anything of this prefix. */
  finds(family: Family, id: number): boolean {
    const found: RouteEntry[] = []
    let slot = 0
    do slot = this.read(family, id, slot, found, 0)
    while (slot > 0 && found.length === 0)
    return found.length > 0
  }

  /**
   * Adds what there is of this prefix to `entries`, by slot from `slot` on (0: all), until `costMax` is spent. Gives the slot to
   * go on with, 0 when that was all. Of one neighbour it gives all paths or none.
   */
  read(family: Family, id: number, slot: number, entries: RouteEntry[], costMax = Infinity): number {
    const table = this.#rib.tables[family]
    this.cost += costs.cell
    if (this.#table === 'locRib') {
      const best = table.best.get(id) - 1
      if (best >= 0) this.#used(family, id, best, entries)
      return 0
    }
    let begun = false
    for (const each of this.#slots(family)) {
      if (each < slot) continue
      if (begun && this.cost >= costMax) return each
      begun = true
      this.cost += costs.cell
      if (this.#table === 'adjRibOut') this.#sent(family, id, each, entries)
      else this.#received(family, id, each, table.peers[each]!, entries)
    }
    return 0
  }

  /** Of the neighbours that are asked about, those that have anything, ascending. */
  #slots(family: Family): readonly number[] {
    let slots = this.#asked.get(family)
    if (slots !== undefined) return slots
    const { peers } = this.#rib.tables[family]
    const { slot } = this.#query
    const asked = slot === undefined ? [...this.#names.keys()].toSorted((a, b) => a - b) : [slot]
    slots = asked.filter((each) =>
      this.#table === 'adjRibOut'
        ? this.#rib.groupOf(each, family) !== undefined
        : (peers[each]?.received ?? 0) > 0,
    )
    this.#asked.set(family, slots)
    return slots
  }

  /** The best path, and with it those that count as used. */
  #used(family: Family, id: number, best: number, entries: RouteEntry[]): void {
    const table = this.#rib.tables[family]
    const asks = (path: number) => {
      const { slot } = this.#query
      return (
        (slot === undefined || slot === table.slotOf(path)) && this.#wanted(this.#setOf(family, id, path))
      )
    }
    const paths = this.#multipaths(family, id, best)
    if (paths.length < 2) {
      if (asks(best)) entries.push(this.#path(family, id, table.slotOf(best), best))
      return
    }
    const bandwidths = paths.map((path) => bandwidthOf(this.#attributes(this.#setOf(family, id, path))))
    const weighed = bandwidths.every((each) => each > 0)
    for (const [i, path] of paths.entries())
      if (asks(path))
        entries.push({
          ...this.#path(family, id, table.slotOf(path), path),
          share: weighed ? bandwidths[i]! : 1,
        })
  }

  #multipaths(family: Family, id: number, best: number): number[] {
    const { store, decision, maxPaths } = this.#rib
    const table = this.#rib.tables[family]
    const from = table.peers[table.slotOf(best)]!
    const max = from.external ? maxPaths.external : maxPaths.internal
    if (best === 0 || max < 2) return []
    const among = this.#collected(family, id)
    return multipaths(store, decision, among, this.#indexes.get(best)!, max).map(
      (index) => among.refs[index]!,
    )
  }

  #setOf(family: Family, id: number, path: number): number {
    const { chains, peers } = this.#rib.tables[family]
    return setOf(path < chained ? peers[path]!.in.get(id) : chains.cell.get(path - chained))
  }

  #received(family: Family, id: number, slot: number, peer: PeerTable, entries: RouteEntry[]): void {
    const shows = (cell: number) =>
      cell !== 0 && (this.#table === 'adjRibIn' || usableSet(cell) !== 0) && this.#wanted(setOf(cell))
    if (shows(peer.in.get(id))) entries.push(this.#path(family, id, slot, slot))
    if (peer.chained === 0) return
    const { chains } = this.#rib.tables[family]
    const found: RouteEntry[] = []
    for (let node = chains.first(id); node >= 0; node = chains.next(node)) {
      this.cost += costs.cell
      if (chains.slot.get(node) === slot && shows(chains.cell.get(node)))
        found.push(this.#path(family, id, slot, chained + node))
    }
    for (const entry of found.sort((a, b) => a.pathId! - b.pathId!)) entries.push(entry)
  }

  #sent(family: Family, id: number, slot: number, entries: RouteEntry[]): void {
    const group = this.#rib.groupOf(slot, family)!
    if (!group.isTold(slot, id)) return
    const set = group.setFor(slot, id)
    if (set !== 0) {
      if (this.#wanted(set)) entries.push(this.#told(family, id, slot, set))
    } else this.#toldPaths(family, id, slot, group, entries)
  }

  #toldPaths(family: Family, id: number, slot: number, group: UpdateGroup, entries: RouteEntry[]): void {
    const best = this.#rib.tables[family].best.get(id)
    const paths = group.pathsFor(slot, id)
    this.cost += 10 * costs.cell * paths.length
    for (const { pathId, set } of paths.sort((a, b) => a.pathId - b.pathId))
      if (this.#wanted(set))
        entries.push({ ...this.#told(family, id, slot, set), pathId, best: pathId === best })
  }

  /** A path that a neighbour was sent. */
  #told(family: Family, id: number, slot: number, set: number): RouteEntry {
    this.cost += costs.entry
    const table = this.#rib.tables[family]
    const best = table.best.get(id) - 1
    return {
      prefix: table.prefixes.prefix(id),
      peer: this.#names.get(slot)!,
      attributes: this.#attributes(set),
      // The time of the route it tells of: when it was sent is not kept.
      since: this.#rib.timeOf(best < 0 ? 0 : this.#since(family, id, best)),
      best: true,
    }
  }

  #path(family: Family, id: number, slot: number, path: number): RouteEntry {
    this.cost += costs.entry
    const table = this.#rib.tables[family]
    const { chains, prefixes } = table
    const peer = table.peers[slot]!
    const node = path - chained
    const cell = path < chained ? peer.in.get(id) : chains.cell.get(node)
    const raw = path < chained ? peer.raw.get(id) : chains.received.get(node)
    const best = table.best.get(id) === path + 1
    const entry: RouteEntry = {
      prefix: prefixes.prefix(id),
      attributes: this.#attributes(setOf(cell)),
      since: this.#rib.timeOf(this.#since(family, id, path)),
      best,
    }
    // One that was taken out has no name there while its paths are going.
    if (slot !== 0) entry.peer = this.#names.get(slot) ?? this.#rib.neighbours[slot]!.learned!.from.name
    if (path >= chained) entry.pathId = chains.pathId.get(node)
    if (peer.isStale(cell)) entry.stale = true
    if (raw !== 0) entry.received = this.#attributes(raw)
    if (usableSet(cell) === 0) {
      this.cost += costs.reason
      const reason = this.#rib.rejectionOf(slot, family, setOf(cell), id)
      entry.rejected = reason ?? 'the import policy rejected it'
    } else entry.why = this.#why(family, id, path, best)
    return entry
  }

  /** The step between this path and the best one; of the best, between it and the next best. */
  #why(family: Family, id: number, path: number, best: boolean): DecisionStep {
    const table = this.#rib.tables[family]
    const { store, decision } = this.#rib
    const among = this.#collected(family, id)
    const own = usableSet(table.peers[0]!.in.get(id)) !== 0
    if (own) return best && among.count === 0 ? 'only' : 'own'
    if (among.count < 2) return 'only'
    this.cost += costs.cell * among.count
    const chosen = this.#indexes.get(table.best.get(id) - 1)!
    if (!best) return decisiveStep(store, decision, among, chosen, this.#indexes.get(path)!)
    this.cost += costs.cell * among.count
    table.collect(id, this.#others)
    this.#others.remove(chosen)
    const next = this.#others.refs[selectBest(store, decision, this.#others)]!
    return decisiveStep(store, decision, among, chosen, this.#indexes.get(next)!)
  }

  /** The candidates of a prefix, once for all its paths. */
  #collected(family: Family, id: number): Candidates {
    const among = this.#among
    if (this.#amongFamily === family && this.#amongId === id) return among
    const table = this.#rib.tables[family]
    table.collect(id, among)
    this.#amongFamily = family
    this.#amongId = id
    this.#indexes.clear()
    for (let i = 0; i < among.count; i++) this.#indexes.set(among.refs[i]!, i)
    this.cost += costs.cell * (table.peers.length + 4 * among.count)
    return among
  }

  #since(family: Family, id: number, path: number): number {
    const { chains, peers } = this.#rib.tables[family]
    return path < chained ? peers[path]!.since.get(id) : chains.since.get(path - chained)
  }

  #attributes(set: number): PathAttributes {
    let attributes = this.#decoded.get(set)
    if (attributes === undefined) {
      this.cost += costs.decoded
      this.#decoded.set(set, (attributes = this.#rib.store.attributes(set)))
    }
    return attributes
  }
}

/** Of the link that the path leaves by (draft-ietf-idr-link-bandwidth §2), 0 if it does not say. */
function bandwidthOf({ extendedCommunities = [] }: PathAttributes): number {
  return extendedCommunities.map(linkBandwidthOf).find((each) => each !== undefined) ?? 0
}
