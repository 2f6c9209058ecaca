/**
 * What every speaker of a fabric should have chosen once all is quiet: RFC 4271, RFC 4456, RFC 5065, RFC 7911, RFC 7947 and
 * RFC 9234 said a second time, from configurations alone, without a line of the speaker. Each speaker in turn looks at what its neighbours would tell
 * it, until nobody changes its mind. Slow and plain on purpose.
 */
import type { Origin, PathAttributes } from '#core/bgp/attributes.ts'
import type { InstanceConfig, PeerConfig, Role } from '#core/bgp/config.ts'
import { familyOfPrefix, type Family } from '#core/bgp/family.ts'
import type { PolicyChain, PolicyMatch } from '#core/bgp/policy/policy.ts'
import { compareAddresses, versionOf, type Address } from '#core/net/address.ts'
import { covers, lengthOf, networkOf, type Prefix } from '#core/net/prefix.ts'

/** A speaker that runs. Names of peers are names of speakers. */
export interface OracleSpeaker {
  config: InstanceConfig
  addresses: Record<4 | 6, Address>
}

export interface OracleFabric {
  speakers: ReadonlyMap<string, OracleSpeaker>
  /** Whether packets pass between the two. */
  connected: (a: string, b: string) => boolean
  /** Who went down when all was at rest, beyond its restart time, with what it had. */
  gone?: { speaker: OracleSpeaker; paths: ReadonlyMap<Prefix, readonly OraclePath[]> }
}

export interface OraclePath {
  prefix: Prefix
  /** Absent: an own route. */
  from?: OracleNeighbour
  origin: Origin
  /** Nearest first; `c` before those of confederation segments. */
  asPath: readonly string[]
  nextHop: Address
  med?: number
  localPref?: number
  communities: readonly number[]
  /** RFC 9234 §5: AS number of ONLY_TO_CUSTOMER. */
  otc?: number
  originator?: Address
  clusters: readonly Address[]
}

interface OracleNeighbour {
  name: string
  kind: Kind
  client: boolean
  asn: number
  routerId: Address
  address: Address
}

type Kind = 'external' | 'internal' | 'confed'

/** By speaker and prefix, usable paths, the best first. */
export type Solution = Map<string, Map<Prefix, OraclePath[]>>

/** More rounds than any path needs to cross a fabric; a fabric that is not settled then has no stable state to find. */
const maxRounds = 60

/** Undefined: it never comes to rest. */
export function solve(fabric: OracleFabric): Solution | undefined {
  const solution: Solution = new Map([...fabric.speakers.keys()].map((name) => [name, new Map()]))
  for (let round = 0; round < maxRounds; round++) {
    let changed = false
    for (const name of fabric.speakers.keys()) {
      const next = choose(fabric, solution, name)
      if (show(next) === show(solution.get(name)!)) continue
      solution.set(name, next)
      changed = true
    }
    if (!changed) return solution
  }
  return undefined
}

/** What one speaker makes of what its neighbours have. */
export function choose(fabric: OracleFabric, solution: Solution, name: string): Map<Prefix, OraclePath[]> {
  const receiver = fabric.speakers.get(name)!
  const paths = new Map<Prefix, OraclePath[]>()
  const add = (path: OraclePath) => paths.set(path.prefix, [...(paths.get(path.prefix) ?? []), path])
  for (const { prefix, to } of receiver.config.routes) add(ownPath(receiver, prefix, to[0]?.attributes ?? {}))
  for (const { name: neighbour } of receiver.config.peers) {
    const session = sessionLearnedOver(fabric, neighbour, name)
    if (session === undefined) continue
    const isGone = neighbour === fabric.gone?.speaker.config.name
    for (const path of told(session, isGone ? fabric.gone!.paths : solution.get(neighbour)!)) {
      const taken = takeIn(session, path)
      if (taken !== undefined) add(isGone ? longLivedStale(taken) : taken)
    }
  }
  for (const [prefix, list] of paths) paths.set(prefix, inOrder(list))
  return paths
}

/** Of the side that sends. */
export interface OracleSession {
  sender: OracleSpeaker
  receiver: OracleSpeaker
  /** The sender's view of the receiver, and the other way round. */
  toPeer: PeerConfig
  fromPeer: PeerConfig
  kind: Kind
  families: readonly Family[]
}

/** Undefined: there is no session, or one side does not run. */
export function sessionBetween(
  fabric: OracleFabric,
  senderName: string,
  receiverName: string,
): OracleSession | undefined {
  const [sender, receiver] = [fabric.speakers.get(senderName), fabric.speakers.get(receiverName)]
  const toPeer = sender?.config.peers.find((peer) => peer.name === receiverName)
  const fromPeer = receiver?.config.peers.find((peer) => peer.name === senderName)
  if (sender === undefined || receiver === undefined || toPeer === undefined || fromPeer === undefined)
    return undefined
  if (!fabric.connected(senderName, receiverName) || !rolesFit(toPeer, fromPeer)) return undefined
  const { config } = sender
  const kind =
    receiver.config.asn === config.asn
      ? 'internal'
      : config.confederation?.members.includes(receiver.config.asn) === true
        ? 'confed'
        : 'external'
  const families = toPeer.families.filter((family) => fromPeer.families.includes(family))
  return { sender, receiver, toPeer, fromPeer, kind, families }
}

/** RFC 9494 §4.2: also what paths are kept of, for long, when their neighbour is gone. */
export function sessionLearnedOver(
  fabric: OracleFabric,
  senderName: string,
  receiverName: string,
): OracleSession | undefined {
  const { speakers, gone } = fabric
  if (gone === undefined || senderName !== gone.speaker.config.name)
    return sessionBetween(fabric, senderName, receiverName)
  const before = { ...fabric, speakers: new Map([...speakers, [senderName, gone.speaker]]) }
  const session = sessionBetween(before, senderName, receiverName)
  return session !== undefined && knowsLongLived(session.toPeer) && knowsLongLived(session.fromPeer)
    ? session
    : undefined
}

function knowsLongLived({ gracefulRestart }: PeerConfig): boolean {
  return gracefulRestart?.longLivedSeconds !== undefined
}

/** RFC 9494 §4.2. */
function longLivedStale(path: OraclePath): OraclePath {
  return { ...path, communities: [...new Set([...path.communities, llgrStale])].sort((a, b) => a - b) }
}

const llgrStale = 0xffff0006

/** RFC 9234 §4.2: both sides' roles belong together; who is strict wants one. */
function rolesFit({ role: own }: PeerConfig, { role: other }: PeerConfig): boolean {
  if (own === undefined || other === undefined) return own?.strict !== true && other?.strict !== true
  return oppositeRoles[own.name] === other.name
}

const oppositeRoles = {
  provider: 'customer',
  customer: 'provider',
  peer: 'peer',
  rs: 'rs-client',
  'rs-client': 'rs',
} as const satisfies Record<Role, Role>

/** Every path that the sender tells, as it tells it. */
function told(session: OracleSession, paths: ReadonlyMap<Prefix, readonly OraclePath[]>): OraclePath[] {
  const { toPeer, fromPeer, families } = session
  return [...paths].flatMap(([prefix, list]) => {
    const family = familyOfPrefix(prefix)
    if (!families.includes(family)) return []
    const [send, receive] = [
      toPeer.addPath?.[family]?.send ?? 0,
      fromPeer.addPath?.[family]?.receive ?? false,
    ]
    // RFC 7911 §5: several paths only if both sides agreed, else the best one.
    const offered =
      send > 0 && receive ? list.flatMap((path) => tell(session, path) ?? []).slice(0, send) : []
    return send > 0 && receive ? offered : (tell(session, list[0]!) ?? [])
  })
}

/** RFC 4271 §9.2 and §5.1. */
function tell(session: OracleSession, path: OraclePath): OraclePath | undefined {
  const { sender, receiver, toPeer, kind } = session
  const { asn, confederation, clusterId, routerId, name, routes } = sender.config
  const self = sender.addresses[versionOfFamily(familyOfPrefix(path.prefix))]
  let from = path
  if (path.from === undefined) {
    const target = routes
      .find(({ prefix }) => prefix === path.prefix)
      ?.to.find(({ peer }) => peer === toPeer.name)
    if (target === undefined) return undefined
    from = ownPath(sender, path.prefix, target.attributes)
  } else if (!toPeer.exportLearned || path.from.name === toPeer.name || !mayPass(session, path))
    return undefined
  const role = kind === 'external' ? toPeer.role?.name : undefined
  // RFC 9234 §5, egress 2.
  if (path.otc !== undefined && (role === 'customer' || role === 'rs-client' || role === 'peer'))
    return undefined
  const learned = path.from !== undefined
  // RFC 7947 §2.2: a route server is not to be seen.
  const unseen = toPeer.routeServerClient === true && learned
  const decided = decide(
    sender.config,
    toPeer.exportPolicy,
    from,
    learned,
    kind === 'external' ? String(confederation?.id ?? asn) : `${kind === 'confed' ? 'c' : ''}${asn}`,
  )
  if (decided === undefined) return undefined
  from = decided.path
  const told: OraclePath = { ...from, from: neighbourOf(session) }
  // RFC 4271 §5.1.2, RFC 5065 §4.1.
  if (kind === 'external')
    told.asPath = [
      ...(unseen ? [] : [String(confederation?.id ?? asn)]),
      ...from.asPath.filter((hop) => !hop.startsWith('c')),
    ]
  else if (kind === 'confed') told.asPath = [`c${asn}`, ...from.asPath]
  // RFC 4271 §5.1.3: the world goes through this speaker; inside, what came from outside keeps its next hop.
  const goesThrough = (kind === 'external' && !unseen) || !learned || toPeer.nextHop === 'self'
  told.nextHop = goesThrough ? self : from.nextHop
  // RFC 9234 §5, egress 1.
  if (role === 'provider' || role === 'rs' || role === 'peer') told.otc ??= confederation?.id ?? asn
  // RFC 4271 §5.1.4, §5.1.5, RFC 5065 §5.2.
  if (kind === 'external') {
    if (learned && !decided.medSet && !unseen) delete told.med
    delete told.localPref
  } else told.localPref = from.localPref ?? 100
  // RFC 4456 §8: for what is reflected, and for nobody else to see.
  if (kind === 'internal' && path.from?.kind === 'internal') {
    told.originator = from.originator ?? path.from.routerId
    told.clusters = [clusterId ?? routerId, ...from.clusters]
  } else {
    delete told.originator
    told.clusters = []
  }
  // RFC 4271 §5.1.3: never the receiver's own address.
  if (told.nextHop === receiver.addresses[versionOf(toPeer.address)] || name === toPeer.name) return undefined
  return told
}

/** RFC 4456 §6; RFC 1997, RFC 5065 §4; RFC 9494 §4.3. */
function mayPass({ kind, toPeer, fromPeer }: OracleSession, { from, communities }: OraclePath): boolean {
  const reflected = from!.client || toPeer.routeReflectorClient === true
  if (from!.kind === 'internal' && kind === 'internal' && !reflected) return false
  if (communities.includes(llgrStale) && !knowsLongLived(fromPeer)) return false
  if (communities.includes(0xffffff02)) return false
  if (communities.includes(0xffffff01) && kind === 'external') return false
  return !(communities.includes(0xffffff03) && kind !== 'internal')
}

/** RFC 4271 §9.1.2, RFC 4456 §8: undefined for a path that has been here. */
function takeIn({ receiver, fromPeer, kind }: OracleSession, told: OraclePath): OraclePath | undefined {
  let path = told
  const { asn, confederation, routerId, clusterId } = receiver.config
  if (!fromPeer.importRoutes) return undefined
  for (const hop of path.asPath) {
    // RFC 5065 §4: a member AS's own number counts in confederation segments.
    if (hop === String(confederation?.id ?? asn) || hop === `c${asn}`) return undefined
  }
  if (path.originator === routerId || path.clusters.includes(clusterId ?? routerId)) return undefined
  if (path.nextHop === receiver.addresses[4] || path.nextHop === receiver.addresses[6]) return undefined
  const role = kind === 'external' ? fromPeer.role?.name : undefined
  const sender = told.from!.asn
  if (path.otc !== undefined) {
    // RFC 9234 §5, ingress 1 and 2.
    if (role === 'provider' || role === 'rs' || (role === 'peer' && path.otc !== sender)) return undefined
  } else if (role === 'customer' || role === 'rs-client' || role === 'peer') path = { ...path, otc: sender }
  return decide(receiver.config, fromPeer.importPolicy, path, true, String(asn))?.path
}

/** What the policies of a chain make of a path, as far as `randomPolicies` goes; undefined: they reject it. */
function decide(
  { policies = [] }: InstanceConfig,
  chain: PolicyChain | undefined,
  given: OraclePath,
  learned: boolean,
  ownHop: string,
): { path: OraclePath; medSet: boolean } | undefined {
  let path = given
  let medSet = false
  for (const name of chain?.policies ?? [])
    for (const { match, set = {}, then } of policies.find((policy) => policy.name === name)?.statements ??
      []) {
      if (!matches(match, path, learned)) continue
      const { origin, med, prepend, communities } = set
      if (origin !== undefined) path = { ...path, origin }
      if (med?.kind === 'set') path = { ...path, med: med.value }
      medSet ||= med?.kind === 'set'
      if (prepend !== undefined)
        path = { ...path, asPath: [...Array<string>(prepend.count).fill(ownHop), ...path.asPath] }
      const removed = communities?.remove?.map((pattern) => ('text' in pattern ? pattern.text : '')) ?? []
      const kept = path.communities.filter((each) => !removed.includes(textOf(each)))
      const all = [...new Set([...kept, ...(communities?.add ?? [])])].sort((a, b) => a - b)
      path = { ...path, communities: all }
      if (then === 'accept') return { path, medSet }
      if (then === 'reject') return undefined
    }
  return chain?.otherwise === 'reject' ? undefined : { path, medSet }
}

function matches(
  match: PolicyMatch,
  { prefix, asPath, origin, communities }: OraclePath,
  learned: boolean,
): boolean {
  const [entry] = match.prefixes?.entries ?? []
  if (entry !== undefined && (!covers(entry.prefix, networkOf(prefix)) || lengthOf(prefix) > entry.maxLength))
    return false
  const [community] = match.communities?.entries ?? []
  if (community?.kind === 'text' && !communities.map(textOf).includes(community.text)) return false
  if (match.asPathLength !== undefined && lengthOfPath(asPath) < match.asPathLength.value) return false
  const [pattern] = match.asPath?.entries ?? []
  if (pattern?.kind === 'contains' && !pattern.asns.some((asn) => asPath.includes(String(asn)))) return false
  if (match.origins !== undefined && !match.origins.includes(origin)) return false
  return match.sources === undefined || !learned
}

function textOf(community: number): string {
  return `${Math.floor(community / 65_536)}:${community % 65_536}`
}

/** RFC 5065 §5.3: confederation segments have no length. */
function lengthOfPath(asPath: readonly string[]): number {
  return asPath.filter((hop) => !hop.startsWith('c')).length
}

/** The sender as its receiver sees it. */
export function neighbourOf({ sender, toPeer, fromPeer, kind }: OracleSession): OracleNeighbour {
  const { config, addresses } = sender
  return {
    name: config.name,
    kind,
    client: fromPeer.routeReflectorClient === true,
    asn: kind === 'external' ? (config.confederation?.id ?? config.asn) : config.asn,
    routerId: config.routerId,
    address: addresses[versionOf(toPeer.address)],
  }
}

function ownPath(
  { addresses }: OracleSpeaker,
  prefix: Prefix,
  { origin = 'igp', med, localPref, communities = [] }: Partial<PathAttributes>,
): OraclePath {
  const nextHop = addresses[versionOfFamily(familyOfPrefix(prefix))]
  const path: OraclePath = { prefix, origin, asPath: [], nextHop, communities, clusters: [] }
  if (med !== undefined) path.med = med
  if (localPref !== undefined) path.localPref = localPref
  return path
}

/** Best first: each place goes to the best of those that are left (RFC 4271 §9.1.2). */
function inOrder(paths: readonly OraclePath[]): OraclePath[] {
  const order: OraclePath[] = []
  for (let left = [...paths]; left.length > 0;) {
    const next = bestOf(left)[0]!
    order.push(next)
    left = left.filter((path) => path !== next)
  }
  return order
}

/** Several where no rule tells them apart: only of one neighbour that tells several paths (RFC 7911). */
export function bestOf(paths: readonly OraclePath[]): OraclePath[] {
  if (paths.length === 0) return []
  const own = paths.find(({ from }) => from === undefined)
  if (own !== undefined) return [own]
  let left = [...paths]
  const keep = (measure: (path: OraclePath) => number) => {
    const least = Math.min(...left.map(measure))
    left = left.filter((path) => measure(path) === least)
  }
  // RFC 9494 §4.4.
  keep(({ communities }) => (communities.includes(llgrStale) ? 1 : 0))
  // RFC 4271 §9.1.1: LOCAL_PREF of an external neighbour does not count.
  keep(({ from, localPref = 100 }) => (from!.kind === 'external' ? -100 : -localPref))
  // §9.1.2.2 a.
  keep(({ asPath }) => lengthOfPath(asPath))
  keep(({ origin }) => ['igp', 'egp', 'incomplete'].indexOf(origin))
  // c: only among those from the same neighbouring AS.
  const candidates = left
  left = left.filter(
    (path) =>
      !candidates.some(
        (other) => neighbouringAs(other) === neighbouringAs(path) && (other.med ?? 0) < (path.med ?? 0),
      ),
  )
  // d, RFC 5065 §5.3: other members count as internal.
  keep(({ from }) => (from!.kind === 'external' ? 0 : 1))
  // f, RFC 4456 §9: the originator stands for the reflector; then the shorter way through clusters.
  keepLeastAddress(({ from, originator }) => originator ?? from!.routerId)
  keep(({ clusters }) => clusters.length)
  keepLeastAddress(({ from }) => from!.address)
  return left

  function keepLeastAddress(measure: (path: OraclePath) => Address): void {
    const least = left.map(measure).reduce((a, b) => (compareAddresses(a, b) <= 0 ? a : b))
    left = left.filter((path) => measure(path) === least)
  }
}

function neighbouringAs({ asPath, from }: OraclePath): string {
  // RFC 5065 §5.3: whoever is inside is of the local AS.
  const own = from!.kind === 'external' ? `own ${from!.asn}` : 'own'
  return asPath.find((hop) => !hop.startsWith('c')) ?? own
}

function versionOfFamily(family: Family): 4 | 6 {
  return family === 'ipv4/unicast' ? 4 : 6
}

function show(paths: ReadonlyMap<Prefix, readonly OraclePath[]>): string {
  return [...paths]
    .map(([, list]) => list.map(showPath).join('|'))
    .sort()
    .join('\n')
}

/** One line, equal for equal paths. */
export function showPath(path: OraclePath): string {
  const { prefix, from, origin, asPath, nextHop, med, localPref, communities, otc, originator, clusters } =
    path
  if (from === undefined) return `${prefix} own`
  const parts = [`${prefix} from ${from.name} via ${nextHop} path [${asPath.join(' ')}] ${origin}`]
  if (med !== undefined) parts.push(`med ${med}`)
  if (localPref !== undefined) parts.push(`preference ${localPref}`)
  if (communities.length > 0) parts.push(`communities ${communities.join(' ')}`)
  if (otc !== undefined) parts.push(`for customers of ${otc}`)
  if (originator !== undefined) parts.push(`originator ${originator}`)
  if (clusters.length > 0) parts.push(`clusters ${clusters.join(' ')}`)
  return parts.join(' ')
}
