/** What a captured TCP segment says about its signature. Bytes are of anybody: nothing here throws. */
import { createHash, timingSafeEqual } from 'node:crypto'
import { addressFromBytes, type Address } from '#core/net/address.ts'

export interface Segment {
  source: Address
  sourcePort: number
  destinationPort: number
  syn: boolean
  ack: boolean
  /** RFC 2385 §3. */
  md5: boolean
  /** RFC 5925 §2.2. */
  authenticationOption: boolean
  /** Whether the MD5 digest is that of this key. */
  signedWith(key: string): boolean
}

/** From an IP header on. `undefined`: not a whole segment of TCP. */
export function parseSegment(packet: Uint8Array): Segment | undefined {
  const view = new DataView(packet.buffer, packet.byteOffset, packet.length)
  if (packet.length < 20) return undefined
  const version = packet[0]! >> 4
  if (version !== 4 && version !== 6) return undefined
  const start = version === 4 ? 4 * (packet[0]! & 15) : 40
  if (packet.length < 40) return undefined
  const end = version === 4 ? view.getUint16(2) : 40 + view.getUint16(4)
  const protocol = version === 4 ? packet[9] : packet[6]
  if (protocol !== 6 || start < 20 || end > packet.length || end < start + 20) return undefined
  const headerEnd = start + 4 * (packet[start + 12]! >> 4)
  if (headerEnd < start + 20 || headerEnd > end) return undefined
  const addresses = version === 4 ? packet.slice(12, 20) : packet.slice(8, 40)
  const segment = packet.slice(start, end)
  const options = optionsOf(packet.subarray(start + 20, headerEnd))
  const digest = options.get(19)
  return {
    source: addressFromBytes(addresses.subarray(0, addresses.length / 2)),
    sourcePort: view.getUint16(start),
    destinationPort: view.getUint16(start + 2),
    syn: (packet[start + 13]! & 2) !== 0,
    ack: (packet[start + 13]! & 16) !== 0,
    md5: digest !== undefined,
    authenticationOption: options.has(29),
    signedWith: (key) => {
      if (digest?.length !== 16) return false
      return timingSafeEqual(md5Of(addresses, segment, headerEnd - start, key), digest)
    },
  }
}

/** Contents of TCP options by kind; what is cut off is left out (RFC 9293 §3.1). */
function optionsOf(bytes: Uint8Array): Map<number, Uint8Array> {
  const options = new Map<number, Uint8Array>()
  for (let at = 0; at < bytes.length && bytes[at] !== 0;) {
    if (bytes[at] === 1) {
      at++
      continue
    }
    const length = bytes[at + 1] ?? 0
    if (length < 2 || at + length > bytes.length) break
    options.set(bytes[at]!, bytes.slice(at + 2, at + length))
    at += length
  }
  return options
}

/** RFC 2385 §2: pseudo-header, header without options and with no checksum, data, key. */
function md5Of(addresses: Uint8Array, segment: Uint8Array, headerLength: number, key: string): Uint8Array {
  const header = segment.slice(0, 20)
  header.fill(0, 16, 18)
  const rest = new DataView(new ArrayBuffer(addresses.length === 8 ? 4 : 8))
  if (rest.byteLength === 4) {
    rest.setUint8(1, 6)
    rest.setUint16(2, segment.length)
  } else {
    rest.setUint32(0, segment.length)
    rest.setUint8(7, 6)
  }
  return createHash('md5')
    .update(addresses)
    .update(rest)
    .update(header)
    .update(segment.subarray(headerLength))
    .update(key)
    .digest()
}
