/** A lab's topology as a site of the simulator: one of its clusters, and all routers. */
import type { Family } from '#core/bgp/family.ts'
import { assert } from '#core/lib/assert.ts'
import type { Address } from '#core/net/address.ts'
import type { Prefix } from '#core/net/prefix.ts'
import type { Taint } from '#core/schema/kubernetes.ts'
import type { SiteFacts } from './simulation.ts'

/** What the simulator needs of a topology file, in its words. */
export interface TopologyFacts {
  clusters: Record<
    string,
    {
      dialects: string[]
      serviceSubnets: Prefix[]
      nodes: Record<
        string,
        {
          networks: Record<string, Address[]>
          podCIDRs: Prefix[]
          labels: Record<string, string>
          taints?: Taint[]
        }
      >
    }
  >
  routers: Record<
    string,
    {
      networks: Record<string, Address[]>
      asn: number
      routerId: Address
      neighbors: { address: Address; asn: number; families?: Family[] }[]
    }
  >
}

/** `cluster`: name of one that the topology has. */
export function siteOfTopology({ clusters, routers }: TopologyFacts, cluster: string): SiteFacts {
  const chosen = clusters[cluster]
  assert(chosen !== undefined, `cluster ${cluster} is in the topology`)
  return {
    dialects: chosen.dialects,
    serviceSubnets: chosen.serviceSubnets,
    nodes: Object.entries(chosen.nodes).map(([name, { networks, podCIDRs, labels, taints = [] }]) => ({
      name,
      addresses: Object.values(networks).flat(),
      podCIDRs,
      labels,
      taints,
    })),
    routers: Object.entries(routers).map(([name, { networks, asn, routerId, neighbors }]) => ({
      name,
      addresses: Object.values(networks).flat(),
      asn,
      routerId,
      neighbors,
    })),
  }
}
