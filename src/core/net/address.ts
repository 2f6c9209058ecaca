/**
 * IP addresses as their canonical text: dotted decimal, and RFC 5952 for IPv6. Equal addresses are equal strings, so
 * they serve as map keys and travel in plain data as they are. IPv4-mapped IPv6 addresses stay IPv6.
 */
import { assert } from '#core/lib/assert.ts'
import { err, ok, type Result } from '#core/lib/result.ts'

declare const canonical: unique symbol
/** Canonical text of an IPv4 or IPv6 address, without zone or prefix length. */
export type Address = string & { readonly [canonical]: 'Address' }

/** Number of the IP version. */
export type IpVersion = 4 | 6

/** 32 or 128. */
export function addressBits(version: IpVersion): 32 | 128 {
  return version === 4 ? 32 : 128
}

export function versionOf(address: Address): IpVersion {
  return address.includes(':') ? 6 : 4
}

/** Accepts any form of RFC 4291 §2.2 and strict dotted decimal (no leading zeros, RFC 6943 §3.1.1). */
export function parseAddress(text: string): Result<Address> {
  const bytes = text.includes(':') ? parseIpv6(text) : parseIpv4(text)
  if (bytes === undefined) return err(`"${text}" is not an IP address`)
  return ok(addressFromBytes(bytes))
}

/** For text that the program itself wrote. Throws if it is not an address. */
export function address(text: string): Address {
  const parsed = parseAddress(text)
  assert(parsed.ok, `not an address: ${text}`)
  return parsed.value
}

/** A host as it stands before `:port`, and in URLs: an IPv6 address in brackets (RFC 3986 §3.2.2). */
export function urlHost(host: string): string {
  return host.includes(':') ? `[${host}]` : host
}

/** 4 or 16 bytes, network order. */
export function addressBytes(address: Address): Uint8Array {
  if (!address.includes(':')) return canonicalIpv4(address)
  const bytes = parseIpv6(address)
  assert(bytes !== undefined, `not an address: ${address}`)
  return bytes
}

/** From 4 or 16 bytes, network order. */
export function addressFromBytes(bytes: Uint8Array): Address {
  assert(bytes.length === 4 || bytes.length === 16, 'an address has 4 or 16 bytes')
  if (bytes.length === 4) return `${bytes[0]}.${bytes[1]}.${bytes[2]}.${bytes[3]}` as Address
  return showIpv6(bytes) as Address
}

/** The address as an unsigned integer of 32 or 128 bits: for arithmetic over ranges. */
export function addressToInteger(address: Address): bigint {
  let value = 0n
  for (const byte of addressBytes(address)) value = (value << 8n) | BigInt(byte)
  return value
}

/** The inverse of {@link addressToInteger}; bits beyond 32 or 128 are cut. */
export function addressFromInteger(value: bigint, version: IpVersion): Address {
  const bytes = new Uint8Array(version === 4 ? 4 : 16)
  let rest = value
  for (let i = bytes.length - 1; i >= 0; i--) {
    bytes[i] = Number(rest & 0xffn)
    rest >>= 8n
  }
  assert(rest === 0n, 'the integer fits the address')
  return addressFromBytes(bytes)
}

/** Orders IPv4 before IPv6 and then by value: −1, 0 or 1. */
export function compareAddresses(a: Address, b: Address): number {
  if (a === b) return 0
  const x = addressBytes(a)
  const y = addressBytes(b)
  if (x.length !== y.length) return x.length < y.length ? -1 : 1
  for (let i = 0; i < x.length; i++) {
    if (x[i] !== y[i]) return x[i]! < y[i]! ? -1 : 1
  }
  return 0
}

/** fe80::/10 (RFC 4291 §2.5.6). */
export function isLinkLocal(address: Address): boolean {
  if (!address.includes(':')) return false
  const bytes = addressBytes(address)
  return bytes[0] === 0xfe && (bytes[1]! & 0xc0) === 0x80
}

/**
 * A neighbour's address for people: a link-local one with the interface that it is on (RFC 4007 §11), and the interface alone
 * while who is there is not known (`::`).
 */
export function scopedAddress(address: string, interfaceName: string | undefined): string {
  if (interfaceName === undefined) return address
  if (address === '::') return interfaceName
  const parsed = parseAddress(address)
  return parsed.ok && isLinkLocal(parsed.value) ? `${address}%${interfaceName}` : address
}

/** Of an address, which is known to be well-formed: tables of hundreds of thousands of prefixes come through here. */
function canonicalIpv4(address: Address): Uint8Array {
  const bytes = new Uint8Array(4)
  let octet = 0
  let at = 0
  for (let i = 0; i < address.length; i++) {
    const code = address.charCodeAt(i)
    if (code !== 46) octet = 10 * octet + code - 48
    else {
      bytes[at++] = octet
      octet = 0
    }
  }
  assert(at === 3, `not an address: ${address}`)
  bytes[3] = octet
  return bytes
}

function parseIpv4(text: string): Uint8Array | undefined {
  const parts = text.split('.')
  if (parts.length !== 4) return undefined
  const bytes = new Uint8Array(4)
  for (let i = 0; i < 4; i++) {
    const part = parts[i]!
    if (!/^(0|[1-9]\d{0,2})$/.test(part) || Number(part) > 255) return undefined
    bytes[i] = Number(part)
  }
  return bytes
}

function parseIpv6(text: string): Uint8Array | undefined {
  const halves = text.split('::')
  if (halves.length > 2) return undefined
  const head = parseGroups(halves[0]!, halves.length === 1)
  const tail = halves.length === 2 ? parseGroups(halves[1]!, true) : []
  if (head === undefined || tail === undefined) return undefined
  const missing = 16 - head.length - tail.length
  // "::" stands for one group or more (RFC 4291 §2.2).
  if (halves.length === 2 ? missing < 2 : missing !== 0) return undefined
  return Uint8Array.from([...head, ...Array<number>(missing).fill(0), ...tail])
}

/** Bytes of colon-separated groups; `last`: the text ends the address, so it may end in dotted decimal. */
function parseGroups(text: string, last: boolean): number[] | undefined {
  if (text === '') return []
  const groups = text.split(':')
  const bytes: number[] = []
  for (const [i, group] of groups.entries()) {
    if (group.includes('.')) {
      const ipv4 = last && i === groups.length - 1 ? parseIpv4(group) : undefined
      if (ipv4 === undefined) return undefined
      bytes.push(...ipv4)
      continue
    }
    if (!/^[\da-f]{1,4}$/i.test(group)) return undefined
    const value = Number.parseInt(group, 16)
    bytes.push(value >> 8, value & 0xff)
  }
  return bytes
}

/** RFC 5952 §4: lower case, no leading zeros, the first longest run of two or more zero groups as "::". */
function showIpv6(bytes: Uint8Array): string {
  const groups: string[] = []
  for (let i = 0; i < 16; i += 2) groups.push(((bytes[i]! << 8) | bytes[i + 1]!).toString(16))
  // IPv4-mapped addresses show their IPv4 part (RFC 5952 §5).
  if (groups.slice(0, 5).every((g) => g === '0') && groups[5] === 'ffff') {
    return `::ffff:${bytes[12]}.${bytes[13]}.${bytes[14]}.${bytes[15]}`
  }
  let start = -1
  let length = 1
  for (let i = 0; i < 8; i++) {
    let run = 0
    while (i + run < 8 && groups[i + run] === '0') run++
    if (run > length) {
      start = i
      length = run
    }
  }
  if (start < 0) return groups.join(':')
  return `${groups.slice(0, start).join(':')}::${groups.slice(start + length).join(':')}`
}
