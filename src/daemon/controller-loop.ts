/** Runs a {@link Controller} on an API server: performs its writes, gives it the answers, wakes it at its deadline. */
import type { Clock } from '#core/lib/clock.ts'
import { Controller } from '#core/controller/controller.ts'
import type { ControllerConfig, ControllerInput, ControllerOutput } from '#core/controller/io.ts'
import type { ApiError } from '#kube/client/api-error.ts'
import type { KubeClient } from '#kube/client/client.ts'
import type { EventRecorder } from '#kube/client/events.ts'
import { typeOf } from '#kube/client/resource.ts'

export interface ControllerLoopOptions {
  config: ControllerConfig
  client: KubeClient
  events: EventRecorder
  clock: Clock
  /** A write was done or refused. */
  wrote(output: Extract<ControllerOutput, { kind: 'writeStatus' }>, error?: ApiError): void
  /** An event about an object was given to the recorder. */
  recorded(output: Extract<ControllerOutput, { kind: 'recordEvent' }>): void
}

type WriteFailure = Extract<ControllerInput, { kind: 'writeFailed' }>['reason']

export class ControllerLoop {
  readonly controller: Controller
  readonly #options: ControllerLoopOptions
  readonly #queue: ControllerInput[] = []
  #busy = false
  #cancelTick: (() => void) | undefined
  #stopped = false

  constructor(options: ControllerLoopOptions) {
    this.#options = options
    this.controller = new Controller(options.config)
  }

  /** Handles the input, and all that it leads to, before it returns; one at a time, whoever calls. */
  input(input: ControllerInput): void {
    if (this.#stopped) return
    this.#queue.push(input)
    if (this.#busy) return
    this.#busy = true
    for (let next = this.#queue.shift(); next !== undefined; next = this.#queue.shift()) {
      for (const output of this.controller.handle(next, this.#options.clock.now())) this.#perform(output)
    }
    this.#busy = false
    this.#cancelTick?.()
    this.#cancelTick = this.#options.clock.at(this.controller.nextDeadline(), () =>
      this.input({ kind: 'tick' }),
    )
  }

  /** Nothing is begun any more; the answers to writes that are under way are not waited for. */
  stop(): void {
    this.#stopped = true
    this.#cancelTick?.()
  }

  #perform(output: ControllerOutput): void {
    switch (output.kind) {
      case 'writeStatus':
        void this.#write(output)
        return
      case 'recordEvent':
        this.#options.events.record(output.object, output.type, output.reason, output.message)
        this.#options.recorded(output)
        return
    }
  }

  async #write(output: Extract<ControllerOutput, { kind: 'writeStatus' }>): Promise<void> {
    const { request, object, status } = output
    const type = typeOf(object)
    if (type === undefined) {
      const message = `${object.apiVersion} ${object.kind} is not a type that can be written`
      return this.input({ kind: 'writeFailed', request, reason: 'invalid', message })
    }
    const written = await this.#options.client.patchStatus(type, object, status)
    if (this.#stopped) return
    this.#options.wrote(output, written.ok ? undefined : written.error)
    if (written.ok) return this.input({ kind: 'written', request, object: written.value })
    const { message } = written.error
    this.input({ kind: 'writeFailed', request, reason: failureOf(written.error), message })
  }
}

function failureOf(error: ApiError): WriteFailure {
  switch (error.kind) {
    case 'conflict':
      return 'conflict'
    case 'notFound':
    case 'gone':
      return 'gone'
    case 'invalid':
    case 'alreadyExists':
      return 'invalid'
    // Rights and credentials may be mended; then the write is wanted still.
    case 'forbidden':
    case 'unauthorized':
    case 'unavailable':
    case 'aborted':
      return 'unavailable'
  }
}
