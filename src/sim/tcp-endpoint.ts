/** One end of a simulated TCP connection: what it sends waits in a queue until the network lets it through, in order. */
import { versionOf, type Address } from '#core/net/address.ts'
import {
  sendQueueHigh,
  sendQueueLow,
  stalledMs,
  type ConnectionHandlers,
  type TcpConnection,
  type TcpEnds,
} from '#core/net/tcp.ts'
import type { Host, Network } from './network.ts'

/** RFC 6298 §2.4 asks for a second; Linux has 200 ms at least. It doubles up to {@link retryMsMax}. */
const retryMsMin = 200
const retryMsMax = 120_000
/** Linux gives up after 15 repetitions (tcp_retries2), about 15 minutes. */
const retriesMax = 15
/** What the kernel takes off the process's hands. */
const sendBufferBytes = 256 * 1024
const segmentBytes = 64 * 1024
const flightSegments = 8

type Segment = { kind: 'open' } | { kind: 'data'; bytes: Uint8Array } | { kind: 'fin' }

export class TcpEndpoint implements TcpConnection {
  readonly host: Host
  readonly peerHost: Host
  readonly ends: TcpEnds
  readonly #network: Network
  readonly #all: Set<TcpEndpoint>
  #peer!: TcpEndpoint
  #handlers: ConnectionHandlers | undefined
  /** Runs when the last step of the handshake arrives. */
  #acknowledged: (() => void) | undefined
  /**
   * `open`: both directions; `finishing`: closed by this process or by the other end, while what was sent still goes out;
   * `gone`: the host does not know the connection.
   */
  #state: 'open' | 'finishing' | 'gone' = 'open'
  /** Not sent yet. */
  #queue: Segment[] = []
  /** Sent and not arrived: everything that was queued when the flight before it had arrived. */
  #flight: Segment[] = []
  /** Of the data in both. */
  #unsentBytes = 0
  /** What was told of the queue, until it is as little as {@link sendQueueLow}. */
  #told: 'nothing' | 'stalled' | 'behind' = 'nothing'
  #watched = false
  /** Flights that have arrived. */
  #progress = 0
  /** Of packets sent: nothing on this network makes it less on the way. */
  #ttl = 255
  #minTtl = 0
  #retries = 0
  #finArrived = false
  #finReceived = false

  static pair(
    network: Network,
    dialer: Host,
    listener: Host,
    ends: TcpEnds,
    all: Set<TcpEndpoint>,
  ): [near: TcpEndpoint, far: TcpEndpoint] {
    const { localAddress, localPort, remoteAddress, remotePort } = ends
    const mirrored = endsBetween(listener, remoteAddress, remotePort, localAddress, localPort)
    const near = new TcpEndpoint(network, dialer, listener, ends, all)
    const far = new TcpEndpoint(network, listener, dialer, mirrored, all)
    near.#peer = far
    far.#peer = near
    near.#queue.push({ kind: 'open' })
    near.#pump()
    return [near, far]
  }

  private constructor(network: Network, host: Host, peerHost: Host, ends: TcpEnds, all: Set<TcpEndpoint>) {
    this.#network = network
    this.host = host
    this.peerHost = peerHost
    this.ends = ends
    this.#all = all
    all.add(this)
  }

  get open(): boolean {
    return this.#state === 'open' && this.#handlers !== undefined
  }

  get queuedBytes(): number {
    return Math.max(0, this.#unsentBytes - sendBufferBytes)
  }

  start(handlers: ConnectionHandlers): void {
    if (this.#state === 'open') this.#handlers = handlers
  }

  acceptWhenAcknowledged(accepted: () => void): void {
    this.#acknowledged = accepted
  }

  send(bytes: Uint8Array): void {
    if (this.#state !== 'open' || bytes.length === 0) return
    for (let at = 0; at < bytes.length; at += segmentBytes) {
      this.#queue.push({ kind: 'data', bytes: bytes.slice(at, at + segmentBytes) })
    }
    this.#unsentBytes += bytes.length
    this.#pump()
    this.#watch()
    if (this.#told === 'behind' || this.queuedBytes <= sendQueueHigh) return
    const stalled = this.#told === 'stalled'
    this.#told = 'behind'
    this.#network.clock.after(0, () => this.#handlers?.sendQueue?.(this.queuedBytes, stalled))
  }

  close(): void {
    this.#handlers = undefined
    this.#finish()
  }

  setTtl(ttl: number, minTtl = 0): void {
    this.#ttl = ttl
    this.#minTtl = minTtl
  }

  /** The connection is lost and the process is told, now. */
  lose(reason: string): void {
    const handlers = this.#handlers
    this.#vanish()
    handlers?.closed(reason)
  }

  /** The process died; nobody on this side is told. `reset`: the other end is. */
  abort(how: 'reset' | 'silent'): void {
    if (this.#state === 'gone') return
    this.#vanish()
    if (how === 'reset') this.#sendReset()
  }

  /** The listener was closed before the handshake ended. */
  refuse(): void {
    this.abort('reset')
  }

  #finish(): void {
    if (this.#state !== 'open') return
    this.#state = 'finishing'
    this.#queue.push({ kind: 'fin' })
    this.#pump()
  }

  #forgetIfDone(): void {
    if (this.#finArrived && this.#finReceived) this.#vanish()
  }

  #vanish(): void {
    this.#state = 'gone'
    this.#handlers = undefined
    this.#queue = []
    this.#flight = []
    this.#unsentBytes = 0
    this.#all.delete(this)
  }

  #sendReset(): void {
    this.#network.carry(this.host, this.peerHost, 40, () =>
      this.#peer.lose('the other end reset the connection'),
    )
  }

  /** Sends what is queued, unless something is on its way. */
  #pump(): void {
    if (this.#flight.length > 0 || this.#queue.length === 0) return
    this.#flight = this.#queue.splice(0, flightSegments)
    this.#fly()
  }

  #fly(): void {
    let bytes = 40
    for (const segment of this.#flight) if (segment.kind === 'data') bytes += segment.bytes.length
    const arrive = () => {
      if (this.#state === 'gone') return
      const flight = this.#flight
      this.#flight = []
      this.#retries = 0
      this.#progress++
      this.#finArrived = flight.some(({ kind }) => kind === 'fin')
      for (const segment of flight) {
        if (segment.kind === 'data') this.#unsentBytes -= segment.bytes.length
        this.#peer.#receive(segment)
      }
      this.#pump()
      this.#tellProgress()
      this.#forgetIfDone()
    }
    const lost = () => {
      const wait = Math.min(retryMsMin * 2 ** this.#retries, retryMsMax)
      this.#retries++
      this.#network.clock.after(wait, () => {
        if (this.#state === 'gone') return
        if (this.#retries <= retriesMax) this.#fly()
        else this.lose('the other end does not answer')
      })
    }
    if (this.#ttl < this.#peer.#minTtl) lost() // RFC 5082 §3
    else this.#network.carry(this.host, this.peerHost, bytes, arrive, lost)
  }

  #tellProgress(): void {
    if (this.#told === 'nothing') return
    if (this.queuedBytes <= sendQueueLow) this.#told = 'nothing'
    this.#handlers?.sendQueue?.(this.queuedBytes, false)
  }

  /** Looks again and again while something waits, whether it moves. */
  #watch(): void {
    if (this.#watched || this.queuedBytes === 0) return
    this.#watched = true
    const before = this.#progress
    this.#network.clock.after(stalledMs, () => {
      this.#watched = false
      if (this.#progress === before && this.queuedBytes > 0 && this.#told === 'nothing') {
        this.#told = 'stalled'
        this.#handlers?.sendQueue?.(this.queuedBytes, true)
      }
      this.#watch()
    })
  }

  #receive(segment: Segment): void {
    if (this.#state === 'gone') {
      this.#sendReset() // RFC 9293 §3.5.2: no such connection here
      return
    }
    switch (segment.kind) {
      case 'open':
        this.#acknowledged?.()
        this.#acknowledged = undefined
        return
      case 'data':
        this.#deliver(segment.bytes)
        return
      case 'fin': {
        const handlers = this.#handlers
        this.#handlers = undefined
        this.#finReceived = true
        this.#finish()
        this.#forgetIfDone()
        handlers?.closed('the other end closed the connection')
        return
      }
    }
  }

  /** In two pieces now and then, so that no receiver comes to rely on how bytes are cut. */
  #deliver(bytes: Uint8Array): void {
    const { random } = this.#network
    const cut = bytes.length > 1 && random.below(4) === 0 ? 1 + random.below(bytes.length - 1) : 0
    if (cut > 0) this.#handlers?.received(bytes.slice(0, cut))
    this.#handlers?.received(bytes.slice(cut))
  }
}

/** The ends as `host` sees them. */
export function endsBetween(
  host: Host,
  localAddress: Address,
  localPort: number,
  remoteAddress: Address,
  remotePort: number,
): TcpEnds {
  const ends = { localAddress, localPort, remoteAddress, remotePort }
  const other = host.addressOf(versionOf(localAddress) === 4 ? 6 : 4)
  return other === undefined ? ends : { ...ends, localAddressOtherVersion: other }
}
