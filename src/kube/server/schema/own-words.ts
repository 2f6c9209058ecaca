/**
 * What Herald says of resources that it knows itself: their own schemas know the value that is meant and what to write
 * in its place, where the structural schema of a definition has a regular expression. Whether an object is refused is
 * not decided here, so that a definition of another origin keeps its meaning.
 */
import type { KubeObject } from '#core/schema/object.ts'
import { typeOf } from '#core/schema/resource-type.ts'
import { parseSpec } from '#core/schema/validate.ts'
import type { Cause } from '../api-error.ts'
import type { Resource } from '../json.ts'

/**
 * Whether this is a resource that announcements hang on. A typo in one of those is refused even where a client does not say
 * what is to become of unknown fields: leaving a field out in silence could withdraw what is announced.
 */
export function isOwnKind(object: Resource): boolean {
  return typeOf({ ...object, metadata: { name: object.metadata.name } }) !== undefined
}

/** `causes` with the sentence and the hint of Herald's own validation wherever it speaks of the same field. */
export function inOwnWords(object: Resource, causes: Cause[]): Cause[] {
  const own: KubeObject = { ...object, metadata: { name: object.metadata.name } }
  const schema = typeOf(own)?.spec
  if (schema === undefined || causes.length === 0) return causes
  const parsed = parseSpec(own, schema)
  if (parsed.ok) return causes
  return causes.map((cause) => {
    const problem =
      parsed.error.find(({ field }) => field === cause.field) ??
      parsed.error.find(({ field = '' }) => isWithin(field, cause.field))
    if (problem?.field === undefined) return cause
    const { field, message, hint } = problem
    return { ...cause, field, message: hint === undefined ? message : `${message}; ${hint}` }
  })
}

/** A rule that compares fields stands on the object that has them. */
function isWithin(field: string, outer: string): boolean {
  return field.startsWith(`${outer}.`) || field.startsWith(`${outer}[`)
}
