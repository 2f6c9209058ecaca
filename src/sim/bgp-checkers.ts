/** What must hold in a fabric that has come to rest. Each fault is a sentence. */
import type { AsPathSegment } from '#core/bgp/attributes.ts'
import { families, familyOfPrefix } from '#core/bgp/family.ts'
import type { PeerStatus, RouteEntry } from '#core/bgp/io.ts'
import type { Prefix } from '#core/net/prefix.ts'
import type { SimulatedBgp } from './bgp-host.ts'
import {
  bestOf,
  choose,
  neighbourOf,
  sessionBetween,
  sessionLearnedOver,
  showPath,
  solve,
  type OracleFabric,
  type OraclePath,
  type Solution,
} from './bgp-oracle.ts'

export interface FabricCheck {
  faults: string[]
  /** `unsettled`: the fabric does not come to rest, as some with several stable states may; `other`: it has several, and is in another one. */
  outcome: 'oracle' | 'other' | 'unsettled'
  /** What every speaker has; empty where nothing was looked at. */
  seen: Solution
}

/** `running`: by name. `restless`: choices are still changing. */
export function checkFabric(
  running: ReadonlyMap<string, SimulatedBgp>,
  oracle: OracleFabric,
  restless: boolean,
): FabricCheck {
  const faults: string[] = []
  const expected = solve(oracle)
  // Two speakers that want each other's way may change their minds in step for ever (RFC 4264 §3).
  if (expected === undefined || (restless && severalStates(oracle)))
    return { faults, outcome: 'unsettled', seen: new Map() }
  if (restless) faults.push('choices change for ever')
  const tables = new Map([...running].map(([name, bgp]) => [name, tablesOf(bgp)]))
  for (const [name, each] of tables) {
    checkSessions(faults, name, each, oracle)
    checkCounts(faults, name, each, oracle)
    checkLoops(faults, name, each)
  }
  checkBothEnds(faults, tables, oracle)
  if (faults.length > 0) return { faults, outcome: 'oracle', seen: new Map() }
  const seen: Solution = new Map([...tables].map(([name, each]) => [name, pathsOf(name, each, oracle)]))
  const differences = [...running.keys()].flatMap((name) => differ(name, seen, expected.get(name)!))
  if (differences.length === 0) return { faults, outcome: 'oracle', seen }
  // A fabric may have several stable states. Then each choice must be right by what the neighbours chose.
  const wrong = [...running.keys()].flatMap((name) => differ(name, seen, choose(oracle, seen, name)))
  return wrong.length === 0 && severalStates(oracle)
    ? { faults, outcome: 'other', seen }
    : { faults: wrong.length === 0 ? differences : wrong, outcome: 'oracle', seen }
}

/** What a speaker has, asked for once. */
interface Tables {
  peers: PeerStatus[]
  locRib: RouteEntry[]
  /** By name of the peer. */
  received: Map<string, RouteEntry[]>
  sent: Map<string, RouteEntry[]>
}

function tablesOf(bgp: SimulatedBgp): Tables {
  const peers = bgp.peers()
  const ofPeers = (table: 'adjRibIn' | 'adjRibOut') =>
    new Map(peers.map(({ peer }) => [peer, bgp.routes(table, { peer })]))
  return { peers, locRib: bgp.routes('locRib'), received: ofPeers('adjRibIn'), sent: ofPeers('adjRibOut') }
}

function checkSessions(faults: string[], name: string, { peers }: Tables, oracle: OracleFabric): void {
  for (const { peer, state } of peers) {
    const wanted = sessionBetween(oracle, name, peer) !== undefined
    if (wanted !== (state === 'established')) faults.push(`${name}: the session to ${peer} is in ${state}`)
  }
}

/** Counters are those of the tables, and nothing is kept that may be out of date. */
function checkCounts(faults: string[], name: string, tables: Tables, oracle: OracleFabric): void {
  for (const { peer, families: counts } of tables.peers) {
    for (const { family, received, accepted, advertised } of counts) {
      const isOf = ({ prefix }: RouteEntry) => familyOfPrefix(prefix) === family
      const routes = tables.received.get(peer)!.filter(isOf)
      const usable = routes.filter(({ rejected }) => rejected === undefined)
      const sent = tables.sent.get(peer)!.filter(isOf)
      const [is, should] = [
        [received, accepted, advertised].join(' '),
        [routes.length, usable.length, sent.length].join(' '),
      ]
      if (is !== should)
        faults.push(`${name}: counts of ${family} with ${peer} are ${is} instead of ${should}`)
      const mayBeStale = peer === oracle.gone?.speaker.config.name
      for (const { prefix, stale } of routes)
        if (stale === true && !mayBeStale) faults.push(`${name}: ${prefix} of ${peer} is still stale`)
    }
  }
}

/** No AS stands in a path at two places. */
function checkLoops(faults: string[], name: string, { locRib }: Tables): void {
  for (const { prefix, attributes } of locRib) {
    // Who puts itself in front several times does it at once.
    const asns = attributes.asPath
      .flatMap((segment) => segment.asns)
      .filter((asn, i, all) => asn !== all[i - 1])
    if (new Set(asns).size < asns.length)
      faults.push(`${name}: the path to ${prefix} is a loop: ${asns.join(' ')}`)
  }
}

/** What one end says it has sent, the other says it has received. */
function checkBothEnds(faults: string[], tables: ReadonlyMap<string, Tables>, oracle: OracleFabric): void {
  for (const [name, { peers, sent: sentTo }] of tables)
    for (const { peer } of peers) {
      if (sessionBetween(oracle, name, peer) === undefined) continue
      // RFC 4271 §6.3: one that points at its receiver is not taken in.
      const own = Object.values(oracle.speakers.get(peer)!.addresses)
      const sent = sentTo
        .get(peer)!
        .filter(({ attributes }) => !own.includes(attributes.nextHop))
        .map(onTheWire)
        .sort()
      const received = tables.get(peer)!.received.get(name)!.map(onTheWire).sort()
      for (const line of sent)
        if (!received.includes(line)) faults.push(`${peer} has not received from ${name}: ${line}`)
      for (const line of received)
        if (!sent.includes(line)) faults.push(`${name} has not sent to ${peer}: ${line}`)
    }
}

function onTheWire({ prefix, attributes, received }: RouteEntry): string {
  const { weight: _, ...sent } = received ?? attributes
  return `${prefix} ${JSON.stringify(Object.entries(sent).sort(([a], [b]) => (a < b ? -1 : 1)))}`
}

/** What a speaker may use, in the words of the oracle: the best path of each prefix first. */
function pathsOf(
  name: string,
  { locRib, received }: Tables,
  oracle: OracleFabric,
): Map<Prefix, OraclePath[]> {
  const paths = new Map<Prefix, OraclePath[]>()
  const best = locRib.filter((entry) => entry.best)
  for (const entry of best) paths.set(entry.prefix, [pathOf(name, entry, oracle)])
  const usable = [...received.values()].flat().filter(({ rejected }) => rejected === undefined)
  for (const entry of usable) {
    const path = pathOf(name, entry, oracle)
    const list = paths.get(entry.prefix) ?? []
    if (list[0] === undefined || showPath(list[0]) !== showPath(path))
      paths.set(entry.prefix, [...list, path])
  }
  return paths
}

function pathOf(name: string, { prefix, peer, attributes }: RouteEntry, oracle: OracleFabric): OraclePath {
  const path: OraclePath = {
    prefix,
    origin: attributes.origin,
    asPath: hops(attributes.asPath),
    nextHop: attributes.nextHop,
    communities: attributes.communities ?? [],
    clusters: attributes.clusterList ?? [],
  }
  if (attributes.med !== undefined) path.med = attributes.med
  if (attributes.localPref !== undefined) path.localPref = attributes.localPref
  if (attributes.otc !== undefined) path.otc = attributes.otc
  if (attributes.originatorId !== undefined) path.originator = attributes.originatorId
  const session = peer === undefined ? undefined : sessionLearnedOver(oracle, peer, name)
  if (session !== undefined) path.from = neighbourOf(session)
  return path
}

function hops(path: readonly AsPathSegment[]): string[] {
  return path.flatMap(({ kind, asns }) =>
    asns.map((asn) => (kind.startsWith('confed') ? `c${asn}` : String(asn))),
  )
}

function differ(
  name: string,
  seen: Solution,
  expected: ReadonlyMap<Prefix, readonly OraclePath[]>,
): string[] {
  const faults: string[] = []
  const own = seen.get(name)!
  for (const prefix of new Set([...own.keys(), ...expected.keys()])) {
    const is = own.get(prefix)?.[0]
    const right = bestOf(expected.get(prefix) ?? [])
    const text = is === undefined ? 'nothing' : showPath(is)
    const texts = right.length === 0 ? ['nothing'] : right.map(showPath)
    if (!texts.includes(text)) faults.push(`${name} has ${text} instead of ${texts.join(' or ')}`)
  }
  return faults
}

/**
 * Whether a fabric can have several stable states: where a path may be no longer for having gone on (RFC 4456, RFC 5065, RFC 7947), or be
 * preferred for another reason than its length.
 */
function severalStates({ speakers }: OracleFabric): boolean {
  return [...speakers.values()].some(
    ({ config }) =>
      config.confederation !== undefined ||
      config.peers.some(({ routeReflectorClient, routeServerClient, addPath }) => {
        if (routeReflectorClient === true || routeServerClient === true) return true
        return families.some((family) => addPath?.[family] !== undefined)
      }),
  )
}
