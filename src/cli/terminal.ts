/** The process's own terminal. */
import type { Terminal } from './get.ts'

/** `signal` aborts at the first SIGINT or SIGTERM; a second one ends the process at once. */
export function processTerminal(): Terminal {
  const stop = new AbortController()
  for (const name of ['SIGINT', 'SIGTERM'] as const) {
    process.on(name, () => {
      if (stop.signal.aborted) process.exit(130)
      stop.abort()
    })
  }
  return {
    out: (line) => void process.stdout.write(`${line}\n`),
    err: (line) => void process.stderr.write(`${line}\n`),
    now: () => Date.now(),
    signal: stop.signal,
  }
}
