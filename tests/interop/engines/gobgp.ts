/** GoBGP, by its YAML file and the gobgp client. */
import { readFileSync } from 'node:fs'
import {
  keepaliveSeconds,
  ownPrefixes,
  parseJson,
  testFamilies,
  theirRoutes,
  type Engine,
  type SeenRoute,
} from '../engine.ts'

export const gobgp: Engine = {
  name: 'gobgp',
  program: 'gobgpd',
  // YAML takes JSON.
  config: (n) => {
    const { restart, confederation, beside, addPath, prefixLimit } = n.features
    const reflector = {
      'route-reflector': {
        config: { 'route-reflector-client': true, 'route-reflector-cluster-id': n.routerId },
      },
    }
    const families = testFamilies.map((family) => ({
      config: { 'afi-safi-name': family.replace('/', '-') },
      ...(restart !== undefined && { 'mp-graceful-restart': { config: { enabled: true } } }),
      ...(restart?.longLivedSeconds !== undefined && {
        'long-lived-graceful-restart': {
          config: { enabled: true, 'restart-time': restart.longLivedSeconds },
        },
      }),
      ...(addPath === true && { 'add-paths': { config: { receive: true, 'send-max': 8 } } }),
      ...(prefixLimit !== undefined && {
        'prefix-limit': { config: { 'max-prefixes': prefixLimit, 'shutdown-threshold-pct': 100 } },
      }),
    }))
    const timers = {
      config: {
        'hold-time': n.holdTimeSeconds,
        'keepalive-interval': keepaliveSeconds(n),
        'connect-retry': 1,
        'idle-hold-time-after-reset': 1,
      },
    }
    const herald = {
      config: {
        'neighbor-address': n.heraldAddress,
        'peer-as': n.heraldAsn,
        // Its routes come by command, and a restarted speaker must have them before it says that they are all.
        ...(restart !== undefined && { 'admin-down': true }),
        ...(n.features.password !== undefined && { 'auth-password': n.features.password }),
      },
      timers,
      transport: { config: { 'local-address': n.address, 'passive-mode': n.passive } },
      'afi-safis': families,
      ...(n.features.ttlSecurity === true && {
        'ttl-security': { config: { enabled: true, 'ttl-min': 255 } },
      }),
      ...(restart !== undefined && {
        'graceful-restart': {
          config: {
            enabled: true,
            'restart-time': restart.seconds,
            'deferral-time': 5,
            'long-lived-enabled': restart.longLivedSeconds !== undefined,
          },
        },
      }),
      ...(beside?.reflects === true && reflector),
    }
    const client = beside && {
      config: { 'neighbor-address': beside.address, 'peer-as': beside.asn },
      timers,
      transport: { config: { 'local-address': n.address, 'passive-mode': true } },
      'afi-safis': families,
      ...(beside.reflects && reflector),
    }
    return JSON.stringify({
      global: {
        config: { as: n.asn, 'router-id': n.routerId },
        ...(confederation !== undefined && {
          confederation: {
            config: { enabled: true, identifier: confederation.id, 'member-as-list': confederation.members },
          },
        }),
      },
      neighbors: client === undefined ? [herald] : [herald, client],
    })
  },
  afterStart: async (router, neighbour) => {
    const community = theirRoutes.community.join(':')
    const large = theirRoutes.largeCommunity.join(':')
    for (const family of testFamilies)
      for (const prefix of ownPrefixes(neighbour, family)) {
        const words = `global rib add -a ${family.slice(0, 4)} ${prefix} nexthop ${theirRoutes.nextHops[family]} med ${theirRoutes.med} community ${community} large-community ${large}`
        const said = await router.ask(...words.split(' '))
        if (said.trim() !== '') throw new Error(`GoBGP refuses its own route: ${said}`)
      }
    if (neighbour.features.restart !== undefined)
      await router.ask('neighbor', neighbour.heraldAddress, 'enable')
  },
  established: async (router, { heraldAddress }) =>
    (await router.ask('neighbor'))
      .split('\n')
      .some((line) => line.startsWith(`${heraldAddress} `) && /Establ/.test(line)),
  paths: async (router, prefix) => {
    const version = prefix.includes(':') ? 'ipv6' : 'ipv4'
    const text = await router.ask('global', 'rib', '-a', version, prefix, '-j')
    if (!text.trimStart().startsWith('{') && !text.trimStart().startsWith('[')) return []
    const answer = parseJson(text)
    const paths = (Array.isArray(answer) ? answer : Object.values(answer as object).flat()) as GobgpPath[]
    return paths
      .filter((path) => path['neighbor-ip'] !== '<nil>' && path['neighbor-ip'] !== undefined)
      .map(seenRoute)
  },
  withdraw: async (router) => {
    for (const [family, prefix] of Object.entries(theirRoutes.prefixes)) {
      await router.ask('global', 'rib', 'del', '-a', family.slice(0, 4), prefix)
    }
  },
  shutdown: async (router, { heraldAddress }, text) => {
    await router.ask('neighbor', heraldAddress, 'shutdown', '--reason', text)
  },
  enable: async (router, { heraldAddress }) => {
    await router.ask('neighbor', heraldAddress, 'enable')
  },
  afterRestart: (router, neighbour) => gobgp.afterStart!(router, neighbour),
  lastError: (router) => Promise.resolve(readFileSync(router.processes[0]!.logFile, 'utf8')),
  restartArguments: ['-r'],
}

interface GobgpPath {
  'neighbor-ip'?: string
  attrs: {
    type: number
    as_paths?: { asns?: number[] }[]
    nexthop?: string
    metric?: number
    communities?: number[]
    value?: unknown
  }[]
}

function seenRoute({ attrs }: GobgpPath): SeenRoute {
  const find = (type: number) => attrs.find((attribute) => attribute.type === type)
  const large = (find(32)?.value ?? []) as { ASN: number; LocalData1: number; LocalData2: number }[]
  return {
    asPath: (find(2)?.as_paths ?? []).flatMap(({ asns }) => asns ?? []).join(' '),
    nextHop: find(3)?.nexthop ?? find(14)?.nexthop ?? '',
    med: find(4)?.metric,
    communities: (find(8)?.communities ?? []).map((c) => `${c >>> 16}:${c & 0xffff}`),
    largeCommunities: large.map((c) => `${c.ASN}:${c.LocalData1}:${c.LocalData2}`),
    originatorId: find(9)?.value as string | undefined,
    clusterList: (find(10)?.value ?? []) as string[],
  }
}
