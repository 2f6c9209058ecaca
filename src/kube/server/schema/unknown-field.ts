/** A field that a schema does not know, and what may have been meant. */
import { nearest } from '#core/lib/spelling.ts'

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
  const near = nearest(name, known)
  const text = `unknown field "${path}"`
  if (near !== undefined) return `${text}; did you mean "${near}"?`
  if (known.length === 0 || known.length > namesMax) return text
  return `${text}; known here: ${known.join(', ')}`
}
