import assert from 'node:assert/strict'
import { test } from 'node:test'
import { address } from '#core/net/address.ts'
import { route, World, type Speaker } from './bgp.testing.ts'
import { prefix } from '#core/net/prefix.ts'
import type { GracefulRestartConfig, PeerConfig } from './config.ts'
import type { PolicyMatch, PrefixEntry, RoutePolicy } from './policy/policy.ts'
import type { Negotiated, NegotiatedRestart } from './session/io.ts'
import {
  expired,
  keptAfterLoss,
  notKeptOn,
  type StaleFamily,
  staleDeadline,
  staleMsDefault,
  type StaleRoutes,
} from './stale-routes.ts'

const settleMs = 12_000

const graceful: GracefulRestartConfig = {
  restartSeconds: 120,
  helperOnly: false,
  notification: false,
  deferralSeconds: 30,
}

/** `a` restarts, `b` helps; routes of both families go from `a` through `b` to `c`. */
function line(changes: { a?: Partial<PeerConfig>; b?: Partial<PeerConfig>; version?: 4 | 6 } = {}) {
  const world = new World()
  const [a, b, c] = [1, 2, 3].map((n) =>
    world.speaker('abc'[n - 1]!, 65000 + n, { 4: `192.0.2.${n}`, 6: `2001:db8::${n}` }),
  ) as [Speaker, Speaker, Speaker]
  const version = changes.version ?? 4
  world.join(a, b, version, {
    a: { gracefulRestart: graceful, ...changes.a },
    b: { gracefulRestart: { ...graceful, helperOnly: true }, ...changes.b },
  })
  world.join(b, c, 4)
  a.config.routes = [route('203.0.113.0/24', ['b']), route('2001:db8:100::/64', ['b'])]
  world.configure(a, b, c)
  world.run(settleMs)
  assert.deepEqual(routes(c), both)
  return { world, a, b, c }
}

const both = ['203.0.113.0/24', '2001:db8:100::/64']

function routes(speaker: Speaker): string[] {
  return speaker.bgp.routes('locRib').map(({ prefix }) => prefix)
}

function exactly(text: string): PrefixEntry {
  const length = Number(text.split('/')[1])
  return { prefix: prefix(text), minLength: length, maxLength: length }
}

function comeBack(world: World, a: Speaker, restarted: boolean): void {
  world.revive(a)
  a.config.restarted = restarted
  world.configure(a)
}

for (const version of [4, 6] as const) {
  test(`RFC 4724 §4.2: the routes of a neighbour that is killed and comes back stay all the time (IPv${version})`, () => {
    const { world, a, b, c } = line({ version })
    world.kill(a)
    world.run(20_000)
    assert.deepEqual([routes(b), routes(c)], [both, both])
    c.events.length = 0
    comeBack(world, a, true)
    world.run(60_000)
    assert.deepEqual([routes(b), routes(c)], [both, both])
    assert.deepEqual(
      c.events.filter(({ kind }) => kind === 'bestPath'),
      [],
      'the neighbour beyond sees nothing of it',
    )
  })
}

test('RFC 4724 §4.2: what does not come again before End-of-RIB is forgotten then', () => {
  const { world, a, b, c } = line()
  world.kill(a)
  world.run(20_000)
  a.config.routes = [route('203.0.113.0/24', ['b'], { med: 7 })]
  comeBack(world, a, true)
  world.run(60_000)
  assert.deepEqual([routes(b), routes(c)], [['203.0.113.0/24'], ['203.0.113.0/24']])
})

test('RFC 4724 §4.2: a neighbour that does not come back within its restart time is forgotten', () => {
  const { world, a, c } = line()
  world.kill(a)
  world.run(119_000)
  assert.deepEqual(routes(c), both)
  world.run(2000)
  assert.deepEqual(routes(c), [])
})

test('RFC 4724 §4.2: without the F bit the stale routes go as soon as the session is back', () => {
  const { world, a, b } = line()
  world.kill(a)
  world.run(20_000)
  a.config.routes = []
  a.config.routesComplete = false
  comeBack(world, a, false)
  for (let i = 0; i < 60 && b.bgp.peers()[0]!.state !== 'established'; i++) world.run(1000)
  assert.deepEqual(routes(b), [])
})

test('RFC 4724 §4.2: a neighbour that never sends End-of-RIB has its stale routes for a bounded time', () => {
  const { world, a, b } = line()
  world.kill(a)
  world.run(20_000)
  a.config.routes = []
  a.config.routesComplete = false
  comeBack(world, a, true)
  world.run(60_000)
  assert.equal(b.bgp.peers()[0]!.state, 'established')
  assert.deepEqual(routes(b), both)
  world.run(staleMsDefault)
  assert.deepEqual(routes(b), [])
})

for (const { name, version, notification } of [
  { name: 'go without the N bit (IPv4)', version: 4, notification: false },
  { name: 'stay with the N bit (IPv4)', version: 4, notification: true },
  { name: 'stay with the N bit (IPv6)', version: 6, notification: true },
] as const)
  test(`RFC 8538 §4.1: when the session is lost again, routes that are stale from an earlier restart ${name}`, () => {
    const gracefulRestart = { ...graceful, notification }
    const { world, a, b, c } = line({ a: { gracefulRestart }, b: { gracefulRestart }, version })
    for (let restarts = 0; restarts < 2; restarts++) {
      world.kill(a)
      world.run(20_000)
      a.config.routes = [route('203.0.113.0/24', ['b'])]
      a.config.routesComplete = false
      comeBack(world, a, true)
      world.run(60_000)
      assert.equal(b.bgp.peers()[0]!.state, 'established')
    }
    const left = notification ? both : ['203.0.113.0/24']
    assert.deepEqual([routes(b), routes(c)], [left, left])
    world.kill(a)
    assert.deepEqual([routes(b), routes(c)], [left, left])
    comeBack(world, a, true)
    a.config.routesComplete = true
    world.configure(a)
    world.run(60_000)
    assert.deepEqual([routes(b), routes(c)], [['203.0.113.0/24'], ['203.0.113.0/24']], 'until End-of-RIB')
  })

test('RFC 8538 §4.1: the stale timer runs on over consecutive restarts, so that stale routes end', () => {
  const gracefulRestart = { ...graceful, restartSeconds: 30, notification: true, stalePathSeconds: 200 }
  const { world, a, b } = line({ a: { gracefulRestart }, b: { gracefulRestart } })
  a.config.routesComplete = false
  let killed = 0
  for (; routes(b).length > 0; killed++) {
    world.kill(a)
    a.config.routes = []
    world.run(5_000)
    assert.ok(killed < 6, 'they are not kept for ever')
    comeBack(world, a, true)
    world.run(35_000)
    assert.equal(b.bgp.peers()[0]!.state, 'established')
  }
  assert.ok(killed > 3, 'they are kept for several restarts')
})

test('RFC 8538 §4.1: who does not come back within the configured stale time is forgotten, for all its restart time', () => {
  const { world, a, b } = line({
    b: { gracefulRestart: { ...graceful, helperOnly: true, stalePathSeconds: 50 } },
  })
  world.kill(a)
  world.run(49_000)
  assert.deepEqual(routes(b), both)
  assert.equal(b.bgp.peers()[0]!.stale.length, 2)
  world.run(2_000)
  assert.deepEqual(routes(b), [])
})

test('a change of the stale time leaves the session alone', () => {
  const { world, b } = line()
  b.config.peers[0]!.gracefulRestart = { ...graceful, helperOnly: true, stalePathSeconds: 50 }
  world.configure(b)
  world.run(1_000)
  assert.equal(b.bgp.peers()[0]!.flaps, 0)
  b.config.peers[0]!.gracefulRestart = { ...graceful, helperOnly: true, longLivedSeconds: 50 }
  world.configure(b)
  world.run(1_000)
  assert.equal(b.bgp.peers()[0]!.flaps, 1, 'the OPEN has another capability')
})

test('RFC 4724 §4.2: routes that are stale from an earlier restart go when the session is lost again', () => {
  const { world, a, b } = line()
  world.kill(a)
  world.run(20_000)
  a.config.routes = [route('203.0.113.0/24', ['b'])]
  a.config.routesComplete = false
  comeBack(world, a, true)
  world.run(60_000)
  assert.deepEqual(routes(b), both, 'no End-of-RIB yet')
  world.kill(a)
  assert.deepEqual(routes(b), ['203.0.113.0/24'])
})

test('RFC 4724 §4: a NOTIFICATION ends it where RFC 8538 was not agreed on', () => {
  const { world, a, c } = line()
  world.shutdown(a, false)
  world.run(100)
  assert.deepEqual(routes(c), [])
})

test('RFC 4724 §4.1: a graceful end of the process says nothing, and routes stay', () => {
  const { world, a, c } = line()
  world.shutdown(a)
  world.run(100)
  assert.deepEqual(routes(c), both)
})

test('RFC 8538 §4: with the N bit routes outlive the expiry of the hold time', () => {
  const notification = { ...graceful, notification: true }
  const { world, b, a } = line({
    a: { gracefulRestart: notification },
    b: { gracefulRestart: notification },
  })
  a.reachable = false
  world.silent = true
  world.run(9500)
  world.silent = false
  assert.notEqual(b.bgp.peers()[0]!.state, 'established')
  assert.deepEqual(routes(b), both)
  a.reachable = true
  world.run(60_000)
  assert.equal(b.bgp.peers()[0]!.state, 'established')
  assert.deepEqual(routes(b), both)
})

test('RFC 8538 §5.1: a peer that is taken away or held down gets a hard reset, and its routes go', () => {
  const notification = { ...graceful, notification: true }
  for (const way of ['remove', 'hold'] as const) {
    const { world, a, b, c } = line({
      a: { gracefulRestart: notification },
      b: { gracefulRestart: notification },
    })
    if (way === 'remove') a.config.peers = []
    else a.config.peers[0]!.heldDown = 'for a while'
    world.configure(a)
    world.run(100)
    assert.deepEqual(routes(c), [])
    assert.match(b.bgp.peers()[0]!.lastError!.message, /Hard Reset/)
  }
})

test('a peer that is held down while its routes are stale loses them', () => {
  const { world, a, b } = line()
  world.kill(a)
  b.config.peers[0]!.heldDown = 'for a while'
  world.configure(b)
  assert.deepEqual(routes(b), [])
})

test('stale routes obey an import policy that comes, changes and goes while their neighbour is away', () => {
  const { world, a, b, c } = line()
  world.kill(a)
  const [from] = b.config.peers as [PeerConfig]
  const policy = (text: string): RoutePolicy => ({
    name: 'in',
    statements: [
      { match: { prefixes: { mode: 'any', entries: [exactly(text)] } }, then: 'reject' },
      { match: {}, set: { localPref: 7 }, then: 'accept' },
    ],
  })
  from.importPolicy = { policies: ['in'], otherwise: 'accept' }
  const localPrefs = () => b.bgp.routes('locRib').map(({ attributes }) => attributes.localPref)
  for (const [i, text] of both.entries()) {
    b.config.policies = [policy(text)]
    world.configure(b)
    world.run(1_000)
    assert.deepEqual([routes(b), routes(c)], [[both[1 - i]], [both[1 - i]]])
    assert.deepEqual(localPrefs(), [7])
  }
  // With a change that makes the next session another one, too.
  delete from.importPolicy
  from.timers = { ...from.timers, holdTimeSeconds: 12 }
  world.configure(b)
  world.run(1_000)
  assert.deepEqual([routes(b), routes(c), localPrefs()], [both, both, [undefined, undefined]])
  from.importRoutes = false
  world.configure(b)
  world.run(1_000)
  assert.deepEqual([routes(b), routes(c)], [[], []])
  from.importRoutes = true
  world.configure(b)
  comeBack(world, a, true)
  world.run(60_000)
  assert.deepEqual([routes(b), routes(c)], [both, both])
})

test('RFC 6811 §2: stale routes are judged anew when validated origins change', () => {
  const { world, a, b, c } = line()
  b.config.peers[0]!.importPolicy = { policies: ['rov'], otherwise: 'accept' }
  b.config.policies = [{ name: 'rov', statements: [{ match: { rpki: ['invalid'] }, then: 'reject' }] }]
  world.configure(b)
  world.run(1_000)
  world.kill(a)
  const other = { prefix: prefix(both[0]!), maxLength: 24, asn: 64999 }
  world.origins(b, [other])
  world.run(1_000)
  assert.deepEqual([routes(b), routes(c)], [[both[1]], [both[1]]])
  world.origins(b, [], [other])
  world.run(1_000)
  assert.deepEqual([routes(b), routes(c)], [both, both])
})

test('stale routes obey the export policy of those that are still there', () => {
  const { world, a, b, c } = line()
  world.kill(a)
  b.config.peers[1]!.exportPolicy = { policies: ['out'], otherwise: 'accept' }
  const neighbours: PolicyMatch['neighbours'] = { mode: 'any', entries: [prefix('192.0.2.3/32')] }
  b.config.policies = [{ name: 'out', statements: [{ match: { neighbours }, then: 'reject' }] }]
  world.configure(b)
  world.run(1_000)
  assert.deepEqual([routes(b), routes(c)], [both, []])
})

const longLived = { ...graceful, restartSeconds: 20, longLivedSeconds: 3600 }

test('RFC 9494 §4.2: after the restart time routes live on with LLGR_STALE, for the long-lived stale time', () => {
  const { world, a, b, c } = line({ a: { gracefulRestart: longLived }, b: { gracefulRestart: longLived } })
  world.kill(a)
  world.run(30_000)
  assert.deepEqual(routes(b), both)
  for (const { attributes } of b.bgp.routes('locRib'))
    assert.ok(attributes.communities?.includes(0xffff_0006))
  // The neighbour beyond does not know what such a path is (§4.3).
  assert.deepEqual(routes(c), [])
  comeBack(world, a, true)
  world.run(60_000)
  assert.deepEqual([routes(b), routes(c)], [both, both])
  assert.ok(b.bgp.routes('locRib').every(({ attributes }) => attributes.communities === undefined))
  world.kill(a)
  world.run(3_610_000)
  assert.deepEqual(routes(b), both)
  world.run(20_000)
  assert.deepEqual(routes(b), [])
})

test('RFC 9494 §4.2: consecutive restarts keep long-lived stale routes, and their time runs on', () => {
  const gracefulRestart = { ...longLived, longLivedSeconds: 300 }
  const { world, a, b } = line({ a: { gracefulRestart }, b: { gracefulRestart } })
  const isLast = () =>
    b.bgp.routes('locRib').map(({ attributes }) => attributes.communities?.includes(0xffff_0006) === true)
  world.kill(a)
  world.run(30_000)
  assert.deepEqual([routes(b), isLast()], [both, [true, true]])
  a.config.routes = [route('203.0.113.0/24', ['b'])]
  a.config.routesComplete = false
  comeBack(world, a, true)
  world.run(30_000)
  assert.deepEqual([routes(b), isLast()], [both, [false, true]], 'what came again is as good as any')
  world.kill(a)
  world.run(100)
  assert.deepEqual([routes(b), isLast()], [both, [true, true]])
  assert.deepEqual(
    b.bgp.peers()[0]!.stale.map(({ phase }) => phase),
    ['longLived', 'longLived'],
  )
  world.run(250_000)
  assert.deepEqual(routes(b), both)
  world.run(20_000)
  assert.deepEqual(routes(b), [], '320 seconds after the first loss')
})

test('RFC 9494 §4.2: once the long-lived stale time is over before End-of-RIB, nothing is kept at the next loss', () => {
  const gracefulRestart = { ...longLived, longLivedSeconds: 60 }
  const { world, a, b } = line({ a: { gracefulRestart }, b: { gracefulRestart } })
  world.kill(a)
  world.run(30_000)
  a.config.routes = [route('203.0.113.0/24', ['b'])]
  a.config.routesComplete = false
  comeBack(world, a, true)
  world.run(60_000)
  assert.deepEqual(routes(b), ['203.0.113.0/24'])
  assert.deepEqual(b.bgp.peers()[0]!.stale, [])
  world.kill(a)
  world.run(100)
  assert.deepEqual(routes(b), [])
  comeBack(world, a, true)
  a.config.routesComplete = true
  world.configure(a)
  world.run(60_000)
  world.kill(a)
  world.run(100)
  assert.deepEqual(routes(b), ['203.0.113.0/24'], 'End-of-RIB ends that')
})

test('RFC 9494 §4.2: routes with NO_LLGR go when the restart time is over', () => {
  const { world, a, b } = line({ a: { gracefulRestart: longLived }, b: { gracefulRestart: longLived } })
  a.config.routes = [
    route('203.0.113.0/24', ['b'], { communities: [0xffff_0007] }),
    route('2001:db8:100::/64', ['b']),
  ]
  world.configure(a)
  world.run(100)
  world.kill(a)
  world.run(30_000)
  assert.deepEqual(routes(b), ['2001:db8:100::/64'])
})

const v4 = 'ipv4/unicast'
const v6 = 'ipv6/unicast'

/** A session whose neighbour said this of its restarts. */
function negotiated(gracefulRestart?: Partial<NegotiatedRestart>): Negotiated {
  const restart: NegotiatedRestart = {
    restarting: false,
    restartSeconds: 60,
    notification: false,
    families: [],
    longLived: [],
    ...gracefulRestart,
  }
  return (gracefulRestart === undefined ? {} : { gracefulRestart: restart }) as Negotiated
}

function staleFor(phase: 'waiting' | 'longLived', until: number): StaleFamily {
  const family: StaleFamily = { phase, until, staleUntil: until, longLivedMs: 0 }
  if (phase === 'longLived') family.longLivedUntil = until
  return family
}

function phases(stale: StaleRoutes): string[] {
  return [...stale].map(([family, { phase, until }]) => `${family} ${phase} ${until}`)
}

test('RFC 4724 §4.2, RFC 9494 §4.2: how long a neighbour’s families are kept, and then', () => {
  const session = negotiated({
    families: [
      { family: v4, forwarding: false },
      { family: v6, forwarding: true },
    ],
    longLived: [{ family: v6, forwarding: true, staleSeconds: 500 }],
  })
  const { stale } = keptAfterLoss(new Map(), session, { ...graceful, longLivedSeconds: 300 }, 1000)
  assert.deepEqual(phases(stale), [`${v4} waiting 61000`, `${v6} waiting 61000`])
  assert.equal(staleDeadline(stale), 61_000)
  assert.deepEqual(expired(stale, 60_999), { forgotten: [], longLived: [] })
  assert.deepEqual(expired(stale, 61_000), { forgotten: [v4], longLived: [v6] })
  // The smaller of what the neighbour asks for and what is configured here.
  assert.deepEqual(phases(stale), [`${v6} longLived 361000`])
  assert.deepEqual(expired(stale, 361_000), { forgotten: [v6], longLived: [] })
  assert.equal(staleDeadline(stale), Infinity)
})

test('RFC 9494 §4.2: a restart time of 0 keeps only what lives on for long', () => {
  const session = negotiated({
    restartSeconds: 0,
    families: [
      { family: v4, forwarding: true },
      { family: v6, forwarding: true },
    ],
    longLived: [{ family: v6, forwarding: true, staleSeconds: 500 }],
  })
  const kept = (config: GracefulRestartConfig) => phases(keptAfterLoss(new Map(), session, config, 0).stale)
  assert.deepEqual(kept({ ...graceful, longLivedSeconds: 300 }), [`${v6} waiting 0`])
  assert.deepEqual(kept(graceful), [], 'not without being configured here')
})

test('RFC 9494 §4.2: a family that only the long-lived capability lists lives on for long at once', () => {
  const session = negotiated({
    families: [{ family: v4, forwarding: true }],
    longLived: [{ family: v6, forwarding: true, staleSeconds: 500 }],
  })
  const { stale } = keptAfterLoss(new Map(), session, { ...graceful, longLivedSeconds: 300 }, 1000)
  assert.deepEqual(phases(stale), [`${v4} waiting 61000`, `${v6} waiting 1000`])
  assert.deepEqual(expired(stale, 1000), { forgotten: [], longLived: [v6] })
})

test('RFC 9494 §4.2: the long-lived stale time runs on when the session is back, until End-of-RIB', () => {
  const session = negotiated({ longLived: [{ family: v6, forwarding: true, staleSeconds: 500 }] })
  const stale: StaleRoutes = new Map([[v6, staleFor('longLived', 5000)]])
  assert.deepEqual(notKeptOn(stale, session, graceful, 1000), [])
  assert.deepEqual(phases(stale), [`${v6} arriving 5000`])
  assert.deepEqual(expired(stale, 5000), { forgotten: [v6], longLived: [] })
})

const back: {
  name: string
  phase: 'waiting' | 'longLived'
  restart?: Partial<NegotiatedRestart>
  kept: boolean
}[] = [
  { name: 'no capability', phase: 'waiting', kept: false },
  {
    name: 'no such family',
    phase: 'waiting',
    restart: { families: [{ family: v4, forwarding: true }] },
    kept: false,
  },
  {
    name: 'no F bit',
    phase: 'waiting',
    restart: { families: [{ family: v6, forwarding: false }] },
    kept: false,
  },
  {
    name: 'the F bit',
    phase: 'waiting',
    restart: { families: [{ family: v6, forwarding: true }] },
    kept: true,
  },
  {
    name: 'no F bit of the long-lived capability',
    phase: 'longLived',
    restart: {
      families: [{ family: v6, forwarding: true }],
      longLived: [{ family: v6, forwarding: false, staleSeconds: 1 }],
    },
    kept: false,
  },
  {
    name: 'the F bit of the long-lived capability',
    phase: 'longLived',
    restart: { longLived: [{ family: v6, forwarding: true, staleSeconds: 1 }] },
    kept: true,
  },
]

for (const { name, phase, restart, kept } of back) {
  test(`RFC 4724 §4.2: a new OPEN with ${name} ${kept ? 'keeps' : 'ends'} what is ${phase}`, () => {
    const stale: StaleRoutes = new Map([[v6, staleFor(phase, 361_000)]])
    assert.deepEqual(notKeptOn(stale, negotiated(restart), graceful, 1000), kept ? [] : [v6])
    assert.deepEqual(phases(stale), kept ? [`${v6} arriving ${1000 + staleMsDefault}`] : [])
  })
}

for (const { name, killed, change } of [
  { name: 'another address', killed: false, change: { address: address('192.0.2.77') } },
  { name: 'another AS number', killed: false, change: { asn: 65077 } },
  { name: 'another address while it restarts', killed: true, change: { address: address('192.0.2.77') } },
])
  test(`RFC 4724 §4.2: nothing is kept for a peer that becomes another router: ${name}`, () => {
    const gracefulRestart = { ...graceful, notification: true }
    const { world, a, b, c } = line({ a: { gracefulRestart }, b: { gracefulRestart } })
    if (killed) world.kill(a)
    world.run(100)
    assert.deepEqual([routes(b), routes(c)], [both, both])
    Object.assign(b.config.peers[0]!, change)
    world.configure(b)
    world.run(100)
    assert.deepEqual([routes(b), routes(c)], [[], []])
  })
