/**
 * What import rules and policies made of the sets that neighbours sent (RFC 4271 §9.1.2), remembered together for neighbours of
 * equal source, and what becomes of a path that is long-lived stale (RFC 9494 §4.2).
 */
import { wellKnownCommunities } from '#core/net/community.ts'
import type { PathAttributes } from '../attributes.ts'
import type { Family } from '../family.ts'
import type { Outcome } from '../policy/outcome.ts'
import type { AttributeStore } from './attribute-store.ts'
import { importOutcome, sourceKey, type ImportSource } from './import.ts'
import { BY_PREFIX, OutcomeCache } from './outcome-cache.ts'
import type { RibTable } from './rib-table.ts'

/** Equal objects for neighbours of equal source. */
export type ImportMemory = Record<Family, OutcomeCache>

const llgrStale = wellKnownCommunities['llgr-stale']

export class Imports {
  readonly #store: AttributeStore
  readonly #tables: Record<Family, RibTable>
  readonly #memories = new Map<string, ImportMemory>()
  readonly #longLived: OutcomeCache
  readonly #scratch = new Uint8Array(24)

  constructor(store: AttributeStore, tables: Record<Family, RibTable>) {
    this.#store = store
    this.#tables = tables
    this.#longLived = this.#cache(withLongLivedStale)
  }

  memoryOf(source: ImportSource): ImportMemory {
    const key = sourceKey(source)
    const known = this.#memories.get(key)
    if (known !== undefined) return known
    const cache = (family: Family) => this.#cache((attributes) => importOutcome(source, family, attributes))
    const memory = { 'ipv4/unicast': cache('ipv4/unicast'), 'ipv6/unicast': cache('ipv6/unicast') }
    this.#memories.set(key, memory)
    return memory
  }

  /** Forgets all others. */
  keepOnly(used: ReadonlySet<ImportMemory | undefined>): void {
    for (const [key, memory] of this.#memories) if (!used.has(memory)) this.#memories.delete(key)
  }

  /** What becomes of a set for a prefix, 0 for rejected. `longLived`: the path is long-lived stale. */
  judge(memory: ImportMemory, family: Family, set: number, prefix: number, longLived: boolean): number {
    let result = memory[family].resultOf(set, 0)
    if (result === BY_PREFIX) result = memory[family].resultAt(set, 0, this.#nlri(family, prefix), 0)
    return result > 0 && longLived ? this.#longLived.resultOf(result, 0) : result
  }

  /** Why a set is rejected for a prefix; undefined if it is not. */
  reasonOf(memory: ImportMemory, family: Family, set: number, prefix: number): string | undefined {
    return memory[family].reasonAt(set, 0, this.#nlri(family, prefix), 0)
  }

  #cache(ask: (attributes: PathAttributes) => Outcome): OutcomeCache {
    return new OutcomeCache(this.#store, ask, (attributes) => this.#store.internTransient(attributes))
  }

  #nlri(family: Family, prefix: number): Uint8Array {
    this.#tables[family].prefixes.writeNlri(prefix, this.#scratch, 0)
    return this.#scratch
  }
}

function withLongLivedStale(attributes: PathAttributes): Outcome {
  const communities = attributes.communities ?? []
  if (communities.includes(llgrStale)) return { kind: 'accept', attributes }
  const marked = [...communities, llgrStale].sort((a, b) => a - b)
  return { kind: 'accept', attributes: { ...attributes, communities: marked } }
}
