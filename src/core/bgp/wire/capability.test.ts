import assert from 'node:assert/strict'
import test from 'node:test'
import { decodeCapability, encodeCapabilities, noCapabilities } from './capability.ts'
import { capabilityTexts } from './capability-text.ts'
import type { Capabilities } from './message.ts'
import { bytes } from './wire.testing.ts'

/** One capability as bytes, and what it says; both directions. */
const known: { name: string; code: number; value: string; says: Partial<Capabilities> }[] = [
  { name: 'extended messages (RFC 8654 §3)', code: 6, value: '', says: { extendedMessages: true } },
  {
    name: 'enhanced route refresh (RFC 7313 §3.1)',
    code: 70,
    value: '',
    says: { enhancedRouteRefresh: true },
  },
  { name: 'a role (RFC 9234 §4.1)', code: 9, value: '03', says: { role: 'customer' } },
  {
    name: 'add-path (RFC 7911 §4)',
    code: 69,
    value: '0001 01 03 0002 01 02',
    says: {
      addPath: [
        { family: 'ipv4/unicast', receive: true, send: true },
        { family: 'ipv6/unicast', receive: false, send: true },
      ],
    },
  },
  {
    name: 'graceful restart (RFC 4724 §3, RFC 8538 §2)',
    code: 64,
    value: 'c078 0001 01 80 0002 01 00',
    says: {
      gracefulRestart: {
        restarting: true,
        notification: true,
        restartSeconds: 120,
        families: [
          { family: 'ipv4/unicast', forwarding: true },
          { family: 'ipv6/unicast', forwarding: false },
        ],
      },
    },
  },
  {
    name: 'graceful restart of a helper (RFC 4724 §3)',
    code: 64,
    value: '0000',
    says: { gracefulRestart: { restarting: false, notification: false, restartSeconds: 0, families: [] } },
  },
  {
    name: 'long-lived graceful restart (RFC 9494 §3.1)',
    code: 71,
    value: '0002 01 80 015180',
    says: { longLivedRestart: [{ family: 'ipv6/unicast', forwarding: true, staleSeconds: 86400 }] },
  },
  { name: 'a host name', code: 73, value: '04 746f7231 00', says: { hostname: 'tor1' } },
]

for (const { name, code, value, says } of known) {
  test(`reads and writes ${name}`, () => {
    const capabilities = noCapabilities()
    assert.deepEqual(decodeCapability(capabilities, code, bytes(value)), { ok: true, value: undefined })
    assert.deepEqual(capabilities, { ...noCapabilities(), ...says })
    const [written] = encodeCapabilities(65001, capabilities)
    assert.deepEqual(written, Uint8Array.of(code, bytes(value).length, ...bytes(value)))
  })
}

const odd: { name: string; code: number; value: string; says: Partial<Capabilities> }[] = [
  {
    name: 'an add-path entry of an unknown family is ignored (RFC 7911 §4)',
    code: 69,
    value: '0019 41 03 0002 01 01',
    says: { addPath: [{ family: 'ipv6/unicast', receive: true, send: false }] },
  },
  {
    name: 'add-path with an unknown way is not understood (RFC 7911 §4)',
    code: 69,
    value: '0002 01 01 0001 01 04',
    says: { addPath: [] },
  },
  {
    name: 'a graceful restart capability of a length that none has is ignored',
    code: 64,
    value: '00',
    says: {},
  },
  { name: 'a long-lived one likewise', code: 71, value: '000101', says: {} },
  {
    name: 'a family of graceful restart that Herald does not speak is ignored',
    code: 64,
    value: '0078 0019 41 80',
    says: { gracefulRestart: { restarting: false, notification: false, restartSeconds: 120, families: [] } },
  },
  {
    name: 'a host name with a domain is shown with it',
    code: 73,
    value: '02 6131 01 64',
    says: { hostname: 'a1.d' },
  },
  {
    name: 'a host name that overruns is kept as it is',
    code: 73,
    value: '09 61',
    says: { other: [{ code: 73, value: bytes('0961') }] },
  },
  {
    name: 'a role that is not assigned is kept as it is (RFC 9234 §4.1)',
    code: 9,
    value: '07',
    says: { other: [{ code: 9, value: bytes('07') }] },
  },
]

for (const { name, code, value, says } of odd) {
  test(name, () => {
    const capabilities = noCapabilities()
    assert.ok(decodeCapability(capabilities, code, bytes(value)).ok)
    assert.deepEqual(capabilities, { ...noCapabilities(), ...says })
  })
}

test('two roles that differ are a mismatch, two that are equal are one (RFC 9234 §4.2)', () => {
  const capabilities = noCapabilities()
  assert.ok(decodeCapability(capabilities, 9, bytes('04')).ok)
  assert.ok(decodeCapability(capabilities, 9, bytes('04')).ok)
  const third = decodeCapability(capabilities, 9, bytes('00'))
  assert.ok(!third.ok)
  assert.equal(third.error.subcode, 11)
})

for (const { code, value } of [
  { code: 5, value: '0001 0001' },
  { code: 69, value: '0001 01' },
  { code: 9, value: '' },
]) {
  test(`capability ${code} with a wrong length refuses the OPEN (RFC 4271 §6.2)`, () => {
    const decoded = decodeCapability(noCapabilities(), code, bytes(value))
    assert.ok(!decoded.ok)
    assert.equal(decoded.error.subcode, 0)
  })
}

test('capabilities are shown one by one, with those that are not known in hexadecimal', () => {
  const capabilities: Capabilities = {
    ...noCapabilities(),
    addPath: [
      { family: 'ipv4/unicast', receive: true, send: true },
      { family: 'ipv6/unicast', receive: true, send: false },
    ],
    hostname: 'tor1',
    other: [
      { code: 67, value: bytes('01') },
      { code: 128, value: bytes('') },
      { code: 131, value: bytes('') },
    ],
  }
  assert.deepEqual(capabilityTexts(capabilities), [
    'add-path ipv4/unicast send receive',
    'add-path ipv6/unicast receive',
    'hostname tor1',
    'capability 67 01',
    'route-refresh (older code 128)',
    'capability 131',
  ])
})
