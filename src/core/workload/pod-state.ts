/** What others need to know of a Pod. */
import { equalJson } from '#core/lib/json.ts'
import type { Pod } from '#core/schema/kubernetes.ts'

/** Asked to end: its deletion has begun. */
export function isTerminating(pod: Pod): boolean {
  return pod.metadata.deletionTimestamp !== undefined
}

/** All its containers have ended for good. */
export function isFinished(pod: Pod): boolean {
  return pod.status?.phase === 'Succeeded' || pod.status?.phase === 'Failed'
}

/** Its condition Ready is True: the kubelet's word. */
export function isReady(pod: Pod): boolean {
  return pod.status?.conditions?.some(({ type, status }) => type === 'Ready' && status === 'True') ?? false
}

/** One per IP version; none before the Pod has a node. */
export function podAddresses(pod: Pod): string[] {
  const { podIP, podIPs } = pod.status ?? {}
  if (podIPs !== undefined && podIPs.length > 0) return podIPs.map(({ ip }) => ip)
  return podIP === undefined || podIP === '' ? [] : [podIP]
}

interface AnyCondition {
  type: string
  status: string
  reason?: string
  message?: string
  lastTransitionTime?: string
}

/**
 * `before` with `condition` in place of the one of its type; `lastTransitionTime` moves with the status only (RFC 3339
 * `at`). Gives `before` itself when nothing changes.
 */
export function withCondition<T extends AnyCondition>(
  before: readonly T[],
  condition: T,
  at: string,
): readonly T[] {
  const old = before.find(({ type }) => type === condition.type)
  const lastTransitionTime = old?.status === condition.status ? (old.lastTransitionTime ?? at) : at
  const next: T = { ...condition, lastTransitionTime }
  const says = ({ status, reason, message }: T) => ({ status, reason, message })
  if (old !== undefined && equalJson(says(old), says(next))) return before
  return old === undefined ? [...before, next] : before.map((each) => (each === old ? next : each))
}
