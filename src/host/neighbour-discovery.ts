/** Neighbour discovery on Linux: router messages on one interface, by a raw socket out and a packet socket in. */
import {
  allNodes,
  allRouters,
  parseRouterMessage,
  routerAdvertisement,
  routerSolicitation,
} from '#core/net/router-message.ts'
import { messageOf } from '#core/lib/error.ts'
import { isLinkLocal, type Address } from '#core/net/address.ts'
import type { DiscoveryHandlers, NeighbourDiscovery } from '#core/net/neighbour-discovery.ts'
import { SystemError, libc } from './libc.ts'
import { routerMessageFilter } from './packet-filter.ts'
import { openPacketSocket, type PacketSocket } from './packet-socket.ts'
import { joinGroup, openRouterSocket, sendRouterMessage } from './socket-linux.ts'
import { Refusal } from './tcp-errors.ts'

/** Between advertisements, ms: a neighbour that starts finds this one within it even if its solicitation is lost. */
const advertiseMs = 10_000
/** RFC 4861 §10 MAX_RTR_SOLICITATIONS and RTR_SOLICITATION_INTERVAL. */
const solicitationsMax = 3
const solicitMs = 4_000
/** Between answers to solicitations, ms: whoever floods the link with them gets no more. */
const answerMs = 50
const retryMs = 2_000

/** Throws {@link UnsupportedHost} where there is no Linux or no koffi. */
export function linuxDiscovery(): NeighbourDiscovery {
  libc()
  return { watch: (interfaceName, handlers) => new Watch(interfaceName, handlers) }
}

class Watch {
  readonly #interface: string
  readonly #handlers: DiscoveryHandlers
  #packets: PacketSocket | undefined
  #raw = -1
  #solicitations = 0
  #answeredAt = -Infinity
  readonly #timers = new Set<NodeJS.Timeout>()
  #closed = false

  constructor(interfaceName: string, handlers: DiscoveryHandlers) {
    this.#interface = interfaceName
    this.#handlers = handlers
    this.#after(0, () => this.#open())
  }

  close(): void {
    this.#closed = true
    this.#shut()
  }

  #open(): void {
    try {
      const index = libc().ifNameToIndex(this.#interface)
      if (index === 0) throw new Refusal(`there is no network interface ${this.#interface}`)
      this.#raw = openRouterSocket(this.#interface, index)
      joinGroup(this.#raw, allRouters, index)
      this.#packets = openPacketSocket(
        { filter: routerMessageFilter(), interfaceName: this.#interface },
        { packet: (packet) => this.#received(packet), ended: (reason) => this.#fail(reason) },
      )
    } catch (error) {
      return this.#fail(this.#explain(error))
    }
    this.#solicitations = 0
    this.#advertise()
    this.#solicit()
  }

  #received(packet: Uint8Array): void {
    const message = parseRouterMessage(packet)
    if (message === undefined) return
    if (message.kind === 'advertisement') return this.#handlers.discovered(message.source)
    const now = performance.now()
    if (now - this.#answeredAt < answerMs) return
    this.#answeredAt = now
    // RFC 4861 §6.2.6: to whoever asks alone, or to all if it has no address yet.
    this.#send(isLinkLocal(message.source) ? message.source : allNodes, routerAdvertisement())
  }

  #advertise(): void {
    this.#send(allNodes, routerAdvertisement())
    // RFC 4861 §6.2.4: not in step with others.
    this.#after(advertiseMs * (0.75 + Math.random() / 4), () => this.#advertise())
  }

  /** RFC 4861 §6.3.7. */
  #solicit(): void {
    this.#send(allRouters, routerSolicitation())
    if (++this.#solicitations < solicitationsMax) this.#after(solicitMs, () => this.#solicit())
  }

  #send(to: Address, message: Uint8Array): void {
    if (this.#raw < 0) return
    try {
      sendRouterMessage(this.#raw, to, libc().ifNameToIndex(this.#interface), message)
    } catch (error) {
      this.#fail(this.#explain(error))
    }
  }

  #explain(error: unknown): string {
    if (!(error instanceof SystemError)) return messageOf(error)
    const what = `router advertisements on ${this.#interface}`
    return error.code === 'EPERM' || error.code === 'EACCES'
      ? `no permission for ${what}: they need root or CAP_NET_RAW`
      : `${what} do not work: ${error.message}`
  }

  #fail(reason: string): void {
    if (this.#closed) return
    this.#shut()
    this.#handlers.failed(reason)
    this.#after(retryMs, () => this.#open())
  }

  #shut(): void {
    for (const timer of this.#timers) clearTimeout(timer)
    this.#timers.clear()
    this.#packets?.close()
    this.#packets = undefined
    if (this.#raw >= 0) libc().close(this.#raw)
    this.#raw = -1
  }

  #after(ms: number, action: () => void): void {
    const timer = setTimeout(() => {
      this.#timers.delete(timer)
      action()
    }, ms)
    this.#timers.add(timer)
  }
}
