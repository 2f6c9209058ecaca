/** The table form of objects (meta.k8s.io/v1 Table), which `kubectl get` prints as it is. */
import type { JsonObject, Resource } from './json.ts'
import type { ResourceType } from './resource-type.ts'

/** How much of each object a row carries. */
export type IncludeObject = 'None' | 'Metadata' | 'Object'

export function tableOf(
  type: ResourceType,
  version: string,
  objects: Resource[],
  include: IncludeObject,
  listMeta: JsonObject,
): JsonObject {
  const columns = type.columns(version)
  return {
    kind: 'Table',
    apiVersion: 'meta.k8s.io/v1',
    metadata: listMeta,
    columnDefinitions: columns.map(({ name, type, format = '', description, priority }) => ({
      name,
      type,
      format,
      description,
      priority,
    })),
    rows: objects.map((object) => ({
      cells: columns.map((column) => column.cell(object)),
      ...(include === 'None' ? {} : { object: include === 'Object' ? object : metadataOf(object) }),
    })),
  }
}

/** The object's metadata alone (PartialObjectMetadata). */
export function metadataOf(object: Resource): JsonObject {
  return { kind: 'PartialObjectMetadata', apiVersion: 'meta.k8s.io/v1', metadata: object.metadata }
}
