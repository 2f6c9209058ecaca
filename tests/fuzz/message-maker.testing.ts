/**
 * Hostile messages: well-formed ones of every type are built piece by piece, any piece may come out wrong, and the bytes may
 * be damaged afterwards. One buffer serves all cases, so that making a message costs little beside judging it.
 */
import type { Prng } from '#core/lib/prng.ts'
import type { Family } from '#core/bgp/family.ts'
import type { UpdateContext } from '#core/bgp/wire/context.ts'

const headerLength = 19
/** How often a piece comes out wrong: one time in so many. */
const rarity = 14

export class MessageMaker {
  readonly #random: Prng
  readonly #buffer = new Uint8Array(70_000)
  #at = 0

  constructor(random: Prng) {
    this.#random = random
  }

  /** A whole UPDATE. The array is a copy. */
  update(context: UpdateContext): Uint8Array {
    this.#begin(2)
    const random = this.#random
    const classic = random.below(3)
    const lengths = this.#at
    this.#u16(0)
    if (classic === 0 || this.#oddly()) this.#nlri('ipv4/unicast', context)
    this.#patch(lengths, this.#at - lengths - 2)
    const attributes = this.#at
    this.#u16(0)
    this.#attributes(context, classic === 1)
    this.#patch(attributes, this.#at - attributes - 2)
    if (classic === 1 || this.#oddly()) this.#nlri('ipv4/unicast', context)
    if (random.below(40) === 0)
      this.#patch(random.pick([lengths, attributes]), random.below(random.pick([64, 0x10000])))
    return this.#end(random.below(4) === 0)
  }

  /** A whole OPEN. The array is a copy. */
  open(asn: number): Uint8Array {
    this.#begin(1)
    const random = this.#random
    this.#u8(this.#oddly() ? random.below(256) : 4)
    this.#u16(this.#oddly() ? random.below(3) : asn)
    this.#u16(this.#oddly() ? random.below(4) : random.pick([0, 3, 90, 180, 65535]))
    for (let i = 0; i < 4; i++) this.#u8(this.#oddly() ? 0 : 1 + random.below(250))
    const extended = random.below(6) === 0
    const start = this.#at
    if (extended) this.#u8(255).#u8(255).#u16(0)
    else this.#u8(0)
    const from = this.#at
    for (let parameters = random.below(5); parameters > 0; parameters--) this.#parameter(asn, extended)
    const length = this.#at - from
    if (!this.#oddly()) {
      if (extended) this.#patch(start + 2, length)
      else this.#buffer[start] = length
    }
    return this.#end(random.below(3) === 0)
  }

  /** A whole NOTIFICATION, KEEPALIVE, ROUTE-REFRESH or message of an unknown type. The array is a copy. */
  other(): Uint8Array {
    const random = this.#random
    const type = this.#oddly() ? random.below(256) : random.pick([3, 4, 5])
    this.#begin(type)
    if (type === 3) {
      this.#u8(random.below(9)).#u8(random.below(12))
      this.#noise(random.pick([0, 0, 1, 5, 130, 300]))
    } else if (type === 5)
      this.#u16(1 + random.below(2))
        .#u8(random.below(3))
        .#u8(1)
    if (this.#oddly()) this.#noise(random.below(30))
    return this.#end(random.below(4) === 0)
  }

  #attributes(context: UpdateContext, announces: boolean): void {
    const random = this.#random
    const reach = random.below(3) === 0
    if (reach) this.#attribute(14, 0x80, context)
    if (random.below(4) === 0) this.#attribute(15, 0x80, context)
    if (announces || reach) {
      if (!this.#oddly()) this.#attribute(1, 0x40, context)
      if (!this.#oddly()) this.#attribute(2, 0x40, context)
      if (announces && !this.#oddly()) this.#attribute(3, 0x40, context)
    }
    for (let more = random.below(4); more > 0; more--) {
      const [type, flags] = random.pick(known)
      if (random.below(6) === 0)
        this.#attribute(random.below(256), random.pick([0x80, 0xc0, 0xe0, 0x40]), context)
      else this.#attribute(type, flags, context)
    }
    if (random.below(30) === 0) this.#noise(1 + random.below(4))
  }

  #attribute(type: number, flags: number, context: UpdateContext): void {
    const random = this.#random
    const extended = random.below(5) === 0
    let sent = flags | (extended ? 0x10 : 0) | (random.below(10) === 0 ? 0x20 : 0)
    if (this.#oddly()) sent ^= 1 << random.below(8)
    const wide = (sent & 0x10) !== 0
    this.#u8(sent).#u8(type)
    const length = this.#at
    if (wide) this.#u16(0)
    else this.#u8(0)
    const start = this.#at
    if (this.#oddly()) this.#noise(random.below(20))
    else this.#value(type, context)
    if (!wide && this.#at - start > 255) this.#at = start + random.below(256)
    let said = this.#at - start
    if (random.below(60) === 0) said = random.below(wide ? 0x300 : 0x100)
    if (wide) this.#patch(length, said)
    else this.#buffer[length] = said
  }

  #value(type: number, context: UpdateContext): void {
    const random = this.#random
    switch (type) {
      case 1:
        this.#u8(random.below(this.#oddly() ? 5 : 3))
        return
      case 2:
        if (context.kind === 'confed' && !this.#oddly()) {
          this.#u8(3).#u8(1)
          this.#asn(context.fourOctetAsn ? 4 : 2)
        }
        return this.#asPath(context.fourOctetAsn ? 4 : 2)
      case 3:
        return this.#address4()
      case 6:
        return
      case 7:
        this.#asn(context.fourOctetAsn ? 4 : 2)
        return this.#address4()
      case 14:
        return this.#reach(context)
      case 15: {
        const family = this.#family()
        this.#codes(family)
        if (random.below(8) > 0) this.#nlri(family, context)
        return
      }
      case 17:
        return this.#asPath(4)
      case 18:
        this.#asn(4)
        return this.#address4()
      default: {
        const unit = units[type] ?? 1 + random.below(9)
        const count = type === 4 || type === 5 || type === 9 || type === 35 ? 1 : 1 + random.below(5)
        this.#noise(unit * count)
      }
    }
  }

  #reach(context: UpdateContext): void {
    const random = this.#random
    const family = this.#family()
    this.#codes(family)
    const length = this.#oddly()
      ? random.pick([0, 4, 16, 24, 32, 33])
      : family === 'ipv4/unicast'
        ? random.pick([4, 16])
        : random.pick([16, 32])
    this.#u8(length)
    if (length === 4) this.#address4()
    else {
      const start = this.#at
      this.#noise(length)
      if (length >= 16) {
        this.#buffer[start] = random.pick([0x20, 0x20, 0x20, 0xfe, 0xff, 0])
        if (this.#oddly()) this.#buffer.fill(0, start, start + 15)
      }
      if (length === 32) this.#buffer[start + 16] = 0xfe
      if (length === 32) this.#buffer[start + 17] = 0x80
    }
    this.#u8(this.#oddly() ? random.below(256) : 0)
    if (random.below(10) > 0) this.#nlri(family, context)
  }

  #asPath(octets: number): void {
    const random = this.#random
    for (let segments = random.below(3); segments > 0; segments--) {
      this.#u8(this.#oddly() ? random.below(6) : random.pick([1, 2, 2, 2]))
      const count = this.#oddly() ? random.below(3) : 1 + random.below(5)
      this.#u8(count)
      for (let i = 0; i < count; i++) this.#asn(octets)
      if (random.below(40) === 0) this.#u8(random.below(256))
    }
  }

  #asn(octets: number): void {
    const random = this.#random
    const asn = random.below(80) === 0 ? 0 : random.pick([64512, 65001, 23456, 1 + random.below(0xffff)])
    if (octets === 4) this.#u16(asn === 0 ? 0 : random.below(3))
    this.#u16(asn)
  }

  #address4(): void {
    const first = this.#random.below(30)
    this.#u8(first === 0 ? 0 : first === 1 ? 127 : first === 2 ? 224 + this.#random.below(32) : 192)
      .#u8(0)
      .#u8(2)
      .#u8(this.#random.below(4))
  }

  #nlri(family: Family, context: UpdateContext): void {
    const random = this.#random
    const pathIds = context.addPathReceive?.includes(family) === true
    const max = family === 'ipv4/unicast' ? 32 : 128
    for (let count = 1 + random.below(6); count > 0; count--) {
      if (pathIds !== (random.below(300) === 0)) if (pathIds) this.#u16(0).#u16(random.below(3))
      const length = random.below(120) === 0 ? random.below(256) : random.below(max + 1)
      this.#u8(length)
      const octets = (length + 7) >> 3
      const sent = random.below(200) === 0 ? random.below(octets + 1) : octets
      this.#noise(sent)
      const used = length & 7
      if (sent > 0 && used > 0 && random.below(8) > 0)
        this.#buffer[this.#at - 1] = this.#buffer[this.#at - 1]! & (0xff00 >> used)
    }
  }

  #parameter(asn: number, extended: boolean): void {
    const random = this.#random
    this.#u8(this.#oddly() ? random.below(256) : 2)
    const length = this.#at
    if (extended) this.#u16(0)
    else this.#u8(0)
    const start = this.#at
    for (let count = random.below(4); count > 0; count--) this.#capability(asn)
    const said = this.#oddly() ? random.below(40) : this.#at - start
    if (extended) this.#patch(length, said)
    else this.#buffer[length] = said
  }

  #capability(asn: number): void {
    const random = this.#random
    const code = random.below(5) === 0 ? random.below(256) : random.pick(capabilities)
    this.#u8(code)
    const length = this.#at
    this.#u8(0)
    if (this.#oddly()) this.#noise(random.below(12))
    else if (code === 1)
      this.#u16(1 + random.below(2))
        .#u8(0)
        .#u8(1)
    else if (code === 5) this.#u16(1).#u16(1).#u16(2)
    else if (code === 9) this.#u8(random.below(6))
    else if (code === 64) this.#u16(random.below(0x10000)).#u16(1).#u8(1).#u8(random.below(256))
    else if (code === 65) this.#u16(0).#u16(this.#oddly() ? 0 : asn)
    else if (code === 69)
      this.#u16(1 + random.below(2))
        .#u8(1)
        .#u8(random.below(5))
    else if (code === 71) this.#u16(1).#u8(1).#u8(0).#u8(0).#u16(random.below(0x10000))
    else if (code !== 2 && code !== 6 && code !== 70) this.#noise(random.below(9))
    this.#buffer[length] = this.#oddly() ? random.below(20) : this.#at - length - 1
  }

  #family(): Family {
    return this.#random.below(2) === 0 ? 'ipv4/unicast' : 'ipv6/unicast'
  }

  #codes(family: Family): void {
    const afi = this.#oddly() ? this.#random.below(4) : family === 'ipv4/unicast' ? 1 : 2
    this.#u16(afi).#u8(this.#oddly() ? this.#random.below(130) : 1)
  }

  #begin(type: number): void {
    this.#buffer.fill(0xff, 0, 16)
    this.#at = 16
    this.#u16(0).#u8(type)
  }

  /** `damage`: some bytes are changed, taken out or put in. The length in the header is right, but rarely. */
  #end(damage: boolean): Uint8Array {
    const random = this.#random
    if (damage) {
      for (let times = 1 + random.below(3); times > 0; times--) {
        const body = this.#at - headerLength
        const at = headerLength + random.below(Math.max(1, body))
        const kind = random.below(4)
        if (kind === 0 && body > 1) this.#at = at
        else if (kind === 1) this.#noise(1 + random.below(8))
        else this.#buffer[at] = random.pick([0, 1, 0x7f, 0x80, 0xff, random.below(256)])
      }
    }
    const length = Math.min(this.#at, 4096)
    this.#patch(16, length)
    if (random.below(100) === 0) this.#buffer[random.below(headerLength)] = random.below(256)
    return this.#buffer.slice(0, length)
  }

  #oddly(): boolean {
    return this.#random.below(rarity) === 0
  }

  #noise(length: number): void {
    for (let i = 0; i < length; i++) this.#u8(this.#random.below(256))
  }

  #u8(value: number): this {
    this.#buffer[this.#at++] = value
    return this
  }

  #u16(value: number): this {
    return this.#u8(value >> 8).#u8(value)
  }

  #patch(at: number, value: number): void {
    this.#buffer[at] = value >> 8
    this.#buffer[at + 1] = value
  }
}

/** Octets of one element, by attribute type. */
const units: Record<number, number> = { 4: 4, 5: 4, 8: 4, 9: 4, 10: 4, 16: 8, 25: 20, 32: 12, 35: 4 }

const capabilities = [1, 1, 2, 5, 6, 9, 64, 65, 65, 69, 70, 71, 73] as const

const known: readonly (readonly [type: number, flags: number])[] = [
  [1, 0x40],
  [2, 0x40],
  [3, 0x40],
  [4, 0x80],
  [5, 0x40],
  [6, 0x40],
  [7, 0xc0],
  [8, 0xc0],
  [9, 0x80],
  [10, 0x80],
  [15, 0x80],
  [16, 0xc0],
  [17, 0xc0],
  [18, 0xc0],
  [25, 0xc0],
  [26, 0x80],
  [32, 0xc0],
  [35, 0xc0],
]
