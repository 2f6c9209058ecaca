/** Limits on how many prefixes a neighbour may send (RFC 4271 §6.7): what a count means, and what the neighbour is told. */
import { ByteWriter } from '#core/lib/bytes.ts'
import type { PrefixLimit } from './config.ts'
import { familyCodes, type Family } from './family.ts'

/** Where a count stands to its limit. */
export type LimitLevel = 'within' | 'near' | 'over'

/** A limit that has ended the session. */
export interface LimitBreach {
  family: Family
  max: number
  /** Time at which the session may come up again; Infinity: when a person wants it to. */
  until: number
}

export function limitLevel({ max, warnPercent = 75 }: PrefixLimit, count: number): LimitLevel {
  if (count > max) return 'over'
  return count > 0 && 100 * count >= warnPercent * max ? 'near' : 'within'
}

/** RFC 4486 §4: the data of Cease/Maximum Number of Prefixes Reached. */
export function limitData(family: Family, max: number): Uint8Array {
  const { afi, safi } = familyCodes[family]
  return new ByteWriter(7).u16(afi).u8(safi).u32(max).finish()
}

/** For people: why the session is down. */
export function limitText({ family, max }: Pick<LimitBreach, 'family' | 'max'>): string {
  return `more than ${max} ${family} routes came`
}
