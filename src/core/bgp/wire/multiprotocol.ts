/** The values of MP_REACH_NLRI and MP_UNREACH_NLRI (RFC 4760 §3, §4). */
import { ByteReader } from '#core/lib/bytes.ts'
import { familyOfCodes, type Family } from '../family.ts'
import type { UpdateContext } from './context.ts'
import type { NextHop, NlriBlock } from './message.ts'
import { decodeNextHop } from './next-hop.ts'
import { checkNlri, nlriBlock } from './nlri.ts'

/** `ignored`: how many prefixes were left out (see `checkNlri`). */
export interface MpUnreach {
  kind: 'decoded'
  block: NlriBlock
  ignored: number
}

export interface MpReach extends MpUnreach {
  nextHop: NextHop
}

/** The NLRI cannot be located or trusted: the session ends (RFC 7606 §7.11, §7.12). */
interface Malformed {
  kind: 'malformed'
  message: string
}

/** Of a family that was not negotiated (RFC 4760 §7). */
interface Ignored {
  kind: 'ignored'
  message: string
}

/** MP_REACH_NLRI (RFC 4760 §3). `value`: of the attribute; NLRI in the result may be views of it. */
export function decodeMpReach(value: Uint8Array, context: UpdateContext): MpReach | Malformed | Ignored {
  const reader = new ByteReader(value)
  const afi = reader.u16()
  const safi = reader.u8()
  const nextHop = reader.take(reader.u8())
  // The reserved octet (RFC 4760 §3) is not looked at.
  reader.u8()
  if (reader.failed) return { kind: 'malformed', message: 'next hop beyond the attribute' }
  const family = negotiatedFamily(afi, safi, context)
  if (typeof family !== 'string') return family
  if (!nextHopLengths(family, context).includes(nextHop.length))
    return { kind: 'malformed', message: `next hop of ${nextHop.length} octets for ${family}` }
  const block = decodeNlri(family, reader, context)
  if (block.kind === 'malformed') return block
  return { ...block, nextHop: decodeNextHop(nextHop) }
}

/** MP_UNREACH_NLRI (RFC 4760 §4). `value`: of the attribute; NLRI in the result may be views of it. */
export function decodeMpUnreach(value: Uint8Array, context: UpdateContext): MpUnreach | Malformed | Ignored {
  const reader = new ByteReader(value)
  const afi = reader.u16()
  const safi = reader.u8()
  if (reader.failed) return { kind: 'malformed', message: 'no address family' }
  const family = negotiatedFamily(afi, safi, context)
  return typeof family === 'string' ? decodeNlri(family, reader, context) : family
}

function negotiatedFamily(afi: number, safi: number, context: UpdateContext): Family | Ignored {
  const family = familyOfCodes(afi, safi)
  if (family !== undefined && context.families.includes(family)) return family
  return {
    kind: 'ignored',
    message: `NLRI of ${family ?? `AFI ${afi} SAFI ${safi}`}, which was not negotiated`,
  }
}

/** Octets that a next hop may have. */
function nextHopLengths(family: Family, context: UpdateContext): readonly number[] {
  if (family === 'ipv6/unicast') return [16, 32]
  return context.extendedNextHop.includes(family) ? [4, 16, 32] : [4]
}

function decodeNlri(family: Family, reader: ByteReader, context: UpdateContext): MpUnreach | Malformed {
  const pathIds = context.addPathReceive?.includes(family) === true
  const checked = checkNlri(family, reader.take(reader.remaining), pathIds)
  if (checked.kind === 'malformed')
    return { kind: 'malformed', message: `a prefix that is too long at octet ${checked.at} of the NLRI` }
  return { kind: 'decoded', block: nlriBlock(family, checked.nlri, pathIds), ignored: checked.ignored }
}
