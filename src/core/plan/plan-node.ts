/**
 * What one node should do, of everything that is in the cluster: the place where Kubernetes words become BGP words.
 *
 * The plan depends on what the snapshot holds and not on its order: equal snapshots give equal plans.
 */
import type { InstanceConfig } from '#core/bgp/config.ts'
import { compareSourceAge } from '#core/dialect/age.ts'
import { canonicalProblems, nativeSet } from '#core/dialect/native.ts'
import type { Derived } from '#core/dialect/native-set.ts'
import { reasonFrom, sourceOf } from '#core/dialect/native-set.ts'
import { compareText } from '#core/lib/order.ts'
import type { Problem, Reason } from '#core/lib/reason.ts'
import { address } from '#core/net/address.ts'
import type { BGPInstance } from '#core/schema/bgp-instance.ts'
import type { Node } from '#core/schema/kubernetes.ts'
import { refOf, selectorMatches } from '#core/schema/object.ts'
import type { Snapshot } from '#core/schema/snapshot.ts'
import type { InstancePlan, NodePlan } from './node-plan.ts'
import type { PlanContext } from './plan-context.ts'
import { planPeers, type PlannedPeer } from './plan-peers.ts'
import { policiesOf } from './plan-policies.ts'
import { observationOf, tapsOf } from './plan-observation.ts'
import { planRoutes } from './plan-routes.ts'
import { routerIdOf } from './router-id.ts'
import { serviceViews } from './service-view.ts'

/**
 * `dialects`: those to obey beside the native resources. To keep running what an invalid change would take away, give the
 * snapshot through `withLastValid` first.
 */
export function planNode(snapshot: Snapshot, nodeName: string, dialects: readonly string[]): NodePlan {
  const set = nativeSet(snapshot, dialects)
  const concerning = set.problems.filter(({ nodes }) => nodes === undefined || nodes.includes(nodeName))
  const node = snapshot.nodes.find(({ metadata }) => metadata.name === nodeName)
  if (node === undefined) {
    const missing: Problem = {
      rule: 'NodeNotFound',
      message: `there is no Node "${nodeName}" in the cluster, so nothing runs here`,
      hint: 'start the speaker with the name of a Node',
      object: { kind: 'Node', name: nodeName },
    }
    return { node: nodeName, instances: [], problems: canonicalProblems([...concerning, missing]) }
  }
  const problems = [...concerning]
  const services = serviceViews(snapshot, nodeName)
  const ports = new Map<number, Derived<BGPInstance>>()
  const instances: InstancePlan[] = []
  for (const instance of set.instances.toSorted(compareSourceAge)) {
    if (!runsOn(instance.resource, node)) continue
    instances.push(planInstance({ set, snapshot, node, services, problems, ports }, instance))
  }
  return {
    node: nodeName,
    instances: instances.toSorted((a, b) => compareText(a.config.name, b.config.name)),
    problems: canonicalProblems(problems),
  }
}

function runsOn({ spec }: BGPInstance, node: Node): boolean {
  if (spec.nodes !== undefined && !spec.nodes.includes(node.metadata.name)) return false
  return selectorMatches(spec.nodeSelector ?? {}, node.metadata.labels ?? {})
}

function planInstance(context: PlanContext, instance: Derived<BGPInstance>): InstancePlan {
  const { spec, metadata } = instance.resource
  const { node, problems } = context
  const at = (spec.overrides ?? []).findIndex((override) => override.node === node.metadata.name)
  const override = spec.overrides?.[at]
  const asn = override?.asn ?? spec.asn
  const reasons: Reason[] = [selectionReason(instance, node)]
  const routerId = routerIdOf(instance, node, at)
  reasons.push(routerId.reason)
  const listenPort = claimPort(context, instance, at, reasons)
  const { peers, peerReasons } = planPeers(context, instance, asn)
  if (listenPort === undefined) problems.push(...waitingInVain(instance, peers, node))
  const { routes, routeReasons, withheld } = planRoutes(context, instance, peers)
  const all = peers.map(({ config }) => (config.kind === 'peer' ? config.peer : config.range.template))
  const chains = all.flatMap(({ importPolicy, exportPolicy }) => [importPolicy, exportPolicy])
  const { policies, problems: faults } = policiesOf(context.set, chains)
  problems.push(...faults)
  const observation = observationOf(spec)
  const taps = tapsOf(observation)
  const ranges = peers.flatMap(({ config }) => (config.kind === 'range' ? config.range : []))
  return {
    config: {
      name: metadata.name,
      asn,
      routerId: routerId.value,
      ...(listenPort !== undefined && { listenPort }),
      ...(spec.listenAddresses !== undefined && { listenAddresses: spec.listenAddresses.map(address) }),
      peers: peers.flatMap(({ config }) => (config.kind === 'peer' ? config.peer : [])),
      routes,
      ...(ranges.length > 0 && { listenRanges: ranges }),
      ...(policies.length > 0 && { policies }),
      ...speakerSettings(spec, override),
      ...(taps !== undefined && { taps }),
    },
    source: refOf(instance.source),
    reasons,
    peerReasons,
    routeReasons,
    withheld,
    ...observation,
  }
}

/** What the speaker is told as the user said it. */
function speakerSettings(
  spec: BGPInstance['spec'],
  override: NonNullable<BGPInstance['spec']['overrides']>[number] | undefined,
): Partial<InstanceConfig> {
  const clusterId = override?.clusterId ?? spec.clusterId
  const { confederation, maxPaths, alwaysCompareMed, maxSessions } = spec
  return {
    ...(clusterId !== undefined && { clusterId: address(clusterId) }),
    ...(confederation !== undefined && {
      confederation: { id: confederation.asn, members: confederation.members ?? [] },
    }),
    ...(maxPaths !== undefined && {
      maxPaths: { external: maxPaths.external ?? 1, internal: maxPaths.internal ?? 1 },
    }),
    ...(alwaysCompareMed !== undefined && { alwaysCompareMed }),
    ...(maxSessions !== undefined && { maxSessions }),
  }
}

/** Peers that wait for a connection to a speaker that takes none. */
function waitingInVain(instance: Derived<BGPInstance>, peers: readonly PlannedPeer[], node: Node): Problem[] {
  return peers.flatMap(({ config, shown, derived }) => {
    if (config.kind === 'peer' && !config.peer.passive) return []
    return {
      rule: 'PassiveWithoutPort',
      message: `waits for ${shown} to connect, but the instance ${instance.resource.metadata.name} does not listen on this node`,
      hint: 'give the instance a listenPort',
      ...sourceOf(derived, config.kind === 'peer' ? 'spec.passive' : 'spec.listen'),
      nodes: [node.metadata.name],
    }
  })
}

function selectionReason(instance: Derived<BGPInstance>, node: Node): Reason {
  const { nodeSelector } = instance.resource.spec
  const message =
    nodeSelector === undefined
      ? 'it names no node selector, so it runs on every node'
      : `its node selector matches the labels of ${node.metadata.name}`
  return reasonFrom(instance, 'spec.nodeSelector', 'SelectedByNodeSelector', message)
}

/** The port to listen on, unless an older instance on this node has it. */
function claimPort(
  context: PlanContext,
  instance: Derived<BGPInstance>,
  override: number,
  reasons: Reason[],
): number | undefined {
  const { spec } = instance.resource
  const overriding = spec.overrides?.[override]?.listenPort
  const port = overriding ?? spec.listenPort
  const path = overriding === undefined ? 'spec.listenPort' : `spec.overrides[${override}].listenPort`
  if (port === undefined) {
    reasons.push(
      reasonFrom(instance, path, 'NoListenPort', 'no port is given, so it connects and never listens'),
    )
    return undefined
  }
  const other = context.ports.get(port)
  if (other === undefined) {
    context.ports.set(port, instance)
    reasons.push(reasonFrom(instance, path, 'ListenPort', `it listens on port ${port}`))
    return port
  }
  context.problems.push({
    rule: 'ConflictingListenPort',
    message: `port ${port} is that of the older instance ${other.resource.metadata.name}, so ${instance.resource.metadata.name} does not listen`,
    hint: 'give one of the two another port on this node',
    ...sourceOf(instance, path),
    other: refOf(other.source),
    nodes: [context.node.metadata.name],
  })
  return undefined
}
