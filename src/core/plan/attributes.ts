/** Path attributes that advertisements give, as BGP has them, and their union. */
import type { OriginatedAttributes } from '#core/bgp/config.ts'
import { assert } from '#core/lib/assert.ts'
import type { Result } from '#core/lib/result.ts'
import { address, versionOf, type IpVersion } from '#core/net/address.ts'
import {
  parseCommunity,
  parseLargeCommunity,
  wellKnownCommunities,
  type LargeCommunity,
} from '#core/net/community.ts'
import type { AdvertisedAttributes } from '#core/schema/bgp-advertisement.ts'

/** For a route of this IP version: a next hop of the other version is left to the session. */
export function attributesOf(
  given: AdvertisedAttributes | undefined,
  version: IpVersion,
): OriginatedAttributes {
  if (given === undefined) return {}
  const { communities: named, localPref, med, nextHop, origin } = given
  const communities = [
    ...(named?.standard ?? []).map((text) => valid(parseCommunity(text))),
    ...(named?.wellKnown ?? []).map((name) => wellKnownCommunities[name]),
  ]
  const large = (named?.large ?? []).map((text) => valid(parseLargeCommunity(text)))
  const hop = nextHop === undefined ? undefined : address(nextHop)
  return {
    ...(origin !== undefined && { origin }),
    ...(med !== undefined && { med }),
    ...(localPref !== undefined && { localPref }),
    ...(communities.length > 0 && { communities: ascending(communities) }),
    ...(large.length > 0 && { largeCommunities: ascendingLarge(large) }),
    ...(hop !== undefined && versionOf(hop) === version && { nextHop: hop }),
  }
}

/**
 * Of two advertisements of one route: all communities of both, the higher LOCAL_PREF, the lower MED (each the one that
 * BGP prefers); for the rest the first counts.
 */
export function mergeAttributes(
  first: OriginatedAttributes,
  second: OriginatedAttributes,
): OriginatedAttributes {
  const merged: OriginatedAttributes = { ...second, ...first }
  const { communities, largeCommunities, localPref, med } = second
  if (communities !== undefined)
    merged.communities = ascending([...(first.communities ?? []), ...communities])
  if (largeCommunities !== undefined) {
    merged.largeCommunities = ascendingLarge([...(first.largeCommunities ?? []), ...largeCommunities])
  }
  if (localPref !== undefined) merged.localPref = Math.max(first.localPref ?? 0, localPref)
  if (med !== undefined) merged.med = Math.min(first.med ?? med, med)
  return merged
}

/** The value of text that was validated before. */
function valid<T>(parsed: Result<T>): T {
  assert(parsed.ok, 'communities of a resource were validated')
  return parsed.value
}

function ascending(values: readonly number[]): number[] {
  return [...new Set(values)].toSorted((a, b) => a - b)
}

function ascendingLarge(values: readonly LargeCommunity[]): LargeCommunity[] {
  const unique = new Map(values.map((value) => [value.join(':'), value]))
  return [...unique.values()].toSorted((a, b) => a[0] - b[0] || a[1] - b[1] || a[2] - b[2])
}
