/**
 * Routes of a neighbour that are kept although they may be out of date: over its restart (RFC 4724 §4.2), for long (RFC 9494
 * §4.2), or while it sends them anew (RFC 7313 §4). Here is when each family's end; `sessions.ts` tells the RIB.
 *
 * A family has one of each timer, however often its neighbour is lost again before it has sent all it knows: the stale timer
 * runs from the first loss, the long-lived one from when the first wait was over. So what nobody says again always ends.
 */
import type { GracefulRestartConfig } from './config.ts'
import type { Family } from './family.ts'
import type { StaleStatus } from './io.ts'
import type { Negotiated } from './session/io.ts'

/** By family; one that is not in it has no stale routes. */
export type StaleRoutes = Map<Family, StaleFamily>

export interface StaleFamily {
  /** `overdue`: none is left, but the neighbour has yet to send End-of-RIB (RFC 9494 §4.2). */
  phase: StaleStatus['phase'] | 'overdue'
  /** Time at which the phase ends by itself. */
  until: number
  /** End of the stale timer (RFC 8538 §4.1). */
  staleUntil: number
  /** How long they are kept beyond that and the restart time; 0: not at all. */
  longLivedMs: number
  /** End of the long-lived stale timer, once it runs. */
  longLivedUntil?: number
}

/** What becomes of a neighbour's routes when its session is lost. */
export interface Loss {
  stale: StaleRoutes
  /** Families of it whose routes that were stale before are kept, too. */
  older: Family[]
}

/** Longest wait for the end of a refresh: RFC 7313 §4 asks for a bound. */
export const refreshMs = 360_000

/** Of the stale timer, where the configuration does not say. */
export const staleMsDefault = 360_000

/**
 * The session was lost so that routes may be kept: the families that are, by how long. `config`: this side's; it bounds how
 * long routes live on (RFC 9494 §4.2). `before`: those that were stale already.
 */
export function keptAfterLoss(
  before: StaleRoutes,
  { gracefulRestart }: Negotiated,
  config: GracefulRestartConfig | undefined,
  now: number,
): Loss {
  const stale: StaleRoutes = new Map()
  const older: Family[] = []
  if (gracefulRestart === undefined) return { stale, older }
  const { restartSeconds, families, longLived, notification } = gracefulRestart
  for (const family of new Set([...families, ...longLived].map((each) => each.family))) {
    const previous = before.get(family)
    // RFC 9494 §4.2: the long-lived stale timer ended while the neighbour was still sending: the rest goes at the next loss.
    if (previous?.phase === 'overdue') continue
    if (previous?.longLivedUntil !== undefined) {
      // RFC 9494 §4.2: consecutive restarts neither end it nor change the timer.
      older.push(family)
      stale.set(family, { ...previous, phase: 'longLived', until: previous.longLivedUntil })
      continue
    }
    const theirs = longLived.find((each) => each.family === family)?.staleSeconds ?? 0
    const longLivedMs = 1000 * Math.min(theirs, config?.longLivedSeconds ?? 0)
    // RFC 9494 §4.2: a family that only the long-lived capability lists has a restart time of 0, and that goes straight on to
    // the long-lived phase.
    const waitMs = families.some((each) => each.family === family) ? 1000 * restartSeconds : 0
    if (waitMs === 0 && longLivedMs === 0) continue
    // RFC 4724 §4.2: what was stale before goes now. RFC 8538 §4.1 and RFC 9494 §4.2: it does not, until its time is over. That
    // is now where the neighbour could not come back in what is left of it: what is stale only now has the whole time.
    const lasts = previous !== undefined && (longLivedMs > 0 || previous.staleUntil - now >= waitMs)
    const keepsOlder = lasts && (notification || longLivedMs > 0)
    if (keepsOlder) older.push(family)
    const staleUntil = keepsOlder ? previous.staleUntil : now + staleMs(config)
    stale.set(family, {
      phase: 'waiting',
      until: Math.min(now + waitMs, staleUntil),
      staleUntil,
      longLivedMs,
    })
  }
  return { stale, older }
}

/**
 * The session is back: takes the families out of `stale` whose routes are not kept on, and gives them. `config`: this side's.
 */
export function notKeptOn(
  stale: StaleRoutes,
  { gracefulRestart }: Negotiated,
  config: GracefulRestartConfig | undefined,
  now: number,
): Family[] {
  const dropped: Family[] = []
  for (const [family, each] of stale) {
    // RFC 4724 §4.2: without the family or its F bit in the new OPEN, forwarding stopped. RFC 9494 §4.2: likewise there.
    const offers = each.phase === 'longLived' ? gracefulRestart?.longLived : gracefulRestart?.families
    if (offers?.some((offer) => offer.family === family && offer.forwarding) === true) {
      // RFC 4724 §4.2: nobody is waited for without a bound. RFC 9494 §4.2: the long-lived stale time runs on until End-of-RIB.
      const until =
        each.longLivedUntil === undefined
          ? each.staleUntil
          : Math.min(now + staleMs(config), each.longLivedUntil)
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
  for (const [family, each] of stale) {
    if (each.until > now) continue
    if (each.phase === 'waiting' && each.longLivedMs > 0) {
      const longLivedUntil = now + each.longLivedMs
      stale.set(family, { ...each, phase: 'longLived', until: longLivedUntil, longLivedUntil })
      longLived.push(family)
      continue
    }
    const { phase, longLivedUntil = Infinity } = each
    if (phase === 'arriving' && longLivedUntil <= now)
      stale.set(family, { ...each, phase: 'overdue', until: Infinity })
    else stale.delete(family)
    forgotten.push(family)
  }
  return { forgotten, longLived }
}

/** Time at which `expired` has something to say; Infinity: never. */
export function staleDeadline(stale: StaleRoutes): number {
  let deadline = Infinity
  for (const { until } of stale.values()) deadline = Math.min(deadline, until)
  return deadline
}

/** As it is shown. */
export function staleStatus(stale: StaleRoutes): StaleStatus[] {
  return [...stale].flatMap(([family, { phase, until }]) =>
    phase === 'overdue' ? [] : { family, phase, until },
  )
}

function staleMs(config: GracefulRestartConfig | undefined): number {
  return config?.stalePathSeconds === undefined ? staleMsDefault : 1000 * config.stalePathSeconds
}
