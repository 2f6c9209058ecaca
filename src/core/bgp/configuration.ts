/** Makes a speaker do what its configuration says (compared as a whole with what it did before). */
import { covers } from '#core/net/prefix.ts'
import { dynamicPeer } from './accept.ts'
import { type BgpState, showTap } from './bgp-state.ts'
import type { InstanceConfig, ListenRange, PeerConfig } from './config.ts'
import type { ConnectionEnds } from './io.ts'
import { type Neighbour, mustRestart, sessionConfigOf } from './neighbour.ts'
import { noMessages } from './peer-status.ts'
import { beginRestart } from './restarter.ts'
import { ownOrigin, ribSession } from './rib-session.ts'
import { Ingest } from './rib/ingest.ts'
import { type NeighbourPolicy, Rib } from './rib/rib.ts'
import { initialSession } from './session/session.ts'
import { checkLimit, startSession, stopSession } from './sessions.ts'
import { ceaseSubcode } from './wire/notification.ts'

/** Compares whole configurations: what is equal is left alone, whatever else changed. */
export function configure(bgp: BgpState, config: InstanceConfig): void {
  const old = bgp.config
  if (old === undefined || bgp.rib === undefined || isOtherSpeaker(old, config)) {
    for (const neighbour of bgp.neighbours.values())
      removeNeighbour(bgp, neighbour, ceaseSubcode.otherConfigurationChange)
    const seed = bgp.random.u32()
    bgp.rib = new Rib({ seed, ownAsn: ownOrigin(config) })
    bgp.ingest = new Ingest(bgp.rib, seed)
  }
  if (old !== undefined && config.taps !== undefined && rulesOf(old) !== rulesOf(config))
    showTap(bgp, { kind: 'reevaluated' })
  if (old === undefined) bgp.restarter = beginRestart(config, bgp.now)
  bgp.rib.setDecision({ alwaysCompareMed: config.alwaysCompareMed ?? false })
  bgp.rib.maxPaths = config.maxPaths ?? { external: 1, internal: 1 }
  bgp.rib.setDeferred(bgp.restarter !== undefined)
  bgp.rib.setComplete(config.routesComplete ?? true)
  bgp.config = config
  bgp.policies.configure(config.policies ?? [])
  const wanted = new Map(config.peers.map((peer) => [peer.name, peer]))
  for (const neighbour of bgp.neighbours.values()) {
    const range = rangeOf(neighbour, config)
    if (range !== undefined) wanted.set(neighbour.config.name, dynamicPeer(range, remoteOf(neighbour)))
    if (!wanted.has(neighbour.config.name)) removeNeighbour(bgp, neighbour, ceaseSubcode.peerDeconfigured)
  }
  for (const peer of wanted.values()) configurePeer(bgp, old ?? config, config, peer)
  setOwnRoutes(bgp, config)
}

/** A neighbour came out of a listen range: what it gets of the own routes, which stay as they are for all others. */
export function addOwnRoutesFor(bgp: BgpState, { routes }: InstanceConfig, neighbour: Neighbour): void {
  const names = namesOf(neighbour)
  const own = routes.flatMap(({ prefix, to }) => {
    const mine = to.find(({ peer }) => names.includes(peer))
    return mine === undefined ? [] : { prefix, attributes: mine.attributes }
  })
  bgp.rib!.addOwnRoutesFor(neighbour.slot, own, bgp.now)
}

/** A new neighbour, with a place in the RIB and a session that is not started yet. */
export function addNeighbour(bgp: BgpState, instance: InstanceConfig, peer: PeerConfig): Neighbour {
  const neighbour: Neighbour = {
    config: peer,
    sessionConfig: sessionConfigOf(instance, peer, false),
    session: initialSession,
    stale: new Map(),
    slot: bgp.rib!.addNeighbour(policyOf(peer)),
    flaps: 0,
    sent: noMessages(),
    received: noMessages(),
    updateFaults: 0,
    nearLimit: new Map(),
  }
  bgp.neighbours.set(peer.name, neighbour)
  bgp.bySlot[neighbour.slot] = neighbour
  return neighbour
}

/** Ends the session and forgets everything of the neighbour. `subcode`: of Cease. */
export function removeNeighbour(bgp: BgpState, neighbour: Neighbour, subcode: number): void {
  stopSession(bgp, neighbour, { subcode })
  bgp.restarter?.waiting.delete(neighbour.config.name)
  bgp.rib!.removeNeighbour(neighbour.slot)
  bgp.bySlot[neighbour.slot] = undefined
  bgp.neighbours.delete(neighbour.config.name)
  // Its deadlines are gone: which is the next one now is found out in this call.
  bgp.wakeAt = 0
  for (const [connection, link] of bgp.links) if (link.neighbour === neighbour) bgp.links.delete(connection)
}

/** Own routes as configured, for the neighbours that there are now. */
function setOwnRoutes(bgp: BgpState, { routes }: InstanceConfig): void {
  const slots = new Map<string, number[]>()
  for (const neighbour of bgp.neighbours.values())
    for (const name of namesOf(neighbour)) slots.set(name, [...(slots.get(name) ?? []), neighbour.slot])
  const own = routes.map(({ prefix, to }) => ({
    prefix,
    attributes: to[0]?.attributes ?? {},
    to: to.flatMap(({ peer, attributes }) => (slots.get(peer) ?? []).map((slot) => ({ slot, attributes }))),
  }))
  bgp.rib!.setOwnRoutes(own, bgp.now)
}

/** As own routes may call it: the name of a range's template stands for all that were made from it. */
function namesOf({ config, dynamic }: Neighbour): string[] {
  return dynamic === undefined ? [config.name] : [config.name, dynamic.range]
}

function configurePeer(
  bgp: BgpState,
  oldInstance: InstanceConfig,
  instance: InstanceConfig,
  peer: PeerConfig,
): void {
  const rib = bgp.rib!
  const known = bgp.neighbours.get(peer.name)
  if (known === undefined) {
    startSession(bgp, addNeighbour(bgp, instance, peer))
    return
  }
  const old = known.config
  const restart = mustRestart([oldInstance, old], [instance, peer])
  const { heldDown, shutdownText } = peer
  if (heldDown !== undefined && old.heldDown === undefined)
    stopSession(bgp, known, {
      subcode: ceaseSubcode.administrativeShutdown,
      ...(shutdownText === undefined ? {} : { text: shutdownText }),
    })
  if (restart)
    stopSession(bgp, known, {
      subcode: ceaseSubcode.otherConfigurationChange,
      manner: isOtherRouter(old, peer) ? 'end' : 'restart',
    })
  known.config = peer
  known.sessionConfig = sessionConfigOf(instance, peer, known.since !== undefined)
  rib.setPolicy(known.slot, policyOf(peer))
  // Routes that are kept over a restart obey the policies of now, too, and not only when it is over.
  const negotiated = known.established?.negotiated ?? known.lost
  if (negotiated !== undefined)
    rib.changeSession(known.slot, ribSession(instance, peer, negotiated, bgp.policies))
  const limits = JSON.stringify(old.prefixLimits) !== JSON.stringify(peer.prefixLimits)
  if (limits) {
    delete known.breach
    known.nearLimit.clear()
    for (const family of peer.families) checkLimit(bgp, known, family)
  }
  const pause = restart && old.heldDown === undefined
  if (restart || limits || old.heldDown !== peer.heldDown) startSession(bgp, known, pause)
}

/** RFC 4271 §4.2: AS number and BGP identifier are in every OPEN, so every session must start anew. */
function isOtherSpeaker(a: InstanceConfig, b: InstanceConfig): boolean {
  return a.asn !== b.asn || a.routerId !== b.routerId || a.confederation?.id !== b.confederation?.id
}

/** What the one sent before is nothing that the other keeps forwarding by (RFC 4724 §4.2). */
function isOtherRouter(a: PeerConfig, b: PeerConfig): boolean {
  const otherAs = a.asn !== 0 && b.asn !== 0 && a.asn !== b.asn
  return otherAs || a.address !== b.address || a.interface !== b.interface
}

function policyOf({ importRoutes, exportLearned }: PeerConfig): NeighbourPolicy {
  return { importRoutes, exportLearned }
}

/** The range that a dynamic neighbour belongs to, as it is configured now. */
function rangeOf(
  { config, dynamic }: Neighbour,
  { listenRanges = [] }: InstanceConfig,
): ListenRange | undefined {
  return listenRanges.find(
    ({ prefix, template }) => template.name === dynamic?.range && covers(prefix, config.address),
  )
}

function remoteOf({ config }: Neighbour): Pick<ConnectionEnds, 'remoteAddress' | 'interface'> {
  const { address: remoteAddress } = config
  return config.interface === undefined ? { remoteAddress } : { remoteAddress, interface: config.interface }
}

/** What decides about routes that have come in. */
function rulesOf({ peers, policies }: InstanceConfig): string {
  return JSON.stringify([
    policies,
    peers.map(({ name, importRoutes, importPolicy }) => [name, importRoutes, importPolicy]),
  ])
}
