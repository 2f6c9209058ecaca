/** Tables as Kubernetes users know them: columns padded to their widest cell, three spaces apart. */

/** `rows` may hold empty cells; a trailing run of them leaves no blanks at the end of the line. */
export function renderTable(
  header: readonly string[],
  rows: readonly (readonly string[])[],
  gap = 3,
): string {
  const widths = header.map((title, column) =>
    Math.max(title.length, ...rows.map((row) => row[column]?.length ?? 0)),
  )
  const line = (cells: readonly string[]) =>
    cells
      .map((cell, column) => cell.padEnd(widths[column]! + gap))
      .join('')
      .trimEnd()
  return [header, ...rows].map(line).join('\n')
}

/** Stands above one of several tables. */
export function heading(text: string): string {
  return `\n── ${text}`
}
