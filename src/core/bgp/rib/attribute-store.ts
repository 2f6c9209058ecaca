/**
 * Attribute sets interned by their bytes: a path in the RIB is one 32-bit id. What the decision process compares is decoded
 * once per distinct set into columns; everything else stays bytes until somebody asks for it.
 *
 *     slots      Int32 × 2   | hash | id |                      open addressing, second word 0: empty
 *     pool       bytes       | block | block | hole | block …   canonical blocks (`wire/message.ts`), compacted when half is holes
 *     columns    by id       hash offset length nextHop refs | localPref med neighbourAsn pathLength origin flags
 *                            4    4      4      4       4      4         4   4            2          1      1
 *
 * 36 bytes per distinct set plus its block and 12 to 24 bytes of slots; nothing per path. Sets are counted by use: the id of
 * one that nothing uses any more goes to the next new one. Id 0 is no set. Next hops are interned apart, because few serve
 * many sets. Bench: `bench/rib.ts`.
 */
import { assert } from '#core/lib/assert.ts'
import type { PathAttributes } from '../attributes.ts'
import { decodeAttributes } from '../wire/attributes.ts'
import type { NextHop } from '../wire/message.ts'
import { grown } from './column.ts'
import { doubledSlots } from './hash-slots.ts'

/** Bits of {@link AttributeStore.flags}. */
export const attributeFlags = {
  localPref: 1,
  med: 2,
  noExport: 4,
  noAdvertise: 8,
  noExportSubconfed: 16,
  /** The own AS number is in the AS path. */
  ownAsn: 32,
} as const

/** Degree of preference of a route that came without LOCAL_PREF. RFC 4271 leaves it open; this is what all others use. */
export const defaultLocalPref = 100

export class AttributeStore {
  readonly #localAsn: number
  readonly #seed: number
  #slots = new Int32Array(2 * 16)
  #mask = 15
  #pool = new Uint8Array(1024)
  #poolEnd = 0
  #poolDead = 0
  #size = 0
  #top = 1
  #freeHead = 0
  #hashes = new Int32Array(16)
  /** Of a free id: the next free one. */
  #offsets = new Uint32Array(16)
  #lengths = new Uint32Array(16)
  #nextHops = new Uint32Array(16)
  #refs = new Uint32Array(16)
  /** The columns below are for reading only. LOCAL_PREF, or the default if there is none. */
  localPref = new Uint32Array(16)
  /** MULTI_EXIT_DISC, 0 if there is none (RFC 4271 §9.1.2.2 c). */
  med = new Uint32Array(16)
  /** First AS number of the path, 0 if it does not begin with a sequence. */
  neighbourAsn = new Uint32Array(16)
  /** RFC 4271 §9.1.2.2 a: an AS_SET counts one; RFC 5065 §5.3: confederation segments count nothing. */
  pathLength = new Uint16Array(16)
  /** 0 IGP, 1 EGP, 2 INCOMPLETE. */
  origin = new Uint8Array(16)
  flags = new Uint8Array(16)
  readonly #hopIds = new Map<string, number>()
  readonly #hops: { key: string; value: NextHop; refs: number }[] = []
  readonly #freeHops: number[] = []

  /** `seed`: any 32 bits, unknown to neighbours, so that they cannot aim at one slot. */
  constructor(localAsn: number, seed: number) {
    this.#localAsn = localAsn
    this.#seed = seed | 0
  }

  /** Number of distinct sets. */
  get size(): number {
    return this.#size
  }

  /**
   * Id of the set of this block and next hop, held once for the caller, who gives it back with {@link release}. The bytes
   * are copied when they are new.
   */
  intern(block: Uint8Array, nextHop: NextHop): number {
    const hop = this.#internHop(nextHop)
    const hash = this.#hash(block, hop)
    let slot = hash & this.#mask
    for (;;) {
      const id = this.#slots[2 * slot + 1]!
      if (id === 0) return this.#insert(slot, hash, block, hop)
      if (this.#hashes[id] === hash && this.#nextHops[id] === hop && this.#sameBlock(id, block)) {
        this.#refs[id]!++
        return id
      }
      slot = (slot + 1) & this.#mask
    }
  }

  retain(id: number): void {
    this.#refs[id]!++
  }

  release(id: number): void {
    const refs = this.#refs[id]!
    assert(refs > 0, 'a set is released as often as it was held')
    this.#refs[id] = refs - 1
    if (refs === 1) this.#remove(id)
  }

  /** The canonical block, as a view that is valid until the next `intern`. */
  block(id: number): Uint8Array {
    return this.#pool.subarray(this.#offsets[id], this.#offsets[id]! + this.#lengths[id]!)
  }

  nextHop(id: number): NextHop {
    return this.#hops[this.#nextHops[id]!]!.value
  }

  /** Decoded anew at every call. */
  attributes(id: number): PathAttributes {
    return decodeAttributes(this.block(id).slice(), this.nextHop(id))
  }

  #insert(slot: number, hash: number, block: Uint8Array, hop: number): number {
    const id = this.#freeHead > 0 ? this.#freeHead : this.#top++
    if (id >= this.#refs.length) this.#growColumns(id + 1)
    else if (this.#freeHead > 0) this.#freeHead = this.#offsets[id]!
    if (this.#poolEnd + block.length > this.#pool.length) this.#makeRoom(block.length)
    this.#pool.set(block, this.#poolEnd)
    this.#hashes[id] = hash
    this.#offsets[id] = this.#poolEnd
    this.#lengths[id] = block.length
    this.#nextHops[id] = hop
    this.#refs[id] = 1
    this.#poolEnd += block.length
    this.#hops[hop]!.refs++
    this.#decodeColumns(id, block)
    this.#slots[2 * slot] = hash
    this.#slots[2 * slot + 1] = id
    this.#size++
    if (3 * this.#size > 2 * this.#mask) this.#rehash()
    return id
  }

  #remove(id: number): void {
    const slots = this.#slots
    const mask = this.#mask
    let hole = this.#hashes[id]! & mask
    while (slots[2 * hole + 1] !== id) hole = (hole + 1) & mask
    for (let slot = (hole + 1) & mask; slots[2 * slot + 1] !== 0; slot = (slot + 1) & mask) {
      // An entry may move into the hole unless its home lies behind the hole.
      if (((slot - slots[2 * slot]!) & mask) < ((slot - hole) & mask)) continue
      slots[2 * hole] = slots[2 * slot]!
      slots[2 * hole + 1] = slots[2 * slot + 1]!
      hole = slot
    }
    slots[2 * hole + 1] = 0
    this.#poolDead += this.#lengths[id]!
    this.#lengths[id] = 0
    this.#releaseHop(this.#nextHops[id]!)
    this.#offsets[id] = this.#freeHead
    this.#freeHead = id
    this.#size--
  }

  #rehash(): void {
    this.#slots = doubledSlots(this.#slots)
    this.#mask = 2 * this.#mask + 1
  }

  #growColumns(length: number): void {
    this.#hashes = grown(this.#hashes, length)
    this.#offsets = grown(this.#offsets, length)
    this.#lengths = grown(this.#lengths, length)
    this.#nextHops = grown(this.#nextHops, length)
    this.#refs = grown(this.#refs, length)
    this.localPref = grown(this.localPref, length)
    this.med = grown(this.med, length)
    this.neighbourAsn = grown(this.neighbourAsn, length)
    this.pathLength = grown(this.pathLength, length)
    this.origin = grown(this.origin, length)
    this.flags = grown(this.flags, length)
  }

  /** Copies the living blocks together, into a larger pool unless half of it was holes. */
  #makeRoom(needed: number): void {
    const live = this.#poolEnd - this.#poolDead + needed
    let capacity = this.#pool.length
    while (2 * live > capacity) capacity *= 2
    const pool = new Uint8Array(capacity)
    let end = 0
    for (let id = 1; id < this.#top; id++) {
      if (this.#refs[id] === 0) continue
      pool.set(this.block(id), end)
      this.#offsets[id] = end
      end += this.#lengths[id]!
    }
    this.#pool = pool
    this.#poolEnd = end
    this.#poolDead = 0
  }

  #sameBlock(id: number, block: Uint8Array): boolean {
    if (this.#lengths[id] !== block.length) return false
    const pool = this.#pool
    const offset = this.#offsets[id]!
    for (let i = 0; i < block.length; i++) if (pool[offset + i] !== block[i]) return false
    return true
  }

  #hash(block: Uint8Array, hop: number): number {
    let h = this.#seed ^ Math.imul(hop + 1, 0x27d4eb2f)
    const whole = block.length & ~3
    let i = 0
    for (; i < whole; i += 4) {
      const word = block[i]! | (block[i + 1]! << 8) | (block[i + 2]! << 16) | (block[i + 3]! << 24)
      h = Math.imul(h ^ word, 0x9e3779b1)
      h ^= h >>> 15
    }
    for (; i < block.length; i++) h = Math.imul(h ^ block[i]!, 0x85ebca6b)
    return h ^ (h >>> 13)
  }

  #internHop(nextHop: NextHop): number {
    const key = nextHop.linkLocal === undefined ? nextHop.global : `${nextHop.global} ${nextHop.linkLocal}`
    const known = this.#hopIds.get(key)
    if (known !== undefined) return known
    // Counted from its first set on: `intern` never looks a next hop up without then using it.
    const hop = this.#freeHops.pop() ?? this.#hops.length
    this.#hops[hop] = { key, value: nextHop, refs: 0 }
    this.#hopIds.set(key, hop)
    return hop
  }

  #releaseHop(hop: number): void {
    const entry = this.#hops[hop]!
    entry.refs--
    if (entry.refs > 0) return
    this.#hopIds.delete(entry.key)
    this.#freeHops.push(hop)
  }

  /** Walks a canonical block, which is well-formed. */
  #decodeColumns(id: number, block: Uint8Array): void {
    this.localPref[id] = defaultLocalPref
    this.med[id] = 0
    this.neighbourAsn[id] = 0
    this.pathLength[id] = 0
    this.origin[id] = 0
    let flags = 0
    for (let at = 0; at < block.length;) {
      const extended = (block[at]! & 0x10) !== 0
      const type = block[at + 1]!
      const length = extended ? (block[at + 2]! << 8) | block[at + 3]! : block[at + 2]!
      const value = at + (extended ? 4 : 3)
      const end = value + length
      if (type === 1) this.origin[id] = block[value]!
      else if (type === 2) flags |= this.#decodePath(id, block, value, end)
      else if (type === 4) {
        this.med[id] = u32(block, value)
        flags |= attributeFlags.med
      } else if (type === 5) {
        this.localPref[id] = u32(block, value)
        flags |= attributeFlags.localPref
      } else if (type === 8) for (let i = value; i < end; i += 4) flags |= wellKnown(u32(block, i))
      at = end
    }
    this.flags[id] = flags
  }

  #decodePath(id: number, block: Uint8Array, start: number, end: number): number {
    let flags = 0
    let count = 0
    for (let at = start; at < end;) {
      const kind = block[at]!
      const asns = block[at + 1]!
      if (at === start && kind === 2 && asns > 0) this.neighbourAsn[id] = u32(block, at + 2)
      count += kind === 1 ? 1 : kind === 2 ? asns : 0
      for (let i = 0; i < asns; i++)
        if (u32(block, at + 2 + 4 * i) === this.#localAsn) flags |= attributeFlags.ownAsn
      at += 2 + 4 * asns
    }
    this.pathLength[id] = count
    return flags
  }
}

/** RFC 1997, "Well-known Communities". */
function wellKnown(community: number): number {
  if (community === 0xffffff01) return attributeFlags.noExport
  if (community === 0xffffff02) return attributeFlags.noAdvertise
  return community === 0xffffff03 ? attributeFlags.noExportSubconfed : 0
}

function u32(bytes: Uint8Array, at: number): number {
  return ((bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!) >>> 0
}
