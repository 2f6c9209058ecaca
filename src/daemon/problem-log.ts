/** Logs each problem once when it appears and once when it is gone. */
import { showProblem, type Problem } from '#core/lib/reason.ts'
import type { Logger } from './log.ts'

export class ProblemLog {
  readonly #log: Logger
  #known = new Set<string>()

  constructor(log: Logger) {
    this.#log = log
  }

  /** All that are there now. */
  update(problems: readonly Problem[]): void {
    const now = new Set(problems.map(showProblem))
    for (const problem of now) if (!this.#known.has(problem)) this.#log.warn('problem', { problem })
    for (const problem of this.#known) if (!now.has(problem)) this.#log.info('problem solved', { problem })
    this.#known = now
  }
}
