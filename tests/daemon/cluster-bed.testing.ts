/**
 * A small cluster of Herald's daemons on loopback: the embedded API server, a controller, speakers and a router that they
 * peer with. Daemons run in this process, or as processes of their own where a test kills them.
 */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { getJson } from '#api/contract/client.ts'
import {
  listSchema,
  peerRowSchema,
  routeRowSchema,
  type PeerRow,
  type RouteRow,
} from '#api/contract/contract.ts'
import type { Address } from '#core/net/address.ts'
import { prefix } from '#core/net/prefix.ts'
import type { KubeObject } from '#core/schema/object.ts'
import { runApiServer } from '#daemon/api-server-daemon.ts'
import { runController } from '#daemon/controller-daemon.ts'
import { createLogger } from '#daemon/log.ts'
import { runRouter } from '#daemon/router-daemon.ts'
import { runSpeaker } from '#daemon/speaker-daemon.ts'
import { freePort } from '#host/free-port.ts'
import { KubeClient } from '#kube/client/client.ts'
import { loadKubeconfig } from '#kube/client/kubeconfig.ts'
import { typeOf } from '#kube/client/resource.ts'

export interface Daemon {
  /** Ends it as SIGTERM does. */
  stop(): Promise<void>
}

export interface KillableDaemon extends Daemon {
  /** Ends it as SIGKILL does. */
  kill(): Promise<void>
}

export interface ClusterBed {
  directory: string
  client: KubeClient
  /** What the daemons of this process logged. */
  log: string[]
  /** The one that runs from the start. */
  api: Daemon
  /** Starts it again, on the same data, after it was stopped. */
  startApi(): Promise<Daemon>
  startController(): Daemon
  startSpeaker(node: string, listenAddresses?: Address[]): Daemon
  startRouter(file: string, listenAddresses?: Address[]): Daemon
  /** The same, as a process of its own. */
  spawnController(): KillableDaemon
  spawnSpeaker(node: string): KillableDaemon
  apply(...objects: KubeObject[]): Promise<void>
  remove(object: KubeObject): Promise<void>
  /** Asks the daemon `name` (`router`, `speaker-NODE`). */
  peers(name: string): Promise<PeerRow[]>
  routes(name: string, view?: string): Promise<RouteRow[]>
  close(): Promise<void>
}

export async function clusterBed(): Promise<ClusterBed> {
  const directory = mkdtempSync(join(tmpdir(), 'herald-daemons-'))
  const kubeconfig = join(directory, 'kubeconfig')
  const port = await freePort()
  const log: string[] = []
  const logger = createLogger({ level: 'debug', write: (line) => log.push(line.trim()) })
  const running = new Set<Daemon>()
  const socketOf = (name: string) => join(directory, `${name}.sock`)

  const inProcess = (run: (signal: AbortSignal) => Promise<void>): Daemon => {
    const stop = new AbortController()
    const ended = run(stop.signal)
    // A daemon that fails fails the test, when it is stopped at the latest.
    ended.catch((error: unknown) => log.push(String(error)))
    const daemon: Daemon = {
      stop: async () => {
        running.delete(daemon)
        stop.abort()
        await ended
      },
    }
    running.add(daemon)
    return daemon
  }

  const startApi = async () => {
    let ready = () => {}
    const isReady = new Promise<void>((resolve) => (ready = resolve))
    const daemon = inProcess((signal) =>
      runApiServer(
        {
          dataDir: join(directory, 'api'),
          listen: [{ kind: 'tcp', host: '127.0.0.1', port }],
          serviceCidrs: [prefix('10.11.0.0/16'), prefix('fd00:11::/112')],
          kubeconfigPath: kubeconfig,
          log: logger,
          ready: () => ready(),
        },
        signal,
      ),
    )
    await isReady
    return daemon
  }

  const accessOf = () => {
    const access = loadKubeconfig({ path: kubeconfig })
    assert.ok(access.ok)
    return access.value
  }

  const spawned = (...args: string[]): KillableDaemon => {
    const script = new URL('./daemon-process.testing.ts', import.meta.url).pathname
    const child = spawn(process.execPath, [script, kubeconfig, directory, ...args], {
      stdio: ['ignore', 'inherit', 'inherit'],
    })
    const ended = once(child, 'exit')
    const end = async (signal: NodeJS.Signals) => {
      running.delete(daemon)
      child.kill(signal)
      await ended
    }
    const daemon = { stop: () => end('SIGTERM'), kill: () => end('SIGKILL') }
    running.add(daemon)
    return daemon
  }

  const api = await startApi()
  const client = new KubeClient(accessOf())
  const ask = async <T>(name: string, path: string, schema: Parameters<typeof listSchema>[0]) => {
    const got = await getJson(`unix:${socketOf(name)}`, path, listSchema(schema))
    return got.ok ? (got.value.items as T[]) : []
  }

  return {
    directory,
    client,
    log,
    api,
    startApi,
    startController: () =>
      inProcess((signal) =>
        runController(
          {
            dialects: ['cilium'],
            access: accessOf(),
            socket: socketOf('controller'),
            log: logger,
            version: '0',
          },
          signal,
        ),
      ),
    startSpeaker: (node, listenAddresses) =>
      inProcess((signal) =>
        runSpeaker(
          {
            node,
            dialects: ['cilium'],
            access: accessOf(),
            socket: socketOf(`speaker-${node}`),
            log: logger,
            version: '0',
            ...(listenAddresses && { listenAddresses }),
          },
          signal,
        ),
      ),
    startRouter: (file, listenAddresses) =>
      inProcess((signal) =>
        runRouter(
          {
            files: [file],
            socket: socketOf('router'),
            log: logger,
            version: '0',
            ...(listenAddresses && { listenAddresses }),
          },
          signal,
        ),
      ),
    spawnController: () => spawned('controller'),
    spawnSpeaker: (node) => spawned('speaker', node),
    apply: async (...objects) => {
      for (const object of objects) {
        const created = await client.create(typeOf(object)!, object)
        assert.ok(created.ok, created.ok ? '' : created.error.message)
      }
    },
    remove: async (object) => {
      const deleted = await client.delete(typeOf(object)!, object.metadata)
      assert.ok(deleted.ok, deleted.ok ? '' : deleted.error.message)
    },
    peers: (name) => ask<PeerRow>(name, '/v1/peers', peerRowSchema),
    routes: (name, view = 'available') => ask<RouteRow>(name, `/v1/routes?view=${view}`, routeRowSchema),
    close: async () => {
      await Promise.all([...running].map((daemon) => daemon.stop()))
      client.close()
      rmSync(directory, { recursive: true, force: true })
    },
  }
}
