import assert from 'node:assert/strict'
import test from 'node:test'
import { address } from '#core/net/address.ts'
import type { Role } from '../config.ts'
import type { Capabilities, Open } from '../wire/message.ts'
import type { Negotiated, RestartOffer, SessionConfig } from './io.ts'
import { negotiate, ownOpen } from './open.ts'
import { config as base, ends, open } from './session.testing.ts'

/** What both sides make of a session, with these changes to what each configured or said. */
function result(
  config: Partial<SessionConfig>,
  capabilities: Partial<Capabilities> = {},
  changes: Partial<Open> = {},
) {
  const own = { ...base, ...config }
  const greeting = open(changes)
  greeting.capabilities = { ...greeting.capabilities, ...capabilities }
  return negotiate(own, ownOpen(own, false).capabilities, greeting, ends)
}

function negotiated(...parameters: Parameters<typeof result>): Negotiated {
  const value = result(...parameters)
  assert.ok(value.ok)
  return value.value
}

function refusal(...parameters: Parameters<typeof result>): [number, number] | undefined {
  const value = result(...parameters)
  return value.ok ? undefined : [value.error.code, value.error.subcode]
}

test('RFC 8654 §4: longer messages only when both sides offer them', () => {
  assert.equal(negotiated({}, { extendedMessages: true }).maxLength, 65535)
  assert.equal(negotiated({}).maxLength, 4096)
  assert.equal(negotiated({ extendedMessages: false }, { extendedMessages: true }).maxLength, 4096)
})

test('RFC 7313 §3.1: the borders of a refresh are marked when the neighbour offers it too', () => {
  assert.equal(negotiated({}, { enhancedRouteRefresh: true }).enhancedRouteRefresh, true)
  assert.equal(negotiated({}).enhancedRouteRefresh, false)
})

const v4 = 'ipv4/unicast'
const v6 = 'ipv6/unicast'

const addPaths: {
  name: string
  own: SessionConfig['addPath']
  remote: Capabilities['addPath']
  receive: string[]
  send: string[]
}[] = [
  {
    name: 'both ways for both families',
    own: { [v4]: { receive: true, send: 4 }, [v6]: { receive: true, send: 4 } },
    remote: [
      { family: v6, receive: true, send: true },
      { family: v4, receive: true, send: true },
    ],
    receive: [v4, v6],
    send: [v4, v6],
  },
  {
    name: 'the neighbour only receives',
    own: { [v6]: { receive: true, send: 2 } },
    remote: [{ family: v6, receive: true, send: false }],
    receive: [],
    send: [v6],
  },
  {
    name: 'this side only receives',
    own: { [v4]: { receive: true, send: 0 } },
    remote: [{ family: v4, receive: true, send: true }],
    receive: [v4],
    send: [],
  },
  {
    name: 'not offered here',
    own: undefined,
    remote: [{ family: v4, receive: true, send: true }],
    receive: [],
    send: [],
  },
  {
    name: 'not offered there',
    own: { [v4]: { receive: true, send: 1 } },
    remote: undefined,
    receive: [],
    send: [],
  },
]

for (const { name, own, remote, receive, send } of addPaths) {
  test(`RFC 7911 §4: identifiers go where one sends and the other receives: ${name}`, () => {
    const { addPathReceive, addPathSend } = negotiated(
      own === undefined ? {} : { addPath: own },
      remote === undefined ? {} : { addPath: remote },
    )
    assert.deepEqual([addPathReceive, addPathSend], [receive, send])
  })
}

const allRoles: Role[] = ['provider', 'rs', 'rs-client', 'customer', 'peer']

test('RFC 9234 §4.2: only matching pairs of roles make a session', () => {
  const allowed = allRoles.flatMap((own) =>
    allRoles
      .filter((role) => refusal({ role: { name: own, strict: false } }, { role }) === undefined)
      .map((role) => `${own}-${role}`),
  )
  assert.deepEqual(allowed, [
    'provider-customer',
    'rs-rs-client',
    'rs-client-rs',
    'customer-provider',
    'peer-peer',
  ])
  assert.deepEqual(refusal({ role: { name: 'peer', strict: false } }, { role: 'customer' }), [2, 11])
  assert.equal(negotiated({ role: { name: 'peer', strict: false } }, { role: 'peer' }).role, 'peer')
})

test('RFC 9234 §4.2: a neighbour without a role is refused in strict mode only', () => {
  assert.deepEqual(refusal({ role: { name: 'peer', strict: true } }), [2, 11])
  assert.equal(refusal({ role: { name: 'peer', strict: false } }), undefined)
  assert.equal(refusal({}, { role: 'provider' }), undefined)
  const other = [{ code: 9, value: Uint8Array.of(9) }]
  assert.deepEqual(refusal({ role: { name: 'peer', strict: false } }, { other }), [2, 11])
})

const restart: RestartOffer = {
  restartSeconds: 120,
  restarting: true,
  forwarding: true,
  notification: true,
  helperOnly: false,
  longLivedSeconds: 3600,
}

test('RFC 4724 §3: the OPEN says for each family whether forwarding goes on', () => {
  const { capabilities } = ownOpen({ ...base, gracefulRestart: restart }, false)
  assert.deepEqual(capabilities.gracefulRestart, {
    restarting: true,
    notification: true,
    restartSeconds: 120,
    families: [
      { family: v4, forwarding: true },
      { family: v6, forwarding: true },
    ],
  })
  assert.deepEqual(
    capabilities.longLivedRestart?.map(({ staleSeconds }) => staleSeconds),
    [3600, 3600],
  )
})

test('RFC 4724 §3: who only helps offers no family and no restart', () => {
  const { capabilities } = ownOpen({ ...base, gracefulRestart: { ...restart, helperOnly: true } }, false)
  assert.deepEqual(capabilities.gracefulRestart?.families, [])
  assert.equal(capabilities.gracefulRestart?.restarting, false)
  assert.deepEqual(capabilities.longLivedRestart, [])
})

test('RFC 4724 §4.2, RFC 8538 §2, RFC 9494 §4.2: what the neighbour offered counts for negotiated families', () => {
  const offer: Partial<Capabilities> = {
    families: [v6],
    gracefulRestart: {
      restarting: true,
      notification: true,
      restartSeconds: 77,
      families: [
        { family: v4, forwarding: true },
        { family: v6, forwarding: false },
      ],
    },
    longLivedRestart: [{ family: v6, forwarding: true, staleSeconds: 5 }],
  }
  assert.deepEqual(negotiated({ gracefulRestart: restart }, offer).gracefulRestart, {
    restarting: true,
    restartSeconds: 77,
    notification: true,
    families: [{ family: v6, forwarding: false }],
    longLived: [{ family: v6, forwarding: true, staleSeconds: 5 }],
  })
  const { longLivedSeconds: _, ...short } = { ...restart, notification: false }
  const less = negotiated({ gracefulRestart: short }, offer).gracefulRestart
  assert.deepEqual([less?.notification, less?.longLived], [false, []])
  assert.equal(negotiated({}, offer).gracefulRestart, undefined)
  assert.equal(negotiated({ gracefulRestart: restart }).gracefulRestart, undefined)
})

const kinds: { name: string; config: Partial<SessionConfig>; asn: number; kind?: string }[] = [
  { name: 'another AS', config: { remoteAsn: 65002 }, asn: 65002, kind: 'ebgp' },
  { name: 'the own AS', config: { remoteAsn: 65001 }, asn: 65001, kind: 'ibgp' },
  {
    name: 'a member of the confederation',
    config: { remoteAsn: 65002, members: [65002] },
    asn: 65002,
    kind: 'confed',
  },
  { name: 'any AS, internal', config: { remoteAsn: 0, peerAs: 'internal' }, asn: 65001, kind: 'ibgp' },
  { name: 'any AS, not internal', config: { remoteAsn: 0, peerAs: 'internal' }, asn: 65002 },
  { name: 'any AS, external', config: { remoteAsn: 0, peerAs: 'external' }, asn: 65002, kind: 'ebgp' },
  { name: 'any AS, not external', config: { remoteAsn: 0, peerAs: 'external' }, asn: 65001 },
]

for (const { name, config, asn, kind } of kinds) {
  test(`${name}: ${kind ?? 'refused with Bad Peer AS (RFC 4271 §6.2)'}`, () => {
    if (kind === undefined) assert.deepEqual(refusal(config, {}, { asn }), [2, 2])
    else assert.equal(negotiated(config, {}, { asn }).kind, kind)
  })
}

test('an OPEN without optional parameters offers IPv4 unicast alone (RFC 5492 §3)', () => {
  const own = { ...base, remoteAddress: address('2001:db8::2') }
  const value = negotiate(own, ownOpen(own, true).capabilities, open(), ends)
  assert.ok(value.ok)
  const { families, fourOctetAsn, routeRefresh, extendedNextHop } = value.value
  assert.deepEqual(
    [families, fourOctetAsn, routeRefresh, extendedNextHop],
    [['ipv4/unicast'], false, false, []],
  )
})
