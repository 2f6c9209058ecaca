/** Cuts a connection's bytes into messages and checks their headers (RFC 4271 §4.1, §6.1). Bodies are not looked at. */
import { assert } from '#core/lib/assert.ts'
import type { ByteWriter } from '#core/lib/bytes.ts'
import { err, ok, type Result } from '#core/lib/result.ts'
import { defaultMaxLength, headerLength } from './context.ts'
import type { MessageError } from './message.ts'

/** Type codes of messages (RFC 4271 §4.1, RFC 2918 §3). */
export const messageType = { open: 1, update: 2, notification: 3, keepalive: 4, routeRefresh: 5 } as const

/** Shortest message of each type, header included. */
const minLengths: Partial<Record<number, number>> = { 1: 29, 2: 23, 3: 21, 4: 19, 5: 23 }

const noBytes = new Uint8Array(0)

/**
 * One per connection. After an error nothing more comes out: where the next message starts is not known. Holds at most
 * one chunk and one message that is not complete; a message that lies in one chunk is a view of it.
 */
export class Framer {
  #bytes: Uint8Array = noBytes
  #at = 0
  #failed = false
  #maxLength = defaultMaxLength

  /** Octets of the longest UPDATE, NOTIFICATION and ROUTE-REFRESH, 4096..65535, from now on (RFC 8654 §4). */
  setMaxLength(maxLength: number): void {
    assert(maxLength >= defaultMaxLength && maxLength <= 0xffff, 'maximum message length in bounds')
    this.#maxLength = maxLength
  }

  /** Takes the next bytes of the stream and keeps the array, which must not change afterwards. */
  push(chunk: Uint8Array): void {
    if (this.#failed) return
    const rest = this.#bytes.length - this.#at
    if (rest === 0) {
      this.#bytes = chunk
    } else {
      const joined = new Uint8Array(rest + chunk.length)
      joined.set(this.#bytes.subarray(this.#at))
      joined.set(chunk, rest)
      this.#bytes = joined
    }
    this.#at = 0
  }

  /** The next whole message, header included; undefined when more bytes are needed. */
  next(): Result<Uint8Array, MessageError> | undefined {
    if (this.#failed || this.#bytes.length - this.#at < headerLength) return undefined
    const header = this.#bytes.subarray(this.#at, this.#at + headerLength)
    const error = headerError(header, this.#maxLength)
    if (error !== undefined) {
      this.#failed = true
      this.#bytes = noBytes
      this.#at = 0
      return err(error)
    }
    const end = this.#at + messageLength(header)
    if (end > this.#bytes.length) return undefined
    const message = this.#bytes.subarray(this.#at, end)
    this.#at = end
    return ok(message)
  }
}

/** Appends a message header. `length`: of the whole message. */
export function writeHeader(writer: ByteWriter, type: number, length: number): void {
  for (let i = 0; i < 4; i++) writer.u32(0xffffffff)
  writer.u16(length).u8(type)
}

function messageLength(header: Uint8Array): number {
  return (header[16]! << 8) | header[17]!
}

/** RFC 4271 §6.1. */
function headerError(header: Uint8Array, maxLength: number): MessageError | undefined {
  for (let i = 0; i < 16; i++) {
    if (header[i] !== 0xff)
      return { code: 1, subcode: 1, data: noBytes, message: 'the marker is not all ones' }
  }
  const length = messageLength(header)
  const type = header[18]!
  const min = minLengths[type]
  // RFC 8654 §4: OPEN and KEEPALIVE never grow.
  const max = type === messageType.open || type === messageType.keepalive ? defaultMaxLength : maxLength
  const exact = type === messageType.keepalive && length !== headerLength
  if (length < headerLength || length > max || (min !== undefined && length < min) || exact) {
    const data = header.slice(16, 18)
    return { code: 1, subcode: 2, data, message: `a message of type ${type} with length ${length}` }
  }
  if (min === undefined)
    return { code: 1, subcode: 3, data: Uint8Array.of(type), message: `a message of unknown type ${type}` }
  return undefined
}
