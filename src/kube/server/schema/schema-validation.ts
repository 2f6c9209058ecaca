/** Whether a schema may stand in a CustomResourceDefinition: structural, and nothing in it that this server cannot check. */
import { messageOf } from '#core/lib/error.ts'
import { forbiddenField, invalidValue, requiredValue, type Cause } from '../api-error.ts'
import { isObject, type JsonObject } from '../json.ts'
import { ruleProblem } from './cel-rules.ts'
import { regularExpression } from './regular-expression.ts'

/** `path`: where the schema stands in its definition. */
export function validateSchema(schema: JsonObject, path: string): Cause[] {
  const causes: Cause[] = []
  if (schema['type'] !== 'object')
    causes.push(invalidValue(`${path}.type`, schema['type'], 'must be object at the root'))
  visit(schema, path, causes)
  return causes
}

function visit(schema: JsonObject, path: string, causes: Cause[]): void {
  const anything =
    schema['x-kubernetes-int-or-string'] === true || schema['x-kubernetes-preserve-unknown-fields'] === true
  if (typeof schema['type'] !== 'string' && !anything)
    causes.push(requiredValue(`${path}.type`, 'must not be empty for specified object fields'))
  if (schema['$ref'] !== undefined) causes.push(forbiddenField(`${path}.$ref`, '$ref is not supported'))
  if (schema['uniqueItems'] === true)
    causes.push(
      forbiddenField(
        `${path}.uniqueItems`,
        'uniqueItems cannot be set to true since the runtime complexity becomes quadratic',
      ),
    )
  if (schema['properties'] !== undefined && isObject(schema['additionalProperties']))
    causes.push(
      forbiddenField(
        `${path}.additionalProperties`,
        'additionalProperties and properties are mutual exclusive',
      ),
    )
  if (typeof schema['pattern'] === 'string') {
    try {
      regularExpression(schema['pattern'])
    } catch (error) {
      causes.push(invalidValue(`${path}.pattern`, schema['pattern'], messageOf(error)))
    }
  }
  if (schema['type'] === 'array' && !isObject(schema['items']))
    causes.push(requiredValue(`${path}.items`, 'must be specified'))
  const rules = schema['x-kubernetes-validations']
  if (Array.isArray(rules)) {
    for (const [i, rule] of rules.entries()) {
      const at = `${path}.x-kubernetes-validations[${i}]`
      const text = isObject(rule) ? rule['rule'] : undefined
      const problem = typeof text === 'string' ? ruleProblem(text) : 'must be a string'
      if (problem !== undefined) causes.push(invalidValue(`${at}.rule`, text, problem))
    }
  }
  if (isObject(schema['properties'])) {
    for (const [name, child] of Object.entries(schema['properties'])) {
      if (isObject(child)) {
        // What the root says of metadata is a formality.
        if (name === 'metadata' && path.endsWith('openAPIV3Schema')) continue
        visit(child, `${path}.properties[${name}]`, causes)
      } else causes.push(invalidValue(`${path}.properties[${name}]`, child, 'must be a schema'))
    }
  }
  if (isObject(schema['items'])) visit(schema['items'], `${path}.items`, causes)
  if (isObject(schema['additionalProperties']))
    visit(schema['additionalProperties'], `${path}.additionalProperties`, causes)
}
