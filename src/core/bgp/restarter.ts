/**
 * This speaker's own graceful restart (RFC 4724 §4.1): after a start with the forwarding state preserved, what is learned is
 * not passed on until every neighbour that helps has sent all it knows, or a bound is reached. Own routes never wait for it.
 */
import type { InstanceConfig } from './config.ts'
import type { Family } from './family.ts'
import type { PeerStatus } from './io.ts'
import type { Negotiated } from './session/io.ts'

export interface Restarter {
  /** The Selection_Deferral_Timer: time at which no neighbour is waited for any longer. */
  until: number
  /** By name of the peer: families whose End-of-RIB is missing; undefined: it is not up yet. */
  waiting: Map<string, Set<Family> | undefined>
}

/** At the start; undefined: there is nobody to wait for. */
export function beginRestart({ restarted, peers }: InstanceConfig, now: number): Restarter | undefined {
  if (restarted !== true) return undefined
  const waiting: Restarter['waiting'] = new Map()
  let seconds = 0
  for (const { name, gracefulRestart, heldDown } of peers) {
    if (gracefulRestart === undefined || gracefulRestart.helperOnly || heldDown !== undefined) continue
    waiting.set(name, undefined)
    seconds = Math.max(seconds, gracefulRestart.deferralSeconds)
  }
  return waiting.size === 0 ? undefined : { until: now + 1000 * seconds, waiting }
}

/** The session with the peer is up. Not waited for: who sends no End-of-RIB, and who has restarted itself (RFC 4724 §4.1). */
export function cameUp({ waiting }: Restarter, peer: string, negotiated: Negotiated): void {
  const { gracefulRestart, families } = negotiated
  if (!waiting.has(peer)) return
  if (gracefulRestart === undefined || gracefulRestart.restarting) waiting.delete(peer)
  else waiting.set(peer, new Set(families))
}

/** The peer has sent all routes of the family. */
export function allArrived({ waiting }: Restarter, peer: string, family: Family): void {
  const missing = waiting.get(peer)
  missing?.delete(family)
  if (missing?.size === 0) waiting.delete(peer)
}

/** What is awaited of the peer, whose families are these while it is not up; undefined: nothing. */
export function awaitedFrom(
  { waiting, until }: Restarter,
  peer: string,
  families: readonly Family[],
): PeerStatus['awaited'] {
  return waiting.has(peer) ? { families: [...(waiting.get(peer) ?? families)], until } : undefined
}

/** Whether routes may be passed on. */
export function isOver({ waiting, until }: Restarter, now: number): boolean {
  return waiting.size === 0 || now >= until
}
