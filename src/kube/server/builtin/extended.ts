/** discovery.k8s.io/v1 EndpointSlice and coordination.k8s.io/v1 Lease. */
import { invalidValue, requiredValue, unsupportedValue, type Cause } from '../api-error.ts'
import { objectAt, objectsAt, stringAt, stringsAt, type Resource, show } from '../json.ts'
import { ageColumn, column, nameColumn, resourceType, type ResourceType } from '../resource-type.ts'
import { endpointSliceSchema, leaseSchema } from './schemas.ts'

export const endpointSlices: ResourceType = resourceType({
  group: 'discovery.k8s.io',
  kind: 'EndpointSlice',
  plural: 'endpointslices',
  schema: () => endpointSliceSchema,
  namespaced: true,
  generation: true,
  strategy: {
    defaults: (object) => {
      for (const port of objectsAt(object, 'ports')) {
        port['name'] ??= ''
        port['protocol'] ??= 'TCP'
      }
    },
    validate: validateEndpointSlice,
  },
  columns: () => [
    nameColumn,
    column('AddressType', (object) => stringAt(object, 'addressType')),
    column('Ports', (object) => {
      const ports = objectsAt(object, 'ports').map((port) => show(port['port'] ?? '*'))
      return ports.length === 0 ? '<unset>' : abbreviate(ports)
    }),
    column('Endpoints', (object) => {
      const addresses = objectsAt(object, 'endpoints').flatMap((one) => stringsAt(one, 'addresses'))
      return addresses.length === 0 ? '<unset>' : abbreviate(addresses)
    }),
    ageColumn,
  ],
})

export const leases: ResourceType = resourceType({
  group: 'coordination.k8s.io',
  kind: 'Lease',
  plural: 'leases',
  schema: () => leaseSchema,
  namespaced: true,
  strategy: {
    validate: (object) => {
      const seconds = objectAt(object, 'spec')['leaseDurationSeconds']
      if (seconds === undefined || (typeof seconds === 'number' && seconds > 0)) return []
      return [invalidValue('spec.leaseDurationSeconds', seconds, 'must be greater than 0')]
    },
  },
  columns: () => [
    nameColumn,
    column('Holder', (object) => stringAt(objectAt(object, 'spec'), 'holderIdentity')),
    ageColumn,
  ],
})

function validateEndpointSlice(object: Resource, previous: Resource | undefined): Cause[] {
  const type = stringAt(object, 'addressType')
  const causes: Cause[] = []
  if (type === '') causes.push(requiredValue('addressType'))
  else if (!['IPv4', 'IPv6', 'FQDN'].includes(type))
    causes.push(unsupportedValue('addressType', type, ['FQDN', 'IPv4', 'IPv6']))
  if (previous !== undefined && previous['addressType'] !== object['addressType'])
    causes.push(invalidValue('addressType', type, 'field is immutable'))
  for (const [i, endpoint] of objectsAt(object, 'endpoints').entries()) {
    const addresses = stringsAt(endpoint, 'addresses')
    if (addresses.length === 0)
      causes.push(requiredValue(`endpoints[${i}].addresses`, 'must contain at least 1 address'))
    for (const [j, address] of addresses.entries()) {
      const fits = type === 'FQDN' || address.includes(':') === (type === 'IPv6')
      if (!fits)
        causes.push(
          invalidValue(`endpoints[${i}].addresses[${j}]`, address, `must be a valid ${type} address`),
        )
    }
  }
  return causes
}

function abbreviate(values: string[]): string {
  return values.length > 3
    ? `${values.slice(0, 3).join(',')} + ${values.length - 3} more...`
    : values.join(',')
}
