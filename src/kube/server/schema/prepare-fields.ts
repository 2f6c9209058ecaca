/** What a schema does to an object before it is stored: unknown fields out, defaults in, everything else checked. */
import type { Cause } from '../api-error.ts'
import type { JsonObject, Resource } from '../json.ts'
import { applyDefaults, prune, validateValue } from './structural-schema.ts'

/**
 * Prunes `object`, fills in defaults and validates it against a structural schema of the whole object. `unknown`: the
 * paths of the fields that were pruned.
 */
export function prepareFields(schema: JsonObject, object: Resource): { unknown: string[]; causes: Cause[] } {
  const { apiVersion, kind, metadata } = object
  const unknown = prune(schema, object)
  for (const name of Object.keys(metadata)) {
    if (metadataFields.has(name)) continue
    delete metadata[name]
    unknown.push(`metadata.${name}`)
  }
  // metadata belongs to the server, whatever the schema says of it.
  Object.assign(object, { apiVersion, kind, metadata })
  applyDefaults(schema, object)
  return { unknown, causes: validateValue(schema, object, '') }
}

const metadataFields = new Set([
  'name',
  'generateName',
  'namespace',
  'selfLink',
  'uid',
  'resourceVersion',
  'generation',
  'creationTimestamp',
  'deletionTimestamp',
  'deletionGracePeriodSeconds',
  'labels',
  'annotations',
  'ownerReferences',
  'finalizers',
  'managedFields',
])
