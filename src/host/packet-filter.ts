/** Programs of classic BPF that the kernel runs on the packets of a socket: which of them the socket gets to see. */
import { addressBits, addressBytes, type IpVersion } from '#core/net/address.ts'
import { lengthOf, networkOf, prefixVersion, type Prefix } from '#core/net/prefix.ts'

/** Longest program that Linux takes (BPF_MAXINSNS). */
export const filterInstructionsMax = 4096

/** One instruction: operation, where to go on if a comparison is true or false, operand. */
export type Instruction = readonly [operation: number, ifTrue: number, ifFalse: number, operand: number]

/** Operations of linux/filter.h. */
export const bpf = {
  loadWord: 0x20,
  loadHalf: 0x28,
  loadByte: 0x30,
  and: 0x54,
  jumpIfEqual: 0x15,
  jumpIfAtLeast: 0x35,
  jumpIfAnyBit: 0x45,
  /** Four times the lower half of a byte, as the length of an IPv4 header is written, to the index register. */
  loadHeaderLength: 0xb1,
  /** The byte at the index register and operand. */
  loadByteAfter: 0x50,
  done: 0x06,
} as const

const pass: Instruction = [bpf.done, 0, 0, 0xffff_ffff]
const drop: Instruction = [bpf.done, 0, 0, 0]

/** A filter of this alone lets nothing in. */
export const dropAll = drop

/** Operands from here on are offsets in the IP header, wherever the packet begins (SKF_NET_OFF). */
const networkOffset = 0xfff0_0000
/** Operand that stands for the packet's type (SKF_AD_OFF + SKF_AD_PKTTYPE), and the types PACKET_HOST and PACKET_OUTGOING. */
const packetType = 0xffff_f004
const packetToThisHost = 0
const packetOfThisHost = 4
const tcpSyn = 2

/**
 * Drops packets from a prefix with a lower TTL or hop limit than is said for it (RFC 5082 §3), the longest prefix that
 * matches counting, and passes all others. Those of the other IP version are left out, and those for which there is no room:
 * some hundred fit. Empty: there is nothing to drop. `room`: most instructions.
 */
export function minTtlFilter(
  version: IpVersion,
  minTtls: readonly { prefix: Prefix; minTtl: number }[],
  room = filterInstructionsMax,
): Instruction[] {
  const ours = minTtls
    .filter(({ prefix }) => prefixVersion(prefix) === version)
    .sort((a, b) => lengthOf(b.prefix) - lengthOf(a.prefix))
  if (ours.length === 0) return []
  const ttlAt = networkOffset + (version === 4 ? 8 : 7)
  const filter: Instruction[] = []
  for (const { prefix, minTtl } of ours) {
    const check: Instruction[] = [[bpf.loadByte, 0, 0, ttlAt], [bpf.jumpIfAtLeast, 0, 1, minTtl], pass, drop]
    const rule = [...unlessFrom(prefix, check.length), ...check]
    if (filter.length + rule.length >= room) break
    filter.push(...rule)
  }
  return [...filter, pass]
}

/** Passes TCP segments with SYN that came to this machine, on a packet socket that begins at the IP header. */
export function synFilter(): Instruction[] {
  return [
    [bpf.loadWord, 0, 0, packetType],
    [bpf.jumpIfEqual, 0, 16, packetToThisHost],
    [bpf.loadByte, 0, 0, 0],
    [bpf.and, 0, 0, 0xf0],
    [bpf.jumpIfEqual, 0, 7, 0x40],
    // IPv4: protocol, fragment offset, flags of TCP after a header of any length.
    [bpf.loadByte, 0, 0, 9],
    [bpf.jumpIfEqual, 0, 11, 6],
    [bpf.loadHalf, 0, 0, 6],
    [bpf.jumpIfAnyBit, 9, 0, 0x1fff],
    [bpf.loadHeaderLength, 0, 0, 0],
    [bpf.loadByteAfter, 0, 0, 13],
    [bpf.jumpIfAnyBit, 5, 6, tcpSyn],
    // IPv6: TCP as the first next header, and its flags.
    [bpf.jumpIfEqual, 0, 5, 0x60],
    [bpf.loadByte, 0, 0, 6],
    [bpf.jumpIfEqual, 0, 3, 6],
    [bpf.loadByte, 0, 0, 53],
    [bpf.jumpIfAnyBit, 0, 1, tcpSyn],
    pass,
    drop,
  ]
}

/** Passes router solicitations and advertisements of others with hop limit 255 (RFC 4861 §6.1), from the IPv6 header on. */
export function routerMessageFilter(): Instruction[] {
  return [
    [bpf.loadWord, 0, 0, packetType],
    [bpf.jumpIfEqual, 10, 0, packetOfThisHost],
    [bpf.loadByte, 0, 0, 0],
    [bpf.and, 0, 0, 0xf0],
    [bpf.jumpIfEqual, 0, 7, 0x60],
    // Next header ICMPv6 (58) and hop limit 255 lie side by side.
    [bpf.loadHalf, 0, 0, 6],
    [bpf.jumpIfEqual, 0, 5, 0x3aff],
    [bpf.loadByte, 0, 0, 40],
    [bpf.jumpIfEqual, 2, 0, 133],
    [bpf.jumpIfEqual, 1, 0, 134],
    drop,
    pass,
    drop,
  ]
}

/** Skips the next `skipped` instructions unless the packet's source address is in the prefix. */
function unlessFrom(prefix: Prefix, skipped: number): Instruction[] {
  const version = prefixVersion(prefix)
  const bytes = addressBytes(networkOf(prefix))
  const words = new DataView(bytes.buffer, bytes.byteOffset)
  const sourceAt = networkOffset + (version === 4 ? 12 : 8)
  const instructions: Instruction[] = []
  for (let bit = 0; bit < Math.min(lengthOf(prefix), addressBits(version)); bit += 32) {
    instructions.push([bpf.loadWord, 0, 0, sourceAt + bit / 8])
    const kept = lengthOf(prefix) - bit
    if (kept < 32) instructions.push([bpf.and, 0, 0, (0xffff_ffff << (32 - kept)) >>> 0])
    instructions.push([bpf.jumpIfEqual, 0, 0, words.getUint32(bit / 8)])
  }
  const end = instructions.length + skipped
  return instructions.map(([operation, ifTrue, _, operand], at) => {
    return [operation, ifTrue, operation === bpf.jumpIfEqual ? end - at - 1 : 0, operand]
  })
}

/** As the kernel reads it: struct sock_filter[], in the byte order of this machine. */
export function assembled(instructions: readonly Instruction[]): Uint8Array {
  const bytes = new Uint8Array(8 * instructions.length)
  const halves = new Uint16Array(bytes.buffer)
  const words = new Uint32Array(bytes.buffer)
  for (const [at, [operation, ifTrue, ifFalse, operand]] of instructions.entries()) {
    halves[4 * at] = operation
    bytes[8 * at + 2] = ifTrue
    bytes[8 * at + 3] = ifFalse
    words[2 * at + 1] = operand
  }
  return bytes
}
