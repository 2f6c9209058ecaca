/**
 * Validated origins as a speaker takes them in: a cache may tell half a million payloads at once, so they wait and are taken in
 * by slices, and what depends on them is judged again when all are there.
 */
import { families, familyOfPrefix } from '../family.ts'
import type { RoaPayload, RouteEntry } from '../io.ts'
import { encodePrefix } from '../wire/nlri.ts'
import { routeOrigin, ValidatedOrigins, type OriginChange } from './origins.ts'

/** Payloads of one slice: a few milliseconds. */
const sliceSize = 4000

export class OriginValidation {
  readonly origins = new ValidatedOrigins()
  #waiting: { payloads: readonly RoaPayload[]; adds: boolean; from: number }[] = []
  /** What has changed since nothing was waiting. */
  #changes: OriginChange[] = []

  /** Some payloads are still to be taken in. */
  get waiting(): boolean {
    return this.#waiting.length > 0
  }

  /** With the state of each route's origin, if anything is known of origins. `ownAsn`: as for {@link routeOrigin}. */
  withStates(entries: RouteEntry[], ownAsn: number): RouteEntry[] {
    const { origins } = this
    if (origins.size === 0) return entries
    return entries.map((entry) => {
      const { asPath } = entry.received ?? entry.attributes
      const [family, nlri] = [familyOfPrefix(entry.prefix), encodePrefix(entry.prefix)]
      return { ...entry, rpki: origins.state(family, nlri, 0, routeOrigin(asPath, ownAsn)) }
    })
  }

  /** First `removed` go, then `added` come, after all that was fed before. The arrays are kept. */
  feed(added: readonly RoaPayload[], removed: readonly RoaPayload[]): void {
    if (removed.length > 0) this.#waiting.push({ payloads: removed, adds: false, from: 0 })
    if (added.length > 0) this.#waiting.push({ payloads: added, adds: true, from: 0 })
  }

  /** Takes a slice in. Gives what has changed when nothing waits any more, if anything has. */
  run(): OriginChange | undefined {
    for (let left = sliceSize; left > 0 && this.#waiting.length > 0;) {
      const first = this.#waiting[0]!
      const slice = first.payloads.slice(first.from, first.from + left)
      const change = first.adds ? this.origins.apply(slice, []) : this.origins.apply([], slice)
      if (change.families.length > 0) this.#changes.push(change)
      first.from += slice.length
      left -= slice.length
      if (first.from >= first.payloads.length) this.#waiting.shift()
    }
    if (this.waiting || this.#changes.length === 0) return undefined
    const changes = this.#changes
    this.#changes = []
    return joined(changes)
  }
}

/** Many slices are about as good as everything. */
function joined(changes: readonly OriginChange[]): OriginChange {
  return {
    families: families.filter((family) => changes.some((change) => change.families.includes(family))),
    affects: (family, nlri, at) =>
      changes.length > 4 || changes.some((change) => change.affects(family, nlri, at)),
  }
}
