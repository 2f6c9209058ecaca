/** One daemon as a process: `KUBECONFIG DIRECTORY controller`, `KUBECONFIG DIRECTORY speaker NODE`. */
import { join } from 'node:path'
import { runController } from '#daemon/controller-daemon.ts'
import { createLogger } from '#daemon/log.ts'
import { runSpeaker } from '#daemon/speaker-daemon.ts'
import { loadKubeconfig } from '#kube/client/kubeconfig.ts'

const [path, directory, role, node] = process.argv.slice(2)
const access = loadKubeconfig({ path: path! })
if (!access.ok) throw new Error(access.error)
const stop = new AbortController()
process.once('SIGTERM', () => stop.abort())
const common = {
  dialects: ['cilium'],
  access: access.value,
  log: createLogger({ level: 'error' }),
  version: '0',
}
await (role === 'controller'
  ? runController({ ...common, socket: join(directory!, 'controller.sock') }, stop.signal)
  : runSpeaker({ ...common, node: node!, socket: join(directory!, `speaker-${node}.sock`) }, stop.signal))
