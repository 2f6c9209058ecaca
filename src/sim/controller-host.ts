/** The cluster's controller as a process that can be killed: the brain of `core/controller` on the simulated cluster. */
import { Controller } from '#core/controller/controller.ts'
import type { ControllerInput, ControllerOutput } from '#core/controller/io.ts'
import type { Cluster } from './cluster.ts'
import type { ClusterObserver } from './cluster-observer.ts'
import { Drive } from './machine.ts'

export interface ControllerHostOptions {
  cluster: Cluster
  dialects: string[]
  /** By how much its watches lag. */
  watchDelayMs: () => number
  /** One way of a write request. */
  writeDelayMs: () => number
}

export class ControllerHost {
  readonly #options: ControllerHostOptions
  #running: { drive: Drive<ControllerInput, ControllerOutput>; observer: ClusterObserver } | undefined
  #pending = 0

  constructor(options: ControllerHostOptions) {
    this.#options = options
  }

  get running(): boolean {
    return this.#running !== undefined
  }

  /** It has seen everything in the cluster and waits for no answer. */
  get current(): boolean {
    return this.#running === undefined || (this.#pending === 0 && this.#running.observer.current)
  }

  start(): void {
    if (this.#running !== undefined) return
    const { cluster, dialects, watchDelayMs } = this.#options
    const controller = new Controller({ dialects })
    const drive = new Drive<ControllerInput, ControllerOutput>(
      cluster.clock,
      controller,
      { kind: 'tick' },
      (output) => this.#perform(output),
    )
    const observer = cluster.observe({
      delayMs: watchDelayMs,
      changed: (snapshot) => drive.step({ kind: 'snapshot', snapshot }),
    })
    this.#pending = 0
    this.#running = { drive, observer }
  }

  /** kill -9. A write that is on its way may still be done. */
  kill(): void {
    this.#running?.drive.stop()
    this.#running?.observer.close()
    this.#running = undefined
  }

  setApiConnected(connected: boolean): void {
    this.#running?.observer.setConnected(connected)
  }

  #perform(output: ControllerOutput): void {
    const { cluster, writeDelayMs } = this.#options
    const { clock } = cluster
    const asker = this.#running
    if (output.kind === 'recordEvent') {
      const { object, type, reason, message } = output
      clock.after(writeDelayMs(), () => cluster.recordEvent(object, type, reason, message))
      return
    }
    const { request, object, status } = output
    this.#pending++
    clock.after(writeDelayMs(), () => {
      const written = cluster.writeStatus(object, status)
      clock.after(writeDelayMs(), () => {
        if (this.#running !== asker || asker === undefined) return
        this.#pending--
        asker.drive.step(
          written.ok
            ? { kind: 'written', request, object: written.value }
            : { kind: 'writeFailed', request, ...written.error },
        )
      })
    })
  }
}
