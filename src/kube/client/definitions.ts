/** Puts the CustomResourceDefinitions of resources that Herald knows into a cluster. */
import { crdOf } from '#core/schema/crd.ts'
import type { KubeObject } from '#core/schema/object.ts'
import type { ResourceType } from '#core/schema/resource-type.ts'
import type { ApiError } from './api-error.ts'
import type { KubeClient } from './client.ts'
import { resourceTypes } from './resource.ts'

/** Creates those that are missing and replaces the spec of those that are there. The first error ends it. */
export async function installDefinitions(
  client: KubeClient,
  types: readonly ResourceType[],
): Promise<ApiError | undefined> {
  for (const type of types) {
    const definition = crdOf(type) as unknown as KubeObject & { spec: unknown }
    const created = await client.create(resourceTypes.customResourceDefinitions, definition)
    if (created.ok) continue
    if (created.error.kind !== 'alreadyExists') return created.error
    const patch = { spec: definition.spec }
    const patched = await client.patch(resourceTypes.customResourceDefinitions, definition.metadata, patch)
    if (!patched.ok) return patched.error
  }
  return undefined
}
