/** Address families that a session may carry (RFC 4760 §3: AFI and SAFI). */
import { prefixVersion, type Prefix } from '#core/net/prefix.ts'

export type Family = 'ipv4/unicast' | 'ipv6/unicast'

/** In the order in which tables show them. */
export const families: readonly Family[] = ['ipv4/unicast', 'ipv6/unicast']

/** Codes on the wire. */
export const familyCodes = {
  'ipv4/unicast': { afi: 1, safi: 1 },
  'ipv6/unicast': { afi: 2, safi: 1 },
} as const satisfies Record<Family, { afi: number; safi: number }>

/** The family of these codes, or undefined for one that Herald does not speak. */
export function familyOfCodes(afi: number, safi: number): Family | undefined {
  return families.find((family) => familyCodes[family].afi === afi && familyCodes[family].safi === safi)
}

/** The unicast family of the prefix's IP version. */
export function familyOfPrefix(prefix: Prefix): Family {
  return prefixVersion(prefix) === 4 ? 'ipv4/unicast' : 'ipv6/unicast'
}
