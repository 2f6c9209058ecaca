/** apps/v1: Deployment and ReplicaSet. They are stored and validated here; other programs act on them. */
import { equalJson } from '#core/lib/json.ts'
import { invalidValue, requiredValue, type Cause } from '../api-error.ts'
import {
  ensureObject,
  isObject,
  numberAt,
  objectAt,
  objectsAt,
  stringAt,
  stringsAt,
  type JsonObject,
  type Resource,
  show,
} from '../json.ts'
import {
  ageColumn,
  column,
  nameColumn,
  resourceType,
  type Column,
  type ResourceType,
} from '../resource-type.ts'
import { deploymentSchema, replicaSetSchema } from './schemas.ts'
import { podSpecDefaults, podSpecMergeKeys, validatePodSpec } from './pod-template.ts'

const scale = { spec: ['spec', 'replicas'], status: ['status', 'replicas'], selector: ['spec', 'selector'] }
const mergeKeys = { ...podSpecMergeKeys('spec.template.spec'), 'status.conditions': ['type'] }

export const deployments: ResourceType = resourceType({
  group: 'apps',
  kind: 'Deployment',
  plural: 'deployments',
  schema: () => deploymentSchema,
  shortNames: ['deploy'],
  categories: ['all'],
  namespaced: true,
  status: true,
  scale,
  generation: true,
  strategy: {
    defaults: (object) => {
      const spec = ensureObject(object, 'spec')
      templateDefaults(spec)
      spec['revisionHistoryLimit'] ??= 10
      spec['progressDeadlineSeconds'] ??= 600
      const strategy = ensureObject(spec, 'strategy')
      strategy['type'] ??= 'RollingUpdate'
      if (strategy['type'] !== 'RollingUpdate') return
      const rolling = ensureObject(strategy, 'rollingUpdate')
      rolling['maxSurge'] ??= '25%'
      rolling['maxUnavailable'] ??= '25%'
    },
    initialStatus: () => ({}),
    validate: validateWorkload,
    mergeKeys,
  },
  columns: () => [
    nameColumn,
    column('Ready', (object) => `${count(object, 'readyReplicas')}/${desired(object)}`),
    column('Up-to-date', (object) => count(object, 'updatedReplicas')),
    column('Available', (object) => count(object, 'availableReplicas')),
    ageColumn,
    ...workloadColumns(),
  ],
})

export const replicaSets: ResourceType = resourceType({
  group: 'apps',
  kind: 'ReplicaSet',
  plural: 'replicasets',
  schema: () => replicaSetSchema,
  shortNames: ['rs'],
  categories: ['all'],
  namespaced: true,
  status: true,
  scale,
  generation: true,
  strategy: {
    defaults: (object) => templateDefaults(ensureObject(object, 'spec')),
    initialStatus: () => ({ replicas: 0 }),
    validate: validateWorkload,
    mergeKeys,
  },
  columns: () => [
    nameColumn,
    column('Desired', desired),
    column('Current', (object) => count(object, 'replicas')),
    column('Ready', (object) => count(object, 'readyReplicas')),
    ageColumn,
    ...workloadColumns(),
  ],
})

/** A metav1.LabelSelector as text: `app=nginx,tier in (a,b)`. */
export function showSelector(selector: JsonObject): string {
  const parts = Object.entries(objectAt(selector, 'matchLabels')).map(
    ([key, value]) => `${key}=${show(value)}`,
  )
  for (const one of objectsAt(selector, 'matchExpressions')) {
    const key = stringAt(one, 'key')
    const operator = stringAt(one, 'operator')
    if (operator === 'Exists') parts.push(key)
    else if (operator === 'DoesNotExist') parts.push(`!${key}`)
    else parts.push(`${key} ${operator.toLowerCase()} (${stringsAt(one, 'values').join(',')})`)
  }
  return parts.join(',')
}

function templateDefaults(spec: JsonObject): void {
  spec['replicas'] ??= 1
  const template = ensureObject(spec, 'template')
  ensureObject(template, 'metadata')
  podSpecDefaults(ensureObject(template, 'spec'))
}

function validateWorkload(object: Resource, previous: Resource | undefined): Cause[] {
  const spec = objectAt(object, 'spec')
  const causes: Cause[] = []
  const replicas = spec['replicas']
  if (typeof replicas !== 'number' || !Number.isInteger(replicas) || replicas < 0)
    causes.push(invalidValue('spec.replicas', replicas, 'must be greater than or equal to 0'))
  const selector = spec['selector']
  if (!isObject(selector)) causes.push(requiredValue('spec.selector'))
  else if (showSelector(selector) === '')
    causes.push(invalidValue('spec.selector', selector, 'empty selector is invalid for deployment'))
  else {
    const labels = objectAt(objectAt(objectAt(spec, 'template'), 'metadata'), 'labels')
    const unmatched = Object.entries(objectAt(selector, 'matchLabels')).some(
      ([key, value]) => labels[key] !== value,
    )
    if (unmatched) {
      causes.push(
        invalidValue('spec.template.metadata.labels', labels, '`selector` does not match template `labels`'),
      )
    }
  }
  if (previous !== undefined && !equalJson(objectAt(previous, 'spec')['selector'], selector))
    causes.push(invalidValue('spec.selector', selector, 'field is immutable'))
  causes.push(...validatePodSpec(objectAt(objectAt(spec, 'template'), 'spec'), 'spec.template.spec'))
  return causes
}

function workloadColumns(): Column[] {
  const containers = (object: Resource) =>
    objectsAt(objectAt(objectAt(objectAt(object, 'spec'), 'template'), 'spec'), 'containers')
  const joined = (field: string) => (object: Resource) =>
    containers(object)
      .map((one) => stringAt(one, field))
      .join(',')
  return [
    column('Containers', joined('name'), true),
    column('Images', joined('image'), true),
    column('Selector', (object) => showSelector(objectAt(objectAt(object, 'spec'), 'selector')), true),
  ]
}

function count(object: Resource, field: string): number {
  return numberAt(objectAt(object, 'status'), field) ?? 0
}

function desired(object: Resource): number {
  return numberAt(objectAt(object, 'spec'), 'replicas') ?? 0
}
