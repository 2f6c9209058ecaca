/** Peers that are known by their interface alone (docs/decisions/0009-unnumbered.md): which address each of them has now. */
import { unnumbered, type InstanceConfig, type PeerConfig } from '#core/bgp/config.ts'
import type { Address } from '#core/net/address.ts'

/** A router that has not advertised itself for so long may have been replaced by another one. */
const silentMs = 30_000

/** What is known of who is at the other end of each interface. */
export class Unnumbered {
  readonly #found = new Map<string, { address: Address; at: number }>()
  readonly #failures = new Map<string, string>()

  /**
   * Whether this is news. Of two routers on a link the first counts, as long as it advertises itself or `inSession` says
   * that it is spoken to.
   */
  discovered(name: string, address: Address, now: number, inSession: (address: Address) => boolean): boolean {
    const known = this.#found.get(name)
    if (known !== undefined && known.address !== address)
      if (now - known.at < silentMs || inSession(known.address)) return false
    this.#found.set(name, { address, at: now })
    const failed = this.#failures.delete(name)
    return failed || known?.address !== address
  }

  /** Whether this is news. Who was found before stays: the link may come back before the session is lost. */
  failed(name: string, reason: string): boolean {
    const other = this.#failures.get(name) !== reason
    this.#failures.set(name, reason)
    return other
  }

  /** Forgets all interfaces but these. */
  keepOnly(interfaces: readonly string[]): void {
    for (const map of [this.#found, this.#failures])
      for (const name of map.keys()) if (!interfaces.includes(name)) map.delete(name)
  }

  /** The configuration with the addresses that are known; peers that wait for theirs are held down. */
  resolved(config: InstanceConfig): InstanceConfig {
    if (interfacesOf(config).length === 0) return config
    return { ...config, peers: config.peers.map((peer) => this.#resolvedPeer(peer)) }
  }

  #resolvedPeer(peer: PeerConfig): PeerConfig {
    const name = peer.interface
    if (peer.address !== unnumbered || name === undefined) return peer
    const address = this.#found.get(name)?.address
    if (address !== undefined) return { ...peer, address }
    const why = this.#failures.get(name) ?? `no router has advertised itself on ${name} yet`
    return { ...peer, heldDown: peer.heldDown ?? why }
  }
}

/** Interfaces on which the instance has unnumbered peers. */
export function interfacesOf({ peers }: InstanceConfig): string[] {
  return peers.flatMap((peer) =>
    peer.address === unnumbered && peer.interface !== undefined ? [peer.interface] : [],
  )
}
