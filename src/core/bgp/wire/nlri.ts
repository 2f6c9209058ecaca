/**
 * Prefixes as bytes (RFC 4271 §4.3): a length octet and then as few octets as hold that many bits. A block is such
 * prefixes one after another. Walking a validated block allocates nothing:
 *
 *     for (let at = 0; at < nlri.length; at = nlriNext(nlri, at)) { … nlri[at] is the prefix length … }
 *
 * In a block with path identifiers (RFC 7911 §3) four octets stand before each prefix:
 *
 *     for (let at = 0; at < nlri.length; at = nlriNext(nlri, at)) { const id = pathIdAt(nlri, at); at += pathIdLength; … }
 */
import { ByteWriter } from '#core/lib/bytes.ts'
import { addressBits, addressBytes, addressFromBytes } from '#core/net/address.ts'
import { lengthOf, networkOf, prefixOf, type Prefix } from '#core/net/prefix.ts'
import type { Family } from '../family.ts'
import type { NlriBlock } from './message.ts'

/** Octets of a path identifier (RFC 7911 §3). */
export const pathIdLength = 4

/** One path of a prefix, as a block with path identifiers names it. */
export interface NlriPath {
  /** 32 bits, chosen by the sender and meaning nothing else (RFC 7911 §3). */
  pathId: number
  prefix: Prefix
}

/** Number of octets that hold `bits` bits. */
export function octetsOf(bits: number): number {
  return (bits + 7) >>> 3
}

/** Index of the prefix after the one at `at`. The block must have been validated. */
export function nlriNext(nlri: Uint8Array, at: number): number {
  return at + 1 + octetsOf(nlri[at]!)
}

/** The prefix at `at` of a validated block. Host bits that are set are cleared (RFC 4271 §4.3). */
export function nlriPrefix(family: Family, nlri: Uint8Array, at: number): Prefix {
  const length = nlri[at]!
  const bytes = new Uint8Array(family === 'ipv4/unicast' ? 4 : 16)
  bytes.set(nlri.subarray(at + 1, at + 1 + octetsOf(length)))
  return prefixOf(addressFromBytes(bytes), length)
}

/** The path identifier at `at` of a validated block that has them; its prefix is {@link pathIdLength} further. */
export function pathIdAt(nlri: Uint8Array, at: number): number {
  return ((nlri[at]! << 24) | (nlri[at + 1]! << 16) | (nlri[at + 2]! << 8) | nlri[at + 3]!) >>> 0
}

/** All prefixes of a validated block, in its order. */
export function nlriPrefixes(block: NlriBlock): Prefix[] {
  return nlriPaths(block).map(({ prefix }) => prefix)
}

/** All paths of a validated block, in its order; the path identifier is 0 in a block without them. */
export function nlriPaths({ family, nlri, pathIds }: NlriBlock): NlriPath[] {
  const paths: NlriPath[] = []
  const skip = pathIds === true ? pathIdLength : 0
  for (let at = 0; at < nlri.length; at = nlriNext(nlri, at + skip)) {
    const pathId = pathIds === true ? pathIdAt(nlri, at) : 0
    paths.push({ pathId, prefix: nlriPrefix(family, nlri, at + skip) })
  }
  return paths
}

/** One prefix in wire form. */
export function encodePrefix(prefix: Prefix): Uint8Array {
  const length = lengthOf(prefix)
  const octets = octetsOf(length)
  const nlri = new Uint8Array(1 + octets)
  nlri[0] = length
  nlri.set(addressBytes(networkOf(prefix)).subarray(0, octets), 1)
  return nlri
}

/** Prefixes of one IP version as a block, in their order. */
export function encodePrefixes(prefixes: readonly Prefix[]): Uint8Array {
  const parts = prefixes.map(encodePrefix)
  const nlri = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0))
  let at = 0
  for (const part of parts) {
    nlri.set(part, at)
    at += part.length
  }
  return nlri
}

/** Paths of one IP version as a block with path identifiers, in their order (RFC 7911 §3). */
export function encodePaths(paths: readonly NlriPath[]): Uint8Array {
  const writer = new ByteWriter(9 * paths.length)
  for (const { pathId, prefix } of paths) writer.u32(pathId).raw(encodePrefix(prefix))
  return writer.finish()
}

/** Names what these validated bytes are. */
export function nlriBlock(family: Family, nlri: Uint8Array, pathIds: boolean): NlriBlock {
  return pathIds ? { family, nlri, pathIds } : { family, nlri }
}

/** What a block from a peer holds. `nlri` is canonical: every host bit is zero; it is the given array if that was. */
export type CheckedNlri =
  /** A length beyond the family's, or a prefix that overruns the block (RFC 7606 §5.3): nothing in it can be trusted. */
  | { kind: 'malformed'; at: number }
  /** `ignored`: how many prefixes were left out for being multicast (RFC 4271 §6.3, last paragraph). */
  | { kind: 'checked'; nlri: Uint8Array; ignored: number }

/** Validates a block of `family`, with or without path identifiers. Copies only if something must change. */
export function checkNlri(family: Family, nlri: Uint8Array, pathIds: boolean): CheckedNlri {
  const maxBits = addressBits(family === 'ipv4/unicast' ? 4 : 6)
  const skip = pathIds ? pathIdLength : 0
  let clean = true
  let at = 0
  while (at < nlri.length) {
    const head = at + skip
    if (head >= nlri.length) return { kind: 'malformed', at }
    const length = nlri[head]!
    const next = head + 1 + octetsOf(length)
    if (length > maxBits || next > nlri.length) return { kind: 'malformed', at }
    if (hasHostBits(nlri, length, next) || isMulticast(family, nlri, head)) clean = false
    at = next
  }
  return clean ? { kind: 'checked', nlri, ignored: 0 } : cleaned(family, nlri, skip)
}

function cleaned(family: Family, nlri: Uint8Array, skip: number): CheckedNlri {
  const copy = new Uint8Array(nlri.length)
  let end = 0
  let ignored = 0
  for (let at = 0, next = 0; at < nlri.length; at = next) {
    next = nlriNext(nlri, at + skip)
    if (isMulticast(family, nlri, at + skip)) {
      ignored++
      continue
    }
    copy.set(nlri.subarray(at, next), end)
    end += next - at
    const used = nlri[at + skip]! & 7
    if (used !== 0) copy[end - 1] = copy[end - 1]! & (0xff00 >> used)
  }
  return { kind: 'checked', nlri: copy.slice(0, end), ignored }
}

function hasHostBits(nlri: Uint8Array, length: number, next: number): boolean {
  const used = length & 7
  return used !== 0 && (nlri[next - 1]! & (0xff >> used)) !== 0
}

/** Inside 224.0.0.0/4 or ff00::/8. */
function isMulticast(family: Family, nlri: Uint8Array, at: number): boolean {
  if (family === 'ipv4/unicast') return nlri[at]! >= 4 && (nlri[at + 1]! & 0xf0) === 0xe0
  return nlri[at]! >= 8 && nlri[at + 1] === 0xff
}
