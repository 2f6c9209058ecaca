/** The routes that an instance announces to its peers from a node, and those that it withholds. */
import type { OriginatedAttributes, OriginatedRoute } from '#core/bgp/config.ts'
import { familyOfPrefix } from '#core/bgp/family.ts'
import { compareSourceAge } from '#core/dialect/age.ts'
import { reasonFrom, type Derived } from '#core/dialect/native-set.ts'
import { hex } from '#core/lib/bytes.ts'
import { compareText } from '#core/lib/order.ts'
import type { Reason } from '#core/lib/reason.ts'
import { addressBytes } from '#core/net/address.ts'
import {
  comparePrefixes,
  lengthOf,
  networkOf,
  parsePrefix,
  prefixVersion,
  type Prefix,
} from '#core/net/prefix.ts'
import type { BGPAdvertisement } from '#core/schema/bgp-advertisement.ts'
import type { BGPInstance } from '#core/schema/bgp-instance.ts'
import { refOf, selectorMatches } from '#core/schema/object.ts'
import { attributesOf, mergeAttributes } from './attributes.ts'
import type { InstancePlan, Withheld } from './node-plan.ts'
import type { PlanContext } from './plan-context.ts'
import type { PlannedPeer } from './plan-peers.ts'
import { serviceRoutes, unselectedServices, type Wish } from './service-routes.ts'

interface Announcement {
  attributes: OriginatedAttributes
  reasons: Reason[]
}

/** Routes in the order of {@link comparePrefixes}, receivers by name. Problems go to the context. */
export function planRoutes(
  context: PlanContext,
  instance: Derived<BGPInstance>,
  peers: readonly PlannedPeer[],
): { routes: OriginatedRoute[] } & Pick<InstancePlan, 'routeReasons' | 'withheld'> {
  const table = new Map<Prefix, Map<string, Announcement>>()
  const withheld: Withheld[] = []
  const advertisements = context.set.advertisements
    .filter(({ resource }) => appliesTo(resource, instance, context))
    .toSorted(compareSourceAge)
  for (const advertisement of advertisements) {
    const { spec } = advertisement.resource
    const receivers = peers.filter(
      ({ derived }) => spec.peers === undefined || spec.peers.includes(derived.resource.metadata.name),
    )
    for (const wish of wishesOf(context, advertisement)) {
      if (wish.kind === 'announce') announce(table, withheld, advertisement, receivers, wish)
      else withheld.push(wish.prefix === undefined ? { reasons: wish.reasons } : withoutKind(wish))
    }
  }
  withheld.push(...unselectedServices(context, instance, advertisements).map(withoutKind))
  return { ...canonicalRoutes(table), withheld: canonicalWithheld(withheld, table) }
}

function appliesTo(
  { spec }: BGPAdvertisement,
  instance: Derived<BGPInstance>,
  { node }: PlanContext,
): boolean {
  if (spec.instances !== undefined && !spec.instances.includes(instance.resource.metadata.name)) return false
  return selectorMatches(spec.nodeSelector ?? {}, node.metadata.labels ?? {})
}

function wishesOf(context: PlanContext, advertisement: Derived<BGPAdvertisement>): Wish[] {
  const { spec } = advertisement.resource
  const wishes = serviceRoutes(context, advertisement)
  if (spec.podCIDR) wishes.push(...podRoutes(context, advertisement))
  for (const [i, text] of (spec.prefixes ?? []).entries()) {
    const parsed = parsePrefix(text)
    if (!parsed.ok) continue
    const reason = reasonFrom(advertisement, `spec.prefixes[${i}]`, 'ConfiguredPrefix', 'it is configured')
    wishes.push({ kind: 'announce', prefix: parsed.value, reasons: [reason] })
  }
  return wishes
}

function podRoutes({ node, problems }: PlanContext, advertisement: Derived<BGPAdvertisement>): Wish[] {
  const reason = reasonFrom(
    advertisement,
    'spec.podCIDR',
    'PodCIDRExported',
    "the node's pod networks are announced",
  )
  const object = refOf(node)
  const single = node.spec?.podCIDR === undefined ? [] : [node.spec.podCIDR]
  const texts = node.spec?.podCIDRs ?? single
  if (texts.length === 0) {
    const missing = {
      rule: 'NoPodCIDR',
      message: 'the node has no pod network yet',
      object,
      field: 'spec.podCIDRs',
    }
    return [{ kind: 'withhold', reasons: [missing, reason] }]
  }
  return texts.flatMap((text, i): Wish[] => {
    const field = node.spec?.podCIDRs === undefined ? 'spec.podCIDR' : `spec.podCIDRs[${i}]`
    const parsed = parsePrefix(text)
    if (!parsed.ok) {
      const hint = 'give the node a pod network such as 10.244.1.0/24'
      problems.push({
        rule: 'InvalidValue',
        message: parsed.error,
        hint,
        object,
        field,
        nodes: [object.name],
      })
      return []
    }
    const prefix = parsed.value
    const isLeaving = node.metadata.deletionTimestamp !== undefined
    const rule = isLeaving ? 'NodeBeingDeleted' : 'PodNetworkOfNode'
    const message = isLeaving ? 'the node is being deleted' : `${prefix} is the pod network of ${object.name}`
    const own = { rule, message, object, field: isLeaving ? 'metadata.deletionTimestamp' : field }
    return [{ kind: isLeaving ? 'withhold' : 'announce', prefix, reasons: [own, reason] }]
  })
}

function announce(
  table: Map<Prefix, Map<string, Announcement>>,
  withheld: Withheld[],
  advertisement: Derived<BGPAdvertisement>,
  receivers: readonly PlannedPeer[],
  wish: Extract<Wish, { kind: 'announce' }>,
): void {
  const { prefix, reasons } = wish
  const attributes = attributesOf(advertisement.resource.spec.attributes, prefixVersion(prefix))
  const attributeReasons =
    Object.keys(attributes).length === 0
      ? []
      : [reasonFrom(advertisement, 'spec.attributes', 'AttributesGiven', 'it gets these attributes')]
  for (const { name, shown, families, derived } of receivers) {
    const family = familyOfPrefix(prefix)
    if (!families.includes(family)) {
      const message = `${shown} does not get ${family} routes`
      const reason = reasonFrom(derived, 'spec.families', 'FamilyNotConfigured', message)
      withheld.push({ prefix, peer: name, reasons: [reason, ...reasons] })
      continue
    }
    const byPeer = table.get(prefix) ?? new Map<string, Announcement>()
    table.set(prefix, byPeer)
    const before = byPeer.get(name)
    const added = [...reasons, ...attributeReasons]
    byPeer.set(
      name,
      before === undefined
        ? { attributes, reasons: added }
        : {
            attributes: mergeAttributes(before.attributes, attributes),
            reasons: unique([...before.reasons, ...added]),
          },
    )
  }
}

function canonicalRoutes(
  table: ReadonlyMap<Prefix, ReadonlyMap<string, Announcement>>,
): { routes: OriginatedRoute[] } & Pick<InstancePlan, 'routeReasons'> {
  const routes: OriginatedRoute[] = []
  const routeReasons: InstancePlan['routeReasons'] = []
  // Thousands of Services are sorted by keys that are made once, in the order of comparePrefixes.
  const keyed = [...table].map(([prefix, byPeer]) => ({ key: sortKey(prefix), prefix, byPeer }))
  for (const { prefix, byPeer } of keyed.toSorted((a, b) => compareText(a.key, b.key))) {
    const sorted = [...byPeer].toSorted(([a], [b]) => compareText(a, b))
    routes.push({ prefix, to: sorted.map(([peer, { attributes }]) => ({ peer, attributes })) })
    for (const [peer, { reasons }] of sorted) routeReasons.push({ prefix, peer, reasons })
  }
  return { routes, routeReasons }
}

/** IPv4 before IPv6, then by network, then shorter first: keys of the same length for each version. */
function sortKey(prefix: Prefix): string {
  const length = String(lengthOf(prefix)).padStart(3, '0')
  return `${prefixVersion(prefix)}${hex(addressBytes(networkOf(prefix)))}/${length}`
}

/** What is announced after all, by another Service or advertisement, is not withheld. */
function canonicalWithheld(
  withheld: readonly Withheld[],
  table: ReadonlyMap<Prefix, ReadonlyMap<string, Announcement>>,
): Withheld[] {
  const kept = withheld.filter(({ prefix, peer }) => {
    const byPeer = prefix === undefined ? undefined : table.get(prefix)
    return byPeer === undefined || (peer !== undefined && !byPeer.has(peer))
  })
  return unique(kept).toSorted((a, b) => compareWithheld(a, b))
}

function compareWithheld(a: Withheld, b: Withheld): number {
  if (a.prefix !== undefined && b.prefix !== undefined) {
    const byPrefix = comparePrefixes(a.prefix, b.prefix)
    if (byPrefix !== 0) return byPrefix
  } else if (a.prefix !== b.prefix) return a.prefix === undefined ? 1 : -1
  return compareText(a.peer ?? '', b.peer ?? '') || compareText(JSON.stringify(a), JSON.stringify(b))
}

function withoutKind({ prefix, reasons }: { prefix?: Prefix; reasons: Reason[] }): Withheld {
  return prefix === undefined ? { reasons } : { prefix, reasons }
}

function unique<T>(items: readonly T[]): T[] {
  return [...new Map(items.map((item) => [JSON.stringify(item), item])).values()]
}
