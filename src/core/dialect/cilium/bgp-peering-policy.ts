/**
 * `CiliumBGPPeeringPolicy` as native instances, peers and advertisements: an instance by virtual router, a peer by
 * neighbor, an advertisement by virtual router and one more by entry of advertisedPathAttributes.
 */
import { compareText } from '#core/lib/order.ts'
import { showObject, type Problem } from '#core/lib/reason.ts'
import { networkOf, parsePrefix, type Prefix } from '#core/net/prefix.ts'
import { present } from '#core/lib/assert.ts'
import type { BGPAdvertisement, BGPAdvertisementSpec } from '#core/schema/bgp-advertisement.ts'
import type { BGPInstance } from '#core/schema/bgp-instance.ts'
import type { BGPPeer } from '#core/schema/bgp-peer.ts'
import type {
  CiliumBGPPeeringPolicySpec,
  CiliumNeighbor,
  CiliumVirtualRouter,
} from '#core/schema/cilium/bgp-peering-policy.ts'
import type { Node } from '#core/schema/kubernetes.ts'
import { refOf, selectorMatches, type KubeObject } from '#core/schema/object.ts'
import { heraldApiVersion } from '#core/schema/well-known.ts'
import { compareAge } from '../age.ts'
import { emptyNativeSet, type Derived, type NativeSet } from '../native-set.ts'
import { annotationField, settingsOn } from './virtual-router-annotation.ts'

export interface CiliumBGPPeeringPolicy extends KubeObject {
  spec: CiliumBGPPeeringPolicySpec
}

/** Where Cilium looks for the Secrets that authSecretRef names, unless its installation says otherwise. */
export const secretsNamespace = 'kube-system'

/** Longer than that nobody waits; Cilium allows 68 years. */
const connectRetrySecondsMax = 65535
/** A third of the longest hold time: more is never used (RFC 4271 §4.4). */
const keepaliveSecondsMax = 21845

/** The oldest policy that selects a node has it; what later ones lose to it is among the problems. */
export function resourcesOfPolicies(
  policies: readonly CiliumBGPPeeringPolicy[],
  nodes: readonly Node[],
): NativeSet {
  const set = emptyNativeSet()
  const owners = new Map<string, CiliumBGPPeeringPolicy>()
  const sortedNodes = nodes.toSorted((a, b) => compareText(a.metadata.name, b.metadata.name))
  for (const policy of policies.toSorted(compareAge)) {
    const selected = sortedNodes.filter((node) =>
      selectorMatches(policy.spec.nodeSelector ?? {}, node.metadata.labels ?? {}),
    )
    const won = selected.filter((node) => !owners.has(node.metadata.name))
    set.problems.push(...conflicts(policy, selected, owners))
    for (const node of won) owners.set(node.metadata.name, policy)
    for (const index of policy.spec.virtualRouters.keys()) {
      addRouter(set, policy, index, won, won.length < selected.length)
    }
  }
  return set
}

/** One problem for each older policy that has some of these nodes. */
function conflicts(
  policy: CiliumBGPPeeringPolicy,
  selected: readonly Node[],
  owners: ReadonlyMap<string, CiliumBGPPeeringPolicy>,
): Problem[] {
  const lost = new Map<CiliumBGPPeeringPolicy, string[]>()
  for (const node of selected) {
    const owner = owners.get(node.metadata.name)
    if (owner !== undefined) lost.set(owner, [...(lost.get(owner) ?? []), node.metadata.name])
  }
  return [...lost].map(([owner, names]) => ({
    rule: 'ConflictingPolicy',
    message: `the older ${showObject(refOf(owner))} selects ${listNames(names)} too and works on there, so this policy has no effect there`,
    hint: 'let each policy select other nodes, or merge the two',
    object: refOf(policy),
    field: 'spec.nodeSelector',
    other: refOf(owner),
    nodes: names,
  }))
}

function addRouter(
  set: NativeSet,
  policy: CiliumBGPPeeringPolicy,
  index: number,
  nodes: readonly Node[],
  someLost: boolean,
): void {
  const router = present(policy.spec.virtualRouters[index], 'virtual router')
  const field = `spec.virtualRouters[${index}]`
  if (router.localASN === 0) {
    set.problems.push({
      rule: 'InvalidValue',
      message: 'AS number 0 is reserved (RFC 7607), so this virtual router does not run',
      hint: 'write the AS number of these nodes, such as 64512',
      object: refOf(policy),
      field: `${field}.localASN`,
    })
    return
  }
  if (router.podIPPoolSelector !== undefined) {
    set.problems.push(unsupported(policy, `${field}.podIPPoolSelector`, 'pod IP pools are not announced'))
  }
  const name = `cilium/${policy.metadata.name}/${router.localASN}`
  set.instances.push(instanceOf(set.problems, policy, name, index, nodes, someLost))
  const advertisement = advertisementOf(policy, name, field, router)
  if (advertisement !== undefined) set.advertisements.push(advertisement)
  for (const [i, neighbor] of router.neighbors.entries()) {
    addNeighbor(set, policy, name, router, neighbor, field, i)
  }
}

function instanceOf(
  problems: Problem[],
  policy: CiliumBGPPeeringPolicy,
  name: string,
  index: number,
  nodes: readonly Node[],
  someLost: boolean,
): Derived<BGPInstance> {
  const { nodeSelector, virtualRouters } = policy.spec
  const asn = present(virtualRouters[index], 'virtual router').localASN
  const field = `spec.virtualRouters[${index}]`
  const sourceFields: Derived<unknown>['sourceFields'] = {
    spec: field,
    'spec.asn': `${field}.localASN`,
    'spec.nodeSelector': 'spec.nodeSelector',
    'spec.nodes': 'spec.nodeSelector',
  }
  const overrides: NonNullable<BGPInstance['spec']['overrides']> = []
  const good: string[] = []
  for (const node of nodes) {
    const settings = settingsOn(node, asn)
    if (!settings.ok) {
      problems.push(settings.error)
      continue
    }
    good.push(node.metadata.name)
    if (Object.keys(settings.value).length === 0) continue
    sourceFields[`spec.overrides[${overrides.length}]`] = { object: refOf(node), field: annotationField(asn) }
    overrides.push({ node: node.metadata.name, ...settings.value })
  }
  const all = !someLost && good.length === nodes.length
  const resource: BGPInstance = {
    apiVersion: heraldApiVersion,
    kind: 'BGPInstance',
    metadata: { ...policy.metadata, name },
    spec: {
      asn,
      ...(nodeSelector !== undefined && { nodeSelector }),
      ...(!all && { nodes: good }),
      ...(overrides.length > 0 && { overrides }),
    },
  }
  return { resource, source: policy, sourceFields }
}

/** What the virtual router announces to all its neighbors; undefined: nothing. */
function advertisementOf(
  policy: CiliumBGPPeeringPolicy,
  name: string,
  field: string,
  router: CiliumVirtualRouter,
): Derived<BGPAdvertisement> | undefined {
  // No serviceSelector selects no Service, other than an empty one.
  const services = router.serviceAdvertisements.length === 0 ? undefined : router.serviceSelector
  if (services === undefined && !router.exportPodCIDR) return undefined
  const spec: BGPAdvertisementSpec = {
    instances: [name],
    podCIDR: router.exportPodCIDR,
    ...(services !== undefined && {
      services: { selector: services, addresses: router.serviceAdvertisements },
    }),
  }
  return {
    resource: {
      apiVersion: heraldApiVersion,
      kind: 'BGPAdvertisement',
      metadata: { ...policy.metadata, name },
      spec,
    },
    source: policy,
    sourceFields: advertisementFields(field),
  }
}

function advertisementFields(field: string): Record<string, string> {
  return {
    spec: field,
    'spec.podCIDR': `${field}.exportPodCIDR`,
    'spec.services': `${field}.serviceSelector`,
    'spec.services.addresses': `${field}.serviceAdvertisements`,
  }
}

function addNeighbor(
  set: NativeSet,
  policy: CiliumBGPPeeringPolicy,
  instance: string,
  router: CiliumVirtualRouter,
  neighbor: CiliumNeighbor,
  routerField: string,
  index: number,
): void {
  const field = `${routerField}.neighbors[${index}]`
  const address = networkOf(canonicalPrefix(neighbor.peerAddress))
  const name = `${instance}/${address}`
  const { families, others } = familiesOf(neighbor)
  for (const i of others) {
    set.problems.push(
      unsupported(
        policy,
        `${field}.families[${i}]`,
        'only IPv4 and IPv6 unicast are spoken, so this family is left out',
      ),
    )
  }
  if (families.length === 0) return
  const resource: BGPPeer = {
    apiVersion: heraldApiVersion,
    kind: 'BGPPeer',
    metadata: { ...policy.metadata, name },
    spec: {
      instances: [instance],
      address,
      port: neighbor.peerPort,
      asn: neighbor.peerASN,
      families,
      timers: {
        connectRetrySeconds: Math.min(neighbor.connectRetryTimeSeconds, connectRetrySecondsMax),
        holdTimeSeconds: neighbor.holdTimeSeconds,
        keepaliveSeconds: Math.min(neighbor.keepAliveTimeSeconds, keepaliveSecondsMax),
      },
      passive: false,
      multihopTtl: neighbor.eBGPMultihopTTL,
      ...(neighbor.authSecretRef !== undefined && {
        passwordSecret: { namespace: secretsNamespace, name: neighbor.authSecretRef, key: 'password' },
      }),
      ...(neighbor.gracefulRestart?.enabled === true && {
        gracefulRestart: {
          enabled: true,
          restartSeconds: neighbor.gracefulRestart.restartTimeSeconds,
        },
      }),
      importRoutes: false,
      exportLearned: false,
    },
  }
  set.peers.push({
    resource,
    source: policy,
    sourceFields: {
      spec: field,
      'spec.address': `${field}.peerAddress`,
      'spec.port': `${field}.peerPort`,
      'spec.asn': `${field}.peerASN`,
      'spec.families': `${field}.families`,
      'spec.multihopTtl': `${field}.eBGPMultihopTTL`,
      'spec.timers.connectRetrySeconds': `${field}.connectRetryTimeSeconds`,
      'spec.timers.holdTimeSeconds': `${field}.holdTimeSeconds`,
      'spec.timers.keepaliveSeconds': `${field}.keepAliveTimeSeconds`,
      'spec.passwordSecret': `${field}.authSecretRef`,
      'spec.gracefulRestart': `${field}.gracefulRestart`,
    },
  })
  for (const i of (neighbor.advertisedPathAttributes ?? []).keys()) {
    addAttributes(set, policy, instance, name, router, neighbor, routerField, index, i)
  }
}

/** One entry of advertisedPathAttributes: what it selects among that which the router announces anyway. */
function addAttributes(
  set: NativeSet,
  policy: CiliumBGPPeeringPolicy,
  instance: string,
  peer: string,
  router: CiliumVirtualRouter,
  neighbor: CiliumNeighbor,
  routerField: string,
  neighborIndex: number,
  index: number,
): void {
  const entry = present(neighbor.advertisedPathAttributes?.[index], 'path attributes')
  const field = `${routerField}.neighbors[${neighborIndex}].advertisedPathAttributes[${index}]`
  const spec: BGPAdvertisementSpec = {
    instances: [instance],
    peers: [peer],
    podCIDR: false,
    attributes: {
      ...(entry.communities !== undefined && { communities: entry.communities }),
      ...(entry.localPreference !== undefined && { localPref: entry.localPreference }),
    },
  }
  switch (entry.selectorType) {
    case 'CiliumPodIPPool':
      set.problems.push(unsupported(policy, `${field}.selectorType`, 'pod IP pools are not announced'))
      return
    case 'PodCIDR':
      if (!router.exportPodCIDR) return
      spec.podCIDR = true
      if (entry.selector !== undefined) spec.nodeSelector = entry.selector
      break
    case 'CiliumLoadBalancerIPPool':
      if (router.serviceSelector === undefined) return
      if (!router.serviceAdvertisements.includes('LoadBalancerIP')) return
      spec.services = {
        selector: router.serviceSelector,
        addresses: ['LoadBalancerIP'],
        poolSelector: entry.selector ?? {},
      }
      break
  }
  set.advertisements.push({
    resource: {
      apiVersion: heraldApiVersion,
      kind: 'BGPAdvertisement',
      metadata: { ...policy.metadata, name: `${peer}/${index}` },
      spec,
    },
    source: policy,
    sourceFields: {
      spec: field,
      'spec.podCIDR': `${field}.selectorType`,
      'spec.services': `${field}.selector`,
      'spec.attributes': field,
      'spec.attributes.localPref': `${field}.localPreference`,
      'spec.attributes.communities': `${field}.communities`,
    },
  })
}

/** The families spoken, and the indexes of those that Herald does not speak. */
function familiesOf(neighbor: CiliumNeighbor): {
  families: ('ipv4/unicast' | 'ipv6/unicast')[]
  others: number[]
} {
  if (neighbor.families === undefined || neighbor.families.length === 0) {
    return { families: ['ipv4/unicast', 'ipv6/unicast'], others: [] }
  }
  const named = neighbor.families.map(({ afi, safi }) => `${afi}/${safi}`)
  return {
    families: (['ipv4/unicast', 'ipv6/unicast'] as const).filter((family) => named.includes(family)),
    others: named.flatMap((family, i) => (family === 'ipv4/unicast' || family === 'ipv6/unicast' ? [] : [i])),
  }
}

function unsupported(policy: CiliumBGPPeeringPolicy, field: string, message: string): Problem {
  return { rule: 'Unsupported', message, hint: 'remove the field', object: refOf(policy), field }
}

function canonicalPrefix(text: string): Prefix {
  const parsed = parsePrefix(text)
  return present(parsed.ok ? parsed.value : undefined, 'validated prefix')
}

function listNames(names: readonly string[]): string {
  const shown = names.slice(0, 3).join(', ')
  return names.length <= 3 ? `node ${shown}` : `node ${shown} and ${names.length - 3} more`
}
