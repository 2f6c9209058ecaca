/**
 * The speaker's own routes: which there are, as paths of slot 0, and what each neighbour gets of them, in the column `own` of its
 * table. How they are told is the update groups' business.
 */
import type { Address } from '#core/net/address.ts'
import type { Prefix } from '#core/net/prefix.ts'
import type { OriginatedAttributes } from '../config.ts'
import { families, familyOfPrefix, type Family } from '../family.ts'
import { encodePrefix } from '../wire/nlri.ts'
import type { AttributeStore } from './attribute-store.ts'
import { cellOf, type RibTable } from './rib-table.ts'

/** An own route with what each neighbour gets of it, by slot. */
export interface OwnRoute {
  prefix: Prefix
  /** As the loc-rib shows it, whoever gets it. */
  attributes: OriginatedAttributes
  to: { slot: number; attributes: OriginatedAttributes }[]
}

/** What one neighbour gets of an own route. */
export interface NeighbourOwnRoute {
  prefix: Prefix
  attributes: OriginatedAttributes
}

/** Sets that were made in a call: held once for each text. The same object is often for many neighbours. */
interface Sets {
  byText: Map<string, number>
  byObject: Map<OriginatedAttributes, { family: Family; set: number }>
}

export class OwnRoutes {
  readonly #store: AttributeStore
  readonly #tables: Record<Family, RibTable>
  readonly #prefixes: Record<Family, Set<number>> = { 'ipv4/unicast': new Set(), 'ipv6/unicast': new Set() }

  constructor(store: AttributeStore, tables: Record<Family, RibTable>) {
    this.#store = store
    this.#tables = tables
  }

  /** Ids of the prefixes that there are own routes to. */
  prefixes(family: Family): ReadonlySet<number> {
    return this.#prefixes[family]
  }

  /** Replaces all. `slots`: of all neighbours that there are. `since`: as in the tables. */
  replace(routes: readonly OwnRoute[], slots: readonly number[], since: number): void {
    const kept = { 'ipv4/unicast': new Set<number>(), 'ipv6/unicast': new Set<number>() }
    const sets = noSets()
    for (const [prefix, { shown, to }] of merged(routes)) {
      const family = familyOfPrefix(prefix)
      const table = this.#tables[family]
      const id = table.prefixes.idOf(encodePrefix(prefix), 0)
      kept[family].add(id)
      table.setPath(0, id, cellOf(this.#set(sets, family, shown), 0, 0), 0, since)
      for (const slot of slots) {
        const mine = to.get(slot)
        table.setOwn(slot, id, mine === undefined ? 0 : this.#set(sets, family, mine))
      }
    }
    for (const family of families) {
      for (const id of this.#prefixes[family])
        if (!kept[family].has(id)) removePrefix(this.#tables[family], id, slots)
      this.#prefixes[family] = kept[family]
    }
    this.#release(sets)
  }

  /** For a neighbour that has none yet, of those that there are: the rest is not looked at. */
  add(slot: number, routes: readonly NeighbourOwnRoute[]): void {
    const sets = noSets()
    for (const { prefix, attributes } of routes) {
      const family = familyOfPrefix(prefix)
      const table = this.#tables[family]
      const id = table.prefixes.find(encodePrefix(prefix), 0)
      // Of several for the same, the first.
      if (table.peers[slot]!.own.get(id) === 0) table.setOwn(slot, id, this.#set(sets, family, attributes))
    }
    this.#release(sets)
  }

  #release({ byText }: Sets): void {
    for (const set of byText.values()) this.#store.release(set)
  }

  /** The set before it is rewritten for a neighbour; `sets` remembers, and holds them. */
  #set(sets: Sets, family: Family, own: OriginatedAttributes): number {
    const said = sets.byObject.get(own)
    if (said?.family === family) return said.set
    const set = this.#setByText(sets.byText, family, own)
    sets.byObject.set(own, { family, set })
    return set
  }

  #setByText(sets: Map<string, number>, family: Family, own: OriginatedAttributes): number {
    const key = family + JSON.stringify(own)
    const known = sets.get(key)
    if (known !== undefined) return known
    const { origin = 'igp', nextHop = unspecified[family], ...others } = own
    const set = this.#store.internTransient({ origin, asPath: [], nextHop, ...others })
    this.#store.retain(set)
    sets.set(key, set)
    return set
  }
}

function noSets(): Sets {
  return { byText: new Map(), byObject: new Map() }
}

interface Merged {
  shown: OriginatedAttributes
  to: Map<number, OriginatedAttributes>
}

/** By prefix and slot; of several for the same, the first. */
function merged(routes: readonly OwnRoute[]): Map<Prefix, Merged> {
  const byPrefix = new Map<Prefix, Merged>()
  for (const { prefix, attributes: shown, to } of routes) {
    let route = byPrefix.get(prefix)
    if (route === undefined) byPrefix.set(prefix, (route = { shown, to: new Map() }))
    for (const { slot, attributes } of to) if (!route.to.has(slot)) route.to.set(slot, attributes)
  }
  return byPrefix
}

function removePrefix(table: RibTable, prefix: number, slots: readonly number[]): void {
  table.hold(prefix)
  for (const slot of slots) table.setOwn(slot, prefix, 0)
  table.setPath(0, prefix, 0, 0, 0)
  table.unhold(prefix)
}

const unspecified = { 'ipv4/unicast': '0.0.0.0' as Address, 'ipv6/unicast': '::' as Address }
