/** `CiliumLoadBalancerIPPool` as a native pool. */
import type { CiliumLoadBalancerIPPoolSpec } from '#core/schema/cilium/load-balancer-ip-pool.ts'
import type { KubeObject } from '#core/schema/object.ts'
import { heraldApiVersion } from '#core/schema/well-known.ts'
import type { DerivedPool } from '../native-set.ts'

export interface CiliumLoadBalancerIPPool extends KubeObject {
  spec: CiliumLoadBalancerIPPoolSpec
}

export function poolOf(source: CiliumLoadBalancerIPPool): DerivedPool {
  const { blocks = [], cidrs = [], serviceSelector, disabled, allowFirstLastIPs } = source.spec
  const ranges: string[] = []
  const sourceFields: Record<string, string> = { 'spec.avoidFirstAndLast': 'spec.allowFirstLastIPs' }
  for (const [list, items] of Object.entries({ blocks, cidrs })) {
    for (const [i, { cidr, start, stop }] of items.entries()) {
      sourceFields[`spec.ranges[${ranges.length}]`] =
        `spec.${list}[${i}].${cidr === undefined ? 'start' : 'cidr'}`
      ranges.push(cidr ?? (stop === undefined ? String(start) : `${start}-${stop}`))
    }
  }
  return {
    resource: {
      apiVersion: heraldApiVersion,
      kind: 'AddressPool',
      metadata: { ...source.metadata, name: `cilium/${source.metadata.name}` },
      spec: {
        ranges,
        ...(serviceSelector !== undefined && { serviceSelector }),
        autoAssign: true,
        avoidFirstAndLast: allowFirstLastIPs === 'No',
        disabled,
      },
    },
    source,
    sourceFields,
  }
}
