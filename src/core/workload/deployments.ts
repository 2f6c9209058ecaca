/** Deployments → Pods: scaling, rolling replacement, and the status that `kubectl rollout` and `kubectl wait` read. */
import { equalJson } from '#core/lib/json.ts'
import { compareText } from '#core/lib/order.ts'
import type { Prng } from '#core/lib/prng.ts'
import { rfc3339Seconds } from '#core/lib/time.ts'
import { withCondition } from '#core/schema/conditions.ts'
import type { Deployment, Pod } from '#core/schema/kubernetes.ts'
import { namespacedName, selectorMatches } from '#core/schema/object.ts'
import type { WorkloadAction, WorkloadState } from './io.ts'
import { generateName, templateHash } from './names.ts'
import { isFinished, isReady, isTerminating } from './pod-state.ts'

const hashLabel = 'pod-template-hash'

/** Also deletes Pods whose Deployment is gone. `now`: milliseconds since 1970. */
export function reconcileDeployments(state: WorkloadState, random: Prng, now: number): WorkloadAction[] {
  const actions: WorkloadAction[] = []
  const names = new Set(state.pods.map(namespacedName))
  const owned = Map.groupBy(state.pods, deploymentOf)
  owned.delete(undefined)
  for (const deployment of state.deployments) {
    const uid = deployment.metadata.uid ?? ''
    const pods = (owned.get(uid) ?? []).filter((pod) => !isTerminating(pod) && !isFinished(pod))
    owned.delete(uid)
    if (deployment.metadata.deletionTimestamp !== undefined) {
      actions.push(...pods.map((object) => ({ kind: 'delete' as const, object })))
      continue
    }
    if (!selectsItsPods(deployment)) continue
    actions.push(...roll(deployment, pods, names, random))
    const status = statusOf(deployment, pods, now)
    if (!equalJson(status, deployment.status))
      actions.push({ kind: 'updateStatus', object: { ...deployment, status } })
  }
  // Garbage collection: Pods whose Deployment is gone.
  for (const orphans of owned.values()) {
    for (const object of orphans) if (!isTerminating(object)) actions.push({ kind: 'delete', object })
  }
  return actions
}

/** Creates and deletes as many as the strategy allows at this moment. */
function roll(deployment: Deployment, pods: Pod[], names: Set<string>, random: Prng): WorkloadAction[] {
  const replicas = replicasOf(deployment)
  const hash = templateHash(deployment.spec.template)
  const current = pods.filter((pod) => pod.metadata.labels?.[hashLabel] === hash)
  const old = pods.filter((pod) => pod.metadata.labels?.[hashLabel] !== hash)
  const { recreate, surge, unavailable } = strategyOf(deployment, replicas)
  const remove = (list: Pod[]) => list.map((object) => ({ kind: 'delete' as const, object }))

  if (current.length > replicas) {
    const surplus = [...current].sort(leastWorthFirst).slice(0, current.length - replicas)
    return [...remove(surplus), ...remove(old)]
  }
  if (recreate && old.length > 0) return remove(old)
  const actions: WorkloadAction[] = []
  const room = replicas + surge - current.length - old.length
  const count = Math.min(replicas - current.length, room)
  for (let i = 0; i < count; i++) {
    actions.push({ kind: 'create', object: podFor(deployment, hash, names, random) })
  }
  // Old Pods that are not ready serve nobody: they go first, and at no cost.
  const notReady = old.filter((pod) => !isReady(pod))
  const readyCount = pods.filter(isReady).length
  const spare = Math.max(0, readyCount - (replicas - unavailable))
  const ready = old
    .filter(isReady)
    .sort(leastWorthFirst)
    .slice(0, replicas === 0 ? Infinity : spare)
  actions.push(...remove(notReady), ...remove(ready))
  return actions
}

function strategyOf(
  deployment: Deployment,
  replicas: number,
): { recreate: boolean; surge: number; unavailable: number } {
  const strategy = deployment.spec['strategy'] as
    | { type?: string; rollingUpdate?: { maxSurge?: number | string; maxUnavailable?: number | string } }
    | undefined
  const rolling = strategy?.rollingUpdate
  const surge = portion(rolling?.maxSurge, replicas, Math.ceil)
  const unavailable = portion(rolling?.maxUnavailable, replicas, Math.floor)
  const stuck = surge === 0 && unavailable === 0
  return { recreate: strategy?.type === 'Recreate', surge, unavailable: stuck ? 1 : unavailable }
}

/** A count or a share of `replicas`; Kubernetes' default is 25 %. */
function portion(value: number | string | undefined, replicas: number, round: (n: number) => number): number {
  if (typeof value === 'number') return Math.max(0, value)
  const percent = /^(\d+)%$/.exec(value ?? '25%')
  return percent === null ? 1 : round((replicas * Number(percent[1])) / 100)
}

/** Not scheduled, then not ready, then newest. */
function leastWorthFirst(a: Pod, b: Pod): number {
  const worth = (pod: Pod) => (isReady(pod) ? 2 : pod.spec?.nodeName === undefined ? 0 : 1)
  if (worth(a) !== worth(b)) return worth(a) - worth(b)
  const [bornA, bornB] = [a.metadata.creationTimestamp ?? '', b.metadata.creationTimestamp ?? '']
  return compareText(bornB, bornA) || compareText(a.metadata.name, b.metadata.name)
}

function podFor(deployment: Deployment, hash: string, names: Set<string>, random: Prng): Pod {
  const { name, namespace = 'default', uid = '' } = deployment.metadata
  const { metadata, spec } = deployment.spec.template
  const unique = generateName(`${namespace}/${name}-${hash}`, names, random)
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      name: unique.slice(unique.indexOf('/') + 1),
      namespace,
      generateName: `${name}-${hash}-`,
      labels: { ...metadata?.labels, [hashLabel]: hash },
      ...(metadata?.annotations === undefined ? {} : { annotations: metadata.annotations }),
      ownerReferences: [
        {
          apiVersion: deployment.apiVersion,
          kind: 'Deployment',
          name,
          uid,
          controller: true,
          blockOwnerDeletion: true,
        },
      ],
    },
    spec: { ...spec },
  }
}

function statusOf(deployment: Deployment, pods: Pod[], now: number): Record<string, unknown> {
  const replicas = replicasOf(deployment)
  const hash = templateHash(deployment.spec.template)
  const updated = pods.filter((pod) => pod.metadata.labels?.[hashLabel] === hash)
  const ready = pods.filter(isReady).length
  const { unavailable } = strategyOf(deployment, replicas)
  const available = ready >= replicas - unavailable
  const complete =
    updated.length === replicas && pods.length === replicas && updated.filter(isReady).length === replicas
  const before = (deployment.status?.['conditions'] ?? []) as DeploymentCondition[]
  const at = rfc3339Seconds(now)
  const progressing = condition(
    'Progressing',
    true,
    complete
      ? ['NewReplicaSetAvailable', 'all Pods are of the current template and ready']
      : ['ReplicaSetUpdated', `${updated.filter(isReady).length} of ${replicas} Pods are current and ready`],
  )
  const conditions = withCondition(
    withCondition(
      before,
      condition(
        'Available',
        available,
        available
          ? ['MinimumReplicasAvailable', 'Deployment has minimum availability.']
          : ['MinimumReplicasUnavailable', 'Deployment does not have minimum availability.'],
      ),
      at,
    ),
    progressing,
    at,
  )
  return {
    observedGeneration: deployment.metadata.generation ?? 1,
    replicas: pods.length,
    updatedReplicas: updated.length,
    readyReplicas: ready,
    availableReplicas: ready,
    unavailableReplicas: Math.max(0, replicas - ready),
    conditions: [...conditions],
  }
}

interface DeploymentCondition {
  type: string
  status: string
  reason: string
  message: string
  lastTransitionTime?: string
}

function condition(
  type: string,
  status: boolean,
  [reason, message]: [reason: string, message: string],
): DeploymentCondition {
  return { type, status: status ? 'True' : 'False', reason, message }
}

function replicasOf(deployment: Deployment): number {
  return Math.max(0, deployment.spec.replicas ?? 1)
}

/** The API server sees to it; a Deployment that did not would create Pods without end. */
function selectsItsPods({ spec }: Deployment): boolean {
  return selectorMatches(spec.selector, spec.template.metadata?.labels ?? {})
}

function deploymentOf(pod: Pod): string | undefined {
  return pod.metadata.ownerReferences?.find((owner) => owner.kind === 'Deployment' && owner.controller)?.uid
}
