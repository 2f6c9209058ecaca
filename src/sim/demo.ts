/**
 * A lab without root: the same manifests on the same topology, on virtual time, until nothing happens any more. Gives a
 * report for the command line to print.
 */
import type { PeerStatus, RouteEntry } from '#core/bgp/io.ts'
import type { KubeObject } from '#core/schema/object.ts'
import type { Service } from '#core/schema/kubernetes.ts'
import { showProblem } from '#core/lib/reason.ts'
import { readyEndpoints } from './oracle.ts'
import { probeServices, type Probe } from './probe.ts'
import { Simulation, type SiteFacts } from './simulation.ts'

export interface DemoOptions {
  site: SiteFacts
  /** Applied in this order, a second apart. */
  manifests: KubeObject[]
  /** Absent: 1. */
  seed?: number
  /** Virtual time of the start in milliseconds since 1970; absent: the beginning of 2026. */
  start?: number
}

export interface DemoReport {
  seed: number
  /** Virtual time that it took, in milliseconds. */
  elapsedMs: number
  /** Virtual time now, for ages. */
  now: number
  sessions: (PeerStatus & { node: string })[]
  services: { namespace: string; name: string; addresses: string[]; readyEndpoints: number }[]
  /** Each router's best routes. */
  routes: (RouteEntry & { router: string })[]
  probes: Probe[]
  /** What happened, in order; `at` in milliseconds from the start. */
  timeline: { at: number; who: string; what: string }[]
  /** What is wrong with the manifests, and warnings that were recorded. */
  problems: string[]
}

/** Nothing must have happened for so long. */
const calmMs = 5_000
const patienceMs = 300_000

/** Runs the site until it is quiet. The report is plain data, in virtual time. */
export function runDemo({ site, manifests, seed = 1, start }: DemoOptions): DemoReport {
  const simulation = new Simulation(start === undefined ? { seed, site } : { seed, site, start })
  const begun = simulation.clock.now()
  const timeline: DemoReport['timeline'] = []
  const note = (at: number, who: string, what: string) => timeline.push({ at: at - begun, who, what })
  simulation.start()
  for (const manifest of manifests) {
    simulation.clock.runFor(1_000)
    simulation.apply(manifest)
    note(simulation.clock.now(), 'kubectl', `apply ${manifest.kind} ${manifest.metadata.name}`)
  }
  runUntilCalm(simulation)
  for (const { at, object } of simulation.cluster.changes) {
    if (object?.kind !== 'Service') continue
    const given = addressesOf(object as Service).join(' and ')
    if (given !== '') note(at, 'controller', `Service ${object.metadata.name} has ${given}`)
  }
  for (const speaker of simulation.speakers.values()) {
    for (const { at, event } of speaker.events) {
      if (event.kind === 'sessionUp') note(at, speaker.node, `session with ${event.peer} is up`)
      if (event.kind === 'sessionDown') note(at, speaker.node, `session with ${event.peer}: ${event.reason}`)
    }
  }
  for (const router of simulation.routers.values()) {
    for (const { at, event } of router.events) {
      if (event.kind !== 'bestPath') continue
      const via = event.nextHop === undefined ? 'no route any more' : `via ${event.nextHop}`
      note(at, router.host.name, `${event.prefix} ${via}`)
    }
  }
  return {
    seed,
    elapsedMs: simulation.clock.now() - begun,
    now: simulation.clock.now(),
    sessions: [...simulation.speakers.values()].flatMap((speaker) =>
      speaker.peers().map((peer) => ({ ...peer, node: speaker.node })),
    ),
    services: servicesOf(simulation),
    routes: [...simulation.routers.values()].flatMap((router) =>
      router
        .routes('locRib')
        .filter(({ best }) => best)
        .map((route) => ({ ...route, router: router.host.name })),
    ),
    probes: probeServices(simulation),
    timeline: timeline.sort((a, b) => a.at - b.at),
    problems: problemsOf(simulation),
  }
}

/** Until every session that is asked for is up and no route moves any more, or patience ends. */
function runUntilCalm(simulation: Simulation): void {
  const { clock, cluster } = simulation
  const end = clock.now() + patienceMs
  let state = ''
  let since = clock.now()
  while (clock.now() < end) {
    clock.runFor(500)
    const now = JSON.stringify([
      cluster.changes.length,
      [...simulation.routers.values()].map((router) => router.events.length),
      [...simulation.speakers.values()].map((speaker) => speaker.events.length),
    ])
    if (now !== state) since = clock.now()
    state = now
    const up = [...simulation.speakers.values()].every((speaker) =>
      speaker.peers().every((peer) => peer.state === 'established'),
    )
    if (up && clock.now() - since >= calmMs) return
  }
}

function servicesOf({ cluster }: Simulation): DemoReport['services'] {
  return cluster.list<Service>('Service').map((service) => ({
    namespace: service.metadata.namespace ?? 'default',
    name: service.metadata.name,
    addresses: addressesOf(service),
    readyEndpoints: ([4, 6] as const).flatMap((version) => readyEndpoints(cluster, service, version)).length,
  }))
}

function addressesOf({ status }: Service): string[] {
  return (status?.loadBalancer?.ingress ?? []).flatMap(({ ip }) => ip ?? [])
}

function problemsOf({ cluster, speakers }: Simulation): string[] {
  const warnings = cluster.events.filter(({ type }) => type === 'Warning')
  return [
    ...new Set([
      ...[...speakers.values()].flatMap(({ speaker }) => speaker?.plan()?.problems.map(showProblem) ?? []),
      ...warnings.map(({ key, message }) => `${key}: ${message}`),
    ]),
  ]
}
