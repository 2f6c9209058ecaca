/** The door of the Cilium dialect: `CiliumBGPPeeringPolicy`, `CiliumLoadBalancerIPPool` and annotations of Nodes. */
import { typeOf } from '#core/schema/resource-type.ts'
import type { Node } from '#core/schema/kubernetes.ts'
import type { KubeObject } from '#core/schema/object.ts'
import type { NativeSet } from '../native-set.ts'
import { resourcesOfPolicies, type CiliumBGPPeeringPolicy } from './bgp-peering-policy.ts'
import { poolOf, type CiliumLoadBalancerIPPool } from './load-balancer-ip-pool.ts'

export { lastValidAnnotations } from './virtual-router-annotation.ts'

/** `valid`: objects whose spec was validated and has its defaults; others than Cilium's are passed over. */
export function ciliumResources(valid: readonly KubeObject[], nodes: readonly Node[]): NativeSet {
  const mine = valid.filter((object) => typeOf(object)?.dialect === 'cilium')
  const pools = mine.filter((object) => object.kind === 'CiliumLoadBalancerIPPool')
  const policies = mine.filter((object) => object.kind === 'CiliumBGPPeeringPolicy')
  return {
    ...resourcesOfPolicies(policies as CiliumBGPPeeringPolicy[], nodes),
    pools: pools.map((pool) => poolOf(pool as CiliumLoadBalancerIPPool)),
  }
}
