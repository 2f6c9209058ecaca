/**
 * Readers and writers of big-endian (network order) bytes.
 *
 * A reader fails once and stays failed: after the first read past its end every read gives zero or nothing and
 * `failed` is true, so that a parser checks once per message part and not once per field.
 */
import { assert } from './assert.ts'

export class ByteReader {
  readonly bytes: Uint8Array
  /** Index in `bytes` of the next byte to read. */
  offset: number
  /** Index in `bytes` after the last byte that may be read. */
  readonly end: number
  failed = false

  constructor(bytes: Uint8Array, offset = 0, end = bytes.length) {
    assert(offset >= 0 && end <= bytes.length && offset <= end, 'reader bounds')
    this.bytes = bytes
    this.offset = offset
    this.end = end
  }

  get remaining(): number {
    return this.end - this.offset
  }

  u8(): number {
    const at = this.#advance(1)
    return at < 0 ? 0 : this.bytes[at]!
  }

  u16(): number {
    const at = this.#advance(2)
    return at < 0 ? 0 : (this.bytes[at]! << 8) | this.bytes[at + 1]!
  }

  u32(): number {
    const at = this.#advance(4)
    if (at < 0) return 0
    const b = this.bytes
    return ((b[at]! << 24) | (b[at + 1]! << 16) | (b[at + 2]! << 8) | b[at + 3]!) >>> 0
  }

  /** A view of the next `length` bytes, not a copy. Empty when there are fewer. */
  take(length: number): Uint8Array {
    const at = this.#advance(length)
    return at < 0 ? this.bytes.subarray(0, 0) : this.bytes.subarray(at, at + length)
  }

  /** A reader of the next `length` bytes; this reader goes on after them. A failed one when there are fewer. */
  part(length: number): ByteReader {
    const at = this.#advance(length)
    const part = new ByteReader(this.bytes, at < 0 ? this.end : at, at < 0 ? this.end : at + length)
    part.failed = at < 0
    return part
  }

  #advance(length: number): number {
    if (this.failed || length > this.end - this.offset) {
      this.failed = true
      return -1
    }
    const at = this.offset
    this.offset += length
    return at
  }
}

/** Appends to a buffer that grows; `finish` gives the bytes written so far as a copy. */
export class ByteWriter {
  #bytes: Uint8Array
  #length = 0

  constructor(capacity = 256) {
    this.#bytes = new Uint8Array(capacity)
  }

  get length(): number {
    return this.#length
  }

  u8(value: number): this {
    const at = this.#reserve(1)
    this.#bytes[at] = value
    return this
  }

  u16(value: number): this {
    const at = this.#reserve(2)
    this.#bytes[at] = value >>> 8
    this.#bytes[at + 1] = value
    return this
  }

  u32(value: number): this {
    const at = this.#reserve(4)
    const b = this.#bytes
    b[at] = value >>> 24
    b[at + 1] = value >>> 16
    b[at + 2] = value >>> 8
    b[at + 3] = value
    return this
  }

  raw(bytes: Uint8Array): this {
    const at = this.#reserve(bytes.length)
    this.#bytes.set(bytes, at)
    return this
  }

  /** Overwrites the two bytes at `at`, which were written before: for lengths that are known afterwards. */
  patchU16(at: number, value: number): this {
    assert(at + 2 <= this.#length, 'patch inside what was written')
    this.#bytes[at] = value >>> 8
    this.#bytes[at + 1] = value
    return this
  }

  finish(): Uint8Array {
    return this.#bytes.slice(0, this.#length)
  }

  #reserve(length: number): number {
    const at = this.#length
    const needed = at + length
    if (needed > this.#bytes.length) {
      const grown = new Uint8Array(Math.max(needed, 2 * this.#bytes.length))
      grown.set(this.#bytes)
      this.#bytes = grown
    }
    this.#length = needed
    return at
  }
}

/** Same length and content. */
export function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false
  return true
}

/** Lower-case hexadecimal digits, two per byte. */
export function hex(bytes: Uint8Array): string {
  let text = ''
  for (const byte of bytes) text += byte.toString(16).padStart(2, '0')
  return text
}
