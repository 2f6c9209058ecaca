/**
 * Reads routes out of the RIB for people. A prefix is found by its hash, those that cover it by one look-up per length; all other
 * questions walk ids. A page ends when it has cost what it may, whatever it has found by then, so that no question holds up
 * routing: the cost counts cells looked at, sets judged and decoded, and entries made (`route-reader.ts`). Nothing is kept between
 * pages. A look at every route is the oracle in its tests; bench: `bench/questions.ts`.
 */
import { compareText } from '#core/lib/order.ts'
import { families, familyOfPrefix, type Family } from '../family.ts'
import type { RouteEntry, RoutePage, RouteTable } from '../io.ts'
import { encodePrefix } from '../wire/nlri.ts'
import type { Rib } from './rib.ts'
import { RouteReader, type RouteQuery } from './route-reader.ts'

/** What a page may cost, in units of about 10 ns: a millisecond or two. */
const pageCost = 150_000
/** Slots and ids are below this. */
const cursorBase = 2 ** 25

/** Ordered by prefix, then peer. `names`: of the peers, by slot. */
export function queryRoutes(
  rib: Rib,
  table: RouteTable,
  query: RouteQuery,
  names: ReadonlyMap<number, string>,
): RouteEntry[] {
  const reader = new RouteReader(rib, table, query, names)
  return wantedFamilies(query).flatMap((family) => {
    const found: { id: number; entries: RouteEntry[] }[] = []
    for (const id of new Places(rib, query, family, reader).ids()) {
      const entries: RouteEntry[] = []
      reader.read(family, id, 0, entries)
      if (table !== 'locRib') entries.sort((a, b) => compareText(a.peer ?? '', b.peer ?? ''))
      if (entries.length > 0) found.push({ id, entries })
    }
    const { prefixes } = rib.tables[family]
    return found.sort((a, b) => prefixes.compare(a.id, b.id)).flatMap(({ entries }) => entries)
  })
}

/**
 * A page of about `limit` entries, if there are so many, in the order of the tables. `cursor`: 0, then the `next` of the page
 * before. `effort`: how much of a page's work to do, up to 1. An entry that stays is given once, whatever changes between pages.
 * The paths of a prefix come in one page, unless they alone are more than that.
 */
export function queryPage(
  rib: Rib,
  table: RouteTable,
  query: RouteQuery,
  names: ReadonlyMap<number, string>,
  cursor: number,
  limit: number,
  effort = 1,
): RoutePage {
  const reader = new RouteReader(rib, table, query, names)
  const costMax = effort * pageCost
  const entries: RouteEntry[] = []
  const from = parseCursor(cursor)
  let alone = true
  for (const family of wantedFamilies(query)) {
    const index = families.indexOf(family)
    if (index < from.family) continue
    const places = new Places(rib, query, family, reader)
    const start = index === from.family ? from.place : 0
    for (let place = places.next(start); place < places.end; place = places.next(place + 1)) {
      if (entries.length >= limit || reader.cost >= costMax)
        return { entries, next: cursorOf(index, place, 0) }
      reader.cost++
      const id = places.idAt(place)
      const before = entries.length
      const slot = place === start && index === from.family ? from.slot : 0
      const left = id < 0 ? 0 : reader.read(family, id, slot, entries, costMax)
      if (left > 0) {
        // It gets a page of its own if this one was not.
        if (!alone) entries.length = before
        return { entries, next: cursorOf(index, place, alone ? left : 0) }
      }
      alone = false
    }
  }
  return { entries }
}

function wantedFamilies({ family, prefix }: RouteQuery): Family[] {
  return families.filter(
    (each) =>
      (family === undefined || each === family) && (prefix === undefined || familyOfPrefix(prefix) === each),
  )
}

/** A cursor is the index of a family, a place in it, and the slot to go on with at that place. */
function cursorOf(family: number, place: number, slot: number): number {
  return (family * cursorBase + place) * cursorBase + slot
}

function parseCursor(cursor: number): { family: number; place: number; slot: number } {
  const place = Math.floor(cursor / cursorBase)
  return { family: Math.floor(place / cursorBase), place: place % cursorBase, slot: cursor % cursorBase }
}

/** Where a question looks in one family, by numbers that mean the same in each of its pages. */
class Places {
  /** All are below this. */
  readonly end: number
  readonly #rib: Rib
  readonly #family: Family
  readonly #reader: RouteReader
  readonly #match: 'longer' | 'exact' | 'covering' | 'longest' | undefined
  readonly #nlri: Uint8Array | undefined

  constructor(rib: Rib, { prefix, match = 'exact' }: RouteQuery, family: Family, reader: RouteReader) {
    this.#rib = rib
    this.#family = family
    this.#reader = reader
    if (prefix === undefined) {
      this.end = rib.tables[family].prefixes.top
      return
    }
    this.#match = match
    // Room for a look-up by any length.
    this.#nlri = new Uint8Array(24)
    this.#nlri.set(encodePrefix(prefix))
    if (match === 'longer') this.end = rib.tables[family].prefixes.top
    else this.end = match === 'covering' ? this.#nlri[0]! + 1 : 1
  }

  /** The first place from `from` on where there may be something. */
  next(from: number): number {
    return this.#match === undefined || this.#match === 'longer'
      ? this.#reader.next(this.#family, from)
      : from
  }

  /** Id of the prefix at a place, negative if there is none. */
  idAt(place: number): number {
    const { prefixes } = this.#rib.tables[this.#family]
    switch (this.#match) {
      case undefined:
        return prefixes.isFree(place) ? -1 : place
      case 'longer':
        return !prefixes.isFree(place) && prefixes.isInside(place, this.#nlri!, 0) ? place : -1
      case 'exact':
        return prefixes.find(this.#nlri!, 0)
      case 'covering':
        return prefixes.findCovering(this.#nlri!, 0, this.#nlri![0]! - place)
      case 'longest':
        return this.#longest()
    }
  }

  *ids(): Generator<number> {
    for (let place = this.next(0); place < this.end; place = this.next(place + 1)) {
      const id = this.idAt(place)
      if (id >= 0) yield id
    }
  }

  /** The longest of those that cover it of which the question finds anything. */
  #longest(): number {
    const { prefixes } = this.#rib.tables[this.#family]
    for (let length = this.#nlri![0]!; length >= 0; length--) {
      const id = prefixes.findCovering(this.#nlri!, 0, length)
      if (id >= 0 && this.#reader.finds(this.#family, id)) return id
    }
    return -1
  }
}
