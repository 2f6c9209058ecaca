/** Rules and policies in motion: what speakers that are joined by sessions make of each other's routes. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { address } from '#core/net/address.ts'
import { prefix } from '#core/net/prefix.ts'
import { route, World, type Speaker } from './bgp.testing.ts'
import type { PathAttributes } from './attributes.ts'
import type { PolicyChain, PolicyStatement } from './policy/policy.ts'

const versions = [
  {
    version: 4,
    addresses: ['192.0.2.1', '192.0.2.2', '192.0.2.3', '192.0.2.4'],
    route: '10.0.0.0/24',
    longer: '10.0.0.1/32',
  },
  {
    version: 6,
    addresses: ['2001:db8::1', '2001:db8::2', '2001:db8::3', '2001:db8::4'],
    route: '2001:db8:1::/48',
    longer: '2001:db8:1::1/128',
  },
] as const

for (const { version, addresses, route: text, longer } of versions) {
  const speakersOf = (world: World, ...asns: number[]): Speaker[] =>
    asns.map((asn, i) => world.speaker('abcd'[i]!, asn, { [version]: addresses[i]! }))
  const best = (speaker: Speaker, of: string = text): PathAttributes | undefined =>
    speaker.bgp.routes('locRib', { prefix: prefix(of) }).find((entry) => entry.best)?.attributes
  const choice = (speaker: Speaker): unknown[] =>
    speaker.bgp.routes('locRib', { prefix: prefix(text) }).map(({ peer, why }) => [peer, why])[0] ?? []
  const rejection = (speaker: Speaker, peer: string, of: string = text): string | undefined =>
    speaker.bgp.routes('adjRibIn', { peer, prefix: prefix(of) })[0]?.rejected
  const named = (name: string, body: () => void): void => {
    void test(`IPv${version}: ${name}`, body)
  }
  const both = (options: object) => ({ a: options, b: options })

  named('RFC 4456 §8: a reflector passes routes between its clients, with originator and cluster', () => {
    const world = new World()
    const [a, b, c] = speakersOf(world, 65001, 65001, 65001) as [Speaker, Speaker, Speaker]
    world.join(a, b, version, { b: { routeReflectorClient: true } })
    world.join(c, b, version, { b: { routeReflectorClient: true } })
    a.config.routes.push(route(text, ['b']))
    world.configure(a, b, c)
    world.run(10_000)
    const seen = best(c)
    assert.equal(seen?.originatorId, a.config.routerId)
    assert.deepEqual(seen?.clusterList, [b.config.routerId])
    assert.equal(seen?.nextHop, addresses[0])
    // What comes back to its originator is not used.
    assert.equal(
      a.bgp.routes('adjRibIn', { peer: 'b' }).every(({ rejected }) => rejected !== undefined),
      true,
    )
  })

  named("RFC 4456 §8: two reflectors of one cluster do not take each other's reflections", () => {
    const world = new World()
    const [a, b, c] = speakersOf(world, 65001, 65001, 65001) as [Speaker, Speaker, Speaker]
    b.config.clusterId = a.config.routerId
    c.config.clusterId = a.config.routerId
    world.join(a, b, version, { b: { routeReflectorClient: true } })
    world.join(b, c, version)
    a.config.routes.push(route(text, ['b']))
    world.configure(a, b, c)
    world.run(10_000)
    assert.match(rejection(c, 'b') ?? '', /CLUSTER_LIST contains the own cluster/)
    assert.equal(best(c), undefined)
  })

  named('RFC 4456 §6: who becomes a client has its routes reflected to all, without a session reset', () => {
    const world = new World()
    const [a, b, c] = speakersOf(world, 65001, 65001, 65001) as [Speaker, Speaker, Speaker]
    world.join(a, b, version)
    world.join(c, b, version)
    a.config.routes.push(route(text, ['b']))
    world.configure(a, b, c)
    world.run(10_000)
    assert.equal(best(c), undefined)
    for (const client of [true, false]) {
      b.config.peers[0]!.routeReflectorClient = client
      world.configure(b)
      world.run(1000)
      assert.equal(best(c) !== undefined, client)
    }
    assert.equal(b.events.filter(({ kind }) => kind === 'sessionDown').length, 0)
  })

  named('RFC 5065 §4.1: routes cross a confederation and leave it as from one AS', () => {
    const world = new World()
    const [a, b, c] = speakersOf(world, 65001, 65002, 200) as [Speaker, Speaker, Speaker]
    for (const member of [a, b]) member.config.confederation = { id: 100, members: [65001, 65002] }
    world.join(a, b, version)
    world.join(b, c, version, { b: { asn: 100 } })
    a.config.routes.push(route(text, ['b'], { localPref: 300, med: 7 }))
    world.configure(a, b, c)
    world.run(10_000)
    assert.deepEqual(best(b)?.asPath, [{ kind: 'confedSequence', asns: [65001] }])
    assert.deepEqual([best(b)?.localPref, best(b)?.med], [300, 7])
    assert.deepEqual(best(c)?.asPath, [{ kind: 'sequence', asns: [100] }])
    assert.deepEqual([best(c)?.localPref, best(c)?.med], [undefined, undefined])
  })

  named('RFC 5065 §5.3: MEDs of routes from two member ASes are compared', () => {
    const world = new World()
    const [a, b, c] = speakersOf(world, 65001, 65002, 65003) as [Speaker, Speaker, Speaker]
    for (const member of [a, b, c]) member.config.confederation = { id: 100, members: [65001, 65002, 65003] }
    world.join(a, c, version)
    world.join(b, c, version)
    a.config.routes.push(route(text, ['c'], { med: 20 }))
    b.config.routes.push(route(text, ['c'], { med: 10 }))
    world.configure(a, b, c)
    world.run(10_000)
    assert.deepEqual([best(c)?.med, choice(c)], [10, ['b', 'med']])
  })

  named('RFC 9494 §4.4: a route that is long-lived stale comes after all others, whatever its weight', () => {
    const world = new World()
    const [a, b, c] = speakersOf(world, 65001, 65002, 65003) as [Speaker, Speaker, Speaker]
    world.join(a, c, version, { b: { importPolicy: { policies: ['heavy'], otherwise: 'accept' } } })
    world.join(b, c, version)
    c.config.policies = [{ name: 'heavy', statements: [{ match: {}, then: 'accept', set: { weight: 9 } }] }]
    a.config.routes.push(route(text, ['c'], { communities: [0xffff0006] }))
    b.config.routes.push(route(text, ['c']))
    world.configure(a, b, c)
    world.run(10_000)
    assert.deepEqual(choice(c), ['b', 'longLivedStale'])
    a.config.routes = [route(text, ['c'])]
    world.configure(a)
    world.run(1000)
    assert.deepEqual(choice(c), ['a', 'weight'])
  })

  named("RFC 9234 §5: a customer does not pass its provider's routes on to another provider", () => {
    const world = new World()
    const [a, b, c, d] = speakersOf(world, 65001, 65002, 65003, 65004) as [Speaker, Speaker, Speaker, Speaker]
    const role = (name: string) => ({ role: { name, strict: false } }) as object
    world.join(a, b, version, { a: role('provider'), b: role('customer') })
    world.join(b, c, version, { a: role('customer'), b: role('provider') })
    world.join(b, d, version, { a: role('provider'), b: role('customer') })
    a.config.routes.push(route(text, ['b']))
    world.configure(a, b, c, d)
    world.run(10_000)
    assert.equal(best(b)?.otc, 65001)
    assert.equal(best(c), undefined)
    assert.match(b.bgp.withheld('c').entries.find((each) => each.prefix === text)?.reason ?? '', /route leak/)
    assert.equal(best(d)?.otc, 65001)
  })

  named(
    'RFC 8326 §4: a neighbour that is to be left sees GRACEFUL_SHUTDOWN and prefers others, without a reset',
    () => {
      const world = new World()
      const [a, b] = speakersOf(world, 65001, 65002) as [Speaker, Speaker]
      world.join(a, b, version)
      a.config.routes.push(route(text, ['b']))
      world.configure(a, b)
      world.run(10_000)
      assert.equal(best(b)?.localPref, undefined)
      a.config.peers[0]!.gracefulShutdown = true
      world.configure(a)
      world.run(1000)
      assert.deepEqual([best(b)?.localPref, best(b)?.communities], [0, [0xffff0000]])
      assert.equal(b.events.filter(({ kind }) => kind === 'sessionDown').length, 0)
    },
  )

  const statement = (
    about: string,
    then: PolicyStatement['then'],
    set?: PolicyStatement['set'],
  ): PolicyStatement => ({
    name: 'ours',
    match: {
      prefixes: {
        mode: 'any',
        entries: [{ prefix: prefix(about), minLength: Number(about.split('/')[1]), maxLength: 128 }],
      },
    },
    ...(set === undefined ? {} : { set }),
    then,
  })

  named(
    'a change of import policy is applied to what has come, without a session reset or a word to the neighbour',
    () => {
      const world = new World()
      const [a, b] = speakersOf(world, 65001, 65002) as [Speaker, Speaker]
      world.join(a, b, version, { b: { importPolicy: { policies: ['in'], otherwise: 'accept' } } })
      a.config.routes.push(route(text, ['b']), route(longer, ['b']))
      b.config.policies = [{ name: 'in', statements: [statement(longer, 'reject')] }]
      world.configure(a, b)
      world.run(10_000)
      assert.equal(rejection(b, 'a', longer), 'rejected by policy in, statement 1 (ours)')
      assert.equal(rejection(b, 'a'), undefined)
      const before = a.sent.length + b.sent.length
      b.config.policies = [
        { name: 'in', statements: [statement(text, 'accept', { localPref: 250, weight: 5 })] },
      ]
      world.configure(b)
      world.run(100)
      for (const each of [text, longer])
        assert.deepEqual([best(b, each)?.localPref, best(b, each)?.weight], [250, 5])
      assert.equal(a.sent.length + b.sent.length, before)
    },
  )

  named('a policy that puts the neighbour in as next hop puts each one in for itself', () => {
    const world = new World()
    const [a, b, c] = speakersOf(world, 65001, 65001, 65002) as [Speaker, Speaker, Speaker]
    const importPolicy: PolicyChain = { policies: ['peer'], otherwise: 'accept' }
    for (const each of [a, b]) {
      world.join(each, c, version, { b: { importPolicy } })
      each.config.routes.push(route(text, ['c'], { nextHop: address(addresses[3]) }))
    }
    c.config.policies = [
      { name: 'peer', statements: [{ match: {}, set: { nextHop: { kind: 'peer' } }, then: 'accept' }] },
    ]
    world.configure(a, b, c)
    world.run(10_000)
    const hops = c.bgp.routes('accepted').map(({ peer, attributes }) => [peer, attributes.nextHop])
    assert.deepEqual(hops, [
      ['a', addresses[0]],
      ['b', addresses[1]],
    ])
  })

  named('a change of export policy sends only what it changes', () => {
    const world = new World()
    const [a, b] = speakersOf(world, 65001, 65002) as [Speaker, Speaker]
    world.join(a, b, version, { a: { exportPolicy: { policies: ['out'], otherwise: 'reject' } } })
    a.config.routes.push(route(text, ['b']), route(longer, ['b']))
    a.config.policies = [{ name: 'out', statements: [statement(text, 'accept')] }]
    world.configure(a, b)
    world.run(10_000)
    assert.ok(best(b) !== undefined && best(b, longer) !== undefined)
    const before = a.sent.length
    a.config.policies = [
      { name: 'out', statements: [statement(longer, 'reject'), statement(text, 'accept')] },
    ]
    world.configure(a)
    world.run(100)
    assert.ok(best(b) !== undefined)
    assert.equal(best(b, longer), undefined)
    assert.equal(a.sent.length, before + 1)
    assert.match(a.bgp.withheld('b').entries[0]?.reason ?? '', /^rejected by policy out, statement 1/)
  })

  named('RFC 6811 §4: routes are judged again when what is known of their origins changes', () => {
    const world = new World()
    const [a, b] = speakersOf(world, 65001, 65002) as [Speaker, Speaker]
    world.join(a, b, version, { b: { importPolicy: { policies: ['rov'], otherwise: 'accept' } } })
    a.config.routes.push(route(text, ['b']))
    b.config.policies = [{ name: 'rov', statements: [{ match: { rpki: ['invalid'] }, then: 'reject' }] }]
    world.configure(a, b)
    world.run(10_000)
    const state = () => b.bgp.routes('adjRibIn', { peer: 'a' })[0]?.rpki
    assert.deepEqual([best(b) !== undefined, state()], [true, undefined])
    const roa = { prefix: prefix(text), maxLength: Number(text.split('/')[1]), asn: 65009 }
    world.origins(b, [roa])
    world.run(100)
    assert.deepEqual([best(b), state()], [undefined, 'invalid'])
    assert.match(rejection(b, 'a') ?? '', /rejected by policy rov, statement 1/)
    world.origins(b, [{ ...roa, asn: 65001 }])
    world.run(100)
    assert.deepEqual([best(b) !== undefined, state()], [true, 'valid'])
    world.origins(b, [], [roa, { ...roa, asn: 65001 }])
    world.run(100)
    assert.deepEqual([best(b) !== undefined, state()], [true, undefined])
  })

  named('more payloads at once than a slice are taken in by slices', () => {
    const world = new World()
    const [a] = speakersOf(world, 65001) as [Speaker]
    world.configure(a)
    const roas = Array.from({ length: 20_000 }, (_, i) => ({
      prefix: prefix(`10.${i >> 8}.${i & 255}.0/24`),
      maxLength: 24,
      asn: 65001,
    }))
    world.origins(a, roas)
    assert.equal(a.bgp.nextDeadline(), world.now)
    world.run(1)
    assert.ok(a.bgp.nextDeadline() > world.now)
  })

  named('RFC 7947 §2.2: a route server is not in the path, and its clients take it so', () => {
    const world = new World()
    const [a, b, c] = speakersOf(world, 65001, 65002, 65003) as [Speaker, Speaker, Speaker]
    world.join(a, b, version, { b: { routeServerClient: true } })
    world.join(c, b, version, { a: { enforceFirstAs: false }, b: { routeServerClient: true } })
    a.config.routes.push(route(text, ['b'], { med: 9 }))
    world.configure(a, b, c)
    world.run(10_000)
    assert.deepEqual(best(c)?.asPath, [{ kind: 'sequence', asns: [65001] }])
    assert.deepEqual([best(c)?.nextHop, best(c)?.med], [addresses[0], 9])
  })

  named('RFC 7705 §3: a speaker that changed its number speaks with the old one to who expects it', () => {
    const world = new World()
    const [a, b, c] = speakersOf(world, 65001, 65002, 65003) as [Speaker, Speaker, Speaker]
    const localAs = { asn: 64999, noPrepend: true, replaceAs: true }
    world.join(a, b, version, { a: { asn: 64999 }, b: { localAs } })
    world.join(b, c, version)
    a.config.routes.push(route(text, ['b']))
    c.config.routes.push(route(longer, ['b']))
    world.configure(a, b, c)
    world.run(10_000)
    assert.deepEqual(best(c)?.asPath, [{ kind: 'sequence', asns: [65002, 65001] }])
    assert.deepEqual(best(a, longer)?.asPath, [{ kind: 'sequence', asns: [64999, 65003] }])
  })

  named('RFC 6996 §5: private numbers do not leave, and allow-own-as takes the own one back', () => {
    const world = new World()
    const [a, b, c, d] = speakersOf(world, 64512, 65535, 3356, 64512) as [Speaker, Speaker, Speaker, Speaker]
    world.join(a, b, version)
    world.join(b, c, version, { a: { removePrivateAs: 'remove' } })
    world.join(b, d, version, { b: { allowOwnAs: 1 } })
    a.config.routes.push(route(text, ['b']))
    world.configure(a, b, c, d)
    world.run(10_000)
    assert.deepEqual(best(c)?.asPath, [{ kind: 'sequence', asns: [65535] }])
    assert.deepEqual(best(d)?.asPath, [{ kind: 'sequence', asns: [65535, 64512] }])
  })

  named(
    'draft-ietf-idr-link-bandwidth §2 and RFC 7311 §3: bandwidth and accumulated metric go where they are on',
    () => {
      const world = new World()
      const [a, b] = speakersOf(world, 65001, 65002) as [Speaker, Speaker]
      world.join(a, b, version, both({ aigp: true, linkBandwidth: 125_000_000 }))
      a.config.routes.push(route(text, ['b']))
      world.configure(a, b)
      world.run(10_000)
      assert.deepEqual(best(b)?.extendedCommunities, ['4004fde94cee6b28'])
      assert.equal(best(b)?.aigp, undefined)
    },
  )
}
