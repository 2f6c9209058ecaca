/**
 * The other implementations: how each is told to be the neighbour that a test wants, and how each is asked what it sees.
 * Everything here speaks their own configuration and command languages.
 */
import type { Router } from '#lab/router.ts'

export type EngineName = 'bird' | 'frr' | 'gobgp'

/** The neighbour that a test wants. Addresses are of the session's IP version. */
export interface NeighbourConfig {
  asn: number
  routerId: string
  address: string
  heraldAddress: string
  heraldAsn: number
  /** Wait for Herald to connect. */
  passive: boolean
  holdTimeSeconds: number
  /** Own routes, one of each family, or none. */
  announces: boolean
}

/** The routes of the neighbour's own, and what it says of them. */
export const theirRoutes = {
  prefixes: { 'ipv4/unicast': '203.0.113.0/24', 'ipv6/unicast': '2001:db8:200::/48' },
  med: 30,
  community: [65002, 9],
  largeCommunity: [65002, 1, 2],
} as const

export type TestFamily = keyof typeof theirRoutes.prefixes

/** A route as the neighbour sees it. */
export interface SeenRoute {
  asPath: string
  nextHop: string
  med: number | undefined
  communities: string[]
  largeCommunities: string[]
}

export interface Engine {
  name: EngineName
  /** The program whose absence skips the tests. */
  program: string
  config(neighbour: NeighbourConfig): string
  /** What cannot be said in the configuration file. */
  afterStart?(router: Router, neighbour: NeighbourConfig): Promise<void>
  /** The same after its BGP daemon was killed and started again. Absent: it reads its file by itself. */
  afterRestart?(router: Router, neighbour: NeighbourConfig): Promise<void>
  established(router: Router, neighbour: NeighbourConfig): Promise<boolean>
  /** The route that it uses for `prefix`, or undefined. */
  route(router: Router, prefix: string): Promise<SeenRoute | undefined>
  /** Take back the own routes of both families. */
  withdraw(router: Router): Promise<void>
}

const bird: Engine = {
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

const frr: Engine = {
  name: 'frr',
  program: '/usr/lib/frr/bgpd',
  config: (n) => {
    const peer = `neighbor ${n.heraldAddress}`
    const family = (name: TestFamily) => ` address-family ${name.replace('/', ' ')}
  ${peer} activate
  ${peer} route-map MARK out
${n.announces ? `  network ${theirRoutes.prefixes[name]}\n` : ''} exit-address-family`
    return `frr defaults traditional
bgp route-map delay-timer 0
route-map MARK permit 10
 set metric ${theirRoutes.med}
 set community ${theirRoutes.community.join(':')} additive
 set large-community ${theirRoutes.largeCommunity.join(':')} additive
exit
router bgp ${n.asn}
 bgp router-id ${n.routerId}
 no bgp ebgp-requires-policy
 no bgp network import-check
 no bgp default ipv4-unicast
 ${peer} remote-as ${n.heraldAsn}
 ${peer} update-source ${n.address}
 ${peer} timers ${Math.max(1, Math.floor(n.holdTimeSeconds / 3))} ${n.holdTimeSeconds}
 ${peer} timers connect 2
${n.passive ? ` ${peer} passive\n` : ''}${family('ipv4/unicast')}
${family('ipv6/unicast')}
exit
`
  },
  // bgpd alone reads no file: vtysh gave it its configuration.
  afterRestart: async (router, neighbour) => {
    const lines = frr
      .config(neighbour)
      .split('\n')
      .filter((line) => line.trim() !== '' && !line.startsWith('frr '))
    const said = await router.ask('configure terminal', ...lines)
    if (said.trim() !== '') throw new Error(`FRR does not take its configuration: ${said}`)
  },
  established: async (router, { heraldAddress }) => {
    const answer = parseJson(await router.ask(`show bgp neighbors ${heraldAddress} json`))
    const neighbour = (answer as Record<string, { bgpState?: string }>)[heraldAddress]
    return neighbour?.bgpState === 'Established'
  },
  route: async (router, prefix) => {
    const version = prefix.includes(':') ? 'ipv6' : 'ipv4'
    const answer = parseJson(await router.ask(`show bgp ${version} unicast ${prefix} json`)) as {
      paths?: {
        aspath: { string: string }
        metric?: number
        community?: { string: string }
        largeCommunity?: { string: string }
        nexthops: { ip: string; scope?: string }[]
        peer?: { peerId: string }
      }[]
    }
    const path = answer.paths?.find(({ aspath }) => aspath.string !== 'Local')
    if (path === undefined) return undefined
    return {
      asPath: path.aspath.string,
      nextHop: (path.nexthops.find(({ scope }) => scope !== 'link-local') ?? path.nexthops[0])?.ip ?? '',
      med: path.metric,
      communities: path.community?.string.split(' ') ?? [],
      largeCommunities: path.largeCommunity?.string.split(' ') ?? [],
    }
  },
  withdraw: async (router) => {
    const asn = /router bgp (\d+)/.exec(await router.ask('show running-config'))?.[1]
    for (const family of Object.keys(theirRoutes.prefixes) as TestFamily[]) {
      await router.ask(
        'configure terminal',
        `router bgp ${asn}`,
        `address-family ${family.replace('/', ' ')}`,
        `no network ${theirRoutes.prefixes[family]}`,
      )
    }
  },
}

const gobgp: Engine = {
  name: 'gobgp',
  program: 'gobgpd',
  config: (n) => `
global:
  config: { as: ${n.asn}, router-id: ${n.routerId} }
neighbors:
  - config: { neighbor-address: "${n.heraldAddress}", peer-as: ${n.heraldAsn} }
    timers:
      config: { hold-time: ${n.holdTimeSeconds}, keepalive-interval: ${Math.max(1, Math.floor(n.holdTimeSeconds / 3))}, connect-retry: 1, idle-hold-time-after-reset: 1 }
    transport:
      config: { local-address: "${n.address}", passive-mode: ${n.passive} }
    afi-safis:
      - config: { afi-safi-name: ipv4-unicast }
      - config: { afi-safi-name: ipv6-unicast }
`,
  afterStart: async (router, { announces, address }) => {
    if (!announces) return
    for (const [family, prefix] of Object.entries(theirRoutes.prefixes)) {
      const version = family.slice(0, 4)
      const nextHop = version === 'ipv4' ? '192.0.2.2' : '2001:db8::2'
      const community = theirRoutes.community.join(':')
      const large = theirRoutes.largeCommunity.join(':')
      const words = `global rib add -a ${version} ${prefix} nexthop ${nextHop} med ${theirRoutes.med} community ${community} large-community ${large}`
      const said = await router.ask(...words.split(' '))
      if (said.trim() !== '') throw new Error(`gobgp at ${address} refuses its own route: ${said}`)
    }
  },
  established: async (router, { heraldAddress }) =>
    (await router.ask('neighbor'))
      .split('\n')
      .some((line) => line.startsWith(`${heraldAddress} `) && /Establ/.test(line)),
  route: async (router, prefix) => {
    const version = prefix.includes(':') ? 'ipv6' : 'ipv4'
    const text = await router.ask('global', 'rib', '-a', version, prefix, '-j')
    if (!text.trimStart().startsWith('{') && !text.trimStart().startsWith('[')) return undefined
    const answer = parseJson(text)
    const paths = (Array.isArray(answer) ? answer : Object.values(answer as object).flat()) as GobgpPath[]
    const path = paths[0]
    if (path === undefined) return undefined
    const find = (type: number) => path.attrs.find((attribute) => attribute.type === type)
    return {
      asPath: (find(2)?.as_paths ?? []).flatMap(({ asns }) => asns ?? []).join(' '),
      nextHop: find(3)?.nexthop ?? find(14)?.nexthop ?? '',
      med: find(4)?.metric,
      communities: (find(8)?.communities ?? []).map((c) => `${c >>> 16}:${c & 0xffff}`),
      largeCommunities: (find(32)?.value ?? []).map((c) => `${c.ASN}:${c.LocalData1}:${c.LocalData2}`),
    }
  },
  withdraw: async (router) => {
    for (const [family, prefix] of Object.entries(theirRoutes.prefixes)) {
      await router.ask('global', 'rib', 'del', '-a', family.slice(0, 4), prefix)
    }
  },
}

interface GobgpPath {
  attrs: {
    type: number
    as_paths?: { asns?: number[] }[]
    nexthop?: string
    metric?: number
    communities?: number[]
    value?: { ASN: number; LocalData1: number; LocalData2: number }[]
  }[]
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    throw new Error(`not JSON: ${text.slice(0, 200)}`)
  }
}

export const engines = { bird, frr, gobgp }
