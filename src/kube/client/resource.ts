/** Resource types of the Kubernetes API and the paths that they live at. */
import type { KubeObject } from '#core/schema/object.ts'
import { resourceTypes as customTypes } from '#core/schema/resource-type.ts'
import { heraldApiVersion } from '#core/schema/well-known.ts'

/** One type of object, as the API's paths name it. */
export interface ResourceType {
  /** Empty for the core group. */
  group: string
  version: string
  /** `services`. */
  plural: string
  kind: string
  namespaced: boolean
}

/** Names one object among those of its type. */
export interface ObjectName {
  namespace?: string
  name: string
}

function builtIn(apiVersion: string, kind: string, plural: string, namespaced: boolean): ResourceType {
  const [version, group] = apiVersion.split('/').toReversed()
  return { group: group ?? '', version: version!, kind, plural, namespaced }
}

/** The types that Herald itself touches by name. */
export const resourceTypes = {
  nodes: builtIn('v1', 'Node', 'nodes', false),
  services: builtIn('v1', 'Service', 'services', true),
  namespaces: builtIn('v1', 'Namespace', 'namespaces', false),
  secrets: builtIn('v1', 'Secret', 'secrets', true),
  configMaps: builtIn('v1', 'ConfigMap', 'configmaps', true),
  pods: builtIn('v1', 'Pod', 'pods', true),
  events: builtIn('v1', 'Event', 'events', true),
  endpointSlices: builtIn('discovery.k8s.io/v1', 'EndpointSlice', 'endpointslices', true),
  deployments: builtIn('apps/v1', 'Deployment', 'deployments', true),
  leases: builtIn('coordination.k8s.io/v1', 'Lease', 'leases', true),
  customResourceDefinitions: builtIn(
    'apiextensions.k8s.io/v1',
    'CustomResourceDefinition',
    'customresourcedefinitions',
    false,
  ),
  nodeStates: builtIn(heraldApiVersion, 'NodeState', 'nodestates', false),
} as const satisfies Record<string, ResourceType>

/** The custom resources with a spec, of Herald itself and of these dialects: in every version that may be served. */
export function customResources(dialects: readonly string[]): ResourceType[] {
  return customTypes
    .filter(({ dialect, spec }) => spec !== undefined && (dialect === 'native' || dialects.includes(dialect)))
    .flatMap(({ group, versions, plural, kind }) =>
      versions.map((version) => ({ group, version, plural, kind, namespaced: false })),
    )
}

/** `v1`, `herald.dev/v1alpha1`. */
export function apiVersionOf(type: ResourceType): string {
  return type.group === '' ? type.version : `${type.group}/${type.version}`
}

/** `services`, `addresspools.herald.dev`. */
export function resourceName(type: ResourceType): string {
  return type.group === '' ? type.plural : `${type.plural}.${type.group}`
}

/** Path of the collection: of one namespace, or of the whole cluster. */
export function collectionPath(type: ResourceType, namespace?: string): string {
  const root = type.group === '' ? `/api/${type.version}` : `/apis/${type.group}/${type.version}`
  const inside =
    type.namespaced && namespace !== undefined ? `/namespaces/${encodeURIComponent(namespace)}` : ''
  return `${root}${inside}/${type.plural}`
}

/** Path of one object, or of its `subresource`. */
export function objectPath(type: ResourceType, object: ObjectName, subresource?: string): string {
  const path = `${collectionPath(type, object.namespace)}/${encodeURIComponent(object.name)}`
  return subresource === undefined ? path : `${path}/${subresource}`
}

/** The known type of an object by its apiVersion and kind. */
export function typeOf(object: Pick<KubeObject, 'apiVersion' | 'kind'>): ResourceType | undefined {
  const known = [...Object.values<ResourceType>(resourceTypes), ...allCustomResources]
  return known.find((type) => type.kind === object.kind && apiVersionOf(type) === object.apiVersion)
}

const allCustomResources = customResources(customTypes.map(({ dialect }) => dialect))
