/** Tells subscribers that something changed, once per turn of the event loop. */
export class Changes {
  readonly #subscribers = new Set<() => void>()
  #scheduled = false

  /** The function given back ends the subscription. */
  subscribe(changed: () => void): () => void {
    this.#subscribers.add(changed)
    return () => void this.#subscribers.delete(changed)
  }

  announce(): void {
    if (this.#scheduled) return
    this.#scheduled = true
    setImmediate(() => {
      this.#scheduled = false
      for (const changed of this.#subscribers) changed()
    })
  }
}
