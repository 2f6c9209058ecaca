/** Service: defaults, validation, and the addresses and node ports that the cluster gives it. */
import type { Cause } from '../api-error.ts'
import {
  ensureObject,
  objectAt,
  objectsAt,
  stringAt,
  stringsAt,
  type JsonObject,
  type Resource,
  show,
} from '../json.ts'
import { ageColumn, column, nameColumn, resourceType, type ResourceType } from '../resource-type.ts'
import { serviceSchema } from './schemas.ts'
import type { ServiceAllocator } from './service-allocator.ts'
import { validateService } from './service-validation.ts'

export function services(allocator: ServiceAllocator): ResourceType {
  return resourceType({
    group: '',
    kind: 'Service',
    plural: 'services',
    schema: () => serviceSchema,
    shortNames: ['svc'],
    categories: ['all'],
    namespaced: true,
    status: true,
    strategy: {
      nameForm: 'label1035',
      defaults: serviceDefaults,
      prepare: (object, previous) => prepareService(object, previous, allocator),
      validate: validateService,
      initialStatus: () => ({ loadBalancer: {} }),
      fields: (object) => {
        const spec = objectAt(object, 'spec')
        return { 'spec.clusterIP': stringAt(spec, 'clusterIP'), 'spec.type': stringAt(spec, 'type') }
      },
      mergeKeys: { 'spec.ports': ['port', 'protocol'], 'status.conditions': ['type'] },
    },
    columns: () => [
      nameColumn,
      column('Type', (object) => stringAt(objectAt(object, 'spec'), 'type')),
      column('Cluster-IP', (object) => stringAt(objectAt(object, 'spec'), 'clusterIP') || '<none>'),
      column('External-IP', showExternal),
      column('Port(s)', showPorts),
      ageColumn,
      column('Selector', showSelector, true),
    ],
  })
}

function serviceDefaults(object: Resource): void {
  const spec = ensureObject(object, 'spec')
  spec['type'] ??= 'ClusterIP'
  const type = spec['type']
  spec['sessionAffinity'] ??= 'None'
  if (spec['sessionAffinity'] === 'ClientIP') {
    const clientIp = ensureObject(ensureObject(spec, 'sessionAffinityConfig'), 'clientIP')
    clientIp['timeoutSeconds'] ??= 10_800
  }
  for (const port of objectsAt(spec, 'ports')) {
    port['protocol'] ??= 'TCP'
    if (port['targetPort'] === undefined || port['targetPort'] === '') port['targetPort'] = port['port']
  }
  if (type !== 'ExternalName') spec['internalTrafficPolicy'] ??= 'Cluster'
  const external = type === 'NodePort' || type === 'LoadBalancer' || stringsAt(spec, 'externalIPs').length > 0
  if (external) spec['externalTrafficPolicy'] ??= 'Cluster'
  if (type === 'LoadBalancer') spec['allocateLoadBalancerNodePorts'] ??= true
}

/** What a change of type leaves behind goes; what the new type needs is allocated. */
function prepareService(
  object: Resource,
  previous: Resource | undefined,
  allocator: ServiceAllocator,
): Cause[] {
  const spec = ensureObject(object, 'spec')
  if (previous !== undefined) carryOver(spec, objectAt(previous, 'spec'))
  if (spec['type'] !== 'LoadBalancer') {
    delete spec['allocateLoadBalancerNodePorts']
    delete spec['loadBalancerClass']
    // A Service that is no longer a load balancer has no addresses of one.
    const status = objectAt(object, 'status')
    if (previous !== undefined && objectsAt(objectAt(status, 'loadBalancer'), 'ingress').length > 0)
      object['status'] = { ...status, loadBalancer: {} }
  }
  if (spec['type'] === 'ClusterIP' || spec['type'] === 'ExternalName') {
    if (stringsAt(spec, 'externalIPs').length === 0) delete spec['externalTrafficPolicy']
    // Ports that were allocated for the former type are released; those that a user asks for are refused below.
    const before = objectsAt(objectAt(previous, 'spec'), 'ports')
    for (const port of objectsAt(spec, 'ports')) {
      if (before.some((one) => one['nodePort'] === port['nodePort'])) delete port['nodePort']
    }
  }
  const local = spec['type'] === 'LoadBalancer' && spec['externalTrafficPolicy'] === 'Local'
  if (!local) delete spec['healthCheckNodePort']
  if (spec['type'] === 'ExternalName') {
    for (const field of ['clusterIP', 'clusterIPs', 'ipFamilies', 'ipFamilyPolicy', 'internalTrafficPolicy'])
      delete spec[field]
    return []
  }
  return allocator.allocate(object, previous)
}

/** Fields that the server gave and that an update need not repeat. */
function carryOver(spec: JsonObject, before: JsonObject): void {
  if (before['type'] === 'ExternalName' || spec['type'] === 'ExternalName') return
  for (const field of ['clusterIP', 'clusterIPs', 'ipFamilyPolicy', 'ipFamilies', 'healthCheckNodePort']) {
    const missing = spec[field] === undefined || spec[field] === '' || spec[field] === null
    if (missing && before[field] !== undefined) spec[field] = structuredClone(before[field])
  }
  const needsNodePorts = spec['type'] === 'NodePort' || spec['type'] === 'LoadBalancer'
  if (!needsNodePorts) return
  for (const port of objectsAt(spec, 'ports')) {
    if (port['nodePort'] !== undefined && port['nodePort'] !== 0) continue
    const same = objectsAt(before, 'ports').find(
      (one) => one['port'] === port['port'] && one['protocol'] === port['protocol'],
    )
    const taken = objectsAt(spec, 'ports').some((one) => one['nodePort'] === same?.['nodePort'])
    if (same?.['nodePort'] !== undefined && !taken) port['nodePort'] = same['nodePort']
  }
}

function showExternal(object: Resource): string {
  const spec = objectAt(object, 'spec')
  const external = stringsAt(spec, 'externalIPs')
  switch (spec['type']) {
    case 'ExternalName':
      return stringAt(spec, 'externalName') || '<none>'
    case 'LoadBalancer': {
      const ingress = objectsAt(objectAt(objectAt(object, 'status'), 'loadBalancer'), 'ingress')
      const given = ingress.map((one) => stringAt(one, 'ip') || stringAt(one, 'hostname'))
      const all = [...given, ...external]
      return all.length === 0 ? '<pending>' : all.join(',')
    }
    default:
      return external.length === 0 ? '<none>' : external.join(',')
  }
}

function showPorts(object: Resource): string {
  const ports = objectsAt(objectAt(object, 'spec'), 'ports').map((port) => {
    const node = port['nodePort'] === undefined ? '' : `:${show(port['nodePort'])}`
    return `${show(port['port'])}${node}/${stringAt(port, 'protocol')}`
  })
  return ports.length === 0 ? '<none>' : ports.join(',')
}

function showSelector(object: Resource): string {
  const parts = Object.entries(objectAt(objectAt(object, 'spec'), 'selector')).map(
    ([key, value]) => `${key}=${show(value)}`,
  )
  return parts.length === 0 ? '<none>' : parts.sort().join(',')
}
