/** How long to wait before the next try: doubling, with jitter, up to a bound. */
export interface BackoffOptions {
  firstMs: number
  maxMs: number
  /** In [0, 1); absent: `Math.random`. */
  random?: () => number
}

export class Backoff {
  readonly #options: BackoffOptions
  #failures = 0

  constructor(options: BackoffOptions) {
    this.#options = options
  }

  /** Milliseconds to wait after one more failure: between half and all of the present step. */
  next(maxMs = this.#options.maxMs): number {
    const { firstMs, random = Math.random } = this.#options
    const step = Math.min(maxMs, firstMs * 2 ** Math.min(this.#failures, 30))
    this.#failures++
    return step * (0.5 + 0.5 * random())
  }

  reset(): void {
    this.#failures = 0
  }
}
