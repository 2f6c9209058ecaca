/** Keeps one machine of the core going on a virtual clock: performs its outputs in order and wakes it at its deadlines. */
import { assert } from '#core/lib/assert.ts'
import type { VirtualClock } from './clock.ts'

/** What the machines of the core have in common. */
export interface Machine<Input, Output> {
  handle(input: Input, now: number): Output[]
  /** When it wants to be woken; Infinity: not by itself. */
  nextDeadline(): number
}

export class Drive<Input, Output> {
  readonly #clock: VirtualClock
  readonly #machine: Machine<Input, Output>
  readonly #tick: Input
  readonly #perform: (output: Output) => void
  #unplan: () => void = () => {}
  #stepping = false
  #stopped = false

  /** `tick`: the input that says nothing but that time has passed. */
  constructor(
    clock: VirtualClock,
    machine: Machine<Input, Output>,
    tick: Input,
    perform: (output: Output) => void,
  ) {
    this.#clock = clock
    this.#machine = machine
    this.#tick = tick
    this.#perform = perform
  }

  /** Must not be called while outputs are being performed: the world answers through the clock. */
  step(input: Input): void {
    if (this.#stopped) return
    assert(!this.#stepping, 'an input while outputs are performed')
    this.#stepping = true
    for (const output of this.#machine.handle(input, this.#clock.now())) this.#perform(output)
    this.#stepping = false
    this.#unplan()
    this.#unplan = this.#clock.at(this.#machine.nextDeadline(), () => this.step(this.#tick))
  }

  /** The process is gone: nothing that was planned happens. */
  stop(): void {
    this.#stopped = true
    this.#unplan()
  }
}
