/** Validation of resources: what zod says against one, as problems that name object, field and what to do. */
import type { z } from 'zod'
import type { Problem } from '#core/lib/reason.ts'
import { err, ok, type Result } from '#core/lib/result.ts'
import { refOf, type KubeObject } from './object.ts'

/** The object's `spec` with its defaults, or everything that is wrong with it. */
export function parseSpec<S extends z.ZodType>(
  object: KubeObject,
  schema: S,
): Result<z.output<S>, Problem[]> {
  const spec = (object as { spec?: unknown }).spec ?? {}
  const parsed = schema.safeParse(spec)
  if (parsed.success) return ok(parsed.data)
  const at = (path: readonly PropertyKey[]) => ({
    object: refOf(object),
    field: showPath(['spec', ...path]),
  })
  return err(parsed.error.issues.flatMap((issue) => problemsOf(issue, spec, at)))
}

/** `spec.virtualRouters[0].localASN`; keys that are no identifiers are quoted in brackets. */
export function showPath(path: readonly PropertyKey[]): string {
  let text = ''
  for (const key of path) {
    if (typeof key === 'number') text += `[${key}]`
    else if (/^[A-Za-z_][\w-]*$/.test(String(key))) text += text === '' ? String(key) : `.${String(key)}`
    else text += `[${JSON.stringify(String(key))}]`
  }
  return text
}

/** What zod says against `whole`; `at` gives the place that a path in it is at. */
export function problemsOf(
  issue: z.core.$ZodIssue,
  whole: unknown,
  at: (path: readonly PropertyKey[]) => Pick<Problem, 'object' | 'field'>,
): Problem[] {
  const value = valueAt(whole, issue.path)
  switch (issue.code) {
    case 'unrecognized_keys':
      return issue.keys.map((key) => ({
        rule: 'UnknownField',
        message: `there is no field "${key}" here`,
        hint: 'remove it, or check its spelling and indentation',
        ...at([...issue.path, key]),
      }))
    case 'invalid_type':
      if (value === undefined) {
        const hint = `add it: ${article(issue.expected)}`
        return [{ rule: 'MissingField', message: 'the field is required', hint, ...at(issue.path) }]
      }
      return [
        {
          rule: 'InvalidValue',
          message: `${show(value)} is not ${article(issue.expected)}`,
          hint: `write ${article(issue.expected)}`,
          ...at(issue.path),
        },
      ]
    case 'invalid_value':
      if (value === undefined) {
        const hint = `add it: one of ${issue.values.map(String).join(', ')}`
        return [{ rule: 'MissingField', message: 'the field is required', hint, ...at(issue.path) }]
      }
      return [
        {
          rule: 'InvalidValue',
          message: `${show(value)} is not one of the known values`,
          hint: `write one of ${issue.values.map(String).join(', ')}`,
          ...at(issue.path),
        },
      ]
    case 'too_small':
    case 'too_big': {
      const bound = issue.code === 'too_small' ? issue.minimum : issue.maximum
      const side = issue.code === 'too_small' ? 'at least' : 'at most'
      const items = issue.origin === 'array' ? ' items' : issue.origin === 'string' ? ' characters' : ''
      return [
        {
          rule: 'InvalidValue',
          message: `${show(value)} is out of bounds`,
          hint: `write ${side} ${bound}${items}`,
          ...at(issue.path),
        },
      ]
    }
    case 'custom': {
      const hint: unknown = issue.params?.['hint']
      return [
        {
          rule: 'InvalidValue',
          message: issue.message,
          ...(typeof hint === 'string' && { hint }),
          ...at(issue.path),
        },
      ]
    }
    default:
      return [
        {
          rule: 'InvalidValue',
          message: `${show(value)} is not valid: ${issue.message}`,
          ...at(issue.path),
        },
      ]
  }
}

function valueAt(whole: unknown, path: readonly PropertyKey[]): unknown {
  let value = whole
  for (const key of path) {
    if (typeof value !== 'object' || value === null) return undefined
    value = (value as Record<PropertyKey, unknown>)[key]
  }
  return value
}

/** Short enough for a message, whatever the user wrote. */
function show(value: unknown): string {
  const text = JSON.stringify(value) ?? 'nothing'
  return text.length <= 80 ? text : `${text.slice(0, 77)}…`
}

function article(type: string): string {
  const names: Record<string, string> = { int: 'a whole number', array: 'a list', record: 'a map' }
  return names[type] ?? (/^[aeiou]/.test(type) ? `an ${type}` : `a ${type}`)
}
