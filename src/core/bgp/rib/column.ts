/**
 * A growable column of unsigned 32-bit cells indexed by a dense id; a cell that was never set is 0.
 *
 *     cells   | id 0 | id 1 | … | highest id set | 0 … |      4 bytes per cell, at most twice the highest id set
 *
 * Growth doubles, so a column of a peer that sent few routes costs four bytes per prefix id up to the highest it sent. A
 * small hash for such peers can take this class's place without its users noticing.
 */
export class Column {
  cells = new Uint32Array(0)

  get(id: number): number {
    return id < this.cells.length ? this.cells[id]! : 0
  }

  set(id: number, value: number): void {
    if (id >= this.cells.length) {
      if (value === 0) return
      this.cells = grown(this.cells, id + 1)
    }
    this.cells[id] = value
  }

  /** Gives the memory back: every cell is 0 again. */
  clear(): void {
    this.cells = new Uint32Array(0)
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
