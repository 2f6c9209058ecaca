/** What an instance's port must know of the neighbours that may connect to it, before their first packet comes. */
import { unnumbered, type InstanceConfig, type PeerConfig } from '#core/bgp/config.ts'
import type { Address } from '#core/net/address.ts'
import { lengthOf, networkOf } from '#core/net/prefix.ts'
import type { TcpMinTtl, TcpPassword } from '#core/net/tcp.ts'

export interface Listen {
  port: number
  /** On these only; absent: on all. */
  addresses?: Address[]
  /** Of neighbours and of ranges of them. */
  passwords: TcpPassword[]
  /** RFC 5082, of neighbours and of ranges of them. */
  minTtls: TcpMinTtl[]
}

export function listenOf(
  { peers, listenRanges = [], listenAddresses: addresses }: InstanceConfig,
  port: number,
): Listen {
  const listen: Listen = {
    port,
    ...(addresses !== undefined && { addresses }),
    passwords: [],
    minTtls: [],
  }
  for (const peer of peers) if (peer.address !== unnumbered) add(listen, peer, { address: peer.address })
  for (const { prefix, template } of listenRanges)
    add(listen, template, { address: networkOf(prefix), prefixLength: lengthOf(prefix) })
  return listen
}

function add(
  { passwords, minTtls }: Listen,
  { password, authenticationOption, minTtl }: Omit<PeerConfig, 'address'>,
  whom: { address: Address; prefixLength?: number },
): void {
  if (password !== undefined) passwords.push({ ...whom, password })
  else if (authenticationOption !== undefined) passwords.push({ ...whom, authenticationOption })
  if (minTtl !== undefined) minTtls.push({ ...whom, minTtl })
}
