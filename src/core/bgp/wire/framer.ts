/** Cuts a connection's bytes into messages and checks their headers (RFC 4271 §4.1, §6.1). Bodies are not looked at. */
import { assert } from '#core/lib/assert.ts'
import type { ByteWriter } from '#core/lib/bytes.ts'
import { err, ok, type Result } from '#core/lib/result.ts'
import { shownOctets } from '../io.ts'
import { defaultMaxLength, headerLength } from './context.ts'
import type { MessageError } from './message.ts'

/** Type codes of messages (RFC 4271 §4.1, RFC 2918 §3). */
export const messageType = { open: 1, update: 2, notification: 3, keepalive: 4, routeRefresh: 5 } as const

/** Shortest message of each type, header included. */
const minLengths: Partial<Record<number, number>> = { 1: 29, 2: 23, 3: 21, 4: 19, 5: 23 }

const noBytes = new Uint8Array(0)

/**
 * One per connection. Messages are read in place: `advance` says where the next one lies, as a range of `bytes`, and only one
 * that straddles two chunks is copied together first. After an error nothing more comes out: where the next message starts is
 * not known.
 */
export class Framer {
  /** Holds the message that `advance` found at `start` … `end`; a chunk as pushed, or an array of the message's own. */
  bytes: Uint8Array = noBytes
  start = 0
  end = 0
  /** What ended the stream, from the `advance` that met it on. `bytes` then begins with the header that it is about. */
  error: MessageError | undefined
  /** The chunk being read, and how far. */
  #chunk: Uint8Array = noBytes
  #at = 0
  /** Chunks after that one. */
  readonly #later: Uint8Array[] = []
  /** Begin of a message whose end is in a later chunk: as long as its header, then as the message. */
  #gathered: Uint8Array = noBytes
  #gatheredLength = 0
  #maxLength = defaultMaxLength

  /** Octets of the longest UPDATE, NOTIFICATION and ROUTE-REFRESH, 4096..65535, from now on (RFC 8654 §4). */
  setMaxLength(maxLength: number): void {
    assert(maxLength >= defaultMaxLength && maxLength <= 0xffff, 'maximum message length in bounds')
    this.#maxLength = maxLength
  }

  /**
   * Takes the next bytes of the stream and keeps the array until its last message is read; it must not change before. What
   * earlier calls brought need not have been read.
   */
  push(chunk: Uint8Array): void {
    if (this.error !== undefined || chunk.length === 0) return
    if (this.#at === this.#chunk.length) {
      this.#chunk = chunk
      this.#at = 0
    } else this.#later.push(chunk)
  }

  /** Moves to the next whole message. False when more bytes are needed, or there is an `error`. */
  advance(): boolean {
    if (this.error !== undefined) return false
    if (this.#gatheredLength > 0) return this.#gather()
    const start = this.#at
    const left = this.#chunk.length - start
    if (left < headerLength) return left > 0 && this.#gatherFrom(headerLength)
    if (!this.#check(this.#chunk, start)) return false
    const length = messageLength(this.#chunk, start)
    if (left < length) return this.#gatherFrom(length)
    this.#at = start + length
    return this.#found(this.#chunk, start, start + length)
  }

  /** The next whole message, header included; undefined when more bytes are needed. It may be a view of a chunk. */
  next(): Result<Uint8Array, MessageError> | undefined {
    const failed = this.error !== undefined
    if (this.advance()) return ok(this.bytes.subarray(this.start, this.end))
    return failed || this.error === undefined ? undefined : err(this.error)
  }

  #gatherFrom(length: number): boolean {
    this.#gathered = new Uint8Array(length)
    return this.#gather()
  }

  /** Goes on with the message that straddles chunks. */
  #gather(): boolean {
    for (;;) {
      const wanted = this.#gathered.length - this.#gatheredLength
      const part = this.#chunk.subarray(this.#at, this.#at + wanted)
      this.#gathered.set(part, this.#gatheredLength)
      this.#gatheredLength += part.length
      this.#at += part.length
      if (part.length < wanted) {
        if (!this.#nextChunk()) return false
        continue
      }
      const gathered = this.#gathered
      if (gathered.length > headerLength) return this.#foundGathered()
      if (!this.#check(gathered, 0)) return false
      const length = messageLength(gathered, 0)
      if (length === headerLength) return this.#foundGathered()
      this.#gathered = new Uint8Array(length)
      this.#gathered.set(gathered)
    }
  }

  /** False when all that was pushed has been read. */
  #nextChunk(): boolean {
    const next = this.#later.shift()
    this.#chunk = next ?? noBytes
    this.#at = 0
    return next !== undefined
  }

  #foundGathered(): true {
    const message = this.#gathered
    this.#gathered = noBytes
    this.#gatheredLength = 0
    return this.#found(message, 0, message.length)
  }

  #found(bytes: Uint8Array, start: number, end: number): true {
    this.bytes = bytes
    this.start = start
    this.end = end
    if (this.#at === this.#chunk.length) this.#nextChunk()
    return true
  }

  #check(bytes: Uint8Array, at: number): boolean {
    this.error = headerError(bytes, at, this.#maxLength)
    if (this.error === undefined) return true
    this.bytes = bytes.slice(at, at + shownOctets)
    this.#chunk = this.#gathered = noBytes
    this.#at = this.#gatheredLength = this.start = 0
    this.end = this.bytes.length
    this.#later.length = 0
    return false
  }
}

/** Appends a message header. `length`: of the whole message. */
export function writeHeader(writer: ByteWriter, type: number, length: number): void {
  for (let i = 0; i < 4; i++) writer.u32(0xffffffff)
  writer.u16(length).u8(type)
}

function messageLength(bytes: Uint8Array, at: number): number {
  return (bytes[at + 16]! << 8) | bytes[at + 17]!
}

/** RFC 4271 §6.1. `at`: of the header, which is whole. */
function headerError(bytes: Uint8Array, at: number, maxLength: number): MessageError | undefined {
  for (let i = at; i < at + 16; i++) {
    if (bytes[i] !== 0xff)
      return { code: 1, subcode: 1, data: noBytes, message: 'the marker is not all ones' }
  }
  const length = messageLength(bytes, at)
  const type = bytes[at + 18]!
  const min = minLengths[type]
  // RFC 8654 §4: OPEN and KEEPALIVE never grow.
  const max = type === messageType.open || type === messageType.keepalive ? defaultMaxLength : maxLength
  const exact = type === messageType.keepalive && length !== headerLength
  if (length < headerLength || length > max || (min !== undefined && length < min) || exact) {
    const data = bytes.slice(at + 16, at + 18)
    return { code: 1, subcode: 2, data, message: `a message of type ${type} with length ${length}` }
  }
  if (min === undefined)
    return { code: 1, subcode: 3, data: Uint8Array.of(type), message: `a message of unknown type ${type}` }
  return undefined
}
