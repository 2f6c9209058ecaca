/**
 * Policies as `policy.ts` words them, read anew for every route: slow, and the oracle of `policies.ts`. It shares no code with
 * what it checks but the texts of communities.
 */
import { communityText, largeCommunityText, parseCommunity } from '#core/net/community.ts'
import { extendedCommunityText } from '#core/net/extended-community.ts'
import { covers, lengthOf, type Prefix } from '#core/net/prefix.ts'
import type { AsPathSegment, PathAttributes } from '../attributes.ts'
import type { PolicyRoute } from './chain.ts'
import type { OriginState } from './origins.ts'
import type {
  AsPathPattern,
  CommunityPattern,
  Comparison,
  PolicyActions,
  PolicyChain,
  PolicyMatch,
  RoutePolicy,
  SetMode,
} from './policy.ts'

/** One route with its prefix. */
export interface ReferenceRoute extends PolicyRoute {
  prefix: Prefix
  rpki: OriginState
}

export type ReferenceVerdict =
  | { kind: 'accept'; attributes: PathAttributes; nextHop?: string; medSet: boolean }
  | { kind: 'reject'; policy?: string; statement?: number }

/** Every policy that the chain names must be among `policies`. */
export function decideReference(
  policies: readonly RoutePolicy[],
  chain: PolicyChain,
  route: ReferenceRoute,
  received: PathAttributes,
): ReferenceVerdict {
  const asPath = received.asPath.map(({ kind, asns }) => ({ kind, asns: [...asns] }))
  const attributes = { ...received, asPath }
  const done: Omit<Extract<ReferenceVerdict, { kind: 'accept' }>, 'kind' | 'attributes'> = { medSet: false }
  for (const name of chain.policies) {
    const { statements } = policies.find((policy) => policy.name === name)!
    for (const [index, { match, set, then }] of statements.entries()) {
      if (!matches(match, route, attributes)) continue
      if (then === 'reject') return { kind: 'reject', policy: name, statement: index + 1 }
      if (set !== undefined) {
        change(set, route, attributes)
        if (set.med !== undefined) done.medSet = set.med.kind !== 'remove'
        if (set.nextHop !== undefined) done.nextHop = set.nextHop.kind
      }
      if (then === 'accept') return { kind: 'accept', attributes, ...done }
    }
  }
  return chain.otherwise === 'accept' ? { kind: 'accept', attributes, ...done } : { kind: 'reject' }
}

function matches(match: PolicyMatch, route: ReferenceRoute, attributes: PathAttributes): boolean {
  const { prefix, neighbour, source, ownAsn } = route
  const kind = source.kind === 'confed' ? 'internal' : source.kind
  const path = attributes.asPath
  const checks: [unknown, () => boolean][] = [
    [match.families, () => match.families!.includes(route.family)],
    [match.prefixes, () => inEntries(match.prefixes!, prefix) === (match.prefixes!.mode === 'any')],
    [
      match.neighbours,
      () =>
        match.neighbours!.entries.some((each) => covers(each, neighbour.address)) ===
        (match.neighbours!.mode === 'any'),
    ],
    [match.neighbourAsns, () => match.neighbourAsns!.includes(neighbour.asn)],
    [match.communities, () => standard(match.communities!, attributes)],
    [match.largeCommunities, () => large(match.largeCommunities!, attributes)],
    [match.extendedCommunities, () => extended(match.extendedCommunities!, attributes)],
    [
      match.asPath,
      () => holds(match.asPath!.mode, match.asPath!.entries, (each) => inPath(each, path, ownAsn)),
    ],
    [match.asPathLength, () => compare(match.asPathLength!, lengthOfPath(path))],
    [match.communityCount, () => compare(match.communityCount!, attributes.communities?.length ?? 0)],
    [match.nextHops, () => match.nextHops!.some((each) => covers(each, attributes.nextHop))],
    [match.med, () => compare(match.med!, attributes.med ?? 0)],
    [match.localPref, () => compare(match.localPref!, attributes.localPref ?? 100)],
    [match.origins, () => match.origins!.includes(attributes.origin)],
    [match.sources, () => match.sources!.includes(kind)],
    [match.learnedFrom, () => 'name' in source && match.learnedFrom!.includes(source.name)],
    [match.rpki, () => match.rpki!.includes(route.rpki)],
  ]
  return checks.every(([field, check]) => field === undefined || check())
}

function inEntries({ entries }: NonNullable<PolicyMatch['prefixes']>, prefix: Prefix): boolean {
  const length = lengthOf(prefix)
  return entries.some(
    (entry) => covers(entry.prefix, prefix) && length >= entry.minLength && length <= entry.maxLength,
  )
}

function holds<T>(mode: SetMode, members: readonly T[], found: (member: T) => boolean): boolean {
  const count = members.filter(found).length
  return mode === 'any' ? count > 0 : mode === 'all' ? count === members.length : count === 0
}

function standard(
  { mode, entries }: NonNullable<PolicyMatch['communities']>,
  { communities = [] }: PathAttributes,
): boolean {
  return holds(mode, entries, (pattern) => communities.some((each) => fits(pattern, standardTexts(each))))
}

function large(
  { mode, entries }: NonNullable<PolicyMatch['largeCommunities']>,
  { largeCommunities = [] }: PathAttributes,
): boolean {
  return holds(mode, entries, (pattern) =>
    largeCommunities.some((each) => fits(pattern, [largeCommunityText(each)])),
  )
}

function extended(
  { mode, entries }: NonNullable<PolicyMatch['extendedCommunities']>,
  { extendedCommunities = [], ipv6ExtendedCommunities = [] }: PathAttributes,
): boolean {
  const all = [...extendedCommunities, ...ipv6ExtendedCommunities]
  return holds(mode, entries, (pattern) => all.some((each) => fits(pattern, extendedTexts(each))))
}

/** The form of tables first, which is also the one that texts are compared with. */
function standardTexts(community: number): string[] {
  return [communityText(community), `${Math.floor(community / 65536)}:${community % 65536}`]
}

function extendedTexts(community: string): string[] {
  return [extendedCommunityText(community), `0x${community}`]
}

function fits(pattern: CommunityPattern, texts: string[]): boolean {
  if (pattern.kind === 'regex') return texts.some((text) => new RegExp(pattern.source).test(text))
  const parsed = parseCommunity(pattern.text)
  return texts.includes(pattern.text) || (parsed.ok && texts[0] === communityText(parsed.value))
}

function inPath(pattern: AsPathPattern, path: readonly AsPathSegment[], ownAsn: number): boolean {
  const outside = path.filter(({ kind }) => kind === 'sequence' || kind === 'set')
  switch (pattern.kind) {
    case 'regex':
      return new RegExp(pattern.source.replaceAll('_', '(^|$|[ ,{}()[\\]])')).test(shown(path))
    case 'first': {
      const until = outside.findIndex(({ kind }) => kind === 'set')
      const lead = outside.slice(0, until < 0 ? undefined : until).flatMap(({ asns }) => asns)
      return lead.slice(0, pattern.asns.length).join() === pattern.asns.join()
    }
    case 'origin': {
      const last = outside.at(-1)
      if (last === undefined) return pattern.asns.includes(ownAsn)
      return last.kind === 'sequence' && pattern.asns.includes(last.asns.at(-1)!)
    }
    case 'contains':
      return path.flatMap(({ asns }) => asns).some((asn) => pattern.asns.includes(asn))
  }
}

function shown(path: readonly AsPathSegment[]): string {
  const around = { sequence: ['', ''], set: ['{', '}'], confedSequence: ['(', ')'], confedSet: ['[', ']'] }
  return path.map(({ kind, asns }) => `${around[kind][0]}${asns.join(' ')}${around[kind][1]}`).join(' ')
}

function lengthOfPath(path: readonly AsPathSegment[]): number {
  return path
    .map(({ kind, asns }) => (kind === 'sequence' ? asns.length : kind === 'set' ? 1 : 0))
    .reduce<number>((sum, each) => sum + each, 0)
}

function compare({ operator, value }: Comparison, actual: number): boolean {
  return { eq: actual === value, ge: actual >= value, le: actual <= value }[operator]
}

/** Changes `attributes`, which are the caller's own. */
function change(set: PolicyActions, route: ReferenceRoute, attributes: PathAttributes): void {
  if (set.localPref !== undefined) attributes.localPref = set.localPref
  if (set.weight !== undefined) attributes.weight = set.weight
  if (set.origin !== undefined) attributes.origin = set.origin
  if (set.med?.kind === 'set') attributes.med = set.med.value
  if (set.med?.kind === 'add')
    attributes.med = Math.min(2 ** 32 - 1, Math.max(0, (attributes.med ?? 0) + set.med.value))
  if (set.med?.kind === 'remove') delete attributes.med
  if (set.prepend !== undefined) prepend(set.prepend, route, attributes)
  if (set.nextHop?.kind === 'address') attributes.nextHop = set.nextHop.address
  const fromPeer = set.nextHop?.kind === 'peer' && route.direction === 'import'
  if (fromPeer) attributes.nextHop = route.neighbour.address
  if (fromPeer || set.nextHop?.kind === 'address') delete attributes.linkLocalNextHop
  const { communities, largeCommunities, extendedCommunities } = set
  if (communities !== undefined) {
    const base = communities.replace ?? attributes.communities ?? []
    const kept = base.filter((each) => !(communities.remove ?? []).some((p) => fits(p, standardTexts(each))))
    const all = [...new Set([...kept, ...(communities.add ?? [])])].sort((a, b) => a - b)
    delete attributes.communities
    if (all.length > 0) attributes.communities = all
  }
  if (largeCommunities !== undefined) {
    const base = largeCommunities.replace ?? attributes.largeCommunities ?? []
    const kept = base.filter(
      (each) => !(largeCommunities.remove ?? []).some((p) => fits(p, [each.join(':')])),
    )
    const byText = new Map([...kept, ...(largeCommunities.add ?? [])].map((each) => [each.join(':'), each]))
    const all = [...byText.values()].sort((a, b) => a[0] - b[0] || a[1] - b[1] || a[2] - b[2])
    delete attributes.largeCommunities
    if (all.length > 0) attributes.largeCommunities = all
  }
  if (extendedCommunities !== undefined) {
    const base = extendedCommunities.replace ?? [
      ...(attributes.extendedCommunities ?? []),
      ...(attributes.ipv6ExtendedCommunities ?? []),
    ]
    const kept = base.filter(
      (each) => !(extendedCommunities.remove ?? []).some((p) => fits(p, extendedTexts(each))),
    )
    const all = [...new Set([...kept, ...(extendedCommunities.add ?? [])])].sort()
    delete attributes.extendedCommunities
    delete attributes.ipv6ExtendedCommunities
    const eight = all.filter((each) => each.length === 16)
    const twenty = all.filter((each) => each.length === 40)
    if (eight.length > 0) attributes.extendedCommunities = eight
    if (twenty.length > 0) attributes.ipv6ExtendedCommunities = twenty
  }
}

function prepend(
  { asn, count }: NonNullable<PolicyActions['prepend']>,
  { ownAsn, neighbour }: PolicyRoute,
  attributes: PathAttributes,
): void {
  const { asPath } = attributes
  const first =
    neighbour.kind === 'external' ? asPath.find(({ kind }) => !kind.startsWith('confed')) : asPath[0]
  const isSequence = first?.kind === 'sequence' || first?.kind === 'confedSequence'
  const added = asn === 'own' ? ownAsn : asn === 'first' ? (isSequence ? first.asns[0] : undefined) : asn
  if (added === undefined) return
  const confed =
    neighbour.kind === 'confed' || (neighbour.kind === 'internal' && first?.kind === 'confedSequence')
  const kind = confed ? 'confedSequence' : 'sequence'
  for (let i = 0; i < count; i++) {
    const front = asPath[0]
    if (front?.kind === kind && front.asns.length < 255) front.asns.unshift(added)
    else asPath.unshift({ kind, asns: [added] })
  }
}
