/**
 * Walks over what a neighbour sent, or over all prefixes, in slices: stale paths that are not kept go, those that are become
 * long-lived stale ones or are put into one epoch, all are judged anew, the decision is made anew, or the neighbour gets no own
 * route any more. What holds no path of the neighbour costs next to nothing.
 *
 * A walk is one id; what it looks for is in the cells (`rib-table.ts`). `rib.reference.ts` is the oracle, `slices.test.ts` counts what
 * a call looks at.
 */
import { assert } from '#core/lib/assert.ts'
import type { Family } from '../family.ts'
import type { OriginChange } from '../policy/origins.ts'
import { attributeFlags, type AttributeStore } from './attribute-store.ts'
import { cellBits, cellOf, setOf, type RibTable } from './rib-table.ts'

export interface Sweep {
  slot: number
  family: Family
  kind: 'forget' | 'longLived' | 'merge' | 'reevaluate' | 'redecide' | 'disown'
  /** Of `reevaluate`: only where this has changed something. */
  change?: OriginChange
}

/** What import makes of a set for a prefix, 0 for rejected. */
export type Judge = (slot: number, family: Family, set: number, prefix: number, stale: boolean) => number

/** Ids without a path that cost as much as one with. */
const emptyCost = 1 / 16

export class Sweeps {
  readonly #store: AttributeStore
  readonly #tables: Record<Family, RibTable>
  readonly #judge: Judge
  readonly #scratch = new Uint8Array(24)
  #waiting: (Sweep & { cursor: number })[] = []

  constructor(store: AttributeStore, tables: Record<Family, RibTable>, judge: Judge) {
    this.#store = store
    this.#tables = tables
    this.#judge = judge
  }

  /** Whether there is something to do. */
  get waiting(): boolean {
    return this.#waiting.length > 0
  }

  /** Begins one, from the start if the same is under way. */
  begin({ slot, family, kind, change }: Sweep): void {
    const isSame = (each: Sweep) => each.slot === slot && each.family === family && each.kind === kind
    // One that has not come to its end was about other things, too.
    const only = change === undefined || this.#waiting.some(isSame) ? {} : { change }
    this.drop(isSame)
    this.#waiting.push({ slot, family, kind, cursor: 0, ...only })
  }

  /** Whether such a one is under way. */
  has(which: (sweep: Sweep) => boolean): boolean {
    return this.#waiting.some(which)
  }

  drop(which: (sweep: Sweep) => boolean): void {
    this.#waiting = this.#waiting.filter((each) => !which(each))
  }

  /** Looks at about `budget` paths and gives what is left of it. `done` is told each neighbour that a sweep has come through. */
  run(budget: number, done: (slot: number) => void): number {
    let left = budget
    while (left > 0) {
      const sweep = this.#waiting[0]
      if (sweep === undefined) return left
      left = this.#step(sweep, left)
      const { slot, family, kind } = sweep
      const { top } = this.#tables[family].prefixes
      if (sweep.cursor < top && (kind !== 'forget' || this.#going(slot, family) > 0)) break
      if (kind === 'forget') this.#settled(slot, family)
      this.#waiting.splice(this.#waiting.indexOf(sweep), 1)
      done(slot)
    }
    return left
  }

  /** Has the stale paths that are not kept go. */
  forget(slot: number, family: Family): void {
    if (this.#going(slot, family) > 0) this.begin({ slot, family, kind: 'forget' })
  }

  /** Has the stale paths that are kept be of one epoch, so that there is always one for the next loss. */
  merge(slot: number, family: Family): void {
    if (this.#tables[family].peers[slot]?.commonEpoch !== undefined)
      this.begin({ slot, family, kind: 'merge' })
  }

  /** The same as {@link forget} at once, which takes long: where a neighbour was lost more often than a sweep could keep up with. */
  forgetNow(slot: number, family: Family): void {
    this.#step({ slot, family, kind: 'forget', cursor: 0 }, Infinity)
    assert(this.#going(slot, family) === 0, 'no path is left that is to go')
    this.#settled(slot, family)
  }

  #going(slot: number, family: Family): number {
    return this.#tables[family].peers[slot]?.going ?? 0
  }

  #settled(slot: number, family: Family): void {
    const peer = this.#tables[family].peers[slot]
    if (peer !== undefined) peer.unsettled = false
  }

  #step(sweep: Sweep & { cursor: number }, budget: number): number {
    const { slot, family, kind } = sweep
    const table = this.#tables[family]
    const { prefixes, chains } = table
    const peer = table.peers[slot]
    let left = budget
    if (peer === undefined) sweep.cursor = prefixes.top
    for (; left > 0 && sweep.cursor < prefixes.top; sweep.cursor++) {
      if (kind === 'redecide') {
        left--
        if (!prefixes.isFree(sweep.cursor)) table.redecide(sweep.cursor)
        continue
      }
      if (kind === 'disown') {
        sweep.cursor = Math.min(peer!.own.present(sweep.cursor), prefixes.top)
        left -= emptyCost
        if (peer!.own.get(sweep.cursor) === 0) continue
        left--
        table.setOwn(slot, sweep.cursor, 0)
        continue
      }
      if (peer!.chained === 0) sweep.cursor = Math.min(peer!.in.present(sweep.cursor), prefixes.top)
      const prefix = sweep.cursor
      const cell = peer!.in.get(prefix)
      left -= emptyCost
      if (sweep.change !== undefined) {
        left--
        if (!this.#concerns(sweep.change, family, prefix)) continue
      }
      if (cell !== 0) {
        left--
        this.#path(sweep, prefix, -1, cell, peer!.raw.get(prefix), peer!.since.get(prefix))
      }
      for (let node = peer!.chained === 0 ? -1 : chains.first(prefix); node >= 0;) {
        const next = chains.next(node)
        if (chains.slot.get(node) === slot) {
          left--
          const [cell, raw, since] = [chains.cell, chains.received, chains.since].map((column) =>
            column.get(node),
          )
          this.#path(sweep, prefix, node, cell!, raw!, since!)
        }
        node = next
      }
      if (kind === 'forget' && (prefix & 255) === 0 && peer!.going === 0) break
    }
    return left
  }

  #concerns(change: OriginChange, family: Family, prefix: number): boolean {
    const { prefixes } = this.#tables[family]
    if (prefix >= prefixes.top || prefixes.isFree(prefix)) return false
    prefixes.writeNlri(prefix, this.#scratch, 0)
    return change.affects(family, this.#scratch, 0)
  }

  #path(
    { slot, family, kind }: Sweep,
    prefix: number,
    node: number,
    cell: number,
    raw: number,
    since: number,
  ): void {
    const table = this.#tables[family]
    const peer = table.peers[slot]!
    const stale = peer.isStale(cell)
    const going = peer.isGoing(cell)
    // What goes anyway is not judged any more.
    if (kind === 'forget' ? !going : going || (kind !== 'reevaluate' && !stale)) return
    const received = raw === 0 ? setOf(cell) : raw
    let nextCell = 0
    let nextRaw = 0
    const gone =
      kind === 'forget' ||
      (kind === 'longLived' && (this.#store.flags[received]! & attributeFlags.noLongLived) !== 0)
    if (kind === 'merge') {
      nextCell = (cell & ~cellBits.epoch) | (peer.commonEpoch ?? cell & cellBits.epoch)
      nextRaw = raw
    } else if (!gone) {
      const result = this.#judge(slot, family, received, prefix, stale)
      nextCell = cellOf(result, received, cell & cellBits.epoch)
      nextRaw = result > 0 && result !== received ? received : 0
    }
    if (node < 0) table.setPath(slot, prefix, nextCell, nextRaw, since)
    else table.setChainedPath(slot, table.chains.pathId.get(node), prefix, nextCell, nextRaw, since)
  }
}
