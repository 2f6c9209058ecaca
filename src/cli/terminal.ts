/** Where the commands print, and what tells them to end. */

/** Where text goes; the process's own in the program, arrays in tests. */
export interface Terminal {
  out(line: string): void
  err(line: string): void
  now(): number
  /** Aborts at Ctrl-C. */
  signal: AbortSignal
}

/**
 * `signal` aborts at the first SIGINT or SIGTERM, when the terminal closes, and when the process that holds us by an IPC
 * channel (`npm start`) is gone. A second Ctrl-C ends the process at once. `reloadsOnHangup`: SIGHUP, which a closing
 * terminal sends, is the role's own.
 */
export function processTerminal({ reloadsOnHangup = false } = {}): Terminal {
  const stop = new AbortController()
  process.on('SIGINT', () => {
    if (stop.signal.aborted) process.exit(130)
    stop.abort()
  })
  for (const name of ['SIGTERM', 'disconnect'] as const) process.on(name, () => stop.abort())
  if (!reloadsOnHangup) process.on('SIGHUP', () => stop.abort())
  process.channel?.unref()
  // A closed terminal or pipe takes no more text; there may still be things to tidy up.
  for (const stream of [process.stdout, process.stderr]) stream.on('error', () => stop.abort())
  return {
    out: (line) => void process.stdout.write(`${line}\n`),
    err: (line) => void process.stderr.write(`${line}\n`),
    now: () => Date.now(),
    signal: stop.signal,
  }
}
