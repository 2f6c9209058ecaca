/**
 * Columns indexed by a dense id, in segments, so that growth copies nothing and a range that nothing uses costs nothing.
 *
 *     segments   | → 4096 cells | → 4096 cells | absent: all 0 | → …      4 bytes per cell (Column), 1 bit (BitColumn)
 *
 * A segment appears with the first cell in it that is not 0, and goes by `drop` when its owner knows that all of it is 0.
 * A neighbour that sent few routes so has few segments, and a table that left leaves none. A map is the oracle in its tests.
 * Bench: `bench/rib.ts`.
 */

/** Ids with the same `id >>> segmentBits` share a segment. */
export const segmentBits = 12
export const segmentSize = 1 << segmentBits
const segmentMask = segmentSize - 1

/** Unsigned cells of 32 bits; one that was never set is 0. */
export class Column {
  /** Where the cells lie: cell of `id` at `((id & (segmentSize − 1)) << shift) + offset`. */
  readonly #segments: (Uint32Array<ArrayBuffer> | undefined)[]
  readonly #shift: number
  readonly #offset: number

  /** `segments`, `shift`, `offset`: for columns that lie side by side, see {@link columnsTogether}. */
  constructor(segments: (Uint32Array<ArrayBuffer> | undefined)[] = [], shift = 0, offset = 0) {
    this.#segments = segments
    this.#shift = shift
    this.#offset = offset
  }

  get(id: number): number {
    const segment = this.#segments[id >>> segmentBits]
    return segment === undefined ? 0 : segment[((id & segmentMask) << this.#shift) + this.#offset]!
  }

  set(id: number, value: number): void {
    const segment = this.#segments[id >>> segmentBits]
    if (segment !== undefined) segment[((id & segmentMask) << this.#shift) + this.#offset] = value
    else if (value !== 0)
      this.#appear(id >>> segmentBits)[((id & segmentMask) << this.#shift) + this.#offset] = value
  }

  /** Of a segment whose cells are all 0, also those beside it: gives its memory back. */
  drop(segment: number): void {
    const array = this.#segments[segment]
    if (array === undefined) return
    release(array)
    this.#segments[segment] = undefined
  }

  /** The first id from `from` on whose segment is there; Infinity if there is none. */
  present(from: number): number {
    const segments = this.#segments
    if (segments[from >>> segmentBits] !== undefined) return from
    for (let index = (from >>> segmentBits) + 1; index < segments.length; index++)
      if (segments[index] !== undefined) return index << segmentBits
    return Infinity
  }

  /** Every cell is 0 again, and the memory given back. */
  clear(): void {
    for (const segment of this.#segments) if (segment !== undefined) release(segment)
    this.#segments.length = 0
  }

  #appear(index: number): Uint32Array<ArrayBuffer> {
    while (this.#segments.length <= index) this.#segments.push(undefined)
    return (this.#segments[index] = new Uint32Array(segmentSize << this.#shift))
  }
}

/** Columns whose cells of an id are neighbours in memory, for those that are looked at together. 2 or 4. */
export function columnsTogether(count: 2): [Column, Column]
export function columnsTogether(count: 4): [Column, Column, Column, Column]
export function columnsTogether(count: number): Column[] {
  const segments: (Uint32Array<ArrayBuffer> | undefined)[] = []
  return Array.from({ length: count }, (_, offset) => new Column(segments, Math.log2(count), offset))
}

/** One bit per id. */
export class BitColumn {
  readonly #segments: (Int32Array | undefined)[] = []
  /** Number of bits that are set. */
  count = 0

  has(id: number): boolean {
    const segment = this.#segments[id >>> segmentBits]
    return segment !== undefined && (segment[(id & segmentMask) >>> 5]! & (1 << (id & 31))) !== 0
  }

  add(id: number): void {
    const index = id >>> segmentBits
    while (this.#segments.length <= index) this.#segments.push(undefined)
    const segment = (this.#segments[index] ??= new Int32Array(segmentSize >>> 5))
    const word = (id & segmentMask) >>> 5
    const old = segment[word]!
    segment[word] = old | (1 << (id & 31))
    if (segment[word] !== old) this.count++
  }

  remove(id: number): void {
    const segment = this.#segments[id >>> segmentBits]
    if (segment === undefined) return
    const word = (id & segmentMask) >>> 5
    const old = segment[word]!
    segment[word] = old & ~(1 << (id & 31))
    if (segment[word] !== old) this.count--
  }

  /** The first id from `from` on and below `until` whose bit is set, −1 if there is none. */
  next(from: number, until = Infinity): number {
    const id = this.#next(from, until)
    return id < until ? id : -1
  }

  /** Copies the bits from `from` to `until` in words of 32 that begin at multiples of 32; none if all are 0. */
  words(from: number, until: number): Int32Array {
    if (this.count === 0 || this.next(from, until) < 0) return noWords
    const start = from >>> 5
    const words = new Int32Array(((until - 1) >>> 5) - start + 1)
    for (let i = 0; i < words.length; i++) {
      const segment = this.#segments[(start + i) >>> (segmentBits - 5)]
      if (segment !== undefined) words[i] = segment[(start + i) & (segmentMask >>> 5)]!
    }
    words[0]! &= -1 << (from & 31)
    if ((until & 31) !== 0) words[words.length - 1]! &= ~(-1 << (until & 31))
    return words
  }

  #next(from: number, until: number): number {
    if (this.count === 0) return -1
    for (let index = from >>> segmentBits; index < this.#segments.length; index++) {
      if (index << segmentBits >= until) return -1
      const segment = this.#segments[index]
      if (segment === undefined) continue
      const first = index === from >>> segmentBits ? from & segmentMask : 0
      for (let word = first >>> 5; word < segment.length; word++) {
        let bits = segment[word]!
        if (word === first >>> 5) bits &= -1 << (first & 31)
        if (bits !== 0) return (index << segmentBits) + (word << 5) + 31 - Math.clz32(bits & -bits)
      }
    }
    return -1
  }
}

const noWords = new Int32Array(0)

type TypedArray = Uint8Array | Uint16Array | Uint32Array | Int32Array

/**
 * Gives the memory of an array that nobody looks at any more back at once. Else a table that left would stay until the next
 * collection of garbage, which a process that has nothing to do may never see.
 */
export function release(array: TypedArray & { buffer: ArrayBuffer }): void {
  array.buffer.transfer(0)
}

/** A copy of at least `length` elements, a power of two; the new ones are 0. */
export function grown<T extends TypedArray>(array: T, length: number): T {
  let capacity = Math.max(16, array.length)
  while (capacity < length) capacity *= 2
  const copy = new (array.constructor as new (length: number) => T)(capacity)
  copy.set(array)
  return copy
}
