/** The decision process as RFC 4271 §9.1.2 words it, on plain values: slow, and the oracle of `decision.ts`. */
import { compareAddresses, type Address } from '#core/net/address.ts'
import type { PathAttributes } from '../attributes.ts'
import type { NeighbourKind } from './path-source.ts'

export interface ReferencePath {
  /** Absent: an own route. */
  from?: { kind: NeighbourKind; asn: number; routerId: Address; address: Address }
  attributes: PathAttributes
}

/** The best of these paths to one prefix; undefined if there is none. */
export function decideReference<T extends ReferencePath>(paths: readonly T[]): T | undefined {
  const own = paths.find((path) => path.from === undefined)
  if (own !== undefined) return own
  let left = [...paths]
  // §9.1.2: the highest degree of preference.
  left = keepLowest(left, (path) =>
    path.from!.kind === 'external' ? -100 : -(path.attributes.localPref ?? 100),
  )
  // §9.1.2.2 a: the fewest AS numbers; b: the lowest origin.
  left = keepLowest(left, pathLength)
  left = keepLowest(left, (path) => ['igp', 'egp', 'incomplete'].indexOf(path.attributes.origin))
  // c: remove paths with a less preferred MULTI_EXIT_DISC than another from the same neighbouring AS.
  left = left.filter(
    (m) => !left.some((n) => neighbouringAsn(m) === neighbouringAsn(n) && medOf(n) < medOf(m)),
  )
  // d: eBGP before iBGP; f: the lowest BGP identifier; g: the lowest peer address.
  left = keepLowest(left, (path) => (path.from!.kind === 'external' ? 0 : 1))
  return left.toSorted(
    (a, b) =>
      compareAddresses(a.from!.routerId, b.from!.routerId) ||
      compareAddresses(a.from!.address, b.from!.address),
  )[0]
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
  const first = attributes.asPath[0]
  return first?.kind === 'sequence' ? first.asns[0]! : from!.asn
}

function medOf({ attributes }: ReferencePath): number {
  return attributes.med ?? 0
}
