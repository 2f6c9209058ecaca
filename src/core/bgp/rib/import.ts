/**
 * What a path becomes on its way in from a neighbour (RFC 4271 §9.1.2): the attributes that the decision sees, or why it is
 * not used. Pure and per (neighbour, attribute set): the RIB asks once for all prefixes of a set, and where the prefix matters
 * the outcome says so.
 */
import type { Address } from '#core/net/address.ts'
import type { PathAttributes } from '../attributes.ts'
import type { Family } from '../family.ts'
import type { Outcome } from '../policy/outcome.ts'

/** What the receiving rules need to know of a neighbour and its session. */
export interface ImportSource {
  /** The speaker's own AS numbers: a path that contains one of them has been here. */
  localAsn: number
  localAddress: Address
  localAddressOtherVersion?: Address
  importRoutes: boolean
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
