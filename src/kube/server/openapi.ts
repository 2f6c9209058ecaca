/**
 * OpenAPI as far as kubectl reads it: a v2 document with nothing in it (old clients then leave validation to the
 * server) and v3 documents with the schemas of custom resources and the `fieldValidation` parameter (new clients then
 * ask the server to validate).
 */
import { createHash } from 'node:crypto'
import type { JsonObject } from './json.ts'
import type { Registry } from './registry.ts'
import { apiVersionOf, type ResourceType } from './resource-type.ts'

const info = { title: 'Kubernetes', version: 'v1.32.0' }

export const openapiV2: JsonObject = { swagger: '2.0', info, paths: {}, definitions: {} }

/** The same as a protobuf message openapi.v2.Document: field 1 swagger, field 2 info {1 title, 2 version}, 8 paths. */
export const openapiV2Protobuf: Uint8Array = Buffer.concat([
  protobufField(1, Buffer.from('2.0')),
  protobufField(
    2,
    Buffer.concat([protobufField(1, Buffer.from(info.title)), protobufField(2, Buffer.from(info.version))]),
  ),
  protobufField(8, Buffer.alloc(0)),
])

/** A length-delimited field; `value` is shorter than 128 bytes, so that its length is one byte. */
function protobufField(number: number, value: Uint8Array): Uint8Array {
  return Buffer.concat([Buffer.from([(number << 3) | 2, value.length]), value])
}

/** The index of v3 documents; their addresses change with their content. */
export function openapiV3Index(registry: Registry): JsonObject {
  const paths: JsonObject = {}
  for (const { group, versions } of registry.groups()) {
    for (const { version } of versions) {
      const path = group === '' ? `api/${version}` : `apis/${group}/${version}`
      const text = JSON.stringify(openapiV3(registry, group, version))
      const hash = createHash('sha256').update(text).digest('hex').slice(0, 32)
      paths[path] = { serverRelativeURL: `/openapi/v3/${path}?hash=${hash}` }
    }
  }
  return { paths }
}

/** Undefined when nothing is served there. */
export function openapiV3(registry: Registry, group: string, version: string): JsonObject | undefined {
  const types = registry.all().filter((type) => type.group === group && type.versions.includes(version))
  if (types.length === 0) return undefined
  const schemas: JsonObject = {}
  const paths: JsonObject = {}
  const root = group === '' ? `/api/${version}` : `/apis/${group}/${version}`
  for (const type of types) {
    schemas[schemaName(type, version)] = schemaOf(type, version)
    const collection = `${root}${type.namespaced ? '/namespaces/{namespace}' : ''}/${type.plural}`
    paths[collection] = { post: operation(type, version, 'post') }
    paths[`${collection}/{name}`] = {
      get: operation(type, version, 'get'),
      put: operation(type, version, 'put'),
      patch: operation(type, version, 'patch'),
    }
  }
  return { openapi: '3.0.0', info, paths, components: { schemas } }
}

function operation(type: ResourceType, version: string, action: string): JsonObject {
  const parameter = (name: string, description: string) => ({
    name,
    in: 'query',
    description,
    schema: { type: 'string', uniqueItems: true },
  })
  const write = action !== 'get'
  return {
    description: `${action} ${type.kind}`,
    operationId: `${action}${type.group}${version}${type.kind}`,
    parameters: write
      ? [
          parameter('dryRun', 'All: nothing is stored'),
          parameter('fieldManager', 'who writes'),
          parameter('fieldValidation', 'what to do about unknown fields: Ignore, Warn or Strict'),
        ]
      : [],
    responses: { 200: { description: 'OK' } },
    'x-kubernetes-action': action,
    'x-kubernetes-group-version-kind': { group: type.group, version, kind: type.kind },
  }
}

function schemaName(type: ResourceType, version: string): string {
  const group = type.group === '' ? 'core' : type.group.split('.').reverse().join('.')
  return `${type.custom ? '' : 'io.k8s.api.'}${group}.${version}.${type.kind}`
}

function schemaOf(type: ResourceType, version: string): JsonObject {
  const schema = type.schema?.(version) ?? { type: 'object' }
  const properties = (schema['properties'] ?? {}) as JsonObject
  const text = (description: string) => ({ type: 'string', description })
  return {
    ...schema,
    properties: {
      ...properties,
      apiVersion: text(apiVersionOf(type.group, version)),
      kind: text(type.kind),
      metadata: { type: 'object', description: 'Standard object metadata' },
    },
    'x-kubernetes-group-version-kind': [{ group: type.group, version, kind: type.kind }],
  }
}
