import assert from 'node:assert/strict'
import { test } from 'node:test'
import { route, World, type Speaker } from './bgp.testing.ts'
import type { GracefulRestartConfig } from './config.ts'

const graceful: GracefulRestartConfig = {
  restartSeconds: 120,
  helperOnly: false,
  notification: false,
  deferralSeconds: 30,
}

/** `b` restarts between `a` and `c`, both of which help it. */
function line() {
  const world = new World()
  const [a, b, c] = [1, 2, 3].map((n) =>
    world.speaker('abc'[n - 1]!, 65000 + n, { 4: `192.0.2.${n}`, 6: `2001:db8::${n}` }),
  ) as [Speaker, Speaker, Speaker]
  const options = { a: { gracefulRestart: graceful }, b: { gracefulRestart: graceful } }
  world.join(a, b, 4, options)
  world.join(b, c, 6, options)
  a.config.routes = [route('203.0.113.0/24', ['b']), route('2001:db8:100::/64', ['b'])]
  b.config.routes = [route('198.51.100.0/24', ['a', 'c']), route('2001:db8:200::/64', ['a', 'c'])]
  world.configure(a, b, c)
  world.run(12_000)
  assert.deepEqual(routes(c), [...own, ...learned])
  return { world, a, b, c }
}

const learned = ['203.0.113.0/24', '2001:db8:100::/64']
const own = ['198.51.100.0/24', '2001:db8:200::/64']

function routes(speaker: Speaker): string[] {
  const found = speaker.bgp.routes('locRib').map(({ prefix }) => prefix as string)
  return [...own, ...learned].filter((prefix) => found.includes(prefix))
}

function received(speaker: Speaker, peer: string): string[] {
  return speaker.bgp
    .routes('adjRibIn', { peer })
    .map(({ prefix }) => prefix as string)
    .sort()
}

function restart(world: World, b: Speaker): void {
  world.kill(b)
  world.run(5000)
  world.revive(b)
  b.config.restarted = true
}

test('RFC 4724 §4.1: a restart with all neighbours there changes no route anywhere', () => {
  const { world, a, b, c } = line()
  restart(world, b)
  a.events.length = 0
  c.events.length = 0
  world.configure(b)
  world.run(60_000)
  for (const speaker of [a, c]) {
    assert.deepEqual(
      speaker.events.filter(({ kind }) => kind === 'bestPath'),
      [],
    )
    assert.deepEqual(routes(speaker), [...own, ...learned])
  }
})

test('RFC 4724 §4.1: what is learned is passed on only when every neighbour has sent all, or the bound is over', () => {
  const { world, a, b, c } = line()
  restart(world, b)
  // `c` has forgotten `b`, so that it sees what is sent now; `a` stays away.
  world.kill(c)
  world.revive(c)
  world.kill(a)
  world.configure(c, b)
  world.run(20_000)
  assert.deepEqual(received(c, 'b'), own, 'own routes never wait')
  world.revive(a)
  world.configure(a)
  world.run(7000)
  assert.deepEqual(received(c, 'b'), [...own, ...learned].sort())
})

test('RFC 4724 §4.1: the Selection_Deferral_Timer bounds the wait for a neighbour that stays away', () => {
  const { world, a, b, c } = line()
  restart(world, b)
  world.kill(a)
  c.config.routes = [route('192.0.2.128/25', ['b'])]
  world.configure(c, b)
  const awaited = { families: ['ipv4/unicast', 'ipv6/unicast'], until: world.now + 30_000 }
  assert.deepEqual(
    b.bgp.peers().map((each) => each.awaited),
    [awaited, awaited],
  )
  world.run(25_000)
  assert.deepEqual(
    b.bgp.peers().map((each) => each.awaited),
    [awaited, undefined],
    'the one that is there has sent its End-of-RIB',
  )
  assert.deepEqual(routes(c), [...own, ...learned], 'no End-of-RIB yet, so stale routes stay')
  world.run(10_000)
  assert.deepEqual(
    b.bgp.peers().map((each) => each.awaited),
    [undefined, undefined],
  )
  assert.deepEqual(routes(c), own)
})

test('RFC 4724 §4.1: no End-of-RIB while own routes are still being gathered', () => {
  const { world, a, b, c } = line()
  restart(world, b)
  const all = b.config.routes
  b.config.routes = []
  b.config.routesComplete = false
  world.configure(b)
  world.run(60_000)
  assert.deepEqual(routes(c), [...own, ...learned])
  assert.deepEqual(routes(a), [...own, ...learned])
  b.config.routes = all.slice(0, 1)
  b.config.routesComplete = true
  world.configure(b)
  world.run(100)
  assert.deepEqual(routes(c), ['198.51.100.0/24', ...learned])
})

test('RFC 4724 §4.1: two neighbours that restart at once do not wait for each other', () => {
  const { world, a, b, c } = line()
  restart(world, b)
  world.kill(a)
  world.revive(a)
  a.config.restarted = true
  world.configure(a, b)
  world.run(15_000)
  assert.deepEqual(routes(c), [...own, ...learned])
  assert.deepEqual(received(b, 'a'), [...learned].sort())
})
