/**
 * OpenAPI v3 structural schemas as CustomResourceDefinitions carry them: pruning, defaulting, validation. Values
 * come from users; the schemas were checked when their definition was accepted.
 */
import { equalJson } from '#core/lib/json.ts'
import { duplicateValue, invalidValue, requiredValue, unsupportedValue, type Cause } from '../api-error.ts'
import { isObject, type Json, type JsonObject, show } from '../json.ts'
import { checkRules } from './cel-rules.ts'
import { formatProblem } from './formats.ts'
import { regularExpression } from './regular-expression.ts'
import type { UnknownField } from './unknown-field.ts'

/** Removes the fields that `schema` does not know from `value`, and returns them. */
export function prune(schema: JsonObject, value: Json | undefined, path = ''): UnknownField[] {
  if (Array.isArray(value)) {
    const items = schema['items']
    return isObject(items) ? value.flatMap((item, i) => prune(items, item, `${path}[${i}]`)) : []
  }
  if (!isObject(value)) return []
  const properties = isObject(schema['properties']) ? schema['properties'] : undefined
  const additional = schema['additionalProperties']
  const keep = schema['x-kubernetes-preserve-unknown-fields'] === true || additional === true
  const embedded = schema['x-kubernetes-embedded-resource'] === true
  const unknown: UnknownField[] = []
  for (const [name, child] of Object.entries(value)) {
    const at = path === '' ? name : `${path}.${name}`
    const known = properties !== undefined && Object.hasOwn(properties, name) ? properties[name] : undefined
    if (path === '' && systemFields.has(name)) continue
    if (embedded && systemFields.has(name)) continue
    if (isObject(known)) unknown.push(...prune(known, child, at))
    else if (isObject(additional)) unknown.push(...prune(additional, child, at))
    else if (!keep) {
      delete value[name]
      unknown.push({ path: at, known: Object.keys(properties ?? {}) })
    }
  }
  return unknown
}

const systemFields = new Set(['apiVersion', 'kind', 'metadata'])

/** Fills in the defaults of `schema` wherever an object lacks the field (or has null where null is not allowed). */
export function applyDefaults(schema: JsonObject, value: Json | undefined): void {
  if (Array.isArray(value)) {
    if (isObject(schema['items'])) for (const item of value) applyDefaults(schema['items'], item)
    return
  }
  if (!isObject(value)) return
  const properties = isObject(schema['properties']) ? schema['properties'] : {}
  for (const [name, child] of Object.entries(properties)) {
    if (!isObject(child)) continue
    const missing = value[name] === undefined || (value[name] === null && child['nullable'] !== true)
    if (missing && child['default'] !== undefined) value[name] = structuredClone(child['default'])
    // Null where it is not allowed and nothing stands in for it counts as absent.
    else if (missing) delete value[name]
    applyDefaults(child, value[name])
  }
  if (isObject(schema['additionalProperties'])) {
    for (const [name, child] of Object.entries(value)) {
      if (!Object.hasOwn(properties, name)) applyDefaults(schema['additionalProperties'], child)
    }
  }
}

/** What is wrong with `value`, in the words and order of the real server; at most 100 causes. */
export function validateValue(schema: JsonObject, value: Json | undefined, path: string): Cause[] {
  const causes: Cause[] = []
  visit(schema, value, path, causes)
  // Rules see values of the declared types only.
  if (causes.length === 0) causes.push(...checkRules(schema, value, path))
  return causes.slice(0, 100)
}

function visit(schema: JsonObject, value: Json | undefined, path: string, causes: Cause[]): void {
  if (value === undefined || (value === null && schema['nullable'] === true)) return
  const field = path === '' ? '<nil>' : path
  const wrong = typeProblem(schema, value)
  if (wrong !== undefined) {
    causes.push({
      reason: 'FieldValueTypeInvalid',
      field,
      message: `Invalid value: "${wrong.is}": ${path === '' ? 'value' : path} in body must be of type ${wrong.must}: "${wrong.is}"`,
    })
    return
  }
  if (Array.isArray(schema['enum']) && !schema['enum'].some((one) => equalJson(one, value))) {
    causes.push(unsupportedValue(field, value, schema['enum'].map(String)))
  }
  if (typeof value === 'string') visitString(schema, value, field, causes)
  else if (typeof value === 'number') visitNumber(schema, value, field, causes)
  else if (Array.isArray(value)) visitArray(schema, value, path, causes)
  else if (isObject(value)) visitObject(schema, value, path, causes)
  visitJunctors(schema, value, path, causes)
}

function visitString(schema: JsonObject, value: string, field: string, causes: Cause[]): void {
  const { minLength, maxLength, pattern, format } = schema
  // Lengths count code points.
  const { length } = Array.from(value)
  if (typeof maxLength === 'number' && length > maxLength) {
    causes.push({
      reason: 'FieldValueTooLong',
      field,
      message: `Too long: may not be more than ${maxLength} bytes`,
    })
  }
  if (typeof minLength === 'number' && length < minLength)
    causes.push(invalidValue(field, value, `${field} in body should be at least ${minLength} chars long`))
  if (typeof pattern === 'string' && !regularExpression(pattern).test(value))
    causes.push(invalidValue(field, value, `${field} in body should match '${pattern}'`))
  const problem = typeof format === 'string' ? formatProblem(format, value) : undefined
  if (problem !== undefined) causes.push(invalidValue(field, value, `${field} in body ${problem}`))
}

function visitNumber(schema: JsonObject, value: number, field: string, causes: Cause[]): void {
  const { minimum, maximum, multipleOf, format } = schema
  if (typeof minimum === 'number') {
    const exclusive = schema['exclusiveMinimum'] === true
    if (exclusive ? value <= minimum : value < minimum) {
      const bound = exclusive ? 'greater than' : 'greater than or equal to'
      causes.push(invalidValue(field, value, `${field} in body should be ${bound} ${minimum}`))
    }
  }
  if (typeof maximum === 'number') {
    const exclusive = schema['exclusiveMaximum'] === true
    if (exclusive ? value >= maximum : value > maximum) {
      const bound = exclusive ? 'less than' : 'less than or equal to'
      causes.push(invalidValue(field, value, `${field} in body should be ${bound} ${maximum}`))
    }
  }
  if (typeof multipleOf === 'number' && !Number.isInteger(value / multipleOf))
    causes.push(invalidValue(field, value, `${field} in body should be a multiple of ${multipleOf}`))
  const problem = typeof format === 'string' ? formatProblem(format, value) : undefined
  if (problem !== undefined) causes.push(invalidValue(field, value, `${field} in body ${problem}`))
}

function visitArray(schema: JsonObject, value: Json[], path: string, causes: Cause[]): void {
  const { minItems, maxItems, uniqueItems, items } = schema
  if (typeof maxItems === 'number' && value.length > maxItems) {
    causes.push({
      reason: 'FieldValueTooMany',
      field: path,
      message: `Too many: ${value.length}: must have at most ${maxItems} items`,
    })
  }
  if (typeof minItems === 'number' && value.length < minItems)
    causes.push(invalidValue(path, value.length, `${path} in body should have at least ${minItems} items`))
  const kind = schema['x-kubernetes-list-type']
  const keys = schema['x-kubernetes-list-map-keys']
  const seen = new Set<string>()
  for (const [i, item] of value.entries()) {
    if (kind === 'map' && Array.isArray(keys) && isObject(item)) {
      const id = Object.fromEntries(keys.map((key) => [show(key), item[show(key)] ?? null]))
      if (seen.has(JSON.stringify(id))) causes.push(duplicateValue(`${path}[${i}]`, id))
      seen.add(JSON.stringify(id))
    } else if (kind === 'set' || uniqueItems === true) {
      if (seen.has(JSON.stringify(item))) causes.push(duplicateValue(`${path}[${i}]`, item))
      seen.add(JSON.stringify(item))
    }
    if (isObject(items)) visit(items, item, `${path}[${i}]`, causes)
  }
}

function visitObject(schema: JsonObject, value: JsonObject, path: string, causes: Cause[]): void {
  const { minProperties, maxProperties, required, additionalProperties } = schema
  const count = Object.keys(value).length
  if (typeof maxProperties === 'number' && count > maxProperties) {
    causes.push({
      reason: 'FieldValueTooMany',
      field: path,
      message: `Too many: ${count}: must have at most ${maxProperties} items`,
    })
  }
  if (typeof minProperties === 'number' && count < minProperties)
    causes.push(invalidValue(path, count, `${path} in body should have at least ${minProperties} properties`))
  const properties = isObject(schema['properties']) ? schema['properties'] : {}
  for (const name of Array.isArray(required) ? required : []) {
    if (typeof name === 'string' && value[name] === undefined) causes.push(requiredValue(join(path, name)))
  }
  for (const [name, child] of Object.entries(value)) {
    if (path === '' && systemFields.has(name)) continue
    const known = Object.hasOwn(properties, name) ? properties[name] : undefined
    if (isObject(known)) visit(known, child, join(path, name), causes)
    else if (isObject(additionalProperties)) visit(additionalProperties, child, join(path, name), causes)
  }
}

function visitJunctors(schema: JsonObject, value: Json, path: string, causes: Cause[]): void {
  const matches = (branch: Json) => {
    const found: Cause[] = []
    if (isObject(branch)) visit(branch, value, path, found)
    return found.length === 0
  }
  const field = path === '' ? '<nil>' : path
  const { allOf, anyOf, oneOf, not } = schema
  if (Array.isArray(allOf))
    for (const branch of allOf) if (isObject(branch)) visit(branch, value, path, causes)
  if (Array.isArray(anyOf) && !anyOf.some(matches))
    causes.push(invalidValue(field, value, `${field} in body must validate at least one schema (anyOf)`))
  if (Array.isArray(oneOf)) {
    const count = oneOf.filter(matches).length
    if (count !== 1) {
      const found = count === 0 ? 'Found none valid' : `Found ${count} valid alternatives`
      causes.push(
        invalidValue(
          field,
          value,
          `${field} in body must validate one and only one schema (oneOf). ${found}`,
        ),
      )
    }
  }
  if (isObject(not) && matches(not))
    causes.push(invalidValue(field, value, `${field} in body must not validate the schema (not)`))
}

function typeProblem(schema: JsonObject, value: Json): { is: string; must: string } | undefined {
  const is = typeOf(value)
  if (schema['x-kubernetes-int-or-string'] === true)
    return is === 'integer' || is === 'string' ? undefined : { is, must: 'integer,string' }
  const must = schema['type']
  if (typeof must !== 'string' || must === is || (must === 'number' && is === 'integer')) return undefined
  return { is, must }
}

function typeOf(value: Json): string {
  if (value === null) return 'null'
  if (Array.isArray(value)) return 'array'
  if (typeof value === 'number') return Number.isInteger(value) ? 'integer' : 'number'
  return typeof value
}

function join(path: string, name: string): string {
  return path === '' ? name : `${path}.${name}`
}
