/** Sorts the objects of a cluster into a snapshot, as `kube/` does with what it watches. */
import type { KubeObject } from '#core/schema/object.ts'
import type { EndpointSlice, Namespace, Node, Secret, Service } from '#core/schema/kubernetes.ts'
import type { Snapshot } from '#core/schema/snapshot.ts'

/** Kinds that the programs do not watch. */
const unwatched = new Set(['Pod', 'Deployment', 'ReplicaSet', 'ConfigMap', 'Event', 'Lease'])

export function isWatched(kind: string): boolean {
  return !unwatched.has(kind)
}

export function snapshotOf(objects: Iterable<KubeObject>): Snapshot {
  const snapshot: Snapshot = {
    nodes: [],
    services: [],
    endpointSlices: [],
    namespaces: [],
    secrets: [],
    custom: [],
  }
  for (const object of objects) {
    if (object.kind === 'Node') snapshot.nodes.push(object as Node)
    else if (object.kind === 'Service') snapshot.services.push(object as Service)
    else if (object.kind === 'EndpointSlice') snapshot.endpointSlices.push(object as EndpointSlice)
    else if (object.kind === 'Namespace') snapshot.namespaces.push(object as Namespace)
    else if (object.kind === 'Secret') snapshot.secrets.push(object as Secret)
    else if (isWatched(object.kind)) snapshot.custom.push(object)
  }
  return snapshot
}
