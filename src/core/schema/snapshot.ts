/** All that Herald observed in one cluster at one moment: the input of the controller and of `plan`. */
import type { Problem } from '#core/lib/reason.ts'
import type { EndpointSlice, Namespace, Node, Secret, Service } from './kubernetes.ts'
import type { KubeObject } from './object.ts'

export interface Snapshot {
  nodes: Node[]
  services: Service[]
  endpointSlices: EndpointSlice[]
  namespaces: Namespace[]
  secrets: Secret[]
  /**
   * Herald's own resources and those of other systems, as the API server gave them: neither validated nor sorted.
   * `core/dialect/native.ts` makes typed resources of them.
   */
  custom: KubeObject[]
  /** What is wrong with objects in whose place their last valid version stands: see `withLastValid`. */
  problems?: Problem[]
}

export const emptySnapshot: Snapshot = {
  nodes: [],
  services: [],
  endpointSlices: [],
  namespaces: [],
  secrets: [],
  custom: [],
}
