/**
 * Virtual time: it stands still until somebody steps it, and then jumps to the next deadline. Actions of one deadline run
 * in the order in which they were asked for, so a run depends on nothing but its inputs.
 */
import type { Clock } from '#core/lib/clock.ts'
import { Heap } from '#core/lib/heap.ts'

interface Entry {
  deadline: number
  order: number
  action: (() => void) | undefined
}

export class VirtualClock implements Clock {
  #now: number
  #order = 0
  #actions = new Heap<Entry>(
    (a, b) => a.deadline < b.deadline || (a.deadline === b.deadline && a.order < b.order),
  )

  /** `start`: milliseconds since 1970. */
  constructor(start = 0) {
    this.#now = start
  }

  now(): number {
    return this.#now
  }

  at(deadline: number, action: () => void): () => void {
    if (deadline === Infinity) return () => {}
    const entry: Entry = { deadline: Math.max(deadline, this.#now), order: this.#order++, action }
    this.#actions.push(entry)
    return () => void (entry.action = undefined)
  }

  after(ms: number, action: () => void): () => void {
    return this.at(this.#now + ms, action)
  }

  /** Time of the next action; Infinity: there is none. */
  next(): number {
    for (;;) {
      const entry = this.#actions.peek()
      if (entry === undefined) return Infinity
      if (entry.action !== undefined) return entry.deadline
      this.#actions.pop()
    }
  }

  /** Goes to the next action and runs it. `false`: there is none. */
  step(): boolean {
    if (this.next() === Infinity) return false
    const entry = this.#actions.pop()!
    this.#now = entry.deadline
    const action = entry.action
    entry.action = undefined
    action?.()
    return true
  }

  /** Runs everything up to and including `time`, and stands at `time` afterwards. */
  runUntil(time: number): void {
    while (this.next() <= time) this.step()
    this.#now = Math.max(this.#now, time)
  }

  runFor(ms: number): void {
    this.runUntil(this.#now + ms)
  }
}
