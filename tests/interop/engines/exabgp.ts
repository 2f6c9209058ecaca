/** ExaBGP, by its configuration file and the API of its processes: it has no tables, so its messages are replayed here. */
import type { Router } from '#lab/router.ts'
import { parseJson, testFamilies, theirRoutes, type Engine, type SeenRoute } from '../engine.ts'

const ownRoute = (family: (typeof testFamilies)[number]) =>
  `route ${theirRoutes.prefixes[family]} next-hop ${theirRoutes.nextHops[family]} med ${theirRoutes.med} community [ ${theirRoutes.community.join(':')} ] large-community [ ${theirRoutes.largeCommunity.join(':')} ]`

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
	listen 179;
	family {
		ipv4 unicast;
		ipv6 unicast;
	}
	capability {
		route-refresh enable;
		multi-session disable;
		operational disable;
	}
	api {
		processes [ watch ];
		neighbor-changes;
		receive {
			parsed;
			open;
			update;
			notification;
			refresh;
		}
	}
	static {
${n.announces ? testFamilies.map((family) => `		${ownRoute(family)};`).join('\n') : ''}
	}
}
`,
  established: async (router) => (await replay(router)).up,
  route: async (router, prefix) => (await replay(router)).routes.get(prefix),
  withdraw: async (router) => {
    for (const family of testFamilies) await router.ask(`withdraw ${ownRoute(family)}`)
  },
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
        }
        announce?: Record<string, Record<string, { nlri: string }[]>>
        withdraw?: Record<string, { nlri: string }[]>
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
    for (const list of Object.values(update.withdraw ?? {})) for (const { nlri } of list) routes.delete(nlri)
    for (const byNextHop of Object.values(update.announce ?? {}))
      for (const [nextHop, list] of Object.entries(byNextHop))
        // A pair of next hops (RFC 2545 §3) is told as two; the global one is meant.
        if (!nextHop.startsWith('fe80:'))
          for (const { nlri } of list) routes.set(nlri, seenRoute(nextHop, update.attribute ?? {}))
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
  }
}
