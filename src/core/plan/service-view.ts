/** Services as planning sees them from one node: their addresses, and the endpoints that are ready for each. */
import { compareText } from '#core/lib/order.ts'
import { parseAddress, versionOf, type Address, type IpVersion } from '#core/net/address.ts'
import type { ServiceAddressKind } from '#core/schema/bgp-advertisement.ts'
import type { Endpoint, EndpointSlice, Service } from '#core/schema/kubernetes.ts'
import { namespacedName } from '#core/schema/object.ts'
import { serviceLabels } from '#core/schema/service-labels.ts'
import type { Snapshot } from '#core/schema/snapshot.ts'
import { serviceNameLabel } from '#core/schema/well-known.ts'

export interface ServiceView {
  service: Service
  /** What selectors match. */
  labels: Record<string, string>
  addresses: Record<ServiceAddressKind, ServiceAddress[]>
  /** Number of ready endpoints by IP version: in the cluster, and on this node. */
  ready: Record<IpVersion, { anywhere: number; here: number }>
}

export interface ServiceAddress {
  address: Address
  /** Path inside the Service. */
  field: string
}

/** In the order of namespace and name. */
export function serviceViews(snapshot: Snapshot, nodeName: string): ServiceView[] {
  const slices = Map.groupBy(
    snapshot.endpointSlices.filter(({ addressType }) => addressType !== 'FQDN'),
    ({ metadata: { namespace = 'default', labels } }) => `${namespace}/${labels?.[serviceNameLabel] ?? ''}`,
  )
  return snapshot.services
    .map((service) => ({ service, key: namespacedName(service) }))
    .toSorted((a, b) => compareText(a.key, b.key))
    .map(({ service, key }) => ({
      service,
      labels: serviceLabels(service),
      addresses: addressesOf(service),
      ready: readyEndpoints(slices.get(key) ?? [], nodeName),
    }))
}

function addressesOf({ spec, status }: Service): ServiceView['addresses'] {
  if (spec?.type === 'ExternalName') return { LoadBalancerIP: [], ExternalIP: [], ClusterIP: [] }
  const ingress = spec?.type === 'LoadBalancer' ? (status?.loadBalancer?.ingress ?? []) : []
  const cluster = spec?.clusterIPs ?? (spec?.clusterIP === undefined ? [] : [spec.clusterIP])
  return {
    LoadBalancerIP: parsed(
      ingress.map(({ ip }) => ip),
      (i) => `status.loadBalancer.ingress[${i}].ip`,
    ),
    ExternalIP: parsed(spec?.externalIPs ?? [], (i) => `spec.externalIPs[${i}]`),
    // Headless Services say "None".
    ClusterIP: parsed(cluster, (i) => `spec.clusterIPs[${i}]`),
  }
}

/** Those that are addresses; the API server lets no others in. */
function parsed(texts: readonly (string | undefined)[], field: (index: number) => string): ServiceAddress[] {
  return texts.flatMap((text, i) => {
    const result = parseAddress(text ?? '')
    return result.ok ? [{ address: result.value, field: field(i) }] : []
  })
}

function readyEndpoints(slices: readonly EndpointSlice[], nodeName: string): ServiceView['ready'] {
  const ready: ServiceView['ready'] = { 4: { anywhere: 0, here: 0 }, 6: { anywhere: 0, here: 0 } }
  for (const { addressType, endpoints } of slices) {
    const counts = ready[addressType === 'IPv6' ? 6 : 4]
    for (const endpoint of endpoints ?? []) {
      if (!isReady(endpoint)) continue
      counts.anywhere++
      if (endpoint.nodeName === nodeName) counts.here++
    }
  }
  return ready
}

/** Absent conditions mean ready and not terminating (discovery.k8s.io/v1). */
function isReady({ conditions }: Endpoint): boolean {
  return conditions?.ready !== false && conditions?.terminating !== true
}

/** Ready endpoints of the IP version of this address. */
export function readyFor(view: ServiceView, address: Address): { anywhere: number; here: number } {
  return view.ready[versionOf(address)]
}
