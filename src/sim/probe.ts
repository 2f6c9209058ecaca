/**
 * A client's requests through the simulated site: by the router's best route to a node, and from there to the Service's ready
 * endpoints in turn. What the data path would do, reckoned and not simulated packet by packet.
 */
import { versionOf, type Address } from '#core/net/address.ts'
import { hostPrefix } from '#core/net/prefix.ts'
import type { Pod, Service } from '#core/schema/kubernetes.ts'
import { readyEndpoints } from './oracle.ts'
import type { SimulatedRouter } from './router.ts'
import type { Simulation } from './simulation.ts'

export interface Probe {
  service: string
  address: Address
  port: number
  /** The router that the client is behind. */
  router: string
  /** The HTTP status; absent: no answer, and `reason` says why. */
  status?: 200
  /** The node that the request came in by. */
  via?: string
  pod?: string
  /** The pod's. */
  node?: string
  reason?: string
}

/** One request per ready endpoint of each address of each LoadBalancer Service, from behind each router; one if there is none. */
export function probeServices(simulation: Simulation): Probe[] {
  const services = simulation.cluster
    .list<Service>('Service')
    .filter(({ spec }) => spec?.type === 'LoadBalancer')
  return [...simulation.routers.values()].flatMap((router) =>
    services.flatMap((service) =>
      (service.status?.loadBalancer?.ingress ?? []).flatMap(({ ip }) =>
        ip === undefined ? [] : probeAddress(simulation, router, service, ip as Address),
      ),
    ),
  )
}

function probeAddress(
  simulation: Simulation,
  router: SimulatedRouter,
  service: Service,
  vip: Address,
): Probe[] {
  const { cluster, network } = simulation
  const port = service.spec?.ports?.[0]?.port ?? 80
  const probe = { service: service.metadata.name, address: vip, port, router: router.host.name }
  const route = router.routes('locRib', { prefix: hostPrefix(vip) }).find(({ best }) => best)
  if (route === undefined) return [{ ...probe, reason: `${router.host.name} has no route to ${vip}` }]
  const entry = network.hostOf(route.attributes.nextHop)
  if (entry === undefined || !entry.on || network.isCut(entry, router.host)) {
    return [{ ...probe, reason: `the next hop ${route.attributes.nextHop} does not answer` }]
  }
  const local = service.spec?.externalTrafficPolicy === 'Local'
  const endpoints = readyEndpoints(cluster, service, versionOf(vip)).filter(
    ({ node }) => !local || node === entry.name,
  )
  const via = entry.name
  if (endpoints.length === 0) return [{ ...probe, via, reason: `${via} has no endpoint to send it to` }]
  return endpoints.map(({ address, node }) => {
    const pod = cluster
      .list<Pod>('Pod')
      .find(({ status }) => status?.podIPs?.some(({ ip }) => ip === address))
    const to = { ...probe, via, pod: pod?.metadata.name ?? address, node }
    const target = network.hosts().find(({ name }) => name === node)
    const reached = target !== undefined && target.on && (target === entry || !network.isCut(entry, target))
    return reached ? { ...to, status: 200 } : { ...to, reason: `${via} cannot reach ${node}` }
  })
}
