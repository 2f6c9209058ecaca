/** BIRD, by its configuration file and birdc. */
import { readFileSync } from 'node:fs'
import { ownPrefixes, theirRoutes, type Engine, type NeighbourConfig, type SeenRoute } from '../engine.ts'

export const bird: Engine = {
  name: 'bird',
  program: 'bird',
  config: (n) => `
log stderr all;
router id ${n.routerId};
protocol device {}
protocol static own4 { ipv4; ${ownPrefixes(n, 'ipv4/unicast').map(blackhole).join(' ')} }
protocol static own6 { ipv6; ${ownPrefixes(n, 'ipv6/unicast').map(blackhole).join(' ')} }
function mark_own() {
  bgp_med = ${theirRoutes.med};
  bgp_community.add((${theirRoutes.community.join(',')}));
  bgp_large_community.add((${theirRoutes.largeCommunity.join(',')}));
}
filter mark { if source != RTS_STATIC then reject; mark_own(); accept; }
filter markOwn { if source = RTS_STATIC then mark_own(); accept; }
${
  n.features.beside === undefined
    ? ''
    : `protocol bgp third {
  local ${n.address} as ${n.asn};
  neighbor ${n.features.beside.address} as ${n.features.beside.asn};
  ${n.features.beside.reflects ? 'rr client;' : ''}
  ipv4 { import all; export all; };
  ipv6 { import all; export all; };
}`
}
${
  n.features.awaits === undefined
    ? ''
    : `protocol bgp nobody {
  local ${n.address} as ${n.asn};
  neighbor ${n.features.awaits} as ${n.heraldAsn};
  graceful restart on;
  ipv4 { import all; export none; };
  ipv6 { import all; export none; };
}`
}
protocol bgp herald {
  local ${n.address} as ${n.asn};
  neighbor ${n.heraldAddress} as ${n.heraldAsn};
  ${n.passive ? 'passive on;' : ''}
  hold time ${n.holdTimeSeconds};
  connect delay time 1; connect retry time 2; error wait time 1, 2;
  ${said(n).join('\n  ')}
  ipv4 { ${channel(n)} ${n.features.extendedNextHop === true ? 'extended next hop on;' : ''} };
  ipv6 { ${channel(n)} };
}
`,
  established: async (router) => /herald .*Established/.test(await router.ask('show', 'protocols', 'herald')),
  paths: async (router, prefix) => {
    const text = await router.ask('show', 'route', prefix, 'all')
    return text
      .split(/\n(?=\S*\s+unicast )/)
      .filter((block) => block.includes('BGP.as_path'))
      .map(seenRoute)
  },
  withdraw: async (router) => {
    await router.ask('disable', 'own4')
    await router.ask('disable', 'own6')
  },
  refresh: async (router) => {
    await router.ask('reload', 'in', 'herald')
  },
  shutdown: async (router, _neighbour, text) => {
    await router.ask('disable', 'herald', `"${text}"`)
  },
  enable: async (router) => {
    await router.ask('enable', 'herald')
  },
  lastError: async (router) => {
    const { logFile } = router.processes[0]!
    return `${await router.ask('show', 'protocols', 'all', 'herald')}${readFileSync(logFile, 'utf8')}`
  },
  restartArguments: ['-R'],
}

const blackhole = (prefix: string) => `route ${prefix} blackhole;`

function said({ features }: NeighbourConfig): string[] {
  const { password, ttlSecurity, restart, role, confederation, beside } = features
  return [
    password === undefined ? '' : `password "${password}";`,
    ttlSecurity === true ? 'ttl security on;' : '',
    restart === undefined ? '' : `graceful restart on; graceful restart time ${restart.seconds};`,
    restart?.longLivedSeconds === undefined
      ? ''
      : `long lived graceful restart on; long lived stale time ${restart.longLivedSeconds};`,
    role === undefined
      ? ''
      : `local role ${role.replace('-', '_').replace('rs', 'rs_server').replace('rs_server_client', 'rs_client')};`,
    confederation === undefined ? '' : `confederation ${confederation.id}; confederation member yes;`,
    beside?.reflects === true ? 'rr client;' : '',
  ].filter((line) => line !== '')
}

function channel({ features: { addPath, prefixLimit, beside } }: NeighbourConfig): string {
  return `import all; export ${beside === undefined ? 'filter mark' : 'filter markOwn'};
    ${addPath === true ? 'add paths on;' : ''}
    ${prefixLimit === undefined ? '' : `import limit ${prefixLimit} action disable;`}`
}

function seenRoute(text: string): SeenRoute {
  const field = (name: string) => new RegExp(`BGP\\.${name}: (.*)`).exec(text)?.[1]?.trim()
  const lists = (name: string) =>
    [...(field(name) ?? '').matchAll(/\(([^)]*)\)/g)].map((match) => match[1]!.replaceAll(/,\s*/g, ':'))
  const med = field('med')
  return {
    asPath: field('as_path') ?? '',
    nextHop: field('next_hop')?.split(' ')[0] ?? '',
    med: med === undefined ? undefined : Number(med),
    communities: lists('community'),
    largeCommunities: lists('large_community'),
    originatorId: field('originator_id'),
    clusterList: (field('cluster_list') ?? '').split(' ').filter((id) => id !== ''),
  }
}
