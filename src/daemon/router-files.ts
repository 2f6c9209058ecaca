/**
 * The files of a router: YAML documents of native resources, and Secrets for passwords. They make one snapshot with one
 * Node in it, so that a router is a speaker whose cluster is a few files.
 */
import { readFile } from 'node:fs/promises'
import { parseAllDocuments } from 'yaml'
import { z } from 'zod'
import { messageOf } from '#core/lib/error.ts'
import type { Problem } from '#core/lib/reason.ts'
import { err, ok, type Result } from '#core/lib/result.ts'
import type { Secret } from '#core/schema/kubernetes.ts'
import type { KubeObject } from '#core/schema/object.ts'
import { typeOf } from '#core/schema/resource-type.ts'
import { emptySnapshot, type Snapshot } from '#core/schema/snapshot.ts'
import { parseSpec } from '#core/schema/validate.ts'
import { hostnameLabel } from '#core/schema/well-known.ts'

/** Reads all files. Any mistake in any of them makes the whole invalid: half a configuration is worse than an old one. */
export async function readRouterFiles(
  paths: readonly string[],
  node: string,
): Promise<Result<Snapshot, Problem[]>> {
  const objects: KubeObject[] = []
  const problems: Problem[] = []
  for (const path of paths) {
    let text: string
    try {
      text = await readFile(path, 'utf8')
    } catch (error) {
      problems.push({ rule: 'FileUnreadable', message: `cannot read ${path}: ${messageOf(error)}` })
      continue
    }
    const parsed = parseRouterFile(text, path)
    if (parsed.ok) objects.push(...parsed.value)
    else problems.push(...parsed.error)
  }
  problems.push(...duplicates(objects))
  return problems.length === 0 ? ok(snapshotOf(objects, node)) : err(problems)
}

const objectSchema = z.looseObject({
  apiVersion: z.string(),
  kind: z.string(),
  metadata: z.looseObject({ name: z.string().min(1), namespace: z.string().optional() }),
})

/** `path`: for messages. */
export function parseRouterFile(text: string, path: string): Result<KubeObject[], Problem[]> {
  const objects: KubeObject[] = []
  const problems: Problem[] = []
  const problem = (message: string, hint?: string) =>
    problems.push({ rule: 'InvalidFile', message: `${path}: ${message}`, ...(hint && { hint }) })
  for (const document of parseAllDocuments(text)) {
    const [error] = document.errors
    if (error !== undefined) {
      problem(error.message.split('\n')[0]!.replace(/:$/, ''))
      continue
    }
    const value: unknown = document.toJS()
    if (value === null || value === undefined) continue
    const object = objectSchema.safeParse(value)
    if (!object.success) {
      const issue = object.error.issues[0]!
      problem(
        `${issue.path.length === 0 ? 'a document' : issue.path.join('.')}: ${issue.message}`,
        'every document needs apiVersion, kind and metadata.name',
      )
      continue
    }
    const resource = object.data as KubeObject
    if (isSecret(resource)) {
      objects.push(resource)
      continue
    }
    const type = typeOf(resource)
    if (type?.dialect !== 'native' || type.spec === undefined) {
      problem(
        `${resource.apiVersion} ${resource.kind} is nothing that a router obeys`,
        'it obeys BGPInstance, BGPPeer, BGPPeerGroup, BGPAdvertisement and RoutePolicy of herald.dev/v1alpha1, and Secret',
      )
      continue
    }
    const parsed = parseSpec(resource, type.spec)
    if (parsed.ok) objects.push(resource)
    else problems.push(...parsed.error)
  }
  return problems.length === 0 ? ok(objects) : err(problems)
}

function isSecret(object: KubeObject): boolean {
  return object.apiVersion === 'v1' && object.kind === 'Secret'
}

function duplicates(objects: readonly KubeObject[]): Problem[] {
  const seen = new Set<string>()
  return objects.flatMap(({ kind, metadata }) => {
    const key = `${kind} ${metadata.namespace ?? ''}/${metadata.name}`
    if (!seen.has(key)) {
      seen.add(key)
      return []
    }
    return { rule: 'DuplicateName', message: `there are two ${kind}s named ${metadata.name}` }
  })
}

function snapshotOf(objects: readonly KubeObject[], node: string): Snapshot {
  // The first in the files counts as the oldest.
  const aged = objects.map((object, i) => ({
    ...object,
    metadata: { ...object.metadata, creationTimestamp: new Date(1000 * i).toISOString() },
  }))
  return {
    ...emptySnapshot,
    nodes: [
      {
        apiVersion: 'v1',
        kind: 'Node',
        metadata: { name: node, labels: { [hostnameLabel]: node } },
      },
    ],
    secrets: aged.filter(isSecret).map((object) => withData(object as SecretFile)),
    custom: aged.filter((object) => !isSecret(object)),
  }
}

interface SecretFile extends Secret {
  stringData?: Record<string, string>
}

/** The API server does this for a cluster's Secrets. */
function withData({ stringData, ...secret }: SecretFile): Secret {
  const encoded = Object.entries(stringData ?? {}).map(([key, value]) => [
    key,
    Buffer.from(value).toString('base64'),
  ])
  return {
    ...secret,
    metadata: { ...secret.metadata, namespace: secret.metadata.namespace ?? 'default' },
    data: { ...secret.data, ...Object.fromEntries(encoded) },
  }
}
