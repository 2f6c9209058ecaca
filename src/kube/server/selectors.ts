/** Label and field selectors in their textual form, as they come in the query of list, watch and deletecollection. */
import { badRequest } from './api-error.ts'
import type { Resource } from './json.ts'

export type Matcher = (object: Resource) => boolean

type Requirement =
  | { operator: 'in' | 'notin'; key: string; values: string[] }
  | { operator: 'exists' | 'absent'; key: string }
  | { operator: 'gt' | 'lt'; key: string; value: number }

/** `a=b,c!=d,e in (f,g),h notin (i),j,!k,l>1`. Throws BadRequest for what it cannot read. */
export function labelMatcher(text: string): Matcher {
  const requirements = split(text).map((part) => parseRequirement(part))
  return (object) => requirements.every((one) => meets(one, object.metadata.labels ?? {}))
}

/** `metadata.name=x,status.phase!=y`. `fields`: the values of those fields that may be selected by. */
export function fieldMatcher(
  text: string,
  fields: (object: Resource) => Record<string, string>,
  known: readonly string[] | undefined,
): Matcher {
  const terms = split(text).map((part) => {
    const match = /^([^!=]+?)(==|=|!=)(.*)$/.exec(part)
    if (match === null) throw badRequest(`invalid selector: '${part}'; can't understand '${part}'`)
    const field = match[1]!
    const standard = field === 'metadata.name' || field === 'metadata.namespace'
    if (!standard && known?.includes(field) !== true) throw badRequest(`field label not supported: ${field}`)
    return { field, equal: match[2] !== '!=', value: match[3]! }
  })
  return (object) => {
    const values: Record<string, string> = {
      'metadata.name': object.metadata.name,
      'metadata.namespace': object.metadata.namespace ?? '',
      ...fields(object),
    }
    return terms.every(({ field, equal, value }) => ((values[field] ?? '') === value) === equal)
  }
}

/** Splits at commas that are not inside parentheses. */
function split(text: string): string[] {
  const parts: string[] = []
  let depth = 0
  let start = 0
  for (let i = 0; i <= text.length; i++) {
    const char = text[i]
    if (char === '(') depth++
    else if (char === ')') depth--
    else if (char === undefined || (char === ',' && depth === 0)) {
      parts.push(text.slice(start, i).trim())
      start = i + 1
    }
  }
  return parts.filter((part) => part !== '')
}

function parseRequirement(text: string): Requirement {
  const set = /^(\S+)\s+(in|notin)\s*\(([^()]*)\)$/.exec(text)
  if (set !== null) {
    const values = set[3]!.split(',').map((value) => value.trim())
    return { operator: set[2] as 'in' | 'notin', key: set[1]!, values }
  }
  const absent = /^!\s*([^\s=!<>()]+)$/.exec(text)
  if (absent !== null) return { operator: 'absent', key: absent[1]! }
  const compare = /^([^\s=!<>()]+)\s*(==|=|!=|>|<)\s*([^\s=!<>()]*)$/.exec(text)
  if (compare !== null) {
    const [, key, operator, value] = compare as unknown as [string, string, string, string]
    if (operator === '!=') return { operator: 'notin', key, values: [value] }
    if (operator === '=' || operator === '==') return { operator: 'in', key, values: [value] }
    if (!/^-?\d+$/.test(value))
      throw badRequest(`unable to parse requirement: values: Invalid value: "${value}": must be an integer`)
    return { operator: operator === '>' ? 'gt' : 'lt', key, value: Number(value) }
  }
  if (/^[^\s=!<>()]+$/.test(text)) return { operator: 'exists', key: text }
  throw badRequest(`unable to parse requirement: "${text}" is not a label selector`)
}

function meets(requirement: Requirement, labels: Record<string, string>): boolean {
  const value = labels[requirement.key]
  switch (requirement.operator) {
    case 'in':
      return value !== undefined && requirement.values.includes(value)
    case 'notin':
      return value === undefined || !requirement.values.includes(value)
    case 'exists':
      return value !== undefined
    case 'absent':
      return value === undefined
    case 'gt':
      return value !== undefined && Number(value) > requirement.value
    case 'lt':
      return value !== undefined && Number(value) < requirement.value
  }
}
