/**
 * Status writes on their way, and what is known to be written but not yet seen.
 *
 * A write is done on condition that the object has not changed since it was seen (its resourceVersion is the write's base).
 * So from the moment that a write is sent until an object newer than its base is seen, nobody knows whether it was done,
 * except by its answer; an answer may be lost. `claims` gives what such writes say, so that the controller counts on both.
 * Views of one object never go back in time; an object that is missing from a view after it was seen is deleted.
 */
import { equalJson } from '#core/lib/json.ts'
import type { KubeObject } from '#core/schema/object.ts'
import type { Snapshot } from '#core/schema/snapshot.ts'
import type { ControllerInput, ControllerOutput, RequestId } from './io.ts'

export type Status = Record<string, unknown>

/** What an object's status should be, and the events to record once it is so. */
export interface DesiredStatus {
  object: KubeObject
  /** Merge patch of the status. */
  status: Status
  events: PlannedEvent[]
}

export interface PlannedEvent {
  type: 'Normal' | 'Warning'
  reason: string
  message: string
}

interface Write {
  desired: DesiredStatus
  baseVersion: string
  failures: number
  /** Something else was wanted while it was in flight. */
  outdated: boolean
  /** The object's status is still to be changed: there is something to repeat. */
  wanted: boolean
  state:
    | { kind: 'inFlight'; request: RequestId }
    /** The API server did not answer: again at this time. */
    | { kind: 'retry'; at: number }
    /** The object has changed: a newer one will be seen. */
    | { kind: 'superseded' }
    /** The API server does not take it: no use to repeat it. */
    | { kind: 'refused' }
}

/** Enough to hide the round trip, few enough not to flood an API server after a restart. */
const inFlightMax = 64
const retryMinMs = 250
const retryMaxMs = 30_000

export class StatusWrites {
  /** By identity of the object. */
  readonly #writes = new Map<string, Write>()
  readonly #byRequest = new Map<RequestId, string>()
  /** Objects as they were after a write, until they are seen. */
  readonly #written = new Map<string, { object: KubeObject; baseVersion: string }>()
  /** Wanted, and waiting for room: consistent with each other and with what is in flight. */
  #rest: readonly DesiredStatus[] = []
  #lastRequest = 0

  /** The snapshot with what is known to be newer; forgets what it shows to be outdated. Gives events that are due. */
  see(snapshot: Snapshot): { snapshot: Snapshot; events: ControllerOutput[] } {
    const events: ControllerOutput[] = []
    const seen = new Set<string>()
    const each = <T extends KubeObject>(object: T): T => {
      const key = identity(object)
      seen.add(key)
      const write = this.#writes.get(key)
      if (write !== undefined && write.state.kind !== 'inFlight' && isNewer(object, write.baseVersion)) {
        this.#writes.delete(key)
        if (isDone(object, write.desired.status)) events.push(...eventsOf(object, write.desired.events))
      }
      const written = this.#written.get(key)
      if (written === undefined) return object
      if (shows(object, written)) {
        this.#written.delete(key)
        return object
      }
      return written.object as T
    }
    const result: Snapshot = {
      ...snapshot,
      services: snapshot.services.map(each),
      nodes: snapshot.nodes.map(each),
      custom: snapshot.custom.map(each),
    }
    for (const key of this.#written.keys()) if (!seen.has(key)) this.#written.delete(key)
    for (const [key, write] of this.#writes) {
      if (!seen.has(key) && write.state.kind !== 'inFlight') this.#writes.delete(key)
    }
    return { snapshot: result, events }
  }

  /** The status that a write, of which it is not known whether it was done, gives to the object. */
  claims(object: KubeObject): Status | undefined {
    const write = this.#writes.get(identity(object))
    return write === undefined || write.state.kind === 'refused' ? undefined : write.desired.status
  }

  /** Starts the writes that are needed and may start now; the others follow as answers make room. */
  want(desired: readonly DesiredStatus[], now: number): ControllerOutput[] {
    for (const write of this.#writes.values()) write.wanted = false
    const ready = desired.filter((each) => {
      const write = this.#writes.get(identity(each.object))
      if (write === undefined) return true
      write.wanted = true
      if (mayReplace(write, each, now)) return true
      write.outdated ||= !equalJson(write.desired.status, each.status)
      return false
    })
    this.#rest = ready
    return this.#startRest()
  }

  #startRest(): ControllerOutput[] {
    const room = Math.max(0, inFlightMax - this.#byRequest.size)
    const starting = this.#rest.slice(0, room)
    this.#rest = this.#rest.slice(room)
    return starting.map((desired) => {
      const { object, status } = desired
      const key = identity(object)
      const before = this.#writes.get(key)
      const request = ++this.#lastRequest
      this.#byRequest.set(request, key)
      this.#writes.set(key, {
        desired,
        baseVersion: object.metadata.resourceVersion ?? '',
        failures: before?.state.kind === 'retry' ? before.failures : 0,
        outdated: false,
        wanted: true,
        state: { kind: 'inFlight', request },
      })
      return { kind: 'writeStatus', request, object, status }
    })
  }

  /**
   * The answer to a write; gives the events that are due and the writes for which it made room. `settled`: nothing needs to
   * be decided anew before the next snapshot. An answer to a write of an earlier life is ignored.
   */
  answered(
    input: Extract<ControllerInput, { kind: 'written' | 'writeFailed' }>,
    now: number,
  ): { outputs: ControllerOutput[]; settled: boolean } {
    const key = this.#byRequest.get(input.request)
    const write = key === undefined ? undefined : this.#writes.get(key)
    if (key === undefined || write === undefined) return { outputs: [], settled: true }
    this.#byRequest.delete(input.request)
    const settled = input.kind === 'written' && !write.outdated
    const outputs = this.#conclude(input, key, write, now)
    if (settled) outputs.push(...this.#startRest())
    return { outputs, settled }
  }

  /** When `want` should be asked again although nothing has happened. */
  nextDeadline(): number {
    // The next answer makes room, and asks again by itself.
    if (this.#rest.length > 0) return Infinity
    let at = Infinity
    for (const { state, wanted } of this.#writes.values()) {
      if (state.kind === 'retry' && wanted) at = Math.min(at, state.at)
    }
    return at
  }

  #conclude(
    input: Extract<ControllerInput, { kind: 'written' | 'writeFailed' }>,
    key: string,
    write: Write,
    now: number,
  ): ControllerOutput[] {
    if (input.kind === 'written') {
      this.#writes.delete(key)
      this.#written.set(key, { object: input.object, baseVersion: write.baseVersion })
      return eventsOf(input.object, write.desired.events)
    }
    switch (input.reason) {
      case 'conflict':
        write.state = { kind: 'superseded' }
        return []
      case 'unavailable': {
        const delayMs = Math.min(retryMaxMs, retryMinMs * 2 ** write.failures)
        write.failures++
        write.state = { kind: 'retry', at: now + delayMs }
        return []
      }
      case 'gone':
      case 'invalid': {
        write.state = { kind: 'refused' }
        // Some resources have no status to write to; their events are all that users can see.
        const refusal: PlannedEvent = { type: 'Warning', reason: 'StatusNotWritten', message: input.message }
        const { object, events } = write.desired
        return eventsOf(object, input.reason === 'gone' ? events : [...events, refusal])
      }
    }
  }
}

function mayReplace(write: Write, desired: DesiredStatus, now: number): boolean {
  switch (write.state.kind) {
    case 'inFlight':
    case 'superseded':
      return false
    case 'retry':
      return now >= write.state.at
    case 'refused':
      return !equalJson(write.desired.status, desired.status)
  }
}

/** An object that was deleted and made again is another one; one that is seen in another version is not. */
function identity({ kind, apiVersion, metadata }: KubeObject): string {
  const group = apiVersion.includes('/') ? apiVersion.slice(0, apiVersion.indexOf('/')) : ''
  return `${group} ${kind} ${metadata.namespace ?? ''}/${metadata.name} ${metadata.uid ?? ''}`
}

/**
 * Versions are numbers that grow, in every API server that Herald knows; where they are not, another version counts as a
 * newer one.
 */
function isNewer(object: KubeObject, than: string): boolean {
  const version = object.metadata.resourceVersion ?? ''
  return areNumbers(version, than) ? BigInt(version) > BigInt(than) : version !== than
}

/** Whether what was seen is what was written, or newer. */
function shows(
  seen: KubeObject,
  { object, baseVersion }: { object: KubeObject; baseVersion: string },
): boolean {
  const version = seen.metadata.resourceVersion ?? ''
  const written = object.metadata.resourceVersion ?? ''
  return areNumbers(version, written) ? BigInt(version) >= BigInt(written) : version !== baseVersion
}

function areNumbers(...versions: string[]): boolean {
  return versions.every((version) => /^\d+$/.test(version))
}

/** Whether the object has this status: whatever the merge patch sets is so, whatever it removes is not there. */
function isDone(object: KubeObject, patch: Status): boolean {
  return holds((object as { status?: unknown }).status, patch)
}

function holds(value: unknown, patch: unknown): boolean {
  if (patch === null) return value === undefined || value === null
  if (typeof patch !== 'object' || Array.isArray(patch)) return equalJson(value, patch)
  const fields = typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {}
  return Object.entries(patch).every(([key, part]) => holds(fields[key], part))
}

function eventsOf(object: KubeObject, events: readonly PlannedEvent[]): ControllerOutput[] {
  return events.map((event) => ({ kind: 'recordEvent', object, ...event }))
}
