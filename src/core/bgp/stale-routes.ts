/**
 * Routes of a neighbour that are kept although they may be out of date: over its restart (RFC 4724 §4.2), for long (RFC 9494
 * §4.2), or while it sends them anew (RFC 7313 §4). Here is when each family's end; `sessions.ts` tells the RIB.
 */
import type { GracefulRestartConfig } from './config.ts'
import type { Family } from './family.ts'
import type { StaleStatus } from './io.ts'
import type { Negotiated } from './session/io.ts'

/** By family; one that is not in it has no stale routes. */
export type StaleRoutes = Map<Family, StaleFamily>

export interface StaleFamily {
  phase: StaleStatus['phase']
  /** Time at which the phase ends by itself. */
  until: number
  /** How long they are kept beyond the restart time; 0: not at all. */
  longLivedMs: number
}

/** Longest wait for the End-of-RIB or the end of a refresh (RFC 4724 §4.2 and RFC 7313 §4 ask for a bound). */
export const arrivalMs = 360_000

/**
 * The session was lost so that routes may be kept: the families that are, by how long. `config`: this side's; it bounds how
 * long routes live on (RFC 9494 §4.2).
 */
export function keptAfterLoss(
  { gracefulRestart }: Negotiated,
  config: GracefulRestartConfig | undefined,
  now: number,
): StaleRoutes {
  const kept: StaleRoutes = new Map()
  if (gracefulRestart === undefined) return kept
  const { restartSeconds, families, longLived } = gracefulRestart
  for (const family of new Set([...families, ...longLived].map((each) => each.family))) {
    const theirs = longLived.find((each) => each.family === family)?.staleSeconds ?? 0
    const longLivedMs = 1000 * Math.min(theirs, config?.longLivedSeconds ?? 0)
    // RFC 9494 §4.2: a family that only the long-lived capability lists has a restart time of 0, and that goes straight on to
    // the long-lived phase.
    const waitMs = families.some((each) => each.family === family) ? 1000 * restartSeconds : 0
    if (waitMs === 0 && longLivedMs === 0) continue
    kept.set(family, { phase: 'waiting', until: now + waitMs, longLivedMs })
  }
  return kept
}

/** The session is back: takes the families out of `stale` whose routes are not kept on, and gives them. */
export function notKeptOn(stale: StaleRoutes, { gracefulRestart }: Negotiated, now: number): Family[] {
  const dropped: Family[] = []
  for (const [family, each] of stale) {
    // RFC 4724 §4.2: without the family or its F bit in the new OPEN, forwarding stopped. RFC 9494 §4.2: likewise there.
    const offers = each.phase === 'longLived' ? gracefulRestart?.longLived : gracefulRestart?.families
    if (offers?.some((offer) => offer.family === family && offer.forwarding) === true) {
      // RFC 9494 §4.2: the long-lived stale time runs on until End-of-RIB.
      const until = Math.min(now + arrivalMs, each.phase === 'longLived' ? each.until : Infinity)
      stale.set(family, { ...each, phase: 'arriving', until })
    } else {
      stale.delete(family)
      dropped.push(family)
    }
  }
  return dropped
}

/** What time has made of `stale`, which is changed: families whose routes are forgotten, and those that live on for long. */
export function expired(stale: StaleRoutes, now: number): { forgotten: Family[]; longLived: Family[] } {
  const forgotten: Family[] = []
  const longLived: Family[] = []
  for (const [family, { phase, until, longLivedMs }] of stale) {
    if (until > now) continue
    if (phase === 'waiting' && longLivedMs > 0) {
      stale.set(family, { phase: 'longLived', until: now + longLivedMs, longLivedMs: 0 })
      longLived.push(family)
    } else {
      stale.delete(family)
      forgotten.push(family)
    }
  }
  return { forgotten, longLived }
}

/** Time at which `expired` has something to say; Infinity: never. */
export function staleDeadline(stale: StaleRoutes): number {
  let deadline = Infinity
  for (const { until } of stale.values()) deadline = Math.min(deadline, until)
  return deadline
}
