/**
 * Router solicitations and advertisements (RFC 4861 §4.1, §4.2), as far as they say that a router is there: neither prefixes
 * nor any other option is read or written. Bytes come from anybody: nothing here throws.
 */
import { addressBytes, addressFromBytes, address, isLinkLocal, type Address } from './address.ts'

/** RFC 4291 §2.7.1. */
export const allNodes = address('ff02::1')
export const allRouters = address('ff02::2')

export interface RouterMessage {
  kind: 'solicitation' | 'advertisement'
  source: Address
}

const solicitation = 133
const advertisement = 134
const icmp6 = 58
const ipHeaderLength = 40

/** ICMPv6 message, its checksum left to the kernel. RFC 4861 §4.1. */
export function routerSolicitation(): Uint8Array {
  return Uint8Array.of(solicitation, 0, 0, 0, 0, 0, 0, 0)
}

/** The same. RFC 4861 §4.2: a router lifetime of 0 says that this is no default router. */
export function routerAdvertisement(): Uint8Array {
  const bytes = new Uint8Array(16)
  bytes[0] = advertisement
  return bytes
}

/** From an IPv6 header on. `undefined`: something else, or not valid (RFC 4861 §6.1). */
export function parseRouterMessage(packet: Uint8Array): RouterMessage | undefined {
  if (packet.length < ipHeaderLength + 8 || packet[0]! >> 4 !== 6 || packet[6] !== icmp6) return undefined
  // RFC 4861 §6.1.1, §6.1.2: nobody beyond the link can send a hop limit of 255.
  if (packet[7] !== 255) return undefined
  const length = (packet[4]! << 8) | packet[5]!
  if (packet.length < ipHeaderLength + length) return undefined
  const message = packet.subarray(ipHeaderLength, ipHeaderLength + length)
  if (message[1] !== 0 || checksum(packet.subarray(8, 40), message) !== 0xffff) return undefined
  const source = addressFromBytes(packet.slice(8, 24))
  if (message[0] === advertisement) {
    if (length < 16 || !isLinkLocal(source) || !optionsHold(message.subarray(16))) return undefined
    return { kind: 'advertisement', source }
  }
  if (message[0] !== solicitation || length < 8 || !optionsHold(message.subarray(8))) return undefined
  return { kind: 'solicitation', source }
}

/** Header of an IPv6 packet that carries the message, with the checksum filled in: what tests and simulators send. */
export function routerPacket(message: Uint8Array, source: Address, destination: Address): Uint8Array {
  const packet = new Uint8Array(ipHeaderLength + message.length)
  packet.set([0x60, 0, 0, 0, message.length >> 8, message.length & 0xff, icmp6, 255])
  packet.set(addressBytes(source), 8)
  packet.set(addressBytes(destination), 24)
  packet.set(message, ipHeaderLength)
  packet.set([0, 0], ipHeaderLength + 2)
  const sum = 0xffff ^ checksum(packet.subarray(8, 40), packet.subarray(ipHeaderLength))
  packet.set([sum >> 8, sum & 0xff], ipHeaderLength + 2)
  return packet
}

/** RFC 4861 §6.1: all options that are there have a length above zero. */
function optionsHold(options: Uint8Array): boolean {
  let at = 0
  while (at < options.length) {
    const length = 8 * (options[at + 1] ?? 0)
    if (length === 0) return false
    at += length
  }
  return at === options.length
}

/** RFC 4443 §2.3: of pseudo-header and message; 0xffff when the message has the right one. */
function checksum(addresses: Uint8Array, message: Uint8Array): number {
  let sum = message.length + icmp6
  for (const bytes of [addresses, message])
    for (let at = 0; at < bytes.length; at += 2) sum += (bytes[at]! << 8) | (bytes[at + 1] ?? 0)
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >> 16)
  return sum
}
