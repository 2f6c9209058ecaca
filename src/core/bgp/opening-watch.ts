/**
 * Says what may be wrong with a session whose connection is open while the neighbour keeps silent. RFC 4271 §8.2.2 waits four
 * minutes for an OPEN; a person who looks meanwhile should find a reason. Nothing but the last error is changed here.
 */
import type { PeerConfig } from './config.ts'
import type { Neighbour } from './neighbour.ts'
import { sessionState } from './session/session.ts'

/** Silence that is told of, in ms. */
const silentMs = 10_000

/** After each step of the session: `now` in ms. */
export function watchOpening(neighbour: Neighbour, now: number): void {
  const state = sessionState(neighbour.session)
  if (state !== 'openSent' && state !== 'openConfirm') {
    delete neighbour.silentAt
    return
  }
  neighbour.silentAt ??= now + silentMs
  if (now < neighbour.silentAt) return
  neighbour.silentAt = Infinity
  const missing = state === 'openSent' ? 'OPEN' : 'KEEPALIVE'
  const message = `the connection is open, and no ${missing} came for ${silentMs / 1000} s: ${question(neighbour.config)}`
  neighbour.lastError = { at: now, direction: 'local', message }
}

/** RFC 5082 §3: with it on one side only, that one drops in silence all that the other sends. */
function question({ minTtl }: PeerConfig): string {
  const here = minTtl === undefined ? 'Here it is not' : `Here packets with a TTL below ${minTtl} are dropped`
  return `is TTL security set on both sides? ${here} (RFC 5082)`
}
