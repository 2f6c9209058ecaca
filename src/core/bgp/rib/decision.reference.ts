/** The decision process as RFC 4271 §9.1.2 words it, on plain values: slow, and the oracle of `decision.ts`. */
import { compareAddresses, type Address } from '#core/net/address.ts'
import type { PathAttributes } from '../attributes.ts'
import type { NeighbourKind } from './path-source.ts'

export interface ReferencePath {
  /** Absent: an own route. */
  from?: { kind: NeighbourKind; asn: number; routerId: Address; address: Address }
  attributes: PathAttributes
  /** RFC 7911 §3. */
  pathId?: number
}

/** The best of these paths to one prefix; undefined if there is none. */
export function decideReference<T extends ReferencePath>(
  paths: readonly T[],
  { alwaysCompareMed = false } = {},
): T | undefined {
  const own = paths.find((path) => path.from === undefined)
  if (own !== undefined) return own
  let left = [...paths]
  // RFC 9494 §4.4: long-lived stale ones are the least preferred.
  left = keepLowest(left, ({ attributes }) => (attributes.communities?.includes(0xffff0006) ? 1 : 0))
  left = keepLowest(left, ({ attributes }) => -(attributes.weight ?? 0))
  // §9.1.2: the highest degree of preference.
  left = keepLowest(left, ({ attributes }) => -(attributes.localPref ?? 100))
  // RFC 7311 §4.1: with AIGP before without, then the lowest.
  left = keepLowest(left, ({ attributes }) =>
    attributes.aigp === undefined ? Infinity : Number(attributes.aigp),
  )
  // §9.1.2.2 a: the fewest AS numbers; b: the lowest origin.
  left = keepLowest(left, pathLength)
  left = keepLowest(left, (path) => ['igp', 'egp', 'incomplete'].indexOf(path.attributes.origin))
  // c: remove paths with a less preferred MULTI_EXIT_DISC than another from the same neighbouring AS.
  const comparable = (m: T, n: T) => alwaysCompareMed || neighbouringAsn(m) === neighbouringAsn(n)
  left = left.filter((m) => !left.some((n) => comparable(m, n) && medOf(n) < medOf(m)))
  // d: eBGP before iBGP; f: the lowest BGP identifier; g: the lowest peer address.
  left = keepLowest(left, (path) => (path.from!.kind === 'external' ? 0 : 1))
  return left.toSorted(
    (a, b) =>
      // RFC 4456 §9.
      compareAddresses(identifierOf(a), identifierOf(b)) ||
      (a.attributes.clusterList?.length ?? 0) - (b.attributes.clusterList?.length ?? 0) ||
      compareAddresses(a.from!.address, b.from!.address) ||
      (a.pathId ?? 0) - (b.pathId ?? 0),
  )[0]
}

function identifierOf({ attributes, from }: ReferencePath): Address {
  return attributes.originatorId ?? from!.routerId
}

function keepLowest<T>(paths: T[], measure: (path: T) => number): T[] {
  const lowest = Math.min(...paths.map(measure))
  return paths.filter((path) => measure(path) === lowest)
}

function pathLength({ attributes }: ReferencePath): number {
  let length = 0
  for (const segment of attributes.asPath) {
    if (segment.kind === 'sequence') length += segment.asns.length
    if (segment.kind === 'set') length += 1
  }
  return length
}

function neighbouringAsn({ attributes, from }: ReferencePath): number {
  // RFC 5065 §5.3: the way through the confederation does not count.
  const first = attributes.asPath.find(({ kind }) => kind === 'sequence' || kind === 'set')
  if (first?.kind === 'sequence') return first.asns[0]!
  // §5.3: whoever is inside is of the local AS.
  return from!.kind === 'external' ? from!.asn : 0
}

function medOf({ attributes }: ReferencePath): number {
  return attributes.med ?? 0
}
