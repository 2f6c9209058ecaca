/**
 * Who may originate which prefixes (RFC 6811 §2): the validated ROA payloads of all caches together, asked per route in time
 * proportional to the bits of its prefix. Where payloads come from is not its business (`core/rpki`).
 */
import { pathEnd } from '../wire/as-path.ts'
import type { AsPathSegment } from '../attributes.ts'
import { families, familyOfPrefix, type Family } from '../family.ts'
import type { RoaPayload } from '../io.ts'
import { encodePrefix } from '../wire/nlri.ts'
import { PrefixTrie } from './prefix-trie.ts'

export type OriginState = 'valid' | 'invalid' | 'notFound'

/** What a change of payloads may have changed. */
export interface OriginChange {
  /** Families with at least one changed payload. */
  families: Family[]
  /** Whether the state of a route to this prefix (wire form starting at `at`) may be another now. */
  affects(family: Family, nlri: Uint8Array, at: number): boolean
}

/** `maxLength · 2³² + asn`. */
type Payload = number

/**
 *     trie of prefixes → first payload → next payload of the same prefix → … → 0
 *
 * 12 bytes per payload beside the trie. Payload 0 is none; `next` of a free one is the next free one.
 */
export class ValidatedOrigins {
  readonly #tries = newTries()
  #payloads = new Float64Array(16)
  #next = new Int32Array(16)
  #top = 1
  #free = 0
  #size = 0

  /** Number of payloads. */
  get size(): number {
    return this.#size
  }

  /** First takes out, then adds. Payloads that are no prefix's (`maxLength` below its length) match nothing and are ignored. */
  apply(added: readonly RoaPayload[], removed: readonly RoaPayload[]): OriginChange {
    // All that came into an empty table is all that is in it.
    const changed = this.#size === 0 ? this.#tries : newTries()
    const touched = new Set<Family>()
    for (const { list, adds } of [
      { list: removed, adds: false },
      { list: added, adds: true },
    ])
      for (const { prefix, maxLength, asn } of list) {
        const family = familyOfPrefix(prefix)
        const nlri = encodePrefix(prefix)
        const payload = maxLength * 0x1_0000_0000 + asn
        if (maxLength < nlri[0]!) continue
        const news = adds ? this.#add(nlri, family, payload) : this.#remove(nlri, family, payload)
        if (!news) continue
        if (changed !== this.#tries) changed[family].set(nlri, 0, 1)
        touched.add(family)
      }
    return {
      families: families.filter((family) => touched.has(family)),
      affects: (family, nlri, at) => changed[family].eachCovering(nlri, at, () => true),
    }
  }

  /** `nlri`: the wire form starting at `at`; `originAsn`: 0 for none, which no payload allows. */
  state(family: Family, nlri: Uint8Array, at: number, originAsn: number): OriginState {
    const length = nlri[at]!
    let covered = false
    const valid = this.#tries[family].eachCovering(nlri, at, (first) => {
      covered = true
      // RFC 6811 §2: AS 0 is nobody's (RFC 6483 §4), and neither is a path that does not end in one AS.
      if (originAsn === 0) return false
      for (let each = first; each !== 0; each = this.#next[each]!)
        if (allows(this.#payloads[each]!, length, originAsn)) return true
      return false
    })
    if (valid) return 'valid'
    return covered ? 'invalid' : 'notFound'
  }

  #add(nlri: Uint8Array, family: Family, payload: Payload): boolean {
    const first = this.#tries[family].get(nlri, 0)
    for (let each = first; each !== 0; each = this.#next[each]!)
      if (this.#payloads[each] === payload) return false
    let made = this.#free
    if (made !== 0) this.#free = this.#next[made]!
    else {
      if (this.#top === this.#next.length) this.#grow()
      made = this.#top++
    }
    this.#payloads[made] = payload
    this.#next[made] = first
    this.#tries[family].set(nlri, 0, made)
    this.#size++
    return true
  }

  #grow(): void {
    const payloads = new Float64Array(2 * this.#payloads.length)
    payloads.set(this.#payloads)
    this.#payloads = payloads
    const next = new Int32Array(2 * this.#next.length)
    next.set(this.#next)
    this.#next = next
  }

  #remove(nlri: Uint8Array, family: Family, payload: Payload): boolean {
    let before = 0
    let each = this.#tries[family].get(nlri, 0)
    while (each !== 0 && this.#payloads[each] !== payload) {
      before = each
      each = this.#next[each]!
    }
    if (each === 0) return false
    const after = this.#next[each]!
    if (before === 0) this.#tries[family].set(nlri, 0, after)
    else this.#next[before] = after
    this.#next[each] = this.#free
    this.#free = each
    this.#size--
    return true
  }
}

/**
 * RFC 6811 §2: the AS that originated a path, 0 if it cannot be told. `ownAsn`: of the speaker, the origin of what has passed
 * nobody else.
 */
export function routeOrigin(path: readonly AsPathSegment[], ownAsn: number): number {
  const last = pathEnd(path)
  if (last === undefined) return ownAsn
  return last.kind === 'sequence' ? last.asns.at(-1)! : 0
}

function allows(payload: Payload, length: number, asn: number): boolean {
  return length <= Math.floor(payload / 0x1_0000_0000) && payload % 0x1_0000_0000 === asn
}

function newTries(): Record<Family, PrefixTrie> {
  return { 'ipv4/unicast': new PrefixTrie(4), 'ipv6/unicast': new PrefixTrie(16) }
}
