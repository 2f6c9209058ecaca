/** All that Herald observed in one cluster at one moment: the input of the controller and of `plan`. */
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
   * Dialects and `native.ts` make typed resources of them.
   */
  custom: KubeObject[]
}

export const emptySnapshot: Snapshot = {
  nodes: [],
  services: [],
  endpointSlices: [],
  namespaces: [],
  secrets: [],
  custom: [],
}
