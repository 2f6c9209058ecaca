/** Inclusive ranges of addresses: what a pool is made of. */
import { err, ok, type Result } from '#core/lib/result.ts'
import {
  addressBits,
  addressFromInteger,
  addressToInteger,
  compareAddresses,
  parseAddress,
  versionOf,
  type Address,
  type IpVersion,
} from './address.ts'
import { lengthOf, networkOf, parsePrefix, prefixVersion, type Prefix } from './prefix.ts'

/** All addresses from `first` to `last`, both included; both of one IP version and `first` not above `last`. */
export interface AddressRange {
  version: IpVersion
  first: Address
  last: Address
}

/** Accepts `prefix`, `first-last` and a single address. */
export function parseRange(text: string): Result<AddressRange> {
  if (text.includes('/')) {
    const parsed = parsePrefix(text)
    return parsed.ok ? ok(rangeOfPrefix(parsed.value)) : parsed
  }
  const dash = text.indexOf('-')
  if (dash < 0) {
    const single = parseAddress(text.trim())
    return single.ok ? rangeBetween(single.value, single.value) : single
  }
  const first = parseAddress(text.slice(0, dash).trim())
  if (!first.ok) return first
  const last = parseAddress(text.slice(dash + 1).trim())
  return last.ok ? rangeBetween(first.value, last.value) : last
}

/** Both ends included; the error says which end is wrong. */
export function rangeBetween(first: Address, last: Address): Result<AddressRange> {
  const version = versionOf(first)
  if (version !== versionOf(last)) return err(`${first} and ${last} are of different IP versions`)
  if (addressToInteger(first) > addressToInteger(last))
    return err(`the range ends (${last}) before it starts (${first})`)
  return ok({ version, first, last })
}

/** All addresses of the prefix, network and broadcast address included. */
export function rangeOfPrefix(prefix: Prefix): AddressRange {
  const version = prefixVersion(prefix)
  const first = networkOf(prefix)
  const size = 1n << BigInt(addressBits(version) - lengthOf(prefix))
  return { version, first, last: addressFromInteger(addressToInteger(first) + size - 1n, version) }
}

/** Number of addresses, both ends included. */
export function rangeSize(range: AddressRange): bigint {
  return addressToInteger(range.last) - addressToInteger(range.first) + 1n
}

export function rangeContains(range: AddressRange, address: Address): boolean {
  if (versionOf(address) !== range.version) return false
  const value = addressToInteger(address)
  return value >= addressToInteger(range.first) && value <= addressToInteger(range.last)
}

export function rangesOverlap(a: AddressRange, b: AddressRange): boolean {
  return a.version === b.version && (rangeContains(a, b.first) || rangeContains(b, a.first))
}

/** `first-last`, or the address alone where both are one. */
export function showRange(range: AddressRange): string {
  return range.first === range.last ? range.first : `${range.first}-${range.last}`
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
