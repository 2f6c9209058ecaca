/**
 * Answers for a whole cluster: sessions and routes from the speakers themselves where they can be reached, sessions
 * else from their NodeStates; Services from the plan of every node, with its reasons, over the sessions that are up.
 */
import type { z } from 'zod'
import { familyOfPrefix } from '#core/bgp/family.ts'
import type { SessionState } from '#core/bgp/io.ts'
import { allocatedCondition } from '#core/controller/service-status.ts'
import { compareText } from '#core/lib/order.ts'
import type { Reason } from '#core/lib/reason.ts'
import { parseAddress, scopedAddress } from '#core/net/address.ts'
import { hostPrefix, type Prefix } from '#core/net/prefix.ts'
import type { NodePlan } from '#core/plan/node-plan.ts'
import type { Service } from '#core/schema/kubernetes.ts'
import type { NodeSession, NodeState } from '#core/schema/node-state.ts'
import { namespacedName } from '#core/schema/object.ts'
import { getJson, postJson, streamRows } from './contract/client.ts'
import {
  listSchema,
  peerCommandAnswerSchema,
  peerRowSchema,
  problemRowSchema,
  routeRowSchema,
  rpkiRowSchema,
  stationRowSchema,
  withheldRowSchema,
  type List,
  type PeerCommandAnswer,
  type PeerCommandRequest,
  type PeerRow,
  type ProblemRow,
  type RpkiRow,
  type StationRow,
  type ServiceRow,
  type Version,
} from './contract/contract.ts'
import { isMeant, refusalOf, type Refusal } from './peer-command.ts'
import { stateNames } from './rows.ts'
import type { ApiBackend } from './server.ts'

/** What the controller knows of its cluster. */
export interface ClusterView {
  version: Version
  nodeStates(): NodeState[]
  services(): Service[]
  /** Plans of all nodes, as their speakers make them. */
  plans(): NodePlan[]
  subscribe(changed: () => void): () => void
}

/** Speakers answer at once; one that does not within this time is gone. */
const speakerTimeoutMs = 1000

/** Answers from the view of a controller, asking speakers as it goes. */
export function clusterBackend(view: ClusterView): ApiBackend {
  return {
    version: () => view.version,
    subscribe: (changed) => view.subscribe(changed),
    peers: () => gather(view, '/v1/peers', peerRowSchema, fallbackPeers),
    routes: (query) => rowsOfNodes(view, withPath('/v1/routes', query), routeRowSchema, query.node),
    withheld: (query) => rowsOfNodes(view, withPath('/v1/withheld', query), withheldRowSchema, query.node),
    problems: () => gather(view, '/v1/problems', problemRowSchema, fallbackProblems),
    command: (request) => command(view, request),
    stations: () => gather(view, '/v1/stations', stationRowSchema, () => []),
    rpki: () => gather(view, '/v1/rpki', rpkiRowSchema, () => []),
    services: async () => {
      const { items, warnings } = await gather(view, '/v1/peers', peerRowSchema, fallbackPeers)
      return { items: serviceRows(view.services(), view.plans(), items), warnings }
    },
  }
}

/** Of one node after the other, as their speakers give them. */
async function* rowsOfNodes<T>(
  view: ClusterView,
  path: string,
  row: z.ZodType<T>,
  node: string | undefined,
): AsyncGenerator<List<T>> {
  for (const { metadata, status } of view.nodeStates()) {
    if ((node ?? metadata.name) !== metadata.name || status?.endpoint === undefined) continue
    for await (const page of streamRows(status.endpoint, path, row, speakerTimeoutMs)) {
      yield page.ok
        ? page.value
        : { items: [], warnings: [`the speaker of ${metadata.name} does not answer`] }
    }
  }
}

/** Gives it to the speakers of the sessions that are meant. */
async function command(view: ClusterView, request: PeerCommandRequest): Promise<PeerCommandAnswer | Refusal> {
  const { items } = await gather(view, '/v1/peers', peerRowSchema, fallbackPeers)
  const meant = items.filter((row) => isMeant(row, request))
  const refusal = refusalOf(meant, request)
  if (refusal !== undefined) return refusal
  const done: PeerCommandAnswer = { peers: [] }
  for (const node of new Set(meant.map((row) => row.node))) {
    const state = view.nodeStates().find(({ metadata }) => metadata.name === node)
    const endpoint = state?.status?.endpoint ?? ''
    const one = { ...request, node }
    const answer = await postJson(
      endpoint,
      '/v1/peers/command',
      one,
      peerCommandAnswerSchema,
      speakerTimeoutMs,
    )
    if (!answer.ok)
      return { error: `the speaker of ${node} does not do it: ${answer.error.message}`, status: 502 }
    done.peers.push(...answer.value.peers)
  }
  return done
}

/** One list of what all speakers answer; for those that do not, what `fallback` makes of their last NodeState. */
async function gather<T extends PeerRow | RpkiRow | StationRow | ProblemRow>(
  view: Pick<ClusterView, 'nodeStates'>,
  path: string,
  row: z.ZodType<T>,
  fallback: (state: NodeState) => T[],
): Promise<List<T>> {
  const answers = await Promise.all(
    view.nodeStates().map(async (state) => {
      const endpoint = state.status?.endpoint
      if (endpoint === undefined) return { items: fallback(state), warnings: [] }
      const answer = await getJson(endpoint, path, listSchema(row), speakerTimeoutMs)
      if (answer.ok) return answer.value
      const items = fallback(state)
      const shown =
        items.length > 0 ? `; shown is what it reported at ${state.status?.observedAt ?? 'some time'}` : ''
      return { items, warnings: [`the speaker of ${state.metadata.name} does not answer${shown}`] }
    }),
  )
  return {
    items: answers.flatMap((answer) => answer.items),
    warnings: answers.flatMap((answer) => answer.warnings),
  }
}

function withPath(path: string, query: Record<string, string | undefined>): string {
  const given = Object.entries(query).filter((entry): entry is [string, string] => entry[1] !== undefined)
  return `${path}?${new URLSearchParams(given).toString()}`
}

function fallbackProblems({ metadata, status }: NodeState): ProblemRow[] {
  return (status?.problems ?? []).map((problem) => ({ node: metadata.name, ...problem }))
}

function fallbackPeers(state: NodeState): PeerRow[] {
  return (state.status?.sessions ?? []).map((session) => peerRowOfSession(state.metadata.name, session))
}

function peerRowOfSession(node: string, session: NodeSession): PeerRow {
  const sessionState: SessionState = session.state
  return {
    node,
    instance: session.instance,
    peer: session.peer,
    localAsn: session.localAsn,
    asn: session.peerAsn,
    address: session.peerAddress,
    interface: session.peerInterface,
    port: session.peerPort,
    state: stateNames[sessionState],
    since: session.since,
    holdTimeSeconds: session.appliedHoldTimeSeconds,
    keepaliveSeconds: session.appliedKeepaliveSeconds,
    routerId: session.routerId,
    families: session.families.map(({ afi, safi, ...counts }) => ({ family: `${afi}/${safi}`, ...counts })),
    lastError: session.lastError,
    heldDown: session.heldDown,
    reasons: [],
  }
}

/** LoadBalancer Services with what every node announces and withholds for them. `peers`: the sessions of all nodes. */
export function serviceRows(
  services: readonly Service[],
  plans: readonly NodePlan[],
  peers: readonly PeerRow[],
): ServiceRow[] {
  const sessions = new Map(peers.map((row) => [sessionKey(row.node, row.instance, row.peer), row]))
  return services
    .filter((service) => service.spec?.type === 'LoadBalancer')
    .toSorted((a, b) => compareText(namespacedName(a), namespacedName(b)))
    .map((service) => {
      const addresses = (service.status?.loadBalancer?.ingress ?? []).flatMap(({ ip }) => ip ?? [])
      const prefixes = new Set(
        addresses.flatMap((text) => {
          const parsed = parseAddress(text)
          return parsed.ok ? [hostPrefix(parsed.value)] : []
        }),
      )
      return {
        namespace: service.metadata.namespace ?? 'default',
        name: service.metadata.name,
        addresses,
        ports: (service.spec?.ports ?? []).map(({ protocol = 'TCP', port }) => ({ protocol, port })),
        allocation: allocationReason(service),
        nodes: plans.map((plan) => onNode(service, prefixes, plan, sessions)),
      }
    })
}

function onNode(
  service: Service,
  prefixes: ReadonlySet<Prefix>,
  plan: NodePlan,
  sessions: ReadonlyMap<string, PeerRow>,
): ServiceRow['nodes'][number] {
  const concerns = (reasons: readonly Reason[]) =>
    reasons.some(
      ({ object }) =>
        object?.kind === 'Service' &&
        object.name === service.metadata.name &&
        object.namespace === service.metadata.namespace,
    )
  const announced: ServiceRow['nodes'][number]['announced'] = []
  const withheld: ServiceRow['nodes'][number]['withheld'] = []
  for (const instance of plan.instances) {
    const { name, peers } = instance.config
    for (const { prefix, peer, reasons } of instance.routeReasons) {
      if (!prefixes.has(prefix)) continue
      const session = sessions.get(sessionKey(plan.node, name, peer))
      const place = session ?? peers.find((candidate) => candidate.name === peer)
      const address = place === undefined ? peer : scopedAddress(place.address, place.interface)
      const down = unheard(prefix, address, session)
      if (down === undefined) announced.push({ prefix, peer: address, reasons })
      else withheld.push({ prefix, reasons: [down, ...reasons] })
    }
    for (const { prefix, reasons } of instance.withheld) {
      if ((prefix !== undefined && prefixes.has(prefix)) || concerns(reasons))
        withheld.push({ prefix, reasons })
    }
  }
  if (announced.length === 0 && withheld.length === 0 && plan.instances.length === 0) {
    withheld.push({
      prefix: undefined,
      reasons: [{ rule: 'NoInstance', message: 'no BGP instance is configured for this node' }],
    })
  }
  return { node: plan.node, announced, withheld }
}

/** Why a route that a node is to announce does not reach the peer. */
function unheard(prefix: Prefix, address: string, session: PeerRow | undefined): Reason | undefined {
  const state = session?.state ?? 'not reported yet'
  if (session === undefined || state !== 'established')
    return { rule: 'SessionDown', message: `the session with ${address} is not up (${state})` }
  const family = familyOfPrefix(prefix)
  if (session.families.some((negotiated) => negotiated.family === family)) return undefined
  return { rule: 'FamilyNotNegotiated', message: `${address} does not take ${family} routes` }
}

function sessionKey(node: string, instance: string, peer: string): string {
  return JSON.stringify([node, instance, peer])
}

function allocationReason(service: Service): Reason {
  const condition = service.status?.conditions?.find(({ type }) => type === allocatedCondition)
  if (condition !== undefined) return { rule: condition.reason, message: condition.message }
  return { rule: 'NotYetSeen', message: 'the controller has not looked at it yet' }
}
