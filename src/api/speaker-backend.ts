/** Answers for one node, from its speaker's own tables. */
import { families, type Family } from '#core/bgp/family.ts'
import type {
  PeerCommand,
  PeerStatus,
  RouteFilter,
  RoutePage,
  RouteTable,
  WithheldFilter,
  WithheldPage,
} from '#core/bgp/io.ts'
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
import { Pace } from './pace.ts'
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
    effort: number,
  ): RoutePage
  /** A page of the best paths that a peer of an instance is meant to get and does not, as `Bgp.withheld`. */
  withheld(
    instance: string,
    peer: string,
    filter: WithheldFilter,
    cursor: number,
    effort: number,
  ): WithheldPage
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
  const pace = new Pace()
  return {
    version: () => view.version,
    subscribe: (changed) => view.subscribe(changed),
    peers: () => ({ items: peerRows(view), warnings: [] }),
    stations: () => ({ items: stationRows(view), warnings: [] }),
    rpki: () => ({ items: rpkiRows(view), warnings: [] }),
    routes: (query) => routePages(view, query, pace),
    withheld: (query) => withheldPages(view, query, pace),
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
function* withheldPages(
  view: SpeakerView,
  { node, peer, prefix }: WithheldQuery,
  pace: Pace,
): Generator<List<WithheldRow>> {
  if ((node ?? view.node) !== view.node) return
  const only = prefix === undefined ? undefined : parsePrefix(prefix)
  const filter: WithheldFilter = {
    of: peer === undefined ? 'own' : 'all',
    prefix: only?.ok === true ? only.value : undefined,
  }
  for (const { config, withheld } of view.plan()?.instances ?? []) {
    const instance = config.name
    const statuses = view.peers(instance)
    const asked = statuses.filter((status) => isCalled(status, peer))
    const addresses = new Map(statuses.map((status) => [status.peer, placeOf(status)]))
    const planned = withheld.map((one): WithheldRow => ({
      node: view.node,
      instance,
      peer: one.peer === undefined ? undefined : (addresses.get(one.peer) ?? one.peer),
      prefix: one.prefix,
      reasons: one.reasons,
    }))
    const own = (row: WithheldRow) =>
      (peer === undefined || row.peer === undefined || asked.some((each) => placeOf(each) === row.peer)) &&
      (prefix === undefined || row.prefix === prefix)
    yield { items: planned.filter(own), warnings: [] }
    for (const status of peer === undefined ? statuses : asked) {
      const row = (one: WithheldPage['entries'][number]): WithheldRow => ({
        node: view.node,
        instance,
        peer: placeOf(status),
        prefix: one.prefix,
        reasons: [{ rule: 'NotExported', message: one.reason }],
      })
      yield* paged(pace, (cursor, effort) => {
        const { entries, next } = view.withheld(instance, status.peer, filter, cursor, effort)
        return { items: entries.map(row), next }
      })
    }
  }
}

/** Pages of which each says where the next one begins. */
function* paged<T>(
  pace: Pace,
  page: (cursor: number, effort: number) => { items: T[]; next: number | undefined },
): Generator<List<T>> {
  let cursor: number | undefined = 0
  while (cursor !== undefined) {
    const from: number = cursor
    const { items, next } = pace.timed((effort) => page(from, effort))
    yield { items, warnings: [] }
    cursor = next
  }
}

function problemRows(view: SpeakerView): ProblemRow[] {
  return (view.plan()?.problems ?? []).map((problem) => problemRow(view.node, problem))
}

/** Rows of a page: so many that a page is no more than a moment's work. */
export const pageRows = 200

/** In pages, so that neither a whole table is made into rows at a time nor the speaker is held up. */
function* routePages(view: SpeakerView, query: RouteQuery, pace: Pace): Generator<List<RouteRow>> {
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
        yield* paged(pace, (cursor, effort) => {
          const limit = Math.ceil(effort * pageRows)
          const { entries, next } = view.routePage(name, table, filter, cursor, limit, effort)
          return { items: entries.map((entry) => routeRow(list, entry)), next }
        })
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
