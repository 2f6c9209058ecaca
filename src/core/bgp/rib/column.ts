/**
 * Columns indexed by a dense id, in segments, so that growth copies nothing and a range that nothing uses costs nothing.
 *
 *     segments   | → 4096 cells | → 4096 cells | absent: all 0 | → …      4 bytes per cell (Column), 1 bit (BitColumn)
 *
 * A segment appears with the first cell in it that is not 0, and goes by `drop` when its owner knows that all of it is 0.
 * A neighbour that sent few routes so has few segments, and a table that left leaves none.
 */

/** Ids with the same `id >>> segmentBits` share a segment. */
export const segmentBits = 12
export const segmentSize = 1 << segmentBits
const segmentMask = segmentSize - 1

/** Unsigned cells of 32 bits; one that was never set is 0. */
export class Column {
  /** For loops over whole columns. */
  readonly segments: (Uint32Array | undefined)[] = []

  get(id: number): number {
    const segment = this.segments[id >>> segmentBits]
    return segment === undefined ? 0 : segment[id & segmentMask]!
  }

  set(id: number, value: number): void {
    const segment = this.segments[id >>> segmentBits]
    if (segment !== undefined) segment[id & segmentMask] = value
    else if (value !== 0) this.#appear(id >>> segmentBits)[id & segmentMask] = value
  }

  /** Of a segment whose cells are all 0: gives its memory back. */
  drop(segment: number): void {
    if (segment < this.segments.length) this.segments[segment] = undefined
  }

  /** Every cell is 0 again, and the memory given back. */
  clear(): void {
    this.segments.length = 0
  }

  #appear(index: number): Uint32Array {
    while (this.segments.length <= index) this.segments.push(undefined)
    return (this.segments[index] = new Uint32Array(segmentSize))
  }
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

  /** The first id from `from` on whose bit is set, −1 if there is none. */
  next(from: number): number {
    for (let index = from >>> segmentBits; index < this.#segments.length; index++) {
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

type TypedArray = Uint8Array | Uint16Array | Uint32Array | Int32Array

/** A copy of at least `length` elements, a power of two; the new ones are 0. */
export function grown<T extends TypedArray>(array: T, length: number): T {
  let capacity = Math.max(16, array.length)
  while (capacity < length) capacity *= 2
  const copy = new (array.constructor as new (length: number) => T)(capacity)
  copy.set(array)
  return copy
}
