/**
 * What an update group has sent (RFC 4271 §3.2), once for all its members: which sets, and whom each is kept from.
 *
 *     per prefix     | sent: set | from: slot of the neighbour whose path it was |           8 bytes, in used segments only
 *     split          prefix → slot → set           where an own route has other attributes for one member than for another
 *     paths          a chain per prefix            instead, for members that take several paths (RFC 7911): 16 bytes per path
 *
 * A set is kept from the member it came from and from the one that is its next hop. A prefix of which anything is sent is held,
 * and so is each set. `rib.reference.ts` is the oracle; bench: `bench/rib.ts`.
 */
import type { AttributeStore } from './attribute-store.ts'
import { columnsTogether, type Column } from './column.ts'
import type { PathList } from './path-list.ts'
import { PathChains } from './paths.ts'
import type { RibTable } from './rib-table.ts'

/** In place of a set: members differ. Above every set. */
export const SPLIT = 0x1000_0000

/** Identifier of own routes among several paths: a path's is its own number + 1. */
export const ownPathId = 1

export class AdjRibOut {
  readonly #table: RibTable
  readonly #store: AttributeStore
  readonly #sent: Column
  readonly #from: Column
  readonly #split = new Map<number, ReadonlyMap<number, number>>()
  /** Where members take several paths: `cell` is a set, `slot` whom it is from, `received` whether an own route displaces it. */
  readonly #paths: PathChains | undefined
  /** Prefixes of which nothing is sent any longer. */
  #unheld: number[] = []

  constructor(table: RibTable, store: AttributeStore, several: boolean) {
    this.#table = table
    this.#store = store
    ;[this.#sent, this.#from] = columnsTogether(2)
    this.#paths = several ? new PathChains() : undefined
    table.companions.add(this.#sent).add(this.#from)
    if (this.#paths !== undefined) table.companions.add(this.#paths.heads)
  }

  /** The set that was sent, {@link SPLIT}, or 0; 0 where several paths are sent. */
  set(prefix: number): number {
    return this.#sent.get(prefix)
  }

  from(prefix: number): number {
    return this.#from.get(prefix)
  }

  /** Appends what all have, with whom it is kept from; or with a `slot` other than 0 what that member has. */
  fill(prefix: number, slot: number, into: PathList): void {
    const set = this.#sent.get(prefix)
    if (set === SPLIT && slot === 0) {
      into.split = true
      return
    }
    const chains = this.#paths
    const own = set === SPLIT ? (this.#split.get(prefix)!.get(slot) ?? 0) : 0
    if (chains === undefined) {
      if (set === SPLIT) this.#add(into, 0, own, 0, slot)
      else this.#add(into, 0, set, this.#from.get(prefix), slot)
      return
    }
    this.#add(into, ownPathId, own, 0, slot)
    for (let node = chains.first(prefix); node >= 0; node = chains.next(node)) {
      if (own !== 0 && chains.received.get(node) !== 0) continue
      this.#add(into, chains.pathId.get(node), chains.cell.get(node), chains.slot.get(node), slot)
    }
  }

  /** For one path. */
  put(prefix: number, set: number, from: number): void {
    const { store, old } = { store: this.#store, old: this.#sent.get(prefix) }
    if (set !== 0) store.retain(set)
    this.#sent.set(prefix, set)
    this.#from.set(prefix, from)
    if (old === SPLIT) this.#releaseSplit(prefix)
    else if (old !== 0) store.release(old)
    if (old === 0 && set !== 0) this.#table.hold(prefix)
    if (old !== 0 && set === 0) this.#unheld.push(prefix)
  }

  /** An own route that is another one for each member; absent members get none. */
  putSplit(prefix: number, sets: ReadonlyMap<number, number>): void {
    const old = this.#sent.get(prefix)
    const held = this.#isHeld(prefix)
    // What comes is held before what goes is let go: it may be the same.
    for (const set of sets.values()) this.#store.retain(set)
    if (old === SPLIT) this.#releaseSplit(prefix)
    else if (old !== 0) this.#store.release(old)
    this.#sent.set(prefix, SPLIT)
    this.#from.set(prefix, 0)
    this.#split.set(prefix, sets)
    if (!held) this.#table.hold(prefix)
  }

  /** For several paths; with `own`, what each member has of the own route beside, which displaces the last path of `list`. */
  putSeveral(
    prefix: number,
    list: PathList,
    own?: { sets: ReadonlyMap<number, number>; displaces: boolean },
  ): void {
    const chains = this.#paths!
    const held = this.#isHeld(prefix)
    for (let i = 0; i < list.count; i++) this.#store.retain(list.sets[i]!)
    if (own !== undefined) for (const set of own.sets.values()) this.#store.retain(set)
    this.#dropPaths(chains, prefix)
    if (this.#sent.get(prefix) === SPLIT) this.#releaseSplit(prefix)
    for (let i = 0; i < list.count; i++) {
      const node = chains.add(prefix, list.froms[i]!, list.ids[i]!)
      chains.cell.set(node, list.sets[i]!)
      if (own?.displaces === true && i + 1 === list.count) chains.received.set(node, 1)
    }
    this.#sent.set(prefix, own === undefined ? 0 : SPLIT)
    if (own !== undefined) this.#split.set(prefix, own.sets)
    const holds = this.#isHeld(prefix)
    if (!held && holds) this.#table.hold(prefix)
    if (held && !holds) this.#unheld.push(prefix)
  }

  /** Forgets what was sent of this prefix. */
  forget(prefix: number): void {
    if (!this.#isHeld(prefix)) return
    if (this.#paths !== undefined) this.#dropPaths(this.#paths, prefix)
    const set = this.#sent.get(prefix)
    if (set === SPLIT) this.#releaseSplit(prefix)
    else if (set !== 0) this.#store.release(set)
    this.#sent.set(prefix, 0)
    this.#from.set(prefix, 0)
    this.#table.unhold(prefix)
  }

  /** After what waited was written: what went is let go. */
  settle(): void {
    for (const prefix of this.#unheld) this.#table.unhold(prefix)
    this.#unheld = []
  }

  /** All of it has been forgotten. */
  close(): void {
    const { companions } = this.#table
    companions.delete(this.#sent)
    companions.delete(this.#from)
    if (this.#paths !== undefined) companions.delete(this.#paths.heads)
  }

  #add(into: PathList, id: number, set: number, from: number, slot: number): void {
    if (set === 0) return
    const owner = this.#store.ownerOf(set)
    if (slot === 0) into.add(id, set, from, owner)
    else if (from !== slot && owner !== slot) into.add(id, set, 0, 0)
  }

  #isHeld(prefix: number): boolean {
    return this.#sent.get(prefix) !== 0 || (this.#paths !== undefined && this.#paths.first(prefix) >= 0)
  }

  #releaseSplit(prefix: number): void {
    for (const set of this.#split.get(prefix)!.values()) this.#store.release(set)
    this.#split.delete(prefix)
  }

  #dropPaths(chains: PathChains, prefix: number): void {
    for (let node = chains.first(prefix); node >= 0; node = chains.first(prefix)) {
      this.#store.release(chains.cell.get(node))
      chains.remove(prefix, node)
    }
  }
}
