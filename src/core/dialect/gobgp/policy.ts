/** Policies of GoBGP's file, each with the defined sets that it uses, as native ones. */
import { parseCommunity, parseLargeCommunity } from '#core/net/community.ts'
import { parseExtendedCommunity } from '#core/net/extended-community.ts'
import {
  extendedText,
  type GobgpDefinedSets,
  type GobgpPolicy,
  type GobgpStatement,
} from '#core/schema/gobgp/policy.ts'
import type { RoutePolicyActions, RoutePolicyMatch, RoutePolicySpec } from '#core/schema/route-policy.ts'
import type { RoutePolicy } from '#core/schema/route-policy.ts'
import { heraldApiVersion } from '#core/schema/well-known.ts'
import type { Derived } from '../native-set.ts'
import { namePrefix, type GobgpFile } from './place.ts'

export function policyOf(file: GobgpFile, policy: GobgpPolicy, index: number): Derived<RoutePolicy> {
  const sets = file.spec['defined-sets'] ?? {}
  return {
    resource: {
      apiVersion: heraldApiVersion,
      kind: 'RoutePolicy',
      metadata: { name: namePrefix + policy.name },
      spec: { statements: (policy.statements ?? []).flatMap((statement) => statementOf(statement, sets)) },
    },
    source: file,
    sourceFields: { spec: `policy-definitions[${index}]` },
  }
}

/** None for a statement that asks for families that are not spoken: no route can match it. */
function statementOf(statement: GobgpStatement, sets: GobgpDefinedSets): RoutePolicySpec['statements'] {
  const { name, actions } = statement
  const match = matchOf(statement.conditions, sets)
  if (match.families?.length === 0) return []
  const disposition = actions?.['route-disposition'] ?? 'none'
  const thens = { none: 'next', 'accept-route': 'accept', 'reject-route': 'reject' } as const
  return [
    {
      ...(name !== undefined && name !== '' && { name }),
      match,
      set: actionsOf(actions?.['bgp-actions']),
      then: thens[disposition],
    },
  ]
}

const modes = { any: 'any', all: 'all', invert: 'none' } as const

function matchOf(conditions: GobgpStatement['conditions'], sets: GobgpDefinedSets): RoutePolicyMatch {
  const match: RoutePolicyMatch = {}
  const prefixes = conditions?.['match-prefix-set']
  const prefixSet = sets['prefix-sets']?.find((set) => set['prefix-set-name'] === prefixes?.['prefix-set'])
  if (prefixSet !== undefined) {
    const mode = prefixes?.['match-set-options'] === 'invert' ? 'none' : 'any'
    match.prefixes = { mode, entries: (prefixSet['prefix-list'] ?? []).map(prefixEntry) }
  }
  const neighbors = conditions?.['match-neighbor-set']
  const neighborSet = sets['neighbor-sets']?.find(
    (set) => set['neighbor-set-name'] === neighbors?.['neighbor-set'],
  )
  const places = neighborSet?.['neighbor-info-list'] ?? []
  // As GoBGP documents it: an empty set matches everything, also when inverted.
  if (places.length > 0) {
    const mode = neighbors?.['match-set-options'] === 'invert' ? 'none' : 'any'
    match.neighbours = { mode, entries: places }
  }
  const asked = conditions?.['bgp-conditions']
  return asked === undefined ? match : { ...match, ...attributesAsked(asked), ...setsAsked(asked, sets) }
}

type BgpConditions = NonNullable<NonNullable<GobgpStatement['conditions']>['bgp-conditions']>

function attributesAsked(asked: BgpConditions): RoutePolicyMatch {
  const {
    'med-eq': med,
    'local-pref-eq': localPref,
    'origin-eq': origin,
    'route-type': routeType = 'none',
    'rpki-validation-result': rpki = 'none',
  } = asked
  const sources = { internal: 'internal', external: 'external', local: 'own' } as const
  const states = { valid: 'valid', invalid: 'invalid', 'not-found': 'notFound' } as const
  const families = (asked['afi-safi-in-list'] ?? []).flatMap((name) => {
    const [version, kind] = name.toLowerCase().split('-')
    if (kind !== 'unicast') return []
    return version === 'ipv4'
      ? ['ipv4/unicast' as const]
      : version === 'ipv6'
        ? ['ipv6/unicast' as const]
        : []
  })
  const nextHops = (asked['next-hop-in-list'] ?? []).filter((text) => text !== '')
  return {
    ...(med !== undefined && { med: { operator: 'eq', value: med } }),
    ...(localPref !== undefined && { localPref: { operator: 'eq', value: localPref } }),
    ...(origin !== undefined && { origins: [origin] }),
    ...(nextHops.length > 0 && { nextHops }),
    ...(asked['afi-safi-in-list'] !== undefined && asked['afi-safi-in-list'].length > 0 && { families }),
    ...(asked['community-count'] !== undefined && { communityCount: comparison(asked['community-count']) }),
    ...(asked['as-path-length'] !== undefined && { asPathLength: comparison(asked['as-path-length']) }),
    ...(routeType !== 'none' && { sources: [sources[routeType]] }),
    ...(rpki !== 'none' && { rpki: [states[rpki]] }),
  }
}

function setsAsked(asked: BgpConditions, sets: GobgpDefinedSets): RoutePolicyMatch {
  const bgp = sets['bgp-defined-sets']
  const match: RoutePolicyMatch = {}
  const communities = asked['match-community-set']
  const community = bgp?.['community-sets']?.find(
    (set) => set['community-set-name'] === communities?.['community-set'],
  )
  if (community !== undefined) {
    const list = community['community-list'] ?? []
    match.communities = {
      mode: modes[communities?.['match-set-options'] ?? 'any'],
      ...textsOf(list, (text) => parseCommunity(text).ok),
    }
  }
  const large = asked['match-large-community-set']
  const largeSet = bgp?.['large-community-sets']?.find(
    (set) => set['large-community-set-name'] === large?.['large-community-set'],
  )
  if (largeSet !== undefined) {
    const list = largeSet['large-community-list'] ?? []
    match.largeCommunities = {
      mode: modes[large?.['match-set-options'] ?? 'any'],
      ...textsOf(list, (text) => parseLargeCommunity(text).ok),
    }
  }
  const extended = asked['match-ext-community-set']
  const extendedSet = bgp?.['ext-community-sets']?.find(
    (set) => set['ext-community-set-name'] === extended?.['ext-community-set'],
  )
  if (extendedSet !== undefined) {
    const list = (extendedSet['ext-community-list'] ?? []).map(extendedText)
    match.extendedCommunities = {
      mode: modes[extended?.['match-set-options'] ?? 'any'],
      ...textsOf(list, (text) => parseExtendedCommunity(text).ok),
    }
  }
  const path = asked['match-as-path-set']
  const pathSet = bgp?.['as-path-sets']?.find((set) => set['as-path-set-name'] === path?.['as-path-set'])
  if (pathSet !== undefined) {
    match.asPath = {
      mode: modes[path?.['match-set-options'] ?? 'any'],
      entries: (pathSet['as-path-list'] ?? []).map((regex) => ({ regex })),
    }
  }
  return match
}

function prefixEntry(entry: { 'ip-prefix': string; 'masklength-range'?: string | undefined }) {
  const [from, to] = (entry['masklength-range'] ?? '').split('..')
  const prefix = entry['ip-prefix']
  if (from === undefined || from === '' || to === undefined) return { prefix }
  // Shorter ones than the prefix itself are not inside it.
  const own = Number(prefix.split('/')[1])
  return { prefix, minLength: Math.max(own, Number(from)), maxLength: Number(to) }
}

function comparison({
  operator = 'eq',
  value = 0,
}: {
  operator?: string | undefined
  value?: number | undefined
}): NonNullable<RoutePolicyMatch['asPathLength']> {
  const short = operator.replace('attribute-', '')
  return { operator: short === 'ge' || short === 'le' ? short : 'eq', value }
}

/** GoBGP's patterns match anywhere in the text; what is no pattern is one community. */
function textsOf(list: readonly string[], isText: (text: string) => boolean) {
  return {
    entries: list.filter(isText),
    regexes: list.filter((text) => !isText(text)),
  }
}

type BgpActions = NonNullable<NonNullable<GobgpStatement['actions']>['bgp-actions']>

function actionsOf(actions: BgpActions | undefined): RoutePolicyActions {
  const med = /^([+-])?(\d+)$/.exec(actions?.['set-med'] ?? '')
  const prepend = actions?.['set-as-path-prepend']
  const nextHop = actions?.['set-next-hop'] ?? ''
  const hops: Record<string, string> = { unchanged: 'keep', 'peer-address': 'peer', self: 'self' }
  const [communities, large, extended] = [
    actions?.['set-community'],
    actions?.['set-large-community'],
    actions?.['set-ext-community'],
  ]
  return {
    ...(med !== null && {
      med: med[1] === undefined ? { set: Number(med[2]) } : { add: Number(med[1] + med[2]!) },
    }),
    ...(actions?.['set-local-pref'] !== undefined && { localPref: actions['set-local-pref'] }),
    ...(actions?.['set-route-origin'] !== undefined && { origin: actions['set-route-origin'] }),
    ...(prepend !== undefined && (prepend['repeat-n'] ?? 0) > 0 && { prepend: prependOf(prepend) }),
    ...(nextHop !== '' && { nextHop: hops[nextHop.toLowerCase()] ?? nextHop }),
    ...(communities !== undefined && {
      communities: changeOf(
        communities.options,
        communities['set-community-method']?.['communities-list'],
        (text) => parseCommunity(text).ok,
      ),
    }),
    ...(large !== undefined && {
      largeCommunities: changeOf(
        large.options,
        large['set-large-community-method']?.['communities-list'],
        (text) => parseLargeCommunity(text).ok,
      ),
    }),
    ...(extended !== undefined && {
      extendedCommunities: changeOf(
        extended.options,
        (extended['set-ext-community-method']?.['communities-list'] ?? []).map(extendedText),
        (text) => parseExtendedCommunity(text).ok,
      ),
    }),
  }
}

function prependOf({ as = '', 'repeat-n': count = 1 }: NonNullable<BgpActions['set-as-path-prepend']>) {
  return as.toLowerCase() === 'last-as'
    ? { as: 'first' as const, count }
    : { ...(as !== '' && { asn: Number(as) }), count }
}

function changeOf(
  options: 'add' | 'remove' | 'replace' = 'add',
  list: readonly string[] = [],
  isText: (text: string) => boolean,
) {
  if (options !== 'remove') return { [options]: list }
  const { entries, regexes } = textsOf(list, isText)
  return { remove: entries, removeRegexes: regexes }
}
