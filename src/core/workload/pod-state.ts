/** What others need to know of a Pod. */
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
