/** Who was there first: in a conflict the older object keeps what it has. */
import { compareText } from '#core/lib/order.ts'
import type { KubeObject } from '#core/schema/object.ts'
import type { Derived } from './native-set.ts'

/** Older first, then by name and kind: negative, 0 or positive. */
export function compareAge(a: KubeObject, b: KubeObject): number {
  return (
    compareText(a.metadata.creationTimestamp ?? '', b.metadata.creationTimestamp ?? '') ||
    compareText(a.metadata.name, b.metadata.name) ||
    compareText(a.kind, b.kind) ||
    compareText(a.apiVersion, b.apiVersion)
  )
}

/** By the age of what the resources were made from, then by their own names. */
export function compareSourceAge(a: Derived<KubeObject>, b: Derived<KubeObject>): number {
  return compareAge(a.source, b.source) || compareText(a.resource.metadata.name, b.resource.metadata.name)
}
