/** The lists of the contract as tables: pure functions from rows to text. */
import type {
  PeerRow,
  RouteRow,
  RouteView,
  RpkiRow,
  ServiceRow,
  StationRow,
  ProblemRow,
  WithheldRow,
} from '#api/contract/contract.ts'
import { compareText } from '#core/lib/order.ts'
import { showObject, type Reason } from '#core/lib/reason.ts'
import { scopedAddress, urlHost } from '#core/net/address.ts'
import { goDuration } from './duration.ts'
import { renderTable, TableWriter } from './table.ts'

/** As `cilium bgp peers`: one row per family, the node on its first row only. `wide` adds what that leaves out. */
export function peersTable(peers: readonly PeerRow[], now: number, wide: boolean): string {
  const header = ['Node', 'Local AS', 'Peer AS', 'Peer Address', 'Session State', 'Uptime', 'Family']
  header.push('Received', 'Advertised')
  if (wide) header.push('Accepted', 'Router ID', 'Hold', 'Last Error')
  const rows: string[][] = []
  let lastNode: string | undefined
  for (const peer of peers.toSorted(byNodeThenPeer)) {
    const families = peer.families.length > 0 ? peer.families : [undefined]
    for (const [i, family] of families.entries()) {
      const first = i === 0
      const row = [
        first && peer.node !== lastNode ? peer.node : '',
        first ? String(peer.localAsn) : '',
        first ? String(peer.asn) : '',
        first ? peerAddress(peer) : '',
        first ? peer.state + (peer.awaited === undefined ? '' : ', awaited') : '',
        first ? uptime(peer, now) : '',
        family?.family ?? '',
        String(family?.received ?? 0),
        String(family?.advertised ?? 0),
      ]
      if (wide) {
        row.push(
          String(family?.accepted ?? 0),
          first ? (peer.routerId ?? '') : '',
          first && peer.holdTimeSeconds !== undefined ? `${peer.holdTimeSeconds}s` : '',
          first ? lastError(peer) : '',
        )
      }
      rows.push(row)
    }
    lastNode = peer.node
  }
  return renderTable(header, rows)
}

/**
 * As `cilium bgp routes`; the views of peers' routes add the peer. `wide` adds the step of the decision and the reasons. Gives
 * the lines of the rows given in, the first time with the header above.
 */
export function routesTable(
  view: RouteView,
  now: number,
  wide: boolean,
): (routes: readonly RouteRow[]) => string {
  const withPeer = view !== 'available'
  const header = ['Node', 'VRouter', ...(withPeer ? ['Peer'] : []), 'Prefix', 'NextHop', 'Age', 'Attrs']
  if (view === 'received') header.push('Rejected')
  if (wide) header.push('Decision', 'Why')
  const table = new TableWriter(header)
  let lastNode: string | undefined
  return (routes) =>
    table.lines(
      routes
        .toSorted((a, b) => compareText(a.node, b.node) || a.localAsn - b.localAsn)
        .map((route) => {
          const row = [
            route.node === lastNode ? '' : route.node,
            String(route.localAsn),
            ...(withPeer ? [route.peer ?? ''] : []),
            route.prefix,
            route.nextHop,
            goDuration(now - Date.parse(route.since)),
            attributesText(route),
          ]
          if (view === 'received') row.push(route.rejected ?? '')
          if (wide) row.push(decisionText(route), whyText(route.reasons))
          lastNode = route.node
          return row
        }),
    )
}

/** What each step of the decision looks at. */
const stepTexts: Record<NonNullable<RouteRow['why']>, string> = {
  only: 'only path',
  own: 'own route',
  weight: 'weight',
  longLivedStale: 'long-lived stale',
  localPref: 'LOCAL_PREF',
  aigp: 'AIGP',
  asPathLength: 'AS path length',
  origin: 'ORIGIN',
  med: 'MED',
  external: 'eBGP before iBGP',
  routerId: 'router ID',
  clusterListLength: 'CLUSTER_LIST length',
  peerAddress: 'peer address',
  pathId: 'path ID',
}

/** `best by AS path length`, `loses by MED`; stale paths say so, and validated origins. */
function decisionText({ best, why, stale, rpki, rejected }: RouteRow): string {
  const step = why === undefined ? '' : why === 'only' ? stepTexts.only : `by ${stepTexts[why]}`
  const place = rejected !== undefined ? '' : best ? 'best' : 'loses'
  const origin = rpki === undefined ? '' : `RPKI ${rpki === 'notFound' ? 'not found' : rpki}`
  const parts = [why === 'only' ? step : [place, step].filter(Boolean).join(' ')]
  return [...parts, stale === true ? 'stale' : '', origin].filter(Boolean).join(', ')
}

/** One row per monitoring station. `wide` adds how much it was told and why it was last lost. */
export function stationsTable(stations: readonly StationRow[], now: number, wide: boolean): string {
  const header = ['Node', 'Instance', 'Station', 'State', 'Since', 'Views']
  if (wide) header.push('Messages', 'Bytes', 'Last Error')
  const rows = stations.map((station) => {
    const row = [
      station.node,
      station.instance,
      `${urlHost(station.address)}:${station.port}`,
      station.state,
      station.since === undefined ? '' : goDuration(now - Date.parse(station.since)),
      station.views.join(','),
    ]
    if (wide) row.push(String(station.messages), String(station.bytes), station.lastError?.message ?? '')
    return row
  })
  return renderTable(header, rows)
}

/** One row per RPKI cache, those of a node and instance together. `wide` adds the session's numbers. */
export function rpkiTable(caches: readonly RpkiRow[], now: number, wide: boolean): string {
  const header = ['Node', 'Instance', 'Cache', 'State', 'Used', 'IPv4', 'IPv6', 'Updated']
  if (wide) header.push('Preference', 'Version', 'Session', 'Serial', 'Last Error')
  const rows = caches.map((cache) => {
    const row = [
      cache.node,
      cache.instance,
      `${urlHost(cache.address)}:${cache.port}`,
      cache.state,
      cache.used ? 'yes' : 'no',
      String(cache.ipv4),
      String(cache.ipv6),
      cache.updatedAt === undefined ? '' : `${goDuration(now - Date.parse(cache.updatedAt))} ago`,
    ]
    if (wide) {
      const numbers = [cache.preference, cache.version, cache.sessionId, cache.serial]
      row.push(...numbers.map((number) => (number === undefined ? '' : String(number))), lastError(cache))
    }
    return row
  })
  return renderTable(header, rows)
}

/** Routes that are not announced, in parts: one row each, with the reason that matters most; `wide`: all. */
export function withheldTable(wide: boolean): (rows: readonly WithheldRow[]) => string {
  const table = new TableWriter(['Node', 'Instance', 'Peer', 'Prefix', 'Why Not'])
  return (rows) =>
    table.lines(
      rows.map(({ node, instance, peer, prefix, reasons }) => {
        const why = whyText(wide ? reasons : reasons.slice(0, 1))
        return [node, instance, peer ?? 'all', prefix ?? '<none>', why]
      }),
    )
}

/** One row per problem, and what to do about it. */
export function problemsTable(rows: readonly ProblemRow[]): string {
  const cells = rows.map(({ node, object, field, message, hint }) => [
    node,
    object === undefined ? '' : showObject(object),
    field ?? '',
    message,
    hint ?? '',
  ])
  return renderTable(['Node', 'Object', 'Field', 'Problem', 'Hint'], cells)
}

/** One row per Service: addresses, where it is announced, and the reason that matters most; `wide`: all. */
export function servicesTable(services: readonly ServiceRow[], wide: boolean): string {
  const header = ['NAMESPACE', 'NAME', 'EXTERNAL-IP', 'ANNOUNCED', 'WHY']
  const rows = services.map((service) => {
    const announcing = service.nodes.filter((node) => node.announced.length > 0)
    const sessions = new Set(
      announcing.flatMap((node) => node.announced.map((a) => `${node.node} ${a.peer}`)),
    )
    const announced =
      announcing.length === 0
        ? 'no'
        : `${announcing.length}/${count(service.nodes.length, 'node')}, ${count(sessions.size, 'session')}`
    return [
      service.namespace,
      service.name,
      service.addresses.join(',') || '<pending>',
      announced,
      wide ? allReasons(service) : mainReason(service),
    ]
  })
  return renderTable(header, rows)
}

function uptime(peer: PeerRow, now: number): string {
  if (peer.state !== 'established' || peer.since === undefined) return '0s'
  return goDuration(now - Date.parse(peer.since))
}

export function peerAddress(peer: PeerRow): string {
  const address = scopedAddress(peer.address, peer.interface)
  return peer.port === 179 ? address : `${urlHost(address)}:${peer.port}`
}

export function lastError(peer: Pick<PeerRow, 'lastError'>): string {
  if (peer.lastError === undefined) return ''
  const { direction, message } = peer.lastError
  return direction === 'local' || message.startsWith(direction) ? message : `${direction}: ${message}`
}

/** GoBGP's notation, which Cilium's tables use. */
function attributesText(route: RouteRow): string {
  const parts = [`{Origin: ${{ igp: 'i', egp: 'e', incomplete: '?' }[route.origin]}}`]
  if (route.asPath !== '') parts.push(`{AsPath: ${route.asPath}}`)
  parts.push(`{Nexthop: ${route.nextHop}}`)
  if (route.med !== undefined) parts.push(`{Med: ${route.med}}`)
  if (route.localPref !== undefined) parts.push(`{LocalPref: ${route.localPref}}`)
  if (route.communities.length > 0) parts.push(`{Communities: ${route.communities.join(', ')}}`)
  if (route.originatorId !== undefined) parts.push(`{Originator: ${route.originatorId}}`)
  if (route.clusterList !== undefined) parts.push(`{ClusterList: ${route.clusterList.join(' ')}}`)
  if (route.aigp !== undefined) parts.push(`{AIGP: ${route.aigp}}`)
  if (route.onlyToCustomer !== undefined) parts.push(`{OTC: ${route.onlyToCustomer}}`)
  if (route.weight !== undefined) parts.push(`{Weight: ${route.weight}}`)
  if (route.pathId !== undefined) parts.push(`{PathID: ${route.pathId}}`)
  return `[${parts.join(' ')}]`
}

/**
 * The reason that a person needs first: why there is no address, else why it is announced and why not everywhere, else
 * why not at all.
 */
function mainReason(service: ServiceRow): string {
  if (service.addresses.length === 0) return whyText([service.allocation])
  const announced = service.nodes.flatMap((node) => node.announced)
  const silent = service.nodes.filter((node) => node.announced.length === 0)
  const withheld = silent.flatMap((node) => node.withheld)
  const whyNot = whyText(withheld[0]?.reasons.slice(0, 1) ?? [service.allocation])
  if (announced.length === 0) return whyNot
  const why = whyText(announced[0]!.reasons.slice(0, 1))
  return withheld.length === 0 ? why : `${why}; not from ${count(silent.length, 'node')}: ${whyNot}`
}

/** Nodes of one mind are named together. */
function allReasons(service: ServiceRow): string {
  const nodes = new Map<string, string[]>()
  const add = (node: string, text: string) => nodes.set(text, [...(nodes.get(text) ?? []), node])
  for (const { node, announced, withheld } of service.nodes) {
    for (const { prefix, peer, reasons } of announced)
      add(node, `${prefix} is announced to ${peer}, since ${whyText(reasons)}`)
    for (const { prefix, reasons } of withheld)
      add(node, `${prefix ?? 'it'} is withheld, since ${whyText(reasons)}`)
  }
  const parts = [...nodes].map(([text, names]) => {
    const all = names.length === service.nodes.length && names.length > 1
    return `${all ? `all ${names.length} nodes` : names.join(', ')}: ${text}`
  })
  return [whyText([service.allocation]), ...parts].join('; ')
}

function count(items: number, noun: string): string {
  return `${items} ${noun}${items === 1 ? '' : 's'}`
}

export function whyText(reasons: readonly Reason[]): string {
  return reasons
    .map(({ message, object, field }) => {
      const where = [object === undefined ? '' : showObject(object), field ?? ''].filter(Boolean).join(' ')
      return where === '' ? message : `${message} (${where})`
    })
    .join(', ')
}

function byNodeThenPeer(a: PeerRow, b: PeerRow): number {
  return compareText(a.node, b.node) || a.localAsn - b.localAsn || compareText(a.address, b.address)
}
