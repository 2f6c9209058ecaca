/** Pods → nodes and addresses: what the scheduler and the network plugin do. */
import { equalJson } from '#core/lib/json.ts'
import { compareText } from '#core/lib/order.ts'
import { rfc3339Seconds } from '#core/lib/time.ts'
import { addressFromInteger, addressToInteger, type Address, type IpVersion } from '#core/net/address.ts'
import { parsePrefix } from '#core/net/prefix.ts'
import { rangeOfPrefix } from '#core/net/range.ts'
import { withCondition } from '#core/schema/conditions.ts'
import type { Node, Pod } from '#core/schema/kubernetes.ts'
import { namespacedName, selectorMatches } from '#core/schema/object.ts'
import type { WorkloadAction, WorkloadState } from './io.ts'
import { isFinished, isTerminating, podAddresses } from './pod-state.ts'

/** `leaving`: uids of Pods that are being deleted in the same turn; they keep their addresses until they are gone. */
export function reconcilePods(
  { pods, nodes }: WorkloadState,
  leaving: ReadonlySet<string | undefined>,
  now: number,
): WorkloadAction[] {
  const stays = (pod: Pod) => !isFinished(pod) && !isTerminating(pod) && !leaving.has(pod.metadata.uid)
  const actions: WorkloadAction[] = []
  const nodesByName = new Map(nodes.map((node) => [node.metadata.name, node]))
  const load = new Map<string, number>()
  const taken = new Set<string>()
  for (const pod of pods) {
    // A Pod that has ended gives its address back; one that is ending still has it.
    if (!isFinished(pod)) for (const address of podAddresses(pod)) taken.add(address)
    if (!stays(pod)) continue
    const owner = spreadKey(pod, pod.spec?.nodeName)
    if (owner !== undefined) load.set(owner, (load.get(owner) ?? 0) + 1)
  }
  for (const pod of [...pods].sort(byName)) {
    if (!stays(pod)) continue
    const nodeName = pod.spec?.nodeName
    if (nodeName === undefined || nodeName === '') {
      const node = chooseNode(pod, nodes, load)
      if (node === undefined) actions.push(...unschedulable(pod, nodes.length, now))
      else {
        const key = spreadKey(pod, node.metadata.name)!
        load.set(key, (load.get(key) ?? 0) + 1)
        actions.push({
          kind: 'update',
          object: { ...pod, spec: { ...pod.spec, nodeName: node.metadata.name } },
        })
      }
      continue
    }
    const node = nodesByName.get(nodeName)
    if (node === undefined) actions.push({ kind: 'delete', object: pod })
    else actions.push(...place(pod, node, taken, now))
  }
  return actions
}

/** The node with the fewest Pods of the same owner, then the fewest Pods, then the first by name. */
function chooseNode(pod: Pod, nodes: readonly Node[], load: Map<string, number>): Node | undefined {
  const selector = { matchLabels: (pod.spec?.['nodeSelector'] ?? {}) as Record<string, string> }
  const rank = (node: Node) => {
    const name = node.metadata.name
    let all = 0
    for (const [key, count] of load) if (key.startsWith(`${name}\n`)) all += count
    return { name, same: load.get(spreadKey(pod, name)!) ?? 0, all }
  }
  return nodes
    .filter((node) => node.metadata.deletionTimestamp === undefined && isSchedulable(node, pod))
    .filter((node) => selectorMatches(selector, node.metadata.labels ?? {}))
    .map((node) => ({ node, rank: rank(node) }))
    .sort(
      (a, b) => a.rank.same - b.rank.same || a.rank.all - b.rank.all || compareText(a.rank.name, b.rank.name),
    )[0]?.node
}

interface Toleration {
  key?: string
  operator?: string
  value?: string
  effect?: string
}

function isSchedulable(node: Node, pod: Pod): boolean {
  if (node.spec?.unschedulable === true) return false
  const ready = node.status?.conditions?.find(({ type }) => type === 'Ready')
  if (ready !== undefined && ready.status !== 'True') return false
  const tolerations = (pod.spec?.['tolerations'] ?? []) as Toleration[]
  return (node.spec?.taints ?? []).every(
    (taint) =>
      taint.effect === 'PreferNoSchedule' ||
      tolerations.some(
        ({ key, operator = 'Equal', value = '', effect }) =>
          (effect === undefined || effect === '' || effect === taint.effect) &&
          (key === undefined || key === '' ? operator === 'Exists' : key === taint.key) &&
          (operator === 'Exists' || value === (taint.value ?? '')),
      ),
  )
}

function unschedulable(pod: Pod, nodeCount: number, now: number): WorkloadAction[] {
  const message = `0/${nodeCount} nodes are available: none is schedulable for this Pod`
  return withStatus(pod, now, { type: 'PodScheduled', status: 'False', reason: 'Unschedulable', message }, {})
}

/** Addresses for a Pod that has a node and none yet: one of each of the node's pod networks. */
function place(pod: Pod, node: Node, taken: Set<string>, now: number): WorkloadAction[] {
  const hostIP = node.status?.addresses?.find(({ type }) => type === 'InternalIP')?.address
  const fields: Partial<NonNullable<Pod['status']>> = hostIP === undefined ? {} : { hostIP }
  if (podAddresses(pod).length === 0) {
    const addresses =
      pod.spec?.['hostNetwork'] === true
        ? hostIP === undefined
          ? []
          : [hostIP]
        : podNetworkAddresses(node, taken)
    if (addresses[0] !== undefined) {
      for (const address of addresses) taken.add(address)
      fields.podIP = addresses[0]
      fields.podIPs = addresses.map((ip) => ({ ip }))
    }
  }
  return withStatus(pod, now, { type: 'PodScheduled', status: 'True' }, fields)
}

function withStatus(
  pod: Pod,
  now: number,
  scheduled: { type: string; status: string; reason?: string; message?: string },
  fields: Partial<NonNullable<Pod['status']>>,
): WorkloadAction[] {
  const status = {
    ...pod.status,
    phase: pod.status?.phase ?? 'Pending',
    ...fields,
    conditions: [...withCondition(pod.status?.conditions ?? [], scheduled, rfc3339Seconds(now))],
  }
  return equalJson(status, pod.status) ? [] : [{ kind: 'updateStatus', object: { ...pod, status } }]
}

/**
 * The lowest free address of each pod network of the node, IPv4 and IPv6. The network address and the first one, which
 * is the gateway, are left out, and so is the last one of an IPv4 network (broadcast).
 */
function podNetworkAddresses(node: Node, taken: ReadonlySet<string>): Address[] {
  const { podCIDR, podCIDRs = podCIDR === undefined ? [] : [podCIDR] } = node.spec ?? {}
  const found = new Map<IpVersion, Address>()
  for (const text of podCIDRs) {
    const parsed = parsePrefix(text)
    if (!parsed.ok) continue
    const { version, first, last } = rangeOfPrefix(parsed.value)
    if (found.has(version)) continue
    const end = addressToInteger(last) - (version === 4 ? 1n : 0n)
    for (let value = addressToInteger(first) + 2n; value <= end; value++) {
      const address = addressFromInteger(value, version)
      if (taken.has(address)) continue
      found.set(version, address)
      break
    }
  }
  return [...found.values()]
}

/** Names a node and the owner of a Pod on it; Pods without an owner count by themselves. */
function spreadKey(pod: Pod, node: string | undefined): string | undefined {
  if (node === undefined || node === '') return undefined
  const owner = pod.metadata.ownerReferences?.find(({ controller }) => controller)?.uid
  return `${node}\n${owner ?? ''}`
}

function byName(a: Pod, b: Pod): number {
  return compareText(namespacedName(a), namespacedName(b))
}
