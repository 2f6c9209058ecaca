import assert from 'node:assert/strict'
import test from 'node:test'
import { unnegotiated } from './context.ts'
import { Framer } from './framer.ts'
import { notificationName, showNotification, shutdownCommunication } from './notification.ts'
import { decodeMessage, encodeMessage } from './wire.ts'
import { bytes, message } from './wire.testing.ts'

const marker = 'ff'.repeat(16)

const badHeaders: { name: string; header: string; subcode: number; data?: string }[] = [
  { name: 'a marker that is not all ones', header: `00${'ff'.repeat(15)} 0013 04`, subcode: 1, data: '' },
  { name: 'length 18', header: `${marker} 0012 04`, subcode: 2, data: '0012' },
  { name: 'length 4097', header: `${marker} 1001 02`, subcode: 2, data: '1001' },
  { name: 'an OPEN of 28 octets', header: `${marker} 001c 01`, subcode: 2, data: '001c' },
  { name: 'an UPDATE of 22 octets', header: `${marker} 0016 02`, subcode: 2, data: '0016' },
  { name: 'a NOTIFICATION of 20 octets', header: `${marker} 0014 03`, subcode: 2, data: '0014' },
  { name: 'a KEEPALIVE of 20 octets', header: `${marker} 0014 04`, subcode: 2, data: '0014' },
  { name: 'a ROUTE-REFRESH of 22 octets', header: `${marker} 0016 05`, subcode: 2, data: '0016' },
  { name: 'type 6', header: `${marker} 0013 06`, subcode: 3, data: '06' },
]

for (const { name, header, subcode, data = '' } of badHeaders) {
  test(`refuses ${name} (RFC 4271 §6.1)`, () => {
    const framer = new Framer()
    framer.push(bytes(header))
    const next = framer.next()
    assert.ok(next !== undefined && !next.ok)
    assert.deepEqual([next.error.code, next.error.subcode], [1, subcode])
    assert.deepEqual(next.error.data, bytes(data))
    framer.push(encodeMessage({ kind: 'keepalive' }))
    assert.equal(framer.next(), undefined)
  })
}

test('lets only UPDATE, NOTIFICATION and ROUTE-REFRESH grow with extended messages (RFC 8654 §4)', () => {
  for (const [type, grows] of [
    [1, false],
    [2, true],
    [3, true],
    [4, false],
  ] as const) {
    const framer = new Framer()
    framer.setMaxLength(65535)
    framer.push(message(type, new Uint8Array(5000)))
    assert.equal(framer.next()?.ok, grows)
  }
})

const badOpens: { name: string; body: string; subcode: number; data?: string }[] = [
  { name: 'version 3', body: '03 fde9 005a 0a000001 00', subcode: 1, data: '0004' },
  { name: 'AS 0 (RFC 7607)', body: '04 0000 005a 0a000001 00', subcode: 2 },
  {
    name: 'AS 0 in the 4-octet AS capability',
    body: '04 fde9 005a 0a000001 08 02 06 41 04 00000000',
    subcode: 2,
  },
  { name: 'identifier 0.0.0.0 (RFC 6286)', body: '04 fde9 005a 00000000 00', subcode: 3 },
  { name: 'an optional parameter of type 1', body: '04 fde9 005a 0a000001 03 01 01 00', subcode: 4 },
  { name: 'hold time 1', body: '04 fde9 0001 0a000001 00', subcode: 6 },
  { name: 'hold time 2', body: '04 fde9 0002 0a000001 00', subcode: 6 },
  { name: 'parameters that overrun', body: '04 fde9 005a 0a000001 08 02 06', subcode: 0 },
  { name: 'parameters that are longer than said', body: '04 fde9 005a 0a000001 00 02 00', subcode: 0 },
  { name: 'a capability that overruns', body: '04 fde9 005a 0a000001 04 02 02 41 04', subcode: 0 },
  {
    name: 'a 4-octet AS capability of 2 octets',
    body: '04 fde9 005a 0a000001 06 02 04 41 02 0001',
    subcode: 0,
  },
]

for (const { name, body, subcode, data = '' } of badOpens) {
  test(`refuses an OPEN with ${name} (RFC 4271 §6.2)`, () => {
    const result = decodeMessage(message(1, bytes(body)), unnegotiated)
    assert.ok(!result.ok)
    assert.deepEqual([result.error.code, result.error.subcode], [2, subcode])
    assert.deepEqual(result.error.data, bytes(data))
  })
}

test('reads capabilities one per parameter, several in one, and with extended lengths (RFC 5492 §4, RFC 9072)', () => {
  for (const parameters of [
    '10 02 06 01 04 0001 00 01 02 06 41 04 fa56ea01',
    '0e 02 0c 01 04 0001 00 01 41 04 fa56ea01',
    '07 ff 000f 02 000c 01 04 0001 00 01 41 04 fa56ea01',
    'ff ff 000f 02 000c 01 04 0001 00 01 41 04 fa56ea01',
  ]) {
    const result = decodeMessage(message(1, bytes('04 5ba0 005a 0a000001', parameters)), unnegotiated)
    assert.ok(result.ok && result.value.kind === 'open')
    assert.equal(result.value.asn, 4_200_000_001)
    assert.deepEqual(result.value.capabilities.families, ['ipv4/unicast'])
  }
})

test('keeps capabilities that it does not know (RFC 5492 §3)', () => {
  const result = decodeMessage(message(1, bytes('04 fde9 005a 0a000001 06 02 04 49 02 6869')), unnegotiated)
  assert.ok(result.ok && result.value.kind === 'open')
  assert.deepEqual(result.value.capabilities.other, [{ code: 0x49, value: bytes('6869') }])
})

test('RFC 7313 §3.2: reads and writes the borders of a refresh, and ignores what it does not know (RFC 2918 §4)', () => {
  for (const [role, octet] of [
    ['request', 0],
    ['begin', 1],
    ['end', 2],
  ] as const) {
    const bytes = encodeMessage({ kind: 'routeRefresh', family: 'ipv6/unicast', role })
    assert.deepEqual([...bytes.subarray(19)], [0, 2, octet, 1])
    const decoded = decodeMessage(bytes, unnegotiated)
    assert.deepEqual(decoded, { ok: true, value: { kind: 'routeRefresh', family: 'ipv6/unicast', role } })
  }
  for (const body of ['0002 03 01', '0019 01 41']) {
    const decoded = decodeMessage(message(5, bytes(body)), unnegotiated)
    assert.ok(decoded.ok && decoded.value.kind === 'routeRefresh')
    assert.equal(decoded.value.family, undefined)
  }
})

test('RFC 7313 §5: a border of another length is answered with the whole message', () => {
  for (const [body, code, length] of [
    ['0001 01 01 00', 7, 24],
    ['0001 00 01 00', 1, 2],
  ] as const) {
    const decoded = decodeMessage(message(5, bytes(body)), unnegotiated)
    assert.ok(!decoded.ok)
    assert.deepEqual([decoded.error.code, decoded.error.data.length], [code, length])
  }
})

test('sends AS_TRANS for a large AS number, and the number as a capability (RFC 6793 §4.1)', () => {
  const capabilities = {
    families: [],
    fourOctetAsn: true,
    routeRefresh: false,
    extendedNextHop: [],
    other: [],
  }
  const routerId = decodedRouterId()
  const sent = encodeMessage({
    kind: 'open',
    version: 4,
    asn: 70000,
    holdTimeSeconds: 90,
    routerId,
    capabilities,
  })
  assert.deepEqual(sent, message(1, bytes('04 5ba0 005a 0a000001 08 02 06 41 04 00011170')))
})

function decodedRouterId() {
  const result = decodeMessage(message(1, bytes('04 fde9 005a 0a000001 00')), unnegotiated)
  assert.ok(result.ok && result.value.kind === 'open')
  return result.value.routerId
}

test('names codes and subcodes for people', () => {
  assert.equal(notificationName(6, 7), 'Cease/Connection Collision Resolution')
  assert.equal(notificationName(5, 2), 'Finite State Machine Error/Unexpected Message in OpenConfirm')
  assert.equal(notificationName(4, 0), 'Hold Timer Expired')
  assert.equal(notificationName(9, 4), 'Code 9/Subcode 4')
})

test('shows the text of a shutdown, cut at a character and without control characters (RFC 9003)', () => {
  const cease = (data: Uint8Array) => showNotification({ kind: 'notification', code: 6, subcode: 2, data })
  assert.equal(
    cease(shutdownCommunication('Wartung für 1 h ✔')),
    'Cease/Administrative Shutdown: Wartung für 1 h ✔',
  )
  assert.equal(cease(bytes('03 41 1b 42')), 'Cease/Administrative Shutdown: A B')
  assert.equal(cease(bytes('02 ff fe')), 'Cease/Administrative Shutdown')
  assert.equal(cease(bytes('09 41')), 'Cease/Administrative Shutdown')
  assert.equal(shutdownCommunication('ü'.repeat(200)).length, 255)
})

test('reads messages in place, and copies only one that straddles chunks', () => {
  const keepalive = encodeMessage({ kind: 'keepalive' })
  const chunk = Uint8Array.of(...keepalive, ...keepalive, ...keepalive.subarray(0, 7))
  const framer = new Framer()
  framer.push(chunk)
  for (const start of [0, 19]) {
    assert.ok(framer.advance())
    assert.deepEqual([framer.bytes === chunk, framer.start, framer.end], [true, start, start + 19])
  }
  assert.equal(framer.advance(), false)
  const rest = Uint8Array.of(...keepalive.subarray(7), ...keepalive)
  framer.push(rest)
  framer.push(keepalive)
  assert.ok(framer.advance())
  assert.deepEqual(framer.bytes.subarray(framer.start, framer.end), keepalive)
  assert.ok(framer.advance())
  assert.deepEqual([framer.bytes === rest, framer.start, framer.end], [true, 12, 31])
  assert.ok(framer.advance())
  assert.deepEqual([framer.bytes === keepalive, framer.start, framer.end], [true, 0, 19])
  assert.equal(framer.advance(), false)
  assert.equal(framer.error, undefined)
})
