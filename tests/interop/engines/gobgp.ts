/** GoBGP, by its YAML file and the gobgp client. */
import { keepaliveSeconds, parseJson, theirRoutes, type Engine } from '../engine.ts'

export const gobgp: Engine = {
  name: 'gobgp',
  program: 'gobgpd',
  config: (n) => `
global:
  config: { as: ${n.asn}, router-id: ${n.routerId} }
neighbors:
  - config: { neighbor-address: "${n.heraldAddress}", peer-as: ${n.heraldAsn} }
    timers:
      config: { hold-time: ${n.holdTimeSeconds}, keepalive-interval: ${keepaliveSeconds(n)}, connect-retry: 1, idle-hold-time-after-reset: 1 }
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
