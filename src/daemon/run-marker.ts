/**
 * Whether this machine ran the same daemon before: a file beside its socket, in a folder that does not outlive the kernel.
 * What the kernel forwards by survived the end of that run, whether it was killed or left its neighbours without a word, so
 * the speaker restarts gracefully (RFC 4724 §4.1).
 */
import type { Files } from '#host/files.ts'

/** Marks this run; true: there was one before. `path` is one daemon's own. */
export async function markRun(files: Files, path: string): Promise<boolean> {
  const restarted = (await files.read(path)) !== undefined
  await files.write(path, `${process.pid}\n`)
  return restarted
}
