/** AS_PATH and AS4_PATH as bytes (RFC 4271 §4.3 b), with AS numbers of two or four octets (RFC 6793). */
import { ByteReader, ByteWriter } from '#core/lib/bytes.ts'
import type { AsPathSegment } from '../attributes.ts'
import { asTrans, segmentKinds } from './attribute-codes.ts'

const segmentCodes = { set: 1, sequence: 2, confedSequence: 3, confedSet: 4 } as const

/** What makes a path malformed (RFC 7606 §7.2, RFC 7607 §2), or undefined. `asnOctets`: 2 or 4. */
export function asPathFault(value: Uint8Array, asnOctets: number): string | undefined {
  let at = 0
  while (at < value.length) {
    const code = value[at]!
    if (code < 1 || code > 4) return `segment of type ${code}`
    if (at + 2 > value.length) return 'a segment without length'
    const count = value[at + 1]!
    if (count === 0) return 'a segment without AS numbers'
    const end = at + 2 + count * asnOctets
    if (end > value.length) return 'a segment that overruns the attribute'
    for (at += 2; at < end; at += asnOctets) if (isZero(value, at, asnOctets)) return 'AS number 0 (RFC 7607)'
  }
  return undefined
}

/** Whether a well-formed path holds a confederation segment (RFC 5065 §3). */
export function hasConfederationSegment(value: Uint8Array, asnOctets: number): boolean {
  for (let at = 0; at < value.length; at += 2 + value[at + 1]! * asnOctets) if (value[at]! > 2) return true
  return false
}

/** Whether a well-formed path begins with AS_CONFED_SEQUENCE (RFC 5065 §5). */
export function beginsInConfederation(value: Uint8Array): boolean {
  return value[0] === segmentCodes.confedSequence
}

/** Of a well-formed path. */
export function decodeAsPath(value: Uint8Array, asnOctets: number): AsPathSegment[] {
  const reader = new ByteReader(value)
  const segments: AsPathSegment[] = []
  while (reader.remaining > 0) {
    const kind = segmentKinds[reader.u8() as keyof typeof segmentKinds]
    const count = reader.u8()
    const asns: number[] = []
    for (let i = 0; i < count; i++) asns.push(asnOctets === 2 ? reader.u16() : reader.u32())
    segments.push({ kind, asns })
  }
  return segments
}

/** Segments of more than 255 AS numbers are cut, empty ones left out. With two octets, large numbers become AS_TRANS. */
export function encodeAsPath(path: readonly AsPathSegment[], asnOctets: number): Uint8Array {
  const writer = new ByteWriter(64)
  for (const segment of path) {
    for (let at = 0; at < segment.asns.length; at += 255) {
      const asns = segment.asns.slice(at, at + 255)
      writer.u8(segmentCodes[segment.kind]).u8(asns.length)
      for (const asn of asns) {
        if (asnOctets === 4) writer.u32(asn)
        else writer.u16(asn > 0xffff ? asTrans : asn)
      }
    }
  }
  return writer.finish()
}

/**
 * The path that a two-octet AS_PATH and its AS4_PATH stand for (RFC 6793 §4.2.3): the leading part of the former,
 * which two-octet speakers have prepended since, and then the latter. A longer AS4_PATH is ignored.
 */
export function mergeAs4Path(
  path: readonly AsPathSegment[],
  as4Path: readonly AsPathSegment[],
): AsPathSegment[] {
  // RFC 6793 §6: confederation segments have no place in AS4_PATH.
  const tail = as4Path.filter((segment) => !isConfederation(segment))
  let lead = pathLength(path) - pathLength(tail)
  if (lead < 0 || tail.length === 0) return [...path]
  const merged: AsPathSegment[] = []
  for (const segment of path) {
    if (isConfederation(segment)) {
      // It counts for nothing, so it is part of the lead when it stands among or right before what is.
      if (lead > 0 || merged.length === 0) merged.push(segment)
      continue
    }
    if (lead === 0) break
    const taken = segment.kind === 'set' ? segment.asns : segment.asns.slice(0, lead)
    lead -= segment.kind === 'set' ? 1 : taken.length
    merged.push({ kind: segment.kind, asns: taken })
  }
  const last = merged.at(-1)
  const [first, ...rest] = tail
  if (last?.kind !== 'sequence' || first?.kind !== 'sequence' || last.asns.length + first.asns.length > 255)
    return [...merged, ...tail]
  return [...merged.slice(0, -1), { kind: 'sequence', asns: [...last.asns, ...first.asns] }, ...rest]
}

/** RFC 4271 §9.1.2.2 a: a set counts as one AS; RFC 5065 §5.3: confederation segments count as none. */
export function pathLength(path: readonly AsPathSegment[]): number {
  let length = 0
  for (const segment of path) {
    if (segment.kind === 'sequence') length += segment.asns.length
    else if (segment.kind === 'set') length++
  }
  return length
}

/** The segment of the AS that originated the path, if it has passed any beyond the confederation. */
export function pathEnd(path: readonly AsPathSegment[]): AsPathSegment | undefined {
  return path.findLast((segment) => !isConfederation(segment))
}

export function isConfederation(segment: AsPathSegment): boolean {
  return segment.kind === 'confedSequence' || segment.kind === 'confedSet'
}

function isZero(value: Uint8Array, at: number, octets: number): boolean {
  for (let i = at; i < at + octets; i++) if (value[i] !== 0) return false
  return true
}
