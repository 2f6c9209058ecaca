/** A field that a schema does not know, and what may have been meant. */

export interface UnknownField {
  path: string
  /** What may stand in its place. */
  known: string[]
}

/** More names than this are no help to who reads them. */
const namesMax = 12

/** As the real server says it, with the field that was meant or the few that are possible. */
export function showUnknownField({ path, known }: UnknownField): string {
  const name = path.slice(path.lastIndexOf('.') + 1)
  const near = known
    .map((candidate) => ({ candidate, edits: editDistance(name.toLowerCase(), candidate.toLowerCase()) }))
    .filter(({ candidate, edits }) => edits <= Math.min(2, Math.floor(candidate.length / 3)))
    .toSorted((a, b) => a.edits - b.edits)[0]
  const text = `unknown field "${path}"`
  if (near !== undefined) return `${text}; did you mean "${near.candidate}"?`
  if (known.length === 0 || known.length > namesMax) return text
  return `${text}; known here: ${known.join(', ')}`
}

/** Levenshtein's: letters added, left out or changed. */
function editDistance(a: string, b: string): number {
  if (Math.abs(a.length - b.length) > 2) return 3
  let row = Array.from({ length: b.length + 1 }, (_, j) => j)
  for (let i = 1; i <= a.length; i++) {
    const next = [i]
    for (let j = 1; j <= b.length; j++) {
      const changed = row[j - 1]! + Number(a[i - 1] !== b[j - 1])
      next.push(Math.min(changed, row[j]! + 1, next[j - 1]! + 1))
    }
    row = next
  }
  return row[b.length]!
}
