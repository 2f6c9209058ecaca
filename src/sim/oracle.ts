/**
 * What the routers beside a cluster should hear, said a second time: straight from the truth of the cluster, by Cilium's own
 * words for its peering policy, without plan, dialect or speaker. Slow and plain on purpose; the checkers compare with it.
 */
import { compareText } from '#core/lib/order.ts'
import { address, versionOf, type Address } from '#core/net/address.ts'
import { hostPrefix, prefix, type Prefix } from '#core/net/prefix.ts'
import { rangeOfPrefix, type AddressRange } from '#core/net/range.ts'
import type { EndpointSlice, Node, Service } from '#core/schema/kubernetes.ts'
import { namespacedName, selectorMatches, type KubeObject, type LabelSelector } from '#core/schema/object.ts'
import { excludeLabel, serviceNameLabel } from '#core/schema/well-known.ts'
import type { Cluster } from './cluster.ts'

interface Policy extends KubeObject {
  spec: {
    nodeSelector?: LabelSelector
    virtualRouters: {
      localASN: number
      exportPodCIDR?: boolean
      serviceSelector?: LabelSelector
      neighbors: { peerAddress: string; peerASN: number; authSecretRef?: string }[]
    }[]
  }
}

/** One session that a node should have. */
export interface ExpectedSession {
  node: string
  localAsn: number
  neighbour: Address
  /** What the neighbour should be sent of the node's own. */
  prefixes: Set<Prefix>
}

export function expectedSessions(cluster: Cluster): ExpectedSession[] {
  const policies = cluster.list<Policy>('CiliumBGPPeeringPolicy').toSorted(byAge)
  return cluster.list<Node>('Node').flatMap((node) => {
    const policy = policies.find(({ spec }) =>
      selectorMatches(spec.nodeSelector ?? {}, node.metadata.labels ?? {}),
    )
    return (policy?.spec.virtualRouters ?? []).flatMap((router) => {
      const podCIDRs = router.exportPodCIDR === true ? (node.spec?.podCIDRs ?? []) : []
      const prefixes = new Set([
        ...(podCIDRs as Prefix[]),
        ...servicePrefixes(cluster, node, router.serviceSelector),
      ])
      return router.neighbors.map(({ peerAddress }) => ({
        node: node.metadata.name,
        localAsn: router.localASN,
        neighbour: address(peerAddress.slice(0, peerAddress.indexOf('/'))),
        prefixes,
      }))
    })
  })
}

/** Addresses given to Services, with the Services' names. */
export function givenAddresses(cluster: Cluster): { service: string; address: Address }[] {
  return cluster
    .list<Service>('Service')
    .flatMap(({ metadata, status }) =>
      (status?.loadBalancer?.ingress ?? []).flatMap(({ ip }) =>
        ip === undefined ? [] : [{ service: namespacedName({ metadata }), address: address(ip) }],
      ),
    )
}

/** What the pools contain. */
export function poolRanges(cluster: Cluster): AddressRange[] {
  return cluster
    .list<KubeObject & { spec: { blocks?: { cidr: string }[]; cidrs?: { cidr: string }[] } }>(
      'CiliumLoadBalancerIPPool',
    )
    .flatMap(({ spec }) => [...(spec.blocks ?? []), ...(spec.cidrs ?? [])])
    .map(({ cidr }) => rangeOfPrefix(prefix(cidr)))
}

/** The ready endpoints of a Service for addresses of one IP version. */
export function readyEndpoints(
  cluster: Cluster,
  service: Service,
  version: 4 | 6,
): { address: string; node: string }[] {
  const { name, namespace } = service.metadata
  return cluster
    .list<EndpointSlice>('EndpointSlice')
    .filter(({ metadata, addressType }) => {
      const owner = metadata.labels?.[serviceNameLabel]
      return metadata.namespace === namespace && owner === name && addressType === `IPv${version}`
    })
    .flatMap(({ endpoints }) => endpoints ?? [])
    .filter(({ conditions }) => conditions?.ready !== false && conditions?.terminating !== true)
    .map(({ addresses, nodeName }) => ({ address: addresses[0] ?? '', node: nodeName ?? '' }))
}

function servicePrefixes(cluster: Cluster, node: Node, selector: LabelSelector | undefined): Prefix[] {
  if (selector === undefined) return []
  const excluded = node.metadata.labels?.[excludeLabel]
  if (excluded !== undefined && excluded !== 'false') return []
  return cluster.list<Service>('Service').flatMap((service) => {
    if (service.spec?.type !== 'LoadBalancer' || !selectorMatches(selector, service.metadata.labels ?? {}))
      return []
    const given = (service.status?.loadBalancer?.ingress ?? []).flatMap(({ ip }) => ip ?? [])
    return given.map(address).flatMap((vip) => {
      const ready = readyEndpoints(cluster, service, versionOf(vip))
      const local = service.spec?.externalTrafficPolicy === 'Local'
      const served = local ? ready.some((endpoint) => endpoint.node === node.metadata.name) : ready.length > 0
      return served ? [hostPrefix(vip)] : []
    })
  })
}

/** Older first; the name decides between those made in the same second. */
function byAge(a: KubeObject, b: KubeObject): number {
  const x = `${a.metadata.creationTimestamp} ${a.metadata.name}`
  const y = `${b.metadata.creationTimestamp} ${b.metadata.name}`
  return compareText(x, y)
}
