/**
 * What kube-controller-manager and kube-scheduler do in a real cluster, as far as Herald's labs and simulations need it:
 * Deployments become Pods, Pods get nodes and addresses, Services get EndpointSlices. Pure: the whole of what is goes in,
 * the actions that bring it nearer to what should be come out; none when there is nothing to do.
 *
 * It plays the network plugin too (pod addresses), not the kubelet: whoever runs the pods sets their phase and the
 * condition `Ready`, and removes a Pod that has a deletionTimestamp. Unlike in Kubernetes there is no ReplicaSet between a
 * Deployment and its Pods.
 */
import type { Prng } from '#core/lib/prng.ts'
import { reconcileDeployments } from './deployments.ts'
import { reconcileEndpointSlices } from './endpoint-slices.ts'
import type { WorkloadAction, WorkloadState } from './io.ts'
import { reconcilePods } from './pods.ts'

/**
 * Call it again after the actions were performed and whenever something changed; a failed action needs no other care.
 * `random` chooses the five characters at the end of names. `now`: milliseconds since 1970, for conditions.
 */
export function reconcileWorkloads(state: WorkloadState, random: Prng, now: number): WorkloadAction[] {
  const rollout = reconcileDeployments(state, random, now)
  const leaving = new Set(
    rollout.flatMap(({ kind, object }) => (kind === 'delete' ? [object.metadata.uid] : [])),
  )
  return [...rollout, ...reconcilePods(state, leaving, now), ...reconcileEndpointSlices(state, random)]
}
