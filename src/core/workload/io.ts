/** What the workload controllers look at and what they ask for, as plain data. */
import type { Deployment, EndpointSlice, Node, Pod, Service } from '#core/schema/kubernetes.ts'

export interface WorkloadState {
  deployments: Deployment[]
  pods: Pod[]
  services: Service[]
  endpointSlices: EndpointSlice[]
  nodes: Node[]
}

/**
 * `update` replaces the object and `updateStatus` its status; both carry the resourceVersion that was seen, so that a
 * stale one fails. A status given with `create` is to be kept out of the object: it follows as `updateStatus`.
 */
export type WorkloadAction =
  | { kind: 'create' | 'delete'; object: Pod | EndpointSlice }
  | { kind: 'update'; object: EndpointSlice | Pod }
  | { kind: 'updateStatus'; object: Deployment | Pod }
