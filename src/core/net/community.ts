/**
 * Communities as text: `asn:value`, `a:b:c`, and the names that IANA registers (RFC 1997, RFC 8092). Extended ones are in
 * `extended-community.ts`.
 */
import { err, ok, type Result } from '#core/lib/result.ts'

/** RFC 8092 §3: three times 32 bits. */
export type LargeCommunity = readonly [globalAdministrator: number, data1: number, data2: number]

/** IANA's "BGP Well-known Communities", in the spelling that Cilium's and FRR's configuration use. */
export const wellKnownCommunities = {
  internet: 0x0000_0000,
  /** GRACEFUL_SHUTDOWN (RFC 8326 §5), by the name of its draft. */
  'planned-shut': 0xffff_0000,
  'accept-own': 0xffff_0001,
  'route-filter-translated-v4': 0xffff_0002,
  'route-filter-v4': 0xffff_0003,
  'route-filter-translated-v6': 0xffff_0004,
  'route-filter-v6': 0xffff_0005,
  'llgr-stale': 0xffff_0006,
  'no-llgr': 0xffff_0007,
  blackhole: 0xffff_029a,
  'no-export': 0xffff_ff01,
  'no-advertise': 0xffff_ff02,
  'no-export-subconfed': 0xffff_ff03,
  'no-peer': 0xffff_ff04,
} as const

export type WellKnownCommunity = keyof typeof wellKnownCommunities

/** Names that are understood and shown beside those of {@link wellKnownCommunities}, which resources list. */
const otherNames: Record<string, number> = {
  'graceful-shutdown': wellKnownCommunities['planned-shut'],
  'accept-own-nexthop': 0xffff_0008,
  'standby-pe': 0xffff_0009,
}

const shownNames = new Map<number, string>(
  [...Object.entries(wellKnownCommunities), ...Object.entries(otherNames)]
    .filter(([, value]) => value !== 0)
    .map(([name, value]) => [value, name]),
)

/** The well-known name, or `high:low`. */
export function communityText(community: number): string {
  return shownNames.get(community) ?? `${community >>> 16}:${community & 0xffff}`
}

/** `65000:1:2` (RFC 8092 §5). */
export function largeCommunityText(community: LargeCommunity): string {
  return community.join(':')
}

/** Accepts `high:low`, a decimal number of 32 bits, and the well-known names. */
export function parseCommunity(text: string): Result<number> {
  if (Object.hasOwn(wellKnownCommunities, text)) return ok(wellKnownCommunities[text as WellKnownCommunity])
  if (Object.hasOwn(otherNames, text)) return ok(otherNames[text]!)
  const parts = text.split(':')
  const numbers = parts.map(decimal)
  if (parts.length === 1 && inRange(numbers[0], 0xffff_ffff)) return ok(numbers[0]!)
  if (parts.length === 2 && numbers.every((n) => inRange(n, 0xffff))) {
    return ok(((numbers[0]! << 16) | numbers[1]!) >>> 0)
  }
  return err(`"${text}" is not a community: write high:low (0..65535 each) or a well-known name`)
}

/** Three numbers of 32 bits with colons between (RFC 8092 §5). */
export function parseLargeCommunity(text: string): Result<LargeCommunity> {
  const numbers = text.split(':').map(decimal)
  if (numbers.length === 3 && numbers.every((n) => inRange(n, 0xffff_ffff))) {
    return ok([numbers[0]!, numbers[1]!, numbers[2]!])
  }
  return err(`"${text}" is not a large community: write three numbers of 32 bits as a:b:c`)
}

function decimal(text: string): number {
  return /^\d{1,10}$/.test(text) ? Number(text) : Number.NaN
}

function inRange(value: number | undefined, max: number): boolean {
  return value !== undefined && value >= 0 && value <= max
}
