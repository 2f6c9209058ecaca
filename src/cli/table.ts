/** Tables as Kubernetes users know them: columns padded to their widest cell, three spaces apart. */

/** `rows` may hold empty cells; a trailing run of them leaves no blanks at the end of the line. */
export function renderTable(
  header: readonly string[],
  rows: readonly (readonly string[])[],
  gap = 3,
): string {
  return new TableWriter(header, gap).lines(rows)
}

/** A table whose rows come in parts: columns grow, and never shrink, with the parts that need it. */
export class TableWriter {
  readonly #header: readonly string[]
  readonly #gap: number
  readonly #widths: number[]
  #started = false

  constructor(header: readonly string[], gap = 3) {
    this.#header = header
    this.#gap = gap
    this.#widths = header.map(({ length }) => length)
  }

  /** The next lines, the first time with the header above. */
  lines(rows: readonly (readonly string[])[]): string {
    for (const row of rows) {
      for (const [column, cell] of row.entries())
        this.#widths[column] = Math.max(this.#widths[column] ?? 0, cell.length)
    }
    const all = this.#started ? rows : [this.#header, ...rows]
    this.#started = true
    return all.map((cells) => this.#line(cells)).join('\n')
  }

  #line(cells: readonly string[]): string {
    return cells
      .map((cell, column) => cell.padEnd(this.#widths[column]! + this.#gap))
      .join('')
      .trimEnd()
  }
}

/** Stands above one of several tables. */
export function heading(text: string): string {
  return `\n── ${text}`
}
