/** Which paths may go to which neighbours, before any policy is asked. */
import { wellKnownCommunities } from '#core/net/community.ts'
import type { PathAttributes } from '../attributes.ts'
import type { Family } from '../family.ts'
import type { ExportTarget } from './export.ts'
import type { PathSource } from './path-source.ts'

/** Why the rules of distribution keep the path from this neighbour. */
export function barredBy(
  target: ExportTarget,
  family: Family,
  source: PathSource,
  attributes: PathAttributes,
): string | undefined {
  const leak = leakReason(target, attributes)
  if (leak !== undefined || source.kind === 'own') return leak
  // RFC 4456 §6: what a client sent goes to all, what another sent to clients only; without clients RFC 4271 §9.2.
  const reflected = source.client === true || target.routeReflectorClient === true
  if (source.kind === 'internal' && target.kind === 'internal' && !reflected)
    return 'learned over iBGP, so not passed on over iBGP (RFC 4271 §9.2)'
  return communityReason(target, family, attributes.communities ?? [])
}

/** RFC 9234 §5, egress 2: what customers are meant to get goes to nobody else. */
function leakReason({ kind, role }: ExportTarget, { otc }: PathAttributes): string | undefined {
  if (otc === undefined || kind !== 'external') return undefined
  if (role !== 'customer' && role !== 'rs-client' && role !== 'peer') return undefined
  return `a route leak: it carries ONLY_TO_CUSTOMER of AS ${otc}, and the neighbour is no customer (RFC 9234 §5)`
}

/** RFC 1997, "Well-known Communities", and later ones; they bind who receives them, not who attaches them. */
function communityReason(
  { kind, role, longLived }: ExportTarget,
  family: Family,
  communities: readonly number[],
): string | undefined {
  if (communities.length === 0) return undefined
  const has = (name: keyof typeof wellKnownCommunities) => communities.includes(wellKnownCommunities[name])
  if (has('no-advertise')) return 'carries the community NO_ADVERTISE (RFC 1997)'
  if (kind === 'external' && has('no-export')) return 'carries the community NO_EXPORT (RFC 1997)'
  // To other member ASes of a confederation neither.
  if (kind !== 'internal' && has('no-export-subconfed'))
    return 'carries the community NO_EXPORT_SUBCONFED (RFC 1997)'
  if (kind === 'external' && role === 'peer' && has('no-peer'))
    return 'carries the community NOPEER, and the neighbour is a peer (RFC 3765 §2)'
  if (has('llgr-stale') && longLived?.includes(family) !== true)
    return 'is long-lived stale, and the neighbour does not know of that (RFC 9494 §4.3)'
  return undefined
}
