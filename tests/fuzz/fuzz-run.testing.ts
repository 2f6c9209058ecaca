/** What every fuzzer is told. */
export interface FuzzRun {
  cases: number
  /** The same one makes the same cases. */
  seed: number
  /** Milliseconds, to see that no case takes long. */
  clock: () => number
  /** Called between cases, every {@link pauseEvery}: a time to look at the memory in use. */
  pause?: () => void
}

export const pauseEvery = 50_000
