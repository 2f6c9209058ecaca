/** CustomResourceDefinition, and the row of the registry that a definition makes. */
import { invalidValue, requiredValue, unsupportedValue, type Cause } from '../api-error.ts'
import { timestamp } from '../cluster.ts'
import { compileJsonPath } from '../json-path.ts'
import {
  ensureObject,
  isObject,
  objectAt,
  objectsAt,
  stringAt,
  stringsAt,
  type Json,
  type JsonObject,
  type Resource,
} from '../json.ts'
import { compareVersions } from '../registry.ts'
import {
  ageColumn,
  column,
  nameColumn,
  resourceType,
  showAge,
  type Column,
  type ResourceType,
} from '../resource-type.ts'
import { validateSchema } from '../schema/schema-validation.ts'
import { schemaMergeKeys } from '../schema/merge-keys.ts'

export const customResourceDefinitions: ResourceType = resourceType({
  group: 'apiextensions.k8s.io',
  kind: 'CustomResourceDefinition',
  plural: 'customresourcedefinitions',
  shortNames: ['crd', 'crds'],
  categories: ['api-extensions'],
  namespaced: false,
  status: true,
  generation: true,
  strategy: {
    defaults: (object) => {
      const spec = ensureObject(object, 'spec')
      const names = ensureObject(spec, 'names')
      if (stringAt(names, 'singular') === '') names['singular'] = stringAt(names, 'kind').toLowerCase()
      if (stringAt(names, 'listKind') === '') names['listKind'] = `${stringAt(names, 'kind')}List`
      spec['conversion'] ??= { strategy: 'None' }
    },
    initialStatus: (object) => statusOf(object, timestamp()),
    prepare: (object, previous) => {
      if (previous === undefined) return []
      const before = objectAt(previous, 'status')
      const conditions = objectsAt(before, 'conditions')
      const since = stringAt(conditions[0], 'lastTransitionTime') || timestamp()
      const versions = new Set([...stringsAt(before, 'storedVersions'), storageVersion(object)])
      object['status'] = { ...statusOf(object, since), storedVersions: [...versions] }
      return []
    },
    validate,
    mergeKeys: { 'spec.versions': ['name'], 'status.conditions': ['type'] },
  },
  columns: () => [nameColumn, column('Created At', (object) => object.metadata.creationTimestamp)],
})

/** The row for the resource that `definition`, which was validated, defines. */
export function customResourceType(definition: Resource): ResourceType {
  const spec = objectAt(definition, 'spec')
  const names = objectAt(spec, 'names')
  const versions = new Map(objectsAt(spec, 'versions').map((version) => [stringAt(version, 'name'), version]))
  const storage = versions.get(storageVersion(definition)) ?? {}
  const served = [...versions].filter(([, version]) => version['served'] === true).map(([name]) => name)
  const subresources = objectAt(storage, 'subresources')
  const scale = isObject(subresources['scale']) ? subresources['scale'] : undefined
  const steps = (path: string) => path.replace(/^\./, '').split('.')
  const selectorPath = stringAt(scale, 'labelSelectorPath')
  const columns = new Map([...versions].map(([name, version]) => [name, columnsOf(version)]))
  const schemas = new Map(
    [...versions].map(([name, version]) => [name, objectAt(objectAt(version, 'schema'), 'openAPIV3Schema')]),
  )
  const storageSchema = schemas.get(storageVersion(definition)) ?? {}
  return resourceType({
    group: stringAt(spec, 'group'),
    versions: served.sort(compareVersions),
    storageVersion: storageVersion(definition),
    kind: stringAt(names, 'kind'),
    listKind: stringAt(names, 'listKind'),
    plural: stringAt(names, 'plural'),
    singular: stringAt(names, 'singular'),
    shortNames: stringsAt(names, 'shortNames'),
    categories: stringsAt(names, 'categories'),
    namespaced: spec['scope'] === 'Namespaced',
    status: isObject(subresources['status']),
    ...(scale === undefined
      ? {}
      : {
          scale: {
            spec: steps(stringAt(scale, 'specReplicasPath')),
            status: steps(stringAt(scale, 'statusReplicasPath')),
            ...(selectorPath === '' ? {} : { selector: steps(selectorPath) }),
          },
        }),
    generation: true,
    strategy: { mergeKeys: schemaMergeKeys(storageSchema) },
    columns: (version) => columns.get(version) ?? [nameColumn, ageColumn],
    schema: (version) => schemas.get(version),
    custom: true,
  })
}

function storageVersion(definition: Resource): string {
  const versions = objectsAt(objectAt(definition, 'spec'), 'versions')
  return stringAt(
    versions.find((version) => version['storage'] === true),
    'name',
  )
}

function statusOf(object: Resource, since: string): JsonObject {
  const names = objectAt(object, 'spec')['names'] ?? {}
  const condition = (type: string, reason: string, message: string) => ({
    type,
    status: 'True',
    lastTransitionTime: since,
    reason,
    message,
  })
  return {
    conditions: [
      condition('NamesAccepted', 'NoConflicts', 'no conflicts found'),
      condition('Established', 'InitialNamesAccepted', 'the initial names have been accepted'),
    ],
    acceptedNames: structuredClone(names),
    storedVersions: [storageVersion(object)],
  }
}

function columnsOf(version: JsonObject): Column[] {
  const columns = objectsAt(version, 'additionalPrinterColumns').map((given): Column => {
    const type = stringAt(given, 'type') as Column['type']
    const path = compileJsonPath(stringAt(given, 'jsonPath'))
    return {
      name: stringAt(given, 'name'),
      // As the real server does: dates arrive as text, ready to be shown.
      type: type === 'date' ? 'string' : type,
      format: stringAt(given, 'format'),
      description: stringAt(given, 'description'),
      priority: typeof given['priority'] === 'number' ? given['priority'] : 0,
      cell: (object) => (path.ok ? showCell(path.value(object), type) : null),
    }
  })
  // Without columns of their own, custom resources show their age.
  return columns.length === 0 ? [nameColumn, ageColumn] : [nameColumn, ...columns]
}

function showCell(values: Json[], type: Column['type']): Json {
  const value = values[0]
  if (value === undefined) return null
  switch (type) {
    case 'date':
      return typeof value === 'string' ? showAge(value) : null
    case 'string':
      if (typeof value === 'string') return values.length === 1 ? value : values.map(String).join(',')
      return typeof value === 'object' ? JSON.stringify(value) : String(value)
    case 'integer':
    case 'number':
    case 'boolean':
      return value
  }
}

function validate(object: Resource, previous: Resource | undefined): Cause[] {
  const spec = objectAt(object, 'spec')
  const names = objectAt(spec, 'names')
  const causes: Cause[] = []
  const expected = `${stringAt(names, 'plural')}.${stringAt(spec, 'group')}`
  for (const field of ['plural', 'kind', 'singular', 'listKind'])
    if (stringAt(names, field) === '') causes.push(requiredValue(`spec.names.${field}`))
  if (stringAt(spec, 'group') === '') causes.push(requiredValue('spec.group'))
  if (object.metadata.name !== expected)
    causes.push(
      invalidValue('metadata.name', object.metadata.name, `must be spec.names.plural+"."+spec.group`),
    )
  if (!['Cluster', 'Namespaced'].includes(stringAt(spec, 'scope')))
    causes.push(unsupportedValue('spec.scope', spec['scope'], ['Cluster', 'Namespaced']))
  if (stringAt(objectAt(spec, 'conversion'), 'strategy') !== 'None')
    causes.push(
      unsupportedValue('spec.conversion.strategy', objectAt(spec, 'conversion')['strategy'], ['None']),
    )
  const versions = objectsAt(spec, 'versions')
  if (versions.filter((version) => version['storage'] === true).length !== 1)
    causes.push(
      invalidValue(
        'spec.versions',
        versions.map((one) => one['name']),
        'must have exactly one version marked as storage version',
      ),
    )
  for (const [i, version] of versions.entries()) {
    const at = `spec.versions[${i}]`
    if (!/^[a-z]([-a-z0-9]*[a-z0-9])?$/.test(stringAt(version, 'name')))
      causes.push(invalidValue(`${at}.name`, version['name'], 'a DNS-1035 label is needed'))
    const schema = objectAt(version, 'schema')['openAPIV3Schema']
    if (!isObject(schema)) causes.push(requiredValue(`${at}.schema.openAPIV3Schema`, 'schemas are required'))
    else causes.push(...validateSchema(schema, `${at}.schema.openAPIV3Schema`))
    for (const [j, given] of objectsAt(version, 'additionalPrinterColumns').entries()) {
      const path = compileJsonPath(stringAt(given, 'jsonPath'))
      if (!path.ok)
        causes.push(
          invalidValue(`${at}.additionalPrinterColumns[${j}].jsonPath`, given['jsonPath'], path.error),
        )
      const types = ['integer', 'number', 'string', 'boolean', 'date']
      if (!types.includes(stringAt(given, 'type')))
        causes.push(unsupportedValue(`${at}.additionalPrinterColumns[${j}].type`, given['type'], types))
    }
  }
  if (previous !== undefined) {
    const before = objectAt(previous, 'spec')
    if (before['scope'] !== spec['scope'])
      causes.push(invalidValue('spec.scope', spec['scope'], 'field is immutable'))
    if (stringAt(objectAt(before, 'names'), 'kind') !== stringAt(names, 'kind'))
      causes.push(invalidValue('spec.names.kind', names['kind'], 'field is immutable'))
  }
  return causes
}
