/** Applying manifests as a user would: with kubectl where there is one, else through Herald's own client. */
import { readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { parseAllDocuments } from 'yaml'
import type { KubeObject } from '#core/schema/object.ts'
import type { KubeClient } from '#kube/client/client.ts'
import { typeOf } from '#kube/client/resource.ts'
import { runInside } from './namespaces.ts'

export interface Applied {
  /** The command that did it, or would. */
  command: string
  /** What it printed, one line per object. */
  output: string
}

/** `path`: a file, or a folder of files. Rejects when an object is refused, with the server's words. */
export async function applyManifest(
  path: string,
  kubeconfig: string,
  kubectl: string | undefined,
  client: KubeClient,
): Promise<Applied> {
  const command = `kubectl --kubeconfig ${kubeconfig} apply -f ${path}`
  if (kubectl === undefined) return { command, output: await applyByClient(path, client) }
  const { code, output } = await runInside(undefined, kubectl, [
    `--kubeconfig=${kubeconfig}`,
    'apply',
    '-f',
    path,
  ])
  if (code !== 0) throw new Error(`${command}: ${output.trim()}`)
  const lines = output.split('\n').filter((line) => !line.startsWith('Warning: resource') && line !== '')
  return { command, output: lines.join('\n') }
}

async function applyByClient(file: string, client: KubeClient): Promise<string> {
  const lines: string[] = []
  for (const object of readManifest(file)) {
    const type = typeOf(object)
    if (type === undefined) throw new Error(`${file}: ${object.kind} can be applied with kubectl only`)
    if (type.namespaced) object.metadata.namespace ??= 'default'
    const shown = `${object.kind.toLowerCase()}/${object.metadata.name}`
    const created = await client.create(type, object)
    if (created.ok) {
      lines.push(`${shown} created`)
      continue
    }
    if (created.error.kind !== 'alreadyExists') throw new Error(`${file}: ${shown}: ${created.error.message}`)
    const patched = await client.patch(type, object.metadata, object)
    if (!patched.ok) throw new Error(`${file}: ${shown}: ${patched.error.message}`)
    lines.push(`${shown} configured`)
  }
  return lines.join('\n')
}

/** Objects of a YAML file, or of those in a folder. Throws with the file's name if a document is not an object. */
export function readManifest(path: string): KubeObject[] {
  if (!statSync(path).isDirectory()) return readObjects(path)
  const files = readdirSync(path).filter((name) => /\.ya?ml$/.test(name))
  return files.toSorted().flatMap((name) => readObjects(join(path, name)))
}

function readObjects(file: string): KubeObject[] {
  return parseAllDocuments(readFileSync(file, 'utf8')).flatMap((document) => {
    if (document.errors[0] !== undefined) throw new Error(`${file}: ${document.errors[0].message}`)
    const object = document.toJS() as KubeObject | null
    if (object === null) return []
    if (typeof object.kind !== 'string' || typeof object.metadata?.name !== 'string')
      throw new Error(`${file}: a document has no kind or no metadata.name`)
    return [object]
  })
}
