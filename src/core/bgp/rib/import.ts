/**
 * What a path becomes on its way in from a neighbour (RFC 4271 §9.1.2): the attributes that the decision sees, or why it is
 * not used. Pure and per (neighbour, attribute set): the RIB asks once for all prefixes of a set, and where the prefix matters
 * the outcome says so.
 */
import type { Address } from '#core/net/address.ts'
import type { PathAttributes } from '../attributes.ts'
import type { Role } from '../config.ts'
import type { Family } from '../family.ts'
import type { CompiledChain } from '../policy/chain.ts'
import type { Outcome } from '../policy/outcome.ts'
import type { LearnedFrom } from './path-source.ts'

/** What the receiving rules need to know of a neighbour and its session: of neighbours with equal {@link sourceKey} the same. */
export interface ImportSource {
  from: LearnedFrom
  /** The instance's AS number: in a confederation the member AS. */
  localAsn: number
  /** RFC 5065. */
  confederation?: { id: number; members: readonly number[] }
  /** AS number shown to this neighbour instead (local-as): it is an own one as well. */
  localAs?: number
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
  /** AIGP is taken (RFC 7311 §3.4). */
  aigp: boolean
  /** Absent: everything that the rules let in is accepted. */
  policy?: CompiledChain
}

/** @public Equal for sources whose outcomes are equal, whatever the family and the attributes. */
export function sourceKey({ from, policy, ...source }: ImportSource): string {
  const { kind, asn } = from
  const { localAsn, confederation, localAs, allowOwnAs, localRouterId, clusterId, role } = source
  const { localAddress, localAddressOtherVersion, importRoutes, enforceFirstAs } = source
  return JSON.stringify([
    [kind, localAsn, confederation, localAs, allowOwnAs, localRouterId, clusterId, role],
    [localAddress, localAddressOtherVersion, importRoutes, enforceFirstAs ? asn : 0],
    [role === undefined ? 0 : asn, source.honourGracefulShutdown, source.aigp, policy?.key],
    policy?.readsNeighbour === true ? [from.address, asn] : [],
    policy?.readsSource === true ? from.name : '',
  ])
}

/** @public `attributes`: as received; they are not changed. */
export function importOutcome(source: ImportSource, _family: Family, attributes: PathAttributes): Outcome {
  const { nextHop } = attributes
  if (attributes.asPath.some(({ asns }) => asns.includes(source.localAsn)))
    return reject(`its AS path contains the own AS ${source.localAsn} (RFC 4271 §9.1.2)`)
  if (nextHop === source.localAddress || nextHop === source.localAddressOtherVersion)
    return reject(`its next hop ${nextHop} is this speaker (RFC 4271 §5.1.3)`)
  if (!source.importRoutes) return reject('routes from this neighbour are not imported')
  return { kind: 'accept', attributes }
}

function reject(reason: string): Outcome {
  return { kind: 'reject', reason }
}
