/** Access from inside a pod: the mounted service account, whose token the kubelet renews in place. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { messageOf } from '#core/lib/error.ts'
import { err, ok, type Result } from '#core/lib/result.ts'
import type { ClusterAccess } from './access.ts'
import { loadKubeconfig, type KubeconfigOptions } from './kubeconfig.ts'

export interface InClusterOptions {
  /** Absent: the process's environment. */
  env?: Record<string, string | undefined>
  /** Where the service account is mounted. */
  directory?: string
  /** How long a token that was read is used, ms. */
  tokenCacheMs?: number
}

/** The error says what of a pod's surroundings is missing. */
export function inClusterAccess(options: InClusterOptions = {}): Result<ClusterAccess> {
  const env = options.env ?? process.env
  const directory = options.directory ?? '/var/run/secrets/kubernetes.io/serviceaccount'
  const tokenCacheMs = options.tokenCacheMs ?? 60_000
  const host = env['KUBERNETES_SERVICE_HOST']
  const port = env['KUBERNETES_SERVICE_PORT']
  if (host === undefined || port === undefined)
    return err('not in a pod: KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT are not set')
  let ca: string
  let namespace: string
  let token: { value: string; until: number } | undefined
  const readToken = () => readFileSync(join(directory, 'token'), 'utf8').trim()
  try {
    ca = readFileSync(join(directory, 'ca.crt'), 'utf8')
    namespace = readFileSync(join(directory, 'namespace'), 'utf8').trim()
    token = { value: readToken(), until: Date.now() + tokenCacheMs }
  } catch (error) {
    return err(`cannot read the service account: ${messageOf(error)}`)
  }
  return ok({
    endpoint: { kind: 'tcp', protocol: 'https:', host, port: Number(port), basePath: '' },
    tls: { ca, insecure: false },
    origin: 'the service account of this pod',
    namespace,
    async credentials() {
      if (token === undefined || Date.now() >= token.until)
        token = { value: readToken(), until: Date.now() + tokenCacheMs }
      return { authorization: `Bearer ${token.value}` }
    },
    credentialsRefused() {
      token = undefined
    },
  })
}

/** What a daemon uses: a kubeconfig that was named or is in `KUBECONFIG`, else the pod's service account, else `~/.kube/config`. */
export function findAccess(options: KubeconfigOptions = {}): Result<ClusterAccess> {
  const env = options.env ?? process.env
  const named = options.path !== undefined || options.context !== undefined || env['KUBECONFIG'] !== undefined
  if (!named && env['KUBERNETES_SERVICE_HOST'] !== undefined) return inClusterAccess({ env })
  return loadKubeconfig(options)
}
