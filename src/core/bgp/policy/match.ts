/** The conditions of a statement, made ready: what a set of attributes and a neighbour decide, and what prefixes must. */
import { covers, type Prefix } from '#core/net/prefix.ts'
import type { Address } from '#core/net/address.ts'
import type { PathAttributes } from '../attributes.ts'
import { families, type Family } from '../family.ts'
import { defaultLocalPref } from '../rib/attribute-store.ts'
import { pathLength } from '../wire/as-path.ts'
import { compileAsPathSet } from './as-path-set.ts'
import type { PolicyRoute } from './chain.ts'
import { compileCommunitySet, extendedKind, largeKind, standardKind } from './community-set.ts'
import type { PrefixTest } from './outcome.ts'
import type { PrefixSetTest } from './prefix-set.ts'
import type { Comparison, PolicyMatch, PrefixEntry } from './policy.ts'

/** Gives the one test object for tests that are the same. */
export interface TestPool {
  /** Undefined: no entry is of this family. */
  prefixes(family: Family, entries: readonly PrefixEntry[]): PrefixSetTest | undefined
  rpki(family: Family, states: NonNullable<PolicyMatch['rpki']>): PrefixTest
}

export interface CompiledMatch {
  /** What attributes and neighbours decide. */
  holds(route: PolicyRoute, attributes: PathAttributes): boolean
  /** What the prefix must pass beside that, in order; `never`: no prefix of the family does. */
  tests: Record<Family, readonly WantedTest[] | 'never'>
  readsNeighbour: boolean
  readsSource: boolean
}

/** A test and the answer that lets the statement go on. */
export interface WantedTest {
  test: PrefixTest | PrefixSetTest
  wanted: boolean
}

type Condition = (route: PolicyRoute, attributes: PathAttributes) => boolean

/** `fault` is told what is wrong and in which field. */
export function compileMatch(
  match: PolicyMatch,
  pool: TestPool,
  fault: (field: string, message: string) => void,
): CompiledMatch {
  const conditions = [
    ...routeConditions(match),
    ...valueConditions(match),
    ...setConditions(match, (field, message) => fault(`match.${field}`, message)),
  ]
  const [ipv4, ipv6] = families.map((family) => wantedTests(match, pool, family))
  return {
    holds: (route, attributes) => conditions.every((condition) => condition(route, attributes)),
    tests: { 'ipv4/unicast': ipv4!, 'ipv6/unicast': ipv6! },
    readsNeighbour: match.neighbours !== undefined || match.neighbourAsns !== undefined,
    readsSource: match.learnedFrom !== undefined,
  }
}

function wantedTests(
  { prefixes, rpki }: PolicyMatch,
  pool: TestPool,
  family: Family,
): readonly WantedTest[] | 'never' {
  const tests: WantedTest[] = []
  if (prefixes !== undefined) {
    const test = pool.prefixes(family, prefixes.entries)
    const wanted = prefixes.mode === 'any'
    if (test !== undefined) tests.push({ test, wanted })
    else if (wanted) return 'never'
  }
  if (rpki !== undefined) tests.push({ test: pool.rpki(family, rpki), wanted: true })
  return tests
}

function routeConditions(match: PolicyMatch): Condition[] {
  const conditions: Condition[] = []
  const { families: wanted, neighbours, neighbourAsns, sources, learnedFrom } = match
  if (wanted !== undefined) conditions.push(({ family }) => wanted.includes(family))
  if (neighbours !== undefined) {
    const { mode, entries } = neighbours
    conditions.push(({ neighbour }) => isWithin(entries, neighbour.address) === (mode === 'any'))
  }
  if (neighbourAsns !== undefined) conditions.push(({ neighbour }) => neighbourAsns.includes(neighbour.asn))
  // RFC 5065 §5.3: a member AS of the own confederation counts as inside.
  if (sources !== undefined)
    conditions.push(({ source }) => sources.includes(source.kind === 'confed' ? 'internal' : source.kind))
  if (learnedFrom !== undefined)
    conditions.push(({ source }) => source.kind !== 'own' && learnedFrom.includes(source.name))
  return conditions
}

function valueConditions(match: PolicyMatch): Condition[] {
  const conditions: Condition[] = []
  const compared = (comparison: Comparison | undefined, value: (attributes: PathAttributes) => number) => {
    if (comparison !== undefined) conditions.push((_, attributes) => compares(comparison, value(attributes)))
  }
  compared(match.asPathLength, ({ asPath }) => pathLength(asPath))
  compared(match.communityCount, ({ communities }) => communities?.length ?? 0)
  // RFC 4271 §9.1.2.2 c: none is the lowest.
  compared(match.med, ({ med }) => med ?? 0)
  compared(match.localPref, ({ localPref }) => localPref ?? defaultLocalPref)
  const { nextHops, origins } = match
  if (nextHops !== undefined) conditions.push((_, { nextHop }) => isWithin(nextHops, nextHop))
  if (origins !== undefined) conditions.push((_, { origin }) => origins.includes(origin))
  return conditions
}

function setConditions(match: PolicyMatch, fault: (field: string, message: string) => void): Condition[] {
  const conditions: Condition[] = []
  const { communities, largeCommunities, extendedCommunities, asPath } = match
  if (communities !== undefined) {
    const { mode, entries } = communities
    const set = compileCommunitySet(standardKind, entries, (message) => fault('communities', message))
    conditions.push((_, attributes) => set.test(mode, attributes.communities ?? []))
  }
  if (largeCommunities !== undefined) {
    const { mode, entries } = largeCommunities
    const set = compileCommunitySet(largeKind, entries, (message) => fault('largeCommunities', message))
    conditions.push((_, attributes) => set.test(mode, attributes.largeCommunities ?? []))
  }
  if (extendedCommunities !== undefined) {
    const { mode, entries } = extendedCommunities
    const set = compileCommunitySet(extendedKind, entries, (message) => fault('extendedCommunities', message))
    conditions.push((_, attributes) =>
      set.test(mode, [
        ...(attributes.extendedCommunities ?? []),
        ...(attributes.ipv6ExtendedCommunities ?? []),
      ]),
    )
  }
  if (asPath !== undefined) {
    const { mode, entries } = asPath
    const test = compileAsPathSet(entries, (message) => fault('asPath', message))
    conditions.push(({ ownAsn }, attributes) => test(mode, attributes.asPath, ownAsn))
  }
  return conditions
}

function isWithin(prefixes: readonly Prefix[], address: Address): boolean {
  return prefixes.some((prefix) => covers(prefix, address))
}

function compares({ operator, value: bound }: Comparison, value: number): boolean {
  if (operator === 'eq') return value === bound
  return operator === 'ge' ? value >= bound : value <= bound
}
