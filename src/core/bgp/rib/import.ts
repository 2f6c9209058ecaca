/**
 * What a path becomes on its way in from a neighbour (RFC 4271 §9.1.2): the attributes that the decision sees, or why it is
 * not used. Pure and per (neighbour, attribute set): the RIB asks once for all prefixes of a set, and where the prefix matters
 * the outcome says so.
 */
import { versionOf, type Address } from '#core/net/address.ts'
import { wellKnownCommunities } from '#core/net/community.ts'
import type { PathAttributes } from '../attributes.ts'
import type { LocalAs, Role } from '../config.ts'
import type { Family } from '../family.ts'
import type { Accepted, CompiledChain } from '../policy/chain.ts'
import type { Outcome } from '../policy/outcome.ts'
import { isConfederation } from '../wire/as-path.ts'
import type { LearnedFrom } from './path-source.ts'
import { gracefulShutdown, prepended, sortedNumbers, withPartial } from './rewrite.ts'

/** What the receiving rules need to know of a neighbour and its session: of neighbours with equal {@link sourceKey} the same. */
export interface ImportSource {
  from: LearnedFrom
  /** The instance's AS number: in a confederation the member AS. */
  localAsn: number
  /** RFC 5065. */
  confederation?: { id: number; members: readonly number[] }
  /** Its AS number is an own one as well. */
  localAs?: LocalAs
  /** How often an own AS number may stand in a path; absent: 0. */
  allowOwnAs?: number
  /** The speaker's own BGP identifier and cluster ID (RFC 4456 §8). */
  localRouterId: Address
  clusterId: Address
  localAddress: Address
  localAddressOtherVersion?: Address
  importRoutes: boolean
  /** The first AS of an external neighbour's paths must be its own (RFC 4271 §6.3). */
  enforceFirstAs: boolean
  /** This speaker's role (RFC 9234 §4.1). */
  role?: Role
  /** RFC 8326 §4. */
  honourGracefulShutdown: boolean
  /** AIGP is taken (RFC 7311 §3.3). */
  aigp: boolean
  /** Absent: everything that the rules let in is accepted. */
  policy?: CompiledChain
}

/** Equal for sources whose outcomes are equal, whatever the family and the attributes. */
export function sourceKey({ from, policy, ...source }: ImportSource): string {
  const { kind, asn } = from
  const { localAsn, confederation, localAs, allowOwnAs, localRouterId, clusterId, role } = source
  const { localAddress, localAddressOtherVersion, importRoutes, enforceFirstAs } = source
  return JSON.stringify([
    [kind, localAsn, confederation, localAs, allowOwnAs, localRouterId, clusterId, role],
    [localAddress, localAddressOtherVersion, importRoutes, enforceFirstAs ? asn : 0],
    [role === undefined ? 0 : asn, source.honourGracefulShutdown, source.aigp, policy?.key],
    policy?.readsNeighbour === true || policy?.writesNeighbour === true ? [from.address, asn] : [],
    policy?.readsSource === true ? from.name : '',
  ])
}

/** `attributes`: as received; they are not changed. */
export function importOutcome(source: ImportSource, family: Family, attributes: PathAttributes): Outcome {
  const barred = loopReason(source, attributes) ?? untrustedReason(source, attributes)
  if (barred !== undefined) return { kind: 'reject', reason: barred }
  // RFC 8212 §3: what no import policy asks for stays out; configuration says so by this.
  if (!source.importRoutes) return { kind: 'reject', reason: 'routes from this neighbour are not imported' }
  const taken = takenIn(source, attributes)
  const finish = (accepted: Accepted): Outcome => ({
    kind: 'accept',
    attributes: withPartial(attributes, settled(source, family, accepted)),
  })
  if (source.policy === undefined) return finish({ attributes: taken })
  const { from } = source
  const ownAsn = source.localAs?.asn ?? ownNumber(source)
  const route = { direction: 'import', family, neighbour: from, source: from, ownAsn } as const
  return source.policy.decide(route, taken, finish)
}

/** Why the path has been here before or leads back here. */
function loopReason(source: ImportSource, attributes: PathAttributes): string | undefined {
  const { localAsn, confederation, localAs, localRouterId, clusterId } = source
  const outside = confederation === undefined ? localAsn : confederation.id
  let count = 0
  let found = 0
  for (const segment of attributes.asPath)
    for (const asn of segment.asns)
      // RFC 5065 §4: the number of a member AS means that AS in confederation segments only.
      if (asn === outside || asn === localAs?.asn || (asn === localAsn && isConfederation(segment))) {
        count++
        found = asn
      }
  if (count > (source.allowOwnAs ?? 0)) return `its AS path contains the own AS ${found} (RFC 4271 §9.1.2)`
  if (attributes.originatorId === localRouterId)
    return `its ORIGINATOR_ID ${localRouterId} is this speaker (RFC 4456 §8)`
  if (attributes.clusterList?.includes(clusterId) === true)
    return `its CLUSTER_LIST contains the own cluster ${clusterId} (RFC 4456 §8)`
  const { nextHop } = attributes
  if (nextHop === source.localAddress || nextHop === source.localAddressOtherVersion)
    return `its next hop ${nextHop} is this speaker (RFC 4271 §5.1.3)`
  return undefined
}

/** Why this neighbour should not have sent the path. */
function untrustedReason(
  { from, enforceFirstAs, role }: ImportSource,
  { asPath, otc }: PathAttributes,
): string | undefined {
  if (from.kind !== 'external') return undefined
  const first = asPath[0]?.kind === 'sequence' ? asPath[0].asns[0] : undefined
  if (enforceFirstAs && first !== from.asn)
    return `its AS path does not begin with AS ${from.asn} of the neighbour (RFC 4271 §6.3)`
  if (otc === undefined) return undefined
  // RFC 9234 §5, ingress 1 and 2: what was meant for customers only comes back from one of them, or from a peer.
  if (role === 'provider' || role === 'rs')
    return `a route leak: a customer sent it with ONLY_TO_CUSTOMER of AS ${otc} (RFC 9234 §5)`
  if (role === 'peer' && otc !== from.asn)
    return `a route leak: a peer sent it with ONLY_TO_CUSTOMER of AS ${otc} (RFC 9234 §5)`
  return undefined
}

/** What policies are to see. The same object when nothing has to change. */
function takenIn(source: ImportSource, attributes: PathAttributes): PathAttributes {
  const { from, role, localAs } = source
  const changes: Partial<PathAttributes> = {}
  const external = from.kind === 'external'
  // RFC 9234 §5, ingress 3.
  const fromAbove = role === 'customer' || role === 'rs-client' || role === 'peer'
  if (external && fromAbove && attributes.otc === undefined) changes.otc = from.asn
  // RFC 7705 §3.1: the path goes through the number that the neighbour knows, too.
  if (external && localAs !== undefined && !localAs.noPrepend)
    changes.asPath = prepended(attributes.asPath, 'sequence', [localAs.asn])
  // RFC 4271 §5.1.5: LOCAL_PREF of another AS means nothing; RFC 5065 §5.2: that of a member AS does.
  const localPref = external && attributes.localPref !== undefined
  // RFC 7311 §3.3: as if it were not known.
  const aigp = !source.aigp && attributes.aigp !== undefined
  const weight = attributes.weight !== undefined
  if (Object.keys(changes).length === 0 && !localPref && !aigp && !weight) return attributes
  const taken = { ...attributes, ...changes }
  if (localPref) delete taken.localPref
  if (aigp) {
    delete taken.aigp
    delete taken.aigpOthers
  }
  delete taken.weight
  return taken
}

/** What holds of an accepted path whatever policies did. */
function settled(source: ImportSource, family: Family, { attributes, nextHop }: Accepted): PathAttributes {
  let result = attributes
  if (nextHop === 'self') {
    const { linkLocalNextHop: _, ...others } = result
    result = { ...others, nextHop: ownAddress(source, family) }
  }
  if (source.from.kind !== 'external') return result
  const communities = result.communities ?? []
  // RFC 8326 §4.1.
  if (source.honourGracefulShutdown && communities.includes(gracefulShutdown) && result.localPref !== 0)
    result = { ...result, localPref: 0 }
  // RFC 7999 §3.2: it must not spread unless somebody wants it to.
  if (
    communities.includes(wellKnownCommunities.blackhole) &&
    !communities.includes(wellKnownCommunities['no-export']) &&
    !communities.includes(wellKnownCommunities['no-advertise'])
  )
    result = { ...result, communities: sortedNumbers([...communities, wellKnownCommunities['no-export']]) }
  return result
}

function ownAddress({ localAddress, localAddressOtherVersion }: ImportSource, family: Family): Address {
  const version = family === 'ipv4/unicast' ? 4 : 6
  return versionOf(localAddress) === version ? localAddress : (localAddressOtherVersion ?? localAddress)
}

function ownNumber({ from, localAsn, confederation }: ImportSource): number {
  return from.kind === 'external' ? (confederation?.id ?? localAsn) : localAsn
}
