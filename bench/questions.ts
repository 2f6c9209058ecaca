/**
 * How long questions about a full table hold up the rest: `npm run bench -- questions [routes]`. Two neighbours have said the
 * same prefixes, twenty others a hundredth of them. Questions about one prefix are asked of a thousand prefixes, half of which are not
 * there; what is answered in pages is asked to the end, as the API asks it.
 */
import { Pace } from '#api/pace.ts'
import { pageRows } from '#api/speaker-backend.ts'
import { Prng } from '#core/lib/prng.ts'
import type { RouteFilter, RouteTable } from '#core/bgp/io.ts'
import type { Bgp } from '#core/bgp/bgp.ts'
import type { Family } from '#core/bgp/family.ts'
import { prefixOf, type Prefix } from '#core/net/prefix.ts'
import { addressFromBytes } from '#core/net/address.ts'
import { writeSection } from './report.ts'
import { chunksOf, Driver } from './rib-driver.ts'

const asked = 1000
/** Neighbours that say the whole table, and those that say a hundredth part of it. */
const whole = 2
const partial = 20

interface Row {
  question: string
  /** Routes found, on average or in all. */
  found: number
  /** Of each call, in order. */
  times: number[]
}

/** `routes`: prefixes of each family. */
export function run(routes: number): void {
  const lines: string[] = []
  for (const family of ['ipv4/unicast', 'ipv6/unicast'] as const) {
    const speaker = new Driver(1, whole + partial)
    for (let peer = 1; peer <= whole + partial; peer++) speaker.up(peer)
    for (let peer = 1; peer <= whole + partial; peer++)
      speaker.feed(peer, chunksOf(family, peer <= whole ? routes : routes / 100, peer, 'announce'))
    const { bgp } = speaker
    const { prefixes } = bgp.tableSizes()
    const rows = [...lookUps(bgp, family), ...walks(bgp, family)]
    lines.push(`**${family}**, ${prefixes} prefixes`, '', ...table(rows), '')
  }
  if (routes >= 1_000_000) writeSection('questions', lines)
  else console.log(lines.join('\n'))
}

/** Questions about one prefix. */
function lookUps(bgp: Bgp, family: Family): Row[] {
  const random = new Prng(9)
  const known = someOf(bgp, family)
  const rows: Row[] = []
  for (const match of ['exact', 'longest', 'covering'] as const)
    for (const table of ['locRib', 'adjRibIn', 'adjRibOut'] as const) {
      let found = 0
      const pace = new Pace()
      const times: number[] = []
      for (let i = 0; i < asked; i++) {
        const prefix = i % 2 === 0 ? random.pick(known) : anyOf(random, family)
        const pages = pageThrough(bgp, pace, table, { family, prefix, match })
        found += pages.found
        times.push(...pages.times)
      }
      rows.push({ question: `${match}, ${table}`, found: found / asked, times })
    }
  return rows
}

/** Questions about many routes. */
function walks(bgp: Bgp, family: Family): Row[] {
  const [all, some, few] =
    family === 'ipv4/unicast'
      ? (['0.0.0.0/0', '96.0.0.0/8', '10.1.0.0/16'] as const)
      : (['::/0', '6000::/8', 'a01::/16'] as const)
  const filters: [string, RouteFilter, RouteTable?][] = [
    // All that is sent to all neighbours is many times as much.
    [`longer than ${all}`, { prefix: all as Prefix, match: 'longer' }, 'locRib'],
    [`longer than ${all}`, { prefix: all as Prefix, match: 'longer' }, 'adjRibIn'],
    [`longer than ${some}`, { prefix: some as Prefix, match: 'longer' }],
    [`longer than ${few}`, { prefix: few as Prefix, match: 'longer' }],
    ['of one neighbour', { peer: 'peer 1' }],
    ['of one that said a hundredth', { peer: 'peer 9' }],
    ['a community that some have', { community: communityOf(bgp, family) }],
    ['a community that none has', { community: 7 }],
    ['an AS path that few have', { asPath: '_65002_.*77$' }],
    ['all', {}, 'locRib'],
    ['all', {}, 'adjRibIn'],
  ]
  return filters.flatMap(([name, filter, only]) =>
    (only === undefined ? (['locRib', 'adjRibIn', 'adjRibOut'] as const) : [only]).map((table): Row => {
      const { found, times } = pageThrough(bgp, new Pace(), table, { family, ...filter })
      return { question: `${name}, ${table}`, found, times }
    }),
  )
}

function pageThrough(bgp: Bgp, pace: Pace, table: RouteTable, filter: RouteFilter) {
  const times: number[] = []
  let found = 0
  for (let cursor: number | undefined = 0; cursor !== undefined;) {
    const from: number = cursor
    const start = performance.now()
    const page = pace.timed((effort) =>
      bgp.routePage(table, filter, from, Math.ceil(effort * pageRows), effort),
    )
    times.push(performance.now() - start)
    found += page.entries.length
    cursor = page.next
  }
  return { found, times }
}

function someOf(bgp: Bgp, family: Family): Prefix[] {
  const found: Prefix[] = []
  for (let cursor: number | undefined = 0; cursor !== undefined && found.length < 20_000;) {
    const page: { entries: { prefix: Prefix }[]; next?: number } = bgp.routePage(
      'locRib',
      { family },
      cursor,
      100,
    )
    found.push(...page.entries.map(({ prefix }) => prefix))
    cursor = page.next
  }
  return found
}

function communityOf(bgp: Bgp, family: Family): number {
  const { entries } = bgp.routePage('locRib', { family }, 0, 100)
  return entries.flatMap(({ attributes: { communities = [] } }) => communities)[0]!
}

function anyOf(random: Prng, family: Family): Prefix {
  const bytes = Uint8Array.from({ length: family === 'ipv4/unicast' ? 4 : 16 }, (_, i) =>
    random.below(i === 0 ? 220 : 256),
  )
  return prefixOf(addressFromBytes(bytes), 8 * bytes.length)
}

function table(rows: readonly Row[]): string[] {
  return [
    '| question | routes found | pages | p50 ms | p99 ms | longest ms | in all s |',
    '|---|---|---|---|---|---|---|',
    ...rows.map(({ question, found, times }) => {
      const sorted = times.toSorted((a, b) => a - b)
      const at = (share: number) => sorted[Math.floor(share * (sorted.length - 1))]!.toFixed(2)
      const all = (times.reduce((sum, each) => sum + each, 0) / 1000).toFixed(2)
      const many = Number.isInteger(found) ? String(found) : found.toFixed(1)
      return `| ${question} | ${many} | ${times.length} | ${at(0.5)} | ${at(0.99)} | ${at(1)} | ${all} |`
    }),
  ]
}
