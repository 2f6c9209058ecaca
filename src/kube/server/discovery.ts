/** What the server serves: /version, /api, /apis and the resources of each group and version, plain and aggregated. */
import type { JsonObject } from './json.ts'
import type { Registry } from './registry.ts'
import { apiVersionOf, type ResourceType } from './resource-type.ts'

const verbs = ['create', 'delete', 'deletecollection', 'get', 'list', 'patch', 'update', 'watch']
const partVerbs = ['get', 'patch', 'update']

export const version: JsonObject = {
  major: '1',
  minor: '32',
  gitVersion: 'v1.32.0+herald',
  gitCommit: '',
  gitTreeState: 'clean',
  buildDate: '1970-01-01T00:00:00Z',
  goVersion: '',
  compiler: '',
  platform: `${process.platform}/${process.arch === 'x64' ? 'amd64' : process.arch}`,
}

export function coreVersions(address: string): JsonObject {
  return {
    kind: 'APIVersions',
    versions: ['v1'],
    serverAddressByClientCIDRs: [{ clientCIDR: '0.0.0.0/0', serverAddress: address }],
  }
}

export function groupList(registry: Registry): JsonObject {
  const names = registry.groups().filter(({ group }) => group !== '')
  return {
    kind: 'APIGroupList',
    apiVersion: 'v1',
    groups: names.map(({ group }) => groupEntry(registry, group)!),
  }
}

/** Undefined when there is no such group. */
export function apiGroup(registry: Registry, group: string): JsonObject | undefined {
  const entry = groupEntry(registry, group)
  return entry === undefined ? undefined : { kind: 'APIGroup', apiVersion: 'v1', ...entry }
}

function groupEntry(registry: Registry, name: string): JsonObject | undefined {
  const found = registry.groups().find(({ group }) => group === name)
  if (found === undefined) return undefined
  const versions = found.versions.map(({ version }) => ({
    groupVersion: apiVersionOf(name, version),
    version,
  }))
  return { name, versions, preferredVersion: versions[0]! }
}

/** Undefined when nothing is served there. */
export function resourceList(registry: Registry, group: string, version: string): JsonObject | undefined {
  const types = typesOf(registry, group, version)
  if (types.length === 0) return undefined
  return {
    kind: 'APIResourceList',
    apiVersion: 'v1',
    groupVersion: apiVersionOf(group, version),
    resources: types.flatMap((type) => entries(type)),
  }
}

function typesOf(registry: Registry, group: string, version: string): ResourceType[] {
  return registry.all().filter((type) => type.group === group && type.versions.includes(version))
}

function entries(type: ResourceType): JsonObject[] {
  const { plural, singular, namespaced, kind, shortNames, categories } = type
  const main: JsonObject = { name: plural, singularName: singular, namespaced, kind, verbs }
  if (shortNames.length > 0) main['shortNames'] = shortNames
  if (categories.length > 0) main['categories'] = categories
  const result = [main]
  if (type.status)
    result.push({ name: `${plural}/status`, singularName: '', namespaced, kind, verbs: partVerbs })
  if (type.scale !== undefined) {
    const scale = { group: 'autoscaling', version: 'v1', kind: 'Scale', verbs: partVerbs }
    result.push({ name: `${plural}/scale`, singularName: '', namespaced, ...scale })
  }
  return result
}

/** The aggregated form (apidiscovery.k8s.io/v2) of /api (`core`) or /apis. */
export function aggregatedDiscovery(registry: Registry, core: boolean, apiVersion: string): JsonObject {
  const groups = registry.groups().filter(({ group }) => (group === '') === core)
  return {
    kind: 'APIGroupDiscoveryList',
    apiVersion,
    metadata: {},
    items: groups.map(({ group, versions }) => ({
      metadata: group === '' ? {} : { name: group },
      versions: versions.map(({ version, types }) => ({
        version,
        resources: types.map((type) => aggregatedResource(type, version)),
        freshness: 'Current',
      })),
    })),
  }
}

function aggregatedResource(type: ResourceType, version: string): JsonObject {
  const responseKind = { group: type.group, version, kind: type.kind }
  const subresources: JsonObject[] = []
  if (type.status) subresources.push({ subresource: 'status', responseKind, verbs: partVerbs })
  if (type.scale !== undefined) {
    const kind = { group: 'autoscaling', version: 'v1', kind: 'Scale' }
    subresources.push({ subresource: 'scale', responseKind: kind, verbs: partVerbs })
  }
  return {
    resource: type.plural,
    responseKind,
    scope: type.namespaced ? 'Namespaced' : 'Cluster',
    singularResource: type.singular,
    verbs,
    ...(type.shortNames.length > 0 ? { shortNames: type.shortNames } : {}),
    ...(type.categories.length > 0 ? { categories: type.categories } : {}),
    ...(subresources.length > 0 ? { subresources } : {}),
  }
}
