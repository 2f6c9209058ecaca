/**
 * Wiring: the namespaces, links, addresses and routes that a topology asks for, as plain data. Pure: `namespaces.ts`
 * makes them.
 *
 * Bridges stand in a namespace of their own, `<lab>.switch`, one per network with a port per machine; the host's own
 * namespace sees nothing of the lab but its names.
 */
import { versionOf, type Address } from '#core/net/address.ts'
import { covers, lengthOf, prefixVersion } from '#core/net/prefix.ts'
import type { NodeTopology, Topology } from './topology.ts'

/** Lines for `ip -batch`, to be run in one namespace. */
export interface NamespacePlan {
  /** As `ip netns list` shows it. */
  namespace: string
  lines: string[]
}

export interface Wiring {
  /** Links and bridges of the switch; machines' ends are created into their namespaces. */
  switch: NamespacePlan
  machines: NamespacePlan[]
}

/** `<lab>.<machine>`: the dot keeps labs apart, because no name contains one. */
export function namespaceName(lab: string, machine: string): string {
  return `${lab}.${machine}`
}

/** `lab`: the name that namespaces begin with. */
export function wire(topology: Topology, lab = topology.name): Wiring {
  const switchPlan: NamespacePlan = { namespace: namespaceName(lab, 'switch'), lines: [] }
  const machines: NamespacePlan[] = []
  const bridges = new Map(Object.keys(topology.networks).map((network, index) => [network, `br${index}`]))
  for (const bridge of bridges.values()) {
    switchPlan.lines.push(`link add ${bridge} type bridge mcast_snooping 0`, `link set ${bridge} up`)
  }
  let portCount = 0
  const attach = (machine: string, networks: Record<string, Address[]>, gateways: Address[]) => {
    const plan: NamespacePlan = { namespace: namespaceName(lab, machine), lines: ['link set lo up'] }
    Object.entries(networks).forEach(([network, addresses], index) => {
      const port = `port${portCount++}`
      const device = `eth${index}`
      switchPlan.lines.push(
        `link add ${port} type veth peer name ${device} netns ${plan.namespace}`,
        `link set ${port} master ${bridges.get(network)!} up`,
      )
      for (const address of addresses) {
        const subnet = topology.networks[network]!.subnets.find((candidate) => covers(candidate, address))!
        const nodad = versionOf(address) === 6 ? ' nodad' : ''
        plan.lines.push(`address add ${address}/${lengthOf(subnet)} dev ${device}${nodad}`)
      }
      plan.lines.push(`link set ${device} up`)
    })
    for (const gateway of gateways) plan.lines.push(`route add default via ${gateway}`)
    machines.push(plan)
    return plan
  }
  for (const cluster of Object.values(topology.clusters)) {
    for (const [name, node] of Object.entries(cluster.nodes)) {
      const plan = attach(name, node.networks, cluster.gateways)
      for (const [otherName, other] of Object.entries(cluster.nodes))
        if (otherName !== name) plan.lines.push(...podRoutes(node, other))
    }
  }
  for (const [name, router] of Object.entries(topology.routers))
    attach(name, router.networks, router.gateways)
  for (const [name, client] of Object.entries(topology.clients))
    attach(name, client.networks, client.gateways)
  return { switch: switchPlan, machines }
}

/** Routes on `node` to the pods of `other`, by the first network that both are on: the cluster's pod network. */
function podRoutes(node: NodeTopology, other: NodeTopology): string[] {
  const shared = Object.keys(node.networks).find((network) => other.networks[network] !== undefined)
  if (shared === undefined) return []
  return other.podCIDRs.flatMap((cidr) => {
    const version = prefixVersion(cidr)
    const via = other.networks[shared]!.find((address) => versionOf(address) === version)
    return via === undefined ? [] : [`route add ${cidr} via ${via}`]
  })
}

/**
 * What a machine of the lab needs of the kernel: paths below /proc/sys/net. To be written before it has interfaces, which
 * take the defaults over.
 */
export const machineSysctls: readonly (readonly [path: string, value: string])[] = [
  ['ipv4/ip_forward', '1'],
  ['ipv6/conf/all/forwarding', '1'],
  // A VIP's answer may leave by another interface than the request came in by.
  ['ipv4/conf/all/rp_filter', '0'],
  ['ipv4/conf/default/rp_filter', '0'],
  // Duplicate address detection holds sessions up for a second or two; no address here is taken twice.
  ['ipv6/conf/all/accept_dad', '0'],
  ['ipv6/conf/default/accept_dad', '0'],
  ['ipv6/conf/all/accept_ra', '0'],
  ['ipv6/conf/default/accept_ra', '0'],
  // Policy 1 takes the sender's socket hash over veth, which is redrawn on retransmission; 3 hashes the 5-tuple.
  ['ipv4/fib_multipath_hash_policy', '3'],
  ['ipv4/fib_multipath_hash_fields', '55'],
  ['ipv6/fib_multipath_hash_policy', '3'],
  ['ipv6/fib_multipath_hash_fields', '55'],
  ['ipv4/conf/all/ignore_routes_with_linkdown', '1'],
  ['ipv6/conf/all/ignore_routes_with_linkdown', '1'],
]
