/** RoutePolicies as the speaker has them: named sets put in their places, texts read, and the chains of each neighbour. */
import { policyFaults } from '#core/bgp/policy/policies.ts'
import type { PolicyChain, PolicyMatch, PolicyStatement, RoutePolicy } from '#core/bgp/policy/policy.ts'
import type {
  AsPathPattern,
  CommunityChange,
  CommunityPattern,
  PolicyActions,
  PrefixEntry,
} from '#core/bgp/policy/policy.ts'
import { reasonFrom, sourceOf, type Derived, type NativeSet } from '#core/dialect/native-set.ts'
import { assert } from '#core/lib/assert.ts'
import { compareText } from '#core/lib/order.ts'
import type { Problem, Reason } from '#core/lib/reason.ts'
import type { Result } from '#core/lib/result.ts'
import { address, addressBits } from '#core/net/address.ts'
import {
  communityText,
  largeCommunityText,
  parseCommunity,
  parseLargeCommunity,
} from '#core/net/community.ts'
import { extendedCommunityText, parseExtendedCommunity } from '#core/net/extended-community.ts'
import { hostPrefix, lengthOf, prefix, prefixVersion, type Prefix } from '#core/net/prefix.ts'
import type { BGPPeer } from '#core/schema/bgp-peer.ts'
import type {
  RoutePolicy as RoutePolicyResource,
  RoutePolicyActions,
  RoutePolicyMatch,
  RoutePolicySpec,
  SetKind,
} from '#core/schema/route-policy.ts'

/** The chains of one neighbour. A policy that does not exist holds everything back that it would be asked about. */
export function policyChains(
  set: NativeSet,
  derived: Derived<BGPPeer>,
  reasons: Reason[],
): { importPolicy?: PolicyChain; exportPolicy?: PolicyChain } {
  const { importPolicies, importDefault, exportPolicies, exportDefault } = derived.resource.spec
  const chainOf = (
    [field, rule, what]: readonly [string, string, string],
    names: readonly string[] = [],
    otherwise: PolicyChain['otherwise'] = names.length > 0 ? 'reject' : 'accept',
  ): PolicyChain | undefined => {
    if (names.length === 0) return otherwise === 'accept' ? undefined : { policies: [], otherwise }
    reasons.push(reasonFrom(derived, field, rule, `its ${what} are asked of ${names.join(', ')}`))
    const missing = names.find((name) => !isKnown(set, name))
    return missing === undefined
      ? { policies: [...names], otherwise }
      : { policies: [missing], otherwise: 'reject' }
  }
  const importPolicy = chainOf(
    ['spec.importPolicies', 'ImportPolicies', 'routes'],
    importPolicies,
    importDefault,
  )
  const exportPolicy = chainOf(
    ['spec.exportPolicies', 'ExportPolicies', 'announcements'],
    exportPolicies,
    exportDefault,
  )
  return {
    ...(importPolicy !== undefined && { importPolicy }),
    ...(exportPolicy !== undefined && { exportPolicy }),
  }
}

/**
 * What these chains name, in the order of names. In place of one that does not exist stands one that rejects and says so;
 * of one that cannot be used, which lets nothing pass either, the problems say why.
 */
export function policiesOf(
  set: NativeSet,
  chains: readonly (PolicyChain | undefined)[],
): { policies: RoutePolicy[]; problems: Problem[] } {
  const names = [...new Set(chains.flatMap((chain) => chain?.policies ?? []))].toSorted(compareText)
  const problems: Problem[] = []
  const policies = names.map((name) => {
    const found = set.policies.find(({ resource }) => resource.metadata.name === name)
    if (found === undefined) return missingPolicy(name)
    const policy = policyOf(found.resource)
    for (const { statement, field, message } of policyFaults(policy)) {
      problems.push({
        rule: 'InvalidValue',
        message: `${message}, so no route passes this policy`,
        ...sourceOf(found, `spec.statements[${statement - 1}].${field}`),
      })
    }
    return policy
  })
  return { policies, problems }
}

function isKnown({ policies }: NativeSet, name: string): boolean {
  return policies.some(({ resource }) => resource.metadata.name === name)
}

function missingPolicy(name: string): RoutePolicy {
  return { name, statements: [{ name: 'the policy does not exist', match: {}, then: 'reject' }] }
}

function policyOf({ metadata, spec }: RoutePolicyResource): RoutePolicy {
  return {
    name: metadata.name,
    statements: spec.statements.map((statement): PolicyStatement => {
      const { name, match, set, then } = statement
      return {
        ...(name !== undefined && { name }),
        match: match === undefined ? {} : matchOf(match, spec.sets),
        ...(set !== undefined && { set: actionsOf(set) }),
        then,
      }
    }),
  }
}

function matchOf(match: RoutePolicyMatch, sets: RoutePolicySpec['sets']): PolicyMatch {
  const { prefixes, neighbours, asPath, nextHops, ...rest } = match
  const { communities, largeCommunities, extendedCommunities, ...same } = rest
  const found: PolicyMatch = {}
  if (prefixes !== undefined) {
    const entries = [...(setOf(sets, 'prefixes', prefixes.set)?.entries ?? []), ...(prefixes.entries ?? [])]
    found.prefixes = { mode: prefixes.mode, entries: entries.map(prefixEntry) }
  }
  if (neighbours !== undefined) {
    const named = setOf(sets, 'neighbours', neighbours.set)?.entries ?? []
    const entries = [...named, ...(neighbours.entries ?? [])].map(place)
    found.neighbours = { mode: neighbours.mode, entries }
  }
  if (communities !== undefined) {
    const named = setOf(sets, 'communities', communities.set)
    const entries = [...texts(named, standardText), ...texts(communities, standardText)]
    found.communities = { mode: communities.mode, entries }
  }
  if (largeCommunities !== undefined) {
    const named = setOf(sets, 'largeCommunities', largeCommunities.set)
    const entries = [...texts(named, largeText), ...texts(largeCommunities, largeText)]
    found.largeCommunities = { mode: largeCommunities.mode, entries }
  }
  if (extendedCommunities !== undefined) {
    const named = setOf(sets, 'extendedCommunities', extendedCommunities.set)
    const entries = [...texts(named, extendedText), ...texts(extendedCommunities, extendedText)]
    found.extendedCommunities = { mode: extendedCommunities.mode, entries }
  }
  if (asPath !== undefined) {
    const entries = [...(setOf(sets, 'asPaths', asPath.set)?.entries ?? []), ...(asPath.entries ?? [])]
    found.asPath = { mode: asPath.mode, entries: entries.map(asPathPattern) }
  }
  if (nextHops !== undefined) found.nextHops = nextHops.map(place)
  return { ...present(same), ...found }
}

type Sets = NonNullable<RoutePolicySpec['sets']>

function setOf<K extends SetKind>(
  sets: RoutePolicySpec['sets'],
  kind: K,
  name: string | undefined,
): NonNullable<Sets[K]>[number] | undefined {
  const list: readonly NonNullable<Sets[K]>[number][] = sets?.[kind] ?? []
  return list.find((set) => set.name === name)
}

function prefixEntry(entry: { prefix: string; minLength?: number; maxLength?: number }): PrefixEntry {
  const network = prefix(entry.prefix)
  const own = lengthOf(network)
  const longest = entry.minLength === undefined ? own : addressBits(prefixVersion(network))
  return { prefix: network, minLength: entry.minLength ?? own, maxLength: entry.maxLength ?? longest }
}

function place(text: string): Prefix {
  return text.includes('/') ? prefix(text) : hostPrefix(address(text))
}

function texts(
  from: { entries?: string[]; regexes?: string[] } | undefined,
  canonical: (text: string) => string,
): CommunityPattern[] {
  return [
    ...(from?.entries ?? []).map((text): CommunityPattern => ({ kind: 'text', text: canonical(text) })),
    ...(from?.regexes ?? []).map((source): CommunityPattern => ({ kind: 'regex', source })),
  ]
}

/** As tables show it. */
function standardText(text: string): string {
  return communityText(valid(parseCommunity(text)))
}

function largeText(text: string): string {
  return largeCommunityText(valid(parseLargeCommunity(text)))
}

function extendedText(text: string): string {
  return extendedCommunityText(valid(parseExtendedCommunity(text)))
}

function asPathPattern(entry: {
  regex?: string
  startsWith?: number[]
  originatedBy?: number[]
  contains?: number[]
}): AsPathPattern {
  if (entry.regex !== undefined) return { kind: 'regex', source: entry.regex }
  if (entry.startsWith !== undefined) return { kind: 'first', asns: entry.startsWith }
  if (entry.originatedBy !== undefined) return { kind: 'origin', asns: entry.originatedBy }
  return { kind: 'contains', asns: entry.contains ?? [] }
}

function actionsOf(actions: RoutePolicyActions): PolicyActions {
  const { med, prepend, nextHop, communities, largeCommunities, extendedCommunities, ...same } = actions
  const found: PolicyActions = {}
  if (med?.set !== undefined) found.med = { kind: 'set', value: med.set }
  else if (med?.add !== undefined) found.med = { kind: 'add', value: med.add }
  else if (med?.remove === true) found.med = { kind: 'remove' }
  if (prepend !== undefined) {
    found.prepend = { asn: prepend.asn ?? prepend.as ?? 'own', count: prepend.count }
  }
  if (nextHop === 'self' || nextHop === 'keep' || nextHop === 'peer') found.nextHop = { kind: nextHop }
  else if (nextHop !== undefined) found.nextHop = { kind: 'address', address: address(nextHop) }
  if (communities !== undefined) found.communities = changeOf(communities, parseCommunity, standardText)
  if (largeCommunities !== undefined) {
    found.largeCommunities = changeOf(largeCommunities, parseLargeCommunity, largeText)
  }
  if (extendedCommunities !== undefined) {
    found.extendedCommunities = changeOf(extendedCommunities, parseExtendedCommunity, extendedText)
  }
  return { ...present(same), ...found }
}

function changeOf<T>(
  given: NonNullable<RoutePolicyActions['communities']>,
  parse: (text: string) => Result<T>,
  canonical: (text: string) => string,
): CommunityChange<T> {
  const { replace, remove, removeRegexes, add } = given
  const removed = texts(
    {
      ...(remove !== undefined && { entries: remove }),
      ...(removeRegexes !== undefined && { regexes: removeRegexes }),
    },
    canonical,
  )
  return {
    ...(replace !== undefined && { replace: replace.map((text) => valid(parse(text))) }),
    ...(removed.length > 0 && { remove: removed }),
    ...(add !== undefined && { add: add.map((text) => valid(parse(text))) }),
  }
}

/** The value of text that was validated before. */
function valid<T>(parsed: Result<T>): T {
  assert(parsed.ok, 'communities of a resource were validated')
  return parsed.value
}

/** Without the fields that are `undefined`. */
function present<T extends object>(value: T): { [K in keyof T]: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(value).filter(([, one]) => one !== undefined)) as {
    [K in keyof T]: Exclude<T[K], undefined>
  }
}
