/** IP prefixes as their canonical text: network address (host bits zero), slash, length. Equal prefixes are equal strings. */
import { assert } from '#core/lib/assert.ts'
import { err, ok, type Result } from '#core/lib/result.ts'
import {
  addressBits,
  addressBytes,
  addressFromBytes,
  compareAddresses,
  parseAddress,
  versionOf,
  type Address,
  type IpVersion,
} from './address.ts'

declare const canonical: unique symbol
/** Canonical text of a prefix, such as `10.0.0.0/8` or `fd00::/64`. */
export type Prefix = string & { readonly [canonical]: 'Prefix' }

/** `strict`: host bits that are set are an error; otherwise they are cleared. */
export function parsePrefix(text: string, { strict = false } = {}): Result<Prefix> {
  const slash = text.indexOf('/')
  const parsed = parseAddress(slash < 0 ? text : text.slice(0, slash))
  if (!parsed.ok) return err(`"${text}" is not a prefix: ${parsed.error}`)
  if (slash < 0)
    return err(`"${text}" has no prefix length; write it as ${text}/${addressBits(versionOf(parsed.value))}`)
  const length = text.slice(slash + 1)
  const bits = addressBits(versionOf(parsed.value))
  if (!/^\d{1,3}$/.test(length) || Number(length) > bits) {
    return err(`"${text}" is not a prefix: its length must be between 0 and ${bits}`)
  }
  const prefix = prefixOf(parsed.value, Number(length))
  if (strict && networkOf(prefix) !== parsed.value)
    return err(`"${text}" has host bits set; did you mean ${prefix}?`)
  return ok(prefix)
}

/** For text that the program itself wrote. Throws if it is not a prefix. */
export function prefix(text: string): Prefix {
  const parsed = parsePrefix(text, { strict: true })
  assert(parsed.ok, `not a prefix: ${text}`)
  return parsed.value
}

/** The prefix of `length` bits that covers `address`. */
export function prefixOf(address: Address, length: number): Prefix {
  const bytes = addressBytes(address)
  assert(length >= 0 && length <= 8 * bytes.length, 'prefix length in bounds')
  for (let i = 0; i < bytes.length; i++) {
    const kept = Math.min(8, Math.max(0, length - 8 * i))
    bytes[i] = bytes[i]! & (0xff00 >> kept)
  }
  return `${addressFromBytes(bytes)}/${length}` as Prefix
}

/** The prefix that covers `address` alone: /32 or /128. */
export function hostPrefix(address: Address): Prefix {
  return `${address}/${addressBits(versionOf(address))}` as Prefix
}

export function networkOf(prefix: Prefix): Address {
  return prefix.slice(0, prefix.indexOf('/')) as Address
}

/** Number of leading bits that count. */
export function lengthOf(prefix: Prefix): number {
  return Number(prefix.slice(prefix.indexOf('/') + 1))
}

export function prefixVersion(prefix: Prefix): IpVersion {
  return prefix.includes(':') ? 6 : 4
}

/** Whether `inner` (an address or a prefix) lies inside `outer`. */
export function covers(outer: Prefix, inner: Address | Prefix): boolean {
  const slash = inner.indexOf('/')
  const network = (slash < 0 ? inner : inner.slice(0, slash)) as Address
  if (prefixVersion(outer) !== versionOf(network)) return false
  const length = slash < 0 ? addressBits(versionOf(network)) : Number(inner.slice(slash + 1))
  return length >= lengthOf(outer) && prefixOf(network, lengthOf(outer)) === outer
}

/** IPv4 before IPv6, then by network address, then shorter first. */
export function comparePrefixes(a: Prefix, b: Prefix): number {
  return compareAddresses(networkOf(a), networkOf(b)) || lengthOf(a) - lengthOf(b)
}
