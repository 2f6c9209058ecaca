/**
 * The brain of one node: makes a plan of each snapshot and keeps one BGP machine for each instance of the plan doing what
 * it says. It performs nothing itself: the edge gives it inputs, carries its outputs out in order, and calls again by
 * `nextDeadline`. Without a snapshot nothing changes, so that a lost API server changes nothing.
 */
import { Bgp, type ConnectionNumbers } from '#core/bgp/bgp.ts'
import type { InstanceConfig } from '#core/bgp/config.ts'
import type {
  BgpInput,
  ConnectionId,
  PeerStatus,
  RouteEntry,
  RouteFilter,
  RoutePage,
  WithheldFilter,
  WithheldPage,
  RouteTable,
} from '#core/bgp/io.ts'
import type { TappedSession } from '#core/bgp/tap.ts'
import { present } from '#core/lib/assert.ts'
import { compareText } from '#core/lib/order.ts'
import { Prng } from '#core/lib/prng.ts'
import type { Address } from '#core/net/address.ts'
import type { Problem } from '#core/lib/reason.ts'
import { withLastValid } from '#core/dialect/native.ts'
import type { NodePlan } from '#core/plan/node-plan.ts'
import { planNode } from '#core/plan/plan-node.ts'
import type { NodeStateStatus } from '#core/schema/node-state.ts'
import type { Snapshot } from '#core/schema/snapshot.ts'
import type { SpeakerConfig, SpeakerInput, SpeakerOutput } from './io.ts'
import { listenOf, type Listen } from './listen.ts'
import { nodeStateOf } from './node-state.ts'
import { Unnumbered, interfacesOf } from './unnumbered.ts'

/** One instance and what it was last told to do. */
interface Running {
  bgp: Bgp
  config: InstanceConfig
  configText: string
  /** Whether the instance ran before this process (RFC 4724 §4.1). */
  restarted: boolean
  /** Of `bgp`, kept here because it is asked for after every input to any instance. */
  deadline: number
}

const inTime = () => false

export class Speaker {
  readonly #config: SpeakerConfig
  readonly #random: Prng
  readonly #numbers: ConnectionNumbers = { next: 1 }
  readonly #running = new Map<string, Running>()
  /** Names of the instances whose connections these are. */
  readonly #connections = new Map<ConnectionId, string>()
  /** By instance: what it listens on, or tries to. A port is only one instance's: the plan sees to that. */
  readonly #listens = new Map<string, Listen>()
  /** By instance: why its port cannot be listened on. */
  readonly #listenFailures = new Map<string, { port: number; reason: string }>()
  readonly #unnumbered = new Unnumbered()
  /** Interfaces on which neighbours are looked for. */
  #discovering: string[] = []
  #plan: NodePlan | undefined
  #planText = ''
  /** What the plan was made of. */
  #snapshot: Snapshot | undefined
  #down = false
  /** The call in progress has given an event, or changed something else that is shown. */
  #changed = false
  /** Of the call in progress. */
  #effort = 1
  #isLate = inTime

  constructor(config: SpeakerConfig) {
    this.#config = config
    this.#random = new Prng(config.seed)
  }

  /** `now` in milliseconds, never less than before; `effort` and `isLate` as of `Bgp.handle`. The outputs are to be performed in their order. */
  handle(input: SpeakerInput, now: number, effort = 1, isLate = inTime): SpeakerOutput[] {
    this.#effort = effort
    this.#isLate = isLate
    const outputs: SpeakerOutput[] = []
    this.#changed = false
    if (!this.#down) this.#dispatch(input, now, outputs)
    if (this.#changed) outputs.push({ kind: 'stateChanged' })
    return outputs
  }

  /** When to call `handle` at the latest; `Infinity`: no need. */
  nextDeadline(): number {
    let deadline = Infinity
    for (const running of this.#running.values()) if (running.deadline < deadline) deadline = running.deadline
    return deadline
  }

  /** What this node is to do and why. Problems met while doing it are among its problems. Absent: no snapshot yet. */
  plan(): NodePlan | undefined {
    return this.#plan && { ...this.#plan, problems: [...this.#plan.problems, ...this.#problems()] }
  }

  /** Of one instance; empty for one that is not here. */
  peers(instance: string): PeerStatus[] {
    return this.#running.get(instance)?.bgp.peers() ?? []
  }

  /** Of one instance; empty for one that is not here. */
  routes(instance: string, table: RouteTable, filter: RouteFilter): RouteEntry[] {
    return this.#running.get(instance)?.bgp.routes(table, filter) ?? []
  }

  /** As `Bgp.routePage`, of one instance; empty for one that is not here. */
  routePage(
    instance: string,
    table: RouteTable,
    filter: RouteFilter,
    cursor: number,
    limit: number,
    effort?: number,
  ): RoutePage {
    const bgp = this.#running.get(instance)?.bgp
    return bgp?.routePage(table, filter, cursor, limit, effort) ?? { entries: [] }
  }

  /** As `Bgp.withheld`, of one instance; empty for one that is not here. */
  withheld(
    instance: string,
    peer: string,
    filter: WithheldFilter,
    cursor: number,
    effort?: number,
  ): WithheldPage {
    return this.#running.get(instance)?.bgp.withheld(peer, filter, cursor, effort) ?? { entries: [] }
  }

  /** Established sessions of one instance, as stations and dumps are told of them; empty for one that is not here. */
  tappedSessions(instance: string): TappedSession[] {
    return this.#running.get(instance)?.bgp.tappedSessions() ?? []
  }

  /** What the NodeState resource of this node should say. */
  nodeState(): NodeStateStatus {
    const plan = this.plan()
    return plan === undefined ? {} : nodeStateOf(plan, (instance) => this.peers(instance))
  }

  #dispatch(input: SpeakerInput, now: number, outputs: SpeakerOutput[]): void {
    switch (input.kind) {
      case 'snapshot':
        return this.#follow(input.snapshot, now, outputs)
      case 'accepted': {
        if (!this.#running.has(input.instance)) {
          outputs.push({ kind: 'close', connection: input.connection })
          return
        }
        const { connection, ends } = input
        // Who connects from the link is as good as found (docs/decisions/0009-unnumbered.md).
        if (ends.interface !== undefined) this.#discovered(ends.interface, ends.remoteAddress, now, outputs)
        this.#connections.set(connection, input.instance)
        return this.#pass(input.instance, { kind: 'accepted', connection, ends }, now, outputs)
      }
      case 'discovered':
        return this.#discovered(input.interface, input.address, now, outputs)
      case 'discoveryFailed':
        if (this.#unnumbered.failed(input.interface, input.reason))
          this.#resolve(input.interface, now, outputs)
        return
      case 'unheard': {
        const { instance, address, reason } = input
        if (this.#running.has(instance))
          this.#pass(instance, { kind: 'unheard', address, reason }, now, outputs)
        return
      }
      case 'dialed':
      case 'received':
      case 'sendQueue':
        return this.#toConnection(input, now, outputs)
      case 'dialFailed':
      case 'closed':
        this.#toConnection(input, now, outputs)
        this.#connections.delete(input.connection)
        return
      case 'listening':
        if (this.#listenFailures.delete(input.instance)) this.#changed = true
        return
      case 'listenFailed':
        return this.#listenFailed(input)
      case 'shutdown':
        for (const name of this.#running.keys()) this.#pass(name, { kind: 'shutdown' }, now, outputs)
        for (const instance of this.#listens.keys()) outputs.push({ kind: 'unlisten', instance })
        this.#listens.clear()
        this.#discover([], outputs)
        this.#down = true
        return
      case 'command':
      case 'origins': {
        const { instance, ...rest } = input
        if (this.#running.has(instance)) this.#pass(instance, rest, now, outputs)
        return
      }
      case 'tick':
        for (const [name, { deadline }] of this.#running)
          if (deadline <= now) this.#pass(name, input, now, outputs)
        return
    }
  }

  /** Desired − actual: what is gone goes first, so that its ports and addresses are free for what comes. */
  #follow(snapshot: Snapshot, now: number, outputs: SpeakerOutput[]): void {
    const { node, dialects } = this.#config
    this.#snapshot = withLastValid(this.#snapshot, snapshot, dialects)
    const plan = planNode(this.#snapshot, node, dialects)
    const planText = JSON.stringify(plan)
    if (planText === this.#planText) return
    const first = this.#plan === undefined
    this.#plan = plan
    this.#planText = planText
    const configs = new Map(plan.instances.map(({ config }) => [config.name, config]))
    for (const [name, running] of this.#running)
      if (!configs.has(name)) this.#remove(name, running, now, outputs)
    for (const [name, { port }] of this.#listens)
      if (configs.get(name)?.listenPort !== port) this.#unlisten(name, outputs)
    this.#discover([...configs.values()].flatMap(interfacesOf), outputs)
    const restarted = first && this.#config.restarted === true
    for (const planned of configs.values()) {
      const config = this.#unnumbered.resolved(planned)
      this.#configure(config, restarted, now, outputs)
      this.#listen(config, outputs)
    }
    this.#changed = true
  }

  #discover(interfaces: string[], outputs: SpeakerOutput[]): void {
    const wanted = [...new Set(interfaces)].toSorted(compareText)
    if (wanted.join() === this.#discovering.join()) return
    this.#discovering = wanted
    this.#unnumbered.keepOnly(wanted)
    outputs.push({ kind: 'discover', interfaces: wanted })
  }

  #discovered(name: string, address: Address, now: number, outputs: SpeakerOutput[]): void {
    if (!this.#discovering.includes(name)) return
    const inSession = (known: Address) =>
      [...this.#running.values()].some(({ bgp }) =>
        bgp.peers().some((peer) => peer.state === 'established' && peer.address === known),
      )
    if (this.#unnumbered.discovered(name, address, now, inSession)) this.#resolve(name, now, outputs)
  }

  /** Something else is known of who is on the interface. */
  #resolve(name: string, now: number, outputs: SpeakerOutput[]): void {
    for (const { config } of this.#plan?.instances ?? []) {
      if (!interfacesOf(config).includes(name)) continue
      const resolved = this.#unnumbered.resolved(config)
      this.#configure(resolved, false, now, outputs)
      this.#listen(resolved, outputs)
    }
    this.#changed = true
  }

  /** `restarted`: of an instance that does not run yet. */
  #configure(planned: InstanceConfig, restarted: boolean, now: number, outputs: SpeakerOutput[]): void {
    const known = this.#running.get(planned.name)
    const config = (known?.restarted ?? restarted) ? { ...planned, restarted: true } : planned
    const configText = JSON.stringify(config)
    if (known?.configText === configText) return
    if (known === undefined) {
      const bgp = new Bgp(new Prng(this.#random.u32()), this.#numbers)
      this.#running.set(config.name, { bgp, config, configText, restarted, deadline: Infinity })
    } else {
      known.config = config
      known.configText = configText
    }
    this.#pass(config.name, { kind: 'configure', config }, now, outputs)
  }

  #remove(name: string, running: Running, now: number, outputs: SpeakerOutput[]): void {
    // Its neighbours learn that they are de-configured (RFC 4486 §4), not that somebody shut them down.
    const config = { ...running.config, peers: [], routes: [] }
    this.#pass(name, { kind: 'configure', config }, now, outputs)
    this.#pass(name, { kind: 'shutdown' }, now, outputs)
    this.#running.delete(name)
    for (const [connection, instance] of this.#connections)
      if (instance === name) this.#connections.delete(connection)
  }

  #unlisten(instance: string, outputs: SpeakerOutput[]): void {
    this.#listens.delete(instance)
    this.#listenFailures.delete(instance)
    outputs.push({ kind: 'unlisten', instance })
  }

  #listen(config: InstanceConfig, outputs: SpeakerOutput[]): void {
    const { name, listenPort } = config
    if (listenPort === undefined) return
    const listen = listenOf(config, listenPort)
    if (JSON.stringify(this.#listens.get(name)) === JSON.stringify(listen)) return
    this.#listens.set(name, listen)
    outputs.push({ kind: 'listen', instance: name, listen })
  }

  #listenFailed(input: Extract<SpeakerInput, { kind: 'listenFailed' }>): void {
    const { instance, port, reason } = input
    const known = this.#listenFailures.get(instance)
    if (this.#listens.get(instance)?.port !== port) return
    if (known?.reason === reason && known.port === port) return
    this.#listenFailures.set(instance, { port, reason })
    this.#changed = true
  }

  #toConnection(
    input: Extract<BgpInput, { connection: ConnectionId }>,
    now: number,
    outputs: SpeakerOutput[],
  ): void {
    const instance = this.#connections.get(input.connection)
    // None: of an instance that is gone, or closed by the speaker just before this came in.
    if (instance !== undefined) this.#pass(instance, input, now, outputs)
  }

  #pass(instance: string, input: BgpInput, now: number, outputs: SpeakerOutput[]): void {
    const running = present(this.#running.get(instance), `instance ${instance}`)
    for (const output of running.bgp.handle(input, now, this.#effort, this.#isLate)) {
      if (output.kind === 'event') {
        outputs.push({ ...output, instance })
        this.#changed = true
        continue
      }
      if (output.kind === 'tap') {
        outputs.push({ ...output, instance })
        continue
      }
      if (output.kind === 'dial') this.#connections.set(output.connection, instance)
      if (output.kind === 'close') this.#connections.delete(output.connection)
      outputs.push(output)
    }
    running.deadline = running.bgp.nextDeadline()
  }

  #problems(): Problem[] {
    return [...this.#listenFailures].map(([instance, { port, reason }]) => ({
      rule: 'ListenFailed',
      message: `instance ${instance} cannot listen on port ${port}: ${reason}`,
      hint: 'it still connects to its neighbours, and the port is tried again',
    }))
  }
}
