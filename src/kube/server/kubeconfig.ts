/** The kubeconfig that lets `kubectl` reach the server without flags. */
import { chmodSync, mkdirSync, renameSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { stringify } from 'yaml'

export interface KubeconfigContent {
  /** Name of cluster, user and context. */
  name: string
  url: string
  token: string
  /** PEM; absent for plain http. */
  certificateAuthority?: string
}

export function kubeconfigText({ name, url, token, certificateAuthority }: KubeconfigContent): string {
  const authority =
    certificateAuthority === undefined
      ? {}
      : { 'certificate-authority-data': Buffer.from(certificateAuthority).toString('base64') }
  return stringify(
    {
      apiVersion: 'v1',
      kind: 'Config',
      clusters: [{ name, cluster: { server: url, ...authority } }],
      users: [{ name, user: { token } }],
      contexts: [{ name, context: { cluster: name, user: name, namespace: 'default' } }],
      'current-context': name,
      preferences: {},
    },
    { lineWidth: 0 },
  )
}

/** Written whole or not at all, readable by the owner only. */
export function writeKubeconfig(path: string, content: KubeconfigContent): void {
  mkdirSync(dirname(path), { recursive: true })
  const temporary = `${path}.${process.pid}`
  writeFileSync(temporary, kubeconfigText(content), { mode: 0o600 })
  chmodSync(temporary, 0o600)
  renameSync(temporary, path)
}
