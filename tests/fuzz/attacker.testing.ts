/** Neighbours that send what they should not: what they are to the speaker, and what the oracles say of them. */
import { address, type Address } from '#core/net/address.ts'
import type { PeerConfig } from '#core/bgp/config.ts'
import { families, type Family } from '#core/bgp/family.ts'
import type { UpdateContext } from '#core/bgp/wire/context.ts'
import type { Capabilities, Message } from '#core/bgp/wire/message.ts'

/** Those with a connection. */
export type State = 'openSent' | 'openConfirm' | 'established'

export interface Attacker {
  peer: PeerConfig
  address: Address
  asn: number
  capabilities: Capabilities
  context: UpdateContext
  connection: number | undefined
  state: State
  /** What the oracle says it has announced and not withdrawn. */
  held: Record<Family, Set<string>>
}

export const localAddress = address('192.0.2.1')
export const localAddressOtherVersion = address('2001:db8::1')
export const localAsn = 65001

export function attacker(
  name: string,
  host: number,
  asn: number,
  capabilities: Capabilities,
  options: Partial<PeerConfig> = {},
): Attacker {
  const peer: PeerConfig = {
    name,
    address: address(`192.0.2.${host}`),
    port: 179,
    asn,
    passive: true,
    families: [...families],
    ttl: 1,
    timers: { connectRetrySeconds: 5, holdTimeSeconds: 0, keepaliveSeconds: 30 },
    importRoutes: true,
    exportLearned: true,
    ...options,
  }
  const context: UpdateContext = {
    kind: asn === localAsn ? 'ibgp' : 'ebgp',
    fourOctetAsn: capabilities.fourOctetAsn,
    families: capabilities.families,
    extendedNextHop: [],
    ends: { localAddress, localAddressOtherVersion },
  }
  if (options.addPath !== undefined) context.addPathReceive = families
  return {
    peer,
    address: peer.address,
    asn,
    capabilities,
    context,
    connection: undefined,
    state: 'openSent',
    held: { 'ipv4/unicast': new Set(), 'ipv6/unicast': new Set() },
  }
}

/** Its OPEN as it should be. */
export function openOf({
  asn,
  address: routerId,
  capabilities,
}: Attacker): Exclude<Message, { kind: 'update' }> {
  return { kind: 'open', version: 4, asn, holdTimeSeconds: 90, routerId, capabilities }
}
