/** What a peer says together with its group: the peer's own fields count alone, those that it leaves out are the group's. */
import { sourceOf, type Derived, type DerivedPeer, type NativeSet } from './native-set.ts'
import type { Problem } from '#core/lib/reason.ts'
import type { BGPPeerGroup } from '#core/schema/bgp-peer-group.ts'
import type { BGPPeer } from '#core/schema/bgp-peer.ts'
import { refOf } from '#core/schema/object.ts'
import { peerChecks, type PeerSettings } from '#core/schema/peer-settings.ts'

/**
 * The peer with what it gets from its group; reasons from it name the object that says so. A problem is why it cannot work:
 * then the peer is what it says alone.
 */
export function withGroup(
  { groups }: NativeSet,
  peer: DerivedPeer,
): { derived: DerivedPeer; problem?: Problem } {
  const { spec } = peer.resource
  if (spec.group === undefined) return { derived: peer }
  const group = groups.find(({ resource }) => resource.metadata.name === spec.group)
  if (group === undefined) {
    const problem = {
      rule: 'UnknownName',
      message: `there is no valid BGPPeerGroup "${spec.group}", so the session is held down`,
      hint: 'create it, or mend the name',
      ...sourceOf(peer, 'spec.group'),
      other: { kind: 'BGPPeerGroup', name: spec.group },
    }
    return { derived: peer, problem }
  }
  const inherited = group.resource.spec
  const timers = { ...inherited.timers, ...spec.timers }
  const merged = {
    ...inherited,
    ...spec,
    ...((inherited.timers ?? spec.timers) !== undefined && { timers }),
  }
  const derived = {
    ...peer,
    resource: { ...peer.resource, spec: merged },
    sourceFields: { ...inheritedFields(group, spec), ...peer.sourceFields },
  }
  const broken = peerChecks.find(({ holds }) => !holds(merged))
  const field = `spec.${broken?.path ?? 'group'}`
  const problem =
    broken === undefined && (merged.asn !== undefined || merged.peerAs !== undefined)
      ? timersProblem(derived, merged, group)
      : {
          rule: 'InvalidValue',
          message: `together with its group: ${broken?.message ?? 'neither of the two says the AS number of the neighbour'}, so the session is held down`,
          hint: broken?.hint ?? 'add asn or peerAs to one of the two',
          ...sourceOf(peer, broken === undefined ? 'spec.group' : field),
          other: refOf(group.source),
        }
  return problem === undefined ? { derived } : { derived, problem }
}

function timersProblem(
  derived: Derived<BGPPeer>,
  { timers }: PeerSettings,
  group: Derived<BGPPeerGroup>,
): Problem | undefined {
  const { holdTimeSeconds = 0, keepaliveSeconds = 0 } = timers ?? {}
  if (holdTimeSeconds === 0 || keepaliveSeconds <= holdTimeSeconds) return undefined
  return {
    rule: 'InvalidValue',
    message: `together with its group: a keepalive time of ${keepaliveSeconds} is more than the hold time of ${holdTimeSeconds}, so the session is held down`,
    hint: 'write both in the same object',
    ...sourceOf(derived, 'spec.group'),
    other: refOf(group.source),
  }
}

function inheritedFields(
  group: Derived<BGPPeerGroup>,
  own: BGPPeer['spec'],
): NonNullable<Derived<BGPPeer>['sourceFields']> {
  const fields: NonNullable<Derived<BGPPeer>['sourceFields']> = {}
  for (const key of Object.keys(group.resource.spec) as (keyof PeerSettings)[]) {
    if (own[key] === undefined) fields[`spec.${key}`] = sourceOf(group, `spec.${key}`)
  }
  for (const key of Object.keys(group.resource.spec.timers ?? {}) as (keyof NonNullable<
    PeerSettings['timers']
  >)[]) {
    if (own.timers?.[key] === undefined) fields[`spec.timers.${key}`] = sourceOf(group, `spec.timers.${key}`)
  }
  return fields
}
