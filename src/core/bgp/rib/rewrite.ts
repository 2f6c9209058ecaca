/** Small changes to attribute values that the rules of import and of export both make. Nothing is changed in place. */
import { wellKnownCommunities } from '#core/net/community.ts'
import type { AsPathSegment, PathAttributes } from '../attributes.ts'
import { attributeType } from '../wire/attribute-codes.ts'

/** RFC 8326 §5. */
export const gracefulShutdown = wellKnownCommunities['planned-shut']

/**
 * RFC 4271 §5.1.2 b, RFC 5065 §4.1: `asns` go in front, into the first segment if it is of this kind and has room, else
 * into new ones.
 */
export function prepended(
  path: readonly AsPathSegment[],
  kind: 'sequence' | 'confedSequence',
  asns: readonly number[],
): AsPathSegment[] {
  if (asns.length === 0) return [...path]
  const [first, ...rest] = path
  if (first?.kind === kind && first.asns.length + asns.length <= 255)
    return [{ kind, asns: [...asns, ...first.asns] }, ...rest]
  const added: AsPathSegment[] = []
  for (let at = 0; at < asns.length; at += 255) added.push({ kind, asns: asns.slice(at, at + 255) })
  return [...added, ...path]
}

/** Ascending and without duplicates. */
export function sortedNumbers(values: readonly number[]): number[] {
  return [...new Set(values)].sort((a, b) => a - b)
}

/**
 * RFC 4271 §5: optional transitive attributes that somebody else than the originator attached are Partial. `before`: as the
 * neighbour sent them. The same object when none was attached.
 */
export function withPartial(before: PathAttributes, after: PathAttributes): PathAttributes {
  if (before === after) return after
  const attached = optionalTransitiveFields
    .filter(({ field }) => before[field] === undefined && after[field] !== undefined)
    .map(({ type }) => type)
  if (attached.length === 0) return after
  return { ...after, partial: sortedNumbers([...(after.partial ?? []), ...attached]) }
}

const optionalTransitiveFields = [
  { field: 'communities', type: attributeType.communities },
  { field: 'extendedCommunities', type: attributeType.extendedCommunities },
  { field: 'ipv6ExtendedCommunities', type: attributeType.ipv6ExtendedCommunities },
  { field: 'largeCommunities', type: attributeType.largeCommunities },
  { field: 'otc', type: attributeType.otc },
] as const
