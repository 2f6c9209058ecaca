import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { address } from '#core/net/address.ts'
import { peerOf, route, World, type Speaker } from './bgp.testing.ts'
import type { InstanceConfig, PeerConfig } from './config.ts'
import { mustRestart, sessionConfigOf } from './neighbour.ts'
import { ownOpen } from './session/open.ts'
import { dialOf } from './transport.ts'

/** Every field of a peer with another value than before: what changes the OPEN or the connection, and what does not. */
const changes: {
  [Field in keyof Required<PeerConfig>]: { to: Required<PeerConfig>[Field]; restarts: boolean }
} = {
  name: { to: 'other', restarts: false },
  address: { to: address('192.0.2.77'), restarts: true },
  interface: { to: 'eth7', restarts: true },
  port: { to: 1790, restarts: true },
  asn: { to: 0, restarts: true },
  peerAs: { to: 'external', restarts: true },
  sourceAddress: { to: address('192.0.2.1'), restarts: true },
  passive: { to: true, restarts: false },
  families: { to: ['ipv6/unicast'], restarts: true },
  ttl: { to: 7, restarts: true },
  minTtl: { to: 254, restarts: true },
  timers: { to: { connectRetrySeconds: 7, holdTimeSeconds: 9, keepaliveSeconds: 2 }, restarts: false },
  password: { to: 'other', restarts: true },
  authenticationOption: { to: { keyId: 1, algorithm: 'hmac-sha-1-96', key: 'k' }, restarts: true },
  heldDown: { to: 'held', restarts: false },
  shutdownText: { to: 'bye', restarts: false },
  importRoutes: { to: false, restarts: false },
  exportLearned: { to: false, restarts: false },
  localAs: { to: { asn: 64999, noPrepend: false, replaceAs: false }, restarts: true },
  routeReflectorClient: { to: true, restarts: false },
  routeServerClient: { to: true, restarts: false },
  addPath: { to: { 'ipv4/unicast': { receive: true, send: 2 } }, restarts: true },
  gracefulRestart: {
    to: { restartSeconds: 9, helperOnly: false, notification: true, deferralSeconds: 5 },
    restarts: true,
  },
  role: { to: { name: 'peer', strict: false }, restarts: true },
  allowOwnAs: { to: 2, restarts: false },
  removePrivateAs: { to: 'remove', restarts: false },
  nextHop: { to: 'self', restarts: false },
  enforceFirstAs: { to: false, restarts: false },
  prefixLimits: { to: { 'ipv4/unicast': { max: 9, action: 'warn' } }, restarts: false },
  importPolicy: { to: { policies: [], otherwise: 'accept' }, restarts: false },
  exportPolicy: { to: { policies: [], otherwise: 'accept' }, restarts: false },
  gracefulShutdown: { to: true, restarts: false },
  honourGracefulShutdown: { to: false, restarts: false },
  extendedMessages: { to: false, restarts: true },
  sendHoldSeconds: { to: 99, restarts: false },
  delayOpenSeconds: { to: 3, restarts: false },
  linkBandwidth: { to: 1e9, restarts: false },
  aigp: { to: true, restarts: false },
}

type Field = keyof typeof changes
const fields = Object.keys(changes) as Field[]

function pair() {
  const world = new World()
  const a = world.speaker('a', 65001, { 4: '192.0.2.1', 6: '2001:db8::1' })
  const b = world.speaker('b', 65002, { 4: '192.0.2.2', 6: '2001:db8::2' })
  world.join(a, b, 4)
  a.config.routes = [route('203.0.113.0/24', ['b']), route('2001:db8:100::/64', ['b'])]
  return { world, a, b }
}

/** What a session is made from: the OPEN, and how the connection is made. */
function madeFrom(instance: InstanceConfig, peer: PeerConfig): string {
  return JSON.stringify([ownOpen(sessionConfigOf(instance, peer, false), false), dialOf(peer)])
}

test('exactly the changes that the OPEN or the connection depends on start a session anew', () => {
  const { a } = pair()
  const [peer] = a.config.peers as [PeerConfig]
  const changed = fc.uniqueArray(fc.constantFrom(...fields), { minLength: 1 })
  fc.assert(
    fc.property(changed, (names) => {
      const next: PeerConfig = {
        ...peer,
        ...Object.fromEntries(names.map((name) => [name, changes[name].to])),
      }
      const expected = names.some((name) => changes[name].restarts)
      assert.equal(mustRestart([a.config, peer], [a.config, next]), expected)
      if (!expected) assert.equal(madeFrom(a.config, next), madeFrom(a.config, peer))
    }),
  )
})

for (const name of fields.filter((each) => each !== 'name' && each !== 'heldDown')) {
  const { to, restarts } = changes[name]
  test(`a change of ${name} ${restarts ? 'starts the session anew' : 'leaves the session up'}`, () => {
    const { world, a, b } = pair()
    world.configure(a, b)
    world.run(12_000)
    const downs = () => a.events.filter(({ kind }) => kind === 'sessionDown').length
    assert.equal(a.bgp.peers()[0]!.state, 'established')
    Object.assign(a.config.peers[0]!, { [name]: to })
    world.configure(a)
    assert.equal(downs(), restarts ? 1 : 0)
    world.run(1000)
    if (!restarts) assert.equal(b.bgp.peers()[0]!.state, 'established')
  })
}

test('the hold time is in the OPEN, so a new one starts the session anew (RFC 4271 §4.2)', () => {
  const { a } = pair()
  const [peer] = a.config.peers as [PeerConfig]
  const next = { ...peer, timers: { ...peer.timers, holdTimeSeconds: 30 } }
  assert.equal(mustRestart([a.config, peer], [a.config, next]), true)
})

test('a local-as that only changes paths leaves the session up', () => {
  const { a } = pair()
  const [peer] = a.config.peers as [PeerConfig]
  const before = { ...peer, localAs: { asn: 64999, noPrepend: false, replaceAs: false } }
  const after = { ...peer, localAs: { asn: 64999, noPrepend: true, replaceAs: true } }
  assert.equal(mustRestart([a.config, before], [a.config, after]), false)
})

const own: { name: string; instance: Partial<InstanceConfig>; peer: Partial<PeerConfig>; asn: number }[] = [
  { name: 'the instance', instance: {}, peer: { asn: 65002 }, asn: 65001 },
  {
    name: 'local-as',
    instance: {},
    peer: { asn: 65002, localAs: { asn: 64999, noPrepend: false, replaceAs: false } },
    asn: 64999,
  },
  {
    name: 'the member AS, towards a member',
    instance: { confederation: { id: 100, members: [65002] } },
    peer: { asn: 65002 },
    asn: 65001,
  },
  {
    name: 'the member AS, inside it',
    instance: { confederation: { id: 100, members: [65002] } },
    peer: { asn: 65001 },
    asn: 65001,
  },
  {
    name: 'the confederation, towards the outside',
    instance: { confederation: { id: 100, members: [65002] } },
    peer: { asn: 65003 },
    asn: 100,
  },
  {
    name: 'the confederation, towards any external AS',
    instance: { confederation: { id: 100, members: [65002] } },
    peer: { asn: 0, peerAs: 'external' },
    asn: 100,
  },
  {
    name: 'the member AS, towards any internal one',
    instance: { confederation: { id: 100, members: [65002] } },
    peer: { asn: 0, peerAs: 'internal' },
    asn: 65001,
  },
]

for (const { name, instance, peer, asn } of own) {
  test(`RFC 5065 §4: the AS number in the OPEN is that of ${name}`, () => {
    const { a, b } = pair()
    const config = { ...a.config, ...instance }
    assert.equal(sessionConfigOf(config, { ...peerOf(b, 4), ...peer }, false).localAsn, asn)
  })
}

test('RFC 9234 §4: a role is told other autonomous systems only', () => {
  const { a, b } = pair()
  const role = { name: 'peer', strict: false } as const
  const told = (instance: Partial<InstanceConfig>, peer: Partial<PeerConfig>) =>
    sessionConfigOf({ ...a.config, ...instance }, { ...peerOf(b, 4), role, ...peer }, false).role
  const confederation = { id: 100, members: [65002] }
  assert.deepEqual(told({}, { asn: 65002 }), role)
  assert.deepEqual(told({}, { asn: 0, peerAs: 'external' }), role)
  assert.deepEqual(told({ confederation }, { asn: 65003 }), role)
  assert.equal(told({}, { asn: 65001 }), undefined)
  assert.equal(told({}, { asn: 0, peerAs: 'internal' }), undefined)
  assert.equal(told({ confederation }, { asn: 65002 }), undefined)
})

/** Members 65001 and 65002 of AS 100, and an AS outside; every version of IP in between. */
function confederation(version: 4 | 6): { world: World; inside: Speaker[]; outside: Speaker } {
  const world = new World()
  const speakers = [65001, 65001, 65002, 65009].map((asn, i) =>
    world.speaker('abcx'[i]!, asn, { 4: `192.0.2.${i + 1}`, 6: `2001:db8::${i + 1}` }),
  )
  const [a, b, c, outside] = speakers as [Speaker, Speaker, Speaker, Speaker]
  for (const [member, others] of [
    [a, [65002]],
    [b, [65002]],
    [c, [65001]],
  ] as const)
    member.config.confederation = { id: 100, members: [...others] }
  world.join(a, b, version)
  world.join(b, c, version)
  world.join(c, outside, version, { b: { asn: 100 } })
  return { world, inside: [a, b, c], outside }
}

for (const version of [4, 6] as const) {
  test(`RFC 5065 §4: sessions inside, between and out of the members of a confederation (IPv${version})`, () => {
    const { world, inside, outside } = confederation(version)
    inside[0]!.config.routes = [route('203.0.113.0/24', ['b']), route('2001:db8:100::/64', ['b'])]
    world.configure(...inside, outside)
    world.run(12_000)
    const kinds = inside.map(({ bgp }) => bgp.peers().map(({ negotiated }) => negotiated?.kind))
    assert.deepEqual(kinds, [['ibgp'], ['ibgp', 'confed'], ['confed', 'ebgp']])
    assert.equal(outside.bgp.peers()[0]!.asn, 100)
    assert.deepEqual(
      outside.bgp.routes('locRib').map(({ attributes }) => attributes.asPath),
      [[{ kind: 'sequence', asns: [100] }], [{ kind: 'sequence', asns: [100] }]],
    )
    assert.deepEqual(inside[2]!.bgp.routes('locRib')[0]!.attributes.asPath, [
      { kind: 'confedSequence', asns: [65001] },
    ])
  })

  test(`a local-as is what the neighbour sees and expects (IPv${version})`, () => {
    const world = new World()
    const a = world.speaker('a', 65001, { 4: '192.0.2.1', 6: '2001:db8::1' })
    const b = world.speaker('b', 65002, { 4: '192.0.2.2', 6: '2001:db8::2' })
    world.join(a, b, version, {
      a: { localAs: { asn: 64999, noPrepend: false, replaceAs: false } },
      b: { asn: 64999 },
    })
    a.config.routes = [route('203.0.113.0/24', ['b'])]
    world.configure(a, b)
    world.run(12_000)
    assert.deepEqual([b.bgp.peers()[0]!.asn, a.bgp.peers()[0]!.localAsn], [64999, 64999])
    assert.equal(b.bgp.routes('locRib')[0]!.attributes.asPath[0]!.asns[0], 64999)
  })
}

test('another member of the confederation resets only sessions with it', () => {
  const { a, b } = pair()
  const [before, after] = [[65003], [65003, 65002]].map((members) => ({
    ...a.config,
    confederation: { id: 100, members },
  })) as [InstanceConfig, InstanceConfig]
  for (const [asn, expected] of [
    [65001, false],
    [65002, true],
    [65003, false],
    [65004, false],
  ] as const) {
    const peer = peerOf(b, 4, { asn })
    assert.equal(mustRestart([before, peer], [after, peer]), expected, `AS ${asn}`)
  }
})

test('a change of password resets its own session alone', () => {
  const { world, a, b } = pair()
  const c = world.speaker('c', 65003, { 4: '192.0.2.3' })
  world.join(a, c, 4)
  world.configure(a, b, c)
  world.run(12_000)
  a.config.peers[0]!.password = 'new'
  world.configure(a)
  assert.deepEqual(
    a.events.flatMap((event) => (event.kind === 'sessionDown' ? [event.peer] : [])),
    ['b'],
  )
})
