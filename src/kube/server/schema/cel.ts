/** Evaluates CEL expressions on JSON values. Integers and doubles are both numbers here; JSON does not tell them apart. */
import { equalJson } from '#core/lib/json.ts'
import { compareText } from '#core/lib/order.ts'
import { isObject, type Json } from '../json.ts'
import type { BinaryOperator, Expression } from './cel-parser.ts'
import { regularExpression } from './regular-expression.ts'

/** Thrown when an expression has no value for its input: a field is missing, the types do not fit. */
export class CelError extends Error {
  override name = 'CelError'
}

export type Variables = Readonly<Record<string, Json>>

export function evaluate(expression: Expression, variables: Variables): Json {
  switch (expression.kind) {
    case 'literal':
      return expression.value
    case 'list':
      return expression.items.map((item) => evaluate(item, variables))
    case 'name':
      return variables[expression.name]!
    case 'field':
      return fieldOf(evaluate(expression.of, variables), expression.name)
    case 'has': {
      const value = evaluate(expression.of, variables)
      if (!isObject(value))
        throw new CelError(`has(): ${expression.name} is asked of something without fields`)
      return Object.hasOwn(value, expression.name) && value[expression.name] !== undefined
    }
    case 'index':
      return elementOf(evaluate(expression.of, variables), evaluate(expression.index, variables))
    case 'call':
      return call(
        expression.name,
        expression.args.map((arg) => evaluate(arg, variables)),
      )
    case 'each':
      return each(expression, variables)
    case 'unary': {
      const value = evaluate(expression.of, variables)
      return expression.operator === '!' ? !boolean(value) : -number(value)
    }
    case 'choice': {
      const { test, yes, no } = expression
      return evaluate(boolean(evaluate(test, variables)) ? yes : no, variables)
    }
    case 'binary':
      return binary(expression.operator, expression.left, expression.right, variables)
  }
}

function binary(operator: BinaryOperator, left: Expression, right: Expression, variables: Variables): Json {
  if (operator === '&&' || operator === '||') return logical(operator === '||', left, right, variables)
  const a = evaluate(left, variables)
  const b = evaluate(right, variables)
  switch (operator) {
    case '==':
      return equalJson(a, b)
    case '!=':
      return !equalJson(a, b)
    case 'in':
      if (Array.isArray(b)) return b.some((one) => equalJson(one, a))
      if (isObject(b)) return typeof a === 'string' && Object.hasOwn(b, a)
      throw new CelError('"in" needs a list or a map')
    case '<':
      return compare(a, b) < 0
    case '<=':
      return compare(a, b) <= 0
    case '>':
      return compare(a, b) > 0
    case '>=':
      return compare(a, b) >= 0
    case '+':
      if (typeof a === 'string' && typeof b === 'string') return a + b
      if (Array.isArray(a) && Array.isArray(b)) return [...a, ...b]
      return number(a) + number(b)
    case '-':
      return number(a) - number(b)
    case '*':
      return number(a) * number(b)
    case '/':
    case '%':
      return divide(operator, number(a), number(b))
  }
}

/** One side that decides makes up for an error on the other, whichever comes first. */
function logical(decisive: boolean, left: Expression, right: Expression, variables: Variables): boolean {
  let failed: CelError | undefined
  for (const side of [left, right]) {
    try {
      if (boolean(evaluate(side, variables)) === decisive) return decisive
    } catch (error) {
      if (!(error instanceof CelError)) throw error
      failed ??= error
    }
  }
  if (failed !== undefined) throw failed
  return !decisive
}

function divide(operator: '/' | '%', a: number, b: number): number {
  const whole = Number.isInteger(a) && Number.isInteger(b)
  if (whole && b === 0) throw new CelError('division by zero')
  if (operator === '%') return a % b
  return whole ? Math.trunc(a / b) : a / b
}

function each(expression: Extract<Expression, { kind: 'each' }>, variables: Variables): boolean {
  const list = evaluate(expression.list, variables)
  const values = isObject(list) ? Object.keys(list) : list
  if (!Array.isArray(values)) throw new CelError(`${expression.macro}() needs a list or a map`)
  let count = 0
  let failed: CelError | undefined
  for (const value of values) {
    try {
      if (boolean(evaluate(expression.test, { ...variables, [expression.variable]: value }))) count++
      else if (expression.macro === 'all') return false
    } catch (error) {
      if (!(error instanceof CelError)) throw error
      failed ??= error
    }
  }
  if (expression.macro === 'exists' && count > 0) return true
  if (failed !== undefined) throw failed
  if (expression.macro === 'exists') return false
  return expression.macro === 'all' || count === 1
}

function call(name: string, args: Json[]): Json {
  const [value, argument] = args as [Json, Json]
  switch (name) {
    case 'size':
      if (typeof value === 'string') return Array.from(value).length
      if (Array.isArray(value)) return value.length
      if (isObject(value)) return Object.keys(value).length
      throw new CelError('size() needs a string, a list or a map')
    case 'int': {
      const int = Math.trunc(Number(typeof value === 'string' && !/^-?\d+$/.test(value) ? Number.NaN : value))
      if (Number.isNaN(int)) throw new CelError('int() cannot convert its argument')
      return int
    }
    case 'string':
      return typeof value === 'string' ? value : JSON.stringify(value)
    case 'matches':
      return regularExpression(string(argument)).test(string(value))
    case 'startsWith':
      return string(value).startsWith(string(argument))
    case 'endsWith':
      return string(value).endsWith(string(argument))
    case 'contains':
      return string(value).includes(string(argument))
    default:
      throw new CelError(`there is no function ${name}()`)
  }
}

function fieldOf(value: Json, name: string): Json {
  const found = isObject(value) && Object.hasOwn(value, name) ? value[name] : undefined
  if (found === undefined) throw new CelError(`no such key: ${name}`)
  return found
}

function elementOf(value: Json, index: Json): Json {
  if (isObject(value)) return fieldOf(value, string(index))
  if (!Array.isArray(value)) throw new CelError('only lists and maps have elements')
  const found = value[number(index)]
  if (found === undefined) throw new CelError('index out of range')
  return found
}

function compare(a: Json, b: Json): number {
  if (typeof a === 'string' && typeof b === 'string') return compareText(a, b)
  return number(a) - number(b)
}

function boolean(value: Json): boolean {
  if (typeof value !== 'boolean') throw new CelError('a bool is needed')
  return value
}

function number(value: Json): number {
  if (typeof value !== 'number') throw new CelError('a number is needed')
  return value
}

function string(value: Json): string {
  if (typeof value !== 'string') throw new CelError('a string is needed')
  return value
}
