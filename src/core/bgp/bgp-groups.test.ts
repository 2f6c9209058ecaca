/** Own routes of neighbours that are told the same, or no longer are. */
import assert from 'node:assert/strict'
import test from 'node:test'
import { route, World, type Speaker } from './bgp.testing.ts'

function prefixes(speaker: Speaker): string[] {
  return speaker.bgp.routes('adjRibIn').map(({ prefix }) => prefix)
}

for (const version of [4, 6] as const) {
  const text = version === 4 ? '198.51.100.0/24' : '2001:db8::/48'

  function three() {
    const world = new World()
    const [a, b, c] = [1, 2, 3].map((n) =>
      world.speaker('abc'[n - 1]!, 65001, { 4: `192.0.2.${n}`, 6: `fd00::${n}` }),
    ) as [Speaker, Speaker, Speaker]
    world.join(a, b, version)
    world.join(a, c, version, { a: { nextHop: 'self' } })
    return { world, a, b, c }
  }

  test(`a neighbour that comes to be told what another is keeps the own routes that are for it alone, IPv${version}`, () => {
    const { world, a, b, c } = three()
    a.config.routes = [route(text, ['b'])]
    world.configure(a, b, c)
    world.run(20_000)
    assert.deepEqual([prefixes(b), prefixes(c)], [[text], []])
    a.config.peers[0]!.nextHop = 'self'
    world.configure(a)
    world.run(1000)
    assert.deepEqual([prefixes(b), prefixes(c)], [[text], []])
  })

  test(`nothing is held any more after own routes were told differently, then alike, then not at all, IPv${version}`, () => {
    const { world, a, b, c } = three()
    a.config.peers[0]!.nextHop = 'self'
    world.configure(a, b, c)
    const lists = [
      [route(text, ['b'], { med: 1 }), route(text, ['c'], { med: 2 })],
      [route(text, ['b', 'c'], { med: 1 })],
      [route(text, ['b'])],
      [],
    ]
    for (const routes of lists) {
      a.config.routes = routes
      world.configure(a)
      world.run(20_000)
      for (const [speaker, name] of [
        [b, 'b'],
        [c, 'c'],
      ] as const) {
        const wanted = routes.some(({ to }) => to.some(({ peer }) => peer === name))
        assert.deepEqual(prefixes(speaker), wanted ? [text] : [])
      }
    }
    for (const { bgp } of [a, b, c]) assert.deepEqual(bgp.tableSizes(), { prefixes: 0, attributeSets: 0 })
  })
}
