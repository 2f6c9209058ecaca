/** A task that many events ask for: one run at a time, and one more after it for all that asked meanwhile. */
export class SingleTask {
  readonly #body: () => Promise<void>
  #running: Promise<void> | undefined
  #again = false
  #stopped = false

  /** `body` must not reject: it deals with its own failures. */
  constructor(body: () => Promise<void>) {
    this.#body = body
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
    }
    this.#running = undefined
  }
}
