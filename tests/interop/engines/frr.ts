/** FRR, by vtysh. */
import {
  keepaliveSeconds,
  parseJson,
  testFamilies,
  theirRoutes,
  type Engine,
  type TestFamily,
} from '../engine.ts'

export const frr: Engine = {
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
 ${peer} timers ${keepaliveSeconds(n)} ${n.holdTimeSeconds}
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
      communities: (path.community?.string.split(' ') ?? []).map((c) =>
        c === 'no-export' ? '65535:65281' : c,
      ),
      largeCommunities: path.largeCommunity?.string.split(' ') ?? [],
    }
  },
  withdraw: async (router) => {
    const asn = /router bgp (\d+)/.exec(await router.ask('show running-config'))?.[1]
    for (const family of testFamilies) {
      await router.ask(
        'configure terminal',
        `router bgp ${asn}`,
        `address-family ${family.replace('/', ' ')}`,
        `no network ${theirRoutes.prefixes[family]}`,
      )
    }
  },
}
