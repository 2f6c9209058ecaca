import assert from 'node:assert/strict'
import { test } from 'node:test'
import { prefix } from '#core/net/prefix.ts'
import {
  assembled,
  bpf,
  filterInstructionsMax,
  minTtlFilter,
  synFilter,
  type Instruction,
} from './packet-filter.ts'

/** What the kernel would do with a packet of an IP header. */
function passes(filter: readonly Instruction[], header: Uint8Array, type = 0): boolean {
  const view = new DataView(header.buffer)
  let register = 0
  let index = 0
  for (let at = 0; at < filter.length; at++) {
    const [operation, ifTrue, ifFalse, operand] = filter[at]!
    const offset = operand >= 0xfff0_0000 ? operand - 0xfff0_0000 : operand
    if (operation === bpf.done) return operand !== 0
    if (operand === 0xffff_f004) register = type
    else if (operation === bpf.loadWord) register = view.getUint32(offset)
    else if (operation === bpf.loadByte) register = view.getUint8(offset)
    else if (operation === bpf.loadHalf) register = view.getUint16(offset)
    else if (operation === bpf.loadHeaderLength) index = 4 * (view.getUint8(offset) & 15)
    else if (operation === bpf.loadByteAfter) register = view.getUint8(index + offset)
    else if (operation === bpf.jumpIfAnyBit) at += (register & operand) === 0 ? ifFalse : ifTrue
    else if (operation === bpf.and) register = (register & operand) >>> 0
    else if (operation === bpf.jumpIfEqual) at += register === operand ? ifTrue : ifFalse
    else if (operation === bpf.jumpIfAtLeast) at += register >= operand ? ifTrue : ifFalse
    else assert.fail(`operation ${operation}`)
  }
  return filter.length === 0
}

function header4(source: number[], ttl: number): Uint8Array {
  const bytes = new Uint8Array(20)
  bytes[8] = ttl
  bytes.set(source, 12)
  return bytes
}

function header6(source: number[], hopLimit: number): Uint8Array {
  const bytes = new Uint8Array(40)
  bytes[7] = hopLimit
  bytes.set(source, 8)
  return bytes
}

test('RFC 5082 §3: packets of a neighbour with a low TTL are dropped, the longest prefix counts', () => {
  const minTtls = [
    { prefix: prefix('10.0.0.0/8'), minTtl: 254 },
    { prefix: prefix('10.1.2.3/32'), minTtl: 255 },
    { prefix: prefix('2001:db8::/40'), minTtl: 254 },
    { prefix: prefix('2001:db8::7/128'), minTtl: 255 },
  ]
  const four = minTtlFilter(4, minTtls)
  const six = minTtlFilter(6, minTtls)
  const host6 = [0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 7]
  const range6 = [0x20, 1, 0xd, 0xb8, 0, 0xff, 0, 0, 0, 0, 0, 0, 0, 0, 0, 7]
  const other6 = [0x20, 1, 0xd, 0xb8, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 7]
  for (const { name, filter, header, expected } of [
    { name: 'host, low', filter: four, header: header4([10, 1, 2, 3], 254), expected: false },
    { name: 'host', filter: four, header: header4([10, 1, 2, 3], 255), expected: true },
    { name: 'range, low', filter: four, header: header4([10, 1, 2, 4], 253), expected: false },
    { name: 'range', filter: four, header: header4([10, 1, 2, 4], 254), expected: true },
    { name: 'other', filter: four, header: header4([11, 1, 2, 3], 1), expected: true },
    { name: 'IPv6 host, low', filter: six, header: header6(host6, 254), expected: false },
    { name: 'IPv6 host', filter: six, header: header6(host6, 255), expected: true },
    { name: 'IPv6 range, low', filter: six, header: header6(range6, 253), expected: false },
    { name: 'IPv6 range', filter: six, header: header6(range6, 254), expected: true },
    { name: 'IPv6 other', filter: six, header: header6(other6, 1), expected: true },
  ])
    assert.equal(passes(filter, header), expected, name)
})

test('a filter with nothing to drop is empty', () => {
  assert.deepEqual(minTtlFilter(4, [{ prefix: prefix('2001:db8::/64'), minTtl: 255 }]), [])
})

test('neighbours for which a filter has no room are left out of it', () => {
  const many = Array.from({ length: 1000 }, (_, i) => ({
    prefix: prefix(`10.0.${i >> 8}.${i & 255}/32`),
    minTtl: 255,
  }))
  const filter = minTtlFilter(4, many)
  assert.ok(filter.length > filterInstructionsMax - 10 && filter.length <= filterInstructionsMax)
  assert.ok(passes(filter, header4([10, 0, 3, 0], 1)))
  assert.ok(!passes(filter, header4([10, 0, 1, 0], 1)))
})

test('of all that comes, requests for TCP connections and their answers are looked at', () => {
  const four = (protocol: number, flags: number, fragment = 0) => {
    const bytes = new Uint8Array(44)
    bytes[0] = 0x46
    bytes[7] = fragment
    bytes[9] = protocol
    bytes[24 + 13] = flags
    return bytes
  }
  const six = (protocol: number, flags: number) => {
    const bytes = new Uint8Array(60)
    bytes[0] = 0x60
    bytes[6] = protocol
    bytes[53] = flags
    return bytes
  }
  for (const { name, packet, type, expected } of [
    { name: 'SYN', packet: four(6, 2), expected: true },
    { name: 'SYN and ACK', packet: four(6, 0x12), expected: true },
    { name: 'ACK', packet: four(6, 0x10), expected: false },
    { name: 'a later fragment', packet: four(6, 2, 7), expected: false },
    { name: 'UDP', packet: four(17, 2), expected: false },
    { name: 'sent by this machine', packet: four(6, 2), type: 4, expected: false },
    { name: 'IPv6 SYN', packet: six(6, 2), expected: true },
    { name: 'IPv6 ACK', packet: six(6, 0x10), expected: false },
    { name: 'IPv6 UDP', packet: six(17, 2), expected: false },
    { name: 'no IP', packet: new Uint8Array(60), expected: false },
  ])
    assert.equal(passes(synFilter(), packet, type), expected, name)
})

test('an instruction has eight bytes', () => {
  assert.deepEqual([...assembled([[0x15, 1, 2, 0x0403_0201]])], [0x15, 0, 1, 2, 1, 2, 3, 4])
})
