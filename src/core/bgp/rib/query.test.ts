import assert from 'node:assert/strict'
import { test } from 'node:test'
import { linkBandwidthCommunity } from '#core/net/extended-community.ts'
import { prefix } from '#core/net/prefix.ts'
import { queryPage, queryRoutes } from './query.ts'
import { names, ribWith } from './query.testing.ts'
import type { RouteQuery } from './route-reader.ts'

const nested = ribWith({
  1: { '10.0.0.0/8': {}, '10.1.0.0/16': {}, '10.1.2.0/24': { communities: [7] }, '2001:db8::/32': {} },
  2: { '10.1.0.0/16': {}, '0.0.0.0/0': {}, '2001:db8:1::/48': {} },
})

for (const { name, query, expect } of [
  { name: 'exactly', query: { prefix: '10.1.0.0/16' }, expect: ['10.1.0.0/16'] },
  {
    name: 'longer ones',
    query: { prefix: '10.0.0.0/8', match: 'longer' },
    expect: ['10.0.0.0/8', '10.1.0.0/16', '10.1.2.0/24'],
  },
  {
    name: 'longer ones of IPv6',
    query: { prefix: '2001:db8::/32', match: 'longer' },
    expect: ['2001:db8::/32', '2001:db8:1::/48'],
  },
  {
    name: 'covering ones',
    query: { prefix: '10.1.2.0/24', match: 'covering' },
    expect: ['0.0.0.0/0', '10.0.0.0/8', '10.1.0.0/16', '10.1.2.0/24'],
  },
  {
    name: 'the longest that covers',
    query: { prefix: '10.1.9.9/32', match: 'longest' },
    expect: ['10.1.0.0/16'],
  },
  {
    name: 'the longest of IPv6 that covers',
    query: { prefix: '2001:db8:1::9/128', match: 'longest' },
    expect: ['2001:db8:1::/48'],
  },
  { name: 'by community', query: { community: 7 }, expect: ['10.1.2.0/24'] },
  { name: 'by AS path', query: { asPath: '^65002$' }, expect: ['0.0.0.0/0', '2001:db8:1::/48'] },
] as const) {
  test(`finds ${name}, also by pages`, () => {
    const { prefix: text, ...others } = { prefix: undefined, ...query }
    const asked: RouteQuery = text === undefined ? others : { ...others, prefix: prefix(text) }
    assert.deepEqual(
      queryRoutes(nested, 'locRib', asked, names).map((entry) => entry.prefix),
      expect,
    )
    const found: string[] = []
    for (let cursor: number | undefined = 0; cursor !== undefined;) {
      const page = queryPage(nested, 'locRib', asked, names, cursor, 1)
      found.push(...page.entries.map((entry) => entry.prefix))
      cursor = page.next
    }
    assert.deepEqual(found.toSorted(), [...expect].toSorted())
  })
}

test('says which step made a path the best, and which one parted another from it', () => {
  const rib = ribWith({
    1: { '10.0.0.0/8': { origin: 'egp' } },
    2: { '10.0.0.0/8': {} },
    3: { '10.0.0.0/8': { asPath: [{ kind: 'sequence', asns: [65003, 65003] }] } },
  })
  const why = queryRoutes(rib, 'adjRibIn', {}, names).map((entry) => [entry.peer, entry.best, entry.why])
  assert.deepEqual(why, [
    ['a', false, 'origin'],
    ['b', true, 'origin'],
    ['c', false, 'asPathLength'],
  ])
})

test('shows all paths that count as used, weighed by link bandwidth when all say one', () => {
  const fast = { extendedCommunities: [linkBandwidthCommunity(65001, 3000)] }
  const slow = { extendedCommunities: [linkBandwidthCommunity(65001, 1000)] }
  const rib = ribWith({
    1: { '10.0.0.0/8': fast, '10.1.0.0/16': fast, '2001:db8::/32': {} },
    2: { '10.0.0.0/8': slow, '10.1.0.0/16': {}, '2001:db8::/32': { origin: 'egp' } },
    3: { '10.0.0.0/8': slow },
  })
  const shown = () =>
    queryRoutes(rib, 'locRib', {}, names).map(({ prefix, peer, best, share }) => [prefix, peer, best, share])
  assert.deepEqual(shown(), [
    ['10.0.0.0/8', 'a', true, undefined],
    ['10.1.0.0/16', 'a', true, undefined],
    ['2001:db8::/32', 'a', true, undefined],
  ])
  rib.maxPaths = { external: 2, internal: 1 }
  assert.deepEqual(shown(), [
    ['10.0.0.0/8', 'a', true, 3000],
    ['10.0.0.0/8', 'b', false, 1000],
    ['10.1.0.0/16', 'a', true, 1],
    ['10.1.0.0/16', 'b', false, 1],
    ['2001:db8::/32', 'a', true, undefined],
  ])
})
