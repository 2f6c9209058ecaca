/**
 * What the rules of an update group make of attribute sets: asked once for a set and a kind of source, by {@link OutcomeCache}, and
 * looked up once for the prefixes that are told together. Groups of a family share the memory for the latter, which is of use
 * to one at a time only.
 *
 *     by set id     stamp | result | generation of the result     12 bytes; another stamp: of another group or kind of source
 *
 * `export.ts` and `rib.reference.ts` are the oracles; bench: `bench/rib.ts`.
 */
import { exportOutcome, pathSourceKey } from './export.ts'
import type { AttributeStore } from './attribute-store.ts'
import { grown } from './column.ts'
import { BY_PREFIX, OutcomeCache } from './outcome-cache.ts'
import { fits } from './outbox.ts'
import type { PathSource } from './path-source.ts'
import type { GroupRules, GroupWorld } from './update-group.ts'

/** What sets of one kind of source became lately, by set. */
export class OutcomeMemo {
  /** Whose answers these are, and of which kind of source. */
  owner: ExportOutcomes | undefined
  #kind = -1
  #stamps = new Uint32Array(64)
  #results = new Uint32Array(64)
  #generations = new Uint32Array(64)
  #stamp = 0

  /** Forgets all unless it is the same as the last time. */
  select(owner: ExportOutcomes, kind: number): void {
    if (owner === this.owner && kind === this.#kind) return
    this.owner = owner
    this.#kind = kind
    this.#stamp++
  }

  /** −1: not known. */
  get({ generation }: AttributeStore, set: number): number {
    if (set >= this.#stamps.length || this.#stamps[set] !== this.#stamp) return -1
    const known = this.#results[set]!
    // Nobody holds it for the memo: the last prefix that had it may have been told something else since.
    return known === 0 || generation[known] === this.#generations[set] ? known : -1
  }

  set({ generation }: AttributeStore, set: number, result: number): void {
    if (set >= this.#stamps.length) {
      this.#stamps = grown(this.#stamps, set + 1)
      this.#results = grown(this.#results, set + 1)
      this.#generations = grown(this.#generations, set + 1)
    }
    this.#stamps[set] = this.#stamp
    this.#results[set] = result
    this.#generations[set] = generation[result]!
  }
}

export class ExportOutcomes {
  readonly #world: GroupWorld
  readonly #rules: GroupRules
  readonly #cache: OutcomeCache
  /** By slot: index in `#sources`. */
  readonly #kinds: (number | undefined)[] = []
  readonly #kindOfKey = new Map<string, number>()
  readonly #sources: PathSource[] = []
  readonly #scratch = new Uint8Array(24)

  constructor(world: GroupWorld, rules: GroupRules) {
    this.#world = world
    this.#rules = rules
    const { store } = world
    const { target, encoding } = rules
    this.#cache = new OutcomeCache(
      store,
      (attributes, kind) => exportOutcome(target, encoding.family, this.#sources[kind]!, attributes),
      (attributes) => {
        const set = store.internTransient(attributes)
        // RFC 4271 §9.2: a route that fits into no message is not advertised.
        return fits(store.block(set), encoding) ? set : 0
      },
    )
  }

  /** Whether some answer depended on validated origins. */
  get testsRpki(): boolean {
    return this.#cache.testsRpki
  }

  /** Paths of this neighbour come from elsewhere now. */
  forgetSource(slot: number): void {
    this.#kinds[slot] = undefined
  }

  /** Before prefixes that are told together. */
  begin(): void {
    this.#world.memo.owner = undefined
  }

  /** What a path of `slot` with this set becomes, 0 for nothing. */
  exported(set: number, slot: number, prefix: number): number {
    const { memo, store } = this.#world
    const kind = this.#kindOf(slot)
    memo.select(this, kind)
    const known = memo.get(store, set)
    if (known >= 0) return known
    const result = this.#cache.resultOf(set, kind)
    if (result === BY_PREFIX) return this.outcome(set, slot, prefix)
    memo.set(store, set, result)
    return result
  }

  /** The same, for prefixes that come alone. */
  outcome(set: number, slot: number, prefix: number): number {
    const kind = this.#kindOf(slot)
    const result = this.#cache.resultOf(set, kind)
    if (result !== BY_PREFIX) return result
    this.#world.table.prefixes.writeNlri(prefix, this.#scratch, 0)
    return this.#cache.resultAt(set, kind, this.#scratch, 0)
  }

  /** Why this set is not sent, for people. */
  reasonAgainst(set: number, slot: number, prefix: number): string | undefined {
    this.#world.table.prefixes.writeNlri(prefix, this.#scratch, 0)
    return this.#cache.reasonAt(set, this.#kindOf(slot), this.#scratch, 0)
  }

  #kindOf(slot: number): number {
    const known = this.#kinds[slot]
    if (known !== undefined) return known
    const source = this.#world.sourceOf(slot)
    const key = pathSourceKey(this.#rules.target, source)
    let kind = this.#kindOfKey.get(key)
    if (kind === undefined) {
      kind = this.#sources.length
      this.#sources.push(source)
      this.#kindOfKey.set(key, kind)
    }
    return (this.#kinds[slot] = kind)
  }
}
