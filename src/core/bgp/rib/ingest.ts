/**
 * UPDATEs taken in from where they lie, without a value in between: path attributes that were seen before are known by their
 * bytes, and NLRI go straight to the tables. What is new is decoded once; what is odd in any way (a fault, an End-of-RIB, both
 * kinds of NLRI) is left to `wire/update-decode.ts`, which is the oracle too.
 *
 *     entries   Int32 × 6   | hash | class | offset | length | set | generation |     open addressing, length 0: empty
 *     pool      segments    | bytes | bytes | …
 *
 * The bytes are the path attributes as they came, without MP_UNREACH_NLRI and without the NLRI of MP_REACH_NLRI. A class is what
 * decoding depends on beside them, with the place of MP_REACH_NLRI. Nothing is held: an entry whose set has gone says so by its
 * generation. 24 to 48 bytes per entry, and its bytes, up to {@link poolMax} in all. Bench: `bench/rib.ts`.
 */
import { families, familyCodes, type Family } from '../family.ts'
import { headerLength, type UpdateContext } from '../wire/context.ts'
import { decodeUpdate } from '../wire/update-decode.ts'
import { hashBytes, type AttributeStore } from './attribute-store.ts'
import type { Rib } from './rib.ts'

/** What decoding the UPDATEs of a session depends on; the same object for equal sessions. */
export interface DecodeKind {
  id: number
  context: UpdateContext
  /** By family: carried, and with path identifiers. */
  carries: Record<Family, boolean>
  pathIds: Record<Family, boolean>
  /** Some family has path identifiers. */
  addPath: boolean
}

const stride = 6
const leastEntries = 64
const segmentSize = 256 * 1024
/** Beyond this all is forgotten and learned anew. */
const poolMax = 32 * 1024 * 1024
/** The place of MP_REACH_NLRI where there is none. */
const nowhere = 0xffff

export class Ingest {
  readonly #rib: Rib
  readonly #store: AttributeStore
  readonly #seed: number
  readonly #kinds = new Map<string, DecodeKind>()
  #entries = new Int32Array(stride * leastEntries)
  #mask = leastEntries - 1
  #count = 0
  #segments: Uint8Array[] = []
  #end = segmentSize
  /** Ranges of the message that make up the bytes of an entry. */
  readonly #starts = new Int32Array(4)
  readonly #ends = new Int32Array(4)
  #ranges = 0
  #length = 0

  /** `seed`: any 32 bits, unknown to neighbours. */
  constructor(rib: Rib, seed: number) {
    this.#rib = rib
    this.#store = rib.store
    this.#seed = seed | 0
  }

  kindOf(context: UpdateContext): DecodeKind {
    const { fourOctetAsn, kind, families: carried, extendedNextHop, addPathReceive = [], ends } = context
    const { localAddress, localAddressOtherVersion } = ends ?? {}
    // Whatever decoding comes to look at must be here.
    const parts = {
      fourOctetAsn,
      kind,
      families: carried,
      extendedNextHop,
      addPathReceive,
      ends: [localAddress, localAddressOtherVersion],
    } satisfies Record<keyof UpdateContext, unknown>
    const key = JSON.stringify(parts)
    let known = this.#kinds.get(key)
    if (known === undefined) {
      const by = (list: readonly Family[]) =>
        Object.fromEntries(families.map((family) => [family, list.includes(family)])) as Record<
          Family,
          boolean
        >
      const addPath = addPathReceive.length > 0
      known = { id: this.#kinds.size, context, carries: by(carried), pathIds: by(addPathReceive), addPath }
      this.#kinds.set(key, known)
    }
    return known
  }

  /**
   * Takes in the UPDATE that lies at `start` … `end` of `bytes`, header included. False: it is one to be decoded, and nothing
   * was done.
   */
  take(kind: DecodeKind, slot: number, bytes: Uint8Array, start: number, end: number, now: number): boolean {
    const withdrawnStart = start + headerLength + 2
    const withdrawnEnd = withdrawnStart + u16(bytes, withdrawnStart - 2)
    const attributesStart = withdrawnEnd + 2
    if (attributesStart > end) return false
    const attributesEnd = attributesStart + u16(bytes, withdrawnEnd)
    if (attributesEnd > end) return false
    const rib = this.#rib
    const v4 = 'ipv4/unicast'
    const classic = attributesEnd < end
    const withdraws = withdrawnEnd > withdrawnStart
    if ((classic || withdraws) && !kind.carries[v4]) return false
    if (withdraws && !isClean(bytes, withdrawnStart, withdrawnEnd, v4, kind.pathIds[v4])) return false
    if (attributesEnd === attributesStart) {
      if (classic || !withdraws) return false
      rib.withdraw(slot, v4, bytes, withdrawnStart, withdrawnEnd, kind.pathIds[v4], now)
      return true
    }
    // Where the multiprotocol attributes lie.
    let reach = -1
    let reachValue = 0
    let reachEnd = 0
    let unreach = -1
    let unreachValue = 0
    let unreachEnd = 0
    for (let at = attributesStart; at < attributesEnd;) {
      const flags = bytes[at]!
      const type = bytes[at + 1]!
      const value = at + ((flags & 0x10) === 0 ? 3 : 4)
      if (value > attributesEnd) return false
      const next = value + ((flags & 0x10) === 0 ? bytes[at + 2]! : u16(bytes, at + 2))
      if (next > attributesEnd) return false
      if (type === 14) {
        if (reach >= 0 || classic || (flags & 0xc0) !== 0x80) return false
        reach = at
        reachValue = value
        reachEnd = next
      } else if (type === 15) {
        if (unreach >= 0 || (flags & 0xc0) !== 0x80) return false
        unreach = at
        unreachValue = value
        unreachEnd = next
      }
      at = next
    }
    let unreachFamily: Family | undefined
    if (unreach >= 0) {
      unreachFamily = familyAt(kind, bytes, unreachValue, unreachEnd)
      const nlri = unreachValue + 3
      if (unreachFamily === undefined || nlri === unreachEnd) return false
      if (!isClean(bytes, nlri, unreachEnd, unreachFamily, kind.pathIds[unreachFamily])) return false
    }
    const announces = classic || reach >= 0
    // Without NLRI to announce other attributes have no meaning that is judged here.
    if (!announces && (unreach !== attributesStart || unreachEnd !== attributesEnd)) return false
    let family: Family = v4
    let nlriStart = attributesEnd
    let nlriEnd = end
    let set = 0
    if (announces) {
      if (reach >= 0) {
        const found = familyAt(kind, bytes, reachValue, reachEnd)
        if (found === undefined || reachValue + 4 > reachEnd) return false
        family = found
        nlriStart = reachValue + 5 + bytes[reachValue + 3]!
        nlriEnd = reachEnd
        if (nlriStart >= nlriEnd) return false
      }
      if (!isClean(bytes, nlriStart, nlriEnd, family, kind.pathIds[family])) return false
      this.#ranges = 0
      this.#length = 0
      this.#range(attributesStart, reach >= 0 ? reach : attributesEnd, unreach, unreachEnd)
      if (reach >= 0) {
        this.#range(reachValue, nlriStart, -1, -1)
        this.#range(reachEnd, attributesEnd, unreach, unreachEnd)
      }
      const place = reach < 0 ? nowhere : this.#ends[0]! - this.#starts[0]!
      set = this.#setOf(kind, place, bytes, start, end)
      if (set === 0) return false
    }
    // The routes that go may be the last ones with this set.
    if (announces) this.#store.retain(set)
    if (withdraws) rib.withdraw(slot, v4, bytes, withdrawnStart, withdrawnEnd, kind.pathIds[v4], now)
    if (unreachFamily !== undefined)
      rib.withdraw(slot, unreachFamily, bytes, unreachValue + 3, unreachEnd, kind.pathIds[unreachFamily], now)
    if (!announces) return true
    rib.announce(slot, family, set, bytes, nlriStart, nlriEnd, kind.pathIds[family], now)
    this.#store.release(set)
    return true
  }

  /** Adds from … to without the attribute at skip … skipEnd, if that lies inside. */
  #range(from: number, to: number, skip: number, skipEnd: number): void {
    if (skip >= from && skip < to) {
      this.#add(from, skip)
      this.#add(skipEnd, to)
    } else this.#add(from, to)
  }

  #add(from: number, to: number): void {
    this.#starts[this.#ranges] = from
    this.#ends[this.#ranges] = to
    this.#length += to - from
    this.#ranges++
  }

  /** The set of the attributes in the ranges, 0 if they are to be looked at more closely. */
  #setOf(kind: DecodeKind, place: number, bytes: Uint8Array, start: number, end: number): number {
    const sort = kind.id * 0x1_0000 + place
    let hash = this.#seed ^ sort
    for (let i = 0; i < this.#ranges; i++) hash = hashBytes(hash, bytes, this.#starts[i]!, this.#ends[i]!)
    const entries = this.#entries
    const mask = this.#mask
    let slot = hash & mask
    for (;;) {
      const at = stride * slot
      if (entries[at + 3] === 0) return this.#learn(at, hash, sort, kind, bytes, start, end)
      if (entries[at] === hash && entries[at + 1] === sort && this.#isSame(at, bytes)) {
        const set = entries[at + 4]!
        if (entries[at + 5] === (this.#store.generation[set]! | 0)) return set
        return this.#relearn(at, kind, bytes, start, end)
      }
      slot = (slot + 1) & mask
    }
  }

  #isSame(at: number, bytes: Uint8Array): boolean {
    const entries = this.#entries
    if (entries[at + 3] !== this.#length) return false
    const offset = entries[at + 2]!
    const pool = this.#segments[Math.floor(offset / segmentSize)]!
    let from = offset % segmentSize
    for (let i = 0; i < this.#ranges; i++) {
      const to = this.#ends[i]!
      for (let j = this.#starts[i]!; j < to; j++) if (pool[from++] !== bytes[j]) return false
    }
    return true
  }

  #learn(
    at: number,
    hash: number,
    sort: number,
    kind: DecodeKind,
    bytes: Uint8Array,
    start: number,
    end: number,
  ): number {
    const set = this.#decoded(kind, bytes, start, end)
    if (set === 0) return 0
    const entries = this.#entries
    entries[at] = hash
    entries[at + 1] = sort
    entries[at + 2] = this.#keep(bytes)
    entries[at + 3] = this.#length
    entries[at + 4] = set
    entries[at + 5] = this.#store.generation[set]!
    this.#count++
    if (this.#segments.length * segmentSize > poolMax) this.#forget()
    else if (3 * this.#count > 2 * this.#mask) this.#rebuild()
    return set
  }

  /** The set has gone meanwhile. */
  #relearn(at: number, kind: DecodeKind, bytes: Uint8Array, start: number, end: number): number {
    const set = this.#decoded(kind, bytes, start, end)
    this.#entries[at + 4] = set
    this.#entries[at + 5] = set === 0 ? -1 : this.#store.generation[set]!
    return set
  }

  /** Decodes the message for its attributes; 0 if there is anything to be said about it. */
  #decoded(kind: DecodeKind, bytes: Uint8Array, start: number, end: number): number {
    const decoded = decodeUpdate(bytes.subarray(start + headerLength, end), kind.context)
    if (!decoded.ok) return 0
    const { announced, attributes, faults } = decoded.value
    const [block] = announced
    if (faults.length > 0 || announced.length !== 1 || block === undefined) return 0
    return this.#store.internBlockTransient(attributes, block.nextHop)
  }

  /** Copies the ranges into the pool and gives the place. */
  #keep(bytes: Uint8Array): number {
    if (this.#end + this.#length > segmentSize) {
      this.#segments.push(new Uint8Array(this.#segments.length === 0 ? 16 * 1024 : segmentSize))
      this.#end = 0
    }
    let pool = this.#segments.at(-1)!
    if (this.#end + this.#length > pool.length) {
      // The first one starts small, for the many speakers that hear little.
      const larger = new Uint8Array(segmentSize)
      larger.set(pool)
      this.#segments[this.#segments.length - 1] = pool = larger
    }
    const offset = (this.#segments.length - 1) * segmentSize + this.#end
    for (let i = 0; i < this.#ranges; i++) {
      const from = this.#starts[i]!
      const to = this.#ends[i]!
      for (let j = from; j < to; j++) pool[this.#end++] = bytes[j]!
    }
    return offset
  }

  #forget(): void {
    this.#segments = []
    this.#end = segmentSize
    this.#entries = new Int32Array(stride * leastEntries)
    this.#mask = leastEntries - 1
    this.#count = 0
  }

  /** Takes over what is still valid, with its bytes. */
  #rebuild(): void {
    const old = this.#entries
    const { generation } = this.#store
    const lives = (at: number) => old[at + 3] !== 0 && (generation[old[at + 4]!]! | 0) === old[at + 5]
    const segments = this.#segments
    let live = 0
    for (let at = 0; at < old.length; at += stride) if (lives(at)) live++
    const compacts = 2 * live < this.#count
    this.#forget()
    if (!compacts) {
      this.#segments = segments
      this.#end = segments.at(-1)!.length
    }
    let capacity = leastEntries
    while (capacity < 3 * live) capacity *= 2
    this.#entries = new Int32Array(stride * capacity)
    this.#mask = capacity - 1
    this.#count = live
    for (let at = 0; at < old.length; at += stride) {
      if (!lives(at)) continue
      let slot = old[at]! & this.#mask
      while (this.#entries[stride * slot + 3] !== 0) slot = (slot + 1) & this.#mask
      this.#entries.set(old.subarray(at, at + stride), stride * slot)
      if (!compacts) continue
      const pool = segments[Math.floor(old[at + 2]! / segmentSize)]!
      this.#ranges = 0
      this.#length = 0
      this.#add(old[at + 2]! % segmentSize, (old[at + 2]! % segmentSize) + old[at + 3]!)
      this.#entries[stride * slot + 2] = this.#keep(pool)
    }
  }
}

/** A family that the session carries, by AFI and SAFI at `at`. */
function familyAt(kind: DecodeKind, bytes: Uint8Array, at: number, end: number): Family | undefined {
  if (at + 3 > end || bytes[at] !== 0 || bytes[at + 2] !== 1) return undefined
  for (const family of families)
    if (familyCodes[family].afi === bytes[at + 1]) return kind.carries[family] ? family : undefined
  return undefined
}

/** Whether NLRI are such that nothing has to be said or changed about them: see `checkNlri`. */
function isClean(bytes: Uint8Array, start: number, end: number, family: Family, pathIds: boolean): boolean {
  const is4 = family === 'ipv4/unicast'
  const longest = is4 ? 32 : 128
  const skip = pathIds ? 4 : 0
  let at = start
  while (at < end) {
    at += skip
    if (at >= end) return false
    const length = bytes[at]!
    const next = at + 1 + ((length + 7) >>> 3)
    if (length > longest || next > end) return false
    const used = length & 7
    if (used !== 0 && (bytes[next - 1]! & (0xff >> used)) !== 0) return false
    const first = bytes[at + 1]!
    // Multicast.
    if (is4 ? length >= 4 && (first & 0xf0) === 0xe0 : length >= 8 && first === 0xff) return false
    at = next
  }
  return true
}

function u16(bytes: Uint8Array, at: number): number {
  return (bytes[at]! << 8) | bytes[at + 1]!
}
