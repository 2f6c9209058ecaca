/**
 * Memory that the C library keeps after it was freed. Tables lie in many small arrays; when a full table leaves, their places
 * stay with the process until the library is told to give whole pages back, which takes about 0.15 ms per MB.
 */
import { libc } from './libc.ts'

const intervalMs = 5000
/** What is not worth a call. */
const leastBytes = 16 * 2 ** 20

/** Looks every five seconds how much memory neither JavaScript's heap nor arrays account for, and gives back what came. Ends with `stop`. */
export function returnMemory(): { stop(): void } {
  let { rest: known, arrays: before } = residence()
  const look = async () => {
    const { rest, arrays } = residence()
    known = Math.min(known, rest)
    // While tables grow or leave there would soon be more of it.
    const settled = Math.abs(arrays - before) < leastBytes / 16
    before = arrays
    if (!settled || rest - known < leastBytes) return
    await libc().trim()
    known = residence().rest
  }
  const timer = setInterval(() => void look(), intervalMs)
  timer.unref()
  return { stop: () => clearInterval(timer) }
}

function residence(): { rest: number; arrays: number } {
  const { rss, heapTotal, external, arrayBuffers } = process.memoryUsage()
  return { rest: rss - heapTotal - external, arrays: arrayBuffers }
}
