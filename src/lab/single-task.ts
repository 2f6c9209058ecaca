/** A task that many events ask for: one run at a time, and one more after it for all that asked meanwhile. */
import { setTimeout as sleep } from 'node:timers/promises'

export class SingleTask {
  readonly #body: () => Promise<void>
  readonly #pauseMs: number
  #running: Promise<void> | undefined
  #again = false
  #stopped = false

  /**
   * `body` must not reject: it deals with its own failures. `pauseMs`: least time between two runs, so that a burst of
   * events costs few of them.
   */
  constructor(body: () => Promise<void>, pauseMs = 0) {
    this.#body = body
    this.#pauseMs = pauseMs
  }

  get stopped(): boolean {
    return this.#stopped
  }

  request(): void {
    if (this.#stopped) return
    this.#again = true
    this.#running ??= this.#run()
  }

  /** No run begins any more. Resolves when the present one has ended. */
  async stop(): Promise<void> {
    this.#stopped = true
    await this.#running
  }

  async #run(): Promise<void> {
    // Events of the present turn are taken together.
    await new Promise((resolve) => setImmediate(resolve))
    while (this.#again && !this.#stopped) {
      this.#again = false
      await this.#body()
      if (this.#pauseMs > 0) await sleep(this.#pauseMs)
    }
    this.#running = undefined
  }
}
