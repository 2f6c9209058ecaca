/**
 * From what is in the cluster to native resources: Herald's own, and those that the dialects obeyed make of foreign ones.
 * An object that is not valid becomes problems and is left out.
 */
import { compareText } from '#core/lib/order.ts'
import { showProblem, type Problem } from '#core/lib/reason.ts'
import type { AddressPool } from '#core/schema/address-pool.ts'
import type { BGPAdvertisement } from '#core/schema/bgp-advertisement.ts'
import type { BGPInstance } from '#core/schema/bgp-instance.ts'
import type { BGPPeerGroup } from '#core/schema/bgp-peer-group.ts'
import type { BGPPeer } from '#core/schema/bgp-peer.ts'
import { refOf, type KubeObject } from '#core/schema/object.ts'
import { typeOf, type ResourceType } from '#core/schema/resource-type.ts'
import type { RoutePolicy } from '#core/schema/route-policy.ts'
import type { Snapshot } from '#core/schema/snapshot.ts'
import { parseSpec } from '#core/schema/validate.ts'
import { compareAge } from './age.ts'
import { ciliumResources, lastValidAnnotations } from './cilium/cilium.ts'
import { gobgpResources, isGobgpFile } from './gobgp/gobgp.ts'
import { emptyNativeSet, sourceOf, type Derived, type NativeSet } from './native-set.ts'
import { withGroup } from './peer-group.ts'
import { settlePools } from './pool-conflict.ts'

/** The result depends on what is in the snapshot and not on its order. `dialects`: those to obey beside the native one. */
export function nativeSet(snapshot: Snapshot, dialects: readonly string[]): NativeSet {
  const set = emptyNativeSet()
  set.problems.push(...(snapshot.problems ?? []))
  const valid: KubeObject[] = []
  for (const object of uniqueObjects(snapshot.custom)) {
    const type = obeyedType(object, dialects)
    if (type?.spec === undefined) continue
    const parsed = parseSpec(object, type.spec)
    if (parsed.ok) valid.push({ ...object, spec: parsed.value } as KubeObject)
    else set.problems.push(...parsed.error)
  }
  for (const resource of valid) addNative(set, resource)
  if (dialects.includes('cilium')) addResources(set, ciliumResources(valid, snapshot.nodes))
  for (const file of snapshot.custom.filter(isGobgpFile)) addResources(set, gobgpResources(file))
  set.pools = settlePools(set.pools)
  for (const { conflict } of set.pools) if (conflict !== undefined) set.problems.push(conflict)
  set.problems.push(...unknownNames(set), ...unknownPolicies(set))
  for (const peer of set.peers) {
    const { problem } = withGroup(set, peer)
    if (problem !== undefined) set.problems.push(problem)
  }
  for (const list of [set.pools, set.instances, set.peers, set.groups, set.advertisements, set.policies])
    list.sort(compareNames)
  set.problems = canonicalProblems(set.problems)
  return set
}

/**
 * The snapshot with the last valid spec in place of each spec that is not valid, so that what ran keeps running.
 * `previous` is what this function gave for the snapshot before. An object that never was valid stays as it is.
 */
export function withLastValid(
  previous: Snapshot | undefined,
  snapshot: Snapshot,
  dialects: readonly string[],
): Snapshot {
  if (previous === undefined) return snapshot
  const earlier = new Map(previous.custom.map((object) => [identity(object), object]))
  const problems: Problem[] = []
  const custom = snapshot.custom.map((object) => {
    const type = obeyedType(object, dialects)
    const old = earlier.get(identity(object))
    if (type?.spec === undefined || old === undefined) return object
    const parsed = parseSpec(object, type.spec)
    if (parsed.ok || !parseSpec(old, type.spec).ok) return object
    problems.push(...parsed.error)
    return { ...object, spec: (old as { spec?: unknown }).spec } as KubeObject
  })
  const annotations = dialects.includes('cilium')
    ? lastValidAnnotations(previous.nodes, snapshot.nodes)
    : { nodes: snapshot.nodes, problems: [] }
  problems.push(...annotations.problems)
  if (problems.length === 0) return snapshot
  return { ...snapshot, custom, nodes: annotations.nodes, problems: canonicalProblems(problems) }
}

/** Sorted, each once. */
export function canonicalProblems(problems: readonly Problem[]): Problem[] {
  const keyed = new Map(
    problems.map((problem) => [`${showProblem(problem)}\n${JSON.stringify(problem)}`, problem]),
  )
  return [...keyed].toSorted(([a], [b]) => compareText(a, b)).map(([, problem]) => problem)
}

function obeyedType(object: KubeObject, dialects: readonly string[]): ResourceType | undefined {
  const type = typeOf(object)
  if (type === undefined) return undefined
  return type.dialect === 'native' || dialects.includes(type.dialect) ? type : undefined
}

/**
 * The known objects, oldest first, each once: one may come by two API versions, by watches of which one is behind. The
 * newest view of it counts, and of equal ones that in the version which its type prefers.
 */
export function uniqueObjects(objects: readonly KubeObject[]): KubeObject[] {
  const byName = new Map<string, KubeObject>()
  for (const object of objects) {
    const type = typeOf(object)
    if (type === undefined) continue
    const key = `${type.group}/${type.kind}/${object.metadata.name}`
    const other = byName.get(key)
    const rank = (o: KubeObject) =>
      type.versions.findIndex((version) => o.apiVersion === `${type.group}/${version}`)
    const newer = other === undefined ? 1 : compareRevision(object, other)
    if (other === undefined || newer > 0 || (newer === 0 && rank(object) < rank(other)))
      byName.set(key, object)
  }
  return [...byName.values()].toSorted(compareAge)
}

/** Positive when `a` was seen after `b`; 0 where that cannot be told. */
function compareRevision(a: KubeObject, b: KubeObject): number {
  const [x, y] = [a, b].map(({ metadata }) => Number(metadata.resourceVersion ?? Number.NaN))
  return x === undefined || y === undefined || Number.isNaN(x - y) ? 0 : x - y
}

function addResources(set: NativeSet, more: NativeSet): void {
  set.pools.push(...more.pools)
  set.instances.push(...more.instances)
  set.peers.push(...more.peers)
  set.groups.push(...more.groups)
  set.advertisements.push(...more.advertisements)
  set.policies.push(...more.policies)
  set.problems.push(...more.problems)
}

function addNative(set: NativeSet, resource: KubeObject): void {
  if (typeOf(resource)?.dialect !== 'native') return
  switch (resource.kind) {
    case 'AddressPool':
      set.pools.push({ resource: resource as AddressPool, source: resource })
      break
    case 'BGPInstance':
      set.instances.push({ resource: resource as BGPInstance, source: resource })
      break
    case 'BGPPeer':
      set.peers.push({ resource: resource as BGPPeer, source: resource })
      break
    case 'BGPPeerGroup':
      set.groups.push({ resource: resource as BGPPeerGroup, source: resource })
      break
    case 'RoutePolicy':
      set.policies.push({ resource: resource as RoutePolicy, source: resource })
      break
    case 'BGPAdvertisement':
      set.advertisements.push({ resource: resource as BGPAdvertisement, source: resource })
      break
  }
}

/** Peers and advertisements that name what does not exist: they work for the rest. */
function unknownNames(set: NativeSet): Problem[] {
  const problems: Problem[] = []
  const instances = new Set(set.instances.map(({ resource }) => resource.metadata.name))
  const peers = new Set(set.peers.map(({ resource }) => resource.metadata.name))
  const check = (
    source: KubeObject,
    field: string,
    kind: string,
    names: string[] = [],
    known: Set<string>,
  ) => {
    for (const [i, name] of names.entries()) {
      if (known.has(name)) continue
      problems.push({
        rule: 'UnknownName',
        message: `there is no valid ${kind} "${name}"`,
        hint: `create it, or mend the name`,
        object: refOf(source),
        field: `${field}[${i}]`,
      })
    }
  }
  for (const { resource, source } of [...set.peers, ...set.advertisements]) {
    if (source.kind !== resource.kind) continue
    check(source, 'spec.instances', 'BGPInstance', resource.spec.instances, instances)
    if (resource.kind === 'BGPAdvertisement') {
      check(source, 'spec.peers', 'BGPPeer', resource.spec.peers, peers)
    }
  }
  return problems
}

/** Peers and groups that name a policy that does not exist: what it would be asked about is held back. */
function unknownPolicies(set: NativeSet): Problem[] {
  const known = new Set(set.policies.map(({ resource }) => resource.metadata.name))
  const users: Derived<BGPPeer | BGPPeerGroup>[] = [...set.peers, ...set.groups]
  return users.flatMap((user) => {
    const { importPolicies = [], exportPolicies = [] } = user.resource.spec
    const missing = (field: string, names: readonly string[], held: string) =>
      names.flatMap((name, i) =>
        known.has(name)
          ? []
          : {
              rule: 'UnknownName',
              message: `there is no valid RoutePolicy "${name}", so ${held}`,
              hint: 'create it, or mend the name',
              ...sourceOf(user, `spec.${field}[${i}]`),
              other: { kind: 'RoutePolicy', name },
            },
      )
    return [
      ...missing('importPolicies', importPolicies, 'no route is used'),
      ...missing('exportPolicies', exportPolicies, 'nothing is announced'),
    ]
  })
}

function compareNames(a: Derived<KubeObject>, b: Derived<KubeObject>): number {
  return compareText(a.resource.metadata.name, b.resource.metadata.name)
}

/** An object that was deleted and made again is another one. */
function identity(object: KubeObject): string {
  const { namespace = '', name, uid = '' } = object.metadata
  return `${object.apiVersion}/${object.kind}/${namespace}/${name}/${uid}`
}
