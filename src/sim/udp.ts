/** Datagrams on the simulated network: lost, delayed and reordered as the link says, never repeated. */
import { assert } from '#core/lib/assert.ts'
import { versionOf, type Address } from '#core/net/address.ts'
import type { Host, Network } from './network.ts'

export interface Datagram {
  localAddress: Address
  remoteAddress: Address
  remotePort: number
  /** IP TTL or hop limit at arrival. */
  ttl: number
  bytes: Uint8Array
}

export interface UdpSocket {
  /** `sourceAddress` absent: the host's own of that version. */
  send(to: { address: Address; port: number; ttl: number; sourceAddress?: Address }, bytes: Uint8Array): void
  close(): void
}

/** UDP of all hosts of one network. */
export class SimulatedUdp {
  readonly #network: Network
  readonly #sockets = new Map<string, (datagram: Datagram) => void>()

  constructor(network: Network) {
    this.#network = network
  }

  /** `port` 0: any free one. The port must not be taken. */
  bind(host: Host, port: number, received: (datagram: Datagram) => void): UdpSocket & { port: number } {
    const bound = port === 0 ? host.ephemeralPort() : port
    const key = `${host.name} ${bound}`
    assert(!this.#sockets.has(key), `UDP port ${bound} of ${host.name} is taken`)
    this.#sockets.set(key, received)
    host.onPowerOff(() => this.#sockets.delete(key))
    return {
      port: bound,
      send: ({ address, port, ttl, sourceAddress }, bytes) => {
        const source = sourceAddress ?? host.addressOf(versionOf(address))
        const target = this.#network.hostOf(address)
        if (source === undefined || target === undefined || !this.#sockets.has(key)) return
        const datagram = { localAddress: address, remoteAddress: source, remotePort: bound, ttl, bytes }
        this.#network.carry(host, target, bytes.length + 28, () =>
          this.#sockets.get(`${target.name} ${port}`)?.(datagram),
        )
      },
      close: () => void this.#sockets.delete(key),
    }
  }
}
