import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Prng } from '#core/lib/prng.ts'
import { address } from '#core/net/address.ts'
import { prefix } from '#core/net/prefix.ts'
import { Bgp } from './bgp.ts'
import { route, World, type Speaker } from './bgp.testing.ts'
import type { PeerConfig } from './config.ts'
import type { BgpEvent, BgpOutput, PeerStatus, RouteTable } from './io.ts'
import { encodeMessage } from './wire/wire.ts'

/** Long enough for a session to come up, even by the second try. */
const settleMs = 12_000

function pair(
  asns: [number, number],
  options: { a?: Partial<PeerConfig>; b?: Partial<PeerConfig>; version?: 4 | 6 } = {},
) {
  const world = new World()
  const a = world.speaker('a', asns[0], { 4: '192.0.2.1', 6: '2001:db8::1' })
  const b = world.speaker('b', asns[1], { 4: '192.0.2.2', 6: '2001:db8::2' })
  world.join(a, b, options.version ?? 4, options)
  return { world, a, b }
}

function peer(speaker: Speaker, name: string): PeerStatus {
  return speaker.bgp.peers().find((each) => each.peer === name)!
}

function shown(speaker: Speaker, table: RouteTable): string[] {
  return speaker.bgp
    .routes(table)
    .map((each) => `${each.prefix} ${each.peer ?? 'own'} ${each.attributes.nextHop}`)
}

function events(speaker: Speaker, kind: BgpEvent['kind']): BgpEvent[] {
  return speaker.events.filter((event) => event.kind === kind)
}

/** What configuring it leads to, at once or by its timers. */
function firstDial(bgp: Bgp, { config }: Speaker): BgpOutput | undefined {
  let outputs = bgp.handle({ kind: 'configure', config }, 0)
  for (let i = 0; i < 5 && !outputs.some(({ kind }) => kind === 'dial'); i++)
    outputs = bgp.handle({ kind: 'tick' }, bgp.nextDeadline())
  return outputs.find(({ kind }) => kind === 'dial')
}

for (const { name, options } of [
  { name: 'both dial', options: {} },
  { name: 'a waits', options: { a: { passive: true } } },
  { name: 'b waits', options: { b: { passive: true } } },
  { name: 'over IPv6', options: { version: 6 as const } },
  { name: 'any AS is right', options: { a: { asn: 0 }, b: { asn: 0 } } },
]) {
  test(`a session comes up, one and only one: ${name}`, () => {
    const { world, a, b } = pair([65001, 65002], options)
    world.configure(a, b)
    world.run(settleMs)
    for (const [speaker, other] of [
      [a, b],
      [b, a],
    ] as const) {
      const status = peer(speaker, other.name)
      assert.equal(status.state, 'established')
      assert.equal(status.asn, other.config.asn)
      assert.equal(status.routerId, other.config.routerId)
      assert.equal(status.holdTimeSeconds, 9)
      assert.ok(status.messages.sent > 2 && status.messages.received > 2)
      assert.equal(events(speaker, 'sessionUp').length, 1)
      assert.equal(events(speaker, 'sessionDown').length, 0)
    }
    assert.equal(world.openConnections, 1)
  })
}

test('a session stays up on keepalives alone', () => {
  const { world, a, b } = pair([65001, 65002])
  world.configure(a, b)
  world.run(600_000)
  assert.equal(peer(a, 'b').state, 'established')
  assert.equal(events(a, 'sessionUp').length, 1)
})

test('routes of both IP versions reach the neighbour with their attributes', () => {
  const { world, a, b } = pair([65001, 4200000002])
  a.config.routes = [
    route('203.0.113.1/32', ['b'], { med: 5, communities: [65001 * 65536 + 7], origin: 'egp' }),
    route('2001:db8:100::/64', ['b'], { largeCommunities: [[65001, 1, 2]] }),
  ]
  b.config.routes = [route('0.0.0.0/0', ['a']), route('::/0', ['a'])]
  world.configure(a, b)
  world.run(settleMs)
  const atB = b.bgp.routes('adjRibIn')
  assert.deepEqual(
    atB.map(({ since: _, ...each }) => each),
    [
      {
        prefix: '203.0.113.1/32',
        peer: 'a',
        best: true,
        why: 'only',
        attributes: {
          origin: 'egp',
          asPath: [{ kind: 'sequence', asns: [65001] }],
          nextHop: '192.0.2.1',
          med: 5,
          communities: [65001 * 65536 + 7],
        },
      },
      {
        prefix: '2001:db8:100::/64',
        peer: 'a',
        best: true,
        why: 'only',
        attributes: {
          origin: 'igp',
          asPath: [{ kind: 'sequence', asns: [65001] }],
          nextHop: '2001:db8::1',
          largeCommunities: [[65001, 1, 2]],
        },
      },
    ],
  )
  assert.ok(atB.every(({ since }) => Math.abs(world.now - since) <= settleMs))
  assert.deepEqual(shown(a, 'adjRibIn'), ['0.0.0.0/0 b 192.0.2.2', '::/0 b 2001:db8::2'])
  assert.deepEqual(shown(a, 'adjRibOut'), ['203.0.113.1/32 b 192.0.2.1', '2001:db8:100::/64 b 2001:db8::1'])
  assert.deepEqual(peer(a, 'b').families, [
    { family: 'ipv4/unicast', received: 1, accepted: 1, advertised: 1 },
    { family: 'ipv6/unicast', received: 1, accepted: 1, advertised: 1 },
  ])
  assert.deepEqual(shown(a, 'locRib'), [
    '0.0.0.0/0 b 192.0.2.2',
    '203.0.113.1/32 own 0.0.0.0',
    '::/0 b 2001:db8::2',
    '2001:db8:100::/64 own ::',
  ])
  assert.equal(b.bgp.routes('locRib', { peer: 'a', family: 'ipv6/unicast' }).length, 1)
  assert.equal(b.bgp.routes('locRib', { prefix: prefix('203.0.113.1/32') }).length, 1)
})

test('IPv4 routes cross an IPv6 session, and IPv6 routes an IPv4 one', () => {
  for (const version of [4, 6] as const) {
    const { world, a, b } = pair([65001, 65002], { version })
    a.config.routes = [route('203.0.113.0/24', ['b']), route('2001:db8:100::/64', ['b'])]
    world.configure(a, b)
    world.run(settleMs)
    assert.deepEqual(shown(b, 'locRib'), ['203.0.113.0/24 a 192.0.2.1', '2001:db8:100::/64 a 2001:db8::1'])
  }
})

test('a route whose next hop cannot be expressed is withheld, with the reason', () => {
  const world = new World()
  const a = world.speaker('a', 65001, { 4: '192.0.2.1' })
  const b = world.speaker('b', 65002, { 4: '192.0.2.2' })
  world.join(a, b, 4)
  a.config.routes = [
    route('2001:db8:100::/64', ['b']),
    route('2001:db8:101::/64', ['b'], { nextHop: '2001:db8::9' as never }),
    route('203.0.113.0/24', ['b'], { nextHop: '192.0.2.2' as never }),
  ]
  world.configure(a, b)
  world.run(settleMs)
  assert.deepEqual(shown(b, 'locRib'), ['2001:db8:101::/64 a 2001:db8::9'])
  const withheld = new Map(a.bgp.withheld('b').entries.map((each) => [each.prefix as string, each.reason]))
  assert.equal(withheld.size, 2)
  assert.match(withheld.get('2001:db8:100::/64')!, /no IPv6 address on the interface/)
  assert.match(withheld.get('203.0.113.0/24')!, /is the neighbour itself/)
})

test('a route taken out of the configuration is withdrawn, and nothing else is said', () => {
  const { world, a, b } = pair([65001, 65002])
  const keep = Array.from({ length: 300 }, (_, i) => route(`10.${i >> 8}.${i & 255}.0/24`, ['b']))
  a.config.routes = [...keep, route('203.0.113.1/32', ['b']), route('2001:db8:100::/64', ['b'])]
  world.configure(a, b)
  world.run(settleMs)
  assert.equal(b.bgp.routes('locRib').length, 302)
  a.sent.length = 0
  a.config.routes = keep
  world.configure(a)
  assert.equal(a.sent.length, 2, 'one UPDATE per family')
  world.run(10)
  assert.equal(b.bgp.routes('locRib').length, 300)
  assert.deepEqual(
    events(b, 'bestPath')
      .slice(-2)
      .map((event) => event.kind === 'bestPath' && [event.prefix, event.nextHop]),
    [
      ['203.0.113.1/32', undefined],
      ['2001:db8:100::/64', undefined],
    ],
  )
  a.sent.length = 0
  a.config.routes = [...keep.slice(1), route('10.0.0.0/24', ['b'], { med: 1 })]
  world.configure(a)
  assert.equal(a.sent.length, 1, 'one UPDATE replaces the route')
  world.configure(a)
  assert.equal(a.sent.length, 1, 'the same configuration again says nothing')
  world.run(10)
  assert.equal(b.bgp.routes('locRib', { prefix: prefix('10.0.0.0/24') })[0]!.attributes.med, 1)
  assert.equal(events(a, 'sessionDown').length, 0)
})

test('a route that is added to thousands is sent at once and alone', () => {
  const { world, a, b } = pair([65001, 65002])
  a.config.routes = Array.from({ length: 3000 }, (_, i) => route(`10.${i >> 8}.${i & 255}.0/24`, ['b']))
  world.configure(a, b)
  world.run(settleMs)
  a.sent.length = 0
  a.config.routes.push(route('203.0.113.0/24', ['b']))
  world.configure(a)
  assert.equal(a.sent.length, 1)
  assert.deepEqual([...a.sent[0]!.subarray(-4)], [24, 203, 0, 113])
})

test('a lost session takes its routes with it, and comes back with them', () => {
  const { world, a, b } = pair([65001, 65002])
  a.config.routes = [route('203.0.113.1/32', ['b'])]
  world.configure(a, b)
  world.run(settleMs)
  a.reachable = false
  world.cut()
  assert.notEqual(peer(b, 'a').state, 'established')
  assert.match(peer(b, 'a').lastError!.message, /connection reset/)
  assert.deepEqual(shown(b, 'locRib'), [])
  world.run(60_000)
  assert.notEqual(peer(b, 'a').state, 'established')
  a.reachable = true
  world.run(180_000)
  assert.equal(peer(b, 'a').state, 'established')
  assert.deepEqual(shown(b, 'locRib'), ['203.0.113.1/32 a 192.0.2.1'])
  assert.equal(world.openConnections, 1)
})

test('a neighbour with the wrong AS number is told so and stays down (RFC 4271 §6.2)', () => {
  const { world, a, b } = pair([65001, 65002], { b: { asn: 65009 } })
  world.configure(a, b)
  world.run(settleMs)
  assert.notEqual(peer(b, 'a').state, 'established')
  const sent = events(b, 'notificationSent').at(-1)
  assert.ok(sent?.kind === 'notificationSent')
  assert.deepEqual([sent.code, sent.subcode], [2, 2])
  assert.equal(peer(b, 'a').lastError!.direction, 'sent')
  assert.equal(peer(a, 'b').lastError!.direction, 'received')
  assert.match(peer(a, 'b').lastError!.message, /Bad Peer AS/)
})

test('a silent neighbour is given up when the hold time is over (RFC 4271 §6.5)', () => {
  const { world, a, b } = pair([65001, 65002])
  a.config.routes = [route('203.0.113.1/32', ['b'])]
  world.configure(a, b)
  world.run(settleMs)
  world.silent = true
  world.run(5_000)
  assert.equal(peer(b, 'a').state, 'established')
  world.run(5_000)
  assert.notEqual(peer(b, 'a').state, 'established')
  assert.deepEqual(shown(b, 'locRib'), [])
  // Whoever notices first closes, which the other learns from its connection.
  const sent = [...events(a, 'notificationSent'), ...events(b, 'notificationSent')]
  assert.ok(sent.some((event) => event.kind === 'notificationSent' && event.code === 4))
})

test('a change of one peer leaves the others alone', () => {
  const world = new World()
  const a = world.speaker('a', 65001, { 4: '192.0.2.1' })
  const [b, c, d] = [2, 3, 4].map((n) => world.speaker('bcd'[n - 2]!, 65000 + n, { 4: `192.0.2.${n}` })) as [
    Speaker,
    Speaker,
    Speaker,
  ]
  world.join(a, b, 4)
  world.join(a, c, 4)
  world.configure(a, b, c)
  world.run(settleMs)
  assert.deepEqual(
    a.bgp.peers().map(({ state }) => state),
    ['established', 'established'],
  )
  a.config.peers[0]!.timers.holdTimeSeconds = 30
  world.join(a, d, 4)
  world.configure(a, d)
  const [down] = events(a, 'sessionDown')
  assert.ok(down?.kind === 'sessionDown' && down.peer === 'b')
  const notified = events(a, 'notificationSent').at(-1)
  assert.ok(notified?.kind === 'notificationSent')
  assert.deepEqual([notified.code, notified.subcode], [6, 6])
  world.run(180_000)
  assert.deepEqual(
    a.bgp.peers().map(({ state }) => state),
    ['established', 'established', 'established'],
  )
  assert.equal(events(c, 'sessionDown').length, 0)
})

test('a peer taken out of the configuration gets Cease/Peer De-configured (RFC 4486 §4)', () => {
  const { world, a, b } = pair([65001, 65002])
  b.config.routes = [route('203.0.113.1/32', ['a'])]
  world.configure(a, b)
  world.run(settleMs)
  a.config.peers = []
  world.configure(a)
  assert.deepEqual(shown(a, 'locRib'), [])
  assert.deepEqual(a.bgp.peers(), [])
  world.run(10)
  const received = events(b, 'notificationReceived').at(-1)
  assert.ok(received?.kind === 'notificationReceived')
  assert.deepEqual([received.code, received.subcode], [6, 3])
  world.run(60_000)
  assert.ok(events(a, 'connectionRefused').length > 0, 'it tries again and is refused')
  assert.equal(a.bgp.nextDeadline(), Infinity)
})

test('shutdown ends every session with Cease/Administrative Shutdown and dials no more', () => {
  const { world, a, b } = pair([65001, 65002])
  world.configure(a, b)
  world.run(settleMs)
  world.shutdown(a)
  world.run(10)
  const received = events(b, 'notificationReceived').at(-1)
  assert.ok(received?.kind === 'notificationReceived')
  assert.deepEqual([received.code, received.subcode], [6, 2])
  world.run(60_000)
  assert.notEqual(peer(a, 'b').state, 'established')
})

test('a peer that is held down stays down, says why, and comes up when it no longer is', () => {
  const { world, a, b } = pair([65001, 65002], { a: { heldDown: 'Secret bgp-password is missing' } })
  world.configure(a, b)
  world.run(settleMs)
  assert.equal(peer(a, 'b').state, 'idle')
  assert.match(peer(a, 'b').lastError!.message, /Secret bgp-password is missing/)
  delete a.config.peers[0]!.heldDown
  world.configure(a)
  world.run(180_000)
  assert.equal(peer(a, 'b').state, 'established')
  a.config.peers[0]!.heldDown = 'Secret bgp-password is missing again'
  world.configure(a)
  assert.equal(peer(a, 'b').state, 'idle')
})

test('a connection from nobody known is refused with Cease/Connection Rejected', () => {
  const { world, a } = pair([65001, 65002])
  world.configure(a)
  world.knock(a, '198.51.100.77')
  const last = a.sent.at(-1)!
  assert.deepEqual([...last.subarray(18, 21)], [3, 6, 5])
  const [refused] = events(a, 'connectionRefused')
  assert.ok(refused?.kind === 'connectionRefused' && refused.address === '198.51.100.77')
})

test('bytes that are no BGP end the session with what RFC 4271 §6.1 asks for', () => {
  const { world, a, b } = pair([65001, 65002])
  world.configure(a, b)
  world.run(settleMs)
  world.inject(a, new Uint8Array(19))
  assert.notEqual(peer(a, 'b').state, 'established')
  const sent = events(a, 'notificationSent').at(-1)
  assert.ok(sent?.kind === 'notificationSent')
  assert.deepEqual([sent.code, sent.subcode], [1, 1])
})

test('ROUTE-REFRESH is answered with all routes of the family (RFC 2918 §4)', () => {
  const { world, a, b } = pair([65001, 65002])
  a.config.routes = [route('203.0.113.0/24', ['b']), route('2001:db8:100::/64', ['b'])]
  world.configure(a, b)
  world.run(settleMs)
  a.sent.length = 0
  const refresh = new Uint8Array(23).fill(0xff, 0, 16)
  refresh.set([0, 23, 5, 0, 1, 0, 1], 16)
  world.inject(a, refresh)
  const updates = a.sent.filter((bytes) => bytes[18] === 2)
  assert.equal(updates.length, 1)
  assert.deepEqual([...updates[0]!.subarray(-4)], [24, 203, 0, 113])
})

test('RFC 7313 §4: a refresh comes between its borders, and what is not in it is forgotten', () => {
  for (const version of [4, 6] as const) {
    const { world, a, b } = pair([65001, 65002], { version })
    a.config.routes = [route('203.0.113.0/24', ['b']), route('2001:db8:100::/64', ['b'])]
    world.configure(a, b)
    world.run(settleMs)
    const refresh = (role: number) => {
      const message = new Uint8Array(23).fill(0xff, 0, 16)
      message.set([0, 23, 5, 0, version === 4 ? 1 : 2, role, 1], 16)
      return message
    }
    a.sent.length = 0
    world.inject(a, refresh(0))
    assert.deepEqual(
      a.sent.map((bytes) => [bytes[18], bytes[18] === 5 ? bytes[21] : 0]),
      [
        [5, 1],
        [2, 0],
        [5, 2],
      ],
    )
    world.run(10)
    assert.equal(b.bgp.routes('locRib').length, 2, 'what came again stays')
    world.inject(b, refresh(1))
    assert.equal(b.bgp.routes('locRib').length, 2, 'stale routes are used')
    world.inject(b, refresh(2))
    assert.deepEqual(
      b.bgp.routes('locRib').map(({ prefix: left }) => left),
      [version === 4 ? '2001:db8:100::/64' : '203.0.113.0/24'],
    )
    world.run(60_000)
    assert.equal(events(b, 'sessionDown').length, 0)
  }
})

test('RFC 7313 §4: a refresh that follows another at once forgets what is not in it, too', () => {
  for (const version of [4, 6] as const) {
    const { world, a, b } = pair([65001, 65002], { version })
    world.configure(a, b)
    world.run(settleMs)
    const prefixes = [
      '203.0.113.0/24',
      '203.0.113.1/32',
      '203.0.113.2/32',
      '203.0.113.3/32',
      '203.0.113.4/32',
    ]
    const updates = prefixes.map((each, i) => {
      a.sent.length = 0
      a.config.routes.push(route(version === 4 ? each : `2001:db8:${i}::/64`, ['b']))
      world.configure(a)
      world.run(100)
      const [update, ...others] = a.sent
      assert.deepEqual([update?.[18], others.length], [2, 0])
      return update!
    })
    const family = version === 4 ? 'ipv4/unicast' : 'ipv6/unicast'
    const border = (role: 'begin' | 'end') => encodeMessage({ kind: 'routeRefresh', family, role })
    // They come in one piece, so that what the first one left is still there when the next one begins.
    const refreshes = [4, 3, 2].flatMap((count) => [
      border('begin'),
      ...updates.slice(0, count),
      border('end'),
    ])
    world.inject(b, Uint8Array.from(refreshes.flatMap((bytes) => [...bytes])))
    world.run(100)
    assert.equal(b.bgp.routes('adjRibIn').length, 2)
    assert.equal(peer(b, 'a').state, 'established')
  }
})

test('routes learned over eBGP pass on, with the AS in front, and not back', () => {
  const world = new World()
  const [a, b, c] = [1, 2, 3].map((n) =>
    world.speaker('abc'[n - 1]!, 65000 + n, { 4: `192.0.2.${n}`, 6: `2001:db8::${n}` }),
  ) as [Speaker, Speaker, Speaker]
  world.join(a, b, 4)
  world.join(b, c, 6)
  a.config.routes = [
    route('203.0.113.0/24', ['b'], { med: 5 }),
    route('203.0.113.1/32', ['b'], { communities: [0xffffff01] }),
  ]
  world.configure(a, b, c)
  world.run(settleMs)
  assert.deepEqual(
    c.bgp.routes('locRib').map((each) => [each.prefix, each.attributes]),
    [
      [
        '203.0.113.0/24',
        { origin: 'igp', asPath: [{ kind: 'sequence', asns: [65002, 65001] }], nextHop: '192.0.2.2' },
      ],
    ],
  )
  assert.deepEqual(a.bgp.routes('adjRibIn'), [])
  // Taken out of what is passed on, it is withdrawn; put back, announced.
  b.config.peers[1]!.exportLearned = false
  world.configure(b)
  world.run(10)
  assert.deepEqual(shown(c, 'locRib'), [])
  b.config.peers[1]!.exportLearned = true
  world.configure(b)
  world.run(10)
  assert.equal(c.bgp.routes('locRib').length, 1)
  assert.equal(events(b, 'sessionDown').length, 0)
})

test('a path with the own AS in it is kept and not used (RFC 4271 §9.1.2)', () => {
  const world = new World()
  const [a, b, c] = [1, 2, 3].map((n) =>
    world.speaker('abc'[n - 1]!, n === 3 ? 65001 : 65000 + n, { 4: `192.0.2.${n}` }),
  ) as [Speaker, Speaker, Speaker]
  world.join(a, b, 4)
  world.join(b, c, 4)
  a.config.routes = [route('203.0.113.0/24', ['b'])]
  world.configure(a, b, c)
  world.run(settleMs)
  const [entry] = c.bgp.routes('adjRibIn')
  assert.match(entry!.rejected!, /own AS 65001/)
  assert.deepEqual(c.bgp.routes('locRib'), [])
  assert.deepEqual(peer(c, 'b').families[0], {
    family: 'ipv4/unicast',
    received: 1,
    accepted: 0,
    advertised: 0,
  })
})

test('routes that are not imported are counted and shown, and used once they are', () => {
  const { world, a, b } = pair([65001, 65002], { b: { importRoutes: false } })
  a.config.routes = [route('203.0.113.0/24', ['b'])]
  world.configure(a, b)
  world.run(settleMs)
  assert.deepEqual(shown(b, 'locRib'), [])
  assert.match(b.bgp.routes('adjRibIn')[0]!.rejected!, /not imported/)
  b.config.peers[0]!.importRoutes = true
  world.configure(b)
  assert.deepEqual(shown(b, 'locRib'), ['203.0.113.0/24 a 192.0.2.1'])
  b.config.peers[0]!.importRoutes = false
  world.configure(b)
  assert.deepEqual(shown(b, 'locRib'), [])
  assert.equal(events(b, 'sessionDown').length, 0)
})

test('an iBGP full mesh agrees, passes nothing on inside, and tells the outside (RFC 4271 §9.2)', () => {
  const world = new World()
  const mesh = [1, 2, 3].map((n) =>
    world.speaker('abc'[n - 1]!, 65001, { 4: `192.0.2.${n}`, 6: `2001:db8::${n}` }),
  ) as [Speaker, Speaker, Speaker]
  const outside = world.speaker('x', 65002, { 4: '192.0.2.9', 6: '2001:db8::9' })
  const [a, b, c] = mesh
  world.join(a, b, 4)
  world.join(b, c, 4)
  world.join(a, c, 6)
  world.join(c, outside, 4)
  a.config.routes = [route('203.0.113.0/24', ['b', 'c'], { localPref: 200, med: 3 })]
  outside.config.routes = [route('198.51.100.0/24', ['c']), route('203.0.113.0/24', ['c'])]
  world.configure(...mesh, outside)
  world.run(settleMs)
  assert.deepEqual(shown(b, 'locRib'), ['198.51.100.0/24 c 192.0.2.9', '203.0.113.0/24 a 192.0.2.1'])
  const [own] = b.bgp.routes('locRib', { prefix: prefix('203.0.113.0/24') })
  assert.deepEqual(own!.attributes, {
    origin: 'igp',
    asPath: [],
    nextHop: '192.0.2.1',
    med: 3,
    localPref: 200,
  })
  assert.deepEqual(shown(c, 'locRib'), ['198.51.100.0/24 x 192.0.2.9', '203.0.113.0/24 a 192.0.2.1'])
  assert.deepEqual(shown(outside, 'adjRibIn'), ['203.0.113.0/24 c 192.0.2.3'])
  assert.deepEqual(shown(b, 'adjRibOut'), [])
  assert.deepEqual(
    b.bgp.withheld('c').entries.map(({ reason }) => reason.includes('iBGP')),
    [true],
  )
})

test('a new AS number of the speaker starts every session anew', () => {
  const { world, a, b } = pair([65001, 65002], { b: { asn: 0 } })
  a.config.routes = [route('203.0.113.0/24', ['b'])]
  world.configure(a, b)
  world.run(settleMs)
  a.config.asn = 65010
  world.configure(a)
  world.run(180_000)
  assert.equal(peer(b, 'a').asn, 65010)
  assert.deepEqual(b.bgp.routes('locRib')[0]!.attributes.asPath, [{ kind: 'sequence', asns: [65010] }])
})

for (const { extendedMessages, longest, most } of [
  { extendedMessages: false, longest: 4096, most: 12 },
  { extendedMessages: true, longest: 65535, most: 4 },
]) {
  test(`RFC 8654 §4: a table of thousands arrives whole, in messages of up to ${longest} octets`, () => {
    const { world, a, b } = pair([65001, 65002], { b: { extendedMessages } })
    a.config.routes = Array.from({ length: 5000 }, (_, i) => route(`10.${i >> 8}.${i & 255}.0/24`, ['b']))
    world.configure(a, b)
    world.run(settleMs)
    assert.equal(b.bgp.routes('locRib').length, 5000)
    const updates = a.sent.flatMap(messagesOf).filter((bytes) => bytes[18] === 2)
    assert.ok(updates.length < most, `${updates.length} messages`)
    assert.ok(updates.every((bytes) => bytes.length <= longest))
    assert.equal(
      updates.some((bytes) => bytes.length > 4096),
      extendedMessages,
    )
  })
}

test('dials as configured, with a number that no other instance of the process has had', () => {
  const numbers = { next: 1 }
  const dials = [1, 2].map((n) => {
    const { a } = pair([65001, 65002], { a: { ttl: 7, password: 'secret', port: 1790 } })
    a.config.peers[0]!.sourceAddress = address('192.0.2.1')
    const bgp = new Bgp(new Prng(n), numbers)
    return firstDial(bgp, a)
  })
  const dial = {
    address: '192.0.2.2',
    port: 1790,
    sourceAddress: '192.0.2.1',
    ttl: 7,
    password: 'secret',
  }
  assert.deepEqual(
    dials,
    [1, 2].map((connection) => ({ kind: 'dial', connection, dial })),
  )
})

test('a connection that comes up after its peer was taken away is closed', () => {
  const { a } = pair([65001, 65002])
  const bgp = new Bgp(new Prng(1), { next: 1 })
  assert.ok(firstDial(bgp, a) !== undefined)
  bgp.handle({ kind: 'configure', config: { ...a.config, peers: [] } }, 60_000)
  const ends = {
    localAddress: address('192.0.2.1'),
    localPort: 50001,
    remoteAddress: address('192.0.2.2'),
    remotePort: 179,
  }
  const outputs = bgp.handle({ kind: 'dialed', connection: 1, ends }, 60_001)
  assert.deepEqual(outputs, [{ kind: 'close', connection: 1 }])
  assert.deepEqual(bgp.handle({ kind: 'received', connection: 1, bytes: new Uint8Array(19) }, 60_002), [])
})

/** What is sent at once may be several messages. */
function messagesOf(bytes: Uint8Array): Uint8Array[] {
  const messages: Uint8Array[] = []
  for (let at = 0; at < bytes.length;) {
    const next = at + ((bytes[at + 16]! << 8) | bytes[at + 17]!)
    messages.push(bytes.subarray(at, next))
    at = next
  }
  return messages
}
