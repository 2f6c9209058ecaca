/**
 * One program's view of a cluster: a watch per kind, each behind the truth by a delay of its own, so that a Service may be
 * seen before its EndpointSlice or after it. Nothing is seen while the API is down or the program is cut off from it.
 */
import type { KubeObject } from '#core/schema/object.ts'
import type { Snapshot } from '#core/schema/snapshot.ts'
import type { VirtualClock } from './clock.ts'
import { isWatched, snapshotOf } from './snapshot-of.ts'

/** One change of one object. `object` absent: it was deleted. */
export interface Change {
  at: number
  kind: string
  key: string
  object?: KubeObject
}

/** What an observer looks at: `Cluster`. */
export interface Observed {
  readonly clock: VirtualClock
  /** Whether the API answers. */
  readonly available: boolean
  /** Everything that ever changed, in order. */
  readonly changes: readonly Change[]
}

export interface ObserverOptions {
  /** Milliseconds by which a change, or the first list, arrives late; asked for each. */
  delayMs: () => number
  /** Called with the first full list and after each change seen. */
  changed: (snapshot: Snapshot) => void
}

export class ClusterObserver {
  readonly #cluster: Observed
  readonly #options: ObserverOptions
  readonly #ended: () => void
  readonly #objects = new Map<string, KubeObject>()
  /** By kind: position in the cluster's changes up to which this kind has been seen. */
  readonly #seen = new Map<string, number>()
  /** Position up to which deliveries have been planned. */
  #planned = 0
  /** Time of the last delivery planned, by kind: a watch keeps its order. */
  readonly #lastAt = new Map<string, number>()
  #state: 'waiting' | 'listing' | 'watching' = 'waiting'
  #connected = true
  /** Deliveries planned in an earlier round are void. */
  #round = 0

  constructor(cluster: Observed, options: ObserverOptions, ended: () => void) {
    this.#cluster = cluster
    this.#options = options
    this.#ended = ended
  }

  /** Whether it has seen all that there is. */
  get current(): boolean {
    if (this.#state !== 'watching') return false
    const { changes } = this.#cluster
    return this.#planned === changes.length && [...this.#seen.values()].every((seen) => seen === Infinity)
  }

  /** Cuts this program off from the API, or connects it again. */
  setConnected(connected: boolean): void {
    this.#connected = connected
    this.wake()
  }

  close(): void {
    this.#round++
    this.#connected = false
    this.#ended()
  }

  /** Something about the cluster changed. */
  wake(): void {
    if (!this.#connected || !this.#cluster.available) {
      this.#state = 'waiting'
      this.#round++
      return
    }
    if (this.#state === 'waiting') this.#list()
    else if (this.#state === 'watching') this.#watch()
  }

  /** After an outage too: what was deleted meanwhile is missing from the list. */
  #list(): void {
    this.#state = 'listing'
    const round = ++this.#round
    this.#cluster.clock.after(this.#options.delayMs(), () => {
      if (round !== this.#round) return
      this.#state = 'watching'
      this.#objects.clear()
      this.#seen.clear()
      this.#lastAt.clear()
      const { changes } = this.#cluster
      for (const { key, object } of changes) {
        this.#objects.delete(key)
        if (object !== undefined) this.#objects.set(key, object)
      }
      this.#planned = changes.length
      this.#options.changed(snapshotOf(this.#objects.values()))
    })
  }

  #watch(): void {
    const { changes, clock } = this.#cluster
    const round = this.#round
    for (; this.#planned < changes.length; this.#planned++) {
      const change = changes[this.#planned]!
      if (!isWatched(change.kind)) continue
      const position = this.#planned
      const at = Math.max(clock.now() + this.#options.delayMs(), this.#lastAt.get(change.kind) ?? 0)
      this.#lastAt.set(change.kind, at)
      this.#seen.set(change.kind, position)
      clock.at(at, () => {
        if (round !== this.#round) return
        if (change.object === undefined) this.#objects.delete(change.key)
        else this.#objects.set(change.key, change.object)
        if (this.#seen.get(change.kind) === position) this.#seen.set(change.kind, Infinity)
        this.#options.changed(snapshotOf(this.#objects.values()))
      })
    }
  }
}
