/** How a command ends that could not do what it was asked. */

/** Documented in `docs/reference/cli.md`. */
export const exitCodes = {
  /** The command was understood and failed. */
  failed: 1,
  /** The command line was not understood. */
  usage: 2,
  /** No Herald answers at the address. */
  unreachable: 3,
  /** What was asked for does not exist. */
  notFound: 4,
} as const

/** One sentence, a hint and an exit code; `herald.ts` prints it. */
export class Failure extends Error {
  override name = 'Failure'
  readonly hint: string | undefined
  readonly code: number

  constructor(message: string, options: { hint?: string; code?: number } = {}) {
    super(message)
    this.hint = options.hint
    this.code = options.code ?? exitCodes.failed
  }
}
