import assert from 'node:assert/strict'
import { test } from 'node:test'
import { route, World, type Speaker } from '#core/bgp/bgp.testing.ts'
import { families } from '#core/bgp/family.ts'
import type { PeerConfig } from '#core/bgp/config.ts'
import { address } from '#core/net/address.ts'
import type { View } from './encode.ts'
import { Station, stationQueueMax, type StationInput, type StationOutput } from './station.ts'

const types = { monitoring: 0, statistics: 1, down: 2, up: 3, initiation: 4, termination: 5 } as const

/** A speaker with one neighbour, and a station that is told of it. */
class Bench {
  readonly world = new World()
  readonly a: Speaker
  readonly b: Speaker
  readonly station: Station
  /** Messages of the present connection. */
  messages: Uint8Array[] = []
  outputs: StationOutput[] = []
  queued = 0
  #seen = 0

  constructor(version: 4 | 6, views: View[], options: Partial<PeerConfig> = {}, statisticsSeconds?: number) {
    this.a = this.world.speaker('a', 65001, { 4: '192.0.2.1', 6: '2001:db8::1' })
    this.b = this.world.speaker('b', 65002, { 4: '192.0.2.2', 6: '2001:db8::2' })
    this.world.join(this.a, this.b, version, { a: options })
    this.a.config.routes = [route('198.51.100.0/24', ['b'])]
    this.b.config.routes = [route('203.0.113.0/24', ['a']), route('2001:db8:2::/48', ['a'])]
    this.a.config.taps = { received: true, sent: true, best: true }
    const { bgp, config } = this.a
    this.station = new Station(
      {
        address: address('192.0.2.99'),
        port: 11019,
        views,
        ...(statisticsSeconds === undefined ? {} : { statisticsSeconds }),
      },
      {
        local: () => ({ asn: config.asn, routerId: config.routerId, families }),
        sessions: () => bgp.tappedSessions(),
        peers: () => bgp.peers(),
        page: (...query) => bgp.routePage(...query),
        queuedBytes: () => this.queued,
      },
      'a',
      'test',
    )
    this.world.configure(this.a, this.b)
    this.run(12_000)
  }

  give(input: StationInput): StationOutput[] {
    const outputs = this.station.handle(input, this.world.now)
    for (const output of outputs) if (output.kind === 'send') this.messages.push(output.bytes)
    this.outputs.push(...outputs)
    return outputs
  }

  /** Lets time pass in small steps, in which the station is told what happened. */
  run(ms: number): void {
    for (let left = ms; left > 0; left -= 50) {
      this.world.run(Math.min(left, 50))
      const { taps } = this.a
      for (; this.#seen < taps.length; this.#seen++) this.give({ kind: 'tap', tap: taps[this.#seen]! })
      for (let i = 0; i < 100 && this.station.nextDeadline() <= this.world.now; i++)
        this.give({ kind: 'tick' })
    }
  }

  connect(): void {
    this.messages = []
    this.give({ kind: 'tick' })
    this.give({ kind: 'opened' })
    this.run(100)
  }

  /** How many messages of this type; of those about routes, with these flags and type of peer. */
  count(type: number, flags?: number, peerType = 0): number {
    return this.messages.filter(
      (bytes) => bytes[5] === type && (flags === undefined || (bytes[6] === peerType && bytes[7] === flags)),
    ).length
  }
}

for (const version of [4, 6] as const) {
  const v = version === 6 ? 0x80 : 0
  test(`RFC 7854 §3.3: the first things told are who speaks and which sessions are up, over IPv${version}`, () => {
    const bench = new Bench(version, ['pre'])
    bench.connect()
    assert.deepEqual(
      bench.messages.slice(0, 2).map((bytes) => bytes[5]),
      [types.initiation, types.up],
    )
    assert.equal(bench.messages[1]?.[7], v)
    // A route and an End-of-RIB of each family.
    assert.equal(bench.count(types.monitoring, v), 4)
    assert.equal(bench.station.status().state, 'up')
  })

  test(`each view is told with its own flags and ends with End-of-RIB, over IPv${version}`, () => {
    const bench = new Bench(version, ['pre', 'post', 'adjOut', 'locRib'])
    bench.connect()
    assert.equal(bench.count(types.monitoring, v), 4)
    // RFC 7854 §4.2: L.
    assert.equal(bench.count(types.monitoring, v | 0x40), 4)
    // RFC 8671 §4: O.
    assert.ok(bench.count(types.monitoring, v | 0x50) >= 3)
    // RFC 9069 §4.1: a peer of type 3.
    assert.ok(bench.count(types.monitoring, 0, 3) >= 4)
    assert.equal(bench.count(types.up, 0, 3), 1)
  })
}

test('RFC 7854 §5: changes are told as they happen, before and after policy', () => {
  const bench = new Bench(4, ['pre', 'post', 'locRib'])
  bench.connect()
  const before = [bench.count(types.monitoring, 0), bench.count(types.monitoring, 0x40)]
  bench.b.config.routes = []
  bench.world.configure(bench.b)
  bench.run(100)
  assert.deepEqual(
    [bench.count(types.monitoring, 0), bench.count(types.monitoring, 0x40)],
    before.map((n) => n + 2),
  )
})

test('what import policy keeps out is told before policy only', () => {
  const bench = new Bench(4, ['pre', 'post'], { importRoutes: false })
  bench.connect()
  assert.equal(bench.count(types.monitoring, 0), 4)
  assert.equal(bench.count(types.monitoring, 0x40), 2, 'End-of-RIB of each family')
  bench.a.config.peers[0]!.importRoutes = true
  bench.world.configure(bench.a)
  bench.run(100)
  assert.equal(bench.count(types.monitoring, 0x40), 4)
  bench.a.config.peers[0]!.importRoutes = false
  bench.world.configure(bench.a)
  bench.run(100)
  assert.equal(bench.count(types.monitoring, 0x40), 6, 'they are withdrawn')
})

test('RFC 7854 §4.9: the end of a session is told with the NOTIFICATION that ended it', () => {
  const bench = new Bench(4, ['pre'])
  bench.connect()
  bench.world.shutdown(bench.b)
  bench.run(100)
  const down = bench.messages.find((bytes) => bytes[5] === types.down)
  // Reason 3: the far end, by NOTIFICATION: Cease, Administrative Shutdown (RFC 4486 §4).
  assert.equal(down?.[48], 3)
  assert.deepEqual([...(down?.subarray(49 + 18, 49 + 21) ?? [])], [3, 6, 2])
})

test('RFC 7854 §4.9: a connection that breaks is told as an end without NOTIFICATION', () => {
  const bench = new Bench(4, ['pre'])
  bench.connect()
  bench.world.cut()
  bench.run(100)
  assert.equal(bench.messages.find((bytes) => bytes[5] === types.down)?.[48], 4)
})

test('RFC 7854 §4.8: statistics come as often as asked for', () => {
  const bench = new Bench(4, ['pre'], {}, 10)
  bench.connect()
  bench.run(30_100)
  assert.equal(bench.count(types.statistics), 3)
})

test('tables wait while the station is busy, and a station that falls too far behind is left', () => {
  const bench = new Bench(4, ['pre'])
  bench.queued = 1024 * 1024
  bench.connect()
  assert.equal(bench.station.status().state, 'dumping')
  assert.equal(bench.count(types.monitoring), 0)
  bench.queued = stationQueueMax + 1
  bench.run(100)
  assert.ok(bench.outputs.some(({ kind }) => kind === 'close'))
  assert.equal(bench.messages.at(-1)?.[5], types.termination)
  assert.match(bench.station.status().lastError?.message ?? '', /behind/)
  bench.queued = 0
  bench.run(2_000)
  bench.connect()
  assert.equal(bench.count(types.monitoring), 4)
})

test('a station that cannot be reached is tried again later and later', () => {
  const bench = new Bench(4, ['pre'])
  const waits: number[] = []
  for (let i = 0; i < 8; i++) {
    bench.give({ kind: 'tick' })
    bench.give({ kind: 'failed', reason: 'refused' })
    const wait = bench.station.nextDeadline() - bench.world.now
    waits.push(wait)
    bench.world.now += wait
  }
  assert.deepEqual(waits, [1000, 2000, 4000, 8000, 16_000, 32_000, 60_000, 60_000])
})
