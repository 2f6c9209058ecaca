/**
 * Reads routes out of the RIB for people: decodes what it shows, walks what it must, changes nothing. A prefix is found by
 * its hash, those that cover it by one look-up per length; all other questions walk ids, a bounded number per page.
 */
import { compareText } from '#core/lib/order.ts'
import { largeCommunityText } from '#core/net/community.ts'
import { linkBandwidthOf } from '#core/net/extended-community.ts'
import type { AsPathSegment, PathAttributes } from '../attributes.ts'
import { compileAsPathSet } from '../policy/as-path-set.ts'
import { families, familyOfPrefix, type Family } from '../family.ts'
import type { DecisionStep, RouteEntry, RouteFilter, RoutePage, RouteTable } from '../io.ts'
import { encodePrefix } from '../wire/nlri.ts'
import { Candidates, decisiveStep, multipaths, selectBest } from './decision.ts'
import { chained, setOf, usableSet, type PeerTable } from './rib-table.ts'
import type { Rib } from './rib.ts'

export interface RouteQuery extends Omit<RouteFilter, 'peer'> {
  /** Only what this neighbour sent or was sent; in the loc-rib, only paths from it. 0: own routes. */
  slot?: number
}

/** Prefixes that a page looks at, about, if it decodes nothing: a few milliseconds. */
const idsPerPage = 12_288
/** Prefixes looked at that cost as much as an attribute set that is decoded. */
const decodeCost = 8
/** Looked at between two looks at what it has cost. */
const idsPerStep = 128
/** Cursors of a family begin here. */
const familyStride = 2 ** 40

/** Ordered by prefix, then peer. `names`: of the peers, by slot. */
export function queryRoutes(
  rib: Rib,
  table: RouteTable,
  query: RouteQuery,
  names: ReadonlyMap<number, string>,
): RouteEntry[] {
  const reader = new Reader(rib, table, query, names)
  return reader.families().flatMap((family) => {
    const ids = reader.idsOf(family) ?? reader.idsFrom(family, 0, Infinity).ids
    const { prefixes } = rib.tables[family]
    ids.sort((a, b) => prefixes.compare(a, b))
    return ids.flatMap((id) => reader.entries(family, id))
  })
}

/**
 * A page of at least `limit` entries, if there are so many, in the order of the tables. `cursor`: 0, then the `next` of the page
 * before. An entry that stays is given once, whatever changes between pages.
 */
export function queryPage(
  rib: Rib,
  table: RouteTable,
  query: RouteQuery,
  names: ReadonlyMap<number, string>,
  cursor: number,
  limit: number,
): RoutePage {
  const reader = new Reader(rib, table, query, names)
  if (query.prefix !== undefined && query.match !== 'longer')
    return { entries: queryRoutes(rib, table, query, names) }
  const entries: RouteEntry[] = []
  const wanted = reader.families()
  let looked = 0
  for (let index = Math.floor(cursor / familyStride); index < families.length; index++) {
    const family = families[index]!
    if (!wanted.includes(family)) continue
    let id = index === Math.floor(cursor / familyStride) ? cursor % familyStride : 0
    while (id < rib.tables[family].prefixes.top) {
      const cost = looked + decodeCost * reader.decoded
      if (entries.length >= limit || cost >= idsPerPage) return { entries, next: index * familyStride + id }
      const found = reader.idsFrom(family, id, idsPerStep)
      looked += found.next - id
      for (const each of found.ids) {
        entries.push(...reader.entries(family, each))
        if (entries.length >= limit) {
          found.next = each + 1
          break
        }
      }
      id = found.next
    }
  }
  return { entries }
}

class Reader {
  readonly #rib: Rib
  readonly #table: RouteTable
  readonly #query: RouteQuery
  readonly #names: ReadonlyMap<number, string>
  readonly #slots: number[]
  readonly #wanted: (set: number) => boolean
  readonly #decoded = new Map<number, PathAttributes>()
  readonly #candidates = new Candidates()
  readonly #others = new Candidates()
  readonly #nlri: Uint8Array | undefined

  constructor(rib: Rib, table: RouteTable, query: RouteQuery, names: ReadonlyMap<number, string>) {
    this.#rib = rib
    this.#table = table
    this.#query = query
    this.#names = names
    this.#slots = [...names].toSorted(([, a], [, b]) => compareText(a, b)).map(([each]) => each)
    this.#wanted = setFilter(query, (set) => this.#attributes(set))
    // Room for a look-up by any length.
    if (query.prefix !== undefined) {
      this.#nlri = new Uint8Array(24)
      this.#nlri.set(encodePrefix(query.prefix))
    }
  }

  /** Number of attribute sets that were decoded. */
  get decoded(): number {
    return this.#decoded.size
  }

  families(): Family[] {
    const { family, prefix } = this.#query
    return families.filter(
      (each) =>
        (family === undefined || each === family) &&
        (prefix === undefined || familyOfPrefix(prefix) === each),
    )
  }

  /** Prefixes that are found without a walk; undefined: a walk is needed. */
  idsOf(family: Family): number[] | undefined {
    const { match = 'exact' } = this.#query
    const nlri = this.#nlri
    if (nlri === undefined || match === 'longer') return undefined
    const { prefixes } = this.#rib.tables[family]
    if (match === 'exact') return [prefixes.find(nlri, 0)].filter((id) => id >= 0)
    const ids: number[] = []
    for (let length = nlri[0]!; length >= 0; length--) {
      const id = prefixes.findCovering(nlri, 0, length)
      if (id < 0 || this.entries(family, id).length === 0) continue
      ids.push(id)
      if (match === 'longest') break
    }
    return ids
  }

  /** Prefixes that fit among up to `count` ids from `from` on, and where to go on. */
  idsFrom(family: Family, from: number, count: number): { ids: number[]; next: number } {
    const { prefixes } = this.#rib.tables[family]
    const nlri = this.#nlri
    const ids: number[] = []
    const next = Math.min(prefixes.top, from + count)
    for (let id = from; id < next; id++)
      if (!prefixes.isFree(id) && (nlri === undefined || prefixes.isInside(id, nlri, 0))) ids.push(id)
    return { ids, next }
  }

  /** What there is of this prefix, by peer. */
  entries(family: Family, id: number): RouteEntry[] {
    const { slot } = this.#query
    const table = this.#rib.tables[family]
    const best = table.best.get(id) - 1
    const found: RouteEntry[] = []
    if (this.#table === 'locRib') return best < 0 ? found : this.#used(family, id, best)
    const asked = slot === undefined ? this.#slots : [slot]
    for (const each of asked) {
      const peer = table.peers[each]
      if (peer === undefined) continue
      if (this.#table === 'adjRibOut') found.push(...this.#sent(family, id, each))
      else found.push(...this.#received(family, id, each, peer))
    }
    return found
  }

  /** The best path, and with it those that count as used. */
  #used(family: Family, id: number, best: number): RouteEntry[] {
    const table = this.#rib.tables[family]
    const paths = this.#multipaths(family, id, best)
    const entries = (paths.length > 1 ? paths : [best]).flatMap((path) => {
      const from = table.slotOf(path)
      const asked = this.#query.slot === undefined || this.#query.slot === from
      return asked && this.#wanted(this.#setOf(family, id, path)) ? [this.#path(family, id, from, path)] : []
    })
    if (paths.length < 2) return entries
    const bandwidths = paths.map((path) => bandwidthOf(this.#attributes(this.#setOf(family, id, path))))
    const weighed = bandwidths.every((each) => each > 0)
    return entries.map((entry) => ({ ...entry, share: weighed ? bandwidthOf(entry.attributes) : 1 }))
  }

  #multipaths(family: Family, id: number, best: number): number[] {
    const { store, decision, maxPaths } = this.#rib
    const table = this.#rib.tables[family]
    const from = table.peers[table.slotOf(best)]!
    const max = from.external ? maxPaths.external : maxPaths.internal
    if (best === 0 || max < 2) return []
    const among = this.#candidates
    table.collect(id, among)
    return multipaths(store, decision, among, among.refs.indexOf(best), max).map(
      (index) => among.refs[index]!,
    )
  }

  #setOf(family: Family, id: number, path: number): number {
    const { chains, peers } = this.#rib.tables[family]
    return setOf(path < chained ? peers[path]!.in.get(id) : chains.cell.get(path - chained))
  }

  #received(family: Family, id: number, slot: number, peer: PeerTable): RouteEntry[] {
    const { chains } = this.#rib.tables[family]
    const found: RouteEntry[] = []
    const shows = (cell: number) =>
      cell !== 0 && (this.#table === 'adjRibIn' || usableSet(cell) !== 0) && this.#wanted(setOf(cell))
    if (shows(peer.in.get(id))) found.push(this.#path(family, id, slot, slot))
    if (peer.chained > 0)
      for (let node = chains.first(id); node >= 0; node = chains.next(node))
        if (chains.slot.get(node) === slot && shows(chains.cell.get(node)))
          found.push(this.#path(family, id, slot, chained + node))
    return found.sort((a, b) => (a.pathId ?? 0) - (b.pathId ?? 0))
  }

  #sent(family: Family, id: number, slot: number): RouteEntry[] {
    const group = this.#rib.groupOf(slot, family)
    if (group === undefined || !group.isTold(slot, id)) return []
    const table = this.#rib.tables[family]
    const best = table.best.get(id) - 1
    const entry = (set: number): RouteEntry => ({
      prefix: table.prefixes.prefix(id),
      peer: this.#names.get(slot)!,
      attributes: this.#attributes(set),
      // The time of the route it tells of: when it was sent is not kept.
      since: this.#rib.timeOf(best < 0 ? 0 : this.#since(family, id, best)),
      best: true,
    })
    const set = group.setFor(slot, id)
    if (set !== 0) return this.#wanted(set) ? [entry(set)] : []
    return group
      .pathsFor(slot, id)
      .filter((path) => this.#wanted(path.set))
      .map((path) => ({ ...entry(path.set), pathId: path.pathId, best: path.pathId === best + 1 }))
      .sort((a, b) => a.pathId - b.pathId)
  }

  #path(family: Family, id: number, slot: number, path: number): RouteEntry {
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
    if (slot !== 0) entry.peer = this.#names.get(slot)!
    if (path >= chained) entry.pathId = chains.pathId.get(node)
    if (peer.isStale(cell)) entry.stale = true
    if (raw !== 0) entry.received = this.#attributes(raw)
    if (usableSet(cell) === 0) {
      const reason = this.#rib.rejectionOf(slot, family, setOf(cell), id)
      entry.rejected = reason ?? 'the import policy rejected it'
    } else entry.why = this.#why(family, id, path, best)
    return entry
  }

  /** The step between this path and the best one; of the best, between it and the next best. */
  #why(family: Family, id: number, path: number, best: boolean): DecisionStep {
    const table = this.#rib.tables[family]
    const { store, decision } = this.#rib
    const among = this.#candidates
    table.collect(id, among)
    const own = usableSet(table.peers[0]!.in.get(id)) !== 0
    if (own) return best && among.count === 0 ? 'only' : 'own'
    if (among.count < 2) return 'only'
    const indexOf = (ref: number) => among.refs.indexOf(ref)
    const chosen = indexOf(table.best.get(id) - 1)
    if (!best) return decisiveStep(store, decision, among, chosen, indexOf(path))
    table.collect(id, this.#others)
    this.#others.remove(this.#others.refs.indexOf(path))
    const next = this.#others.refs[selectBest(store, decision, this.#others)]!
    return decisiveStep(store, decision, among, chosen, indexOf(next))
  }

  #since(family: Family, id: number, path: number): number {
    const { chains, peers } = this.#rib.tables[family]
    return path < chained ? peers[path]!.since.get(id) : chains.since.get(path - chained)
  }

  #attributes(set: number): PathAttributes {
    let attributes = this.#decoded.get(set)
    if (attributes === undefined) this.#decoded.set(set, (attributes = this.#rib.store.attributes(set)))
    return attributes
  }
}

/** Of the link that the path leaves by (draft-ietf-idr-link-bandwidth §2), 0 if it does not say. */
function bandwidthOf({ extendedCommunities = [] }: PathAttributes): number {
  return extendedCommunities.map(linkBandwidthOf).find((each) => each !== undefined) ?? 0
}

/** Whether a set fits what is asked of attributes; each is looked at once. */
function setFilter(
  { community, largeCommunity, asPath }: RouteQuery,
  attributesOf: (set: number) => PathAttributes,
): (set: number) => boolean {
  if (community === undefined && largeCommunity === undefined && asPath === undefined) return () => true
  const path = asPath === undefined ? undefined : pathTest(asPath)
  const large = largeCommunity === undefined ? undefined : largeCommunityText(largeCommunity)
  const known = new Map<number, boolean>()
  const judge = (attributes: PathAttributes) => {
    if (community !== undefined && attributes.communities?.includes(community) !== true) return false
    const larges = attributes.largeCommunities ?? []
    if (large !== undefined && !larges.some((each) => largeCommunityText(each) === large)) return false
    return path === undefined || path(attributes.asPath)
  }
  return (set) => {
    let fits = known.get(set)
    if (fits === undefined) known.set(set, (fits = judge(attributesOf(set))))
    return fits
  }
}

function pathTest(source: string): (path: readonly AsPathSegment[]) => boolean {
  let usable = true
  const set = compileAsPathSet([{ kind: 'regex', source }], () => {
    usable = false
  })
  return (path) => usable && set('any', path, 0)
}
