/** Which sessions a person means with a command. */
import { scopedAddress } from '#core/net/address.ts'
import type { PeerCommandRequest, PeerRow } from './contract/contract.ts'

/** Why nothing is done, with the HTTP status that says so. */
export interface Refusal {
  error: string
  hint?: string
  status: 404 | 409 | 502
}

export function isMeant(row: PeerRow, { peer, node, instance }: PeerCommandRequest): boolean {
  if (![row.peer, row.address, scopedAddress(row.address, row.interface)].includes(peer)) return false
  return (node ?? row.node) === row.node && (instance ?? row.instance) === row.instance
}

/** Why a command goes to none of these sessions, of which all are meant; undefined: it goes to all of them. */
export function refusalOf(meant: readonly PeerRow[], { peer, all }: PeerCommandRequest): Refusal | undefined {
  if (meant.length === 0) {
    return { error: `there is no peer "${peer}" here`, hint: '`herald get peers` lists them', status: 404 }
  }
  if (meant.length === 1 || all) return undefined
  const places = meant.map(({ node, instance }) => `${instance} on ${node}`)
  const shown = places.slice(0, 3).join(', ') + (places.length > 3 ? ` and ${places.length - 3} more` : '')
  return {
    error: `"${peer}" is a peer of ${shown}`,
    hint: 'name one with --node and --instance, or all with --all',
    status: 409,
  }
}
