/**
 * From `kubectl apply` of a Service to its route in the kernel of the machine that BIRD runs on: through the embedded
 * API, the controller, a speaker and BIRD, in the lab of `npm start`. One Service at a time, its pods ready beforehand.
 */
import { spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { resolve } from 'node:path'
import { performance } from 'node:perf_hooks'
import { setTimeout as sleep } from 'node:timers/promises'
import { find, labUp, missingForLab, type RunningLab } from '#lab/lab.ts'
import { inNamespace } from '#lab/namespaces.ts'
import { Reflector } from '#kube/client/reflector.ts'
import { resourceTypes } from '#kube/client/resource.ts'
import { writeSection } from './report.ts'

const serviceCount = 200
const appearMs = 10_000

export async function run(): Promise<void> {
  const missing = missingForLab()[0]
  if (missing !== undefined) throw new Error(`this benchmark needs ${missing.what}: ${missing.hint}`)
  const kubectl = find('kubectl')
  if (kubectl === undefined) throw new Error('this benchmark needs kubectl')
  const lab = await labUp(
    resolve(import.meta.dirname, '../labs/cilium-bird'),
    { name: 'bench-announce' },
    { step: () => {}, warning: (message) => console.error(message) },
  )
  try {
    await measure(lab, kubectl)
  } finally {
    await lab.down()
  }
}

async function measure(lab: RunningLab, kubectl: string): Promise<void> {
  const cluster = lab.clusters.get('cilium')!
  const router = lab.routers.get('bird')!
  const routes = new RouteMonitor(router.namespace)
  const addresses = new ServiceAddresses()
  const reflector = new Reflector({
    client: cluster.client,
    type: resourceTypes.services,
    changed: () => addresses.update([...reflector.objects.values()]),
  })
  reflector.start()
  try {
    await until('the Service of the lab is announced', () => routes.seen.size > 0)
    const fromKubectl: number[] = []
    const fromStore: number[] = []
    for (let i = 0; i < serviceCount; i++) {
      const name = `bench-${i}`
      const started = performance.now()
      const applied = apply(kubectl, cluster.kubeconfig, manifest(name))
      const arrived = await routes.arrival(await addresses.of(name))
      await applied
      fromKubectl.push(arrived - started)
      fromStore.push(arrived - addresses.createdAt.get(name)!)
    }
    const rows = [
      ['from the start of `kubectl apply`', ...percentiles(fromKubectl)],
      ['from the Service in the API', ...percentiles(fromStore)],
    ]
    const version = (await router.ask('show', 'status')).split('\n')[0]
    writeSection('announce', [
      `${serviceCount} Services, one after the other, pods ready; three nodes, each with a speaker; ${version}`,
      'Until the route is in the kernel of BIRD’s machine. Milliseconds.',
      '',
      '| | p50 | p99 | longest |',
      '|---|---|---|---|',
      ...rows.map((row) => `| ${row.join(' | ')} |`),
    ])
  } finally {
    reflector.stop()
    routes.stop()
  }
}

/** The moments at which routes appear in a namespace's kernel, by prefix as `ip` prints it. */
class RouteMonitor {
  readonly seen = new Map<string, number>()
  readonly #waiting = new Map<string, (at: number) => void>()
  readonly #process

  constructor(namespace: string) {
    this.#process = inNamespace(namespace, () =>
      spawn('ip', ['-o', 'monitor', 'route'], { stdio: ['ignore', 'pipe', 'inherit'] }),
    )
    createInterface(this.#process.stdout).on('line', (line) => {
      const [destination = ''] = line.trim().split(' ')
      if (destination === 'Deleted' || !line.includes('proto bird')) return
      const at = performance.now()
      if (!this.seen.has(destination)) this.seen.set(destination, at)
      this.#waiting.get(destination)?.(at)
      this.#waiting.delete(destination)
    })
  }

  arrival(destination: string): Promise<number> {
    const seen = this.seen.get(destination)
    if (seen !== undefined) return Promise.resolve(seen)
    return new Promise((done, reject) => {
      const timer = setTimeout(() => reject(new Error(`no route to ${destination}`)), appearMs)
      this.#waiting.set(destination, (at) => {
        clearTimeout(timer)
        done(at)
      })
    })
  }

  stop(): void {
    this.#process.kill()
  }
}

/** When Services appeared in the API, and which addresses they got. */
class ServiceAddresses {
  readonly createdAt = new Map<string, number>()
  readonly #known = new Map<string, string>()
  readonly #waiting = new Map<string, (address: string) => void>()

  update(services: readonly { metadata: { name: string }; status?: unknown }[]): void {
    for (const { metadata, status } of services) {
      if (!this.createdAt.has(metadata.name)) this.createdAt.set(metadata.name, performance.now())
      const { loadBalancer } = (status ?? {}) as { loadBalancer?: { ingress?: { ip?: string }[] } }
      const ip = loadBalancer?.ingress?.[0]?.ip
      if (ip === undefined || this.#known.has(metadata.name)) continue
      this.#known.set(metadata.name, ip)
      this.#waiting.get(metadata.name)?.(ip)
    }
  }

  of(name: string): Promise<string> {
    const known = this.#known.get(name)
    if (known !== undefined) return Promise.resolve(known)
    return new Promise((done, reject) => {
      const timer = setTimeout(() => reject(new Error(`${name} got no address`)), appearMs)
      this.#waiting.set(name, (address) => {
        clearTimeout(timer)
        done(address)
      })
    })
  }
}

function manifest(name: string): string {
  return JSON.stringify({
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name, labels: { app: 'nginx' } },
    spec: { type: 'LoadBalancer', selector: { app: 'nginx' }, ports: [{ port: 80 }] },
  })
}

function apply(kubectl: string, kubeconfig: string, text: string): Promise<void> {
  return new Promise((done, reject) => {
    const child = spawn(kubectl, ['--kubeconfig', kubeconfig, 'apply', '-f', '-'], {
      stdio: ['pipe', 'ignore', 'inherit'],
    })
    child.on('error', reject)
    child.on('exit', (code) => (code === 0 ? done() : reject(new Error(`kubectl apply ended with ${code}`))))
    child.stdin.end(text)
  })
}

function percentiles(values: readonly number[]): string[] {
  const sorted = values.toSorted((a, b) => a - b)
  const at = (fraction: number) =>
    sorted[Math.min(sorted.length - 1, Math.ceil(fraction * sorted.length) - 1)]!
  return [at(0.5), at(0.99), sorted.at(-1)!].map((ms) => ms.toFixed(0))
}

async function until(what: string, condition: () => boolean): Promise<void> {
  const deadline = Date.now() + 30_000
  while (!condition()) {
    if (Date.now() > deadline) throw new Error(`not within 30 s: ${what}`)
    await sleep(50)
  }
}
