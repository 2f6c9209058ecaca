/** From a plan and the state of its sessions to the status of the NodeState resource. */
import type { InstanceConfig, PeerConfig } from '#core/bgp/config.ts'
import type { PeerStatus } from '#core/bgp/io.ts'
import { rfc3339 } from '#core/lib/time.ts'
import type { InstancePlan, NodePlan } from '#core/plan/node-plan.ts'
import type { NodeSession, NodeStateStatus } from '#core/schema/node-state.ts'

/** `peersOf`: the state of the sessions of an instance. Times of sessions are milliseconds since 1970. */
export function nodeStateOf(plan: NodePlan, peersOf: (instance: string) => PeerStatus[]): NodeStateStatus {
  const sessions = plan.instances.flatMap(({ config }) => sessionsOf(config, peersOf(config.name)))
  return {
    instances: plan.instances.map(instanceRow),
    sessions,
    counts: {
      sessions: sessions.length,
      established: sessions.filter(({ state }) => state === 'established').length,
      advertised: sum(plan.instances, ({ config }) => config.routes.filter(({ to }) => to.length > 0).length),
      withheld: sum(plan.instances, ({ withheld }) => withheld.length),
    },
    problems: plan.problems,
  }
}

function instanceRow({ config, source }: InstancePlan): NonNullable<NodeStateStatus['instances']>[number] {
  const { name, asn, routerId, listenPort } = config
  return {
    name,
    asn,
    routerId,
    ...(listenPort === undefined ? {} : { listenPort }),
    ...(source === undefined ? {} : { source }),
  }
}

function sessionsOf(config: InstanceConfig, statuses: PeerStatus[]): NodeSession[] {
  const peers = new Map(config.peers.map((peer) => [peer.name, peer]))
  return statuses.flatMap((status) => {
    const peer = peers.get(status.peer) ?? templateOf(config, status)
    return peer === undefined ? [] : session(config.name, peer, status)
  })
}

/** Of a neighbour that connected from a listen range: its name starts with the template's. */
function templateOf({ listenRanges = [] }: InstanceConfig, { peer, dynamic }: PeerStatus) {
  if (!dynamic) return undefined
  const fitting = listenRanges.filter(({ template }) => peer.startsWith(`${template.name}-`))
  return fitting.toSorted((a, b) => b.template.name.length - a.template.name.length)[0]?.template
}

function session(instance: string, peer: Omit<PeerConfig, 'address'>, status: PeerStatus): NodeSession {
  const { since, routerId, holdTimeSeconds, keepaliveSeconds, lastError } = status
  return {
    instance,
    peer: status.peer,
    localAsn: status.localAsn,
    peerAsn: status.asn,
    peerAddress: status.address,
    ...(status.interface === undefined ? {} : { peerInterface: status.interface }),
    peerPort: status.port,
    state: status.state,
    ...(since === undefined ? {} : { since: rfc3339(since) }),
    ...(routerId === undefined ? {} : { routerId }),
    families: status.families.map(({ family, received, accepted, advertised }) => {
      const [afi = '', safi = ''] = family.split('/')
      return { afi, safi, received, accepted, advertised }
    }),
    configuredHoldTimeSeconds: peer.timers.holdTimeSeconds,
    ...(holdTimeSeconds === undefined ? {} : { appliedHoldTimeSeconds: holdTimeSeconds }),
    configuredKeepaliveSeconds: peer.timers.keepaliveSeconds,
    ...(keepaliveSeconds === undefined ? {} : { appliedKeepaliveSeconds: keepaliveSeconds }),
    connectRetrySeconds: peer.timers.connectRetrySeconds,
    multihopTtl: peer.ttl,
    passwordEnabled: peer.password !== undefined,
    ...(peer.heldDown === undefined ? {} : { heldDown: peer.heldDown }),
    ...(lastError === undefined ? {} : { lastError: { ...lastError, at: rfc3339(lastError.at) } }),
  }
}

function sum<T>(items: readonly T[], of: (item: T) => number): number {
  return items.reduce((total, item) => total + of(item), 0)
}
