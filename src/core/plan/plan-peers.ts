/** The neighbours of an instance on a node. */
import type { PeerConfig } from '#core/bgp/config.ts'
import { compareSourceAge } from '#core/dialect/age.ts'
import { reasonFrom, sourceOf, type Derived } from '#core/dialect/native-set.ts'
import { compareText } from '#core/lib/order.ts'
import type { Reason } from '#core/lib/reason.ts'
import { address, type Address } from '#core/net/address.ts'
import type { BGPInstance } from '#core/schema/bgp-instance.ts'
import type { BGPPeer } from '#core/schema/bgp-peer.ts'
import { refOf, selectorMatches } from '#core/schema/object.ts'
import type { PlanContext } from './plan-context.ts'
import { passwordFrom } from './secret.ts'

export interface PlannedPeer {
  config: PeerConfig
  derived: Derived<BGPPeer>
}

/** `asn`: the instance's own on this node. Peers are in the order of their names. */
export function planPeers(
  context: PlanContext,
  instance: Derived<BGPInstance>,
  asn: number,
): { peers: PlannedPeer[]; peerReasons: Record<string, Reason[]> } {
  const byAddress = new Map<Address, PlannedPeer>()
  const reasons = new Map<string, Reason[]>()
  const instanceName = instance.resource.metadata.name
  for (const derived of context.set.peers.toSorted(compareSourceAge)) {
    const { spec, metadata } = derived.resource
    if (spec.instances !== undefined && !spec.instances.includes(instanceName)) continue
    if (!selectorMatches(spec.nodeSelector ?? {}, context.node.metadata.labels ?? {})) continue
    const older = byAddress.get(address(spec.address))
    if (older !== undefined) {
      context.problems.push({
        rule: 'ConflictingPeer',
        message: `${spec.address} is a neighbour of ${instanceName} already by the older ${older.derived.resource.metadata.name}`,
        hint: 'remove one of the two, or let them select other nodes',
        ...sourceOf(derived, 'spec.address'),
        other: refOf(older.derived.source),
        nodes: [context.node.metadata.name],
      })
      continue
    }
    const peerReasons = [
      reasonFrom(derived, 'spec.address', 'ConfiguredPeer', `${spec.address} is configured as a neighbour`),
    ]
    byAddress.set(address(spec.address), { derived, config: configOf(context, derived, asn, peerReasons) })
    reasons.set(metadata.name, peerReasons)
  }
  const peers = [...byAddress.values()].toSorted((a, b) => compareText(a.config.name, b.config.name))
  const peerReasons = Object.fromEntries(
    peers.map(({ config }) => [config.name, reasons.get(config.name) ?? []]),
  )
  return { peers, peerReasons }
}

function configOf(
  context: PlanContext,
  derived: Derived<BGPPeer>,
  asn: number,
  reasons: Reason[],
): PeerConfig {
  const { spec, metadata } = derived.resource
  const internal = spec.asn === asn
  reasons.push(
    reasonFrom(
      derived,
      internal ? 'spec.asn' : 'spec.multihopTtl',
      internal ? 'InternalPeer' : 'ExternalPeer',
      internal ? `it has our AS number ${asn}, so this is iBGP` : `its packets have TTL ${spec.multihopTtl}`,
    ),
  )
  const config: PeerConfig = {
    name: metadata.name,
    address: address(spec.address),
    port: spec.port,
    asn: spec.asn,
    ...(spec.sourceAddress !== undefined && { sourceAddress: address(spec.sourceAddress) }),
    passive: spec.passive,
    families: spec.families.toSorted(compareText),
    // Neighbours inside an AS need not share a link.
    ttl: internal ? 255 : spec.multihopTtl,
    timers: { ...spec.timers },
    importRoutes: spec.importRoutes,
    exportLearned: spec.exportLearned,
  }
  if (spec.passwordSecret === undefined) return config
  const password = passwordFrom(context.snapshot.secrets, spec.passwordSecret)
  if (password.ok) {
    reasons.push(
      reasonFrom(derived, 'spec.passwordSecret', 'PasswordFromSecret', 'its password is in this Secret'),
    )
    return { ...config, password: password.value }
  }
  const { namespace, name } = spec.passwordSecret
  const other = { kind: 'Secret', namespace, name }
  reasons.push(reasonFrom(derived, 'spec.passwordSecret', 'MissingSecret', password.error))
  context.problems.push({
    rule: 'MissingSecret',
    message: `${password.error}, so the session with ${spec.address} is held down`,
    hint: `create the Secret with the key "${spec.passwordSecret.key}"`,
    ...sourceOf(derived, 'spec.passwordSecret'),
    other,
  })
  return { ...config, heldDown: password.error }
}
