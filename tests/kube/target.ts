/** The API server that the suite talks to: the embedded one, or a real one where KUBEBUILDER_ASSETS points at its binaries. */
import { spawn, spawnSync, type ChildProcess } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { generateKeyPairSync, randomBytes } from 'node:crypto'
import { prefix } from '#core/net/prefix.ts'
import { freePort } from '#host/free-port.ts'
import { startKubeServer } from '#kube/server/server.ts'

export interface Output {
  code: number
  stdout: string
  stderr: string
}

export interface Target {
  directory: string
  kubeconfig: string
  close: () => Promise<void>
}

export const kubectlPath = process.env['KUBECTL'] ?? 'kubectl'

/** Why the tests that need kubectl cannot run; false when they can. */
export function kubectlMissing(): string | false {
  const found = spawnSync(kubectlPath, ['version', '--client'], { encoding: 'utf8' })
  return found.status === 0
    ? false
    : `kubectl is not on PATH (or KUBECTL): ${found.error?.message ?? found.stderr}`
}

/** The minor version of kubectl (1.MINOR); 0 when there is none. Distributions carry old ones that lack flags. */
export function kubectlMinor(): number {
  const found = spawnSync(kubectlPath, ['version', '--client', '-o', 'json'], { encoding: 'utf8' })
  return found.status === 0 ? Number(/"minor": "(\d+)/.exec(found.stdout)?.[1] ?? 0) : 0
}

/** Why there is no real API server to test against; false when there is. */
export function assetsMissing(): string | false {
  const directory = process.env['KUBEBUILDER_ASSETS']
  if (directory === undefined)
    return 'KUBEBUILDER_ASSETS is not set: no real kube-apiserver and etcd to test against'
  const missing = ['etcd', 'kube-apiserver'].filter((name) => !existsSync(join(directory, name)))
  return missing.length === 0 ? false : `KUBEBUILDER_ASSETS=${directory} lacks ${missing.join(' and ')}`
}

/** Runs kubectl against `target` without flags but `args`; `input` is its standard input. */
export function kubectl(target: Target, args: string[], input = ''): Promise<Output> {
  const child = startKubectl(target, args)
  child.stdin!.on('error', () => {})
  child.stdin!.end(input)
  return outputOf(child)
}

export function startKubectl(target: Target, args: string[]): ChildProcess {
  const env = { ...process.env, KUBECONFIG: target.kubeconfig, HOME: target.directory }
  return spawn(kubectlPath, args, { env, stdio: 'pipe' })
}

export function outputOf(child: ChildProcess): Promise<Output> {
  let [stdout, stderr] = ['', '']
  child.stdout!.on('data', (chunk: Buffer) => (stdout += chunk.toString()))
  child.stderr!.on('data', (chunk: Buffer) => (stderr += chunk.toString()))
  return new Promise((resolve, reject) => {
    child.on('error', reject)
    child.on('close', (code) => resolve({ code: code ?? -1, stdout, stderr }))
  })
}

export function temporaryDirectory(): string {
  return mkdtempSync(join(tmpdir(), 'herald-kube-'))
}

export async function embeddedTarget(): Promise<Target> {
  const directory = temporaryDirectory()
  const kubeconfig = join(directory, 'kubeconfig')
  const server = await startKubeServer({
    dataDir: join(directory, 'data'),
    listen: [{ kind: 'tcp', host: '127.0.0.1', port: 0 }],
    serviceCidrs: [prefix('10.96.0.0/16'), prefix('fd00:96::/108')],
    kubeconfigPath: kubeconfig,
    bookmarkIntervalMs: 200,
  })
  return {
    directory,
    kubeconfig,
    close: async () => {
      await server.close()
      rmSync(directory, { recursive: true })
    },
  }
}

/** etcd and kube-apiserver, as envtest starts them: on loopback, everybody who has the token may do everything. */
export async function realTarget(): Promise<Target> {
  const assets = process.env['KUBEBUILDER_ASSETS']!
  const directory = temporaryDirectory()
  const [client, peer, secure] = await Promise.all([freePort(), freePort(), freePort()])
  const token = randomBytes(16).toString('hex')
  const tokens = join(directory, 'tokens.csv')
  const key = join(directory, 'sa.key')
  writeFileSync(tokens, `${token},admin,admin,"system:masters"\n`, { mode: 0o600 })
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
  writeFileSync(key, privateKey.export({ type: 'pkcs8', format: 'pem' }), { mode: 0o600 })
  const clientUrl = `http://127.0.0.1:${client}`
  const etcd = spawn(
    join(assets, 'etcd'),
    [
      `--data-dir=${join(directory, 'etcd')}`,
      `--listen-client-urls=${clientUrl}`,
      `--advertise-client-urls=${clientUrl}`,
      `--listen-peer-urls=http://127.0.0.1:${peer}`,
    ],
    { stdio: 'ignore' },
  )
  mkdirSync(join(directory, 'certs'))
  const apiserver = spawn(
    join(assets, 'kube-apiserver'),
    [
      `--etcd-servers=${clientUrl}`,
      `--cert-dir=${join(directory, 'certs')}`,
      '--bind-address=127.0.0.1',
      `--secure-port=${secure}`,
      `--token-auth-file=${tokens}`,
      '--authorization-mode=RBAC',
      '--service-cluster-ip-range=10.96.0.0/16,fd00:96::/108',
      '--service-account-issuer=https://localhost',
      `--service-account-key-file=${key}`,
      `--service-account-signing-key-file=${key}`,
      '--disable-admission-plugins=ServiceAccount',
    ],
    { stdio: 'ignore' },
  )
  const kubeconfig = join(directory, 'kubeconfig')
  const cluster = { server: `https://127.0.0.1:${secure}`, 'insecure-skip-tls-verify': true }
  writeFileSync(
    kubeconfig,
    JSON.stringify({
      apiVersion: 'v1',
      kind: 'Config',
      clusters: [{ name: 'real', cluster }],
      users: [{ name: 'real', user: { token } }],
      contexts: [{ name: 'real', context: { cluster: 'real', user: 'real' } }],
      'current-context': 'real',
    }),
    { mode: 0o600 },
  )
  const target: Target = {
    directory,
    kubeconfig,
    close: async () => {
      for (const child of [apiserver, etcd]) {
        if (child.exitCode !== null) continue
        const ended = new Promise((resolve) => child.once('exit', resolve))
        child.kill('SIGKILL')
        await ended
      }
      rmSync(directory, { recursive: true })
    },
  }
  for (let i = 0; i < 120; i++) {
    const ready = await kubectl(target, ['get', 'namespace', 'default'])
    if (ready.code === 0) return target
    await sleep(500)
  }
  await target.close()
  throw new Error('the real API server did not become ready within a minute')
}
