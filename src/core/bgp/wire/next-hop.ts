/** Next hops as bytes, and whether one can be used (RFC 4271 §6.3, RFC 4760 §3, RFC 2545 §3, RFC 8950 §3). */
import { addressBytes, addressFromBytes, isLinkLocal } from '#core/net/address.ts'
import type { UpdateContext } from './context.ts'
import type { NextHop } from './message.ts'

/** From 4, 16 or 32 octets. */
export function decodeNextHop(bytes: Uint8Array): NextHop {
  if (bytes.length !== 32) return { global: addressFromBytes(bytes) }
  const global = addressFromBytes(bytes.subarray(0, 16))
  const linkLocal = addressFromBytes(bytes.subarray(16))
  // Some speakers with no global address write none; the link-local one is then all there is.
  if (global === '::' && isLinkLocal(linkLocal)) return { global: linkLocal, linkLocal }
  return isLinkLocal(linkLocal) ? { global, linkLocal } : { global }
}

/**
 * Why no packet can be sent to it: not the address of a host, or one of the receiver's own. RFC 4271 §6.3 has a route with
 * a syntactically wrong one fail and with a semantically wrong one ignored; both end as a withdrawal.
 */
export function nextHopFault(nextHop: NextHop, context: UpdateContext): string | undefined {
  const { global } = nextHop
  if (!isHost(addressBytes(global))) return `next hop ${global}, which is no host's address`
  const { ends } = context
  if (ends !== undefined && (global === ends.localAddress || global === ends.localAddressOtherVersion))
    return `next hop ${global}, which is this speaker's own address`
  return undefined
}

function isHost(bytes: Uint8Array): boolean {
  const first = bytes[0]!
  // 0.0.0.0/8, 127.0.0.0/8, and multicast and reserved addresses from 224.0.0.0 on.
  if (bytes.length === 4) return first !== 0 && first !== 127 && first < 224
  // ff00::/8, :: and ::1.
  const small = bytes.subarray(0, 15).every((octet) => octet === 0) && bytes[15]! <= 1
  return first !== 0xff && !small
}
