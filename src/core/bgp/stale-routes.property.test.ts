import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { route, World, type Speaker } from './bgp.testing.ts'
import type { GracefulRestartConfig } from './config.ts'
import { familyOfPrefix } from './family.ts'

const prefixes = ['203.0.113.0/24', '203.0.113.1/32', '2001:db8:100::/64', '2001:db8:200::/64']

const restart: fc.Arbitrary<GracefulRestartConfig | undefined> = fc.option(
  fc
    .record({
      restartSeconds: fc.constantFrom(5, 60),
      helperOnly: fc.boolean(),
      notification: fc.boolean(),
      deferralSeconds: fc.constantFrom(5, 30),
      longLivedSeconds: fc.constantFrom(0, 40, 200),
      stalePathSeconds: fc.constantFrom(0, 4, 90),
    })
    .map(({ longLivedSeconds, stalePathSeconds, ...short }) => ({
      ...short,
      ...(longLivedSeconds > 0 && { longLivedSeconds }),
      ...(stalePathSeconds > 0 && { stalePathSeconds }),
    })),
  { nil: undefined },
)

const speaker = fc.nat({ max: 2 })
const event = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant('routes' as const),
      speaker,
      routes: fc.uniqueArray(fc.constantFrom(...prefixes)),
    }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constantFrom('cut' as const, 'silence' as const) }) },
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant('kill' as const),
      speaker,
      awayMs: fc.constantFrom(0, 3000, 30_000, 100_000),
      restarted: fc.boolean(),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constantFrom('hold' as const, 'reset' as const, 'refreshIn' as const, 'refreshOut' as const),
      speaker,
      peer: fc.nat({ max: 1 }),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant('agree' as const), speaker, peer: fc.nat({ max: 1 }), restart }),
  },
  {
    weight: 5,
    arbitrary: fc.record({ kind: fc.constant('run' as const), ms: fc.constantFrom(1, 5, 100, 20_000) }),
  },
)

/** `a-b`: the configurations have at some time let `a` keep the routes of `b` over a restart. */
type Agreed = Set<string>

function note(speakers: Speaker[], agreed: Agreed): void {
  for (const { name, config } of speakers)
    for (const { name: peer, gracefulRestart } of config.peers) {
      const back = speakers
        .find((each) => each.name === peer)!
        .config.peers.find((each) => each.name === name)?.gracefulRestart
      if (gracefulRestart !== undefined && back?.helperOnly === false) agreed.add(`${name}-${peer}`)
    }
}

/** Since when each route has been stale. */
type Since = Map<string, number>

/**
 * However often the session is lost, nothing stays stale for longer than the stale time (RFC 8538 §4.1), here at most the default
 * one, and the long-lived stale time (RFC 9494 §4.2).
 */
const boundMs = 360_000 + 200_000

function age(speakers: Speaker[], since: Since, now: number): void {
  const stale = new Set<string>()
  for (const { name, bgp } of speakers)
    for (const route of bgp.routes('adjRibIn'))
      if (route.stale === true) stale.add(`${name} of ${route.peer}: ${route.prefix}`)
  for (const key of since.keys()) if (!stale.has(key)) since.delete(key)
  for (const key of stale) {
    if (!since.has(key)) since.set(key, now)
    assert.ok(now - since.get(key)! <= boundMs, `${key} stays stale`)
  }
}

/** Routes of a peer without a session are there only where that was agreed on, and are known to be stale. */
function check(speakers: Speaker[], agreed: Agreed): void {
  for (const { name, bgp } of speakers) {
    for (const { peer, state, stale } of bgp.peers()) {
      const key = `${name}-${peer}`
      const phases = stale.map(({ phase }) => phase)
      if (state === 'established') {
        assert.ok(phases.every((phase) => phase === 'arriving' || phase === 'refreshing'))
        continue
      }
      assert.ok(phases.every((phase) => phase === 'waiting' || phase === 'longLived'))
      const kept = stale.map(({ family }) => family)
      assert.ok(kept.length === 0 || agreed.has(key), 'kept without an agreement')
      for (const { prefix } of bgp.routes('adjRibIn', { peer }))
        assert.ok(kept.includes(familyOfPrefix(prefix)), `${key}: ${prefix} has outlived its session`)
      assert.deepEqual(bgp.routes('adjRibOut', { peer }), [])
    }
  }
}

test('no route outlives its session but as a stale one that was agreed on, and none stays stale (RFC 4724 §4.2)', () => {
  let seenStale = 0
  fc.assert(
    fc.property(
      fc.array(event, { minLength: 5, maxLength: 30, size: 'max' }),
      fc.array(restart, { minLength: 6, maxLength: 6 }),
      (events, restarts) => {
        const world = new World()
        const speakers = [1, 2, 3].map((n) =>
          world.speaker(`s${n}`, 65000 + n, { 4: `192.0.2.${n}`, 6: `2001:db8::${n}` }),
        )
        let pair = 0
        for (const [i, a] of speakers.entries())
          for (const b of speakers.slice(i + 1)) {
            const [own, other] = [restarts[pair++], restarts[pair++]]
            world.join(a, b, i === 0 ? 4 : 6, {
              a: own === undefined ? {} : { gracefulRestart: own },
              b: other === undefined ? {} : { gracefulRestart: other },
            })
          }
        const agreed: Agreed = new Set()
        note(speakers, agreed)
        const since: Since = new Map()
        world.configure(...speakers)
        for (const each of events) {
          perform(world, speakers, each)
          note(speakers, agreed)
          check(speakers, agreed)
          age(speakers, since, world.now)
          seenStale += speakers.filter(({ bgp }) => bgp.peers().some(({ stale }) => stale.length > 0)).length
        }
        world.run(2_000_000)
        check(speakers, agreed)
        for (const a of speakers) {
          for (const { peer, state, stale } of a.bgp.peers()) {
            const b = speakers.find(({ name }) => name === peer)!
            const held = [a, b].some((x) =>
              x.config.peers.some((p) => [a.name, b.name].includes(p.name) && p.heldDown),
            )
            assert.deepEqual(stale, [], `${a.name} keeps stale routes of ${peer}`)
            assert.equal(state === 'established', !held, `${a.name} to ${peer}`)
            const plain = (x: Speaker, table: 'adjRibIn' | 'adjRibOut', of: string) =>
              x.bgp.routes(table, { peer: of }).map(({ prefix, attributes }) => ({ prefix, attributes }))
            assert.deepEqual(
              plain(b, 'adjRibIn', a.name),
              plain(a, 'adjRibOut', b.name),
              `${a.name} to ${peer}`,
            )
          }
        }
      },
    ),
    { numRuns: 80 },
  )
  assert.ok(seenStale > 100, `routes are stale now and then: ${seenStale}`)
})

function perform(
  world: World,
  speakers: Speaker[],
  each: typeof event extends fc.Arbitrary<infer T> ? T : never,
): void {
  switch (each.kind) {
    case 'run':
      return world.run(each.ms)
    case 'cut':
      return world.cut()
    case 'silence':
      world.silent = true
      world.run(10_000)
      world.silent = false
      return
    case 'kill': {
      const killed = speakers[each.speaker]!
      world.kill(killed)
      world.run(each.awayMs)
      world.revive(killed)
      killed.config.restarted = each.restarted
      return world.configure(killed)
    }
    case 'routes': {
      const { config } = speakers[each.speaker]!
      const names = config.peers.map(({ name }) => name)
      config.routes = each.routes.map((prefix) => route(prefix, names))
      return world.configure(speakers[each.speaker]!)
    }
    case 'hold':
    case 'agree': {
      const peer = speakers[each.speaker]!.config.peers[each.peer]!
      if (each.kind === 'agree') {
        if (each.restart === undefined) delete peer.gracefulRestart
        else peer.gracefulRestart = each.restart
      } else if (peer.heldDown === undefined) peer.heldDown = 'held'
      else delete peer.heldDown
      return world.configure(speakers[each.speaker]!)
    }
    case 'reset':
    case 'refreshIn':
    case 'refreshOut': {
      const from = speakers[each.speaker]!
      return world.command(from, from.config.peers[each.peer]!.name, { kind: each.kind })
    }
  }
}
