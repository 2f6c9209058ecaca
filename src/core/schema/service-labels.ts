/** What selectors of Services match. */
import type { Service } from './kubernetes.ts'

/** The labels of the Service and the two keys that Cilium's users select by: its name and its namespace. */
export function serviceLabels(service: Service): Record<string, string> {
  return {
    ...service.metadata.labels,
    'io.kubernetes.service.name': service.metadata.name,
    'io.kubernetes.service.namespace': service.metadata.namespace ?? 'default',
  }
}

/** Load balancer classes that Herald serves; it also serves Services that name none. */
export const servedClasses: readonly string[] = ['herald.dev/bgp', 'io.cilium/bgp-control-plane']

/** Whether the address of this Service, of type LoadBalancer, is Herald's business. */
export function servesClass(service: Service): boolean {
  const name = service.spec?.loadBalancerClass
  return name === undefined || servedClasses.includes(name)
}
