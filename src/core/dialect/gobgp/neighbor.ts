/** Neighbours, peer groups and dynamic neighbours of GoBGP's file as native peers. */
import { mergePatch } from '#core/lib/json.ts'
import type { Problem } from '#core/lib/reason.ts'
import type { BGPPeer, BGPPeerSpec } from '#core/schema/bgp-peer.ts'
import type { GobgpAfiSafi, GobgpNeighbor, GobgpPeerGroup } from '#core/schema/gobgp/config.ts'
import { refOf } from '#core/schema/object.ts'
import type { PeerSettings } from '#core/schema/peer-settings.ts'
import { heraldApiVersion } from '#core/schema/well-known.ts'
import { sourceOf, type DerivedPeer } from '../native-set.ts'
import { instanceName, namePrefix, type GobgpFile } from './place.ts'

/** GoBGP sets no limit; more than that on one node are an attack. */
const dynamicLimit = 1000

type Family = 'ipv4/unicast' | 'ipv6/unicast'
const familyNames: Record<string, Family> = { 'ipv4-unicast': 'ipv4/unicast', 'ipv6-unicast': 'ipv6/unicast' }

export function peersOf(file: GobgpFile): { peers: DerivedPeer[]; problems: Problem[] } {
  const problems: Problem[] = []
  const groups = file.spec['peer-groups'] ?? []
  const groupAt = (name: string | undefined) =>
    groups.findIndex((group) => group.config['peer-group-name'] === name)
  const peers = (file.spec.neighbors ?? []).flatMap((own, i): DerivedPeer[] => {
    const group = groupAt(own.config?.['peer-group'])
    const place: Place = { file, own, field: `neighbors[${i}]`, ...groupPlace(groups, group) }
    const neighbor = merged(own, groups[group])
    const problem = (path: string, message: string, hint: string) =>
      problems.push({ rule: 'Unsupported', message, hint, object: refOf(file), field: fieldAt(place, path) })
    const {
      'neighbor-address': zoned = '',
      'neighbor-interface': device = '',
      vrf = '',
    } = neighbor.config ?? {}
    const [address = '', zone = device] = zoned.split('%')
    if (address === '' && device === '') {
      problem('config.neighbor-address', 'a neighbour without an address is left out', 'write its address')
      return []
    }
    if (vrf !== '') {
      problem('config.vrf', 'there is one routing table, so a neighbour in a VRF is left out', 'remove it')
      return []
    }
    const spec = specOf(place, neighbor, defaultFamilies(address), problems)
    if (spec === undefined) return []
    if (zone !== '') spec.interface = zone
    if (spec.interface === undefined && /^fe[89ab]/i.test(address)) {
      const message = 'a link-local neighbour is left out, since its interface is not said'
      problem('config.neighbor-address', message, `write ${address}%eth0 with its interface`)
      return []
    }
    return address === ''
      ? [derivedPeer(place, neighbor, device, spec)]
      : [derivedPeer(place, neighbor, zoned, { address, ...spec })]
  })
  for (const [i, { config }] of (file.spec['dynamic-neighbors'] ?? []).entries()) {
    const at = groupAt(config['peer-group'])
    const group = groups[at]
    if (group === undefined) continue
    const place: Place = {
      file,
      own: { config: {} },
      field: `dynamic-neighbors[${i}]`,
      ...groupPlace(groups, at),
    }
    const neighbor = merged({}, group)
    const spec = specOf(place, neighbor, defaultFamilies(config.prefix), problems)
    if (spec === undefined) continue
    const listen = { prefixes: [config.prefix], limit: dynamicLimit }
    const peer = derivedPeer(place, neighbor, config.prefix, { listen, ...spec })
    peer.sourceFields = { ...peer.sourceFields, 'spec.listen': `${place.field}.config.prefix` }
    peers.push(peer)
  }
  problems.push(...mixedTables(file, peers))
  return { peers, problems }
}

/** GoBGP keeps two tables, between which nothing passes. */
function mixedTables(file: GobgpFile, peers: readonly DerivedPeer[]): Problem[] {
  const client = peers.find(({ resource }) => resource.spec.routeServerClient === true)
  if (client === undefined || peers.every(({ resource }) => resource.spec.routeServerClient === true))
    return []
  return [
    {
      rule: 'Unsupported',
      message:
        'clients of the route server and other neighbours share one table, so routes pass between them',
      hint: 'run two routers, or keep their routes apart by policies',
      object: refOf(file),
      field: sourceOf(client, 'spec.routeServerClient').field,
    },
  ]
}

/** What GoBGP offers a neighbour at this address, or in this prefix, when nothing is said; of an interface: both families. */
function defaultFamilies(place: string): Family[] {
  if (place === '') return ['ipv4/unicast', 'ipv6/unicast']
  return [place.includes(':') ? 'ipv6/unicast' : 'ipv4/unicast']
}

/** Where a neighbour says what it says: itself, else in its group. */
interface Place {
  file: GobgpFile
  own: GobgpNeighbor
  field: string
  groupField?: string
}

function groupPlace(groups: readonly GobgpPeerGroup[], at: number): Pick<Place, 'groupField'> {
  return groups[at] === undefined ? {} : { groupField: `peer-groups[${at}]` }
}

function fieldAt({ own, field, groupField }: Place, path: string): string {
  let value: unknown = own
  for (const key of path.split('.')) value = (value as Record<string, unknown> | undefined)?.[key]
  return `${value === undefined && groupField !== undefined ? groupField : field}.${path}`
}

/** What the neighbour leaves out is its group's, each key by itself. */
function merged(own: GobgpNeighbor, group: GobgpPeerGroup | undefined): GobgpNeighbor {
  if (group === undefined) return own
  const { 'peer-group-name': _name, ...config } = group.config
  return mergePatch({ ...group, config }, own) as GobgpNeighbor
}

function derivedPeer(place: Place, neighbor: GobgpNeighbor, name: string, spec: BGPPeerSpec): DerivedPeer {
  const resource: BGPPeer = {
    apiVersion: heraldApiVersion,
    kind: 'BGPPeer',
    metadata: { name: namePrefix + name },
    spec: { instances: [instanceName], ...spec },
  }
  const at = (path: string) => fieldAt(place, path)
  const password = neighbor.config?.['auth-password']
  return {
    resource,
    source: place.file,
    ...(password !== undefined && password !== '' && { password }),
    sourceFields: {
      spec: place.field,
      'spec.address': at('config.neighbor-address'),
      'spec.interface': at('config.neighbor-interface'),
      'spec.asn': at('config.peer-as'),
      'spec.families': at('afi-safis'),
      'spec.passive': at('transport.config.passive-mode'),
      'spec.multihopTtl': at('ebgp-multihop.config'),
      'spec.ttlSecurityHops': at('ttl-security.config'),
      'spec.adminDown': at('config.admin-down'),
      'spec.localAs': at('config.local-as'),
      'spec.routeReflectorClient': at('route-reflector.config.route-reflector-client'),
      'spec.routeServerClient': at('route-server.config.route-server-client'),
      'spec.removePrivateAs': at('config.remove-private-as'),
      ...appliedFields(place, neighbor),
    },
  }
}

/** Of the route server. A client of the route reflector cannot be that too. */
function isClient(neighbor: GobgpNeighbor): boolean {
  const served = neighbor['route-server']?.config?.['route-server-client'] === true
  return served && !isReflected(neighbor)
}

function isReflected(neighbor: GobgpNeighbor): boolean {
  return neighbor['route-reflector']?.config?.['route-reflector-client'] === true
}

function appliedFields(place: Place, neighbor: GobgpNeighbor): Record<string, string> {
  const base = isClient(neighbor) ? fieldAt(place, 'apply-policy.config') : 'global.apply-policy.config'
  return {
    'spec.importPolicies': `${base}.import-policy-list`,
    'spec.exportPolicies': `${base}.export-policy-list`,
  }
}

/** Undefined: it cannot be a neighbour, which is among the problems. */
function specOf(
  place: Place,
  neighbor: GobgpNeighbor,
  unsaid: readonly Family[],
  problems: Problem[],
): Settings | undefined {
  const { global } = place.file.spec
  const { config = {} } = neighbor
  const problem = (path: string, message: string, hint: string) =>
    problems.push({
      rule: 'Unsupported',
      message,
      hint,
      object: refOf(place.file),
      field: fieldAt(place, path),
    })
  const own = global.config.as
  const localAs = config['local-as'] || own
  const internal = config['peer-as'] === own
  if (localAs !== own && config['peer-as'] === localAs) {
    problem(
      'config.local-as',
      `iBGP with another AS number than ${own} is not spoken, so this neighbour is left out`,
      'remove local-as, or run a speaker of its own',
    )
    return undefined
  }
  const families = familiesOf(neighbor, unsaid, global['afi-safis'])
  if (families.length === 0) {
    problem(
      'afi-safis',
      'only IPv4 and IPv6 unicast are spoken, so this neighbour is left out',
      'add ipv4-unicast or ipv6-unicast',
    )
    return undefined
  }
  for (const { 'afi-safi-name': name = '' } of (neighbor['afi-safis'] ?? []).flatMap(
    (one) => one.config ?? [],
  )) {
    if (name !== '' && familyNames[name] === undefined)
      problem(
        'afi-safis',
        `${name} is not spoken, so it is left out`,
        'only ipv4-unicast and ipv6-unicast are',
      )
  }
  if (isReflected(neighbor) && neighbor['route-server']?.config?.['route-server-client'] === true) {
    problem(
      'route-server.config.route-server-client',
      'a client of the route reflector is none of the route server',
      'keep one of the two',
    )
  }
  if (!isClient(neighbor) && neighbor['apply-policy']?.config !== undefined) {
    problems.push({
      rule: 'NoEffect',
      message: 'policies of a neighbour count for route server clients only, as in GoBGP',
      hint: 'apply them in global.apply-policy, where a policy may match neighbours',
      object: refOf(place.file),
      field: fieldAt(place, 'apply-policy'),
    })
  }
  return {
    asn: config['peer-as'] ?? 0,
    families,
    ...connection(neighbor),
    ...paths(neighbor, internal, localAs === own ? undefined : localAs),
    ...restart(neighbor, families, problem),
    ...addPathOf(neighbor, families, problem),
    ...limitsOf(neighbor),
    ...policies(isClient(neighbor) ? neighbor['apply-policy'] : global['apply-policy']),
    ...(global['route-selection-options']?.config?.['enable-aigp'] === true && { aigp: true }),
    ...(config['admin-down'] === true && { adminDown: true }),
  }
}

/** Those of the whole router at most. */
function familiesOf(
  neighbor: GobgpNeighbor,
  unsaid: readonly Family[],
  allowed: readonly GobgpAfiSafi[] | undefined,
): Family[] {
  const named = (list: readonly GobgpAfiSafi[]) =>
    list.flatMap(({ config }) =>
      config === undefined || config.enabled === false ? [] : (familyNames[config['afi-safi-name']] ?? []),
    )
  const given = neighbor['afi-safis'] ?? []
  const wanted = given.length > 0 ? named(given) : unsaid
  const inRouter = allowed === undefined || allowed.length === 0 ? undefined : named(allowed)
  return [...new Set(wanted)].filter((family) => inRouter?.includes(family) ?? true)
}

type Settings = PeerSettings & Pick<BGPPeerSpec, 'interface'>

function connection(neighbor: GobgpNeighbor): Settings {
  const transport = neighbor.transport?.config ?? {}
  const timers = neighbor.timers?.config ?? {}
  const multihop = neighbor['ebgp-multihop']?.config
  const security = neighbor['ttl-security']?.config
  const source = transport['local-address'] ?? ''
  const ttl = multihop?.enabled === true ? multihop['multihop-ttl'] || 255 : transport.ttl || undefined
  const { 'connect-retry': retry, 'hold-time': hold, 'keepalive-interval': keepalive } = timers
  const device = transport['bind-interface'] ?? ''
  return {
    ...(transport['remote-port'] && { port: transport['remote-port'] }),
    ...(transport['passive-mode'] === true && { passive: true }),
    ...(source !== '' && source !== '0.0.0.0' && source !== '::' && { sourceAddress: source }),
    ...(device !== '' && { interface: device }),
    ...(security?.enabled === true
      ? { ttlSecurityHops: 256 - (security['ttl-min'] || 255) }
      : ttl !== undefined && { multihopTtl: ttl }),
    timers: {
      ...(retry && { connectRetrySeconds: retry }),
      ...(hold && { holdTimeSeconds: Math.max(3, hold) }),
      ...(keepalive && { keepaliveSeconds: Math.min(keepalive, 21845, hold || 90) }),
    },
  }
}

function paths(neighbor: GobgpNeighbor, internal: boolean, localAs: number | undefined): PeerSettings {
  const removed = neighbor.config?.['remove-private-as']
  const allowed = neighbor['as-path-options']?.config?.['allow-own-as']
  return {
    // GoBGP shows the local AS number alone, and puts it in front of no path that it received.
    ...(localAs !== undefined && { localAs: { asn: localAs, noPrepend: true, replaceAs: true } }),
    ...(removed === 'all' && { removePrivateAs: 'remove' }),
    ...(removed === 'replace' && { removePrivateAs: 'replace' }),
    ...(isReflected(neighbor) && { routeReflectorClient: true }),
    ...(isClient(neighbor) && { routeServerClient: true }),
    ...(allowed && { allowOwnAs: allowed }),
    // It asks of a path only that it has no loop, and names itself as next hop to every external neighbour.
    ...(!internal && { enforceFirstAs: false }),
    ...(!internal && !isClient(neighbor) && { nextHop: 'self' }),
  }
}

type Report = (path: string, message: string, hint: string) => void

function restart(neighbor: GobgpNeighbor, families: readonly Family[], report: Report): PeerSettings {
  const given = neighbor['graceful-restart']?.config
  if (given?.enabled !== true) return {}
  const list = (neighbor['afi-safis'] ?? []).filter(
    ({ config }) => familyNames[config?.['afi-safi-name'] ?? ''],
  )
  const kept = list.filter((one) => one['mp-graceful-restart']?.config?.enabled === true)
  if (kept.length > 0 && kept.length < families.length) {
    report(
      'afi-safis',
      'routes of all families are kept over a restart, not only those of mp-graceful-restart',
      'enable mp-graceful-restart for all families, or for none',
    )
  }
  const long = list.map((one) => one['long-lived-graceful-restart']?.config)
  const times = long.flatMap((one) => (one?.enabled === true ? [one['restart-time'] ?? 0] : []))
  const longest = given['long-lived-enabled'] === true ? Math.max(0, ...times) : 0
  if (longest > 0 && (times.length < families.length || times.some((time) => time !== longest))) {
    report(
      'afi-safis',
      `long-lived routes of all families are kept for ${longest} seconds`,
      'give all families the same long-lived-graceful-restart',
    )
  }
  const stalePath = given['stale-routes-time'] ?? 0
  return {
    gracefulRestart: {
      enabled: true,
      // RFC 4724 §3 suggests the hold time; 12 bits say it.
      restartSeconds: Math.min(given['restart-time'] || neighbor.timers?.config?.['hold-time'] || 90, 4095),
      notification: given['notification-enabled'] === true,
      ...(given['helper-only'] === true && { helperOnly: true }),
      ...(longest > 0 && { longLivedSeconds: longest }),
      ...(stalePath > 0 && { stalePathSeconds: stalePath }),
      deferralSeconds: given['deferral-time'] || 360,
    },
  }
}

/** By family, else as the neighbour says for all. */
function addPathOf(neighbor: GobgpNeighbor, families: readonly Family[], report: Report): PeerSettings {
  const all = neighbor['add-paths']?.config
  const byFamily = families.map((family) => {
    const own = neighbor['afi-safis']?.find(
      ({ config }) => familyNames[config?.['afi-safi-name'] ?? ''] === family,
    )?.['add-paths']?.config
    const { receive = false, 'send-max': send = 0 } = { ...all, ...own }
    return { family, receive, send }
  })
  const [first, ...others] = byFamily.filter(({ receive, send }) => receive || send > 0)
  if (first === undefined) return {}
  if (others.some(({ receive, send }) => receive !== first.receive || send !== first.send)) {
    report(
      'add-paths',
      'several paths are sent and taken in the same way for all families that have any',
      'give all of them the same add-paths',
    )
  }
  return {
    addPath: {
      receive: first.receive,
      send: first.send,
      families: [first.family, ...others.map(({ family }) => family)],
    },
  }
}

function limitsOf(neighbor: GobgpNeighbor): PeerSettings {
  const limits = (neighbor['afi-safis'] ?? []).flatMap((one) => {
    const name = one.config?.['afi-safi-name']
    const family = familyNames[name ?? '']
    const inner = name === 'ipv4-unicast' || name === 'ipv6-unicast' ? one[name]?.['prefix-limit'] : undefined
    const {
      'max-prefixes': max = 0,
      'shutdown-threshold-pct': warn,
      'restart-timer': again,
    } = {
      ...inner?.config,
      ...one['prefix-limit']?.config,
    }
    if (family === undefined || max === 0) return []
    return [{ family, max, ...(warn && { warnPercent: warn }), ...(again && { restartSeconds: again }) }]
  })
  return limits.length === 0 ? {} : { prefixLimits: limits }
}

/** GoBGP accepts what no policy decides, unless it is told otherwise. */
function policies(applied: GobgpNeighbor['apply-policy']): PeerSettings {
  const given = applied?.config ?? {}
  const named = (names: readonly string[] = []) => names.map((name) => namePrefix + name)
  const otherwise = (word: 'accept-route' | 'reject-route' | undefined) =>
    word === 'reject-route' ? ('reject' as const) : ('accept' as const)
  return {
    importRoutes: true,
    exportLearned: true,
    importPolicies: named(given['import-policy-list']),
    importDefault: otherwise(given['default-import-policy']),
    exportPolicies: named(given['export-policy-list']),
    exportDefault: otherwise(given['default-export-policy']),
  }
}
