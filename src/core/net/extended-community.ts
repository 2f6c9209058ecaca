/**
 * Extended communities as text: `rt:65000:1`, `ro:…`, `lb:…`, and `0x…` for what has no form of its own. In memory one is
 * its octets in lower-case hexadecimal: eight (RFC 4360 §2, types of RFC 7153 §5) or twenty (RFC 5701 §2).
 */
import { hex } from '#core/lib/bytes.ts'
import { err, ok, type Result } from '#core/lib/result.ts'
import { addressBytes, addressFromBytes, parseAddress } from './address.ts'

/** Subtypes that types 0x00, 0x01 and 0x02 share (RFC 4360 §4, §5, RFC 5668 §2), by name. */
const subtypes = { rt: 2, ro: 3 } as const
/** Names that other daemons give them. */
const aliases: Record<string, keyof typeof subtypes> = { soo: 'ro', target: 'rt', origin: 'ro' }
/** RFC 8097 §2. */
const originStates = ['valid', 'not-found', 'invalid'] as const

/**
 * `rt:65000:1` of a two-octet AS number, `rt:65000L:1` of a four-octet one that would fit two (or plainly `rt:70000:1`),
 * `rt:192.0.2.1:1`, `rt:[2001:db8::1]:1`; `ro` likewise; `lb:65000:125000000` in bytes per second; `color:100`,
 * `ovs:valid`; else `0x` and the octets.
 */
export function extendedCommunityText(community: string): string {
  const bytes = octetsOf(community)
  return (bytes.length === 20 ? ipv6Text(bytes) : eightText(bytes)) ?? `0x${community}`
}

/** The inverse of {@link extendedCommunityText}; `soo`, `target` and `origin` are understood too. */
export function parseExtendedCommunity(text: string): Result<string> {
  const parsed = parsed8(text) ?? parsed20(text)
  if (parsed !== undefined) return ok(parsed)
  return err(
    `"${text}" is not an extended community: write rt:asn:value, ro:asn:value, lb:asn:bytes-per-second, color:value or 0x with 16 or 40 digits`,
  )
}

/** draft-ietf-idr-link-bandwidth §2: of a two-octet AS number, not transitive. `bytesPerSecond` becomes a 32-bit float. */
export function linkBandwidthCommunity(asn: number, bytesPerSecond: number): string {
  return hex(withFloat(0x40, asn, bytesPerSecond))
}

/** Bytes per second that the community says; undefined if it is none of link bandwidth. */
export function linkBandwidthOf(community: string): number | undefined {
  if (!/^[04]004/.test(community)) return undefined
  const bandwidth = new DataView(octetsOf(community).buffer).getFloat32(4)
  return Number.isFinite(bandwidth) && bandwidth >= 0 ? bandwidth : undefined
}

/** RFC 4360 §2: it may leave the AS; the bit for it is the second of the type. */
export function isTransitiveCommunity(community: string): boolean {
  return (Number.parseInt(community[0]!, 16) & 4) === 0
}

function eightText(bytes: Uint8Array): string | undefined {
  const view = new DataView(bytes.buffer)
  const [type, subtype] = [bytes[0]!, bytes[1]!]
  const name = nameOf(subtype)
  if (type <= 2 && name !== undefined) {
    if (type === 0) return `${name}:${view.getUint16(2)}:${view.getUint32(4)}`
    const value = view.getUint16(6)
    if (type === 1) return `${name}:${addressFromBytes(bytes.subarray(2, 6))}:${value}`
    const asn = view.getUint32(2)
    return `${name}:${asn}${asn > 0xffff ? '' : 'L'}:${value}`
  }
  if (type === 0x40 && subtype === 4) {
    const text = `lb:${view.getUint16(2)}:${view.getFloat32(4)}`
    return parsed8(text) === hex(bytes) ? text : undefined
  }
  // RFC 9012 §4.3, with flags that are 0.
  if (type === 3 && subtype === 0x0b && view.getUint16(2) === 0) return `color:${view.getUint32(4)}`
  const state = originStates[bytes[7]!]
  if (type === 0x43 && subtype === 0 && state !== undefined && view.getUint32(2) === 0 && bytes[6] === 0)
    return `ovs:${state}`
  return undefined
}

function ipv6Text(bytes: Uint8Array): string | undefined {
  const name = nameOf(bytes[1]!)
  if (bytes[0] !== 0 || name === undefined) return undefined
  return `${name}:[${addressFromBytes(bytes.subarray(2, 18))}]:${(bytes[18]! << 8) | bytes[19]!}`
}

function nameOf(subtype: number): string | undefined {
  return subtype === subtypes.rt ? 'rt' : subtype === subtypes.ro ? 'ro' : undefined
}

function parsed8(text: string): string | undefined {
  if (/^0x([\da-f]{16}|[\da-f]{40})$/i.test(text)) return text.slice(2).toLowerCase()
  const [, name, admin, value] = /^([a-z]+):(?:([^:]+):)?([^:]+)$/i.exec(text) ?? []
  if (name === undefined || value === undefined) return undefined
  if (name === 'lb' && admin !== undefined) {
    const [asn, bandwidth] = [number(admin, 0xffff), Number(value)]
    const fits = asn !== undefined && /^\d/.test(value) && Number.isFinite(Math.fround(bandwidth))
    return fits ? hex(withFloat(0x40, asn, bandwidth)) : undefined
  }
  if (admin === undefined) return parsedOpaque(name, value)
  const subtype = subtypeOf(name)
  if (subtype === undefined) return undefined
  const address = parseAddress(admin)
  const local16 = number(value, 0xffff)
  if (address.ok)
    return local16 === undefined
      ? undefined
      : hex(Uint8Array.of(1, subtype, ...addressBytes(address.value), ...u16(local16)))
  const asn = number(admin.replace(/L$/, ''), 0xffff_ffff)
  if (asn === undefined) return undefined
  if (asn > 0xffff || admin.endsWith('L'))
    return local16 === undefined ? undefined : hex(Uint8Array.of(2, subtype, ...u32(asn), ...u16(local16)))
  const local32 = number(value, 0xffff_ffff)
  return local32 === undefined ? undefined : hex(Uint8Array.of(0, subtype, ...u16(asn), ...u32(local32)))
}

function parsedOpaque(name: string, value: string): string | undefined {
  const color = name === 'color' ? number(value, 0xffff_ffff) : undefined
  if (color !== undefined) return hex(Uint8Array.of(3, 0x0b, 0, 0, ...u32(color)))
  const state = (originStates as readonly string[]).indexOf(value)
  return name === 'ovs' && state >= 0 ? hex(Uint8Array.of(0x43, 0, 0, 0, 0, 0, 0, state)) : undefined
}

function parsed20(text: string): string | undefined {
  const [, name, admin, value] = /^([a-z]+):\[([^\]]+)\]:(\d+)$/i.exec(text) ?? []
  if (name === undefined || admin === undefined || value === undefined) return undefined
  const [subtype, address, local] = [subtypeOf(name), parseAddress(admin), number(value, 0xffff)]
  if (subtype === undefined || local === undefined || !address.ok || !admin.includes(':')) return undefined
  return hex(Uint8Array.of(0, subtype, ...addressBytes(address.value), ...u16(local)))
}

function subtypeOf(name: string): number | undefined {
  const known = Object.hasOwn(aliases, name) ? aliases[name]! : name
  return known === 'rt' || known === 'ro' ? subtypes[known] : undefined
}

function withFloat(type: number, asn: number, value: number): Uint8Array {
  const bytes = Uint8Array.of(type, 4, ...u16(asn), 0, 0, 0, 0)
  new DataView(bytes.buffer).setFloat32(4, value)
  return bytes
}

function octetsOf(community: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.from({ length: community.length / 2 }, (_, i) =>
    Number.parseInt(community.slice(2 * i, 2 * i + 2), 16),
  )
}

function number(text: string, max: number): number | undefined {
  return /^\d{1,10}$/.test(text) && Number(text) <= max ? Number(text) : undefined
}

function u16(value: number): number[] {
  return [value >>> 8, value & 0xff]
}

function u32(value: number): number[] {
  return [value >>> 24, (value >>> 16) & 0xff, (value >>> 8) & 0xff, value & 0xff]
}
