/** Which addresses of which Services an advertisement announces from a node, and which it withholds and why. */
import { reasonFrom, type Derived } from '#core/dialect/native-set.ts'
import type { Reason } from '#core/lib/reason.ts'
import type { Address } from '#core/net/address.ts'
import { hostPrefix, type Prefix } from '#core/net/prefix.ts'
import { parseRange, rangeContains } from '#core/net/range.ts'
import type { BGPAdvertisement, ServiceAddressKind } from '#core/schema/bgp-advertisement.ts'
import type { BGPInstance } from '#core/schema/bgp-instance.ts'
import { namespacedName, refOf, selectorMatches, type LabelSelector } from '#core/schema/object.ts'
import { servesClass } from '#core/schema/service-labels.ts'
import { excludeLabel } from '#core/schema/well-known.ts'
import type { PlanContext } from './plan-context.ts'
import { readyFor, type ServiceView } from './service-view.ts'

/** What an advertisement asks for on this node: to announce a prefix, or why not. */
export type Wish =
  | { kind: 'announce'; prefix: Prefix; reasons: Reason[] }
  | { kind: 'withhold'; prefix?: Prefix; reasons: Reason[] }

/** One wish for each address that the advertisement is about; none for Services that it does not select. */
export function serviceRoutes(context: PlanContext, advertisement: Derived<BGPAdvertisement>): Wish[] {
  const { services } = advertisement.resource.spec
  if (services === undefined) return []
  const selected = context.services.filter((view) => selectorMatches(services.selector, view.labels))
  return selected.flatMap((view) => {
    const reason = reasonFrom(
      advertisement,
      'spec.services.selector',
      'SelectedByServiceSelector',
      `the service selector matches Service ${namespacedName(view.service)}`,
    )
    return services.addresses.flatMap((kind) =>
      wishesFor(context, view, kind, services.poolSelector).map((wish) => ({
        ...wish,
        // The one that a person needs first comes first: who chose it, or what holds it.
        reasons: wish.kind === 'announce' ? [reason, ...wish.reasons] : [...wish.reasons, reason],
      })),
    )
  })
}

/** Whether the advertisement selects the Service's load balancer addresses, of any pool. */
function selects({ spec }: BGPAdvertisement, view: ServiceView): boolean {
  if (spec.services === undefined || !spec.services.addresses.includes('LoadBalancerIP')) return false
  return selectorMatches(spec.services.selector, view.labels)
}

/** Services with an address, of Herald's, that none of the instance's advertisements announces: users wonder why. */
export function unselectedServices(
  context: PlanContext,
  instance: Derived<BGPInstance>,
  advertisements: readonly Derived<BGPAdvertisement>[],
): { prefix: ReturnType<typeof hostPrefix>; reasons: Reason[] }[] {
  return context.services
    .filter(
      (view) => servesClass(view.service) && !advertisements.some(({ resource }) => selects(resource, view)),
    )
    .flatMap((view) =>
      view.addresses.LoadBalancerIP.map(({ address, field }) => ({
        prefix: hostPrefix(address),
        reasons: [
          ...whyUnselected(instance, advertisements, view),
          {
            rule: 'LoadBalancerIP',
            message: `${address} is an address of it`,
            object: refOf(view.service),
            field,
          },
        ],
      })),
    )
}

function whyUnselected(
  instance: Derived<BGPInstance>,
  advertisements: readonly Derived<BGPAdvertisement>[],
  { service, labels }: ServiceView,
): Reason[] {
  const rule = 'NoMatchingAdvertisement'
  const reasons = advertisements.flatMap((advertisement) => {
    const { services } = advertisement.resource.spec
    if (services === undefined) return []
    if (selectorMatches(services.selector, labels)) {
      const message = 'load balancer addresses are not among those to announce'
      return [reasonFrom(advertisement, 'spec.services.addresses', rule, message)]
    }
    const own = Object.entries(service.metadata.labels ?? {}).map(([key, value]) => `${key}=${value}`)
    const has = own.length === 0 ? 'which has no labels' : `which has the labels ${own.join(', ')}`
    const message = `the service selector does not match Service ${namespacedName(service)}, ${has}`
    return [reasonFrom(advertisement, 'spec.services.selector', rule, message)]
  })
  if (reasons.length > 0) return reasons
  return [reasonFrom(instance, 'spec', rule, 'nothing here selects Services to announce')]
}

function wishesFor(
  context: PlanContext,
  view: ServiceView,
  kind: ServiceAddressKind,
  poolSelector: LabelSelector | undefined,
): Wish[] {
  const { service } = view
  const object = refOf(service)
  const addresses = view.addresses[kind]
  if (kind === 'LoadBalancerIP') {
    if (service.spec?.type !== 'LoadBalancer') return []
    if (!servesClass(service)) {
      const message = `its load balancer class "${service.spec.loadBalancerClass}" is not ours`
      const reason = { rule: 'ForeignClass', message, object, field: 'spec.loadBalancerClass' }
      return [{ kind: 'withhold', reasons: [reason] }]
    }
    if (addresses.length === 0 && poolSelector === undefined) {
      const reason = {
        rule: 'NoAddress',
        message: 'it has no load balancer address yet',
        object,
        field: 'status.loadBalancer.ingress',
      }
      return [{ kind: 'withhold', reasons: [reason] }]
    }
  }
  return addresses
    .filter(({ address }) => poolSelector === undefined || isOfPool(context, address, poolSelector))
    .map(({ address, field }): Wish => {
      const prefix = hostPrefix(address)
      const own = { rule: kind, message: `${address} is an address of it`, object, field }
      const held = nodeHolds(context) ?? serviceHolds(view, address, kind)
      if (held !== undefined) return { kind: 'withhold', prefix, reasons: [held, own] }
      return { kind: 'announce', prefix, reasons: [own, endpointsReason(view, address, kind)] }
    })
}

/** Why this node announces no Service at all. */
function nodeHolds({ node }: PlanContext): Reason | undefined {
  const object = refOf(node)
  if (node.metadata.deletionTimestamp !== undefined) {
    const field = 'metadata.deletionTimestamp'
    return { rule: 'NodeBeingDeleted', message: 'the node is being deleted', object, field }
  }
  const label = node.metadata.labels?.[excludeLabel]
  // Its presence counts, but whoever writes "false" means it.
  if (label === undefined || label === 'false') return undefined
  const field = `metadata.labels["${excludeLabel}"]`
  return {
    rule: 'NodeExcluded',
    message: 'the node is excluded from load balancers by its label',
    object,
    field,
  }
}

function serviceHolds(view: ServiceView, address: Address, kind: ServiceAddressKind): Reason | undefined {
  const { service } = view
  const object = refOf(service)
  if (service.metadata.deletionTimestamp !== undefined) {
    const field = 'metadata.deletionTimestamp'
    return { rule: 'ServiceBeingDeleted', message: 'the Service is being deleted', object, field }
  }
  const { anywhere, here } = readyFor(view, address)
  if (anywhere === 0) {
    return { rule: 'NoReadyEndpoints', message: 'no endpoint of the Service is ready', object }
  }
  const { isLocal, field } = trafficPolicy(view, kind)
  if (isLocal && here === 0) {
    const message = 'no endpoint on this node is ready, and the traffic policy is Local'
    return { rule: 'NoLocalEndpoints', message, object, field }
  }
  return undefined
}

function endpointsReason(view: ServiceView, address: Address, kind: ServiceAddressKind): Reason {
  const { anywhere, here } = readyFor(view, address)
  const { isLocal, field } = trafficPolicy(view, kind)
  const object = refOf(view.service)
  return isLocal
    ? { rule: 'ReadyLocalEndpoints', message: `${count(here)} on this node ready`, object, field }
    : { rule: 'ReadyEndpoints', message: `${count(anywhere)} ready`, object, field }
}

function trafficPolicy(view: ServiceView, kind: ServiceAddressKind): { isLocal: boolean; field: string } {
  const { spec } = view.service
  return kind === 'ClusterIP'
    ? { isLocal: spec?.internalTrafficPolicy === 'Local', field: 'spec.internalTrafficPolicy' }
    : { isLocal: spec?.externalTrafficPolicy === 'Local', field: 'spec.externalTrafficPolicy' }
}

function count(endpoints: number): string {
  return endpoints === 1 ? '1 endpoint is' : `${endpoints} endpoints are`
}

function isOfPool({ set }: PlanContext, address: Address, selector: LabelSelector): boolean {
  return set.pools.some(({ resource }) => {
    if (!selectorMatches(selector, resource.metadata.labels ?? {})) return false
    return resource.spec.ranges.some((text) => {
      const range = parseRange(text)
      return range.ok && rangeContains(range.value, address)
    })
  })
}
