import assert from 'node:assert/strict'
import test from 'node:test'
import fc from 'fast-check'
import { route, World } from '#core/bgp/bgp.testing.ts'
import { families } from '#core/bgp/family.ts'
import type { RouteTable } from '#core/bgp/io.ts'
import { decodeAttributes } from '#core/bgp/wire/attributes.ts'
import { nlriPrefixes } from '#core/bgp/wire/nlri.ts'
import { decodeMessage } from '#core/bgp/wire/wire.ts'
import { address } from '#core/net/address.ts'
import type { View } from './encode.ts'
import { Station, stationQueueMax } from './station.ts'

const views: readonly View[] = ['pre', 'post', 'adjOut', 'locRib']
const tables: Record<View, RouteTable> = {
  pre: 'adjRibIn',
  post: 'accepted',
  adjOut: 'adjRibOut',
  locRib: 'locRib',
}

/** What a station makes of the messages: by view, the MED of every prefix that it has been told of and not told otherwise. */
class Listener {
  readonly told: Record<View, Map<string, number | undefined>> = {
    pre: new Map(),
    post: new Map(),
    adjOut: new Map(),
    locRib: new Map(),
  }

  clear(): void {
    for (const view of views) this.told[view].clear()
  }

  take(message: Uint8Array): void {
    const [type, peerType, flags] = [message[5], message[6], message[7] ?? 0]
    if (type === 2) {
      for (const view of views) if (view !== 'locRib') this.told[view].clear()
      return
    }
    if (type !== 0) return
    const view: View =
      peerType === 3 ? 'locRib' : (flags & 0x10) !== 0 ? 'adjOut' : (flags & 0x40) !== 0 ? 'post' : 'pre'
    const decoded = decodeMessage(message.subarray(48), {
      fourOctetAsn: true,
      kind: 'ebgp',
      families,
      extendedNextHop: families,
    })
    assert.ok(decoded.ok && decoded.value.kind === 'update')
    const { withdrawn, announced, attributes, faults } = decoded.value
    assert.deepEqual(faults, [])
    for (const block of withdrawn) for (const prefix of nlriPrefixes(block)) this.told[view].delete(prefix)
    for (const block of announced) {
      const { med } = decodeAttributes(attributes, block.nextHop)
      for (const prefix of nlriPrefixes(block)) this.told[view].set(prefix, med)
    }
  }
}

const prefixes = ['203.0.113.0/24', '198.51.100.0/24', '10.1.0.0/16', '2001:db8:2::/48', '2001:db8:3::/48']

type Action =
  | { kind: 'routes'; of: 'a' | 'b'; routes: { prefix: string; med: number }[] }
  | { kind: 'import'; accept: boolean }
  | { kind: 'cut' | 'lose' | 'fallBehind' }
  | { kind: 'busy'; ms: number }

const action: fc.Arbitrary<Action> = fc.oneof(
  fc.record({
    kind: fc.constant('routes' as const),
    of: fc.constantFrom('a' as const, 'b' as const),
    routes: fc.uniqueArray(
      fc.record({ prefix: fc.constantFrom(...prefixes), med: fc.integer({ min: 0, max: 3 }) }),
      { selector: ({ prefix }) => prefix },
    ),
  }),
  fc.record({ kind: fc.constant('import' as const), accept: fc.boolean() }),
  fc.record({ kind: fc.constantFrom('cut' as const, 'lose' as const, 'fallBehind' as const) }),
  fc.record({ kind: fc.constant('busy' as const), ms: fc.integer({ min: 1, max: 500 }) }),
)

test('after whatever happened to routes, policies, sessions and itself, a station knows what the tables hold', () => {
  const steps = fc.array(fc.tuple(action, fc.integer({ min: 0, max: 300 })), { maxLength: 15 })
  fc.assert(
    fc.property(fc.constantFrom(4 as const, 6 as const), steps, (version, script) => {
      const world = new World()
      const a = world.speaker('a', 65001, { 4: '192.0.2.1', 6: '2001:db8::1' })
      const b = world.speaker('b', 65002, { 4: '192.0.2.2', 6: '2001:db8::2' })
      world.join(a, b, version)
      a.config.taps = { received: true, sent: true, best: true }
      let queued = 0
      const { bgp, config } = a
      const station = new Station(
        { address: address('192.0.2.99'), port: 11019, views: [...views] },
        {
          local: () => ({ asn: config.asn, routerId: config.routerId, families }),
          sessions: () => bgp.tappedSessions(),
          peers: () => bgp.peers(),
          page: (...query) => bgp.routePage(...query),
          queuedBytes: () => queued,
        },
        'a',
        'test',
      )
      const listener = new Listener()
      let dialing = false
      const give = (input: Parameters<Station['handle']>[0]) => {
        for (const output of station.handle(input, world.now)) {
          if (output.kind === 'send') listener.take(output.bytes)
          if (output.kind === 'dial') dialing = true
        }
      }
      let seen = 0
      const run = (ms: number) => {
        for (let left = ms; left > 0; left -= 20) {
          world.run(Math.min(left, 20))
          if (dialing) {
            dialing = false
            listener.clear()
            give({ kind: 'opened' })
          }
          for (; seen < a.taps.length; seen++) give({ kind: 'tap', tap: a.taps[seen]! })
          for (let i = 0; i < 50 && station.nextDeadline() <= world.now; i++) give({ kind: 'tick' })
        }
      }
      world.configure(a, b)
      run(12_000)
      for (const [each, ms] of script) {
        switch (each.kind) {
          case 'routes': {
            const [speaker, to] = each.of === 'a' ? [a, 'b'] : [b, 'a']
            speaker.config.routes = each.routes.map(({ prefix, med }) => {
              const nextHop = speaker.addresses[prefix.includes(':') ? 6 : 4]!
              return route(prefix, [to], { med, nextHop })
            })
            world.configure(speaker)
            break
          }
          case 'import':
            a.config.peers[0]!.importRoutes = each.accept
            world.configure(a)
            break
          case 'cut':
            world.cut()
            break
          case 'lose':
            give({ kind: 'closed', reason: 'reset' })
            break
          case 'fallBehind':
            queued = stationQueueMax + 1
            run(20)
            queued = 0
            break
          case 'busy':
            queued = 1024 * 1024
            run(each.ms)
            queued = 0
        }
        run(ms)
      }
      // Backoff of the session and of the station.
      run(200_000)
      assert.equal(station.status().state, 'up')
      for (const view of views) {
        const held = bgp
          .routes(tables[view])
          .filter(({ best }) => view !== 'locRib' || best)
          .map(({ prefix, attributes }) => [prefix, attributes.med] as const)
        assert.deepEqual(
          new Map(listener.told[view]),
          new Map<string, number | undefined>(held),
          `${view} is what the table holds`,
        )
      }
    }),
    { numRuns: 40 },
  )
})
