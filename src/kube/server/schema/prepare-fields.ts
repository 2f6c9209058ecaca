/** What a schema does to an object before it is stored: unknown fields out, defaults in, everything else checked. */
import type { Cause } from '../api-error.ts'
import type { JsonObject, Resource } from '../json.ts'
import { inOwnWords } from './own-words.ts'
import { applyDefaults, prune, validateValue } from './structural-schema.ts'
import type { UnknownField } from './unknown-field.ts'

/**
 * Prunes `object`, fills in defaults and validates it against a structural schema of the whole object. `unknown`: the
 * fields that were pruned.
 */
export function prepareFields(
  schema: JsonObject,
  object: Resource,
): { unknown: UnknownField[]; causes: Cause[] } {
  const { apiVersion, kind, metadata } = object
  const unknown = prune(schema, object)
  for (const name of Object.keys(metadata)) {
    if (metadataFields.has(name)) continue
    delete metadata[name]
    unknown.push({ path: `metadata.${name}`, known: userMetadata })
  }
  // metadata belongs to the server, whatever the schema says of it.
  Object.assign(object, { apiVersion, kind, metadata })
  applyDefaults(schema, object)
  return { unknown, causes: inOwnWords(object, validateValue(schema, object, '')) }
}

/** What users write of it. */
const userMetadata = [
  'name',
  'generateName',
  'namespace',
  'labels',
  'annotations',
  'ownerReferences',
  'finalizers',
]

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
