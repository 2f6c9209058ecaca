/**
 * The subset of JSONPath that printer columns use: `.spec.x`, `['a.b/c']`, `[0]`, `[-1]`, `[*]`, `..`-free, and
 * filters of the form `[?(@.type=="Ready")]`.
 */
import { err, ok, type Result } from '#core/lib/result.ts'
import { isObject, type Json } from './json.ts'

type Step =
  | { kind: 'field'; name: string }
  | { kind: 'index'; index: number }
  | { kind: 'all' }
  | { kind: 'filter'; path: string[]; equal: boolean; value: Json }

export type JsonPath = (value: Json) => Json[]

export function compileJsonPath(text: string): Result<JsonPath> {
  const steps: Step[] = []
  let rest = text
    .trim()
    .replace(/^\{(.*)\}$/, '$1')
    .replace(/^\$/, '')
  if (rest === '' || rest === '.') return ok((value) => [value])
  while (rest !== '') {
    const match =
      /^\.?\[\?\(@((?:\.[\w-]+)+)\s*(==|!=)\s*("[^"]*"|'[^']*'|[\w.-]+)\)\]/.exec(rest) ??
      /^\.?\[(?:'([^']*)'|"([^"]*)"|(-?\d+)|(\*))\]/.exec(rest) ??
      /^\.((?:[^.[\]\\]|\\.)+)/.exec(rest)
    if (match === null) return err(`"${text}" is not a JSON path that columns can use (at "${rest}")`)
    steps.push(stepOf(match))
    rest = rest.slice(match[0].length)
  }
  return ok((value) =>
    steps.reduce<Json[]>((values, step) => values.flatMap((one) => follow(one, step)), [value]),
  )
}

function stepOf(match: RegExpExecArray): Step {
  if (match[0].includes('?(')) {
    const literal = match[3]!
    const value = /^["']/.test(literal) ? literal.slice(1, -1) : (plainLiteral(literal) as Json)
    return { kind: 'filter', path: match[1]!.slice(1).split('.'), equal: match[2] === '==', value }
  }
  if (!match[0].includes('[')) {
    const name = match[1]!.replaceAll(/\\(.)/g, '$1')
    return name === '*' ? { kind: 'all' } : { kind: 'field', name }
  }
  if (match[4] !== undefined) return { kind: 'all' }
  if (match[3] !== undefined) return { kind: 'index', index: Number(match[3]) }
  return { kind: 'field', name: match[1] ?? match[2]! }
}

function plainLiteral(text: string): string | number | boolean {
  if (text === 'true' || text === 'false') return text === 'true'
  return Number.isNaN(Number(text)) ? text : Number(text)
}

function follow(value: Json, step: Step): Json[] {
  switch (step.kind) {
    case 'field': {
      const found = isObject(value) && Object.hasOwn(value, step.name) ? value[step.name] : undefined
      return found === undefined ? [] : [found]
    }
    case 'index': {
      const found = Array.isArray(value) ? value.at(step.index) : undefined
      return found === undefined ? [] : [found]
    }
    case 'all':
      if (Array.isArray(value)) return value
      return isObject(value) ? Object.values(value).filter((one) => one !== undefined) : []
    case 'filter':
      if (!Array.isArray(value)) return []
      return value.filter((one) => {
        let at: Json | undefined = one
        for (const name of step.path) at = isObject(at) ? at[name] : undefined
        return (at === step.value) === step.equal
      })
  }
}
