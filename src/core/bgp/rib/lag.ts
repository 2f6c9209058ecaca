/**
 * What a member of an update group that is not in step has yet to be told.
 *
 *     pending | told    bits per prefix, in used segments only: it changed since; the member had something then
 *     toldIds           a chain per prefix of the identifiers that it had, where several paths are sent
 *     cursor … until    a range that it has yet to be told as a whole
 *
 * A pending prefix is held. A member that came from another group refers to what that had told it, and to what it had yet to be
 * told there: both stay as they are until it has been brought past them.
 *
 * Two bits per prefix in used segments. `rib.reference.ts` is the oracle; bench: `bench/rib.ts`, first transfers.
 */
import { BitColumn } from './column.ts'
import { PathChains } from './paths.ts'
import type { RibTable } from './rib-table.ts'
import type { Stragglers } from './stragglers.ts'

/** Where a member came from. */
export interface Origin {
  group: Stragglers
  /** Absent: it was in step there. */
  lag: Lag | undefined
}

export interface Lag {
  slot: number
  cursor: number
  until: number
  /** What it was told in that range: nothing, what the group has, or what it was told where it came from. */
  base: 'nothing' | 'same' | Origin
  pending: BitColumn
  told: BitColumn
  toldIds: PathChains
  /** Where to look for pending prefixes next. */
  next: number
}

export function newLag(slot: number, until: number, base: Lag['base']): Lag {
  const [pending, told, toldIds] = [new BitColumn(), new BitColumn(), new PathChains()]
  return { slot, cursor: 0, until, base, pending, told, toldIds, next: 0 }
}

/** Whether the prefix is told on the way through the range. */
export function isAhead({ cursor, until }: Lag, prefix: number): boolean {
  return prefix >= cursor && prefix < until
}

/** Its prefix has been told. */
export function settlePending(lag: Lag, prefix: number): void {
  lag.pending.remove(prefix)
  lag.told.remove(prefix)
  const { toldIds } = lag
  for (let node = toldIds.first(prefix); node >= 0; node = toldIds.first(prefix)) toldIds.remove(prefix, node)
}

/** What is of no use any longer: lags whose prefixes are still held. */
export class Discarded {
  readonly #table: RibTable
  readonly #lags: Lag[] = []

  constructor(table: RibTable) {
    this.#table = table
  }

  get waiting(): boolean {
    return this.#lags.length > 0
  }

  /** It is looked at no longer; nor is what it refers to. */
  add(lag: Lag): void {
    this.arrive(lag)
    lag.next = 0
    if (lag.pending.count > 0) this.#lags.push(lag)
  }

  /** What it was told elsewhere does not matter any longer. */
  arrive(lag: Lag): void {
    const { base } = lag
    if (typeof base === 'string') return
    lag.base = 'same'
    base.group.leaving.delete(lag)
    if (base.lag !== undefined) this.add(base.lag)
  }

  /** Lets up to `budget` prefixes go, and gives what is left of it. */
  run(budget: number): number {
    let left = budget
    for (let lag = this.#lags.at(-1); left > 0 && lag !== undefined; lag = this.#lags.at(-1)) {
      const prefix = lag.pending.next(lag.next)
      if (prefix < 0) {
        this.#lags.pop()
        continue
      }
      left--
      lag.next = prefix + 1
      this.#table.unhold(prefix)
    }
    return left
  }
}
