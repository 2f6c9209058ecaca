/** Pools: sets of addresses of any size, and the search for the next free address in them, which enumerates nothing. */
import { compareText } from '#core/lib/order.ts'
import { ok, type Result } from '#core/lib/result.ts'
import {
  addressFromInteger,
  addressToInteger,
  versionOf,
  type Address,
  type IpVersion,
} from '#core/net/address.ts'
import { mergeRanges, parseRange, rangeContains, rangeSize, type AddressRange } from '#core/net/range.ts'

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

/** Whether the address lies in the pool; of disabled ones too. */
export function poolContains(pool: Pool, address: Address): boolean {
  return pool.ranges.some((range) => rangeContains(range, address))
}

/** The addresses of some ranges as integers: for many questions about the same ones. */
export class AddressSpace {
  readonly #spans: Record<IpVersion, Span[]>

  constructor(ranges: readonly AddressRange[]) {
    this.#spans = spansOf(ranges)
  }

  /** Number of addresses of both versions. */
  get size(): bigint {
    return [...this.#spans[4], ...this.#spans[6]].reduce((sum, { next, last }) => sum + last - next + 1n, 0n)
  }

  has(address: Address): boolean {
    const spans = this.#spans[versionOf(address)]
    if (spans.length === 0) return false
    const value = addressToInteger(address)
    return spans.some(({ next, last }) => value >= next && value <= last)
  }
}

/** Whether the pool has any address of this IP version. */
export function poolHasVersion(pool: Pool, version: IpVersion): boolean {
  return pool.ranges.some((range) => range.version === version)
}

/** By priority, then by name. */
export function comparePools(a: Pool, b: Pool): number {
  if (a.priority !== b.priority) return a.priority < b.priority ? -1 : 1
  return compareText(a.name, b.name)
}

/** `held`: addresses in use, each counted once; those outside the pool do not count. */
export function poolUsage(pool: Pool, held: Iterable<Address>): PoolUsage {
  const space = new AddressSpace(pool.ranges)
  let used = 0n
  for (const address of new Set(held)) if (space.has(address)) used++
  return { total: space.size, used }
}

/**
 * Walks the addresses of a pool upwards. It never goes back, so it serves a time in which addresses are only taken: each
 * address is looked at once, however many are asked for.
 */
export class FreeSearch {
  readonly #spans: Record<IpVersion, Span[]>

  constructor(ranges: readonly AddressRange[]) {
    this.#spans = spansOf(ranges)
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
  /** First address; in a search, the first that has not been looked at. */
  next: bigint
  last: bigint
}

/** Ascending and apart. */
function spansOf(ranges: readonly AddressRange[]): Record<IpVersion, Span[]> {
  const spans: Record<IpVersion, Span[]> = { 4: [], 6: [] }
  for (const { version, first, last } of mergeRanges(ranges)) {
    spans[version].push({ next: addressToInteger(first), last: addressToInteger(last) })
  }
  return spans
}
