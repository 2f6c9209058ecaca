/**
 * Prefix → dense id and back, for one IP version. Ids index every column of the RIB; the id of a prefix that nothing uses
 * any more is given to the next new one.
 *
 *     slots    Int32 × 2   | hash | id + 1 |                   open addressing, linear probing, second word 0: empty
 *     words    Int32 × W   | network address, host bits 0 |    by id; W is 1 (IPv4) or 4 (IPv6)
 *     lengths  Uint8       | prefix length |                   by id; 255: the id is free, and words[id × W] links to
 *                                                              the next free one (id + 1, 0: none)
 *
 * Load is at most 2/3: 12 to 24 bytes of slots and 5 (IPv4) or 17 (IPv6) of key per prefix. A removal shifts the slots
 * behind it back, so churn leaves no tombstones. The hash is seeded: a neighbour cannot aim at one slot. Bench: `bench/rib.ts`.
 */
import { assert } from '#core/lib/assert.ts'
import { addressFromBytes, type IpVersion } from '#core/net/address.ts'
import type { Prefix } from '#core/net/prefix.ts'
import { grown } from './column.ts'
import { doubledSlots } from './hash-slots.ts'

const FREE = 255

export class PrefixTable {
  readonly version: IpVersion
  readonly #width: 1 | 4
  readonly #seed: number
  #slots = new Int32Array(2 * 16)
  #mask = 15
  #words: Int32Array<ArrayBuffer>
  #lengths = new Uint8Array(16)
  #size = 0
  /** One more than the highest id ever given out. */
  #top = 0
  #freeHead = 0
  /** The key being looked up. */
  #a = 0
  #b = 0
  #c = 0
  #d = 0
  #length = 0

  /** `seed`: any 32 bits, unknown to neighbours. */
  constructor(version: IpVersion, seed: number) {
    this.version = version
    this.#width = version === 4 ? 1 : 4
    this.#seed = seed | 0
    this.#words = new Int32Array(16 * this.#width)
  }

  /** Number of prefixes that have an id. */
  get size(): number {
    return this.#size
  }

  /** All ids are below this; some of them may be free. */
  get top(): number {
    return this.#top
  }

  isFree(id: number): boolean {
    return this.#lengths[id] === FREE
  }

  /** Id of the prefix whose wire form (RFC 4271 §4.3) starts at `at`; a new id if it has none. Host bits are ignored. */
  idOf(nlri: Uint8Array, at: number): number {
    this.#read(nlri, at)
    const hash = this.#hash()
    const slots = this.#slots
    let slot = hash & this.#mask
    for (;;) {
      const id = slots[2 * slot + 1]! - 1
      if (id < 0) return this.#insert(slot, hash)
      if (slots[2 * slot] === hash && this.#is(id)) return id
      slot = (slot + 1) & this.#mask
    }
  }

  /** As {@link idOf}, but −1 if it has none. */
  find(nlri: Uint8Array, at: number): number {
    this.#read(nlri, at)
    const hash = this.#hash()
    const slots = this.#slots
    let slot = hash & this.#mask
    for (;;) {
      const id = slots[2 * slot + 1]! - 1
      if (id < 0) return -1
      if (slots[2 * slot] === hash && this.#is(id)) return id
      slot = (slot + 1) & this.#mask
    }
  }

  /** Frees the id, which no column may use any more. */
  release(id: number): void {
    assert(!this.isFree(id), 'a prefix id is freed once')
    this.#load(id)
    const slots = this.#slots
    const mask = this.#mask
    let hole = this.#hash() & mask
    while (slots[2 * hole + 1] !== id + 1) hole = (hole + 1) & mask
    for (let slot = (hole + 1) & mask; slots[2 * slot + 1] !== 0; slot = (slot + 1) & mask) {
      // An entry may move into the hole unless its home lies behind the hole.
      if (((slot - slots[2 * slot]!) & mask) < ((slot - hole) & mask)) continue
      slots[2 * hole] = slots[2 * slot]!
      slots[2 * hole + 1] = slots[2 * slot + 1]!
      hole = slot
    }
    slots[2 * hole + 1] = 0
    this.#lengths[id] = FREE
    this.#words[id * this.#width] = this.#freeHead
    this.#freeHead = id + 1
    this.#size--
  }

  /** Octets that {@link writeNlri} writes for this id. */
  nlriLength(id: number): number {
    return 1 + ((this.#lengths[id]! + 7) >> 3)
  }

  /** Writes the wire form at `at` and gives the index after it. */
  writeNlri(id: number, into: Uint8Array, at: number): number {
    const length = this.#lengths[id]!
    const octets = (length + 7) >> 3
    const word = id * this.#width
    into[at] = length
    for (let i = 0; i < octets; i++) into[at + 1 + i] = this.#words[word + (i >> 2)]! >>> (24 - 8 * (i & 3))
    return at + 1 + octets
  }

  prefix(id: number): Prefix {
    const bytes = new Uint8Array(4 * this.#width)
    for (let i = 0; i < bytes.length; i++)
      bytes[i] = this.#words[id * this.#width + (i >> 2)]! >>> (24 - 8 * (i & 3))
    return `${addressFromBytes(bytes)}/${this.#lengths[id]!}` as Prefix
  }

  /** Orders ids by network address, then shorter first. */
  compare(a: number, b: number): number {
    for (let i = 0; i < this.#width; i++) {
      const [x, y] = [this.#words[a * this.#width + i]!, this.#words[b * this.#width + i]!]
      if (x !== y) return x >>> 0 < y >>> 0 ? -1 : 1
    }
    return this.#lengths[a]! - this.#lengths[b]!
  }

  #insert(slot: number, hash: number): number {
    const id = this.#freeHead > 0 ? this.#freeHead - 1 : this.#top++
    const word = id * this.#width
    if (id >= this.#lengths.length) {
      this.#lengths = grown(this.#lengths, id + 1)
      this.#words = grown(this.#words, this.#lengths.length * this.#width)
    } else if (this.#freeHead > 0) this.#freeHead = this.#words[word]!
    this.#lengths[id] = this.#length
    this.#words[word] = this.#a
    if (this.#width === 4) {
      this.#words[word + 1] = this.#b
      this.#words[word + 2] = this.#c
      this.#words[word + 3] = this.#d
    }
    this.#slots[2 * slot] = hash
    this.#slots[2 * slot + 1] = id + 1
    this.#size++
    if (3 * this.#size > 2 * this.#mask) this.#rehash()
    return id
  }

  #rehash(): void {
    this.#slots = doubledSlots(this.#slots)
    this.#mask = 2 * this.#mask + 1
  }

  /** Reads a prefix of valid length into the key and clears its host bits. */
  #read(nlri: Uint8Array, at: number): void {
    const length = nlri[at]!
    this.#length = length
    this.#a = readWord(nlri, at + 1, length)
    if (this.#width === 1) return
    this.#b = readWord(nlri, at + 5, length - 32)
    this.#c = readWord(nlri, at + 9, length - 64)
    this.#d = readWord(nlri, at + 13, length - 96)
  }

  #load(id: number): void {
    const word = id * this.#width
    this.#length = this.#lengths[id]!
    this.#a = this.#words[word]!
    if (this.#width === 1) return
    this.#b = this.#words[word + 1]!
    this.#c = this.#words[word + 2]!
    this.#d = this.#words[word + 3]!
  }

  #is(id: number): boolean {
    const words = this.#words
    const word = id * this.#width
    if (words[word] !== this.#a || this.#lengths[id] !== this.#length) return false
    if (this.#width === 1) return true
    return words[word + 1] === this.#b && words[word + 2] === this.#c && words[word + 3] === this.#d
  }

  #hash(): number {
    let h = mix(this.#seed ^ this.#length, this.#a)
    if (this.#width === 1) return h
    h = mix(h, this.#b)
    h = mix(h, this.#c)
    return mix(h, this.#d)
  }
}

/** The first `bits` bits (all of them from 32 on, none up to 0) of the word at `at`, the others 0. */
function readWord(bytes: Uint8Array, at: number, bits: number): number {
  if (bits <= 0) return 0
  let word = bytes[at]! << 24
  if (bits > 8) word |= bytes[at + 1]! << 16
  if (bits > 16) word |= bytes[at + 2]! << 8
  if (bits > 24) word |= bytes[at + 3]!
  return bits >= 32 ? word : word & (-1 << (32 - bits))
}

function mix(hash: number, word: number): number {
  let h = Math.imul(hash ^ word, 0x9e3779b1)
  h ^= h >>> 15
  h = Math.imul(h, 0x85ebca6b)
  return h ^ (h >>> 13)
}
