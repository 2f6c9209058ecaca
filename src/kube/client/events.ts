/**
 * Records core/v1 Events. The same event again raises the count of the first instead of filling the cluster with copies.
 * Best effort: what cannot be written in a while is dropped and counted.
 */
import { createHash } from 'node:crypto'
import { rfc3339Seconds } from '#core/lib/time.ts'
import type { Event } from '#core/schema/kubernetes.ts'
import type { KubeObject } from '#core/schema/object.ts'
import type { KubeClient } from './client.ts'
import { resourceTypes } from './resource.ts'

export interface EventRecorderOptions {
  client: KubeClient
  /** `herald-controller`. */
  component: string
  /** Node that it runs on. */
  host?: string
  /** Repeats within this time after a write are written together, ms. */
  aggregateMs?: number
  /** An event is given up after so many failed writes. */
  triesMax?: number
  failed?(message: string): void
}

interface Series {
  event: Event
  /** Already in the cluster. */
  written: boolean
  /** Count that the cluster has seen. */
  writtenCount: number
  busy: boolean
}

/** Different events remembered for counting; the least recently repeated are forgotten. */
const seriesMax = 1_000
const type = resourceTypes.events

export class EventRecorder {
  readonly #options: EventRecorderOptions
  readonly #series = new Map<string, Series>()
  readonly #timers = new Set<NodeJS.Timeout>()
  #stopped = false

  constructor(options: EventRecorderOptions) {
    this.#options = options
  }

  record(object: KubeObject, eventType: 'Normal' | 'Warning', reason: string, message: string): void {
    if (this.#stopped) return
    const { kind, metadata } = object
    const key = JSON.stringify([
      kind,
      metadata.namespace,
      metadata.name,
      metadata.uid,
      eventType,
      reason,
      message,
    ])
    const now = rfc3339Seconds(Date.now())
    const known = this.#series.get(key)
    if (known !== undefined) {
      // Last in the map: most recently repeated.
      this.#series.delete(key)
      this.#series.set(key, known)
      known.event = { ...known.event, count: (known.event.count ?? 1) + 1, lastTimestamp: now }
      if (!known.busy) this.#later(known)
      return
    }
    const series: Series = {
      event: this.#event(object, eventType, reason, message, key, now),
      written: false,
      writtenCount: 0,
      busy: false,
    }
    this.#series.set(key, series)
    if (this.#series.size > seriesMax) this.#series.delete(this.#series.keys().next().value!)
    void this.#write(series, 1)
  }

  /** Nothing is written any more. */
  stop(): void {
    this.#stopped = true
    for (const timer of this.#timers) clearTimeout(timer)
  }

  #event(
    object: KubeObject,
    eventType: 'Normal' | 'Warning',
    reason: string,
    message: string,
    key: string,
    now: string,
  ): Event {
    const { component, host } = this.#options
    const { name, namespace, uid, resourceVersion } = object.metadata
    const unique = createHash('sha256').update(`${key} ${process.hrtime.bigint()}`).digest('hex').slice(0, 16)
    const involvedObject = { apiVersion: object.apiVersion, kind: object.kind, name, resourceVersion }
    return {
      apiVersion: 'v1',
      kind: 'Event',
      // Events about cluster-scoped objects live in the default namespace.
      metadata: { name: `${name}.${unique}`, namespace: namespace ?? 'default' },
      involvedObject: {
        ...involvedObject,
        ...(namespace === undefined ? {} : { namespace }),
        ...(uid === undefined ? {} : { uid }),
      },
      type: eventType,
      reason,
      // The API takes up to 1024 characters.
      message: message.length > 1024 ? `${message.slice(0, 1023)}…` : message,
      count: 1,
      firstTimestamp: now,
      lastTimestamp: now,
      source: { component, ...(host === undefined ? {} : { host }) },
      reportingComponent: component,
      reportingInstance: host ?? component,
    }
  }

  async #write(series: Series, attempt: number): Promise<void> {
    series.busy = true
    const { client } = this.#options
    const { event } = series
    const { name, namespace } = event.metadata
    const written = series.written
      ? await client.patch(
          type,
          { name, ...(namespace === undefined ? {} : { namespace }) },
          { count: event.count, lastTimestamp: event.lastTimestamp },
        )
      : await client.create(type, event)
    if (written.ok || written.error.kind === 'alreadyExists') {
      series.written = true
      series.writtenCount = event.count ?? 1
      series.busy = false
      if ((series.event.count ?? 1) > series.writtenCount) this.#later(series)
      return
    }
    // The server has let it expire: start anew under the same name.
    if (written.error.kind === 'notFound' && series.written) series.written = false
    else if (written.error.kind !== 'unavailable' || attempt >= (this.#options.triesMax ?? 5)) {
      series.busy = false
      this.#options.failed?.(`${event.reason}: ${written.error.message}`)
      return
    }
    this.#after(200 * 2 ** attempt, () => void this.#write(series, attempt + 1))
  }

  #later(series: Series): void {
    series.busy = true
    this.#after(this.#options.aggregateMs ?? 1_000, () => void this.#write(series, 1))
  }

  #after(ms: number, action: () => void): void {
    if (this.#stopped) return
    const timer = setTimeout(() => {
      this.#timers.delete(timer)
      action()
    }, ms)
    timer.unref()
    this.#timers.add(timer)
  }
}
