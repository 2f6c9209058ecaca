/** OpenBGPD, by bgpd.conf and bgpctl. */
import { openbgpdProgram } from '#lab/router.ts'
import { parseJson, testFamilies, theirRoutes, type Engine } from '../engine.ts'

export const openbgpd: Engine = {
  name: 'openbgpd',
  program: openbgpdProgram,
  config: (n) => {
    const attributes = `med ${theirRoutes.med} community ${theirRoutes.community.join(':')} large-community ${theirRoutes.largeCommunity.join(':')}`
    const networks = testFamilies.map(
      (family) => `network ${theirRoutes.prefixes[family]} set { ${attributes} }`,
    )
    return `AS ${n.asn}
router-id ${n.routerId}
fib-update no
connect-retry 1
holdtime ${n.holdTimeSeconds}
listen on ${n.address}
${n.announces ? networks.join('\n') : ''}
neighbor ${n.heraldAddress} {
  remote-as ${n.heraldAsn}
  local-address ${n.address}
  announce IPv4 unicast
  announce IPv6 unicast
  ${n.passive ? 'passive' : ''}
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
  route: async (router, prefix) => {
    const text = await router.ask('-j', 'show', 'rib', 'detail', prefix)
    if (!text.trimStart().startsWith('{')) return undefined
    const { rib = [] } = parseJson(text) as { rib?: RibEntry[] }
    const path = rib.find(({ neighbor }) => neighbor.description !== 'LOCAL')
    if (path === undefined) return undefined
    return {
      asPath: path.aspath,
      nextHop: path.exit_nexthop,
      med: path.metric,
      communities: (path.communities ?? []).map((c) => wellKnown[c] ?? c),
      largeCommunities: path.large_communities ?? [],
    }
  },
  withdraw: async (router) => {
    for (const family of testFamilies) await router.ask('network', 'delete', theirRoutes.prefixes[family])
  },
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
}
