/**
 * How much of a page's work to do at a time: as much as takes about as long as a page may, on code that is cold and on a busy
 * machine, too. The tables count work and know no clock.
 */

/** What a page may take, in ms. Others wait meanwhile, and its rows have yet to be written. */
const pageMs = 2
const leastEffort = 1 / 32

export class Pace {
  /** Part of a page to do next, up to 1. */
  effort = leastEffort

  /** Does a page, and learns from the time that it took. */
  timed<T>(page: (effort: number) => T): T {
    const start = performance.now()
    const done = page(this.effort)
    const tookMs = performance.now() - start
    if (tookMs > pageMs) this.effort = Math.max(leastEffort, this.effort / 2)
    else if (2 * tookMs < pageMs) this.effort = Math.min(1, 2 * this.effort)
    return done
  }
}
