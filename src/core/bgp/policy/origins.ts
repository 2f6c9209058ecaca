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

export class ValidatedOrigins {
  readonly #tries = newTries()
  /** By value in the tries; never empty where a trie points to it. */
  readonly #payloads: Payload[][] = [[]]
  readonly #free: number[] = []
  #size = 0

  /** Number of payloads. */
  get size(): number {
    return this.#size
  }

  /** First takes out, then adds. Payloads that are no prefix's (`maxLength` below its length) match nothing and are ignored. */
  apply(added: readonly RoaPayload[], removed: readonly RoaPayload[]): OriginChange {
    const changed = newTries()
    const touched = new Set<Family>()
    for (const [payloads, change] of [
      [removed, (nlri: Uint8Array, family: Family, payload: Payload) => this.#remove(nlri, family, payload)],
      [added, (nlri: Uint8Array, family: Family, payload: Payload) => this.#add(nlri, family, payload)],
    ] as const)
      for (const { prefix, maxLength, asn } of payloads) {
        const family = familyOfPrefix(prefix)
        const nlri = encodePrefix(prefix)
        if (maxLength < nlri[0]! || !change(nlri, family, maxLength * 0x1_0000_0000 + asn)) continue
        changed[family].set(nlri, 0, 1)
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
    const valid = this.#tries[family].eachCovering(nlri, at, (value) => {
      covered = true
      // RFC 6811 §2: AS 0 is nobody's (RFC 6483 §4), and neither is a path that does not end in one AS.
      return originAsn !== 0 && this.#payloads[value]!.some((payload) => allows(payload, length, originAsn))
    })
    if (valid) return 'valid'
    return covered ? 'invalid' : 'notFound'
  }

  #add(nlri: Uint8Array, family: Family, payload: Payload): boolean {
    let value = this.#tries[family].get(nlri, 0)
    if (value === 0) {
      value = this.#free.pop() ?? this.#payloads.length
      this.#payloads[value] = []
      this.#tries[family].set(nlri, 0, value)
    }
    const payloads = this.#payloads[value]!
    if (payloads.includes(payload)) return false
    payloads.push(payload)
    this.#size++
    return true
  }

  #remove(nlri: Uint8Array, family: Family, payload: Payload): boolean {
    const value = this.#tries[family].get(nlri, 0)
    const payloads = this.#payloads[value]!
    const index = payloads.indexOf(payload)
    if (index < 0) return false
    payloads.splice(index, 1)
    this.#size--
    if (payloads.length > 0) return true
    this.#tries[family].set(nlri, 0, 0)
    this.#free.push(value)
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
