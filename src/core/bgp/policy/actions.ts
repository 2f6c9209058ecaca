/** What a statement does to a route, made ready. Attributes are never changed in place. */
import type { AsPathSegment, PathAttributes } from '../attributes.ts'
import { prepended, sortedNumbers } from '../rib/rewrite.ts'
import { isConfederation } from '../wire/as-path.ts'
import type { Accepted, PolicyRoute } from './chain.ts'
import {
  compileCommunitySet,
  extendedKind,
  largeKind,
  standardKind,
  type CommunityKind,
  type CommunitySet,
} from './community-set.ts'
import type { CommunityChange, PolicyActions } from './policy.ts'

export type CompiledActions = (route: PolicyRoute, candidate: Accepted) => Accepted

type Change = (attributes: PathAttributes) => void

/** `fault` is told what is wrong and in which field. */
export function compileActions(
  actions: PolicyActions,
  fault: (field: string, message: string) => void,
): CompiledActions {
  const changes = communityChanges(actions, (field, message) => fault(`set.${field}`, message))
  const { localPref, weight, origin } = actions
  return (route, candidate) => {
    const attributes = { ...candidate.attributes }
    const next: Accepted = { ...candidate, attributes }
    if (localPref !== undefined) attributes.localPref = localPref
    if (weight !== undefined) attributes.weight = weight
    if (origin !== undefined) attributes.origin = origin
    setMed(actions, next)
    if (actions.prepend !== undefined)
      attributes.asPath = lengthened(attributes.asPath, actions.prepend, route)
    setNextHop(actions, route, next)
    for (const change of changes) change(attributes)
    return next
  }
}

function setMed({ med }: PolicyActions, next: Accepted): void {
  if (med === undefined) return
  const { attributes } = next
  if (med.kind === 'remove') {
    delete attributes.med
    delete next.medSet
    return
  }
  const value = med.kind === 'set' ? med.value : (attributes.med ?? 0) + med.value
  attributes.med = Math.min(0xffff_ffff, Math.max(0, value))
  next.medSet = true
}

function lengthened(
  path: readonly AsPathSegment[],
  { asn, count }: NonNullable<PolicyActions['prepend']>,
  { ownAsn, neighbour }: PolicyRoute,
): AsPathSegment[] {
  // RFC 5065 §4.1 c: the way through the confederation is not for the world.
  const outside = neighbour.kind === 'external'
  const first = outside ? path.find((segment) => !isConfederation(segment)) : path[0]
  const ordered = first?.kind === 'sequence' || first?.kind === 'confedSequence'
  const added = asn === 'own' ? ownAsn : asn === 'first' ? (ordered ? first.asns[0] : undefined) : asn
  if (added === undefined) return [...path]
  // Inside a confederation the path begins with its segment, from member to member always (RFC 5065 §4.1 b, §5).
  const inside = neighbour.kind === 'confed' || (!outside && first?.kind === 'confedSequence')
  const kind = inside ? 'confedSequence' : 'sequence'
  return prepended(path, kind, Array<number>(count).fill(added))
}

function setNextHop({ nextHop }: PolicyActions, route: PolicyRoute, next: Accepted): void {
  if (nextHop === undefined) return
  next.nextHop = nextHop.kind
  const { attributes } = next
  if (nextHop.kind === 'address') attributes.nextHop = nextHop.address
  // On export "the peer" is this speaker, as the neighbour sees it, which the rules know.
  else if (nextHop.kind === 'peer' && route.direction === 'import')
    attributes.nextHop = route.neighbour.address
  else return
  delete attributes.linkLocalNextHop
}

function communityChanges(
  { communities, largeCommunities, extendedCommunities }: PolicyActions,
  fault: (field: string, message: string) => void,
): Change[] {
  const changes: Change[] = []
  if (communities !== undefined) {
    const change = compileChange(standardKind, communities, (message) => fault('communities', message))
    changes.push((attributes) => {
      assign(attributes, 'communities', sortedNumbers(change(attributes.communities ?? [])))
    })
  }
  if (largeCommunities !== undefined) {
    const change = compileChange(largeKind, largeCommunities, (message) => fault('largeCommunities', message))
    changes.push((attributes) => {
      const list = unique(largeKind, change(attributes.largeCommunities ?? []))
      list.sort((a, b) => a[0] - b[0] || a[1] - b[1] || a[2] - b[2])
      assign(attributes, 'largeCommunities', list)
    })
  }
  if (extendedCommunities !== undefined) {
    const change = compileChange(extendedKind, extendedCommunities, (message) =>
      fault('extendedCommunities', message),
    )
    changes.push((attributes) => {
      const both = [...(attributes.extendedCommunities ?? []), ...(attributes.ipv6ExtendedCommunities ?? [])]
      const list = unique(extendedKind, change(both)).sort()
      // Those of an IPv6 address have an attribute of their own (RFC 5701 §2).
      assign(
        attributes,
        'extendedCommunities',
        list.filter(({ length }) => length === 16),
      )
      assign(
        attributes,
        'ipv6ExtendedCommunities',
        list.filter(({ length }) => length === 40),
      )
    })
  }
  return changes
}

/** Replace, remove, add, in this order. */
function compileChange<T>(
  kind: CommunityKind<T>,
  { replace, remove, add }: CommunityChange<T>,
  fault: (message: string) => void,
): (members: readonly T[]) => T[] {
  const removed: CommunitySet<T> | undefined = remove && compileCommunitySet(kind, remove, fault)
  return (members) => {
    const base = replace ?? members
    const kept = removed === undefined ? base : base.filter((member) => !removed.fits(member))
    return [...kept, ...(add ?? [])]
  }
}

function unique<T>(kind: CommunityKind<T>, members: readonly T[]): T[] {
  return [...new Map(members.map((member) => [kind.key(member), member])).values()]
}

/** An attribute without members is none. */
function assign<
  K extends 'communities' | 'largeCommunities' | 'extendedCommunities' | 'ipv6ExtendedCommunities',
>(attributes: PathAttributes, field: K, list: NonNullable<PathAttributes[K]>): void {
  if (list.length > 0) attributes[field] = list
  else delete attributes[field]
}
