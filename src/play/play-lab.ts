/**
 * `herald lab up`: a lab brought up for a person, shown when it has settled, and taken down at Ctrl-C. Where there can be
 * no namespaces the simulator plays the same topology and manifests.
 */
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { getJson } from '#api/contract/client.ts'
import {
  listSchema,
  peerRowSchema,
  serviceRowSchema,
  type PeerRow,
  type ServiceRow,
} from '#api/contract/contract.ts'
import type { Terminal } from '#cli/terminal.ts'
import { showProblem } from '#core/lib/reason.ts'
import { urlHost } from '#core/net/address.ts'
import { labUp, LabFailure, missingForLab, type RunningLab } from '#lab/lab.ts'
import { runInside } from '#lab/namespaces.ts'
import { loadTopology } from '#lab/topology.ts'
import { labScreen, type LabFacts } from '#cli/lab-screen.ts'
import { playSimulation } from './play-simulation.ts'

/** How long sessions and routes may take until they are shown as they are. */
const settleMs = 30_000
const requestsPerProbe = 20

/** Plays the topology until `terminal.signal`; with `simulate`, or where there are no namespaces, in the simulator. */
export async function playLab(path: string, simulate: boolean, terminal: Terminal): Promise<void> {
  const loaded = loadTopology(path)
  if (!loaded.ok) throw new LabFailure(loaded.error.map(showProblem).join('\n'))
  const topology = loaded.value
  const missing = simulate ? [] : missingForLab(topology)
  const [lack] = missing
  if (simulate || lack !== undefined) {
    if (lack !== undefined) terminal.out(`No network namespaces here: this machine lacks ${lack.what}.`)
    terminal.out(`Playing ${topology.title || topology.name} in the simulator.\n`)
    for (const cluster of Object.keys(topology.clusters)) playSimulation(topology, cluster, terminal)
    if (lack !== undefined) terminal.out(`\nThis was the simulator. To make it real: ${lack.hint}`)
    return
  }
  const started = terminal.now()
  const lab = await start(path, terminal)
  if (lab === undefined) return
  try {
    const settled = await settle(lab, terminal)
    if (terminal.signal.aborted) return
    terminal.out(labScreen(await factsOf(lab), terminal.now()))
    const seconds = ((terminal.now() - started) / 1000).toFixed(1)
    if (!settled)
      terminal.err(`Warning: not everything came up within ${settleMs / 1000} s; logs: ${lab.folder}`)
    terminal.out(`Up in ${seconds} s. Logs and sockets: ${lab.folder}`)
    if (!terminal.signal.aborted) await once(terminal.signal, 'abort')
    terminal.out('\nremoving namespaces, processes and files …')
  } finally {
    await lab.down()
  }
}

/** Undefined: it was given up before it was up, and is gone again. */
async function start(path: string, terminal: Terminal): Promise<RunningLab | undefined> {
  const { signal } = terminal
  try {
    return await labUp(
      path,
      { signal },
      {
        step: (message) => terminal.out(message),
        warning: (message) => terminal.err(`Warning: ${message}`),
      },
    )
  } catch (error) {
    // Ctrl-C reaches what was running just then too, such as kubectl: its failure is no news.
    if (signal.aborted) return undefined
    throw error
  }
}

/** Waits until all sessions are up and all Services answer. False: it took too long. */
async function settle(lab: RunningLab, terminal: Terminal): Promise<boolean> {
  const deadline = terminal.now() + settleMs
  while (!terminal.signal.aborted) {
    const states = await Promise.all(
      [...lab.clusters.values()].map(({ server, speakers }) => isSettled(server, speakers.size)),
    )
    if (states.every(Boolean) && (await everythingAnswers(lab))) return true
    if (terminal.now() > deadline) return false
    await sleep(100)
  }
  return false
}

async function isSettled(server: string, nodeCount: number): Promise<boolean> {
  const { peers, services } = await ask(server)
  const nodes = new Set(peers.map(({ node }) => node))
  return (
    nodes.size === nodeCount &&
    peers.every(({ state }) => state === 'established') &&
    services.every(
      ({ addresses, nodes: places }) => addresses.length > 0 && places.some((n) => n.announced.length > 0),
    )
  )
}

async function everythingAnswers(lab: RunningLab): Promise<boolean> {
  for (const { client, url } of await probesOf(lab)) {
    const { code } = await curl(lab.clients.get(client)!, url)
    if (code !== 0) return false
  }
  return true
}

async function factsOf(lab: RunningLab): Promise<LabFacts> {
  const clusters: LabFacts['clusters'] = []
  for (const { name, kubeconfig, server } of lab.clusters.values()) {
    clusters.push({ name, kubeconfig, server, ...(await ask(server)) })
  }
  const routers: LabFacts['routers'] = []
  for (const router of lab.routers.values()) {
    routers.push({
      name: router.name,
      engine: router.engine,
      command: router.command,
      routes: await router.ask(...routeQuestions[router.engine]),
    })
  }
  const probes: LabFacts['probes'] = []
  for (const { client, url } of await probesOf(lab)) {
    const namespace = lab.clients.get(client)!
    const answers: string[] = []
    for (let i = 0; i < requestsPerProbe; i++) {
      const { code, output } = await curl(namespace, url)
      answers.push(code === 0 ? output.trim() : `no answer (curl ${code})`)
    }
    probes.push({ client, url, answers, command: `ip netns exec ${namespace} curl ${quoted(url)}` })
  }
  return { title: lab.topology.title || lab.name, clusters, routers, probes }
}

const routeQuestions = {
  bird: ['show', 'route'],
  frr: ['show bgp ipv4 unicast', 'show bgp ipv6 unicast'],
  gobgp: ['global', 'rib'],
  openbgpd: ['show', 'rib'],
  exabgp: [],
  herald: ['routes'],
} as const

/** Every client with the URL of every Service address of its IP versions, on the first TCP port; other Services cannot be asked. */
async function probesOf(lab: RunningLab): Promise<{ client: string; url: string }[]> {
  const probes: { client: string; url: string }[] = []
  for (const { server } of lab.clusters.values()) {
    const { services } = await ask(server)
    for (const service of services) {
      const port = service.ports.find(({ protocol }) => protocol === 'TCP')?.port
      if (port === undefined) continue
      for (const [client, { networks }] of Object.entries(lab.topology.clients)) {
        const own = Object.values(networks).flat()
        for (const address of service.addresses) {
          const version = address.includes(':')
          if (!own.some((a) => a.includes(':') === version)) continue
          probes.push({ client, url: `http://${urlHost(address)}${port === 80 ? '' : `:${port}`}/` })
        }
      }
    }
  }
  return probes
}

async function ask(server: string): Promise<{ peers: PeerRow[]; services: ServiceRow[] }> {
  const peers = await getJson(server, '/v1/peers', listSchema(peerRowSchema))
  const services = await getJson(server, '/v1/services', listSchema(serviceRowSchema))
  return { peers: peers.ok ? peers.value.items : [], services: services.ok ? services.value.items : [] }
}

/** The brackets of an IPv6 address are a pattern to some shells. */
function quoted(url: string): string {
  return url.includes('[') ? `'${url}'` : url
}

function curl(namespace: string, url: string): Promise<{ code: number; output: string }> {
  return runInside(namespace, 'curl', ['-s', '--max-time', '2', url])
}
