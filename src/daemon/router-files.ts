/**
 * The files of a router: YAML documents of native resources, and Secrets for passwords; or GoBGP's configuration in YAML, TOML
 * or JSON. They make one snapshot with one Node in it, so that a router is a speaker whose cluster is a few files.
 */
import { readFile } from 'node:fs/promises'
import { parse as parseToml } from 'smol-toml'
import { parseAllDocuments } from 'yaml'
import { z } from 'zod'
import { gobgpFile } from '#core/dialect/gobgp/gobgp.ts'
import { messageOf } from '#core/lib/error.ts'
import type { Problem } from '#core/lib/reason.ts'
import { err, ok, type Result } from '#core/lib/result.ts'
import { isGobgpConfig, parseGobgpConfig } from '#core/schema/gobgp/parse.ts'
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
  const notes: Problem[] = []
  for (const path of paths) {
    let text: string
    try {
      text = await readFile(path, 'utf8')
    } catch (error) {
      problems.push({ rule: 'FileUnreadable', message: `cannot read ${path}: ${messageOf(error)}` })
      continue
    }
    const parsed = parseRouterFile(text, path)
    if (parsed.ok) {
      objects.push(...parsed.value.objects)
      notes.push(...parsed.value.notes)
    } else problems.push(...parsed.error)
  }
  problems.push(...duplicates(objects))
  if (problems.length > 0) return err(problems)
  const snapshot = snapshotOf(objects, node)
  return ok(notes.length === 0 ? snapshot : { ...snapshot, problems: notes })
}

interface RouterFile {
  objects: KubeObject[]
  /** What is said in it and cannot be done, and does no harm. */
  notes: Problem[]
}

const objectSchema = z.looseObject({
  apiVersion: z.string(),
  kind: z.string(),
  metadata: z.looseObject({ name: z.string().min(1), namespace: z.string().optional() }),
})

/** `path`: for messages, and its ending says what the text is written in: TOML, else YAML, of which JSON is a part. */
export function parseRouterFile(text: string, path: string): Result<RouterFile, Problem[]> {
  const objects: KubeObject[] = []
  const problems: Problem[] = []
  const notes: Problem[] = []
  const problem = (message: string, hint?: string) =>
    problems.push({ rule: 'InvalidFile', message: `${path}: ${message}`, ...(hint && { hint }) })
  const values = path.endsWith('.toml') ? tomlValues(text, problem) : yamlValues(text, problem)
  if (problems.length === 0 && values.every((value) => value === null || value === undefined))
    problem(
      'there is nothing in it',
      'a file that is emptied by mistake shall end no session: stop the router instead',
    )
  for (const value of values) {
    if (value === null || value === undefined) continue
    if (path.endsWith('.toml') || isGobgpConfig(value)) {
      const parsed = parseGobgpConfig(value, { kind: 'File', name: path })
      if (parsed.ok) {
        objects.push(gobgpFile(path, parsed.value.config))
        notes.push(...parsed.value.problems)
      } else problems.push(...parsed.error)
      continue
    }
    const object = resourceOf(value, problem)
    if (object === undefined) continue
    if (isSecret(object)) {
      objects.push(object)
      continue
    }
    const type = typeOf(object)
    if (type?.dialect !== 'native' || type.spec === undefined) {
      problem(
        `${object.apiVersion} ${object.kind} is nothing that a router obeys`,
        'it obeys BGPInstance, BGPPeer, BGPPeerGroup, BGPAdvertisement and RoutePolicy of herald.dev/v1alpha1, and Secret',
      )
      continue
    }
    const parsed = parseSpec(object, type.spec)
    if (parsed.ok) objects.push(object)
    else problems.push(...parsed.error)
  }
  return problems.length === 0 ? ok({ objects, notes }) : err(problems)
}

type Report = (message: string, hint?: string) => void

function yamlValues(text: string, problem: Report): unknown[] {
  return parseAllDocuments(text).flatMap((document) => {
    const [error] = document.errors
    if (error === undefined) return [toJs(document, problem)]
    problem(error.message.split('\n')[0]!.replace(/:$/, ''))
    return []
  })
}

/** Aliases may be too many to write out, or name nothing. */
function toJs(document: { toJS(): unknown }, problem: Report): unknown {
  try {
    return document.toJS()
  } catch (error) {
    problem(messageOf(error))
    return undefined
  }
}

function tomlValues(text: string, problem: Report): unknown[] {
  try {
    return [parseToml(text)]
  } catch (error) {
    problem(messageOf(error).split('\n')[0]!)
    return []
  }
}

function resourceOf(value: unknown, problem: Report): KubeObject | undefined {
  const object = objectSchema.safeParse(value)
  if (object.success) return object.data
  const { path } = object.error.issues[0]!
  problem(
    path.length === 0 ? 'a document is no mapping' : `a document has no ${path.join('.')} that is text`,
    "every document needs apiVersion, kind and metadata.name, unless the file is GoBGP's configuration",
  )
  return undefined
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
