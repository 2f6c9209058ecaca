/** ExaBGP, by its configuration file and the API of its processes: it has no tables, so its messages are replayed here. */
import type { Router } from '#lab/router.ts'
import {
  ownPrefixes,
  parseJson,
  testFamilies,
  theirRoutes,
  type Engine,
  type NeighbourConfig,
  type SeenRoute,
  type TestFamily,
} from '../engine.ts'

const communities = `community [ ${theirRoutes.community.join(':')} ] large-community [ ${theirRoutes.largeCommunity.join(':')} ]`

const ownRoute = (prefix: string, family: TestFamily, nextHop: string = theirRoutes.nextHops[family]) =>
  `route ${prefix} next-hop ${nextHop} med ${theirRoutes.med} ${communities}`

function ownRoutes(n: NeighbourConfig): string[] {
  const nextHop = n.features.extendedNextHop === true ? n.address : undefined
  const routes = testFamilies.flatMap((family) =>
    ownPrefixes(n, family).map((prefix) => ownRoute(prefix, family, nextHop)),
  )
  // It learns nothing, so a second path of a prefix has to be its own too.
  if (n.features.addPath !== true) return routes
  return routes.flatMap((route) => [`${route} path-information 0.0.0.1`, `${route} path-information 0.0.0.2`])
}

export const exabgp: Engine = {
  name: 'exabgp',
  program: 'exabgp',
  // Its parser wants every section over several lines.
  config: (n) => `neighbor ${n.heraldAddress} {
	router-id ${n.routerId};
	local-address ${n.address};
	local-as ${n.asn};
	peer-as ${n.heraldAsn};
	hold-time ${n.holdTimeSeconds};
	passive ${n.passive};
${said(n)}	listen 179;
	family {
		ipv4 unicast;
		ipv6 unicast;
	}
	capability {
		route-refresh enable;
		multi-session disable;
		operational disable;
		graceful-restart ${n.features.restart?.seconds ?? 'disable'};
		add-path ${n.features.addPath === true ? 'send/receive' : 'disable'};
		nexthop ${n.features.extendedNextHop === true ? 'enable' : 'disable'};
	}
${n.features.extendedNextHop === true ? '\tnexthop {\n\t\tipv4 unicast ipv6;\n\t}\n' : ''}	api {
		processes [ watch ];
		neighbor-changes;
		receive {
			parsed;
			open;
			update;
		}
	}
	static {
${ownRoutes(n)
  .map((route) => `\t\t${route};`)
  .join('\n')}
	}
}
`,
  established: async (router) => (await replay(router)).up,
  paths: async (router, prefix) =>
    [...(await replay(router)).routes]
      .filter(([key]) => key.split(' ')[0] === prefix)
      .map(([, route]) => route),
  withdraw: async (router) => {
    for (const family of testFamilies)
      await router.ask(`withdraw ${ownRoute(theirRoutes.prefixes[family], family)}`)
  },
  refresh: async (router, { heraldAddress }) => {
    for (const family of testFamilies)
      await router.ask(`neighbor ${heraldAddress} announce route-refresh ${family.replace('/', ' ')}`)
  },
  // In the reason of a state.
  lastError: (router) => router.ask(),
}

function said({ features }: NeighbourConfig): string {
  return [
    features.password === undefined ? '' : `\tmd5-password ${features.password};\n`,
    features.ttlSecurity === true ? '\toutgoing-ttl 255;\n\tincoming-ttl 255;\n' : '',
  ].join('')
}

interface Nlri {
  nlri: string
  'path-information'?: string
}

/** By prefix, and by path identifier where there is one. */
function keyOf(nlri: Nlri): string {
  return `${nlri.nlri} ${nlri['path-information'] ?? ''}`
}

interface Message {
  type: string
  neighbor: {
    state?: string
    message?: {
      update?: {
        attribute?: {
          'as-path'?: number[]
          med?: number
          community?: [number, number][]
          'large-community'?: [number, number, number][]
          'originator-id'?: string
          'cluster-list'?: string[]
        }
        announce?: Record<string, Record<string, Nlri[]>>
        withdraw?: Record<string, Nlri[]>
      }
    }
  }
}

/** The session's state and the routes received in it, by prefix, from all that ExaBGP has said since its start. */
async function replay(router: Router): Promise<{ up: boolean; routes: Map<string, SeenRoute> }> {
  const routes = new Map<string, SeenRoute>()
  let up = false
  for (const line of (await router.ask()).split('\n').slice(0, -1)) {
    const { type, neighbor } = parseJson(line) as Message
    if (type === 'state') {
      up = neighbor.state === 'up'
      if (!up) routes.clear()
    }
    const update = neighbor?.message?.update
    if (type !== 'update' || update === undefined) continue
    for (const list of Object.values(update.withdraw ?? {}))
      for (const nlri of list) routes.delete(keyOf(nlri))
    for (const byNextHop of Object.values(update.announce ?? {}))
      for (const [nextHop, list] of Object.entries(byNextHop))
        // A pair of next hops (RFC 2545 §3) is told as two; the global one is meant.
        if (!nextHop.startsWith('fe80:'))
          for (const nlri of list) routes.set(keyOf(nlri), seenRoute(nextHop, update.attribute ?? {}))
  }
  return { up, routes }
}

type Attributes = NonNullable<NonNullable<NonNullable<Message['neighbor']['message']>['update']>['attribute']>

function seenRoute(nextHop: string, attributes: Attributes): SeenRoute {
  return {
    asPath: (attributes['as-path'] ?? []).join(' '),
    nextHop,
    med: attributes.med,
    communities: (attributes.community ?? []).map((community) => community.join(':')),
    largeCommunities: (attributes['large-community'] ?? []).map((community) => community.join(':')),
    originatorId: attributes['originator-id'],
    clusterList: attributes['cluster-list'] ?? [],
  }
}
