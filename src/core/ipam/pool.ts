/** Pools: sets of addresses of any size, and the search for the next free address in them, which enumerates nothing. */
import { ok, type Result } from '#core/lib/result.ts'
import {
  addressFromInteger,
  addressToInteger,
  compareAddresses,
  versionOf,
  type Address,
  type IpVersion,
} from '#core/net/address.ts'
import { parseRange, rangeContains, rangeSize, type AddressRange } from '#core/net/range.ts'

export interface Pool {
  /** Unique among the pools of one allocation. */
  name: string
  /** The addresses that may be given, in any order; ranges may overlap and count once. */
  ranges: AddressRange[]
  /** Lower is tried first, equal ones by name; `Infinity`: last. */
  priority: number
  /** False: only for requests that name an address or the pool. */
  automatic: boolean
  /** True: give no more addresses out; those that are held stay. */
  disabled: boolean
}

/** Usage of one pool, both IP versions together. */
export interface PoolUsage {
  total: bigint
  used: bigint
}

/**
 * The range that `text` (a prefix, `first-last` or one address) names, as far as it may be given out.
 * `avoidFirstAndLast` leaves out both ends of a prefix that has more than two addresses; ranges written with their ends
 * are meant as written.
 */
export function usableRange(text: string, avoidFirstAndLast: boolean): Result<AddressRange> {
  const parsed = parseRange(text)
  if (!parsed.ok || !avoidFirstAndLast || !text.includes('/')) return parsed
  const { version, first, last } = parsed.value
  if (rangeSize(parsed.value) <= 2n) return parsed
  return ok({
    version,
    first: addressFromInteger(addressToInteger(first) + 1n, version),
    last: addressFromInteger(addressToInteger(last) - 1n, version),
  })
}

/** The same addresses in ascending order, IPv4 first, without overlap and with neighbours joined. */
export function mergeRanges(ranges: readonly AddressRange[]): AddressRange[] {
  const sorted = [...ranges].sort((a, b) => compareAddresses(a.first, b.first))
  const merged: AddressRange[] = []
  for (const range of sorted) {
    const before = merged.at(-1)
    const joins =
      before !== undefined &&
      before.version === range.version &&
      addressToInteger(range.first) <= addressToInteger(before.last) + 1n
    if (!joins) merged.push({ ...range })
    else if (compareAddresses(range.last, before.last) > 0) before.last = range.last
  }
  return merged
}

export function poolContains(pool: Pool, address: Address): boolean {
  return pool.ranges.some((range) => rangeContains(range, address))
}

export function poolHasVersion(pool: Pool, version: IpVersion): boolean {
  return pool.ranges.some((range) => range.version === version)
}

/** By priority, then by name. */
export function comparePools(a: Pool, b: Pool): number {
  if (a.priority !== b.priority) return a.priority < b.priority ? -1 : 1
  return a.name < b.name ? -1 : a.name > b.name ? 1 : 0
}

/** `held`: addresses in use, each counted once; those outside the pool do not count. */
export function poolUsage(pool: Pool, held: Iterable<Address>): PoolUsage {
  let total = 0n
  for (const range of mergeRanges(pool.ranges)) total += rangeSize(range)
  let used = 0n
  for (const address of new Set(held)) if (poolContains(pool, address)) used++
  return { total, used }
}

/**
 * Walks the addresses of a pool upwards. It never goes back, so it serves a time in which addresses are only taken: each
 * address is looked at once, however many are asked for.
 */
export class FreeSearch {
  readonly #spans: Record<IpVersion, Span[]>

  constructor(ranges: readonly AddressRange[]) {
    this.#spans = { 4: [], 6: [] }
    for (const range of mergeRanges(ranges)) {
      this.#spans[versionOf(range.first)].push({
        next: addressToInteger(range.first),
        last: addressToInteger(range.last),
      })
    }
  }

  /** The lowest address of `version` that is not taken. It stays the answer until it is taken. */
  peek(version: IpVersion, taken: (address: Address) => boolean): Address | undefined {
    const spans = this.#spans[version]
    while (spans.length > 0) {
      const span = spans[0]!
      while (span.next <= span.last) {
        const address = addressFromInteger(span.next, version)
        if (!taken(address)) return address
        span.next++
      }
      spans.shift()
    }
    return undefined
  }
}

interface Span {
  next: bigint
  last: bigint
}
