/**
 * Attribute sets interned by their bytes: a path in the RIB is one 32-bit id. What the decision process compares is decoded
 * once per distinct set into columns; everything else stays bytes until somebody asks for it.
 *
 *     slots      Int32 × 2   | hash | id |                        open addressing, second word 0: empty
 *     pool       segments    | id | length | block | id | …      canonical blocks (`wire/message.ts`); a segment that is more
 *                                                                 than half holes is moved together with the newest one
 *     columns    by id       hash offset length hop refs generation | localPref med neighbourAsn originAsn shape originatorId …
 *                            4    4      4      4   4    4            4         4   4            4         4     4
 *
 * 53 bytes per distinct set plus its block, 8 bytes before it and 12 to 24 bytes of slots; nothing per path. Sets are counted by use:
 * the id of one that nothing uses any more goes to the next new one, and its generation tells the two apart. The last few that
 * went out of use stay for a while: the set of a route that comes and goes, and what policies made of it, stays known. Id 0 is
 * no set.
 * Next hops are interned apart, because few serve many sets. Bench: `bench/rib.ts`; a map is the oracle in its tests.
 */
import { assert } from '#core/lib/assert.ts'
import type { Address } from '#core/net/address.ts'
import type { PathAttributes } from '../attributes.ts'
import { decodeAttributes, encodeAttributes } from '../wire/attributes.ts'
import type { NextHop } from '../wire/message.ts'
import { grown } from './column.ts'

/** Bits of {@link AttributeStore.flags}. */
export const attributeFlags = {
  localPref: 1,
  med: 2,
  weight: 4,
  aigp: 8,
  /** Has the community LLGR_STALE (RFC 9494 §3.2). */
  longLivedStale: 16,
  /** Has the community NO_LLGR (RFC 9494 §3.3). */
  noLongLived: 32,
} as const

/** Degree of preference of a route that came without LOCAL_PREF. RFC 4271 leaves it open; this is what all others use. */
export const defaultLocalPref = 100

const segmentBits = 18
const segmentSize = 1 << segmentBits
const recordHead = 8
/** Sets that stay after nothing uses them any more. */
const keptMax = 64

interface Segment {
  bytes: Uint8Array
  end: number
  /** Octets of records of sets that are gone. */
  dead: number
}

interface Hop {
  key: string
  value: NextHop
  refs: number
}

export class AttributeStore {
  readonly #seed: number
  #slots = new Int32Array(2 * 16)
  #mask = 15
  readonly #segments: (Segment | undefined)[] = []
  #current = -1
  #size = 0
  #top = 1
  #freeHead = 0
  #hashes = new Int32Array(16)
  /** Segment and offset of the block. Of a free id: the next free one. */
  #offsets = new Uint32Array(16)
  #lengths = new Uint32Array(16)
  #hopOf = new Uint32Array(16)
  #refs = new Uint32Array(16)
  /** The columns below are for reading only. Counts up whenever the id is freed. */
  generation = new Uint32Array(16)
  /** LOCAL_PREF, or the default if there is none. */
  localPref = new Uint32Array(16)
  /** MULTI_EXIT_DISC, 0 if there is none (RFC 4271 §9.1.2.2 c). */
  med = new Uint32Array(16)
  /** First AS number of the path beyond confederation segments, 0 if that is not in a sequence (RFC 5065 §5.3). */
  neighbourAsn = new Uint32Array(16)
  /** Last AS number of the path, 0 if that is not in a sequence (RFC 6811 §2). */
  originAsn = new Uint32Array(16)
  /**
   * Path length × 4 + origin (0 IGP, 1 EGP, 2 INCOMPLETE). RFC 4271 §9.1.2.2 a: an AS_SET counts one; RFC 5065 §5.3:
   * confederation segments count nothing.
   */
  shape = new Uint32Array(16)
  /** RFC 4456 §8; 0 if there is none. */
  originatorId = new Uint32Array(16)
  clusterListLength = new Uint16Array(16)
  flags = new Uint8Array(16)
  readonly #aigp = new Map<number, bigint>()
  readonly #weights = new Map<number, number>()
  readonly #hopIds = new Map<string, number>()
  readonly #hops: Hop[] = []
  readonly #freeHops: number[] = []
  /** Of them, those with a link-local address beside. */
  readonly #linkLocalHops = new Set<number>()
  /** Whose address a next hop is, by hop. */
  #hopOwners = new Uint32Array(16)
  readonly #owners = new Map<Address, number>()
  readonly #transient: number[] = []
  /** Sets that went out of use, some of which have come back since; the next place to be taken. */
  readonly #kept = new Uint32Array(keptMax)
  #isKept = new Uint8Array(16)
  #nextKept = 0
  readonly #ownAsn: number

  /**
   * `seed`: any 32 bits, unknown to neighbours, so that they cannot aim at one slot. `ownAsn`: the origin of paths that have
   * passed no other AS (RFC 6811 §2).
   */
  constructor(seed: number, ownAsn = 0) {
    this.#seed = seed | 0
    this.#ownAsn = ownAsn
  }

  /** Number of distinct sets that are in use. */
  get size(): number {
    let idle = 0
    for (const id of this.#kept) if (id !== 0 && this.#refs[id] === 0) idle++
    return this.#size - idle
  }

  /** All ids are below this. */
  get top(): number {
    return this.#top
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
      if (this.#hashes[id] === hash && this.#hopOf[id] === hop && this.#sameBlock(id, block)) {
        this.#refs[id]!++
        return id
      }
      slot = (slot + 1) & this.#mask
    }
  }

  /** The set of these attributes, held until {@link releaseTransient}. */
  internTransient(attributes: PathAttributes): number {
    const { nextHop: global, linkLocalNextHop: linkLocal } = attributes
    const nextHop = linkLocal === undefined ? { global } : { global, linkLocal }
    const id = this.intern(encodeAttributes(attributes), nextHop)
    this.#transient.push(id)
    return id
  }

  /** As {@link internTransient}. */
  internBlockTransient(block: Uint8Array, nextHop: NextHop): number {
    const id = this.intern(block, nextHop)
    this.#transient.push(id)
    return id
  }

  releaseTransient(): void {
    for (const id of this.#transient) this.release(id)
    this.#transient.length = 0
  }

  retain(id: number): void {
    this.#refs[id]!++
  }

  release(id: number): void {
    const refs = this.#refs[id]!
    assert(refs > 0, 'a set is released as often as it was held')
    this.#refs[id] = refs - 1
    if (refs === 1 && this.#isKept[id] === 0) this.#keep(id)
  }

  /** The canonical block, as a view that is valid until the next `intern` or `release`. */
  block(id: number): Uint8Array {
    const length = this.#lengths[id]!
    if (length === 0) return noBytes
    const offset = this.#offsets[id]!
    const start = offset & (segmentSize - 1)
    return this.#segments[offset >>> segmentBits]!.bytes.subarray(start, start + length)
  }

  blockLength(id: number): number {
    return this.#lengths[id]!
  }

  nextHop(id: number): NextHop {
    return this.#hops[this.#hopOf[id]!]!.value
  }

  /** Given by import policy, 0 if it was not. */
  weight(id: number): number {
    return (this.flags[id]! & attributeFlags.weight) === 0 ? 0 : this.#weights.get(id)!
  }

  /** RFC 7311; undefined if there is none. */
  aigp(id: number): bigint | undefined {
    return (this.flags[id]! & attributeFlags.aigp) === 0 ? undefined : this.#aigp.get(id)
  }

  /** Decoded anew at every call. */
  attributes(id: number): PathAttributes {
    return decodeAttributes(this.block(id).slice(), this.nextHop(id))
  }

  /** Says that `slot` is the neighbour with this address. Of several with one address the first one counts. */
  addOwner(address: Address, slot: number): void {
    if (!this.#owners.has(address)) this.#setOwner(address, slot)
  }

  /** Says that it is so no longer. */
  removeOwner(address: Address, slot: number): void {
    if (this.#owners.get(address) === slot) this.#setOwner(address, 0)
  }

  #setOwner(address: Address, slot: number): void {
    if (slot === 0) this.#owners.delete(address)
    else this.#owners.set(address, slot)
    const plain = this.#hopIds.get(address)
    if (plain !== undefined) this.#hopOwners[plain] = slot
    for (const hop of this.#linkLocalHops)
      if (this.#hops[hop]!.value.global === address) this.#hopOwners[hop] = slot
  }

  /** The neighbour whose address is the next hop of this set, 0 if it is nobody's. */
  ownerOf(id: number): number {
    return this.#hopOwners[this.#hopOf[id]!]!
  }

  #insert(slot: number, hash: number, block: Uint8Array, hop: number): number {
    const id = this.#freeHead > 0 ? this.#freeHead : this.#top++
    if (id >= this.#refs.length) this.#growColumns(id + 1)
    else if (this.#freeHead > 0) this.#freeHead = this.#offsets[id]!
    this.#hashes[id] = hash
    this.#lengths[id] = block.length
    this.#hopOf[id] = hop
    this.#refs[id] = 1
    this.#place(id, block)
    this.#hops[hop]!.refs++
    this.#decodeColumns(id, block)
    this.#slots[2 * slot] = hash
    this.#slots[2 * slot + 1] = id
    this.#size++
    if (3 * this.#size > 2 * this.#mask) this.#resize(2 * (this.#mask + 1))
    return id
  }

  /** Copies the block behind the others of the newest segment, or into a new one. */
  #place(id: number, block: Uint8Array): void {
    const needed = recordHead + block.length
    let segment = this.#segments[this.#current]
    if (segment === undefined || segment.end + needed > segment.bytes.length) {
      // The first one starts small, for the many speakers with few sets.
      const size = this.#size === 0 ? Math.max(needed, 4096) : Math.max(needed, segmentSize)
      let index = this.#segments.indexOf(undefined)
      if (index < 0) index = this.#segments.length
      segment = { bytes: new Uint8Array(size), end: 0, dead: 0 }
      this.#segments[index] = segment
      this.#current = index
    }
    const at = segment.end
    writeU32(segment.bytes, at, id)
    writeU32(segment.bytes, at + 4, block.length)
    segment.bytes.set(block, at + recordHead)
    segment.end = at + needed
    this.#offsets[id] = this.#current * segmentSize + at + recordHead
  }

  /** In place of the one that has been kept longest. */
  #keep(id: number): void {
    const longest = this.#kept[this.#nextKept]!
    this.#kept[this.#nextKept] = id
    this.#nextKept = (this.#nextKept + 1) % keptMax
    this.#isKept[id] = 1
    if (longest === 0) return
    this.#isKept[longest] = 0
    if (this.#refs[longest] === 0) this.#remove(longest)
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
    if ((this.flags[id]! & attributeFlags.aigp) !== 0) this.#aigp.delete(id)
    if ((this.flags[id]! & attributeFlags.weight) !== 0) this.#weights.delete(id)
    const segment = this.#offsets[id]! >>> segmentBits
    const length = this.#lengths[id]!
    this.#lengths[id] = 0
    this.generation[id]!++
    this.#releaseHop(this.#hopOf[id]!)
    this.#offsets[id] = this.#freeHead
    this.#freeHead = id
    this.#size--
    this.#bury(segment, length)
    if (8 * this.#size < this.#mask && this.#mask > 15) this.#resize((this.#mask + 1) >>> 1)
  }

  /** Counts a record as a hole, and moves what lives in its segment when that is less than half. */
  #bury(index: number, length: number): void {
    if (this.#size === 0) {
      this.#segments.length = 0
      this.#current = -1
      return
    }
    const segment = this.#segments[index]
    if (segment === undefined) return
    segment.dead += recordHead + length
    if (index === this.#current || 2 * segment.dead <= segment.end) return
    const { bytes, end } = segment
    this.#segments[index] = undefined
    for (let at = 0; at < end;) {
      const id = readU32(bytes, at)
      const octets = readU32(bytes, at + 4)
      const start = at + recordHead
      const lives = this.#lengths[id] === octets && this.#offsets[id] === index * segmentSize + start
      at = start + octets
      if (lives && octets > 0) this.#place(id, bytes.subarray(start, at))
    }
  }

  #resize(capacity: number): void {
    const old = this.#slots
    const slots = new Int32Array(2 * capacity)
    for (let i = 0; i < old.length; i += 2) {
      if (old[i + 1] === 0) continue
      let slot = old[i]! & (capacity - 1)
      while (slots[2 * slot + 1] !== 0) slot = (slot + 1) & (capacity - 1)
      slots[2 * slot] = old[i]!
      slots[2 * slot + 1] = old[i + 1]!
    }
    this.#slots = slots
    this.#mask = capacity - 1
  }

  #growColumns(length: number): void {
    this.#hashes = grown(this.#hashes, length)
    this.#offsets = grown(this.#offsets, length)
    this.#lengths = grown(this.#lengths, length)
    this.#hopOf = grown(this.#hopOf, length)
    this.#refs = grown(this.#refs, length)
    this.generation = grown(this.generation, length)
    this.localPref = grown(this.localPref, length)
    this.med = grown(this.med, length)
    this.neighbourAsn = grown(this.neighbourAsn, length)
    this.originAsn = grown(this.originAsn, length)
    this.shape = grown(this.shape, length)
    this.originatorId = grown(this.originatorId, length)
    this.clusterListLength = grown(this.clusterListLength, length)
    this.flags = grown(this.flags, length)
    this.#isKept = grown(this.#isKept, length)
  }

  #sameBlock(id: number, block: Uint8Array): boolean {
    if (this.#lengths[id] !== block.length) return false
    if (block.length === 0) return true
    const offset = this.#offsets[id]!
    const { bytes } = this.#segments[offset >>> segmentBits]!
    const start = offset & (segmentSize - 1)
    for (let i = 0; i < block.length; i++) if (bytes[start + i] !== block[i]) return false
    return true
  }

  #hash(block: Uint8Array, hop: number): number {
    return hashBytes(this.#seed ^ Math.imul(hop + 1, 0x27d4eb2f), block, 0, block.length)
  }

  #internHop(value: NextHop): number {
    let key: string = value.global
    if (value.linkLocal !== undefined) key += ` ${value.linkLocal}`
    const known = this.#hopIds.get(key)
    if (known !== undefined) return known
    // Counted from its first set on: `intern` never looks a next hop up without then using it.
    const hop = this.#freeHops.pop() ?? this.#hops.length
    this.#hops[hop] = { key, value, refs: 0 }
    this.#hopIds.set(key, hop)
    if (value.linkLocal !== undefined) this.#linkLocalHops.add(hop)
    this.#hopOwners = hop < this.#hopOwners.length ? this.#hopOwners : grown(this.#hopOwners, hop + 1)
    this.#hopOwners[hop] = this.#owners.get(value.global) ?? 0
    return hop
  }

  #releaseHop(hop: number): void {
    const entry = this.#hops[hop]!
    entry.refs--
    if (entry.refs > 0) return
    this.#hopIds.delete(entry.key)
    this.#linkLocalHops.delete(hop)
    this.#freeHops.push(hop)
  }

  /** Walks a canonical block, which is well-formed. */
  #decodeColumns(id: number, block: Uint8Array): void {
    this.localPref[id] = defaultLocalPref
    this.med[id] = 0
    this.neighbourAsn[id] = 0
    this.originAsn[id] = this.#ownAsn
    this.originatorId[id] = 0
    this.clusterListLength[id] = 0
    let flags = 0
    let shape = 0
    for (let at = 0; at < block.length;) {
      const extended = (block[at]! & 0x10) !== 0
      const type = block[at + 1]!
      const length = extended ? (block[at + 2]! << 8) | block[at + 3]! : block[at + 2]!
      const value = at + (extended ? 4 : 3)
      const end = value + length
      if (type === 1) shape += block[value]!
      else if (type === 2) shape += 4 * this.#decodePath(id, block, value, end)
      else if (type === 4) {
        this.med[id] = readU32(block, value)
        flags |= attributeFlags.med
      } else if (type === 5) {
        this.localPref[id] = readU32(block, value)
        flags |= attributeFlags.localPref
      } else if (type === 8) for (let i = value; i < end; i += 4) flags |= wellKnown(readU32(block, i))
      else if (type === 0 && length === 4) {
        this.#weights.set(id, readU32(block, value))
        flags |= attributeFlags.weight
      } else if (type === 9) this.originatorId[id] = readU32(block, value)
      else if (type === 10) this.clusterListLength[id] = length >>> 2
      else if (type === 26 && length >= 11) {
        // RFC 7311 §3: the first TLV, of type 1 and length 11.
        this.#aigp.set(id, (BigInt(readU32(block, value + 3)) << 32n) | BigInt(readU32(block, value + 7)))
        flags |= attributeFlags.aigp
      }
      at = end
    }
    this.flags[id] = flags
    this.shape[id] = shape
  }

  /** Gives the length of the path. */
  #decodePath(id: number, block: Uint8Array, start: number, end: number): number {
    let count = 0
    let first = true
    for (let at = start; at < end;) {
      const kind = block[at]!
      const asns = block[at + 1]!
      const next = at + 2 + 4 * asns
      if (first && kind <= 2) {
        if (kind === 2 && asns > 0) this.neighbourAsn[id] = readU32(block, at + 2)
        first = false
      }
      if (kind <= 2) this.originAsn[id] = kind === 2 && asns > 0 ? readU32(block, next - 4) : 0
      count += kind === 1 ? 1 : kind === 2 ? asns : 0
      at = next
    }
    return count
  }
}

const noBytes = new Uint8Array(0)

/** A hash of `bytes` from `start` to `end`, going on from `seed`. */
export function hashBytes(seed: number, bytes: Uint8Array, start: number, end: number): number {
  let h = seed
  let i = start
  for (; i + 4 <= end; i += 4) {
    const word = bytes[i]! | (bytes[i + 1]! << 8) | (bytes[i + 2]! << 16) | (bytes[i + 3]! << 24)
    h = Math.imul(h ^ word, 0x9e3779b1)
    h ^= h >>> 15
  }
  for (; i < end; i++) h = Math.imul(h ^ bytes[i]!, 0x85ebca6b)
  return h ^ (h >>> 13)
}

/** RFC 9494 §3.2, §3.3. */
function wellKnown(community: number): number {
  if (community === 0xffff0006) return attributeFlags.longLivedStale
  return community === 0xffff0007 ? attributeFlags.noLongLived : 0
}

function readU32(bytes: Uint8Array, at: number): number {
  return ((bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!) >>> 0
}

function writeU32(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value >>> 24
  bytes[at + 1] = value >>> 16
  bytes[at + 2] = value >>> 8
  bytes[at + 3] = value
}
