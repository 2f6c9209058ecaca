/**
 * The API server that the client's contract suite runs against: the embedded one, or the one of the kubeconfig that
 * HERALD_TEST_KUBECONFIG names.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { prefix } from '#core/net/prefix.ts'
import type { ClusterAccess } from '#kube/client/access.ts'
import { loadKubeconfig } from '#kube/client/kubeconfig.ts'
import { startKubeServer, type KubeServer } from '#kube/server/server.ts'

export interface ApiUnderTest {
  access: ClusterAccess
  /** Ends the server and starts it again on the same data; absent where it is not ours to end. */
  outage?: { begin(): Promise<void>; end(): Promise<void> }
  close(): Promise<void>
}

/** `over`: how clients reach the embedded server. */
export async function apiUnderTest(over: 'tcp' | 'tcp6' | 'unix'): Promise<ApiUnderTest> {
  const path = process.env['HERALD_TEST_KUBECONFIG']
  if (path !== undefined) {
    const access = loadKubeconfig({ path })
    if (!access.ok) throw new Error(access.error)
    return { access: access.value, close: () => Promise.resolve() }
  }
  const directory = mkdtempSync(join(tmpdir(), 'herald-api-'))
  const socket = join(directory, 'api.sock')
  let port = 0
  const start = () =>
    startKubeServer({
      dataDir: directory,
      listen: [
        over === 'unix'
          ? { kind: 'unix', path: socket }
          : { kind: 'tcp', host: over === 'tcp' ? '127.0.0.1' : '::1', port },
      ],
      serviceCidrs: [prefix('10.11.0.0/16'), prefix('fd00:11::/112')],
      bookmarkIntervalMs: 200,
    })
  let server: KubeServer | undefined = await start()
  if (over !== 'unix') port = Number(new URL(server.url).port)
  const { token, certificateAuthority } = server
  const access: ClusterAccess = {
    endpoint:
      over === 'unix'
        ? { kind: 'unix', path: socket }
        : { kind: 'tcp', protocol: 'https:', host: over === 'tcp' ? '127.0.0.1' : '::1', port, basePath: '' },
    tls: { ca: certificateAuthority, insecure: false },
    origin: 'test',
    namespace: 'default',
    credentials: () => Promise.resolve({ authorization: `Bearer ${token}` }),
    credentialsRefused() {},
  }
  const stop = async () => {
    await server?.close()
    server = undefined
  }
  return {
    access,
    outage: {
      begin: stop,
      end: async () => {
        server = await start()
      },
    },
    close: async () => {
      await stop()
      rmSync(directory, { recursive: true, force: true })
    },
  }
}
