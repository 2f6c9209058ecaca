/**
 * What one cache told: the validated ROA payloads of its last complete answer, and those of the answer that is coming in.
 * Nothing counts before End of Data (RFC 8210 §5.8), so an answer that breaks off changes nothing.
 */
import type { Prefix } from '#core/net/prefix.ts'
import { KeySet } from './key-set.ts'
import { errorCode } from './pdu.ts'

/** One payload as text, `asn maxLength prefix`: equal payloads are equal strings. */
export type RecordKey = string

export interface Roa {
  prefix: Prefix
  maxLength: number
  asn: number
}

/** Payloads that one cache may give: several times what all registries hold, so that a hostile cache cannot fill memory. */
const recordsMax = 4_000_000

export function keyOf({ asn, maxLength, prefix }: Roa): RecordKey {
  return `${asn} ${maxLength} ${prefix}`
}

export function roaOf(key: RecordKey): Roa {
  const [asn, maxLength, prefix] = key.split(' ') as [string, string, Prefix]
  return { prefix, maxLength: Number(maxLength), asn: Number(asn) }
}

export class CacheRecords {
  #current = new KeySet()
  #staged:
    | { kind: 'full'; records: KeySet; ipv6: number }
    | { kind: 'changes'; added: Set<RecordKey>; removed: Set<RecordKey> }
    | undefined
  #ipv6 = 0

  /** Those of the last complete answer. Not to be changed by the caller. */
  get current(): Pick<KeySet, 'has' | 'keys' | 'size'> {
    return this.#current
  }

  get counts(): { ipv4: number; ipv6: number } {
    return { ipv4: this.#current.size - this.#ipv6, ipv6: this.#ipv6 }
  }

  /** An answer begins: a whole one, or what has changed since the last. */
  begin(kind: 'full' | 'changes'): void {
    this.#staged =
      kind === 'full'
        ? { kind, records: new KeySet(), ipv6: 0 }
        : { kind, added: new Set<RecordKey>(), removed: new Set<RecordKey>() }
  }

  /** Takes one record of the answer in; gives the code of the error that it is (RFC 8210 §5.6, §12), if it is one. */
  stage(announce: boolean, roa: Roa): number | undefined {
    const staged = this.#staged
    if (staged === undefined) return errorCode.corruptData
    const key = keyOf(roa)
    if (staged.kind === 'full') {
      const six = key.includes(':') ? 1 : 0
      if (!announce) {
        if (!staged.records.delete(key)) return errorCode.withdrawalOfUnknown
        staged.ipv6 -= six
        return undefined
      }
      if (staged.records.has(key)) return errorCode.duplicateAnnouncement
      if (staged.records.size >= recordsMax) return errorCode.internalError
      staged.records.add(key)
      staged.ipv6 += six
      return undefined
    }
    const { added, removed } = staged
    const known = added.has(key) || (this.#current.has(key) && !removed.has(key))
    if (known === announce) return announce ? errorCode.duplicateAnnouncement : errorCode.withdrawalOfUnknown
    if (announce && this.#current.size + added.size >= recordsMax) return errorCode.internalError
    const [into, outOf] = announce ? [added, removed] : [removed, added]
    // What was taken back or given in this same answer is undone.
    if (!outOf.delete(key)) into.add(key)
    return undefined
  }

  /** The answer is complete. Gives the keys that may have changed; `full`: any may have. */
  commit(): { kind: 'full' } | { kind: 'changes'; keys: RecordKey[] } {
    const staged = this.#staged
    this.#staged = undefined
    if (staged === undefined) return { kind: 'changes', keys: [] }
    if (staged.kind === 'full') {
      this.#current = staged.records
      this.#ipv6 = staged.ipv6
      return { kind: 'full' }
    }
    for (const key of staged.removed) if (this.#current.delete(key) && key.includes(':')) this.#ipv6--
    for (const key of staged.added) {
      this.#current.add(key)
      if (key.includes(':')) this.#ipv6++
    }
    return { kind: 'changes', keys: [...staged.removed, ...staged.added] }
  }

  /** The answer broke off. */
  discard(): void {
    this.#staged = undefined
  }

  clear(): void {
    this.#staged = undefined
    this.#current = new KeySet()
    this.#ipv6 = 0
  }
}
