/** `herald api-server`: the embedded Kubernetes API, with the definitions of all resources that Herald knows. */
import { resourceTypes } from '#core/schema/resource-type.ts'
import { parseEndpoint, type ClusterAccess } from '#kube/client/access.ts'
import { KubeClient } from '#kube/client/client.ts'
import { installDefinitions } from '#kube/client/definitions.ts'
import { startKubeServer, type KubeServer, type KubeServerOptions } from '#kube/server/server.ts'
import type { Logger } from './log.ts'
import { aborted } from './aborted.ts'

export interface ApiServerOptions extends KubeServerOptions {
  log: Logger
  /** The server answers and knows the definitions. */
  ready?: (server: KubeServer, access: ClusterAccess) => void
}

/** Runs until `signal`. Rejects if it cannot start. */
export async function runApiServer(options: ApiServerOptions, signal: AbortSignal): Promise<void> {
  const { log, ready, ...serverOptions } = options
  const server = await startKubeServer(serverOptions)
  try {
    const access = accessOf(server)
    const client = new KubeClient(access)
    const error = await installDefinitions(client, resourceTypes)
    client.close()
    if (error !== undefined) throw new Error(`cannot install the definitions: ${error.message}`)
    const { kubeconfigPath: file } = options
    log.info('API server starts', { server: server.url, ...(file === undefined ? {} : { file }) })
    ready?.(server, access)
    await aborted(signal)
    log.info('API server stops', { server: server.url })
  } finally {
    await server.close()
  }
}

function accessOf({ url, token, certificateAuthority }: KubeServer): ClusterAccess {
  const endpoint = parseEndpoint(url)
  if (endpoint === undefined) throw new Error(`the API server has no usable address: ${url}`)
  return {
    endpoint,
    tls: { ca: certificateAuthority, insecure: false },
    origin: 'the embedded API server',
    namespace: 'default',
    credentials: () => Promise.resolve({ authorization: `Bearer ${token}` }),
    credentialsRefused() {},
  }
}
