/** What the RIB and its rules need to know of a session, from the configuration and both OPENs. */
import type { InstanceConfig, PeerConfig } from './config.ts'
import type { Policies } from './policy/policies.ts'
import type { PolicyChain } from './policy/policy.ts'
import type { ExportTarget } from './rib/export.ts'
import type { ImportSource } from './rib/import.ts'
import type { LearnedFrom, NeighbourKind } from './rib/path-source.ts'
import type { NeighbourSession } from './rib/rib.ts'
import type { Negotiated } from './session/io.ts'

/** RFC 6811 §2: the origin of routes that have passed no other AS. */
export function ownOrigin({ asn, confederation }: InstanceConfig): number {
  return confederation?.id ?? asn
}

/** What the RIB needs of a session. */
export function ribSession(
  instance: InstanceConfig,
  peer: PeerConfig,
  negotiated: Negotiated,
  policies: Policies,
): NeighbourSession {
  const from: LearnedFrom = {
    kind: neighbourKinds[negotiated.kind],
    name: peer.name,
    address: peer.address,
    asn: negotiated.asn,
    routerId: negotiated.routerId,
  }
  if (peer.routeReflectorClient === true) from.client = true
  return {
    from,
    source: withPolicy(importSource(instance, peer, from, negotiated), peer.importPolicy, policies),
    target: withPolicy(exportTarget(instance, peer, from, negotiated), peer.exportPolicy, policies),
    families: negotiated.families,
    enhancedRouteRefresh: negotiated.enhancedRouteRefresh,
    fourOctetAsn: negotiated.fourOctetAsn,
    maxLength: negotiated.maxLength,
    addPathSend: Object.fromEntries(
      negotiated.addPathSend.map((family) => [family, peer.addPath?.[family]?.send ?? 1]),
    ),
  }
}

function withPolicy<T extends ImportSource | ExportTarget>(
  rules: T,
  chain: PolicyChain | undefined,
  policies: Policies,
): T {
  return chain === undefined ? rules : { ...rules, policy: policies.chain(chain) }
}

const neighbourKinds = { ibgp: 'internal', confed: 'confed', ebgp: 'external' } as const satisfies Record<
  Negotiated['kind'],
  NeighbourKind
>

function importSource(
  instance: InstanceConfig,
  peer: PeerConfig,
  from: LearnedFrom,
  { ends }: Negotiated,
): ImportSource {
  const source: ImportSource = {
    from,
    ...ownIdentity(instance, ends),
    localRouterId: instance.routerId,
    importRoutes: peer.importRoutes,
    enforceFirstAs: peer.enforceFirstAs ?? peer.routeServerClient !== true,
    honourGracefulShutdown: peer.honourGracefulShutdown ?? true,
    aigp: peer.aigp ?? false,
  }
  if (peer.localAs !== undefined) source.localAs = peer.localAs
  if (peer.allowOwnAs !== undefined) source.allowOwnAs = peer.allowOwnAs
  if (peer.role !== undefined && from.kind === 'external') source.role = peer.role.name
  return source
}

function exportTarget(
  instance: InstanceConfig,
  peer: PeerConfig,
  { kind, address, asn }: LearnedFrom,
  { ends, extendedNextHop, families, received }: Negotiated,
): ExportTarget {
  const target: ExportTarget = { kind, address, asn, ...ownIdentity(instance, ends), extendedNextHop }
  const { localAs, routeReflectorClient, routeServerClient, removePrivateAs, nextHop } = peer
  if (localAs !== undefined) target.localAs = localAs
  if (routeReflectorClient === true) target.routeReflectorClient = true
  if (routeServerClient === true) target.routeServerClient = true
  if (removePrivateAs !== undefined) target.removePrivateAs = removePrivateAs
  if (nextHop !== undefined) target.nextHop = nextHop
  // RFC 9234 §4: roles are between autonomous systems, and a confederation is one to others.
  if (peer.role !== undefined && kind === 'external') target.role = peer.role.name
  if (peer.gracefulShutdown === true) target.gracefulShutdown = true
  if (peer.aigp === true) target.aigp = true
  if (peer.linkBandwidth !== undefined) target.linkBandwidth = peer.linkBandwidth
  if (ends.localLinkLocal !== undefined) target.localLinkLocal = ends.localLinkLocal
  // RFC 9494 §4.3: whoever sent the capability knows what such a path is, whatever families it keeps itself.
  if (received.longLivedRestart !== undefined) target.longLived = families
  return target
}

/** What both directions need of the speaker and its side of the session. */
function ownIdentity(
  { asn, confederation, clusterId, routerId }: InstanceConfig,
  { localAddress, localAddressOtherVersion }: Negotiated['ends'],
): Pick<
  ImportSource,
  'localAsn' | 'confederation' | 'clusterId' | 'localAddress' | 'localAddressOtherVersion'
> {
  return {
    localAsn: asn,
    clusterId: clusterId ?? routerId,
    localAddress,
    ...(confederation === undefined ? {} : { confederation }),
    ...(localAddressOtherVersion === undefined ? {} : { localAddressOtherVersion }),
  }
}
