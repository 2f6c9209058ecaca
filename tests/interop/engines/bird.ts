/** BIRD, by its configuration file and birdc. */
import { theirRoutes, type Engine } from '../engine.ts'

export const bird: Engine = {
  name: 'bird',
  program: 'bird',
  config: (n) => `
log stderr all;
router id ${n.routerId};
protocol device {}
protocol static own4 { ipv4; ${n.announces ? `route ${theirRoutes.prefixes['ipv4/unicast']} blackhole;` : ''} }
protocol static own6 { ipv6; ${n.announces ? `route ${theirRoutes.prefixes['ipv6/unicast']} blackhole;` : ''} }
filter mark {
  if source != RTS_STATIC then reject;
  bgp_med = ${theirRoutes.med};
  bgp_community.add((${theirRoutes.community.join(',')}));
  bgp_large_community.add((${theirRoutes.largeCommunity.join(',')}));
  accept;
}
protocol bgp herald {
  local ${n.address} as ${n.asn};
  neighbor ${n.heraldAddress} as ${n.heraldAsn};
  ${n.passive ? 'passive on;' : ''}
  hold time ${n.holdTimeSeconds};
  connect delay time 1; connect retry time 2; error wait time 1, 2;
  ipv4 { import all; export filter mark; };
  ipv6 { import all; export filter mark; };
}
`,
  established: async (router) => /herald .*Established/.test(await router.ask('show', 'protocols', 'herald')),
  route: async (router, prefix) => {
    const text = await router.ask('show', 'route', prefix, 'all')
    if (!text.includes('BGP.as_path')) return undefined
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
    }
  },
  withdraw: async (router) => {
    await router.ask('disable', 'own4')
    await router.ask('disable', 'own6')
  },
}
