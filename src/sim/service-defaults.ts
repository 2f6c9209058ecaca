/** What the API server adds to a Service at its creation: IP families and cluster addresses. */
import { addressFromInteger, addressToInteger, type Address } from '#core/net/address.ts'
import { networkOf, prefixVersion, type Prefix } from '#core/net/prefix.ts'
import type { Service } from '#core/schema/kubernetes.ts'
import type { KubeObject } from '#core/schema/object.ts'

/** Gives Services their defaults; other objects pass. `subnets`: of the cluster's Services, the first of the main version. */
export function serviceDefaults(subnets: readonly Prefix[]): (object: KubeObject) => KubeObject {
  let given = 9n
  return (object) => {
    if (object.kind !== 'Service') return object
    const service = object as Service
    const { spec = {} } = service
    const { type = 'ClusterIP', clusterIP } = spec
    if (type === 'ExternalName') return object
    const all = subnets.map((subnet) => (prefixVersion(subnet) === 4 ? 'IPv4' : 'IPv6'))
    const dual = spec.ipFamilyPolicy === 'PreferDualStack' || spec.ipFamilyPolicy === 'RequireDualStack'
    const ipFamilies = spec.ipFamilies ?? (dual ? all : all.slice(0, 1))
    const filled = { ...spec, type, ipFamilies, ipFamilyPolicy: spec.ipFamilyPolicy ?? 'SingleStack' }
    if (clusterIP !== undefined) return { ...service, spec: filled } as KubeObject
    given++
    const clusterIPs = ipFamilies.map((family) => {
      const subnet = subnets.find((each) => prefixVersion(each) === (family === 'IPv4' ? 4 : 6))
      return subnet === undefined ? 'None' : nth(subnet, given)
    })
    return { ...service, spec: { ...filled, clusterIP: clusterIPs[0], clusterIPs } } as KubeObject
  }
}

function nth(subnet: Prefix, index: bigint): Address {
  return addressFromInteger(addressToInteger(networkOf(subnet)) + index, prefixVersion(subnet))
}
