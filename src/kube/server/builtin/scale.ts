/** The /scale subresource (autoscaling/v1 Scale) of anything that has replicas. */
import { badRequest, invalid, invalidValue, notFound } from '../api-error.ts'
import type { Cluster } from '../cluster.ts'
import { isObject, objectAt, setAt, valueAt, type Json, type JsonObject, type Resource } from '../json.ts'
import { keyOf, type ScalePaths } from '../resource-type.ts'
import { update, type Target, type WriteOptions } from '../write.ts'
import { showSelector } from './apps.ts'

export function scaleOf(object: Resource, paths: ScalePaths): JsonObject {
  const { name, namespace, uid, resourceVersion, creationTimestamp } = object.metadata
  const selector = paths.selector === undefined ? undefined : valueAt(object, paths.selector)
  const text = isObject(selector) ? showSelector(selector) : selector
  const status: JsonObject = { replicas: numberOr0(valueAt(object, paths.status)) }
  if (typeof text === 'string' && text !== '') status['selector'] = text
  return {
    kind: 'Scale',
    apiVersion: 'autoscaling/v1',
    metadata: {
      name,
      ...(namespace === undefined ? {} : { namespace }),
      uid,
      resourceVersion,
      creationTimestamp,
    },
    spec: { replicas: numberOr0(valueAt(object, paths.spec)) },
    status,
  }
}

/** Writes the number of replicas that `scale` asks for. */
export function putScale(
  cluster: Cluster,
  target: Target,
  name: string,
  scale: Json,
  paths: ScalePaths,
  options: WriteOptions,
): JsonObject {
  if (!isObject(scale)) throw badRequest('the body of the request is not a Scale')
  const replicas = objectAt(scale, 'spec')['replicas'] ?? 0
  if (typeof replicas !== 'number' || !Number.isInteger(replicas) || replicas < 0) {
    const cause = invalidValue('spec.replicas', replicas, 'must be greater than or equal to 0')
    throw invalid({ group: 'autoscaling', plural: 'scales', kind: 'Scale' }, name, [cause])
  }
  const stored = cluster.store.get(keyOf(target.type), target.namespace, name)
  if (stored === undefined) throw notFound(target.type, name)
  const object = structuredClone(stored)
  object.apiVersion = scaleTargetVersion(target)
  setAt(object, paths.spec, replicas)
  const sent = objectAt(scale, 'metadata')['resourceVersion']
  object.metadata.resourceVersion = typeof sent === 'string' ? sent : ''
  return scaleOf(update(cluster, target, name, object, 'main', options), paths)
}

function scaleTargetVersion({ type, version }: Target): string {
  return type.group === '' ? version : `${type.group}/${version}`
}

function numberOr0(value: Json | undefined): number {
  return typeof value === 'number' ? value : 0
}
