/** From a resource type to its CustomResourceDefinition (apiextensions.k8s.io/v1), with a structural schema. */
import { z } from 'zod'
import type { ResourceType } from './resource-type.ts'

/** As plain JSON: what is written to `deploy/crds` and given to an API server. */
export function crdOf(type: ResourceType) {
  return {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: { name: `${type.plural}.${type.group}` },
    spec: {
      group: type.group,
      names: {
        kind: type.kind,
        listKind: `${type.kind}List`,
        plural: type.plural,
        singular: type.singular,
        shortNames: [...type.shortNames],
        categories: [...type.categories],
      },
      scope: 'Cluster',
      versions: type.versions.map((name, i) => ({
        name,
        served: true,
        storage: i === 0,
        additionalPrinterColumns: type.columns.map((column) => ({ ...column })),
        subresources: { status: {} },
        schema: { openAPIV3Schema: objectSchema(type) },
      })),
    },
  }
}

function objectSchema({ description, spec, status }: ResourceType): Record<string, unknown> {
  return {
    description,
    type: 'object',
    ...(spec !== undefined && { required: ['spec'] }),
    properties: {
      apiVersion: { type: 'string' },
      kind: { type: 'string' },
      metadata: { type: 'object' },
      ...(spec !== undefined && { spec: structural(spec) }),
      status: structural(status),
    },
  }
}

/** What users write: fields with a default are not required. */
function structural(schema: z.ZodType): unknown {
  return cleaned(z.toJSONSchema(schema, { io: 'input', reused: 'inline', unrepresentable: 'throw' }))
}

/**
 * Leaves out what a structural schema may not say: an API server prunes or refuses unknown fields by itself, and keys
 * are always strings. Whole numbers of more than 32 bits say so.
 */
function cleaned(node: unknown): unknown {
  if (Array.isArray(node)) return node.map(cleaned)
  if (typeof node !== 'object' || node === null) return node
  const result: Record<string, unknown> = {}
  for (const [key, value] of Object.entries(node)) {
    if (key === '$schema' || key === 'propertyNames') continue
    if (key === 'additionalProperties' && (value === false || isEmpty(value))) continue
    if (Math.abs(Number(value)) === Number.MAX_SAFE_INTEGER) continue
    if (key === 'default' || key === 'x-kubernetes-validations') result[key] = value
    else if (key === 'properties') result[key] = mapValues(value as Record<string, unknown>, cleaned)
    else result[key] = cleaned(value)
  }
  if (result['type'] === 'integer' && Number(result['maximum'] ?? Number.MAX_SAFE_INTEGER) > 0x7fff_ffff) {
    result['format'] = 'int64'
  }
  return result
}

function isEmpty(value: unknown): boolean {
  return typeof value === 'object' && value !== null && Object.keys(value).length === 0
}

function mapValues(
  record: Record<string, unknown>,
  map: (value: unknown) => unknown,
): Record<string, unknown> {
  return Object.fromEntries(Object.entries(record).map(([key, value]) => [key, map(value)]))
}
