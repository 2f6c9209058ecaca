/** Reads GoBGP's configuration file, already parsed as YAML, TOML or JSON: keys in any case, as GoBGP takes them. */
import { z } from 'zod'
import type { ObjectRef, Problem } from '#core/lib/reason.ts'
import { err, ok, type Result } from '#core/lib/result.ts'
import { nearest } from '#core/lib/spelling.ts'
import { problemsOf, showPath } from '../validate.ts'
import { gobgpConfigSchema, type GobgpConfig } from './config.ts'
import { inertnessOf } from './fields.ts'
import { danglingNames } from './references.ts'

/** Whether this may be such a file: no Kubernetes object, and something that only GoBGP's file has. */
export function isGobgpConfig(value: unknown): boolean {
  if (!isObject(value)) return false
  const keys = Object.keys(value).map((key) => key.toLowerCase())
  return !keys.includes('kind') && keys.some((key) => Object.hasOwn(gobgpConfigSchema.shape, key))
}

/** The configuration; `problems` is what it says that has no effect. The error: everything that is wrong with it. */
export function parseGobgpConfig(
  value: unknown,
  file: ObjectRef,
): Result<{ config: GobgpConfig; problems: Problem[] }, Problem[]> {
  const whole = lowerKeys(value)
  const at = (path: readonly PropertyKey[]) => ({ object: file, field: showPath(path) })
  const found = { unknown: [] as Problem[], inert: [] as Problem[] }
  inspect(gobgpConfigSchema, whole, [], at, found)
  const parsed = gobgpConfigSchema.safeParse(whole)
  const issues = (parsed.error?.issues ?? []).filter(({ code }) => code !== 'unrecognized_keys')
  const wrong = [...found.unknown, ...issues.flatMap((issue) => problemsOf(issue, whole, at))]
  if (!parsed.success || wrong.length > 0) return err(wrong)
  const dangling = danglingNames(parsed.data, at)
  return dangling.length > 0 ? err(dangling) : ok({ config: parsed.data, problems: found.inert })
}

type At = (path: readonly PropertyKey[]) => Required<Pick<Problem, 'object' | 'field'>>

/** Keys that are not known, with what may have been meant, and keys without effect. */
function inspect(
  schema: z.ZodType,
  value: unknown,
  path: readonly PropertyKey[],
  at: At,
  found: { unknown: Problem[]; inert: Problem[] },
): void {
  const inert = inertnessOf(schema)
  if (inert !== undefined) {
    if (saysSomething(value))
      found.inert.push({ ...inert, ...at(path), hint: 'take it out to be rid of this message' })
    return
  }
  const inner = schema instanceof z.ZodOptional ? (schema.unwrap() as z.ZodType) : schema
  if (inner instanceof z.ZodArray && Array.isArray(value)) {
    for (const [i, item] of value.entries())
      inspect(inner.element as z.ZodType, item, [...path, i], at, found)
  }
  if (!(inner instanceof z.ZodObject) || !isObject(value)) return
  const shape: Record<string, z.ZodType> = inner.shape
  for (const [key, child] of Object.entries(value)) {
    const known = Object.hasOwn(shape, key) ? shape[key] : undefined
    if (known !== undefined) {
      inspect(known, child, [...path, key], at, found)
      continue
    }
    const names = Object.keys(shape)
    const meant = nearest(key, names)
    found.unknown.push({
      rule: 'UnknownField',
      message: `GoBGP knows no "${key}" here`,
      hint: meant === undefined ? `known here: ${names.join(', ')}` : `did you mean "${meant}"?`,
      ...at([...path, key]),
    })
  }
}

/** Not a zero value, and not a part that is switched off. */
function saysSomething(value: unknown): boolean {
  if (Array.isArray(value)) return value.length > 0
  if (!isObject(value)) return Boolean(value)
  const { config, enabled } = value
  if (enabled === false || (isObject(config) && config['enabled'] === false)) return false
  return Object.values(value).some(saysSomething)
}

function lowerKeys(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(lowerKeys)
  if (!isObject(value)) return value
  return Object.fromEntries(
    Object.entries(value).map(([key, child]) => [key.toLowerCase(), lowerKeys(child)]),
  )
}

function isObject(value: unknown): value is Record<string, unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return false
  // Not a date, which TOML has as a value.
  return Object.getPrototypeOf(value) === Object.prototype || Object.getPrototypeOf(value) === null
}
