/**
 * Runs the practice of a speaker (`core/bgp/practice.ts`) beside the real one while that has no session yet: the way of a route
 * is compiled before the first table comes, not while it comes. It costs about half a second of one processor, once.
 */
import { practice } from '#core/bgp/practice.ts'
import type { Clock } from '#core/lib/clock.ts'

/** Time at a stretch, but for a step that takes longer itself, and the pause after it, in ms. */
const sliceMs = 2
const pauseMs = 2

/** Gives what ends it early: what is real practises as well. */
export function practise(clock: Clock): () => void {
  const steps = practice()
  const slice = () => {
    const until = clock.now() + sliceMs
    while (clock.now() < until) if (steps.next().done === true) return
    cancel = clock.at(clock.now() + pauseMs, slice)
  }
  let cancel = clock.at(clock.now() + pauseMs, slice)
  return () => cancel()
}
