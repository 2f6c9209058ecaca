/** A session with a clock and a numbering of connections around it, and a neighbour's messages. */
import { address } from '#core/net/address.ts'
import type { ConnectionEnds, ConnectionId, SessionState } from '../io.ts'
import type { Message, Notification, Open } from '../wire/message.ts'
import type { RestartOffer, SessionConfig, SessionInput, SessionOutput } from './io.ts'
import { initialSession, nextDeadline, sessionState, step, type Session } from './session.ts'

export const config: SessionConfig = {
  localAsn: 65001,
  routerId: address('10.0.0.1'),
  remoteAsn: 65002,
  remoteAddress: address('192.0.2.2'),
  passive: false,
  families: ['ipv4/unicast', 'ipv6/unicast'],
  timers: { connectRetrySeconds: 120, holdTimeSeconds: 90, keepaliveSeconds: 30 },
}

export const ends: ConnectionEnds = {
  localAddress: address('192.0.2.1'),
  localPort: 40000,
  remoteAddress: address('192.0.2.2'),
  remotePort: 179,
}

export const keepalive: Message = { kind: 'keepalive' }

export const update: Message = {
  kind: 'update',
  withdrawn: [],
  announced: [],
  attributes: new Uint8Array(0),
  endOfRib: [],
  faults: [],
}

/** The neighbour's OPEN. */
export function open(changes: Partial<Open> = {}): Open {
  return {
    kind: 'open',
    version: 4,
    asn: 65002,
    holdTimeSeconds: 90,
    routerId: address('10.0.0.2'),
    capabilities: {
      families: ['ipv4/unicast', 'ipv6/unicast'],
      fourOctetAsn: true,
      routeRefresh: true,
      extendedNextHop: [],
      other: [],
    },
    ...changes,
  }
}

export function notification(code: number, subcode: number, ...data: number[]): Notification {
  return { kind: 'notification', code, subcode, data: Uint8Array.from(data) }
}

/** What this side offers of restarts, unless changed. */
export const restartOffer: RestartOffer = {
  restartSeconds: 120,
  restarting: false,
  forwarding: true,
  notification: true,
  helperOnly: false,
}

/** The neighbour's OPEN with graceful restart for IPv4 unicast; `notification`: with the N bit. */
export function restartable(restart: { restarting?: boolean; notification?: boolean } = {}): Open {
  const greeting = open()
  greeting.capabilities.gracefulRestart = {
    restarting: false,
    notification: false,
    restartSeconds: 60,
    families: [{ family: 'ipv4/unicast', forwarding: true }],
    ...restart,
  }
  return greeting
}

export class Driver {
  readonly config: SessionConfig
  session: Session = initialSession
  now = 0
  /** Of the latest step. */
  outputs: SessionOutput[] = []
  /** In [0, 1): for jitter. */
  fraction = 0
  #next: ConnectionId = 1
  #accepted: ConnectionId = -1

  constructor(changes: Partial<SessionConfig> = {}) {
    this.config = { ...config, ...changes }
  }

  get state(): SessionState {
    return sessionState(this.session)
  }

  get deadline(): number {
    return nextDeadline(this.session)
  }

  give(input: SessionInput): SessionOutput[] {
    const context = { now: this.now, fraction: this.fraction, nextConnection: this.#next }
    const { session, outputs } = step(this.config, this.session, input, context)
    if (outputs.some(({ kind }) => kind === 'dial')) this.#next++
    this.session = session
    this.outputs = outputs
    return outputs
  }

  receive(connection: ConnectionId, ...messages: Message[]): SessionOutput[] {
    return messages.flatMap((message) => this.give({ kind: 'received', connection, message }))
  }

  dialed(connection: ConnectionId): SessionOutput[] {
    return this.give({ kind: 'dialed', connection, ends })
  }

  /** The number of the new connection. */
  accept(): ConnectionId {
    const connection = this.#accepted--
    this.give({ kind: 'accepted', connection, ends })
    return connection
  }

  /** Lets the time come at which the session wants a step. */
  wait(): SessionOutput[] {
    this.now = this.deadline
    return this.give({ kind: 'tick' })
  }
}

/** A session in this state; the connection is 1. */
export function inState(state: SessionState, changes: Partial<SessionConfig> = {}): Driver {
  const driver = new Driver(changes)
  if (state === 'idle') return driver
  driver.give({ kind: 'start' })
  if (state === 'connect') return driver
  if (state === 'active') {
    driver.give({ kind: 'dialFailed', connection: 1, reason: 'refused' })
    return driver
  }
  driver.dialed(1)
  if (state === 'openSent') return driver
  driver.receive(1, open())
  if (state === 'openConfirm') return driver
  driver.receive(1, keepalive)
  return driver
}

/** Outputs in short: `send open 1`, `send 6/2 1`, `close 1`, `down sent`. */
export function show(outputs: readonly SessionOutput[]): string[] {
  return outputs.map((output) => {
    switch (output.kind) {
      case 'send': {
        const { message, connection } = output
        const what = message.kind === 'notification' ? `${message.code}/${message.subcode}` : message.kind
        return `send ${what} ${connection}`
      }
      case 'dial':
      case 'close':
      case 'up':
        return `${output.kind} ${output.connection}`
      case 'down':
        return `down ${output.ending.direction}${output.graceful ? ' graceful' : ''}`
      case 'failed':
        return `failed ${output.ending.direction}`
      case 'update':
        return 'update'
      case 'routeRefresh':
        return `routeRefresh ${output.family}`
    }
  })
}
