/**
 * What rules and policies made of attribute sets, remembered: they are asked once per (set, class), where a class is whatever
 * else their answer depends on. An answer is a set, a rejection, or a choice by prefix whose branches are worked out when
 * they are first taken.
 *
 *     entries   Int32 × 5   | set | class | generation | result | generation of the result |     open addressing; set 0: empty
 *
 * Nothing is held: an entry whose set, or whose result's set, has gone meanwhile says so by its generation and is asked anew;
 * growing leaves such entries behind. 40 to 80 bytes per (set, class), and an object per choice. The
 * references of `rib/` and `policy/` ask anew each time and are the oracle; bench: `bench/rib.ts`.
 */
import type { PathAttributes } from '../attributes.ts'
import type { Outcome, PrefixTest } from '../policy/outcome.ts'
import type { AttributeStore } from './attribute-store.ts'

/** A result that is no set. */
export const REJECTED = 0
export const BY_PREFIX = -1

const stride = 5
const leastEntries = 16

/** An outcome that has been asked for; a tree of them under a choice. */
interface Node {
  outcome: Outcome
  /** Result of one that accepts, valid while the set has this generation. */
  set: number
  generation: number
  yes?: Node
  no?: Node
}

interface Root extends Node {
  /** The attributes that rules were given: to know whether they were changed. */
  input: PathAttributes
}

/** Asks the rules about these attributes. */
type Ask = (attributes: PathAttributes, kind: number) => Outcome
/** The set of these attributes, held for the call in progress at least; 0: it cannot be used. */
type Place = (attributes: PathAttributes) => number

export class OutcomeCache {
  /** Whether some outcome depended on validated origins. */
  testsRpki = false
  readonly #store: AttributeStore
  readonly #ask: Ask
  readonly #place: Place
  #entries = new Int32Array(stride * leastEntries)
  #mask = leastEntries - 1
  #count = 0
  readonly #roots = new Map<number, Root>()

  constructor(store: AttributeStore, ask: Ask, place: Place) {
    this.#store = store
    this.#ask = ask
    this.#place = place
  }

  /** The set that this set becomes, {@link REJECTED} or {@link BY_PREFIX}. Another set than the one given is the caller's to retain. */
  resultOf(set: number, kind: number): number {
    const { generation } = this.#store
    const entries = this.#entries
    const mask = this.#mask
    let slot = hash(set, kind) & mask
    for (;;) {
      const at = stride * slot
      const known = entries[at]!
      if (known === 0) return this.#insert(slot, set, kind)
      if (known === set && entries[at + 1] === kind) {
        const result = entries[at + 3]!
        const valid =
          entries[at + 2] === (generation[set]! | 0) &&
          (result <= 0 || entries[at + 4] === (generation[result]! | 0))
        return valid ? result : this.#write(at, set, kind)
      }
      slot = (slot + 1) & mask
    }
  }

  /** As {@link resultOf}, and never {@link BY_PREFIX}: `nlri` is the wire form of the prefix, starting at `at`. */
  resultAt(set: number, kind: number, nlri: Uint8Array, at: number): number {
    const result = this.resultOf(set, kind)
    if (result !== BY_PREFIX) return result
    const root = this.#roots.get(rootKey(set, kind))!
    const node = this.#leaf(root, set, nlri, at)
    if (node.outcome.kind !== 'accept') return REJECTED
    if (node.outcome.attributes === root.input) return set
    if (node.set === 0 || this.#store.generation[node.set] !== node.generation) {
      node.set = this.#place(node.outcome.attributes)
      node.generation = this.#store.generation[node.set]!
    }
    return node.set
  }

  /** Why it is rejected for this prefix; undefined if it is not, or has no better reason than its size. */
  reasonAt(set: number, kind: number, nlri: Uint8Array, at: number): string | undefined {
    let outcome = this.#ask(this.#store.attributes(set), kind)
    while (outcome.kind === 'choice')
      outcome = matches(outcome.test, nlri, at, this.#store.originAsn[set]!) ? outcome.yes() : outcome.no()
    return outcome.kind === 'reject' ? outcome.reason : undefined
  }

  /** Everything is asked anew from now on. */
  clear(): void {
    this.#entries = new Int32Array(stride * leastEntries)
    this.#mask = leastEntries - 1
    this.#count = 0
    this.#roots.clear()
    this.testsRpki = false
  }

  #leaf(root: Root, set: number, nlri: Uint8Array, at: number): Node {
    let node: Node = root
    const originAsn = this.#store.originAsn[set]!
    while (node.outcome.kind === 'choice') {
      const { test, yes, no } = node.outcome
      if (test.rpki) this.testsRpki = true
      if (test.matches(nlri, at, originAsn)) node = node.yes ??= { outcome: yes(), set: 0, generation: 0 }
      else node = node.no ??= { outcome: no(), set: 0, generation: 0 }
    }
    return node
  }

  #insert(slot: number, set: number, kind: number): number {
    this.#entries[stride * slot] = set
    this.#entries[stride * slot + 1] = kind
    this.#count++
    const result = this.#write(stride * slot, set, kind)
    if (2 * this.#count > this.#mask) this.#rebuild()
    return result
  }

  #write(at: number, set: number, kind: number): number {
    const { generation } = this.#store
    // Asking may intern, which does not move entries.
    const result = this.#answer(set, kind)
    this.#entries[at + 2] = generation[set]!
    this.#entries[at + 3] = result
    this.#entries[at + 4] = result > 0 ? this.#store.generation[result]! : 0
    return result
  }

  #answer(set: number, kind: number): number {
    const input = this.#store.attributes(set)
    const outcome = this.#ask(input, kind)
    if (outcome.kind === 'reject') return REJECTED
    if (outcome.kind === 'choice') {
      if (outcome.test.rpki) this.testsRpki = true
      this.#roots.set(rootKey(set, kind), { outcome, set: 0, generation: 0, input })
      return BY_PREFIX
    }
    return outcome.attributes === input ? set : this.#place(outcome.attributes)
  }

  /** Takes over what is still valid. */
  #rebuild(): void {
    const old = this.#entries
    const { generation } = this.#store
    const lives = (at: number) => old[at] !== 0 && (generation[old[at]!]! | 0) === old[at + 2]
    let live = 0
    for (let at = 0; at < old.length; at += stride) {
      if (lives(at)) live++
      else if (old[at] !== 0) this.#roots.delete(rootKey(old[at]!, old[at + 1]!))
    }
    let capacity = leastEntries
    while (capacity < 4 * live) capacity *= 2
    this.#entries = new Int32Array(stride * capacity)
    this.#mask = capacity - 1
    this.#count = live
    for (let at = 0; at < old.length; at += stride) {
      if (!lives(at)) continue
      let slot = hash(old[at]!, old[at + 1]!) & this.#mask
      while (this.#entries[stride * slot] !== 0) slot = (slot + 1) & this.#mask
      this.#entries.set(old.subarray(at, at + stride), stride * slot)
    }
  }
}

function matches(test: PrefixTest, nlri: Uint8Array, at: number, originAsn: number): boolean {
  return test.matches(nlri, at, originAsn)
}

function rootKey(set: number, kind: number): number {
  return kind * 0x1_0000_0000 + set
}

function hash(set: number, kind: number): number {
  const h = Math.imul(set ^ Math.imul(kind + 1, 0x85ebca6b), 0x9e3779b1)
  return h ^ (h >>> 15)
}
