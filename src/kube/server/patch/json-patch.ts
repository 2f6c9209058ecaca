/** JSON Patch (RFC 6902) on plain JSON. The document is changed in place; it is thrown away when an operation fails. */
import { equalJson } from '#core/lib/json.ts'
import { ApiError, badRequest } from '../api-error.ts'
import { isObject, type Json, type JsonObject } from '../json.ts'

const operationsMax = 10_000

/** Returns the patched document. Throws BadRequest for a malformed patch, Invalid for one that does not apply. */
export function jsonPatch(document: JsonObject, patch: Json): JsonObject {
  if (!Array.isArray(patch))
    throw badRequest('json: cannot unmarshal object into Go value of type jsonpatch.Patch')
  if (patch.length > operationsMax)
    throw new ApiError(
      413,
      'RequestEntityTooLarge',
      `The allowed maximum operations in a JSON patch is ${operationsMax}`,
    )
  const root: { document: Json } = { document }
  for (const operation of patch) {
    if (!isObject(operation)) throw badRequest('every operation of a JSON patch is an object')
    apply(root, operation)
  }
  if (!isObject(root.document)) throw badRequest('the patch replaces the object by something else')
  return root.document
}

function apply(root: { document: Json }, operation: JsonObject): void {
  const { op, path, value } = operation
  if (typeof path !== 'string') throw badRequest('an operation of a JSON patch needs a path')
  switch (op) {
    case 'add':
      return add(root, path, needed(value, op))
    case 'remove':
      return remove(root, path)
    case 'replace':
      if (get(root, path) === undefined)
        throw failed(`replace operation does not apply: doc is missing path: ${path}`)
      if (path === '') {
        root.document = needed(value, op)
        return
      }
      return replace(root, path, needed(value, op))
    case 'move':
    case 'copy': {
      if (typeof operation['from'] !== 'string') throw badRequest(`a ${op} operation needs "from"`)
      const moved = get(root, operation['from'])
      if (moved === undefined)
        throw failed(`${op} operation does not apply: doc is missing path: ${operation['from']}`)
      if (op === 'move') remove(root, operation['from'])
      return add(root, path, structuredClone(moved))
    }
    case 'test':
      // RFC 6902 §4.6; a missing value equals null, as in the library that Kubernetes uses.
      if (!equalJson(get(root, path) ?? null, value ?? null))
        throw failed(`testing value ${path} failed: test failed`)
      return
    default:
      throw badRequest(`Unexpected kind: ${JSON.stringify(op ?? null)}`)
  }
}

/** RFC 6901: the steps of a JSON pointer. */
function steps(path: string): string[] {
  if (path === '') return []
  if (!path.startsWith('/')) throw badRequest(`"${path}" is not a JSON pointer`)
  return path
    .slice(1)
    .split('/')
    .map((step) => step.replaceAll('~1', '/').replaceAll('~0', '~'))
}

function get(root: { document: Json }, path: string): Json | undefined {
  let at: Json | undefined = root.document
  for (const step of steps(path)) {
    if (Array.isArray(at)) at = at[indexOf(step, at.length - 1, path)]
    else if (isObject(at) && Object.hasOwn(at, step)) at = at[step]
    else return undefined
  }
  return at
}

function parentOf(root: { document: Json }, path: string): { parent: Json[] | JsonObject; step: string } {
  const all = steps(path)
  const parentPath = path.slice(0, path.lastIndexOf('/'))
  const parent = get(root, parentPath)
  if (!Array.isArray(parent) && !isObject(parent))
    throw failed(`operation does not apply: doc is missing path: ${path}`)
  return { parent, step: all.at(-1)! }
}

function add(root: { document: Json }, path: string, value: Json): void {
  if (path === '') {
    root.document = value
    return
  }
  const { parent, step } = parentOf(root, path)
  if (Array.isArray(parent)) {
    parent.splice(step === '-' ? parent.length : indexOf(step, parent.length, path), 0, value)
  } else setOwn(parent, step, value)
}

function replace(root: { document: Json }, path: string, value: Json): void {
  const { parent, step } = parentOf(root, path)
  if (Array.isArray(parent)) parent[indexOf(step, parent.length - 1, path)] = value
  else setOwn(parent, step, value)
}

function remove(root: { document: Json }, path: string): void {
  if (path === '') throw failed('remove operation does not apply: the document itself cannot be removed')
  const { parent, step } = parentOf(root, path)
  if (Array.isArray(parent)) parent.splice(indexOf(step, parent.length - 1, path), 1)
  else if (Object.hasOwn(parent, step)) delete parent[step]
  else throw failed(`remove operation does not apply: doc is missing path: ${path}`)
}

/** Defines rather than assigns, so that a field called `__proto__` is a field. */
function setOwn(object: JsonObject, key: string, value: Json): void {
  Object.defineProperty(object, key, { value, enumerable: true, configurable: true, writable: true })
}

function indexOf(step: string, max: number, path: string): number {
  if (!/^(0|[1-9]\d*)$/.test(step) || Number(step) > max)
    throw failed(`operation does not apply: index out of bounds: ${path}`)
  return Number(step)
}

function needed(value: Json | undefined, op: string): Json {
  if (value === undefined) throw badRequest(`a JSON patch operation "${op}" needs a value`)
  return value
}

function failed(message: string): ApiError {
  return new ApiError(
    422,
    'Invalid',
    `the server rejected our request due to an error in our request: ${message}`,
    {},
  )
}
