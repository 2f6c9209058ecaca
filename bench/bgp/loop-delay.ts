/** Preloaded into Herald by the benchmark: writes how long its event loop was held up at most, in ms, when it ends. */
import { writeFileSync } from 'node:fs'
import { monitorEventLoopDelay } from 'node:perf_hooks'

const file = process.env['BENCH_LOOP_DELAY']
if (file !== undefined) {
  const delay = monitorEventLoopDelay({ resolution: 1 })
  // What starting takes is no matter.
  setTimeout(() => {
    delay.enable()
    process.on('exit', () => writeFileSync(file, String(delay.max / 1e6)))
  }, 1000).unref()
}
