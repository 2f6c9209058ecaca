/** `x-kubernetes-validations`: the rules of a schema, run against a value. */
import type { Result } from '#core/lib/result.ts'
import { invalidValue, type Cause } from '../api-error.ts'
import { isObject, stringAt, type Json, type JsonObject } from '../json.ts'
import { CelError, evaluate } from './cel.ts'
import { parseCel, type Expression } from './cel-parser.ts'

/** Runs all rules in `schema` and below on the values that they guard. */
export function checkRules(schema: JsonObject, value: Json | undefined, path: string): Cause[] {
  const causes: Cause[] = []
  visit(schema, value, path, causes)
  return causes
}

/** Why a rule cannot be used; undefined when it can. */
export function ruleProblem(rule: string): string | undefined {
  if (rule.trim() === '') return 'rule is not specified'
  const parsed = parsedRule(rule)
  return parsed.ok ? undefined : `compilation failed: ${parsed.error}`
}

function visit(schema: JsonObject, value: Json | undefined, path: string, causes: Cause[]): void {
  if (value === undefined || value === null) return
  const rules = schema['x-kubernetes-validations']
  if (Array.isArray(rules)) for (const rule of rules) if (isObject(rule)) check(rule, value, path, causes)
  if (Array.isArray(value)) {
    const items = schema['items']
    if (isObject(items)) for (const [i, item] of value.entries()) visit(items, item, `${path}[${i}]`, causes)
    return
  }
  if (!isObject(value)) return
  const properties = isObject(schema['properties']) ? schema['properties'] : {}
  const additional = schema['additionalProperties']
  for (const [name, child] of Object.entries(value)) {
    const at = path === '' ? name : `${path}.${name}`
    const known = Object.hasOwn(properties, name) ? properties[name] : additional
    if (isObject(known)) visit(known, child, at, causes)
  }
}

function check(rule: JsonObject, value: Json, path: string, causes: Cause[]): void {
  const text = stringAt(rule, 'rule')
  const parsed = parsedRule(text)
  const field = (path === '' ? '<nil>' : path) + stringAt(rule, 'fieldPath')
  const shown = Array.isArray(value) ? 'array' : isObject(value) ? 'object' : value
  const fail = (why: string) => causes.push(invalidValue(field, shown, why))
  if (!parsed.ok) return void fail(`rule compile error: ${parsed.error}`)
  try {
    const result = evaluate(parsed.value, { self: value })
    if (result !== true) fail(stringAt(rule, 'message') || `failed rule: ${text}`)
  } catch (error) {
    if (!(error instanceof CelError)) throw error
    fail(`${error.message} evaluating rule: ${text}`)
  }
}

const parsed = new Map<string, Result<Expression>>()

function parsedRule(rule: string): Result<Expression> {
  let known = parsed.get(rule)
  if (known === undefined) {
    known = parseCel(rule)
    if (parsed.size > 1000) parsed.clear()
    parsed.set(rule, known)
  }
  return known
}
