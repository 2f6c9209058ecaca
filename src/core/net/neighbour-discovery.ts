/**
 * Who is at the other end of a link without addresses: routers find each other's link-local addresses by advertising
 * themselves (RFC 4861 §6). The contract only: the real one is `host/neighbour-discovery.ts`.
 */
import type { Address } from './address.ts'

export interface NeighbourDiscovery {
  /** Advertises this machine on the interface, and tells who else does, until it is closed. Never throws. */
  watch(interfaceName: string, handlers: DiscoveryHandlers): { close(): void }
}

export interface DiscoveryHandlers {
  /** Told at every advertisement; never inside `watch`. */
  discovered(address: Address): void
  /** It does not work now, and is tried again until it does. */
  failed(reason: string): void
}
