/**
 * Time as the edges see it: the real one is `host/clock.ts`, the virtual one `sim/clock.ts`. The core itself takes `now` as an
 * argument and never holds a clock.
 */
export interface Clock {
  /** Milliseconds since 1970 at the start of the process, and from there on without jumps. */
  now(): number
  /**
   * Runs `action` once, as soon as `now() >= deadline`, never inside this call. `Infinity`: never. The function given back
   * takes it back; after the action ran it does nothing.
   */
  at(deadline: number, action: () => void): () => void
}
