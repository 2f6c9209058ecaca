/** OpenBGPD, by bgpd.conf and bgpctl. */
import { openbgpdProgram } from '#lab/router.ts'
import { readFileSync } from 'node:fs'
import {
  ownPrefixes,
  parseJson,
  testFamilies,
  theirRoutes,
  type Engine,
  type NeighbourConfig,
  type SeenRoute,
} from '../engine.ts'

export const openbgpd: Engine = {
  name: 'openbgpd',
  program: openbgpdProgram,
  config: (n) => {
    const attributes = `med ${theirRoutes.med} community ${theirRoutes.community.join(':')} large-community ${theirRoutes.largeCommunity.join(':')}`
    const networks = testFamilies.flatMap((family) =>
      ownPrefixes(n, family).map((prefix) => `network ${prefix} set { ${attributes} }`),
    )
    return `AS ${n.asn}
router-id ${n.routerId}
fib-update no
connect-retry 1
holdtime ${n.holdTimeSeconds}
listen on ${n.address}
${networks.join('\n')}
neighbor ${n.heraldAddress} {
  remote-as ${n.heraldAsn}
  local-address ${n.address}
  announce IPv4 unicast
  announce IPv6 unicast
  ${n.passive ? 'passive' : ''}
  ${said(n).join('\n  ')}
}
${
  n.features.beside === undefined
    ? ''
    : `neighbor ${n.features.beside.address} {
  remote-as ${n.features.beside.asn}
  local-address ${n.address}
  announce IPv4 unicast
  announce IPv6 unicast
  ${n.features.beside.reflects ? 'route-reflector' : ''}
}`
}
allow from any
allow to any
`
  },
  established: async (router, { heraldAddress }) => {
    const text = await router.ask('-j', 'show', 'neighbor', heraldAddress)
    if (!text.trimStart().startsWith('{')) return false
    const { neighbors } = parseJson(text) as { neighbors: { state: string }[] }
    return neighbors[0]?.state === 'Established'
  },
  // Half a minute after a session was lost, twice that after the next.
  hurry: async (router, { heraldAddress }) => {
    const text = await router.ask('-j', 'show', 'neighbor', heraldAddress)
    if (/"state": "Idle"/.test(text)) await router.ask('neighbor', heraldAddress, 'up')
  },
  paths: async (router, prefix) => {
    const text = await router.ask('-j', 'show', 'rib', 'detail', prefix)
    if (!text.trimStart().startsWith('{')) return []
    const { rib = [] } = parseJson(text) as { rib?: RibEntry[] }
    return rib.filter(({ neighbor }) => neighbor.description !== 'LOCAL').map(seenRoute)
  },
  withdraw: async (router) => {
    for (const family of testFamilies) await router.ask('network', 'delete', theirRoutes.prefixes[family])
  },
  refresh: async (router, { heraldAddress }) => {
    await router.ask('neighbor', heraldAddress, 'refresh')
  },
  shutdown: async (router, { heraldAddress }, text) => {
    await router.ask('neighbor', heraldAddress, 'down', text)
  },
  enable: async (router, { heraldAddress }) => {
    await router.ask('neighbor', heraldAddress, 'up')
  },
  lastError: async (router, { heraldAddress }) =>
    `${await router.ask('show', 'neighbor', heraldAddress)}${readFileSync(router.processes[0]!.logFile, 'utf8')}`,
}

function said({ features }: NeighbourConfig): string[] {
  const { password, ttlSecurity, addPath, role, prefixLimit, enhancedRefresh, beside } = features
  return [
    password === undefined ? '' : `tcp md5sig password ${password}`,
    ttlSecurity === true ? 'ttl-security yes' : '',
    addPath === true ? 'announce add-path recv yes\n  announce add-path send all' : '',
    role === undefined ? '' : `announce policy ${role}`,
    // Of both families together.
    prefixLimit === undefined ? '' : `max-prefix ${2 * prefixLimit}`,
    enhancedRefresh === true ? 'announce enhanced refresh yes' : '',
    beside?.reflects === true ? 'route-reflector' : '',
  ].filter((line) => line !== '')
}

function seenRoute(path: RibEntry): SeenRoute {
  return {
    asPath: path.aspath,
    nextHop: path.exit_nexthop,
    med: path.metric,
    communities: (path.communities ?? []).map((c) => wellKnown[c] ?? c),
    largeCommunities: path.large_communities ?? [],
    originatorId: path.attributes?.find(({ originator }) => originator !== undefined)?.originator,
    clusterList: path.attributes?.flatMap((attribute) => attribute.cluster_list ?? []) ?? [],
  }
}

/** What it calls by name. */
const wellKnown: Record<string, string> = { NO_EXPORT: '65535:65281' }

interface RibEntry {
  aspath: string
  exit_nexthop: string
  neighbor: { description?: string; remote_addr: string }
  metric?: number
  communities?: string[]
  large_communities?: string[]
  attributes?: { originator?: string; cluster_list?: string[] }[]
}
