/** Pod. No kubelet works on the pods here: they are what a workload controller makes of them. */
import { equalJson } from '#core/lib/json.ts'
import { invalidValue } from '../api-error.ts'
import {
  ensureObject,
  numberAt,
  objectAt,
  objectsAt,
  stringAt,
  type JsonObject,
  type Resource,
} from '../json.ts'
import { ageColumn, column, nameColumn, resourceType, type ResourceType } from '../resource-type.ts'
import { podSchema } from './schemas.ts'
import { podSpecDefaults, podSpecMergeKeys, validatePodSpec } from './pod-template.ts'

export const pods: ResourceType = resourceType({
  group: '',
  kind: 'Pod',
  plural: 'pods',
  schema: () => podSchema,
  shortNames: ['po'],
  categories: ['all'],
  namespaced: true,
  status: true,
  strategy: {
    defaults: (object) => {
      const spec = ensureObject(object, 'spec')
      podSpecDefaults(spec)
      spec['enableServiceLinks'] ??= true
    },
    initialStatus: () => ({ phase: 'Pending', qosClass: 'BestEffort' }),
    validate: (object, previous) => {
      const spec = objectAt(object, 'spec')
      const causes = validatePodSpec(spec, 'spec')
      const before = objectAt(previous, 'spec')
      if (
        previous !== undefined &&
        before['nodeName'] !== undefined &&
        before['nodeName'] !== spec['nodeName']
      ) {
        causes.push(invalidValue('spec.nodeName', spec['nodeName'], 'field is immutable'))
      }
      const ports = (one: JsonObject) =>
        objectsAt(one, 'containers').map((container) => container['ports'] ?? null)
      if (previous !== undefined && !equalJson(ports(before), ports(spec))) {
        causes.push({
          reason: 'FieldValueForbidden',
          field: 'spec',
          message: 'Forbidden: pod updates may not change fields other than `spec.containers[*].image`',
        })
      }
      return causes
    },
    fields: (object) => {
      const spec = objectAt(object, 'spec')
      const status = objectAt(object, 'status')
      return {
        'spec.nodeName': stringAt(spec, 'nodeName'),
        'spec.restartPolicy': stringAt(spec, 'restartPolicy'),
        'spec.schedulerName': stringAt(spec, 'schedulerName'),
        'spec.serviceAccountName': stringAt(spec, 'serviceAccountName'),
        'spec.hostNetwork': String(spec['hostNetwork'] === true),
        'status.phase': stringAt(status, 'phase'),
        'status.podIP': stringAt(status, 'podIP'),
        'status.nominatedNodeName': stringAt(status, 'nominatedNodeName'),
      }
    },
    mergeKeys: {
      ...podSpecMergeKeys('spec'),
      'status.conditions': ['type'],
      'status.podIPs': ['ip'],
      'status.hostIPs': ['ip'],
    },
  },
  columns: () => [
    nameColumn,
    column('Ready', showReady),
    column('Status', showStatus),
    column('Restarts', (object) => String(sumRestarts(object))),
    ageColumn,
    column('IP', (object) => stringAt(objectAt(object, 'status'), 'podIP') || '<none>', true),
    column('Node', (object) => stringAt(objectAt(object, 'spec'), 'nodeName') || '<none>', true),
    column(
      'Nominated Node',
      (object) => stringAt(objectAt(object, 'status'), 'nominatedNodeName') || '<none>',
      true,
    ),
    column('Readiness Gates', () => '<none>', true),
  ],
})

function containerStatuses(object: Resource) {
  return objectsAt(objectAt(object, 'status'), 'containerStatuses')
}

function showReady(object: Resource): string {
  const total = objectsAt(objectAt(object, 'spec'), 'containers').length
  const statuses = containerStatuses(object)
  if (statuses.length > 0) return `${statuses.filter((one) => one['ready'] === true).length}/${total}`
  // Without container statuses the pod's own condition speaks for all of them.
  const conditions = objectsAt(objectAt(object, 'status'), 'conditions')
  const ready = conditions.some((one) => one['type'] === 'Ready' && one['status'] === 'True')
  return `${ready ? total : 0}/${total}`
}

function showStatus(object: Resource): string {
  if (object.metadata.deletionTimestamp !== undefined) return 'Terminating'
  const status = objectAt(object, 'status')
  for (const one of containerStatuses(object)) {
    const state = objectAt(one, 'state')
    const reason =
      stringAt(objectAt(state, 'waiting'), 'reason') || stringAt(objectAt(state, 'terminated'), 'reason')
    if (reason !== '') return reason
  }
  const phase = stringAt(status, 'phase') || 'Unknown'
  // A pod with a node and no status of its containers yet is being set up.
  if (stringAt(status, 'reason') !== '') return stringAt(status, 'reason')
  return phase === 'Pending' && stringAt(objectAt(object, 'spec'), 'nodeName') !== ''
    ? 'ContainerCreating'
    : phase
}

function sumRestarts(object: Resource): number {
  let sum = 0
  for (const one of containerStatuses(object)) sum += numberAt(one, 'restartCount') ?? 0
  return sum
}
