/** The next hop that a path is sent with (RFC 4271 §5.1.3, RFC 2545 §3, RFC 8950 §3). */
import { isLinkLocal, versionOf, type Address } from '#core/net/address.ts'
import type { Family } from '../family.ts'
import type { Accepted } from '../policy/chain.ts'
import type { NextHop } from '../wire/message.ts'
import type { ExportTarget } from './export.ts'
import type { PathSource } from './path-source.ts'

export type ChosenNextHop =
  /** `self`: it is an address of this speaker. */
  | { kind: 'chosen'; nextHop: NextHop; self: boolean }
  /** None can be expressed. */
  | { kind: 'none'; reason: string }

/** Next hop of an own route that takes the session's local address: the unspecified address, as tables show it. */
function isSelf(nextHop: Address): boolean {
  return nextHop === '0.0.0.0' || nextHop === '::'
}

export function chooseNextHop(
  target: ExportTarget,
  family: Family,
  source: PathSource,
  accepted: Accepted,
): ChosenNextHop {
  const { nextHop } = accepted.attributes
  // A link-local address means nothing beyond its link.
  const keepable = !isSelf(nextHop) && !isLinkLocal(nextHop)
  const version = family === 'ipv4/unicast' ? 4 : 6
  if (!keepable || !keeps(target, source, accepted)) return ownNextHop(target, family, version)
  if (versionOf(nextHop) === version || target.extendedNextHop.includes(family))
    return { kind: 'chosen', nextHop: { global: nextHop }, self: false }
  const reason = `its next hop ${nextHop} is not an IPv${version} address, and the neighbour takes no other (RFC 8950)`
  return { kind: 'none', reason }
}

/** What the policy says, else what the peer's configuration says, else the protocol. */
function keeps(target: ExportTarget, source: PathSource, { nextHop }: Accepted): boolean {
  if (nextHop === 'address' || nextHop === 'keep') return true
  // To a neighbour, "the peer" is this speaker.
  if (nextHop === 'self' || nextHop === 'peer') return false
  if (target.nextHop === 'self') return false
  if (target.nextHop === 'keep') return true
  // RFC 7947 §2.2.1; own routes say their own; else it leaves by this speaker, and never by a third party.
  if (target.kind === 'external') return target.routeServerClient === true || source.kind === 'own'
  // RFC 4456 §10: reflection leaves it alone; RFC 5065 §5.2: a confederation may.
  return true
}

function ownNextHop(target: ExportTarget, family: Family, version: 4 | 6): ChosenNextHop {
  const { localAddress, localAddressOtherVersion, extendedNextHop } = target
  if (versionOf(localAddress) === version) return chosen(target, localAddress)
  if (localAddressOtherVersion !== undefined) return chosen(target, localAddressOtherVersion)
  if (extendedNextHop.includes(family)) return chosen(target, localAddress)
  const reason = `there is no IPv${version} address on the interface of ${localAddress} to be its next hop`
  return { kind: 'none', reason }
}

/** RFC 2545 §3, RFC 8950 §3: with a neighbour on the same link the link-local address goes beside a global one. */
function chosen({ localLinkLocal }: ExportTarget, global: Address): ChosenNextHop {
  const pair = localLinkLocal !== undefined && versionOf(global) === 6 && !isLinkLocal(global)
  return { kind: 'chosen', nextHop: pair ? { global, linkLocal: localLinkLocal } : { global }, self: true }
}
