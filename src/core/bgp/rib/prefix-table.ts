/**
 * Prefix → dense id and back, for one IP version. Ids index every column of the RIB; the id of a prefix that nothing uses
 * any more is given to a later one, and a whole segment of them that nothing uses goes from every column, but for a single one.
 *
 *     parts      64 × Int32   | tag 7 bits, id + 1 25 bits |     open addressing, linear probing; 0: empty
 *     hashes     64 × Int32   | hash |                           beside it, for growth and removal, which read no keys so
 *     words      Int32 × W    | network address, host bits 0 |   by id, in segments; W is 1 (IPv4) or 4 (IPv6)
 *     lengths    Uint8        | prefix length |                  by id, in segments; 255: the id is free, and its first word
 *                                                                links to the next free one of its segment (0: none)
 *
 * Load is between 1/3 and 2/3: 12 to 24 bytes of slots and 5 (IPv4) or 17 (IPv6) of key per prefix. The upper bits of the hash
 * choose the part, so a part grows or shrinks alone, in a fraction of a millisecond. A removal shifts the slots behind it
 * back, so churn leaves no tombstones. The hash is seeded: a neighbour cannot aim at one slot.
 *
 * A map is the oracle in its tests. Bench: `bench/rib.ts`.
 */
import { assert } from '#core/lib/assert.ts'
import { addressFromBytes, type IpVersion } from '#core/net/address.ts'
import type { Prefix } from '#core/net/prefix.ts'
import { release, segmentBits, segmentSize } from './column.ts'

const FREE = 255
const partBits = 6
const partsCount = 1 << partBits
const idBits = 25
const idMask = (1 << idBits) - 1
const tagShift = 32 - partBits - 7
const leastSlots = 16
const segmentMask = segmentSize - 1

/** Ids of one segment. */
interface Segment {
  words: Int32Array<ArrayBuffer>
  lengths: Uint8Array<ArrayBuffer>
  /** Ids of it that are in use. */
  used: number
  /** The next offset that has never been given out. */
  fresh: number
  /** Offset + 1 of the first free one among those given out before; 0: none. */
  free: number
}

export class PrefixTable {
  readonly version: IpVersion
  /** What {@link approach} saw: what is read for nothing might not be read at all. */
  touched = 0
  readonly #width: 1 | 4
  readonly #seed: number
  readonly #parts: Int32Array<ArrayBuffer>[] = []
  readonly #hashes: Int32Array<ArrayBuffer>[] = []
  readonly #sizes = new Int32Array(partsCount)
  readonly #segments: (Segment | undefined)[] = []
  /** Segments that may have room, the last one first. */
  readonly #roomy: number[] = []
  readonly #segmentEmptied: (segment: number) => void
  #size = 0
  /** The key being looked up. */
  #a = 0
  #b = 0
  #c = 0
  #d = 0
  #length = 0
  /** `seed`: any 32 bits, unknown to neighbours. `segmentEmptied` is told when no id of a segment is in use any more and it goes. */
  constructor(version: IpVersion, seed: number, segmentEmptied: (segment: number) => void = () => {}) {
    this.version = version
    this.#width = version === 4 ? 1 : 4
    this.#seed = seed | 0
    this.#segmentEmptied = segmentEmptied
    for (let i = 0; i < partsCount; i++) {
      this.#parts.push(new Int32Array(leastSlots))
      this.#hashes.push(new Int32Array(leastSlots))
    }
  }

  /** Number of prefixes that have an id. */
  get size(): number {
    return this.#size
  }

  /** All ids are below this; some of them may be free. */
  get top(): number {
    const last = this.#segments.length - 1
    return last < 0 ? 0 : (last << segmentBits) + this.#segments[last]!.fresh
  }

  isFree(id: number): boolean {
    const segment = this.#segments[id >>> segmentBits]
    return (
      segment === undefined ||
      (id & segmentMask) >= segment.fresh ||
      segment.lengths[id & segmentMask] === FREE
    )
  }

  /** Id of the prefix whose wire form (RFC 4271 §4.3) starts at `at`; a new id if it has none. Host bits are ignored. */
  idOf(nlri: Uint8Array, at: number): number {
    this.#read(nlri, at)
    return this.#look(true)
  }

  /** As {@link idOf}, but −1 if it has none. */
  find(nlri: Uint8Array, at: number): number {
    this.#read(nlri, at)
    return this.#look(false)
  }

  /** Id of the prefix of `length` bits that covers the one at `at`, −1 if it has none. */
  findCovering(nlri: Uint8Array, at: number, length: number): number {
    const own = nlri[at]!
    nlri[at] = length
    this.#read(nlri, at)
    nlri[at] = own
    return this.#look(false)
  }

  /**
   * Before many are looked up: touches the slots of the prefixes from `start` to `end`, `skip` octets before each, so that the memory
   * of all is on its way at once and not one after the other.
   */
  approach(nlri: Uint8Array, start: number, end: number, skip: number): void {
    let touched = 0
    for (let at = start + skip; at < end; at += skip + 1 + ((nlri[at]! + 7) >>> 3)) {
      this.#read(nlri, at)
      const hash = this.#hash()
      const part = hash >>> (32 - partBits)
      const slots = this.#parts[part]!
      const slot = hash & (slots.length - 1)
      touched |= slots[slot]! | this.#hashes[part]![slot]!
    }
    this.touched = touched
  }

  /** Frees the id, which no column may use any more. */
  release(id: number): void {
    assert(!this.isFree(id), 'a prefix id is freed once')
    this.#load(id)
    const hash = this.#hash()
    const part = hash >>> (32 - partBits)
    const slots = this.#parts[part]!
    const hashes = this.#hashes[part]!
    const mask = slots.length - 1
    let hole = hash & mask
    while ((slots[hole]! & idMask) !== id + 1) hole = (hole + 1) & mask
    for (let slot = (hole + 1) & mask; slots[slot] !== 0; slot = (slot + 1) & mask) {
      // An entry may move into the hole unless its home lies behind the hole.
      if (((slot - hashes[slot]!) & mask) < ((slot - hole) & mask)) continue
      slots[hole] = slots[slot]!
      hashes[hole] = hashes[slot]!
      hole = slot
    }
    slots[hole] = 0
    this.#size--
    const left = --this.#sizes[part]!
    if (8 * left < slots.length && slots.length > leastSlots) this.#resize(part, slots.length >>> 1)
    this.#freeId(id)
  }

  /** Octets that {@link writeNlri} writes for this id. */
  nlriLength(id: number): number {
    return 1 + ((this.lengthOf(id) + 7) >> 3)
  }

  lengthOf(id: number): number {
    return this.#segments[id >>> segmentBits]!.lengths[id & segmentMask]!
  }

  /** Writes the wire form at `at` and gives the index after it. */
  writeNlri(id: number, into: Uint8Array, at: number): number {
    const { words, lengths } = this.#segments[id >>> segmentBits]!
    const offset = id & segmentMask
    const length = lengths[offset]!
    into[at] = length
    if (this.#width === 1) {
      const word = words[offset]!
      if (length > 0) into[at + 1] = word >>> 24
      if (length > 8) into[at + 2] = word >>> 16
      if (length > 16) into[at + 3] = word >>> 8
      if (length > 24) into[at + 4] = word
      return at + 1 + ((length + 7) >> 3)
    }
    const octets = (length + 7) >> 3
    for (let i = 0; i < octets; i++) into[at + 1 + i] = words[4 * offset + (i >> 2)]! >>> (24 - 8 * (i & 3))
    return at + 1 + octets
  }

  prefix(id: number): Prefix {
    const { words, lengths } = this.#segments[id >>> segmentBits]!
    const offset = id & segmentMask
    const bytes = new Uint8Array(4 * this.#width)
    for (let i = 0; i < bytes.length; i++)
      bytes[i] = words[offset * this.#width + (i >> 2)]! >>> (24 - 8 * (i & 3))
    return `${addressFromBytes(bytes)}/${lengths[offset]!}` as Prefix
  }

  /** Orders ids by network address, then shorter first. */
  compare(a: number, b: number): number {
    const [x, y] = [this.#segments[a >>> segmentBits]!, this.#segments[b >>> segmentBits]!]
    for (let i = 0; i < this.#width; i++) {
      const p = x.words[(a & segmentMask) * this.#width + i]!
      const q = y.words[(b & segmentMask) * this.#width + i]!
      if (p !== q) return p >>> 0 < q >>> 0 ? -1 : 1
    }
    return this.lengthOf(a) - this.lengthOf(b)
  }

  /** Whether the prefix at `at` of `nlri` is this id's or covers it. */
  isInside(id: number, nlri: Uint8Array, at: number): boolean {
    const segment = this.#segments[id >>> segmentBits]!
    const length = nlri[at]!
    if (segment.lengths[id & segmentMask]! < length) return false
    const word = (id & segmentMask) * this.#width
    for (let i = 0; 32 * i < length; i++) {
      const bits = length - 32 * i
      const wanted = readWord(nlri, at + 1 + 4 * i, bits)
      const mask = bits >= 32 ? -1 : -1 << (32 - bits)
      if ((segment.words[word + i]! & mask) !== wanted) return false
    }
    return true
  }

  #look(insert: boolean): number {
    const hash = this.#hash()
    const slots = this.#parts[hash >>> (32 - partBits)]!
    const mask = slots.length - 1
    const tag = (hash >>> tagShift) & 0x7f
    let slot = hash & mask
    for (;;) {
      const entry = slots[slot]!
      if (entry === 0) return insert ? this.#insert(slots, slot, hash) : -1
      if (entry >>> idBits === tag && this.#is((entry & idMask) - 1)) return (entry & idMask) - 1
      slot = (slot + 1) & mask
    }
  }

  #insert(slots: Int32Array, slot: number, hash: number): number {
    const id = this.#newId()
    assert(id < idMask, 'no more prefixes than ids')
    slots[slot] = (((hash >>> tagShift) & 0x7f) << idBits) | (id + 1)
    const part = hash >>> (32 - partBits)
    this.#hashes[part]![slot] = hash
    const size = ++this.#sizes[part]!
    this.#size++
    if (3 * size > 2 * slots.length) this.#resize(part, 2 * slots.length)
    return id
  }

  #newId(): number {
    let index = this.#roomy.at(-1)
    if (index === undefined) {
      index = this.#segments.indexOf(undefined)
      if (index < 0) index = this.#segments.length
      this.#segments[index] = {
        words: new Int32Array(segmentSize * this.#width),
        lengths: new Uint8Array(segmentSize),
        used: 0,
        fresh: 0,
        free: 0,
      }
      this.#roomy.push(index)
    }
    const segment = this.#segments[index]!
    const offset = segment.free > 0 ? segment.free - 1 : segment.fresh++
    const word = offset * this.#width
    if (segment.free > 0) segment.free = segment.words[word]!
    if (++segment.used === segmentSize) this.#roomy.pop()
    segment.lengths[offset] = this.#length
    segment.words[word] = this.#a
    if (this.#width === 4) {
      segment.words[word + 1] = this.#b
      segment.words[word + 2] = this.#c
      segment.words[word + 3] = this.#d
    }
    return (index << segmentBits) + offset
  }

  #freeId(id: number): void {
    const index = id >>> segmentBits
    const segment = this.#segments[index]!
    const offset = id & segmentMask
    segment.lengths[offset] = FREE
    segment.words[offset * this.#width] = segment.free
    segment.free = offset + 1
    if (segment.used-- === segmentSize) this.#roomy.push(index)
    if (segment.used > 0 || this.#isLastRoom(index)) return
    this.#roomy.splice(this.#roomy.indexOf(index), 1)
    release(segment.words)
    release(segment.lengths)
    this.#segments[index] = undefined
    while (this.#segments.length > 0 && this.#segments.at(-1) === undefined) this.#segments.pop()
    this.#segmentEmptied(index)
  }

  /**
   * Whether the next new prefix would make a segment again if this one went: a few routes that come and go would else allocate
   * all columns each time.
   */
  #isLastRoom(index: number): boolean {
    return (
      this.#roomy.length === 1 && index === this.#segments.length - 1 && !this.#segments.includes(undefined)
    )
  }

  #resize(part: number, capacity: number): void {
    const [old, oldHashes] = [this.#parts[part]!, this.#hashes[part]!]
    const slots = new Int32Array(capacity)
    const hashes = new Int32Array(capacity)
    for (let i = 0; i < old.length; i++) {
      if (old[i] === 0) continue
      const hash = oldHashes[i]!
      let slot = hash & (capacity - 1)
      while (slots[slot] !== 0) slot = (slot + 1) & (capacity - 1)
      slots[slot] = old[i]!
      hashes[slot] = hash
    }
    this.#parts[part] = slots
    this.#hashes[part] = hashes
    release(old)
    release(oldHashes)
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
    const { words, lengths } = this.#segments[id >>> segmentBits]!
    const word = (id & segmentMask) * this.#width
    this.#length = lengths[id & segmentMask]!
    this.#a = words[word]!
    if (this.#width === 1) return
    this.#b = words[word + 1]!
    this.#c = words[word + 2]!
    this.#d = words[word + 3]!
  }

  #is(id: number): boolean {
    const { words, lengths } = this.#segments[id >>> segmentBits]!
    const word = (id & segmentMask) * this.#width
    if (words[word] !== this.#a || lengths[id & segmentMask] !== this.#length) return false
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
  const mask = bits >= 32 ? -1 : -1 << (32 - bits)
  // Lengths are as good as random: a guess for each octet would often be wrong.
  if (at + 4 <= bytes.length)
    return ((bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!) & mask
  let word = bytes[at]! << 24
  if (bits > 8) word |= bytes[at + 1]! << 16
  if (bits > 16) word |= bytes[at + 2]! << 8
  return word & mask
}

function mix(hash: number, word: number): number {
  let h = Math.imul(hash ^ word, 0x9e3779b1)
  h ^= h >>> 15
  h = Math.imul(h, 0x85ebca6b)
  return h ^ (h >>> 13)
}
