/** The clock of this machine, for the edge that drives a core. */
import type { Clock } from '#core/lib/clock.ts'

/** setTimeout's longest delay; later deadlines are waited for in steps. */
const longestMs = 0x7fff_ffff

/** Monotonic: later corrections of the wall clock do not move it. Pending actions keep the process alive. */
export const systemClock: Clock = {
  now,
  at(deadline, action) {
    if (deadline === Infinity) return () => {}
    if (deadline <= now()) {
      // After the I/O of this turn and before its timers come round again: a millisecond would be long.
      const soon = setImmediate(action)
      return () => clearImmediate(soon)
    }
    let timer: NodeJS.Timeout
    const wait = () => {
      const left = Math.ceil(deadline - now())
      timer = setTimeout(left > longestMs ? wait : fire, Math.min(Math.max(left, 0), longestMs))
    }
    // A timer may run a fraction of a millisecond early.
    const fire = () => (now() >= deadline ? action() : wait())
    wait()
    return () => clearTimeout(timer)
  },
}

function now(): number {
  return performance.timeOrigin + performance.now()
}
