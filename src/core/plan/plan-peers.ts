/** The neighbours of an instance on a node, and the ranges from which more may come. */
import { unnumbered as unnumberedAddress, type ListenRange, type PeerConfig } from '#core/bgp/config.ts'
import type { Family } from '#core/bgp/family.ts'
import { compareSourceAge } from '#core/dialect/age.ts'
import { reasonFrom, sourceOf, type Derived } from '#core/dialect/native-set.ts'
import { withGroup } from '#core/dialect/peer-group.ts'
import { compareText } from '#core/lib/order.ts'
import type { Reason } from '#core/lib/reason.ts'
import { address } from '#core/net/address.ts'
import { parsePrefix, type Prefix } from '#core/net/prefix.ts'
import type { BGPInstance } from '#core/schema/bgp-instance.ts'
import type { BGPPeer } from '#core/schema/bgp-peer.ts'
import { refOf, selectorMatches } from '#core/schema/object.ts'
import { peerConfigOf } from './peer-config.ts'
import type { PlanContext } from './plan-context.ts'
import { policyChains } from './plan-policies.ts'

/** One neighbour, or all that connect from one range. */
export interface PlannedPeer {
  /** In the instance; of a range, that of its template. */
  name: string
  /** For people: the address, or the prefix of the range. */
  shown: string
  families: readonly Family[]
  derived: Derived<BGPPeer>
  config: { kind: 'peer'; peer: PeerConfig } | { kind: 'range'; range: ListenRange }
}

/** `asn`: the instance's own on this node. Peers are in the order of their names. */
export function planPeers(
  context: PlanContext,
  instance: Derived<BGPInstance>,
  asn: number,
): { peers: PlannedPeer[]; peerReasons: Record<string, Reason[]> } {
  const taken = new Map<string, Derived<BGPPeer>>()
  const peers: PlannedPeer[] = []
  const reasons = new Map<string, Reason[]>()
  const instanceName = instance.resource.metadata.name
  for (const alone of context.set.peers.toSorted(compareSourceAge)) {
    const { spec } = alone.resource
    if (spec.instances !== undefined && !spec.instances.includes(instanceName)) continue
    if (!selectorMatches(spec.nodeSelector ?? {}, context.node.metadata.labels ?? {})) continue
    const { derived, problem } = withGroup(context.set, alone)
    for (const place of placesOf(derived)) {
      const older = taken.get(place.key)
      if (older !== undefined) {
        const known = place.prefix === undefined ? 'a neighbour' : 'a range'
        context.problems.push({
          rule: 'ConflictingPeer',
          message: `${place.shown} is ${known} of ${instanceName} already by the older ${older.resource.metadata.name}`,
          hint: 'remove one of the two, or let them select other nodes',
          ...sourceOf(derived, place.path),
          other: refOf(older.source),
          nodes: [context.node.metadata.name],
        })
        continue
      }
      taken.set(place.key, derived)
      const why = [reasonFrom(derived, place.path, ...placeReason(place))]
      const chains = policyChains(context.set, derived, why)
      const settings = {
        ...peerConfigOf(context, derived, asn, why),
        ...chains,
        ...(problem !== undefined && { heldDown: problem.message }),
      }
      peers.push(planned(derived, place, settings))
      reasons.set(place.name, why)
    }
  }
  peers.sort((a, b) => compareText(a.name, b.name))
  return { peers, peerReasons: Object.fromEntries(peers.map(({ name }) => [name, reasons.get(name) ?? []])) }
}

/** Where neighbours of a peer are: at an address, or within a prefix. */
interface Place {
  /** Equal for what would be the same neighbour twice. */
  key: string
  name: string
  shown: string
  path: string
  prefix?: Prefix
  /** Whoever is found on the interface. */
  unnumbered?: true
}

function placesOf({ resource: { metadata, spec } }: Derived<BGPPeer>): Place[] {
  const { name } = metadata
  if (spec.address !== undefined) {
    const shown = address(spec.address)
    const key = spec.interface === undefined ? shown : `${shown}%${spec.interface}`
    return [{ key, name, shown, path: 'spec.address' }]
  }
  if (spec.listen === undefined && spec.interface !== undefined) {
    const shown = `%${spec.interface}`
    return [{ key: shown, name, shown, path: 'spec.interface', unnumbered: true }]
  }
  const prefixes = spec.listen?.prefixes ?? []
  return prefixes.flatMap((text, i) => {
    const prefix = parsePrefix(text)
    if (!prefix.ok) return []
    const shown: string = prefix.value
    return {
      key: shown,
      // No object's name has a slash in it.
      name: prefixes.length === 1 ? name : `${name}/${shown}`,
      shown,
      path: `spec.listen.prefixes[${i}]`,
      prefix: prefix.value,
    }
  })
}

function placeReason({ shown, prefix, unnumbered }: Place): [rule: string, message: string] {
  if (unnumbered === true)
    return ['UnnumberedPeer', `the router at the other end of ${shown.slice(1)} is a neighbour`]
  return prefix === undefined
    ? ['ConfiguredPeer', `${shown} is configured as a neighbour`]
    : ['ConfiguredRange', `whoever connects from ${shown} is a neighbour`]
}

function planned(
  derived: Derived<BGPPeer>,
  { name, shown, prefix, unnumbered }: Place,
  settings: ReturnType<typeof peerConfigOf>,
): PlannedPeer {
  const common = { name, shown, families: settings.families, derived }
  if (prefix === undefined) {
    const where = unnumbered === true ? unnumberedAddress : address(shown)
    return { ...common, config: { kind: 'peer', peer: { name, address: where, ...settings } } }
  }
  const limit = derived.resource.spec.listen?.limit ?? 1
  const template = { name, ...settings, passive: true }
  return { ...common, config: { kind: 'range', range: { prefix, template, limit } } }
}
