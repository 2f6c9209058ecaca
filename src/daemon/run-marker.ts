/**
 * Whether the last run on this machine ended without a word: a file that stands while a daemon runs, beside its socket, in
 * a folder that does not outlive the kernel. What the kernel forwards by survived such an end, so the speaker restarts
 * gracefully (RFC 4724 §4.1).
 */
import type { Files } from '#host/files.ts'

export interface RunMarker {
  /** The run before this one was killed or crashed. */
  restarted: boolean
  /** To be called at an end that neighbours were told of. */
  release(): Promise<void>
}

/** `path` is one daemon's own. */
export async function markRun(files: Files, path: string): Promise<RunMarker> {
  const restarted = (await files.read(path)) !== undefined
  await files.write(path, `${process.pid}\n`)
  return { restarted, release: () => files.remove(path) }
}
