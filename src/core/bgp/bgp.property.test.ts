import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { route, World, type Speaker } from './bgp.testing.ts'

const prefixes = ['0.0.0.0/0', '203.0.113.0/24', '203.0.113.1/32', '::/0', '2001:db8:100::/64']

const event = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant('routes' as const),
      speaker: fc.nat({ max: 3 }),
      routes: fc.array(fc.record({ prefix: fc.constantFrom(...prefixes), med: fc.nat({ max: 2 }) }), {
        maxLength: 4,
      }),
    }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('cut' as const) }) },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constantFrom('export' as const, 'import' as const, 'holdDown' as const, 'remove' as const),
      speaker: fc.nat({ max: 3 }),
      peer: fc.nat({ max: 2 }),
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({ kind: fc.constant('run' as const), ms: fc.constantFrom(0, 1, 2, 5, 100, 20_000) }),
  },
)

test('after quiet, what one end of a session has sent is what the other has received', () => {
  fc.assert(
    fc.property(
      fc.array(event, { minLength: 5, maxLength: 25, size: 'max' }),
      fc.boolean(),
      (events, internal) => {
        const world = new World()
        const speakers = [1, 2, 3, 4].map((n) => {
          const asn = internal && n > 2 ? 65003 : 65000 + n
          return world.speaker(`s${n}`, asn, { 4: `192.0.2.${n}`, 6: `2001:db8::${n}` })
        })
        for (const [i, a] of speakers.entries())
          for (const [j, b] of speakers.entries()) if (i < j) world.join(a, b, (i + j) % 2 === 0 ? 4 : 6)
        const all = new Map(speakers.map((speaker) => [speaker, [...speaker.config.peers]]))
        world.configure(...speakers)
        for (const each of events) {
          if (each.kind === 'run') world.run(each.ms)
          else if (each.kind === 'cut') world.cut()
          else {
            const speaker = speakers[each.speaker]!
            if (each.kind === 'routes')
              speaker.config.routes = each.routes.map(({ prefix, med }) =>
                route(
                  prefix,
                  all.get(speaker)!.map(({ name }) => name),
                  { med },
                ),
              )
            else {
              const peer = all.get(speaker)![each.peer]!
              if (each.kind === 'export') peer.exportLearned = !peer.exportLearned
              if (each.kind === 'import') peer.importRoutes = !peer.importRoutes
              if (each.kind === 'holdDown') {
                if (peer.heldDown === undefined) peer.heldDown = 'held'
                else delete peer.heldDown
              }
              if (each.kind === 'remove') {
                const has = speaker.config.peers.includes(peer)
                speaker.config.peers = has
                  ? speaker.config.peers.filter((other) => other !== peer)
                  : [...speaker.config.peers, peer]
              }
            }
            world.configure(speaker)
          }
        }
        world.run(600_000)
        for (const a of speakers)
          for (const b of speakers) {
            const wanted = [a, b].every(
              (x) => peerOf(x, x === a ? b : a) && !peerOf(x, x === a ? b : a)!.heldDown,
            )
            if (a !== b) compare(a, b, wanted)
          }
      },
    ),
    { numRuns: 60 },
  )
})

test('no bytes from a neighbour, however mangled, throw', () => {
  const mangling = fc.array(fc.tuple(fc.nat(), fc.nat({ max: 255 })), { maxLength: 6 })
  fc.assert(
    fc.property(mangling, fc.nat({ max: 60 }), (changes, from) => {
      const world = new World()
      const a = world.speaker('a', 65001, { 4: '192.0.2.1', 6: '2001:db8::1' })
      const b = world.speaker('b', 65002, { 4: '192.0.2.2', 6: '2001:db8::2' })
      world.join(a, b, 4, { a: { passive: true } })
      a.config.routes = [
        route('203.0.113.0/24', ['b'], { med: 1, communities: [1, 2], largeCommunities: [[1, 2, 3]] }),
        route('2001:db8:100::/64', ['b']),
      ]
      world.configure(a, b)
      world.run(from)
      const bytes = new Uint8Array(Buffer.concat(a.sent))
      for (const [at, value] of changes) if (bytes.length > 0) bytes[at % bytes.length] = value
      if (world.openConnections === 1) world.inject(b, bytes)
      world.run(30_000)
      assert.ok(b.bgp.peers().length === 1)
    }),
    { numRuns: 300 },
  )
})

function peerOf(a: Speaker, b: Speaker) {
  return a.config.peers.find(({ name }) => name === b.name)
}

function compare(a: Speaker, b: Speaker, wanted: boolean): void {
  const up = a.bgp.peers().find(({ peer }) => peer === b.name)?.state === 'established'
  assert.equal(up, wanted, `${a.name} to ${b.name}`)
  const plain = (speaker: Speaker, table: 'adjRibIn' | 'adjRibOut', peer: string) =>
    speaker.bgp.routes(table, { peer }).map(({ prefix, attributes }) => ({ prefix, attributes }))
  assert.deepEqual(plain(b, 'adjRibIn', a.name), plain(a, 'adjRibOut', b.name), `${a.name} to ${b.name}`)
}
