/**
 * What RFC 4271 §6.3 and RFC 7606 say must come of an UPDATE, read straight from their text: slow of mind, and made without
 * a line of the decoder. Where the texts leave the subcode open, every one that they allow is an answer.
 */
import type { Family } from '#core/bgp/family.ts'
import type { UpdateContext } from '#core/bgp/wire/context.ts'

export type Verdict =
  /** The session ends with UPDATE Message Error and one of these subcodes. */
  { kind: 'reset'; subcodes: Set<number> } | Taken

export interface Taken {
  kind: 'taken'
  /** RFC 7606 §2: what is announced counts as withdrawn. */
  treatAsWithdraw: boolean
  /** Types of attributes that are discarded for being malformed, out of place or again there. */
  discarded: Set<number>
  announced: Tally
  withdrawn: Tally
  /** Types that go on with announced routes, but NEXT_HOP and the multiprotocol ones. */
  kept: Set<number>
  /** Values of kept attributes that have one form only. */
  values: Map<number, Uint8Array>
  /** AS numbers of the path, where it has sequences alone: with those of AS4_PATH for AS_TRANS (RFC 6793 §4.2.3). */
  asPath: number[] | undefined
  /** AS number of AGGREGATOR, likewise. */
  aggregator: number | undefined
}

/** Prefixes counted and summed, in whatever order. */
export interface Tally {
  count: number
  sum: number
}

/** Adds what stands for one path of a prefix; `octets`: of the prefix, host bits cleared. */
export function tally(into: Tally, family: Family, pathId: number, length: number, octets: Uint8Array): void {
  let hash = Math.imul(pathId + 1, 0x9e3779b1) ^ (length * 2 + (family === 'ipv4/unicast' ? 0 : 1))
  for (const octet of octets) hash = Math.imul(hash ^ octet, 0x01000193)
  into.count++
  into.sum = (into.sum + (hash >>> 0)) % 0x1_0000_0000
}

/** Told each path: what names it within its family. */
export type PathListener = (what: 'announced' | 'withdrawn', family: Family, key: string) => void

/** `body`: of the message, at least four octets. */
export function judgeUpdate(body: Uint8Array, context: UpdateContext, listener?: PathListener): Verdict {
  const u16 = (at: number) => body[at]! * 256 + body[at + 1]!
  const withdrawnEnd = 2 + u16(0)
  // RFC 7606 §3 b.
  if (withdrawnEnd + 2 > body.length) return { kind: 'reset', subcodes: new Set([1]) }
  const attributesEnd = withdrawnEnd + 2 + u16(withdrawnEnd)
  if (attributesEnd > body.length) return { kind: 'reset', subcodes: new Set([1]) }
  const judge = new Judge(context)
  judge.listener = listener
  judge.nlri('ipv4/unicast', body.subarray(2, withdrawnEnd), judge.withdrawn, 10)
  judge.attributes(body.subarray(withdrawnEnd + 2, attributesEnd))
  return judge.conclude(body.subarray(attributesEnd))
}

class Judge {
  readonly context: UpdateContext
  readonly withdrawn: Tally = { count: 0, sum: 0 }
  readonly announced: Tally = { count: 0, sum: 0 }
  /** Subcodes of what must end the session. */
  readonly resets = new Set<number>()
  /** Subcodes of what asks for treat-as-withdraw. */
  readonly soft = new Set<number>()
  treatAsWithdraw = false
  readonly discarded = new Set<number>()
  readonly kept = new Set<number>()
  readonly values = new Map<number, Uint8Array>()
  readonly seen = new Set<number>()
  listener: PathListener | undefined
  path: number[] | undefined
  as4Path: number[] | undefined
  /** A set stands in a path: how it counts with others is left open. */
  hasSets = false
  aggregator: number | undefined
  as4Aggregator: number | undefined
  nextHop: Uint8Array | undefined
  /** MP_REACH_NLRI says that something can be reached, and by what. */
  reachable = false
  reachNextHop: Uint8Array | undefined

  constructor(context: UpdateContext) {
    this.context = context
  }

  /** RFC 7606 §5.3. */
  nlri(family: Family, field: Uint8Array, into: Tally, subcode: number): void {
    const max = family === 'ipv4/unicast' ? 32 : 128
    const before = this.context.addPathReceive?.includes(family) === true ? 4 : 0
    const wanted = this.context.families.includes(family)
    for (let at = 0; at < field.length;) {
      const length = field[at + before]
      const from = at + before + 1
      const end = from + Math.ceil((length ?? 0) / 8)
      if (length === undefined || length > max || end > field.length) {
        this.resets.add(subcode)
        return
      }
      const octets = field.slice(from, end)
      if (length % 8 !== 0) octets[octets.length - 1]! &= 256 - 2 ** (8 - (length % 8))
      // RFC 4271 §6.3: an unexpected multicast address is ignored.
      const multicast =
        family === 'ipv4/unicast' ? length >= 4 && octets[0]! >> 4 === 14 : length >= 8 && octets[0] === 255
      let pathId = 0
      for (let i = 0; i < before; i++) pathId = pathId * 256 + field[at + i]!
      if (wanted && !multicast) {
        tally(into, family, pathId, length, octets)
        const what = into === this.announced ? 'announced' : 'withdrawn'
        this.listener?.(what, family, `${pathId}:${length}:${octets.join('.')}`)
      }
      at = end
    }
  }

  attributes(field: Uint8Array): void {
    for (let at = 0; at < field.length;) {
      const flags = field[at]!
      const extended = (flags & 0x10) !== 0
      const head = extended ? 4 : 3
      const type = field[at + 1]
      const length = extended ? field[at + 2]! * 256 + field[at + 3]! : field[at + 2]!
      // RFC 7606 §4, and §3 j where the multiprotocol NLRI are cut off.
      if (at + head > field.length || at + head + length > field.length) {
        if (type === 14 || type === 15) this.resets.add(1)
        this.withdraw(1)
        return
      }
      this.attribute(flags, type!, field.subarray(at + head, at + head + length))
      at += head + length
    }
  }

  attribute(flags: number, type: number, value: Uint8Array): void {
    if (this.seen.has(type)) {
      // RFC 7606 §3 g.
      if (type === 14 || type === 15) this.resets.add(1)
      else this.discarded.add(type)
      return
    }
    this.seen.add(type)
    const category = categories[type]
    if (category === undefined) {
      // RFC 4271 §6.3 and §5; type 0 is reserved.
      if ((flags & 0x80) === 0) this.resets.add(2)
      else if (type === 0) this.discarded.add(0)
      else if ((flags & 0x40) !== 0) this.keep(type, value)
      return
    }
    const external = this.context.kind === 'ebgp'
    // RFC 7606 §7.5, §7.9, §7.10; RFC 6793 §4.1.
    const outOfPlace = external ? type === 5 || type === 9 || type === 10 : false
    if (outOfPlace || ((type === 17 || type === 18) && this.context.fourOctetAsn)) {
      this.discarded.add(type)
      return
    }
    if (type === 26 && (flags & 0x40) !== 0) {
      // RFC 7311 §3.2.
      this.discarded.add(26)
      return
    }
    if ((flags & 0xc0) !== category) {
      // RFC 7606 §3 c, and §5.3 with RFC 4760 §7.
      if (type === 14 || type === 15) this.resets.add(9)
      else this.withdraw(4)
      return
    }
    this.value(type, value)
  }

  value(type: number, value: Uint8Array): void {
    const asnOctets = this.context.fourOctetAsn ? 4 : 2
    switch (type) {
      case 1:
        if (value.length !== 1) return this.withdraw(5)
        if (value[0]! > 2) return this.withdraw(6)
        break
      case 2:
        if (!this.goodPath(value, asnOctets, this.context.kind === 'ebgp')) return this.withdraw(11)
        // RFC 5065 §5: a member AS has put itself in front.
        if (this.context.kind === 'confed' && value[0] !== 3) return this.withdraw(11)
        this.path = this.numbersOf(value, asnOctets)
        break
      case 3:
        this.nextHop = value
        return
      case 4:
      case 5:
        if (value.length !== 4) return this.withdraw(5)
        break
      case 6:
        if (value.length !== 0) return void this.discarded.add(6)
        break
      case 7:
        if (!goodAggregator(value, asnOctets)) return void this.discarded.add(7)
        this.aggregator = numberAt(value, 0, asnOctets)
        break
      case 17:
        if (value.length === 0 || !this.goodPath(value, 4, false)) this.discarded.add(17)
        else this.as4Path = this.numbersOf(value, 4)
        // Otherwise it becomes part of AS_PATH (RFC 6793 §4.2.3).
        return
      case 18:
        if (!goodAggregator(value, 4)) this.discarded.add(18)
        else this.as4Aggregator = numberAt(value, 0, 4)
        return
      case 9:
      case 35:
        if (value.length !== 4) return this.withdraw(5, 9)
        break
      case 14:
        return this.reach(value)
      case 15: {
        if (value.length < 3) return void this.resets.add(9)
        const family = familyOf(value)
        if (family === undefined || !this.context.families.includes(family)) return
        return this.nlri(family, value.subarray(3), this.withdrawn, 9)
      }
      case 26:
        break
      default: {
        // Lists, of at least one member (RFC 7606 §7.8, §7.10, §7.14, §7.15; RFC 8092 §6).
        const octets = { 8: 4, 10: 4, 16: 8, 25: 20, 32: 12 }[type]!
        if (value.length === 0 || value.length % octets !== 0) return this.withdraw(5, 9)
      }
    }
    this.keep(type, value)
  }

  /** RFC 7606 §7.11, §5.3; RFC 2545 §3; RFC 8950 §3. */
  reach(value: Uint8Array): void {
    const length = value[3]
    if (length === undefined || value.length < 5 + length) {
      this.resets.add(9)
      return
    }
    const family = familyOf(value)
    const nlri = value.subarray(5 + length)
    if (family === undefined || !this.context.families.includes(family)) {
      // RFC 4760 §7.
      this.reachable = true
      return
    }
    const lengths =
      family === 'ipv6/unicast' ? [16, 32] : this.context.extendedNextHop.includes(family) ? [4, 16, 32] : [4]
    if (!lengths.includes(length)) {
      this.resets.add(9)
      return
    }
    this.nlri(family, nlri, this.announced, 9)
    this.reachable = nlri.length > 0
    if (nlri.length > 0) this.reachNextHop = value.subarray(4, 4 + length)
  }

  conclude(field: Uint8Array): Verdict {
    this.nlri('ipv4/unicast', field, this.announced, 10)
    if (field.length > 0 || this.reachNextHop !== undefined) {
      // RFC 7606 §3 d.
      if (!this.seen.has(1) || !this.seen.has(2)) this.withdraw(3)
    }
    if (field.length > 0 && !this.seen.has(3)) this.withdraw(3)
    // RFC 7606 §7.3, but RFC 4760 §3: beside MP_REACH_NLRI alone it is ignored.
    const judged = field.length > 0 || !this.seen.has(14)
    if (judged && this.nextHop !== undefined && this.nextHop.length !== 4) this.withdraw(5, 8)
    // RFC 4271 §6.3: such a route is ignored.
    if (field.length > 0 && this.nextHop?.length === 4 && this.unusable(this.nextHop)) this.withdraw(8)
    if (this.reachNextHop !== undefined && this.unusable(globalOf(this.reachNextHop))) this.withdraw(8)
    if (this.resets.size > 0) return { kind: 'reset', subcodes: this.resets }
    // RFC 7606 §5.2.
    if (this.treatAsWithdraw && field.length === 0 && !this.reachable)
      return { kind: 'reset', subcodes: this.soft }
    if (this.treatAsWithdraw) {
      this.withdrawn.count += this.announced.count
      this.withdrawn.sum = (this.withdrawn.sum + this.announced.sum) % 0x1_0000_0000
      this.announced.count = this.announced.sum = 0
    }
    const { treatAsWithdraw, discarded, announced, withdrawn, kept, values } = this
    const { asPath, aggregator } = this.widened()
    return {
      kind: 'taken',
      treatAsWithdraw,
      discarded,
      announced,
      withdrawn,
      kept,
      values,
      asPath,
      aggregator,
    }
  }

  /** RFC 6793 §4.2.3. */
  widened(): Pick<Taken, 'asPath' | 'aggregator'> {
    const { path, as4Path, aggregator, as4Aggregator } = this
    if (this.hasSets || path === undefined) return { asPath: undefined, aggregator: undefined }
    // An aggregator of two octets that is not AS_TRANS has made the path anew: what stands beside it is stale.
    if (aggregator !== undefined && aggregator !== 23456 && as4Aggregator !== undefined)
      return { asPath: path, aggregator }
    const merged =
      as4Path === undefined || as4Path.length > path.length
        ? path
        : [...path.slice(0, path.length - as4Path.length), ...as4Path]
    return { asPath: merged, aggregator: aggregator === 23456 ? (as4Aggregator ?? 23456) : aggregator }
  }

  /** Of a well-formed path. */
  numbersOf(value: Uint8Array, octets: number): number[] {
    const numbers: number[] = []
    for (let at = 0; at < value.length;) {
      if (value[at] !== 2) this.hasSets = true
      const end = at + 2 + value[at + 1]! * octets
      for (at += 2; at < end; at += octets) numbers.push(numberAt(value, at, octets))
    }
    return numbers
  }

  withdraw(...subcodes: number[]): void {
    this.treatAsWithdraw = true
    for (const subcode of subcodes) this.soft.add(subcode)
  }

  keep(type: number, value: Uint8Array): void {
    this.kept.add(type)
    // AS numbers become wider, lists are sorted, and AIGP is cut to its metric.
    if (![2, 7, 8, 16, 25, 26, 32].includes(type)) this.values.set(type, value)
  }

  /** RFC 7606 §7.2, RFC 7607 §2, RFC 5065 §5. */
  goodPath(value: Uint8Array, octets: number, external: boolean): boolean {
    let at = 0
    while (at < value.length) {
      const [type = 0, count = 0] = [value[at], value[at + 1]]
      if (type < 1 || type > 4 || count === 0 || (external && type > 2)) return false
      at += 2
      for (let i = 0; i < count; i++, at += octets) {
        if (at + octets > value.length) return false
        if (value.subarray(at, at + octets).every((octet) => octet === 0)) return false
      }
    }
    return true
  }

  /** RFC 4271 §6.3: not the address of a host, or the receiver's own. */
  unusable(nextHop: Uint8Array): boolean {
    const { ends } = this.context
    if (nextHop.length === 4) {
      const text = nextHop.join('.')
      if (text === ends?.localAddress || text === ends?.localAddressOtherVersion) return true
      return nextHop[0] === 0 || nextHop[0] === 127 || nextHop[0]! >= 224
    }
    return nextHop[0] === 255 || (nextHop.subarray(0, 15).every((octet) => octet === 0) && nextHop[15]! < 2)
  }
}

/** Optional and Transitive bits of what Herald recognises. */
const categories: Record<number, number> = {
  1: 0x40,
  2: 0x40,
  3: 0x40,
  4: 0x80,
  5: 0x40,
  6: 0x40,
  7: 0xc0,
  8: 0xc0,
  9: 0x80,
  10: 0x80,
  14: 0x80,
  15: 0x80,
  16: 0xc0,
  17: 0xc0,
  18: 0xc0,
  25: 0xc0,
  26: 0x80,
  32: 0xc0,
  35: 0xc0,
}

function numberAt(value: Uint8Array, at: number, octets: number): number {
  let number = 0
  for (let i = at; i < at + octets; i++) number = number * 256 + value[i]!
  return number
}

function familyOf(value: Uint8Array): Family | undefined {
  if (value[0] !== 0 || value[2] !== 1) return undefined
  return value[1] === 1 ? 'ipv4/unicast' : value[1] === 2 ? 'ipv6/unicast' : undefined
}

function globalOf(nextHop: Uint8Array): Uint8Array {
  if (nextHop.length !== 32) return nextHop
  const [global, linkLocal] = [nextHop.subarray(0, 16), nextHop.subarray(16)]
  const none = global.every((octet) => octet === 0)
  return none && linkLocal[0] === 0xfe && linkLocal[1]! >> 6 === 2 ? linkLocal : global
}

/** RFC 7606 §7.7, RFC 7607 §2. */
function goodAggregator(value: Uint8Array, asnOctets: number): boolean {
  return value.length === asnOctets + 4 && !value.subarray(0, asnOctets).every((octet) => octet === 0)
}
