/** What a row of the interop matrix is: a feature that Herald and a neighbour of another make have to agree on. */
import type { Engine, EngineName } from '../engine.ts'
import type { Capture } from '../capture.ts'
import type { Pair, PairOptions } from '../pair.ts'

export interface Feature {
  /** Head of the row. */
  name: string
  /** The test's name: a fact, after the RFCs that ask for it. */
  fact: string
  /** Why it cannot be tested with these: what the implementation lacks, in the version of the distribution. */
  notApplicable?: Partial<Record<EngineName, string>>
  /** IP versions of the session; absent: both. */
  versions?: readonly (4 | 6)[]
  run(bed: Bed): Promise<void>
}

/** What a cell's test has at its disposal. */
export interface Bed {
  engine: Engine
  version: 4 | 6
  /** Runs `body` with a pair, whose messages are captured from the first and judged afterwards, and takes it down. */
  withPair: (
    options: Omit<PairOptions, 'engine' | 'version'>,
    body: (pair: Pair, capture: Capture) => Promise<void>,
  ) => Promise<void>
}
