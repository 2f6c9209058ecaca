/** How long a session's timers run (RFC 4271 §10), in milliseconds. */
import type { PeerTimers } from '../config.ts'
import type { Negotiated, SessionConfig, StepContext } from './io.ts'
import type { Backoff } from './state.ts'

/** RFC 4271 §8.2.2 suggests four minutes for the wait for an OPEN. */
export const openHoldMs = 240_000
/** A session that lasts this long clears what is held against its neighbour. */
export const stableMs = 60_000

/** Connections that were opened at once are both there within this time. */
export const collisionMs = 10_000

const firstBackoffMs = 1000
const maxBackoffMs = 60_000

/** RFC 4271 §10: 0.75 to 1 times the value, so that neighbours do not stay in step. */
export function jittered(ms: number, { fraction }: StepContext): number {
  return ms * (0.75 + 0.25 * fraction)
}

/** RFC 4271 §8.1.1 IdleHoldTimer: doubles with each failure in a row, from a second to a minute. */
export function idleHoldAt({ failures, flaps }: Backoff, context: StepContext): number {
  const doublings = Math.min(16, Math.max(0, failures + flaps - 1))
  return context.now + jittered(Math.min(maxBackoffMs, firstBackoffMs * 2 ** doublings), context)
}

/**
 * ConnectRetryTimer while listening. Deviation from RFC 4271 §8.2.2: it starts short and doubles up to ConnectRetryTime,
 * which is two minutes by default and would hold up a neighbour that was merely restarting.
 */
export function retryAt(backoff: Backoff, timers: PeerTimers, context: StepContext): number {
  return Math.min(idleHoldAt(backoff, context), dialTimeoutAt(timers, context))
}

/** ConnectRetryTimer while a connection is being opened. */
export function dialTimeoutAt(timers: PeerTimers, context: StepContext): number {
  return context.now + jittered(1000 * timers.connectRetrySeconds, context)
}

/** No jitter: the neighbour counts on the whole of it. */
export function holdAt({ holdTimeSeconds }: Negotiated, now: number): number {
  return holdTimeSeconds === 0 ? Infinity : now + 1000 * holdTimeSeconds
}

/** RFC 9687 §6: the larger of eight minutes and twice the hold time, unless configured. §4.3: without either there is none. */
export function sendHoldAt(
  { sendHoldSeconds }: SessionConfig,
  { holdTimeSeconds }: Negotiated,
  now: number,
): number {
  const seconds = sendHoldSeconds ?? Math.max(480, 2 * holdTimeSeconds)
  return seconds === 0 || holdTimeSeconds === 0 ? Infinity : now + 1000 * seconds
}

/** RFC 4271 §4.4: never more than one KEEPALIVE per second, and none without a hold time. */
export function keepaliveAt({ keepaliveSeconds }: Negotiated, context: StepContext): number {
  if (keepaliveSeconds === 0) return Infinity
  return context.now + Math.max(1000, jittered(1000 * keepaliveSeconds, context))
}
