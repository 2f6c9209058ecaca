/**
 * Packs routes into UPDATE messages (RFC 4271 §9.2) and writes their bytes: withdrawals first, then one attribute set after
 * another, each message as full as it may be. One for all groups; it is empty between two uses.
 *
 *     entries   prefix | path id | next + 1               per route, linked in the order in which they came
 *     buckets   set | except | first + 1 | last | count   per set and the neighbours that it is kept from
 *     buckets of a set    | stamp | bucket |              by set id
 *
 * 12 bytes per waiting route and no object; bytes are written once into arrays of up to {@link slabSize} octets, which hold several
 * messages and are then the receiver's. Bench: `bench/rib.ts`; what its messages decode to is compared with
 * `rib.reference.ts`.
 */
import { addressBytes, versionOf } from '#core/net/address.ts'
import { familyCodes, type Family } from '../family.ts'
import { headerLength } from '../wire/context.ts'
import { mpReachHead, withTwoOctetAsns } from '../wire/update-encode.ts'
import type { AttributeStore } from './attribute-store.ts'
import { grown } from './column.ts'
import type { PrefixTable } from './prefix-table.ts'

/** How the messages of a session are written. */
export interface Encoding {
  family: Family
  fourOctetAsn: boolean
  /** Octets of the largest message. */
  maxLength: number
  /** A path identifier stands before each prefix (RFC 7911 §3). */
  pathIds: boolean
}

/** Takes `bytes`, which hold `messages` whole messages, for all but the neighbours that `except` names. */
export type Emit = (except: number, bytes: Uint8Array, messages: number) => void

/** Nobody is excepted. */
export const noException = 0

/** Two slots, either of which may be 0: those that do not get it. */
export function allBut(a: number, b: number): number {
  return a * 0x1_0000 + b
}

/** Nobody else gets it. */
export function only(slot: number): number {
  return -slot
}

export function isExcepted(except: number, slot: number): boolean {
  if (except === noException) return false
  if (except < 0) return slot !== -except
  return except % 0x1_0000 === slot || Math.floor(except / 0x1_0000) === slot
}

/** At least, and room for a few of the largest messages. */
const slabSize = 64 * 1024
/** Pieces up to this are copied, so that a small message does not keep a slab. */
const copiedSize = 4096
/**
 * The most that an UPDATE needs beside attribute block and NLRI: header and two lengths (23), MP_REACH_NLRI with two IPv6
 * next hops (4 + 3 + 1 + 32 + 1), rounded up.
 */
const overhead = 72
const longestPath = { 'ipv4/unicast': 9, 'ipv6/unicast': 21 } as const satisfies Record<Family, number>
/** Header and both length fields. */
const fixedLength = headerLength + 4

/** Whether a message can carry this set with at least one prefix (RFC 4271 §9.2, last paragraphs). */
export function fits(block: Uint8Array, { family, fourOctetAsn, maxLength }: Encoding): boolean {
  const length = fourOctetAsn ? block.length : withTwoOctetAsns(block).length
  return length + overhead + longestPath[family] <= maxLength
}

export class Outbox {
  #prefixes = new Uint32Array(64)
  #pathIds = new Uint32Array(64)
  #next = new Uint32Array(64)
  #count = 0
  #sets = new Uint32Array(64)
  #excepts: number[] = []
  #firsts = new Uint32Array(64)
  #lasts = new Uint32Array(64)
  #buckets = 0
  #stamps = new Uint32Array(64)
  #bucketOf = new Uint32Array(64)
  #stamp = 1
  /** Buckets of sets that are kept from different neighbours, by set. */
  readonly #others = new Map<number, number[]>()
  #withdrawals: number[] = []

  /** `set`: stays until `write`. */
  announce(set: number, except: number, prefix: number, pathId: number): void {
    if (set >= this.#stamps.length) {
      this.#stamps = grown(this.#stamps, set + 1)
      this.#bucketOf = grown(this.#bucketOf, set + 1)
    }
    let bucket: number
    if (this.#stamps[set] === this.#stamp && this.#excepts[this.#bucketOf[set]!] === except)
      bucket = this.#bucketOf[set]!
    else {
      bucket = this.#stamps[set] === this.#stamp ? this.#other(set, except) : this.#open(set, except)
      this.#stamps[set] = this.#stamp
      this.#bucketOf[set] = bucket
    }
    this.#append(bucket, prefix, pathId)
  }

  withdraw(except: number, prefix: number, pathId: number): void {
    let bucket = this.#withdrawals.at(-1)
    if (bucket === undefined || this.#excepts[bucket] !== except)
      bucket = this.#withdrawals.find((each) => this.#excepts[each] === except)
    if (bucket === undefined) this.#withdrawals.push((bucket = this.#open(0, except)))
    this.#append(bucket, prefix, pathId)
  }

  /** Writes all that waits and forgets it. */
  write(prefixes: PrefixTable, store: AttributeStore, encoding: Encoding, emit: Emit): void {
    if (this.#count === 0) return
    const order = this.#order()
    const writer = new Writer(encoding, prefixes, this.#estimate(order, store, encoding.family))
    let except = this.#excepts[order[0]!]!
    for (const bucket of order) {
      if (this.#excepts[bucket] !== except) {
        writer.deliver(except, emit)
        except = this.#excepts[bucket]!
      }
      const set = this.#sets[bucket]!
      if (set === 0) writer.beginWithdrawals()
      else writer.beginSet(store, set)
      for (let entry = this.#firsts[bucket]!; entry > 0; entry = this.#next[entry - 1]!)
        writer.add(this.#prefixes[entry - 1]!, this.#pathIds[entry - 1]!, except, emit)
      writer.end()
    }
    writer.deliver(except, emit)
    this.#count = 0
    this.#buckets = 0
    this.#excepts = []
    this.#withdrawals = []
    this.#others.clear()
    this.#stamp = (this.#stamp + 1) >>> 0
    if (this.#prefixes.length > 65536) this.#shrink()
  }

  /** Withdrawals first, then all for the same neighbours together, so that they share arrays. */
  #order(): number[] {
    const order = [...this.#withdrawals]
    const excepts = this.#excepts
    const rest: number[] = []
    let same = true
    for (let bucket = 0; bucket < this.#buckets; bucket++) {
      if (this.#sets[bucket] === 0) continue
      rest.push(bucket)
      if (excepts[bucket] !== excepts[rest[0]!]) same = false
    }
    if (!same) rest.sort((a, b) => excepts[a]! - excepts[b]! || a - b)
    return order.concat(rest)
  }

  /** Octets that the messages will take, roughly. */
  #estimate(order: readonly number[], store: AttributeStore, family: Family): number {
    let octets = this.#count * longestPath[family]
    for (const bucket of order)
      octets += 100 + (this.#sets[bucket] === 0 ? 0 : store.blockLength(this.#sets[bucket]!))
    return octets
  }

  #shrink(): void {
    this.#prefixes = new Uint32Array(64)
    this.#pathIds = new Uint32Array(64)
    this.#next = new Uint32Array(64)
  }

  /** The bucket of a set that has one already, kept from others than the last one used. */
  #other(set: number, except: number): number {
    let buckets = this.#others.get(set)
    if (buckets === undefined) this.#others.set(set, (buckets = [this.#bucketOf[set]!]))
    let bucket = buckets.find((each) => this.#excepts[each] === except)
    if (bucket === undefined) buckets.push((bucket = this.#open(set, except)))
    return bucket
  }

  #open(set: number, except: number): number {
    const bucket = this.#buckets++
    if (bucket >= this.#sets.length) {
      this.#sets = grown(this.#sets, bucket + 1)
      this.#firsts = grown(this.#firsts, bucket + 1)
      this.#lasts = grown(this.#lasts, bucket + 1)
    }
    this.#sets[bucket] = set
    this.#excepts[bucket] = except
    this.#firsts[bucket] = 0
    return bucket
  }

  #append(bucket: number, prefix: number, pathId: number): void {
    const entry = this.#count++
    if (entry >= this.#prefixes.length) {
      this.#prefixes = grown(this.#prefixes, entry + 1)
      this.#pathIds = grown(this.#pathIds, entry + 1)
      this.#next = grown(this.#next, entry + 1)
    }
    this.#prefixes[entry] = prefix
    this.#pathIds[entry] = pathId
    this.#next[entry] = 0
    if (this.#firsts[bucket] === 0) this.#firsts[bucket] = entry + 1
    else this.#next[this.#lasts[bucket]!] = entry + 1
    this.#lasts[bucket] = entry
  }
}

/** Writes messages one behind the other into slabs. */
class Writer {
  readonly #encoding: Encoding
  readonly #prefixes: PrefixTable
  readonly #slabSize: number
  #slab: Uint8Array
  /** Where the bytes begin that have not been delivered. */
  #start = 0
  #at = 0
  #messages = 0
  /** Begin of the message being written, −1 for none. */
  #message = -1
  /** What follows the fixed header: the field before the NLRI, in parts. */
  #attributes: Uint8Array = noBytes
  /** Where NEXT_HOP goes in, for NLRI in the message's own field; −1: NLRI go into an attribute. */
  #split = 0
  #nextHop: Uint8Array = noBytes
  #withdraws = false
  #lastAddress = ''

  constructor(encoding: Encoding, prefixes: PrefixTable, estimate: number) {
    this.#encoding = encoding
    this.#prefixes = prefixes
    this.#slabSize = Math.max(slabSize, 4 * encoding.maxLength)
    this.#slab = new Uint8Array(Math.min(encoding.maxLength + estimate, this.#slabSize))
  }

  beginWithdrawals(): void {
    const { family } = this.#encoding
    this.#withdraws = true
    this.#attributes = noBytes
    this.#split = family === 'ipv4/unicast' ? 0 : -1
    this.#nextHop = familyBytes[family]
    this.#lastAddress = ''
  }

  beginSet(store: AttributeStore, set: number): void {
    const { family, fourOctetAsn } = this.#encoding
    const block = store.block(set)
    const nextHop = store.nextHop(set)
    const { global } = nextHop
    this.#withdraws = false
    this.#attributes = fourOctetAsn ? block : withTwoOctetAsns(block)
    const classic = family === 'ipv4/unicast' && versionOf(global) === 4
    this.#split = classic ? nextHopPlace(this.#attributes) : -1
    const address = `${global} ${nextHop.linkLocal ?? ''}`
    if (address === this.#lastAddress) return
    this.#lastAddress = address
    // Flags, type and length before the address; or AFI, SAFI, next hop and the reserved octet.
    this.#nextHop = classic
      ? Uint8Array.of(0x40, 3, 4, ...addressBytes(global))
      : mpReachHead(family, nextHop)
  }

  add(prefix: number, pathId: number, except: number, emit: Emit): void {
    const { maxLength, pathIds } = this.#encoding
    const length = this.#prefixes.nlriLength(prefix) + (pathIds ? 4 : 0)
    if (this.#message >= 0 && this.#length() + length > maxLength) this.end()
    if (this.#message < 0) {
      if (this.#at + maxLength > this.#slab.length) this.#nextSlab(except, emit)
      this.#begin()
    }
    if (pathIds) {
      const slab = this.#slab
      slab[this.#at++] = pathId >>> 24
      slab[this.#at++] = pathId >>> 16
      slab[this.#at++] = pathId >>> 8
      slab[this.#at++] = pathId
    }
    this.#at = this.#prefixes.writeNlri(prefix, this.#slab, this.#at)
  }

  /** The message being written is whole. */
  end(): void {
    if (this.#message < 0) return
    const start = this.#message
    const slab = this.#slab
    const nlriEnd = this.#at
    if (this.#split < 0) {
      // The attribute with the NLRI comes first (RFC 7606 §5.1): its length, then the others behind it.
      writeU16(slab, start + fixedLength + 2, nlriEnd - start - fixedLength - 4)
      this.#copy(this.#attributes, 0, this.#attributes.length)
      writeU16(slab, start + headerLength + 2, this.#at - start - fixedLength)
    } else if (this.#withdraws) {
      writeU16(slab, start + headerLength, nlriEnd - start - headerLength - 2)
      slab[this.#at++] = 0
      slab[this.#at++] = 0
    }
    writeU16(slab, start + 16, this.#at - start)
    this.#message = -1
    this.#messages++
  }

  deliver(except: number, emit: Emit): void {
    if (this.#at === this.#start) return
    const small = this.#at - this.#start <= copiedSize
    const bytes = small ? this.#slab.slice(this.#start, this.#at) : this.#slab.subarray(this.#start, this.#at)
    emit(except, bytes, this.#messages)
    this.#messages = 0
    // What was copied leaves its place free.
    if (small) this.#at = this.#start
    else this.#start = this.#at
  }

  /** Octets of the message if it ended here. */
  #length(): number {
    const written = this.#at - this.#message
    return this.#split < 0 ? written + this.#attributes.length : this.#withdraws ? written + 2 : written
  }

  #nextSlab(except: number, emit: Emit): void {
    this.deliver(except, emit)
    if (this.#at + this.#encoding.maxLength <= this.#slab.length) return
    this.#slab = new Uint8Array(this.#slabSize)
    this.#start = 0
    this.#at = 0
  }

  #begin(): void {
    const slab = this.#slab
    const start = this.#at
    this.#message = start
    slab.fill(0xff, start, start + 16)
    slab[start + 18] = 2
    slab[start + 19] = 0
    slab[start + 20] = 0
    this.#at = start + headerLength + 2
    if (this.#split < 0) {
      this.#at = start + fixedLength
      // Optional, with an extended length; MP_UNREACH_NLRI or MP_REACH_NLRI.
      slab[this.#at] = 0x90
      slab[this.#at + 1] = this.#withdraws ? 15 : 14
      this.#at += 4
      this.#copy(this.#nextHop, 0, this.#nextHop.length)
    } else if (!this.#withdraws) {
      const attributes = this.#attributes
      writeU16(slab, this.#at, attributes.length + this.#nextHop.length)
      this.#at += 2
      this.#copy(attributes, 0, this.#split)
      this.#copy(this.#nextHop, 0, this.#nextHop.length)
      this.#copy(attributes, this.#split, attributes.length)
    }
  }

  #copy(bytes: Uint8Array, from: number, to: number): void {
    const slab = this.#slab
    let at = this.#at
    for (let i = from; i < to; i++) slab[at++] = bytes[i]!
    this.#at = at
  }
}

const noBytes = new Uint8Array(0)

const familyBytes: Record<Family, Uint8Array> = {
  'ipv4/unicast': Uint8Array.of(0, familyCodes['ipv4/unicast'].afi, familyCodes['ipv4/unicast'].safi),
  'ipv6/unicast': Uint8Array.of(0, familyCodes['ipv6/unicast'].afi, familyCodes['ipv6/unicast'].safi),
}

/** Where NEXT_HOP belongs in a block that ascends by type. */
function nextHopPlace(block: Uint8Array): number {
  let at = 0
  while (at < block.length && block[at + 1]! < 3)
    at += (block[at]! & 0x10) === 0 ? 3 + block[at + 2]! : 4 + ((block[at + 2]! << 8) | block[at + 3]!)
  return at
}

function writeU16(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value >>> 8
  bytes[at + 1] = value
}
