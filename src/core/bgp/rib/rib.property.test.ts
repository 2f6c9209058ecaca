import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { address, type Address } from '#core/net/address.ts'
import { prefix, type Prefix } from '#core/net/prefix.ts'
import type { PathAttributes } from '../attributes.ts'
import type { OriginatedAttributes } from '../config.ts'
import { families, familyOfPrefix, type Family } from '../family.ts'
import type { RouteEntry, RouteTable, WithheldFilter, WithheldPage } from '../io.ts'
import type { CompiledChain } from '../policy/chain.ts'
import type { PrefixTest } from '../policy/outcome.ts'
import { decodeAttributes, encodeAttributes } from '../wire/attributes.ts'
import { Framer } from '../wire/framer.ts'
import type { Update } from '../wire/message.ts'
import { encodePaths, encodePrefix, nlriPaths } from '../wire/nlri.ts'
import { decodeMessage } from '../wire/wire.ts'
import { withheldPage } from './explain.ts'
import { queryPage, queryRoutes } from './query.ts'
import { referenceAdjRibOut, referenceImport, referenceLocRib, type ReferenceRib } from './rib.reference.ts'
import { segmentSize } from './column.ts'
import { Rib, type NeighbourSession } from './rib.ts'
import type { RibSink } from './update-groups.ts'

const prefixes = [
  '0.0.0.0/0',
  '10.0.0.0/8',
  '10.0.0.0/9',
  '192.0.2.1/32',
  '::/0',
  '2001:db8::/32',
  '2001:db8::1/128',
].map(prefix)

/** Neighbours of all kinds; AS 65002 twice, so that MED counts, two sessions to one router, and two that get the same. */
const neighbours = [
  { asn: 65002, routerId: '10.9.0.4', address: '192.0.2.2' },
  { asn: 65002, routerId: '10.9.0.3', address: '192.0.2.3' },
  { asn: 65003, routerId: '10.9.0.2', address: '192.0.2.4' },
  { asn: 65003, routerId: '10.9.0.2', address: '2001:db8:f::4' },
  { asn: 65001, routerId: '10.9.0.1', address: '192.0.2.5' },
  { asn: 65001, routerId: '10.9.0.5', address: '2001:db8:f::5' },
  { asn: 65004, routerId: '10.9.0.6', address: '192.0.2.6' },
  { asn: 65005, routerId: '10.9.0.7', address: '192.0.2.7' },
].map((each) => ({ asn: each.asn, routerId: address(each.routerId), address: address(each.address) }))

const localAsn = 65001

function sessionOf(index: number, otherVersion: boolean, otherRouter: boolean): NeighbourSession {
  const neighbour = otherRouter
    ? { ...neighbours[index]!, routerId: address(`10.8.0.${9 - index}`) }
    : neighbours[index]!
  const [v4, v6] = [address('192.0.2.1'), address('2001:db8:f::1')]
  const is6 = neighbour.address.includes(':')
  const localAddress = is6 ? v6 : v4
  const other = otherVersion ? { localAddressOtherVersion: is6 ? v4 : v6 } : {}
  const kind = neighbour.asn === localAsn ? 'internal' : 'external'
  const from = { ...neighbour, kind, name: `peer ${index}` } as const
  const clusterId = address('10.9.0.9')
  return {
    from,
    source: {
      from,
      localAsn,
      localRouterId: clusterId,
      clusterId,
      localAddress,
      ...other,
      importRoutes: true,
      enforceFirstAs: false,
      honourGracefulShutdown: true,
      aigp: false,
    },
    target: {
      kind,
      address: neighbour.address,
      asn: neighbour.asn,
      localAsn,
      clusterId,
      localAddress,
      ...other,
      extendedNextHop: [],
    },
    families,
    // Some are told in two octets (RFC 6793), some take little at a time or several paths (RFC 7911).
    fourOctetAsn: index !== 2,
    maxLength: 4096,
    ...(takesSeveral.includes(index) ? { addPathSend: { 'ipv4/unicast': 2, 'ipv6/unicast': 3 } } : {}),
    enhancedRouteRefresh: index === 0,
  }
}

/** Take several paths per prefix (RFC 7911); the first and the last of them get the same. */
const takesSeveral = [1, 5, 6]

/** Sends several paths per prefix (RFC 7911). */
const severalFrom = 4

const shortOnes: PrefixTest = { matches: (nlri, at) => nlri[at]! <= 9, rpki: false }
const from65004: PrefixTest = { matches: (_nlri, _at, originAsn) => originAsn === 65004, rpki: true }

/** Policies of every form that an outcome has. */
const chains: (CompiledChain | undefined)[] = [
  undefined,
  chainOf('prefer', (attributes, finish) => finish({ attributes: { ...attributes, localPref: 150 } })),
  chainOf('not short', (attributes, finish) => ({
    kind: 'choice',
    test: shortOnes,
    yes: () => ({ kind: 'reject', reason: 'short' }),
    no: () => finish({ attributes }),
  })),
  chainOf('mark by origin, weigh short ones', (attributes, finish) => ({
    kind: 'choice',
    test: from65004,
    yes: () => finish({ attributes: { ...attributes, communities: [6500107] } }),
    no: () => ({
      kind: 'choice',
      test: shortOnes,
      yes: () => finish({ attributes: { ...attributes, weight: 5, med: 1 } }),
      no: () => finish({ attributes }),
    }),
  })),
  chainOf('nothing', () => ({ kind: 'reject', reason: 'nothing' })),
]

function chainOf(
  key: string,
  decide: (
    attributes: PathAttributes,
    finish: Parameters<CompiledChain['decide']>[2],
  ) => ReturnType<CompiledChain['decide']>,
): CompiledChain {
  return {
    key,
    readsNeighbour: false,
    readsSource: false,
    writesNeighbour: false,
    decide: (_route, attributes, finish) => decide(attributes, finish),
  }
}

type BlockAttributes = Omit<PathAttributes, 'nextHop'>

type Event =
  | { kind: 'announce'; peer: number; prefixes: number[]; pathId: number; attributes: BlockAttributes }
  | { kind: 'withdraw'; peer: number; prefixes: number[]; pathId: number }
  | { kind: 'down'; peer: number; kept: Family[]; older: Family[] }
  | { kind: 'refresh' | 'markStale'; peer: number }
  | { kind: 'sweep' | 'longLived'; peer: number }
  | { kind: 'congested'; peer: number; congested: boolean }
  | { kind: 'up'; peer: number; otherVersion: boolean; otherRouter: boolean }
  | { kind: 'policy'; peer: number; importRoutes: boolean; exportLearned: boolean }
  | { kind: 'chains'; peer: number; import: number; export: number }
  | { kind: 'own'; prefix: number; to: { peer: number; attributes: OriginatedAttributes }[] }
  | { kind: 'deferred'; deferred: boolean }
  | { kind: 'run'; times: number }
  | { kind: 'settle' }

const peer = fc.nat({ max: neighbours.length - 1 })
const pathId = fc.constantFrom(0, 1, 7)
const somePrefixes = fc.uniqueArray(fc.nat({ max: prefixes.length - 1 }), { minLength: 1, maxLength: 3 })
const asPath = fc
  .array(
    fc.record({
      kind: fc.constantFrom('sequence' as const, 'sequence' as const, 'set' as const),
      asns: fc.array(fc.constantFrom(65002, 65003, 65004, 65001, 4200000001), { minLength: 1, maxLength: 2 }),
    }),
    { maxLength: 2 },
  )
  .map((path) => path.map((segment) => ({ ...segment })))
const communities = fc.constantFrom(undefined, [0xffffff01], [0xffffff02], [0xffff0007], [6500100])
const anyAttributes = fc
  .record({
    origin: fc.constantFrom('igp' as const, 'igp' as const, 'egp' as const, 'incomplete' as const),
    asPath,
    med: fc.constantFrom(undefined, 0, 1, 2),
    localPref: fc.constantFrom(undefined, undefined, 50, 200),
    communities,
  })
  .map((each) => withoutUndefined(each) as BlockAttributes)
/** Often the same again, as by who comes back. */
const attributes = fc.oneof(
  anyAttributes,
  fc.constant<BlockAttributes>({ origin: 'igp', asPath: [{ kind: 'sequence', asns: [65002] }] }),
)
const originated = fc
  .record({
    med: fc.constantFrom(undefined, 7),
    localPref: fc.constantFrom(undefined, 300),
    communities: fc.constantFrom(undefined, [0xffffff01]),
    nextHop: fc.constantFrom(undefined, undefined, address('192.0.2.2'), address('2001:db8:f::9')),
  })
  .map((each): OriginatedAttributes => withoutUndefined(each))
const event: fc.Arbitrary<Event> = fc.oneof(
  {
    weight: 12,
    arbitrary: fc.record({ kind: fc.constant('announce'), peer, prefixes: somePrefixes, pathId, attributes }),
  },
  {
    weight: 4,
    arbitrary: fc.record({ kind: fc.constant('withdraw'), peer, prefixes: somePrefixes, pathId }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant('down'),
      peer,
      kept: fc.subarray([...families]),
      older: fc.subarray([...families]),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constantFrom(
        'refresh' as const,
        'refresh' as const,
        'sweep' as const,
        'longLived' as const,
        'markStale' as const,
      ),
      peer,
    }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('congested'), peer, congested: fc.boolean() }) },
  {
    weight: 5,
    arbitrary: fc.record({
      kind: fc.constant('up'),
      peer,
      otherVersion: fc.boolean(),
      otherRouter: fc.boolean(),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant('policy'),
      peer,
      importRoutes: fc.boolean(),
      exportLearned: fc.boolean(),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant('chains'),
      peer,
      import: fc.nat({ max: chains.length - 1 }),
      export: fc.nat({ max: chains.length - 1 }),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant('own'),
      prefix: fc.nat({ max: prefixes.length - 1 }),
      to: fc.uniqueArray(fc.record({ peer, attributes: originated }), {
        selector: (to) => to.peer,
        maxLength: 3,
      }),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('deferred'), deferred: fc.boolean() }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('run'), times: fc.constantFrom(1, 2, 5) }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('settle') }) },
)

for (const sliceSize of [1, 3, 1000])
  test(`any order of events leads to the tables that the reference computes from their sum, in slices of ${sliceSize}`, () => {
    fc.assert(
      fc.property(fc.array(event, { minLength: 30, maxLength: 120, size: 'max' }), (events) =>
        run(events, sliceSize),
      ),
      { numRuns: 250 },
    )
  })

interface Told {
  session: NeighbourSession | undefined
  /** By prefix and path identifier. */
  table: Map<string, { prefix: Prefix; attributes: PathAttributes }>
  endsOfRib: Set<Family>
  borders: ('begin' | 'end')[]
  congested: boolean
}

/** Plays the events on the RIB and on the reference, and keeps what each neighbour was told, as it would. */
function run(events: Event[], sliceSize: number): void {
  const rib = new Rib({ seed: 1, sliceSize })
  const model: ReferenceRib = { neighbours: new Map(), own: new Map() }
  const told = new Map<number, Told>()
  const longLived = new Map<number, Set<Family>>()
  let deferred = false
  const sink: RibSink = {
    send(slot, bytes, messages) {
      learn(told.get(slot)!, bytes, messages)
    },
    refreshBorder(slot, _family, role) {
      assert.equal(told.get(slot)!.session?.enhancedRouteRefresh, true)
      told.get(slot)!.borders.push(role)
    },
    bestChanged() {},
  }
  const settle = () => {
    for (let i = 0; rib.nextRunAt() < Infinity || i === 0; i++) {
      assert.ok(i < 10_000, 'the RIB comes to rest')
      rib.run(0, sink)
    }
  }
  const slots = neighbours.map(() => {
    const policy = { importRoutes: true, exportLearned: true }
    const slot = rib.addNeighbour(policy)
    model.neighbours.set(slot, { policy, sent: [] })
    told.set(slot, {
      session: undefined,
      table: new Map(),
      endsOfRib: new Set(),
      borders: [],
      congested: false,
    })
    return slot
  })
  const current = neighbours.map(() => ({ otherVersion: false, otherRouter: false, import: 0, export: 0 }))
  const sessionNow = (index: number): NeighbourSession => {
    const session = sessionOf(index, current[index]!.otherVersion, current[index]!.otherRouter)
    const [incoming, outgoing] = [chains[current[index]!.import], chains[current[index]!.export]]
    if (incoming !== undefined) session.source.policy = incoming
    if (outgoing !== undefined) session.target.policy = outgoing
    return session
  }
  for (const each of [
    ...events,
    { kind: 'deferred', deferred: false } as const,
    { kind: 'settle' } as const,
  ]) {
    if (each.kind === 'run') {
      for (let i = 0; i < each.times; i++) rib.run(0, sink, 1 / (1 + i))
      continue
    }
    if (each.kind === 'settle') {
      for (const [slot, state] of told) {
        state.congested = false
        rib.setCongested(slot, false)
      }
      settle()
      if (!deferred) compare(rib, model, told)
      continue
    }
    if (each.kind === 'deferred') {
      deferred = each.deferred
      rib.setDeferred(deferred)
      continue
    }
    if (each.kind === 'own') {
      const to = each.to.map((target) => ({ slot: slots[target.peer]!, attributes: target.attributes }))
      if (to.length === 0) model.own.delete(prefixes[each.prefix]!)
      else
        model.own.set(prefixes[each.prefix]!, new Map(to.map(({ slot, attributes }) => [slot, attributes])))
      const routes = [...model.own].map(([prefix, targets]) => ({
        prefix,
        attributes: targets.values().next().value ?? {},
        to: [...targets].map(([slot, attributes]) => ({ slot, attributes })),
      }))
      // One of them may have come when the others had theirs.
      const late = each.to.at(-1)
      const slot = late === undefined ? 0 : slots[late.peer]!
      const others = routes.map(({ to, ...route }) => ({
        ...route,
        to: to.filter((one) => one.slot !== slot),
      }))
      rib.setOwnRoutes(others, 0)
      const own = [...model.own].flatMap(([prefix, targets]) => {
        const attributes = targets.get(slot)
        return attributes === undefined ? [] : { prefix, attributes }
      })
      if (slot > 0) rib.addOwnRoutesFor(slot, own, 0)
      continue
    }
    const slot = slots[each.peer]!
    const neighbour = model.neighbours.get(slot)!
    const state = told.get(slot)!
    if (each.kind === 'policy') {
      neighbour.policy = { importRoutes: each.importRoutes, exportLearned: each.exportLearned }
      rib.setPolicy(slot, neighbour.policy)
    } else if (each.kind === 'chains') {
      current[each.peer]!.import = each.import
      current[each.peer]!.export = each.export
      if (neighbour.session === undefined) continue
      neighbour.session = neighbour.learned = sessionNow(each.peer)
      rib.changeSession(slot, neighbour.session)
    } else if (each.kind === 'up') {
      if (neighbour.session !== undefined) continue
      current[each.peer]!.otherVersion = each.otherVersion
      // What another router left does not stay.
      if (current[each.peer]!.otherRouter !== each.otherRouter)
        neighbour.sent = neighbour.sent.filter(({ stale }) => !stale)
      current[each.peer]!.otherRouter = each.otherRouter
      neighbour.session = neighbour.learned = sessionNow(each.peer)
      state.session = neighbour.session
      rib.sessionUp(slot, neighbour.session)
    } else if (each.kind === 'sweep') {
      for (const family of families) rib.sweepStale(slot, family)
      neighbour.sent = neighbour.sent.filter(({ stale }) => !stale)
    } else if (each.kind === 'longLived') {
      for (const family of families) rib.toLongLived(slot, family)
      neighbour.sent = neighbour.sent.filter(
        ({ stale, attributes: { communities } }) => !stale || communities?.includes(0xffff0007) !== true,
      )
      for (const path of neighbour.sent) if (path.stale) path.longLived = true
      longLived.set(slot, new Set(families))
    } else if (neighbour.session === undefined) continue
    else if (each.kind === 'down') {
      delete neighbour.session
      const older = each.kept.filter((family) => each.older.includes(family))
      const marked = new Set(older.filter((family) => longLived.get(slot)?.has(family)))
      longLived.set(slot, marked)
      neighbour.sent = neighbour.sent.filter(({ prefix, stale, attributes: { communities } }) => {
        const family = familyOfPrefix(prefix)
        if (marked.has(family) && communities?.includes(0xffff0007) === true) return false
        return older.includes(family) || (!stale && each.kept.includes(family))
      })
      for (const path of neighbour.sent) {
        path.stale = true
        path.longLived = marked.has(familyOfPrefix(path.prefix))
      }
      Object.assign(state, {
        session: undefined,
        table: new Map(),
        endsOfRib: new Set(),
        borders: [],
        congested: false,
      })
      rib.sessionDown(slot, each.kept, each.older)
    } else if (each.kind === 'markStale') {
      neighbour.sent = neighbour.sent.filter(({ stale }) => !stale)
      for (const path of neighbour.sent) path.stale = true
      longLived.delete(slot)
      for (const family of families) rib.markStale(slot, family)
    } else if (each.kind === 'refresh') {
      for (const family of families) rib.refresh(slot, family)
    } else if (each.kind === 'congested') {
      state.congested = each.congested
      rib.setCongested(slot, each.congested)
    } else if (each.kind === 'announce' || each.kind === 'withdraw') {
      const pathId = each.peer === severalFrom ? each.pathId : 0
      const said = each.prefixes.map((i) => prefixes[i]!)
      neighbour.sent = neighbour.sent.filter((path) => path.pathId !== pathId || !said.includes(path.prefix))
      for (const family of families) {
        const mine = said.filter((p) => familyOfPrefix(p) === family)
        if (mine.length === 0) continue
        const nextHop = nextHopOf(neighbour.session.from.address, family)
        const block = { family, ...wireForm(mine, each.peer === severalFrom ? pathId : undefined) }
        if (each.kind === 'withdraw') {
          rib.receive(slot, { ...empty, withdrawn: [block] }, 0)
          continue
        }
        const announced = [{ ...block, nextHop: { global: nextHop } }]
        const canonical = encodeAttributes({ ...each.attributes, nextHop })
        rib.receive(slot, { ...empty, announced, attributes: canonical }, 0)
        for (const prefix of mine)
          neighbour.sent.push({
            prefix,
            pathId,
            attributes: { ...each.attributes, nextHop },
            stale: false,
            longLived: false,
          })
      }
    }
  }
  for (const slot of slots) rib.removeNeighbour(slot)
  rib.setOwnRoutes([], 0)
  settle()
  for (const family of families) {
    assert.equal(rib.tables[family].prefixes.size, 0, 'no prefix leaks')
    assert.ok(rib.tables[family].prefixes.top <= segmentSize, 'memory is given back, but for one segment')
  }
  assert.equal(rib.store.size, 0, 'no attribute set leaks')
}

/** What a neighbour makes of messages. A withdrawal of what it does not have is a fault of the sender. */
function learn({ session, table, endsOfRib }: Told, bytes: Uint8Array, messages: number): void {
  assert.ok(session !== undefined, 'nobody is told after the end of the session')
  const framer = new Framer()
  framer.push(bytes)
  const context = {
    fourOctetAsn: session.fourOctetAsn,
    kind: 'ibgp',
    families,
    extendedNextHop: families,
    addPathReceive: families.filter((family) => session.addPathSend?.[family] !== undefined),
  } as const
  let count = 0
  while (framer.advance()) {
    count++
    const decoded = decodeMessage(framer.bytes.subarray(framer.start, framer.end), context)
    assert.ok(decoded.ok && decoded.value.kind === 'update')
    const update = decoded.value
    assert.deepEqual(update.faults, [])
    for (const family of update.endOfRib) endsOfRib.add(family)
    for (const block of update.withdrawn)
      for (const { prefix, pathId } of nlriPaths(block))
        assert.ok(table.delete(`${prefix} ${pathId}`), `${prefix} was announced before`)
    for (const block of update.announced)
      for (const { prefix, pathId } of nlriPaths(block))
        table.set(`${prefix} ${pathId}`, {
          prefix,
          attributes: decodeAttributes(update.attributes, block.nextHop),
        })
  }
  assert.equal(count, messages)
}

function compare(rib: Rib, model: ReferenceRib, told: Map<number, Told>): void {
  const names = new Map([...told.keys()].map((slot) => [slot, String(slot)]))
  const query = (table: RouteTable, slot?: number) => {
    const all = queryRoutes(rib, table, slot === undefined ? {} : { slot }, names)
    assert.deepEqual(paged(rib, table, slot, names).toSorted(byKey), all.toSorted(byKey))
    return all
  }
  const expected = referenceLocRib(model)
  assert.deepEqual(
    new Map(query('locRib').map((route) => [route.prefix, [route.peer ?? '0', route.attributes]])),
    new Map([...expected].map(([prefix, [best]]) => [prefix, [String(best!.slot), best!.attributes]])),
  )
  for (const [slot, { session, table, endsOfRib, borders }] of told) {
    const out = referenceAdjRibOut(model, slot)
    assert.deepEqual(byPrefix([...table.values()]), plain(out), `what ${slot} was told`)
    assert.deepEqual(byPrefix(query('adjRibOut', slot)), plain(out))
    if (session !== undefined) assert.deepEqual([...endsOfRib].toSorted(), [...families])
    assert.equal(
      borders.filter((role) => role === 'begin').length,
      borders.filter((role) => role === 'end').length,
    )
    const withheld = withheldFrom(rib, slot, 'all')
    for (const entry of withheld) {
      assert.equal(out.has(entry.prefix), false)
      const filter = { of: 'all', prefix: entry.prefix } as const
      assert.deepEqual(withheldPage(rib, slot, filter, 0), { entries: [entry] })
    }
    assert.deepEqual(
      withheldFrom(rib, slot, 'own'),
      withheld.filter(({ prefix }) => model.own.get(prefix)?.has(slot) === true),
    )
    const neighbour = model.neighbours.get(slot)!
    const { sent } = neighbour
    const received = query('adjRibIn', slot)
    assert.deepEqual(
      received
        .map(({ prefix, pathId = 0, stale = false, attributes, received: raw, rejected }) => ({
          prefix,
          pathId,
          stale,
          attributes: raw ?? attributes,
          made: rejected === undefined ? attributes : undefined,
        }))
        .toSorted(byPath),
      sent
        .map((path) => {
          const { prefix, pathId, stale, attributes } = path
          return { prefix, pathId, stale, attributes, made: referenceImport(neighbour, path) }
        })
        .toSorted(byPath),
    )
    for (const route of received) {
      assert.equal(route.rejected === undefined, route.why !== undefined)
      if (route.why === 'only') assert.ok(route.best)
    }
    const accepted = received.filter((route) => route.rejected === undefined)
    assert.equal(query('accepted', slot).length, accepted.length)
    for (const family of families) {
      const counts = rib.tables[family].peers[slot]!
      const ofFamily = ({ prefix }: { prefix: Prefix }) => familyOfPrefix(prefix) === family
      assert.equal(counts.advertised, [...table.values()].filter(ofFamily).length, `advertised to ${slot}`)
      assert.equal(counts.received, sent.filter(ofFamily).length)
      assert.equal(counts.stale, sent.filter((path) => path.stale && ofFamily(path)).length)
      assert.equal(counts.accepted, accepted.filter(ofFamily).length)
    }
  }
}

function paged(
  rib: Rib,
  table: RouteTable,
  slot: number | undefined,
  names: Map<number, string>,
): RouteEntry[] {
  const found: RouteEntry[] = []
  for (let cursor: number | undefined = 0; cursor !== undefined;) {
    const page = queryPage(rib, table, slot === undefined ? {} : { slot }, names, cursor, 2, 0.001)
    found.push(...page.entries)
    cursor = page.next
  }
  return found
}

/** Page by page, with little on each. */
function withheldFrom(rib: Rib, slot: number, of: WithheldFilter['of']): WithheldPage['entries'] {
  const found: WithheldPage['entries'] = []
  for (let cursor: number | undefined = 0; cursor !== undefined;) {
    const page: WithheldPage = withheldPage(rib, slot, { of }, cursor, 0.0001)
    found.push(...page.entries)
    cursor = page.next
  }
  return found
}

function byPath(a: { prefix: Prefix; pathId: number }, b: { prefix: Prefix; pathId: number }): number {
  return byKey([a.prefix, a.pathId], [b.prefix, b.pathId])
}

function byKey(a: object, b: object): number {
  const [x, y] = [JSON.stringify(a), JSON.stringify(b)]
  return x < y ? -1 : x > y ? 1 : 0
}

function byPrefix(
  routes: readonly { prefix: Prefix; attributes: PathAttributes }[],
): Record<string, unknown[]> {
  const found: Record<string, PathAttributes[]> = {}
  for (const { prefix, attributes } of routes) (found[prefix] ??= []).push(attributes)
  return sorted(found)
}

function plain(tables: Map<Prefix, PathAttributes[]>): Record<string, unknown[]> {
  return sorted(Object.fromEntries(tables))
}

function sorted(tables: Record<string, PathAttributes[]>): Record<string, unknown[]> {
  const entries = Object.entries(tables).toSorted(([a], [b]) => (a < b ? -1 : 1))
  return Object.fromEntries(
    entries.map(([prefix, all]) => [
      prefix,
      all
        .map((attributes) => decodeAttributes(encodeAttributes(attributes), nextHopIn(attributes)))
        .toSorted(byKey),
    ]),
  )
}

function nextHopIn({ nextHop: global }: PathAttributes): { global: Address } {
  return { global }
}

const empty: Update = {
  kind: 'update',
  withdrawn: [],
  announced: [],
  attributes: new Uint8Array(0),
  endOfRib: [],
  faults: [],
}

/** `pathId`: undefined where there are none. */
function wireForm(prefixes: Prefix[], pathId: number | undefined): { nlri: Uint8Array; pathIds?: true } {
  if (pathId !== undefined)
    return { nlri: encodePaths(prefixes.map((prefix) => ({ pathId, prefix }))), pathIds: true }
  return { nlri: Uint8Array.from(prefixes.flatMap((prefix) => [...encodePrefix(prefix)])) }
}

function nextHopOf(neighbour: Address, family: Family): Address {
  if (neighbour.includes(':') === (family === 'ipv6/unicast')) return neighbour
  return address(family === 'ipv4/unicast' ? '198.51.100.9' : '2001:db8:f::99')
}

function withoutUndefined(value: object): object {
  return Object.fromEntries(Object.entries(value).filter(([, each]) => each !== undefined))
}
