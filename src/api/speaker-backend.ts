/** Answers for one node, from its speaker's own tables. */
import { families, type Family } from '#core/bgp/family.ts'
import type { PeerCommand, PeerStatus, RouteFilter, RoutePage, RouteTable } from '#core/bgp/io.ts'
import { scopedAddress } from '#core/net/address.ts'
import { parseCommunity, parseLargeCommunity } from '#core/net/community.ts'
import { parsePrefix, type Prefix } from '#core/net/prefix.ts'
import type { InstancePlan, NodePlan } from '#core/plan/node-plan.ts'
import type { StationStatus } from '#core/bmp/station.ts'
import type { CacheStatus } from '#core/rpki/rpki.ts'
import type {
  List,
  PeerCommandAnswer,
  PeerCommandRequest,
  PeerRow,
  ProblemRow,
  RouteQuery,
  RouteRow,
  RouteView,
  RpkiRow,
  StationRow,
  Version,
  WithheldQuery,
  WithheldRow,
} from './contract/contract.ts'
import { isMeant, refusalOf, type Refusal } from './peer-command.ts'
import { peerRow, problemRow, routeRow, rpkiRow, stationRow, type PeerPlan } from './rows.ts'
import type { ApiBackend } from './server.ts'

/** What a speaker gives to see. */
export interface SpeakerView {
  version: Version
  node: string
  plan(): NodePlan | undefined
  /** Of one instance. */
  peers(instance: string): PeerStatus[]
  /** A page of the routes of one instance, as `Bgp.routePage`. */
  routePage(
    instance: string,
    table: RouteTable,
    filter: RouteFilter,
    cursor: number,
    limit: number,
  ): RoutePage
  /** Own routes, or all best paths, that a peer of an instance is meant to get and does not, with the rule. */
  withheld(instance: string, peer: string, of: 'all' | 'own'): { prefix: Prefix; reason: string }[]
  /** For a peer of an instance, by its name. */
  command(instance: string, peer: string, command: PeerCommand): void
  /** RPKI caches of one instance. */
  rpkiCaches(instance: string): CacheStatus[]
  /** Monitoring stations of one instance. */
  stations(instance: string): StationStatus[]
  subscribe(changed: () => void): () => void
}

const tables: Record<RouteView, RouteTable> = {
  available: 'locRib',
  received: 'adjRibIn',
  accepted: 'accepted',
  advertised: 'adjRibOut',
}

/** Answers from the view of one speaker; it knows of no Services. */
export function speakerBackend(view: SpeakerView): ApiBackend {
  return {
    version: () => view.version,
    subscribe: (changed) => view.subscribe(changed),
    peers: () => ({ items: peerRows(view), warnings: [] }),
    stations: () => ({ items: stationRows(view), warnings: [] }),
    rpki: () => ({ items: rpkiRows(view), warnings: [] }),
    routes: (query) => routePages(view, query),
    withheld: (query) => ({ items: withheldRows(view, query), warnings: [] }),
    problems: () => ({ items: problemRows(view), warnings: [] }),
    command: (request) => command(view, request),
  }
}

function peerRows(view: SpeakerView): PeerRow[] {
  return (view.plan()?.instances ?? []).flatMap((instance) =>
    view
      .peers(instance.config.name)
      .map((status) => peerRow(view.node, instance.config.name, status, peerPlan(instance, status))),
  )
}

/** Of a neighbour that connected from a listen range: what its template says. */
function peerPlan({ config, peerReasons }: InstancePlan, status: PeerStatus): PeerPlan {
  const { peer, dynamic } = status
  const own = config.peers.find(({ name }) => name === peer)
  if (own !== undefined) return { config: own, reasons: peerReasons[peer] ?? [] }
  if (!dynamic) return { reasons: [] }
  const templates = (config.listenRanges ?? []).map(({ template }) => template)
  const [template] = templates
    .filter(({ name }) => peer.startsWith(`${name}-`))
    .toSorted((a, b) => b.name.length - a.name.length)
  return template === undefined
    ? { reasons: [] }
    : { config: template, reasons: peerReasons[template.name] ?? [] }
}

function stationRows(view: SpeakerView): StationRow[] {
  return (view.plan()?.instances ?? []).flatMap(({ config }) =>
    view.stations(config.name).map((status) => stationRow(view.node, config.name, status)),
  )
}

function rpkiRows(view: SpeakerView): RpkiRow[] {
  return (view.plan()?.instances ?? []).flatMap(({ config }) =>
    view.rpkiCaches(config.name).map((status) => rpkiRow(view.node, config.name, status)),
  )
}

/** What the plan, the rules of BGP and export policies withhold of own routes; of one peer, of learned ones too. */
function withheldRows(view: SpeakerView, { node, peer, prefix }: WithheldQuery): WithheldRow[] {
  if ((node ?? view.node) !== view.node) return []
  return (view.plan()?.instances ?? []).flatMap(({ config: { name: instance }, withheld }) => {
    const statuses = view.peers(instance)
    const addresses = new Map(statuses.map((status) => [status.peer, placeOf(status)]))
    const planned = withheld.map((one): WithheldRow => ({
      node: view.node,
      instance,
      peer: one.peer === undefined ? undefined : (addresses.get(one.peer) ?? one.peer),
      prefix: one.prefix,
      reasons: one.reasons,
    }))
    const asked = statuses.filter((status) => isCalled(status, peer))
    const ruled = (peer === undefined ? statuses : asked).flatMap((status) =>
      view.withheld(instance, status.peer, peer === undefined ? 'own' : 'all').map((one): WithheldRow => ({
        node: view.node,
        instance,
        peer: placeOf(status),
        prefix: one.prefix,
        reasons: [{ rule: 'NotExported', message: one.reason }],
      })),
    )
    const own = (row: WithheldRow) =>
      peer === undefined || row.peer === undefined || asked.some((status) => placeOf(status) === row.peer)
    return [...planned.filter(own), ...ruled].filter((row) => prefix === undefined || row.prefix === prefix)
  })
}

function problemRows(view: SpeakerView): ProblemRow[] {
  return (view.plan()?.problems ?? []).map((problem) => problemRow(view.node, problem))
}

/** Rows of a page: so many that a page is no more than a moment's work. */
const pageRows = 200

/** In pages, so that neither a whole table is made into rows at a time nor the speaker is held up. */
function* routePages(view: SpeakerView, query: RouteQuery): Generator<List<RouteRow>> {
  const plan = view.plan()
  if (plan === undefined || (query.node ?? view.node) !== view.node) return
  const table = tables[query.view]
  for (const instance of plan.instances) {
    const { name } = instance.config
    const statuses = view.peers(name)
    const addresses = new Map(statuses.map((status) => [status.peer, placeOf(status)]))
    const reasons = Map.groupBy(instance.routeReasons, ({ prefix }) => prefix)
    const list = {
      node: view.node,
      plan: instance,
      addresses,
      advertised: query.view === 'advertised',
      reasonsOf: (prefix: Prefix) => reasons.get(prefix) ?? [],
    }
    const peers =
      query.peer === undefined
        ? [undefined]
        : statuses.filter((status) => isCalled(status, query.peer)).map(({ peer }) => peer)
    for (const peer of peers) {
      for (const family of wantedFamilies(query)) {
        const filter = { ...filterOf(query), family, peer }
        let cursor: number | undefined = 0
        while (cursor !== undefined) {
          const page: RoutePage = view.routePage(name, table, filter, cursor, pageRows)
          yield { items: page.entries.map((entry) => routeRow(list, entry)), warnings: [] }
          cursor = page.next
        }
      }
    }
  }
}

function filterOf({ prefix, match, community, asPath }: RouteQuery): RouteFilter {
  const parsed = prefix === undefined ? undefined : parsePrefix(prefix)
  const standard = community === undefined ? undefined : parseCommunity(community)
  const large = community === undefined ? undefined : parseLargeCommunity(community)
  return {
    ...(parsed?.ok === true && { prefix: parsed.value }),
    ...(match !== undefined && { match }),
    ...(standard?.ok === true && { community: standard.value }),
    ...(large?.ok === true && { largeCommunity: large.value }),
    ...(asPath !== undefined && { asPath }),
  }
}

function command(view: SpeakerView, request: PeerCommandRequest): PeerCommandAnswer | Refusal {
  const wanted = peerRows(view).filter((row) => isMeant(row, request))
  const refusal = refusalOf(wanted, request)
  if (refusal !== undefined) return refusal
  const { command: kind, text } = request
  for (const { instance, peer } of wanted) {
    const withText = kind === 'reset' && text !== undefined ? { kind, text } : { kind }
    view.command(instance, peer, withText)
  }
  return {
    peers: wanted.map((row) => ({
      node: row.node,
      instance: row.instance,
      peer: row.peer,
      address: scopedAddress(row.address, row.interface),
    })),
  }
}

function placeOf({ address, interface: by }: PeerStatus): string {
  return scopedAddress(address, by)
}

function isCalled(status: PeerStatus, name: string | undefined): boolean {
  return name === status.peer || name === status.address || name === placeOf(status)
}

function wantedFamilies(query: RouteQuery): readonly Family[] {
  return query.family === undefined ? families : [query.family]
}
