/**
 * A network of hosts on a virtual clock: links between any two of them with latency, loss, bandwidth and cuts. It carries
 * packets and knows who has which address; `tcp.ts` and `udp.ts` make streams and datagrams of that. No routing: every
 * host is one hop from every other.
 */
import { assert, present } from '#core/lib/assert.ts'
import type { Prng } from '#core/lib/prng.ts'
import { isLinkLocal, versionOf, type Address, type IpVersion } from '#core/net/address.ts'
import type { VirtualClock } from './clock.ts'

export interface LinkQuality {
  latencyMs: number
  /** Up to so much more per packet, at random. */
  jitterMs: number
  /** Probability, 0..1, that a packet is lost. */
  loss: number
  /** Of each direction. Infinity: no limit. */
  bytesPerMs: number
}

/** What a freshly made pair of hosts has: a data centre's. */
export const localLink: LinkQuality = { latencyMs: 0.2, jitterMs: 0.1, loss: 0, bytesPerMs: Infinity }

interface Link {
  quality: LinkQuality
  cut: boolean
  /** By direction: when the last packet has left. */
  freeAt: Map<Host, number>
}

export class Network {
  readonly clock: VirtualClock
  readonly random: Prng
  readonly #hosts = new Map<string, Host>()
  readonly #byAddress = new Map<Address, Host>()
  readonly #links = new Map<string, Link>()
  readonly #cutListeners = new Set<(a: Host, b: Host) => void>()

  constructor(clock: VirtualClock, random: Prng) {
    this.clock = clock
    this.random = random
  }

  /** The first address of each version is the one that the host uses by itself. */
  addHost(name: string, addresses: Address[]): Host {
    assert(!this.#hosts.has(name), `a second host ${name}`)
    const host = new Host(name, addresses)
    this.#hosts.set(name, host)
    for (const address of addresses) {
      assert(!this.#byAddress.has(address), `a second host with ${address}`)
      this.#byAddress.set(address, host)
    }
    return host
  }

  host(name: string): Host {
    return present(this.#hosts.get(name), `host ${name}`)
  }

  hosts(): Host[] {
    return [...this.#hosts.values()]
  }

  hostOf(address: Address): Host | undefined {
    return this.#byAddress.get(address)
  }

  setLink(a: Host, b: Host, quality: Partial<LinkQuality>): void {
    const link = this.#link(a, b)
    link.quality = { ...link.quality, ...quality }
  }

  /** From now on nothing passes between the two. `reset`: their connections end at once, as if a cable tester had said so. */
  cut(a: Host, b: Host, how: 'silent' | 'reset' = 'silent'): void {
    this.#link(a, b).cut = true
    if (how === 'reset') for (const listener of this.#cutListeners) listener(a, b)
  }

  mend(a: Host, b: Host): void {
    this.#link(a, b).cut = false
  }

  isCut(a: Host, b: Host): boolean {
    return this.#link(a, b).cut
  }

  /** Tells of cuts with reset. */
  onReset(listener: (a: Host, b: Host) => void): void {
    this.#cutListeners.add(listener)
  }

  /**
   * Sends one packet of so many bytes. `arrive` runs when it arrives at a host that is on; `lost` runs at that time
   * otherwise. Packets may overtake each other.
   */
  carry(from: Host, to: Host, bytes: number, arrive: () => void, lost: () => void = () => {}): void {
    const link = this.#link(from, to)
    const { latencyMs, jitterMs, loss, bytesPerMs } = link.quality
    const sentAt = Math.max(this.clock.now(), link.freeAt.get(from) ?? 0) + bytes / bytesPerMs
    if (bytesPerMs !== Infinity) link.freeAt.set(from, sentAt)
    const dropped = loss > 0 && this.random.fraction() < loss
    const jitter = jitterMs > 0 ? this.random.fraction() * jitterMs : 0
    const powerCycle = to.powerCycles
    this.clock.at(sentAt + latencyMs + jitter, () => {
      const through = !dropped && !link.cut && to.on && from.on && to.powerCycles === powerCycle
      if (through) arrive()
      else lost()
    })
  }

  #link(a: Host, b: Host): Link {
    const key = a.name < b.name ? `${a.name} ${b.name}` : `${b.name} ${a.name}`
    let link = this.#links.get(key)
    if (link === undefined) {
      link = { quality: localLink, cut: false, freeAt: new Map() }
      if (a === b) link.quality = { latencyMs: 0.01, jitterMs: 0, loss: 0, bytesPerMs: Infinity }
      this.#links.set(key, link)
    }
    return link
  }
}

/** One machine. Processes on it come and go; its addresses stay. */
export class Host {
  readonly name: string
  readonly addresses: readonly Address[]
  #on = true
  #powerCycles = 0
  #nextPort = 32_768
  readonly #powerListeners = new Set<() => void>()

  constructor(name: string, addresses: Address[]) {
    this.name = name
    this.addresses = addresses
  }

  get on(): boolean {
    return this.#on
  }

  get powerCycles(): number {
    return this.#powerCycles
  }

  /** Everything on it is gone at once and nobody is told. */
  powerOff(): void {
    this.#on = false
    this.#powerCycles++
    for (const listener of this.#powerListeners) listener()
  }

  powerOn(): void {
    this.#on = true
  }

  onPowerOff(listener: () => void): void {
    this.#powerListeners.add(listener)
  }

  has(address: Address): boolean {
    return this.addresses.includes(address)
  }

  /** The address that it uses by itself in this version, link-local ones left out. */
  addressOf(version: IpVersion): Address | undefined {
    return this.addresses.find((address) => versionOf(address) === version && !isLinkLocal(address))
  }

  /** The next port for a socket that did not ask for one (RFC 6335 §6). */
  ephemeralPort(): number {
    const port = this.#nextPort
    this.#nextPort = port === 60_999 ? 32_768 : port + 1
    return port
  }
}
