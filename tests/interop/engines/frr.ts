/** FRR, by vtysh. */
import { readFileSync } from 'node:fs'
import {
  keepaliveSeconds,
  ownPrefixes,
  parseJson,
  testFamilies,
  theirRoutes,
  type Engine,
  type NeighbourConfig,
  type SeenRoute,
  type TestFamily,
} from '../engine.ts'

export const frr: Engine = {
  name: 'frr',
  program: '/usr/lib/frr/bgpd',
  config: (n) => {
    const peer = `neighbor ${n.heraldAddress}`
    const { restart, confederation, beside } = n.features
    const others = beside === undefined ? [] : [beside.address]
    const family = (name: TestFamily) => ` address-family ${name.replace('/', ' ')}
${[peer, ...others.map((address) => `neighbor ${address}`)].map((each) => `  ${each} activate\n  ${each} route-map MARK out\n${beside?.reflects === true ? `  ${each} route-reflector-client\n` : ''}`).join('')}${familyLines(
      n,
    )
      .map((line) => `  ${peer} ${line}\n`)
      .join('')}${ownPrefixes(n, name)
      .map((prefix) => `  network ${prefix}\n`)
      .join('')} exit-address-family`
    return `frr defaults traditional
bgp route-map delay-timer 0
ip prefix-list OWN permit 203.0.112.0/20 le 24
ipv6 prefix-list OWN permit 2001:db8:200::/40 le 48
${(['ip', 'ipv6'] as const)
  .map(
    (ip, i) => `route-map MARK permit 1${i}
 match ${ip} address prefix-list OWN
 set metric ${theirRoutes.med}
 set community ${theirRoutes.community.join(':')} additive
 set large-community ${theirRoutes.largeCommunity.join(':')} additive
exit
`,
  )
  .join('')}route-map MARK permit 20
exit
router bgp ${n.asn}
 bgp router-id ${n.routerId}
 bgp log-neighbor-changes
 no bgp ebgp-requires-policy
 no bgp network import-check
 no bgp default ipv4-unicast
${restart === undefined ? '' : ` bgp graceful-restart\n bgp graceful-restart restart-time ${restart.seconds}\n bgp graceful-restart preserve-fw-state\n bgp graceful-restart select-defer-time 5\n`}${restart?.longLivedSeconds === undefined ? '' : ` bgp long-lived-graceful-restart stale-time ${restart.longLivedSeconds}\n`}${confederation === undefined ? '' : ` bgp confederation identifier ${confederation.id}\n bgp confederation peers ${confederation.members.join(' ')}\n`} ${peer} remote-as ${n.heraldAsn}
 ${peer} update-source ${n.address}
 ${peer} timers ${keepaliveSeconds(n)} ${n.holdTimeSeconds}
 ${peer} timers connect 2
${n.passive ? ` ${peer} passive\n` : ''}${sessionLines(n)
      .map((line) => ` ${peer} ${line}\n`)
      .join(
        '',
      )}${beside === undefined ? '' : ` neighbor ${beside.address} remote-as ${beside.asn}\n neighbor ${beside.address} timers connect 2\n neighbor ${beside.address} disable-connected-check\n`}${family('ipv4/unicast')}
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
    const complaint = said
      .split('\n')
      .filter((line) => line.trim() !== '' && !line.includes('reset all peers'))
    if (complaint.length > 0) throw new Error(`FRR does not take its configuration: ${said}`)
  },
  established: async (router, { heraldAddress }) => {
    const answer = parseJson(await router.ask(`show bgp neighbors ${heraldAddress} json`))
    const neighbour = (answer as Record<string, { bgpState?: string }>)[heraldAddress]
    return neighbour?.bgpState === 'Established'
  },
  paths: async (router, prefix) => {
    const version = prefix.includes(':') ? 'ipv6' : 'ipv4'
    const answer = parseJson(await router.ask(`show bgp ${version} unicast ${prefix} json`)) as {
      paths?: FrrPath[]
    }
    return (answer.paths ?? [])
      .filter(({ peer }) => peer?.peerId !== '::' && peer?.peerId !== '0.0.0.0')
      .map(seenRoute)
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
  refresh: async (router, { heraldAddress }) => {
    for (const family of testFamilies)
      await router.ask(`clear bgp ${family.replace('/', ' ')} ${heraldAddress} in`)
  },
  shutdown: async (router, { asn, heraldAddress }, text) => {
    await router.ask(
      'configure terminal',
      `router bgp ${asn}`,
      `neighbor ${heraldAddress} shutdown message ${text}`,
    )
  },
  enable: async (router, { asn, heraldAddress }) => {
    await router.ask('configure terminal', `router bgp ${asn}`, `no neighbor ${heraldAddress} shutdown`)
  },
  lastError: async (router, { heraldAddress }) =>
    `${await router.ask(`show bgp neighbors ${heraldAddress}`)}${readFileSync(router.processes.at(-1)!.logFile, 'utf8')}`,
}

interface FrrPath {
  aspath: { string: string }
  metric?: number
  community?: { string: string }
  largeCommunity?: { string: string }
  nexthops: { ip: string; scope?: string }[]
  peer?: { peerId: string }
  originatorId?: string
  clusterList?: { list: string[] }
}

function seenRoute(path: FrrPath): SeenRoute {
  const communities = path.community?.string.split(' ') ?? []
  return {
    asPath: path.aspath.string === 'Local' ? '' : path.aspath.string,
    nextHop: (path.nexthops.find(({ scope }) => scope !== 'link-local') ?? path.nexthops[0])?.ip ?? '',
    med: path.metric,
    communities: communities.map((c) => wellKnown[c] ?? c),
    largeCommunities: path.largeCommunity?.string.split(' ') ?? [],
    originatorId: path.originatorId,
    clusterList: path.clusterList?.list ?? [],
  }
}

/** What it calls by name. */
const wellKnown: Record<string, string> = { 'no-export': '65535:65281', 'llgr-stale': '65535:6' }

function sessionLines({ features }: NeighbourConfig): string[] {
  return [
    features.password === undefined ? '' : `password ${features.password}`,
    features.ttlSecurity === true ? 'ttl-security hops 1' : '',
    features.role === undefined ? '' : `local-role ${features.role === 'rs' ? 'rs-server' : features.role}`,
    features.extendedNextHop === true ? 'capability extended-nexthop' : '',
  ].filter((line) => line !== '')
}

function familyLines({ features }: NeighbourConfig): string[] {
  return [
    features.addPath === true ? 'addpath-tx-all-paths' : '',
    features.prefixLimit === undefined ? '' : `maximum-prefix ${features.prefixLimit}`,
  ].filter((line) => line !== '')
}
