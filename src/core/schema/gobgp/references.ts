/** Names in GoBGP's configuration file that stand for nothing: GoBGP does not start with them, and neither does Herald. */
import type { Problem } from '#core/lib/reason.ts'
import { nearest } from '#core/lib/spelling.ts'
import type { GobgpConfig } from './config.ts'

type At = (path: readonly PropertyKey[]) => Pick<Problem, 'object' | 'field'>

export function danglingNames(config: GobgpConfig, at: At): Problem[] {
  const problems: Problem[] = []
  const check = (
    name: string | undefined,
    known: readonly string[],
    what: string,
    path: readonly PropertyKey[],
  ) => {
    if (name === undefined || name === '' || known.includes(name)) return
    const meant = nearest(name, known)
    problems.push({
      rule: 'UnknownName',
      message: `there is no ${what} "${name}"`,
      hint: meant === undefined ? 'add it, or mend the name' : `did you mean "${meant}"?`,
      ...at(path),
    })
  }
  const groups = (config['peer-groups'] ?? []).map((group) => group.config['peer-group-name'])
  for (const [i, neighbor] of (config.neighbors ?? []).entries())
    check(neighbor.config?.['peer-group'], groups, 'peer group', ['neighbors', i, 'config', 'peer-group'])
  for (const [i, dynamic] of (config['dynamic-neighbors'] ?? []).entries())
    check(dynamic.config['peer-group'], groups, 'peer group', [
      'dynamic-neighbors',
      i,
      'config',
      'peer-group',
    ])
  checkPolicies(config, check)
  checkSets(config, check)
  return problems
}

type Check = (
  name: string | undefined,
  known: readonly string[],
  what: string,
  path: readonly PropertyKey[],
) => void

function checkPolicies(config: GobgpConfig, check: Check): void {
  const policies = (config['policy-definitions'] ?? []).map(({ name }) => name)
  const users = [
    { path: ['global'], applied: config.global['apply-policy'] },
    ...(config.neighbors ?? []).map((one, i) => ({ path: ['neighbors', i], applied: one['apply-policy'] })),
    ...(config['peer-groups'] ?? []).map((one, i) => ({
      path: ['peer-groups', i],
      applied: one['apply-policy'],
    })),
  ]
  for (const { path, applied } of users) {
    for (const list of ['import-policy-list', 'export-policy-list'] as const) {
      for (const [i, name] of (applied?.config?.[list] ?? []).entries())
        check(name, policies, 'policy', [...path, 'apply-policy', 'config', list, i])
    }
  }
}

function checkSets(config: GobgpConfig, check: Check): void {
  const sets = config['defined-sets']
  const bgp = sets?.['bgp-defined-sets']
  const known = {
    prefix: (sets?.['prefix-sets'] ?? []).map((set) => set['prefix-set-name']),
    neighbor: (sets?.['neighbor-sets'] ?? []).map((set) => set['neighbor-set-name']),
    community: (bgp?.['community-sets'] ?? []).map((set) => set['community-set-name']),
    extCommunity: (bgp?.['ext-community-sets'] ?? []).map((set) => set['ext-community-set-name']),
    asPath: (bgp?.['as-path-sets'] ?? []).map((set) => set['as-path-set-name']),
    largeCommunity: (bgp?.['large-community-sets'] ?? []).map((set) => set['large-community-set-name']),
  }
  for (const [i, policy] of (config['policy-definitions'] ?? []).entries()) {
    for (const [j, { conditions }] of (policy.statements ?? []).entries()) {
      const path = ['policy-definitions', i, 'statements', j, 'conditions']
      const at = (part: string, name: string) => [...path, part, name]
      const inBgp = (part: string, name: string) => [...path, 'bgp-conditions', part, name]
      const asked = conditions?.['bgp-conditions']
      check(
        conditions?.['match-prefix-set']?.['prefix-set'],
        known.prefix,
        'prefix set',
        at('match-prefix-set', 'prefix-set'),
      )
      check(
        conditions?.['match-neighbor-set']?.['neighbor-set'],
        known.neighbor,
        'neighbor set',
        at('match-neighbor-set', 'neighbor-set'),
      )
      check(
        asked?.['match-community-set']?.['community-set'],
        known.community,
        'community set',
        inBgp('match-community-set', 'community-set'),
      )
      check(
        asked?.['match-ext-community-set']?.['ext-community-set'],
        known.extCommunity,
        'extended community set',
        inBgp('match-ext-community-set', 'ext-community-set'),
      )
      check(
        asked?.['match-as-path-set']?.['as-path-set'],
        known.asPath,
        'AS path set',
        inBgp('match-as-path-set', 'as-path-set'),
      )
      check(
        asked?.['match-large-community-set']?.['large-community-set'],
        known.largeCommunity,
        'large community set',
        inBgp('match-large-community-set', 'large-community-set'),
      )
    }
  }
}
