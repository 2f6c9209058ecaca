/** The parts that all Kubernetes objects have. */
import type { ObjectRef } from '#core/lib/reason.ts'

/** Only what Herald reads or writes; objects keep whatever else they carry. */
export interface ObjectMeta {
  name: string
  namespace?: string
  uid?: string
  resourceVersion?: string
  generation?: number
  /** RFC 3339. */
  creationTimestamp?: string
  deletionTimestamp?: string
  labels?: Record<string, string>
  annotations?: Record<string, string>
  ownerReferences?: OwnerReference[]
  finalizers?: string[]
  managedFields?: unknown[]
  generateName?: string
}

export interface OwnerReference {
  apiVersion: string
  kind: string
  name: string
  uid: string
  controller?: boolean
  blockOwnerDeletion?: boolean
}

/** Any object of the Kubernetes API. */
export interface KubeObject {
  apiVersion: string
  kind: string
  metadata: ObjectMeta
}

/** metav1.Condition. */
export interface Condition {
  type: string
  status: 'True' | 'False' | 'Unknown'
  /** RFC 3339. */
  lastTransitionTime: string
  reason: string
  message: string
  observedGeneration?: number
}

/** How reasons, problems and events name the object. */
export function refOf(object: KubeObject): ObjectRef {
  const { name, namespace } = object.metadata
  return namespace === undefined ? { kind: object.kind, name } : { kind: object.kind, namespace, name }
}

/** `namespace/name`, of an object of a namespaced type; without a namespace it is in `default`. */
export function namespacedName({ metadata }: { metadata: Pick<ObjectMeta, 'namespace' | 'name'> }): string {
  return `${metadata.namespace ?? 'default'}/${metadata.name}`
}

/** metav1.LabelSelector. Everything in it must match; an empty one matches all. */
export interface LabelSelector {
  matchLabels?: Record<string, string>
  matchExpressions?: {
    key: string
    operator: 'In' | 'NotIn' | 'Exists' | 'DoesNotExist'
    values?: string[]
  }[]
}

/** Kubernetes semantics: `NotIn` also matches where the key is absent. */
export function selectorMatches(selector: LabelSelector, labels: Record<string, string>): boolean {
  for (const [key, value] of Object.entries(selector.matchLabels ?? {})) {
    if (labels[key] !== value) return false
  }
  for (const { key, operator, values = [] } of selector.matchExpressions ?? []) {
    const value = labels[key]
    switch (operator) {
      case 'In':
        if (value === undefined || !values.includes(value)) return false
        break
      case 'NotIn':
        if (value !== undefined && values.includes(value)) return false
        break
      case 'Exists':
        if (value === undefined) return false
        break
      case 'DoesNotExist':
        if (value !== undefined) return false
        break
    }
  }
  return true
}
