/**
 * Random scenarios in a fabric of BGP speakers: cables are cut and mended, processes killed and started, routes and peers
 * changed, some of it while sessions come up; then quiet, and what has become of it is checked.
 */
import type { OriginatedRoute } from '#core/bgp/config.ts'
import { Prng } from '#core/lib/prng.ts'
import { checkFabric, type FabricCheck } from './bgp-checkers.ts'
import { SimulatedBgp } from './bgp-host.ts'
import type { OracleFabric } from './bgp-oracle.ts'
import {
  randomFabric,
  randomPolicies,
  randomRoutes,
  type Fabric,
  type FabricSpeaker,
} from './bgp-topology.ts'
import { VirtualClock } from './clock.ts'
import { Network } from './network.ts'
import { SimulatedTcp } from './tcp.ts'

export interface FabricResult {
  seed: number
  /** Empty: everything held. */
  faults: string[]
  /** What was done, with its time in seconds. */
  actions: string[]
  /** Of the fabric at each check. */
  outcomes: FabricCheck['outcome'][]
}

/** Longer than reconnecting, restart and deferral take together. */
const quietMs = 180_000
/** Of the clock, until it is quiet. */
const maxSteps = 12_000
/** Who changes a choice so long after the last thing that happened will do so for ever. */
const restlessMs = 20_000
/** Beyond the restart time, and not as long as the long-lived stale time (`bgp-topology.ts`). */
const longLostMs = 60_000
const rounds = 3
const actionsPerRound = 6

/** The same seed gives the same run. */
export function runFabric(seed: number): FabricResult {
  const scenario = new FabricScenario(seed)
  try {
    scenario.run()
  } catch (error) {
    // A bug that an assertion met: what led to it is worth as much as with any other.
    scenario.faults.push(error instanceof Error ? (error.stack ?? error.message) : String(error))
  }
  return { seed, faults: scenario.faults, actions: scenario.actions, outcomes: scenario.outcomes }
}

class FabricScenario {
  /** The last wait for quiet was given up. */
  #exhausted = false
  /** At the last check. */
  #seen: FabricCheck['seen'] = new Map()
  readonly faults: string[] = []
  readonly actions: string[] = []
  readonly outcomes: FabricCheck['outcome'][] = []
  readonly #random: Prng
  readonly #clock = new VirtualClock(1_000_000)
  readonly #network: Network
  readonly #fabric: Fabric
  readonly #bgps = new Map<string, SimulatedBgp>()
  /** Peers that were taken out, by the name of both speakers. */
  readonly #parted: { pair: [FabricSpeaker, FabricSpeaker]; mend: () => void }[] = []

  constructor(seed: number) {
    this.#random = new Prng(seed)
    this.#network = new Network(this.#clock, new Prng(this.#random.u32()))
    const tcp = new SimulatedTcp(this.#network)
    this.#fabric = randomFabric(this.#random)
    for (const { name, addresses, config, twoOctetNeighbours } of this.#fabric.speakers) {
      const host = this.#network.addHost(name, [addresses[4], addresses[6]])
      this.#bgps.set(
        name,
        new SimulatedBgp(this.#clock, tcp, host, config, this.#random.u32(), twoOctetNeighbours),
      )
      this.actions.push(`${name}: AS ${config.asn}, peers ${config.peers.map((peer) => peer.name).join(' ')}`)
    }
    for (const [a, b] of this.#pairs()) {
      const latencyMs = this.#random.pick([0.1, 1, 20, 80])
      this.#network.setLink(this.#host(a), this.#host(b), { latencyMs, jitterMs: this.#random.pick([0, 5]) })
    }
  }

  run(): void {
    for (const bgp of this.#bgps.values()) {
      bgp.start()
      this.#pass(this.#random.pick([0, 10, 3000]))
    }
    for (let round = 0; round < rounds && this.faults.length === 0; round++) {
      for (let i = 0; i < actionsPerRound; i++) {
        this.#act()
        this.#pass(this.#random.pick([0, 1, 50, 2000, 30_000]))
      }
      this.#heal(round < rounds - 1 ? this.#random.below(2) === 0 : true)
      this.#quiet()
      this.#check()
      // A fabric without rest is slow, and shows no more.
      if (this.outcomes.at(-1) === 'unsettled') break
    }
    if (this.#fabric.traits.longLived) this.#loseForLong()
    if (this.faults.length > 0) return
    // Nothing is left when nobody has anything to say.
    for (const speaker of this.#fabric.speakers) this.#setRoutes(speaker, [])
    this.#quiet()
    this.#check()
    for (const [name, bgp] of this.#bgps) {
      const { prefixes, attributeSets } = bgp.tableSizes()
      if (prefixes + attributeSets > 0)
        this.faults.push(`${name} still holds ${prefixes} prefixes and ${attributeSets} attribute sets`)
    }
    for (const [name, bgp] of this.#bgps)
      for (const table of ['locRib', 'adjRibIn', 'adjRibOut'] as const) {
        const left =
          table === 'locRib'
            ? bgp.routes(table)
            : bgp.peers().flatMap(({ peer }) => bgp.routes(table, { peer }))
        if (left.length > 0) this.faults.push(`${name} still has ${left.length} routes in ${table}`)
      }
  }

  #act(): void {
    const random = this.#random
    const speaker = random.pick(this.#fabric.speakers)
    const bgp = this.#bgps.get(speaker.name)!
    const pair = this.#pairs().length === 0 ? undefined : random.pick(this.#pairs())
    switch (random.below(8)) {
      case 0:
        if (pair === undefined) return
        this.#log(`cut ${pair[0].name} ${pair[1].name}`)
        // Without hold timers nobody would ever notice a silent cut.
        return this.#network.cut(
          this.#host(pair[0]),
          this.#host(pair[1]),
          this.#fabric.traits.holdTimers ? random.pick(['silent', 'reset']) : 'reset',
        )
      case 1:
        if (pair === undefined) return
        this.#log(`mend ${pair[0].name} ${pair[1].name}`)
        return this.#network.mend(this.#host(pair[0]), this.#host(pair[1]))
      case 2:
        if (!bgp.running) return
        this.#log(`kill ${speaker.name}`)
        return bgp.kill()
      case 3:
        return this.#start(speaker)
      case 4:
        this.#log(`other routes of ${speaker.name}`)
        return this.#setRoutes(speaker, randomRoutes(random, speaker.config, this.#fabric.traits))
      case 5:
        if (!this.#fabric.traits.policies) return
        this.#log(`other policies of ${speaker.name}`)
        return this.#configure(speaker, { policies: randomPolicies(random, this.#fabric.traits) })
      case 6:
        return this.#change(speaker)
      case 7:
        return pair === undefined ? undefined : this.#part(pair)
    }
  }

  #start(speaker: FabricSpeaker): void {
    const bgp = this.#bgps.get(speaker.name)!
    if (bgp.running) return
    this.#log(`start ${speaker.name}`)
    // RFC 4724 §4.1: sometimes it finds its forwarding state as it left it.
    speaker.config = {
      ...speaker.config,
      restarted: this.#fabric.traits.gracefulRestart && this.#random.below(2) === 0,
    }
    bgp.configure(speaker.config)
    bgp.start()
  }

  /** Something of one peer's configuration that its session outlives. */
  #change(speaker: FabricSpeaker): void {
    const { peers } = speaker.config
    if (peers.length === 0) return
    const changed = this.#random.pick(peers)
    this.#log(`change ${changed.name} of ${speaker.name}`)
    const next = {
      ...changed,
      importRoutes: this.#random.below(4) > 0,
      exportLearned: this.#random.below(4) > 0,
      nextHop: this.#random.pick(['auto', 'auto', 'self'] as const),
    }
    this.#configure(speaker, { peers: peers.map((peer) => (peer === changed ? next : peer)) })
  }

  /** Takes the two out of each other's configurations. */
  #part(pair: [FabricSpeaker, FabricSpeaker]): void {
    const [a, b] = pair
    this.#log(`part ${a.name} ${b.name}`)
    const [toB, toA] = [
      a.config.peers.find(({ name }) => name === b.name)!,
      b.config.peers.find(({ name }) => name === a.name)!,
    ]
    this.#configure(a, { peers: a.config.peers.filter((peer) => peer !== toB) })
    this.#configure(b, { peers: b.config.peers.filter((peer) => peer !== toA) })
    this.#parted.push({
      pair,
      mend: () => {
        this.#configure(a, { peers: [...a.config.peers, toB] })
        this.#configure(b, { peers: [...b.config.peers, toA] })
      },
    })
  }

  /** `all`: every speaker runs and every cable is whole; else what is broken stays so. */
  #heal(all: boolean): void {
    if (!all) return
    this.#log('heal')
    for (const { mend } of this.#parted.splice(0)) mend()
    for (const [a, b] of this.#pairs()) this.#network.mend(this.#host(a), this.#host(b))
    for (const speaker of this.#fabric.speakers) this.#start(speaker)
  }

  #setRoutes(speaker: FabricSpeaker, routes: OriginatedRoute[]): void {
    this.#configure(speaker, { routes })
  }

  #configure(speaker: FabricSpeaker, changes: Partial<FabricSpeaker['config']>): void {
    speaker.config = { ...speaker.config, ...changes }
    this.#bgps.get(speaker.name)!.configure(speaker.config)
  }

  /** RFC 9494 §4.2: one is killed when all is at rest, and stays away for longer than its restart time. */
  #loseForLong(): void {
    const speaker = this.#random.pick(this.#fabric.speakers)
    const paths = this.#seen.get(speaker.name)
    if (this.faults.length > 0 || paths === undefined) return
    this.#log(`kill ${speaker.name}`)
    this.#bgps.get(speaker.name)!.kill()
    this.#pass(longLostMs)
    this.#check({ speaker, paths })
    this.#start(speaker)
  }

  /** Until nothing is going to happen any more, or for long enough. */
  #quiet(): void {
    const end = this.#clock.now() + quietMs
    this.#exhausted = false
    for (let steps = 0; this.#clock.next() <= end; steps++) {
      if (steps === maxSteps) {
        // A fault unless the oracle finds no rest either: MEDs between member ASes can go in circles (RFC 3345 §2).
        this.#exhausted = true
        return
      }
      this.#clock.step()
    }
    this.#clock.runUntil(end)
  }

  #pass(ms: number): void {
    this.#clock.runFor(ms)
  }

  #check(gone?: OracleFabric['gone']): void {
    const running = new Map([...this.#bgps].filter(([, bgp]) => bgp.running))
    const speakers = new Map(
      this.#fabric.speakers.filter(({ name }) => running.has(name)).map((speaker) => [speaker.name, speaker]),
    )
    const oracle: OracleFabric = {
      speakers,
      connected: (a, b) => !this.#network.isCut(this.#network.host(a), this.#network.host(b)),
      ...(gone && { gone }),
    }
    const since = this.#clock.now() - restlessMs
    const changing = [...running.values()].some(({ events }) =>
      events.some(({ at, event }) => at > since && event.kind === 'bestPath'),
    )
    const { faults, outcome, seen } = checkFabric(running, oracle, changing || this.#exhausted)
    this.#seen = seen
    this.outcomes.push(outcome)
    this.faults.push(...faults)
    this.#log(`checked: ${outcome}`)
  }

  /** Those that are each other's peers. */
  #pairs(): [FabricSpeaker, FabricSpeaker][] {
    const { speakers } = this.#fabric
    return speakers.flatMap((a) =>
      a.config.peers.flatMap(({ name }): [FabricSpeaker, FabricSpeaker][] => {
        const b = speakers.find((speaker) => speaker.name === name)!
        return a.name < b.name ? [[a, b]] : []
      }),
    )
  }

  #host({ name }: FabricSpeaker) {
    return this.#network.host(name)
  }

  #log(what: string): void {
    this.actions.push(`${((this.#clock.now() - 1_000_000) / 1000).toFixed(3)} ${what}`)
  }
}
