/** Lines of a byte stream, as a watch sends them. */

/** Thrown by `push`. */
export class LineTooLong extends Error {}

/** Cuts a byte stream into lines of UTF-8, whatever the cuts between chunks. */
export class LineSplitter {
  #parts: Uint8Array[] = []
  readonly #lineBytesMax: number
  #length = 0

  /** A line longer than `lineBytesMax` makes `push` throw {@link LineTooLong}. */
  constructor(lineBytesMax = 64 << 20) {
    this.#lineBytesMax = lineBytesMax
  }

  /** The lines that `chunk` completes, without their newline and without empty ones. */
  push(chunk: Uint8Array): string[] {
    const lines: string[] = []
    let start = 0
    for (let at = chunk.indexOf(10); at >= 0; at = chunk.indexOf(10, start)) {
      const line = this.#take(chunk.subarray(start, at))
      if (line !== '') lines.push(line)
      start = at + 1
    }
    if (start < chunk.length) {
      this.#parts.push(chunk.subarray(start))
      this.#length += chunk.length - start
      if (this.#length > this.#lineBytesMax) throw new LineTooLong('a line of the stream is too long')
    }
    return lines
  }

  #take(last: Uint8Array): string {
    const bytes = this.#parts.length === 0 ? last : Buffer.concat([...this.#parts, last])
    this.#parts = []
    this.#length = 0
    return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('utf8')
  }
}
