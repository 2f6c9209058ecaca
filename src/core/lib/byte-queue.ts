/** Bytes of a stream that have come and are not yet read: one array, however they were cut. */

export class ByteQueue {
  /** What is unread begins at `at`. */
  bytes: Uint8Array<ArrayBuffer> = new Uint8Array(0)
  at = 0

  /** How many are unread. */
  get available(): number {
    return this.bytes.length - this.at
  }

  /** Keeps the array where nothing is unread, so it must not change afterwards. */
  push(chunk: Uint8Array): void {
    const rest = this.available
    const joined = rest === 0 ? chunk : new Uint8Array(rest + chunk.length)
    if (rest > 0) {
      joined.set(this.bytes.subarray(this.at))
      joined.set(chunk, rest)
    }
    this.bytes = joined as Uint8Array<ArrayBuffer>
    this.at = 0
  }

  clear(): void {
    this.bytes = new Uint8Array(0)
    this.at = 0
  }
}
