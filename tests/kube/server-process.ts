/** An embedded API server as a process of its own, for tests that kill it: `server-process.ts DIRECTORY PORT`. */
import { join } from 'node:path'
import { prefix } from '#core/net/prefix.ts'
import { startKubeServer } from '#kube/server/server.ts'

const [directory, port] = process.argv.slice(2) as [string, string]
const server = await startKubeServer({
  dataDir: join(directory, 'data'),
  listen: [
    { kind: 'tcp', host: '127.0.0.1', port: Number(port) },
    { kind: 'unix', path: join(directory, 'api.sock') },
  ],
  serviceCidrs: [prefix('10.96.0.0/16')],
  kubeconfigPath: join(directory, 'kubeconfig'),
})
process.stdout.write(`${server.url}\n`)
