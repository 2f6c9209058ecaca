/** Node. */
import { invalidValue } from '../api-error.ts'
import { listAt, objectAt, objectsAt, stringAt, type Resource } from '../json.ts'
import { ageColumn, column, nameColumn, resourceType, type ResourceType } from '../resource-type.ts'
import { nodeSchema } from './schemas.ts'

export const nodes: ResourceType = resourceType({
  group: '',
  kind: 'Node',
  plural: 'nodes',
  schema: () => nodeSchema,
  shortNames: ['no'],
  namespaced: false,
  status: true,
  strategy: {
    defaults: (object) => {
      const spec = objectAt(object, 'spec')
      const cidrs = listAt(spec, 'podCIDRs')
      if (spec['podCIDR'] === undefined && cidrs.length > 0) spec['podCIDR'] = cidrs[0]
      if (typeof spec['podCIDR'] === 'string' && cidrs.length === 0) spec['podCIDRs'] = [spec['podCIDR']]
      object['spec'] = spec
    },
    // A node registers itself with its status.
    initialStatus: (object) => objectAt(object, 'status'),
    validate: (object, previous) => {
      const before = objectAt(previous, 'spec')['podCIDR']
      const now = objectAt(object, 'spec')['podCIDR']
      if (before === undefined || before === now) return []
      return [
        invalidValue('spec.podCIDR', now, 'node updates may not change podCIDR except from "" to valid'),
      ]
    },
    fields: (object) => ({
      'spec.unschedulable': String(objectAt(object, 'spec')['unschedulable'] === true),
    }),
    mergeKeys: { 'status.conditions': ['type'], 'status.addresses': ['type'], 'spec.podCIDRs': [] },
  },
  columns: () => [
    nameColumn,
    column('Status', showStatus),
    column('Roles', showRoles),
    ageColumn,
    column('Version', (object) => stringAt(info(object), 'kubeletVersion')),
    column('Internal-IP', (object) => showAddress(object, 'InternalIP'), true),
    column('External-IP', (object) => showAddress(object, 'ExternalIP'), true),
    column('OS-Image', (object) => stringAt(info(object), 'osImage') || '<unknown>', true),
    column('Kernel-Version', (object) => stringAt(info(object), 'kernelVersion') || '<unknown>', true),
    column(
      'Container-Runtime',
      (object) => stringAt(info(object), 'containerRuntimeVersion') || '<unknown>',
      true,
    ),
  ],
})

function info(object: Resource) {
  return objectAt(objectAt(object, 'status'), 'nodeInfo')
}

function showStatus(object: Resource): string {
  const ready = objectsAt(objectAt(object, 'status'), 'conditions').find((one) => one['type'] === 'Ready')
  const parts = [ready === undefined ? 'Unknown' : ready['status'] === 'True' ? 'Ready' : 'NotReady']
  if (objectAt(object, 'spec')['unschedulable'] === true) parts.push('SchedulingDisabled')
  return parts.join(',')
}

function showRoles(object: Resource): string {
  const prefix = 'node-role.kubernetes.io/'
  const roles = Object.keys(object.metadata.labels ?? {}).filter((label) => label.startsWith(prefix))
  const names = roles.map((label) => label.slice(prefix.length)).filter((role) => role !== '')
  return names.length === 0 ? '<none>' : names.sort().join(',')
}

function showAddress(object: Resource, type: string): string {
  const addresses = objectsAt(objectAt(object, 'status'), 'addresses')
  const found = addresses.find((one) => one['type'] === type)
  return found === undefined ? '<none>' : stringAt(found, 'address')
}
