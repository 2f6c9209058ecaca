/** Rules for metadata that hold for every object: names, labels, annotations, owners, finalizers. */
import { invalidValue, requiredValue, type Cause } from './api-error.ts'
import { isObject, type Resource } from './json.ts'
import type { ResourceType } from './resource-type.ts'

const label = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/
const label1035 = /^[a-z]([-a-z0-9]*[a-z0-9])?$/
const subdomain = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/
const qualifiedPart = /^([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]$/

const labelRule =
  "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')"
const label1035Rule =
  "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for validation is '[a-z]([-a-z0-9]*[a-z0-9])?')"
const subdomainRule =
  "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"
const qualifiedRule =
  "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')"
const labelValueRule =
  "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')"

const annotationBytesMax = 256 * 1024

export function validateMetadata(type: ResourceType, object: Resource): Cause[] {
  const { name, labels, annotations, finalizers, ownerReferences } = object.metadata
  const causes = validateName(type, name)
  for (const [key, value] of entries(labels, 'metadata.labels', causes)) {
    causes.push(...validateQualifiedName(key, 'metadata.labels'))
    if (value.length > 63)
      causes.push(invalidValue('metadata.labels', value, 'must be no more than 63 characters'))
    if (value !== '' && !qualifiedPart.test(value))
      causes.push(invalidValue('metadata.labels', value, labelValueRule))
  }
  let bytes = 0
  for (const [key, value] of entries(annotations, 'metadata.annotations', causes)) {
    causes.push(...validateQualifiedName(key.toLowerCase(), 'metadata.annotations'))
    bytes += key.length + Buffer.byteLength(value)
  }
  if (bytes > annotationBytesMax) {
    causes.push({
      reason: 'FieldValueTooLong',
      field: 'metadata.annotations',
      message: `Too long: may not be more than ${annotationBytesMax} bytes`,
    })
  }
  if (finalizers !== undefined && !isStrings(finalizers))
    causes.push(invalidValue('metadata.finalizers', finalizers, 'must be a list of strings'))
  if (ownerReferences !== undefined && !Array.isArray(ownerReferences))
    causes.push(invalidValue('metadata.ownerReferences', ownerReferences, 'must be a list'))
  else
    for (const [i, owner] of (ownerReferences ?? []).entries()) {
      for (const field of ['apiVersion', 'kind', 'name', 'uid'] as const) {
        if (!isObject(owner) || typeof owner[field] !== 'string' || owner[field] === '')
          causes.push(requiredValue(`metadata.ownerReferences[${i}].${field}`, `${field} must not be empty`))
      }
    }
  return causes
}

/** `prefix/name` or `name`, as label keys, annotation keys and condition types are. */
export function validateQualifiedName(key: string, field: string): Cause[] {
  const slash = key.indexOf('/')
  const prefix = slash < 0 ? undefined : key.slice(0, slash)
  const name = key.slice(slash + 1)
  if (prefix !== undefined && (prefix.length > 253 || !subdomain.test(prefix)))
    return [invalidValue(field, key, `prefix part ${subdomainRule}`)]
  if (name === '') return [invalidValue(field, key, 'name part must be non-empty')]
  if (name.length > 63) return [invalidValue(field, key, 'name part must be no more than 63 characters')]
  return qualifiedPart.test(name) ? [] : [invalidValue(field, key, qualifiedRule)]
}

function validateName(type: ResourceType, name: string): Cause[] {
  const field = 'metadata.name'
  const bad = (max: number, form: RegExp, rule: string): Cause[] => {
    if (name.length > max) return [invalidValue(field, name, `must be no more than ${max} characters`)]
    return form.test(name) ? [] : [invalidValue(field, name, rule)]
  }
  switch (type.strategy.nameForm ?? 'subdomain') {
    case 'label':
      return bad(63, label, labelRule)
    case 'label1035':
      return bad(63, label1035, label1035Rule)
    case 'subdomain':
      return bad(253, subdomain, subdomainRule)
  }
}

function entries(map: unknown, field: string, causes: Cause[]): [string, string][] {
  if (map === undefined) return []
  if (!isObject(map)) {
    causes.push(invalidValue(field, map, 'must be a map of strings'))
    return []
  }
  const result: [string, string][] = []
  for (const [key, value] of Object.entries(map)) {
    if (typeof value === 'string') result.push([key, value])
    else causes.push(invalidValue(`${field}.${key}`, value, 'must be a string'))
  }
  return result
}

function isStrings(value: unknown): boolean {
  return Array.isArray(value) && value.every((one) => typeof one === 'string')
}
