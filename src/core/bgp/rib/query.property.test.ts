import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { covers, lengthOf, prefix, type Prefix } from '#core/net/prefix.ts'
import { asPathText } from '../as-path-text.ts'
import type { PathAttributes } from '../attributes.ts'
import { families, familyOfPrefix } from '../family.ts'
import type { RouteEntry, RoutePage, RouteTable } from '../io.ts'
import { queryPage, queryRoutes } from './query.ts'
import { names, quiet, ribWith, say, unsay } from './query.testing.ts'
import type { Rib } from './rib.ts'
import type { RouteQuery } from './route-reader.ts'

const prefixes = [
  ['0.0.0.0/0', '10.0.0.0/8', '10.0.0.0/9', '10.1.0.0/16', '10.1.2.0/24', '10.1.2.3/32', '192.0.2.0/24'],
  ['::/0', '2001:db8::/32', '2001:db8::/33', '2001:db8:1::/48', '2001:db8:1::/64', '2001:db8:1::1/128'],
]
  .flat()
  .map(prefix)

/** This neighbour sends several paths per prefix (RFC 7911). */
const severalFrom = 3

interface Say {
  slot: number
  prefix: Prefix
  pathId: number
  /** Absent: it takes the path back. */
  attributes: Partial<PathAttributes> | undefined
}

const somePrefix = fc.constantFrom(...prefixes)
const attributes: fc.Arbitrary<Partial<PathAttributes>> = fc.record({
  origin: fc.constantFrom('igp' as const, 'egp' as const),
  asPath: fc
    .array(fc.constantFrom(1, 23, 65000, 65001, 65002, 4200000001), { maxLength: 3 })
    .map((asns) => (asns.length === 0 ? [] : [{ kind: 'sequence' as const, asns }])),
  communities: fc.subarray([0, 7, 0xffff_0001]),
  largeCommunities: fc.subarray([
    [0, 0, 7],
    [1, 2, 3],
    [0xffff_ffff, 2, 3],
  ] as const),
  // Attributes behind which the others lie.
  med: fc.constantFrom(0, 5),
  atomicAggregate: fc.boolean(),
})
const said: fc.Arbitrary<Say> = fc.record({
  slot: fc.constantFrom(...names.keys()),
  prefix: somePrefix,
  pathId: fc.constantFrom(0, 1, 7),
  attributes: fc.option(attributes, { nil: undefined, freq: 4 }),
})
const anything = {
  slot: fc.nat({ max: severalFrom }),
  family: fc.constantFrom(...families),
  prefix: fc.record({
    prefix: somePrefix,
    match: fc.constantFrom('exact', 'longer', 'longer', 'covering', 'longest'),
  }),
  community: fc.constantFrom(7, 0xffff_0001, 8),
  largeCommunity: fc.constantFrom([0, 0, 7] as const, [0xffff_ffff, 2, 3] as const, [2, 3, 0] as const),
  asPath: fc.constantFrom('^$', '_23_', '^65001', '4200000001$', '('),
}
const query: fc.Arbitrary<RouteQuery> = fc
  .tuple(
    fc.record(anything),
    fc.subarray(Object.keys(anything) as (keyof typeof anything)[], { maxLength: 2 }),
  )
  .map(([all, keys]) =>
    Object.assign({}, ...keys.map((key) => (key === 'prefix' ? all.prefix : { [key]: all[key] }))),
  )

test('a question finds what a look at every route finds, in one piece and in pages', () => {
  const table = fc.constantFrom<RouteTable>('adjRibIn', 'accepted', 'locRib', 'adjRibOut')
  const paging = fc.record({
    limit: fc.integer({ min: 1, max: 4 }),
    effort: fc.constantFrom(1, 0.01, 0.002, 0.0001),
  })
  fc.assert(
    fc.property(
      fc.array(said, { maxLength: 60, size: 'max' }),
      fc.array(said, { maxLength: 10 }),
      table,
      query,
      paging,
      fc.constantFrom(1, 2),
      (before, meanwhile, asked, question, { limit, effort }, maxPaths) => {
        const rib = ribWith({})
        rib.maxPaths = { external: maxPaths, internal: maxPaths }
        for (const each of before) hear(rib, each)
        rib.run(0, quiet)
        const expected = found(rib, asked, question)
        assert.deepEqual(queryRoutes(rib, asked, question, names), expected)
        // What changes between two pages may be in the answer or not; the rest is there once, as it is.
        const moving = new Set(question.match === 'longest' ? [] : meanwhile.map((each) => each.prefix))
        const changes = [...meanwhile]
        const pages: RouteEntry[] = []
        for (let cursor: number | undefined = 0; cursor !== undefined;) {
          const page: RoutePage = queryPage(rib, asked, question, names, cursor, limit, effort)
          pages.push(...page.entries)
          cursor = page.next
          const change = changes.pop()
          if (change === undefined || !moving.has(change.prefix)) continue
          hear(rib, change)
          rib.run(0, quiet)
        }
        const staying = ({ prefix: text }: RouteEntry) => !moving.has(text)
        assert.deepEqual(pages.filter(staying).toSorted(byText), expected.filter(staying).toSorted(byText))
      },
    ),
    { numRuns: 400 },
  )
})

function hear(rib: Rib, { slot, prefix: text, pathId, attributes: path }: Say): void {
  const several = slot === severalFrom ? pathId : undefined
  if (path === undefined) unsay(rib, slot, text, several)
  else say(rib, slot, text, path, several)
}

/** The same from all entries of the table, by the words of the question. */
function found(rib: Rib, table: RouteTable, question: RouteQuery): RouteEntry[] {
  const { slot, family, prefix: to, match = 'exact', community, largeCommunity, asPath } = question
  const all = table === 'adjRibOut' || slot !== 0 ? queryRoutes(rib, table, {}, names) : []
  const fitting = all.filter((entry) => {
    const { attributes: path } = entry
    const pattern = asPath === '(' ? /$^a/ : new RegExp((asPath ?? '').replaceAll('_', '(?:^|$| )'))
    return (
      (slot === undefined || entry.peer === names.get(slot)) &&
      (family === undefined || familyOfPrefix(entry.prefix) === family) &&
      (to === undefined || lies(entry.prefix, to, match)) &&
      (community === undefined || path.communities?.includes(community) === true) &&
      (largeCommunity === undefined ||
        path.largeCommunities?.some((each) => String(each) === String(largeCommunity)) === true) &&
      pattern.test(asPathText(path.asPath))
    )
  })
  if (to === undefined || match !== 'longest') return fitting
  const longest = Math.max(...fitting.map((entry) => lengthOf(entry.prefix)))
  return fitting.filter((entry) => lengthOf(entry.prefix) === longest)
}

function lies(of: Prefix, to: Prefix, match: NonNullable<RouteQuery['match']>): boolean {
  switch (match) {
    case 'exact':
      return of === to
    case 'longer':
      return covers(to, of)
    case 'covering':
    case 'longest':
      return covers(of, to)
  }
}

function byText(a: RouteEntry, b: RouteEntry): number {
  const [x, y] = [JSON.stringify(a), JSON.stringify(b)]
  return x < y ? -1 : x > y ? 1 : 0
}
