/**
 * Random scenarios: what users, machines and cables do to a site, drawn from a seed, with races in between and quiet after.
 * What is wrong comes back as sentences with everything that was done before.
 */
import { assert } from '#core/lib/assert.ts'
import { Prng } from '#core/lib/prng.ts'
import { address } from '#core/net/address.ts'
import { prefix } from '#core/net/prefix.ts'
import { excludeLabel, osLabel } from '#core/schema/well-known.ts'
import { checkAlways, checkQuiet } from './checkers.ts'
import { deployment, everyService, loadBalancer, peeringPolicy, pool } from './manifests.ts'
import { Simulation, type SiteFacts } from './simulation.ts'

export interface ScenarioResult {
  seed: number
  /** Empty: everything held. */
  faults: string[]
  /** What was done, with its time in seconds from the start. */
  actions: string[]
}

/** Longer than anything takes to come up: connect retry with jitter, hold time, TCP's longest retransmission. */
export const quietMs = 420_000

const rounds = 3
const actionsPerRound = 12

/** Three nodes of both IP versions, one router spoken to over IPv4 and one over IPv6. */
export const randomSite: SiteFacts = {
  dialects: ['cilium'],
  nodes: [1, 2, 3].map((n) => ({
    name: `node${n}`,
    addresses: [address(`172.22.0.1${n}`), address(`fd22::1${n}`)],
    podCIDRs: [prefix(`10.241.${n}.0/24`), prefix(`fd41:0:0:${n}::/64`)],
    labels: { rack: n === 3 ? 'b' : 'a' },
  })),
  serviceSubnets: [prefix('10.11.0.0/16'), prefix('fd11::/108')],
  routers: [
    {
      name: 'tor1',
      addresses: [address('172.22.0.5'), address('fd22::5')],
      asn: 65_000,
      routerId: address('172.22.0.5'),
      neighbors: [1, 2, 3].map((n) => ({ address: address(`172.22.0.1${n}`), asn: 65_100 })),
    },
    {
      name: 'tor2',
      addresses: [address('172.22.0.6'), address('fd22::6')],
      asn: 4_200_000_001,
      routerId: address('172.22.0.6'),
      neighbors: [1, 2, 3].map((n) => ({ address: address(`fd22::1${n}`), asn: 65_100 })),
    },
  ],
}

/** The same seed gives the same run. `faults`: what a checker found. */
export function runScenario(seed: number): ScenarioResult {
  const simulation = new Simulation({ seed, site: randomSite })
  const scenario = new Scenario(simulation, new Prng(simulation.random.u32()))
  simulation.start()
  scenario.begin()
  for (let round = 0; round < rounds && scenario.faults.length === 0; round++) {
    for (let i = 0; i < actionsPerRound; i++) scenario.act()
    scenario.heal()
    scenario.run(quietMs)
    scenario.check()
  }
  return { seed, faults: scenario.faults, actions: scenario.actions }
}

class Scenario {
  readonly faults: string[] = []
  readonly actions: string[] = []
  readonly #simulation: Simulation
  readonly #random: Prng
  readonly #start: number

  constructor(simulation: Simulation, random: Prng) {
    this.#simulation = simulation
    this.#random = random
    this.#start = simulation.clock.now()
  }

  /** Mostly from a site at work, at times from nothing. */
  begin(): void {
    if (this.#random.below(4) === 0) return
    this.#note('begin with policy0, pool0 and web ×2')
    this.#simulation.apply(policyOf(0), poolOf(0), deployment('web', 2), loadBalancer('web'))
    this.run(this.#random.fraction() * 10_000)
  }

  /** Does one random thing and lets a random time pass: often a moment, at times a minute. */
  act(): void {
    const choices = this.#choices()
    const total = choices.reduce((sum, [weight]) => sum + weight, 0)
    let at = this.#random.below(total)
    const chosen = choices.find(([weight]) => (at -= weight) < 0)
    assert(chosen !== undefined, 'one of the choices')
    const [, what, action] = chosen
    this.#note(what)
    action()
    const scale = this.#random.pick([0, 5, 50, 3_000, 60_000])
    this.run(this.#random.fraction() * scale)
  }

  /** Mostly everything: a speaker may stay dead and a link cut, as the checkers know what that means. */
  heal(): void {
    const { cluster, controller, routers, speakers, network } = this.#simulation
    const all = this.#random.below(3) > 0
    this.#note(all ? 'heal everything' : 'heal all but speakers and links')
    cluster.setAvailable(true)
    controller.start()
    for (const router of routers.values()) router.start()
    for (const speaker of speakers.values()) {
      if (all) speaker.start()
      speaker.setApiConnected(true)
      for (const router of routers.values()) if (all) network.mend(speaker.host, router.host)
    }
  }

  run(ms: number): void {
    const { clock } = this.#simulation
    const end = clock.now() + ms
    let seen = this.#simulation.cluster.changes.length
    while (clock.next() <= end) {
      clock.step()
      const { length } = this.#simulation.cluster.changes
      if (length === seen) continue
      seen = length
      for (const fault of checkAlways(this.#simulation)) this.#fault(fault)
    }
    clock.runUntil(end)
  }

  check(): void {
    for (const fault of checkQuiet(this.#simulation)) this.#fault(fault)
  }

  #choices(): [weight: number, what: string, action: () => void][] {
    const { cluster, controller, speakers, routers, network } = this.#simulation
    const random = this.#random
    const app = random.pick(['web', 'api', 'db'])
    const node = random.pick([...speakers.values()])
    const router = random.pick([...routers.values()])
    const remove = (kind: string, namespace: string | undefined, name: string) => () =>
      void cluster.delete(kind, namespace, name)
    const apply = (object: Parameters<typeof cluster.apply>[0]) => () => void cluster.apply(object)
    const replicas = random.below(4)
    const expose = {
      ...random.pick([{}, { ipFamilyPolicy: 'PreferDualStack' }, { ipFamilies: ['IPv6'] }]),
      ...random.pick([{}, { externalTrafficPolicy: 'Local' }]),
    }
    const which = random.below(2)
    const variant = { pods: random.below(3) > 0, neighbours: random.pick([3, 3, 2, 1]) }
    const rack = random.pick(['a', 'b'])
    const excluded = random.pick(['true', 'false', 'false'])
    const label = random.pick(['web', 'other'])
    const how = random.pick(['silent', 'reset'] as const)
    return [
      // The user.
      [8, `expose ${app} ${JSON.stringify(expose)}`, () => this.#expose(app, expose)],
      [3, `delete Service ${app}`, remove('Service', 'default', app)],
      [8, `deploy ${app} ×${replicas}`, apply(deployment(app, replicas))],
      [1, `delete Deployment ${app}`, remove('Deployment', 'default', app)],
      [6, `apply pool${which}`, apply(poolOf(which))],
      [1, `delete pool${which}`, remove('CiliumLoadBalancerIPPool', undefined, `pool${which}`)],
      [6, `apply policy${which} ${JSON.stringify(variant)}`, apply(policyOf(which, variant))],
      [2, `move ${node.node} to rack ${rack}`, apply(nodeLabels(node.node, { rack }))],
      [1, `exclude ${node.node}: ${excluded}`, apply(nodeLabels(node.node, { [excludeLabel]: excluded }))],
      [1, `name Service web ${label}`, () => this.#relabel('web', label)],
      [1, `delete policy${which}`, remove('CiliumBGPPeeringPolicy', undefined, `policy${which}`)],
      // Processes.
      [4, `kill the speaker of ${node.node}`, () => node.kill()],
      [2, `stop the speaker of ${node.node}`, () => node.stop()],
      [5, `start the speaker of ${node.node}`, () => node.start()],
      [3, 'kill the controller', () => controller.kill()],
      [4, 'start the controller', () => controller.start()],
      [2, `kill ${router.host.name}`, () => router.kill()],
      [3, `start ${router.host.name}`, () => router.start()],
      // Cables and the API server.
      [3, `cut ${node.node}–${router.host.name} (${how})`, () => network.cut(node.host, router.host, how)],
      [3, `mend ${node.node}–${router.host.name}`, () => network.mend(node.host, router.host)],
      [2, 'API down', () => cluster.setAvailable(false)],
      [3, 'API up', () => cluster.setAvailable(true)],
      [2, `cut ${node.node} off the API`, () => node.setApiConnected(false)],
      [2, `connect ${node.node} to the API`, () => node.setApiConnected(true)],
    ]
  }

  /** IP families of a Service cannot be changed: an existing one is only touched in other fields. */
  #expose(name: string, spec: Record<string, unknown>): void {
    const { cluster } = this.#simulation
    const { externalTrafficPolicy = 'Cluster', ...families } = spec
    const present = cluster.get('Service', 'default', name) !== undefined
    cluster.apply(loadBalancer(name, { externalTrafficPolicy, ...(present ? {} : families) }))
  }

  #relabel(name: string, app: string): void {
    const { cluster } = this.#simulation
    if (cluster.get('Service', 'default', name) === undefined) return
    cluster.patch('Service', 'default', name, { metadata: { labels: { app } } })
  }

  #note(what: string): void {
    const seconds = (this.#simulation.clock.now() - this.#start) / 1000
    this.actions.push(`${seconds.toFixed(3)} ${what}`)
  }

  #fault(text: string): void {
    if (!this.faults.includes(text)) this.faults.push(text)
  }
}

function poolOf(which: number) {
  return pool(`pool${which}`, prefix(`198.51.10${which}.0/24`), prefix(`fd98:0:0:${which}::/112`))
}

function nodeLabels(name: string, labels: Record<string, string>) {
  return { apiVersion: 'v1', kind: 'Node', metadata: { name, labels } }
}

interface Variant {
  /** Announce the pod networks. */
  pods: boolean
  /** Bits: 1 for tor1, 2 for tor2. */
  neighbours: number
}

/** Both select the nodes of rack b: the older one has them. */
function policyOf(which: number, { pods, neighbours }: Variant = { pods: true, neighbours: 3 }) {
  const nodeSelector =
    which === 0
      ? { matchLabels: { [osLabel]: 'linux' } }
      : { matchExpressions: [{ key: 'rack', operator: 'In' as const, values: ['b'] }] }
  const neighbors = [
    { peerASN: 65_000, peerAddress: '172.22.0.5/32' },
    { peerASN: 4_200_000_001, peerAddress: 'fd22::6/128' },
  ].filter((_, i) => (neighbours & (1 << i)) !== 0)
  const serviceSelector = which === 0 ? everyService : { matchLabels: { app: 'web' } }
  return peeringPolicy(`policy${which}`, {
    nodeSelector,
    virtualRouters: [{ localASN: 65_100, exportPodCIDR: pods, serviceSelector, neighbors }],
  })
}
