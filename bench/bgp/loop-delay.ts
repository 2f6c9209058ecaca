/**
 * Preloaded into Herald by the benchmark: writes how long its event loop was held up at most until it was told to end, and how long at
 * most without the time in which its thread was ready and other threads of the machine had all processors. Both in ms.
 */
import { openSync, readSync, writeFileSync } from 'node:fs'
import { monitorEventLoopDelay } from 'node:perf_hooks'

const file = process.env['BENCH_LOOP_DELAY']
if (file !== undefined) {
  const delay = monitorEventLoopDelay({ resolution: 1 })
  const schedstat = openSync(`/proc/self/task/${process.pid}/schedstat`, 'r')
  const text = Buffer.alloc(100)
  /** Time that the thread has waited for a processor: the second field, in ns. */
  const waitedMs = () => {
    const length = readSync(schedstat, text, 0, text.length, 0)
    return Number(text.toString('latin1', 0, length).split(' ')[1]) / 1e6
  }
  let ownMs = 0
  // What starting takes is no matter.
  setTimeout(() => {
    delay.enable()
    let lookedAt = performance.now()
    let waited = waitedMs()
    const looking = setInterval(() => {
      const now = performance.now()
      const waitedNow = waitedMs()
      ownMs = Math.max(ownMs, now - lookedAt - (waitedNow - waited))
      lookedAt = now
      waited = waitedNow
    }, 1).unref()
    // From then on it only says goodbye.
    process.once('SIGTERM', () => {
      delay.disable()
      clearInterval(looking)
      writeFileSync(file, `${delay.max / 1e6} ${ownMs}`)
    })
  }, 1000).unref()
}
