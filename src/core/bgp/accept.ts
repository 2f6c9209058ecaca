/** Whose a connection is that was accepted: a configured peer's, or one that a listen range makes a peer for. */
import { isLinkLocal } from '#core/net/address.ts'
import { covers, lengthOf } from '#core/net/prefix.ts'
import type { InstanceConfig, ListenRange, PeerConfig } from './config.ts'
import type { ConnectionEnds } from './io.ts'
import type { Neighbour } from './neighbour.ts'
import { comesFrom } from './transport.ts'

/**
 * Several peers may have one address: the local address and the interface tell them apart, and of those that are alike one
 * without a session is meant.
 */
export function acceptingNeighbour(
  neighbours: Iterable<Neighbour>,
  ends: ConnectionEnds,
): Neighbour | undefined {
  let found: Neighbour | undefined
  let foundRank = 0
  for (const neighbour of neighbours) {
    const { config, established } = neighbour
    if (!comesFrom(config, ends)) continue
    if (config.sourceAddress !== undefined && config.sourceAddress !== ends.localAddress) continue
    const rank =
      1 +
      (config.sourceAddress === undefined ? 0 : 4) +
      (config.interface === undefined ? 0 : 2) +
      (established === undefined ? 1 : 0)
    if (rank > foundRank) [found, foundRank] = [neighbour, rank]
  }
  return found
}

/** The longest range that the neighbour's address is in. */
export function acceptingRange(
  { listenRanges = [] }: InstanceConfig,
  ends: ConnectionEnds,
): ListenRange | undefined {
  let found: ListenRange | undefined
  for (const range of listenRanges) {
    const { prefix, template } = range
    if (!covers(prefix, ends.remoteAddress)) continue
    if (template.interface !== undefined && template.interface !== ends.interface) continue
    if (found === undefined || lengthOf(prefix) > lengthOf(found.prefix)) found = range
  }
  return found
}

/** The peer that a range makes for a neighbour: it waits to be connected to, and has a name of its own. */
export function dynamicPeer(
  { template }: ListenRange,
  ends: Pick<ConnectionEnds, 'remoteAddress' | 'interface'>,
): PeerConfig {
  const { remoteAddress: address } = ends
  const onLink = ends.interface !== undefined && isLinkLocal(address)
  return {
    ...template,
    name: `${template.name}-${address}${onLink ? `%${ends.interface}` : ''}`,
    address,
    ...(onLink && ends.interface !== undefined ? { interface: ends.interface } : {}),
    passive: true,
  }
}
