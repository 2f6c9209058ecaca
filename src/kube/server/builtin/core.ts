/** The core group, but for Service, Pod and Node, which have files of their own. */
import { urlHost } from '#core/net/address.ts'
import { invalidValue, type Cause } from '../api-error.ts'
import { isObject, objectAt, objectsAt, stringAt, type JsonObject, type Resource, show } from '../json.ts'
import { ageColumn, column, nameColumn, resourceType, showAge, type ResourceType } from '../resource-type.ts'
import { namespaceSchema, configMapSchema, secretSchema } from './schemas.ts'

export const namespaces: ResourceType = resourceType({
  group: '',
  kind: 'Namespace',
  plural: 'namespaces',
  schema: () => namespaceSchema,
  shortNames: ['ns'],
  namespaced: false,
  status: true,
  strategy: {
    nameForm: 'label',
    defaults: (object) => {
      object.metadata.labels = {
        ...object.metadata.labels,
        'kubernetes.io/metadata.name': object.metadata.name,
      }
    },
    prepare: (object, previous) => {
      // Only the namespace's own deletion takes its finalizer away.
      object['spec'] = previous?.['spec'] ?? { finalizers: ['kubernetes'] }
      return []
    },
    initialStatus: () => ({ phase: 'Active' }),
    fields: (object) => ({ 'status.phase': stringAt(objectAt(object, 'status'), 'phase') }),
    mergeKeys: { 'status.conditions': ['type'] },
  },
  columns: () => [
    nameColumn,
    column('Status', (object) => stringAt(objectAt(object, 'status'), 'phase')),
    ageColumn,
  ],
})

export const configMaps: ResourceType = resourceType({
  group: '',
  kind: 'ConfigMap',
  plural: 'configmaps',
  schema: () => configMapSchema,
  shortNames: ['cm'],
  namespaced: true,
  strategy: { prepare: keepImmutable, validate: (object) => validateData(object, false) },
  columns: () => [
    nameColumn,
    {
      ...column('Data', (object) => keys(object, 'data') + keys(object, 'binaryData')),
    },
    ageColumn,
  ],
})

export const secrets: ResourceType = resourceType({
  group: '',
  kind: 'Secret',
  plural: 'secrets',
  schema: () => secretSchema,
  namespaced: true,
  strategy: {
    defaults: (object) => {
      object['type'] ??= 'Opaque'
      const plain = object['stringData']
      delete object['stringData']
      if (!isObject(plain)) return
      const data: JsonObject = isObject(object['data']) ? object['data'] : {}
      for (const [key, value] of Object.entries(plain)) {
        data[key] = typeof value === 'string' ? Buffer.from(value).toString('base64') : value
      }
      object['data'] = data
    },
    prepare: keepImmutable,
    validate: (object, previous) => {
      const causes = validateData(object, true)
      if (previous !== undefined && previous['type'] !== object['type'])
        causes.push(invalidValue('type', object['type'], 'field is immutable'))
      return causes
    },
    fields: (object) => ({ type: stringAt(object, 'type') }),
  },
  columns: () => [
    nameColumn,
    column('Type', (object) => stringAt(object, 'type')),
    column('Data', (object) => keys(object, 'data')),
    ageColumn,
  ],
})

export const serviceAccounts: ResourceType = resourceType({
  group: '',
  kind: 'ServiceAccount',
  plural: 'serviceaccounts',
  shortNames: ['sa'],
  namespaced: true,
  strategy: { mergeKeys: { secrets: ['name'], imagePullSecrets: ['name'] } },
  columns: () => [nameColumn, column('Secrets', (object) => objectsAt(object, 'secrets').length), ageColumn],
})

export const endpoints: ResourceType = resourceType({
  group: '',
  kind: 'Endpoints',
  plural: 'endpoints',
  singular: 'endpoints',
  shortNames: ['ep'],
  namespaced: true,
  columns: () => [nameColumn, column('Endpoints', showEndpoints), ageColumn],
})

export const events: ResourceType = resourceType({
  group: '',
  kind: 'Event',
  plural: 'events',
  shortNames: ['ev'],
  namespaced: true,
  strategy: {
    validate: (object) => {
      const involved = objectAt(object, 'involvedObject')
      const namespace = stringAt(involved, 'namespace') || 'default'
      if (namespace === object.metadata.namespace) return []
      return [
        invalidValue(
          'involvedObject.namespace',
          stringAt(involved, 'namespace'),
          'does not match event.namespace',
        ),
      ]
    },
    fields: (object) => {
      const involved = objectAt(object, 'involvedObject')
      const result: Record<string, string> = {}
      for (const field of [
        'kind',
        'namespace',
        'name',
        'uid',
        'apiVersion',
        'resourceVersion',
        'fieldPath',
      ]) {
        result[`involvedObject.${field}`] = stringAt(involved, field)
      }
      result['reason'] = stringAt(object, 'reason')
      result['type'] = stringAt(object, 'type')
      result['reportingComponent'] = stringAt(object, 'reportingComponent')
      result['source'] = stringAt(objectAt(object, 'source'), 'component')
      return result
    },
  },
  columns: () => [
    column('Last Seen', (object) => showAge(lastSeen(object))),
    column('Type', (object) => stringAt(object, 'type')),
    column('Reason', (object) => stringAt(object, 'reason')),
    column('Object', (object) => {
      const involved = objectAt(object, 'involvedObject')
      return `${stringAt(involved, 'kind').toLowerCase()}/${stringAt(involved, 'name')}`
    }),
    column('Subobject', (object) => stringAt(objectAt(object, 'involvedObject'), 'fieldPath'), true),
    column(
      'Source',
      (object) => {
        const source = objectAt(object, 'source')
        const component = stringAt(source, 'component') || stringAt(object, 'reportingComponent')
        return [component, stringAt(source, 'host')].filter((part) => part !== '').join(', ')
      },
      true,
    ),
    column('Message', (object) => stringAt(object, 'message').trim()),
    column(
      'First Seen',
      (object) => showAge(stringAt(object, 'firstTimestamp') || stringAt(object, 'eventTime')),
      true,
    ),
    column('Count', (object) => (typeof object['count'] === 'number' ? object['count'] : 1), true),
    { ...nameColumn, priority: 1 },
  ],
})

function lastSeen(object: Resource): string {
  const series = stringAt(objectAt(object, 'series'), 'lastObservedTime')
  return series || stringAt(object, 'lastTimestamp') || stringAt(object, 'eventTime')
}

function keepImmutable(object: Resource, previous: Resource | undefined): Cause[] {
  if (previous?.['immutable'] !== true) return []
  const causes: Cause[] = []
  for (const field of ['immutable', 'data', 'binaryData']) {
    if (JSON.stringify(previous[field] ?? null) !== JSON.stringify(object[field] ?? null))
      causes.push(invalidValue(field, object[field], 'field is immutable when `immutable` is set'))
  }
  return causes
}

function validateData(object: Resource, base64: boolean): Cause[] {
  const causes: Cause[] = []
  for (const [key, value] of Object.entries(objectAt(object, 'data'))) {
    const field = `data[${key}]`
    if (!/^[-._a-zA-Z0-9]+$/.test(key) || key.length > 253)
      causes.push(
        invalidValue(
          field,
          key,
          "a valid config key must consist of alphanumeric characters, '-', '_' or '.'",
        ),
      )
    if (typeof value !== 'string') causes.push(invalidValue(field, value, 'must be a string'))
    else if (
      base64 &&
      !/^([A-Za-z0-9+/]{4})*([A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/.test(value.replaceAll('\n', ''))
    )
      causes.push(invalidValue(field, '', 'illegal base64 data'))
  }
  return causes
}

function keys(object: Resource, field: string): number {
  return Object.keys(objectAt(object, field)).length
}

function showEndpoints(object: Resource): string {
  const all: string[] = []
  for (const subset of objectsAt(object, 'subsets')) {
    const ports = objectsAt(subset, 'ports')
    for (const address of objectsAt(subset, 'addresses')) {
      const ip = stringAt(address, 'ip')
      if (ports.length === 0) all.push(ip)
      for (const port of ports) all.push(`${urlHost(ip)}:${show(port['port'])}`)
    }
  }
  if (all.length === 0) return '<none>'
  return all.length > 3 ? `${all.slice(0, 3).join(',')} + ${all.length - 3} more...` : all.join(',')
}
