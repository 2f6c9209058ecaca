/**
 * What somebody has of a prefix: one path, or several with identifiers (RFC 7911), each with the neighbours that it is kept from.
 * And the step from one such list to the next, written once for many.
 *
 *     id | set | from | owner     in four arrays, by position; 0: nobody it is kept from
 *
 * Lists are used again and again: no object and nothing else stays per path. `rib.reference.ts` is the oracle; bench: `bench/rib.ts`.
 */
import { allBut, only, type Outbox } from './outbox.ts'

/** A set that is not known: there was one. Above every set. */
export const unknownSet = 0x2000_0000

export class PathList {
  count = 0
  /** It is another one for each member: nothing else here means anything. */
  split = false
  readonly ids: number[] = []
  readonly sets: number[] = []
  /** Slot of the neighbour that the path is from, 0 for nobody to be minded. */
  readonly froms: number[] = []
  /** Slot of the neighbour that is the next hop, or 0. */
  readonly owners: number[] = []

  clear(): void {
    this.count = 0
    this.split = false
  }

  add(id: number, set: number, from: number, owner: number): void {
    const at = this.count++
    this.ids[at] = id
    this.sets[at] = set
    this.froms[at] = from
    this.owners[at] = owner
  }

  /** −1: it has none with this identifier. */
  indexOf(id: number): number {
    for (let i = 0; i < this.count; i++) if (this.ids[i] === id) return i
    return -1
  }

  /** Whether both hold the same paths from the same neighbours, in whatever order. */
  equals(other: PathList): boolean {
    if (this.count !== other.count) return false
    for (let i = 0; i < this.count; i++) {
      const j = other.indexOf(this.ids[i]!)
      if (j < 0 || this.sets[i] !== other.sets[j] || this.froms[i] !== other.froms[j]) return false
    }
    return true
  }
}

/** Neighbours that are told the same, but for what is kept from one of them, and what that does to the number of their routes. */
export interface Audience {
  /** The slot if it is one of them, else 0. */
  among(slot: number): number
  /** How many they are. */
  readonly size: number
  /** Routes that all have more than before. */
  more: number
  /** Routes that this one has beside. */
  adjust(slot: number, routes: number): void
}

/**
 * Puts into the outbox what brings all from `before` to `after`. `sure`: whoever had a path had it with that set; else all of
 * `after` is said.
 */
export function spread(
  outbox: Outbox,
  audience: Audience,
  prefix: number,
  before: PathList,
  after: PathList,
  sure: boolean,
): void {
  for (let i = 0; i < before.count; i++)
    if (after.indexOf(before.ids[i]!) < 0)
      step(
        outbox,
        audience,
        prefix,
        before.ids[i]!,
        before.sets[i]!,
        before.froms[i]!,
        before.owners[i]!,
        sure,
        0,
        0,
        0,
      )
  for (let j = 0; j < after.count; j++) {
    const id = after.ids[j]!
    const i = before.indexOf(id)
    const [set, from, owner] = i < 0 ? [0, 0, 0] : [before.sets[i]!, before.froms[i]!, before.owners[i]!]
    step(
      outbox,
      audience,
      prefix,
      id,
      set,
      from,
      owner,
      sure,
      after.sets[j]!,
      after.froms[j]!,
      after.owners[j]!,
    )
  }
}

/** As {@link spread}, for one path: `old`, kept from two neighbours, and `next`, kept from two; 0: there is none. */
export function step(
  outbox: Outbox,
  audience: Audience,
  prefix: number,
  pathId: number,
  old: number,
  oldFrom: number,
  oldOwner: number,
  sure: boolean,
  next: number,
  nextFrom: number,
  nextOwner: number,
): void {
  const base = (next === 0 ? 0 : 1) - (old === 0 ? 0 : 1)
  audience.more += base
  const a = audience.among(oldFrom)
  let b = audience.among(oldOwner)
  const c = audience.among(nextFrom)
  let d = audience.among(nextOwner)
  if (b === a) b = 0
  if (d === c) d = 0
  const says = next !== 0 && (next !== old || !sure)
  if (next === 0) {
    if (old !== 0) outbox.withdraw(allBut(a, b), prefix, pathId)
  } else if (says && audience.size > (c === 0 ? 0 : 1) + (d === 0 ? 0 : 1))
    outbox.announce(next, allBut(c, d), prefix, pathId)
  if ((a | b | c | d) === 0) return
  for (let i = 0; i < 4; i++) {
    const slot = i === 0 ? a : i === 1 ? b : i === 2 ? c : d
    if (slot === 0 || (i > 1 && (slot === a || slot === b))) continue
    const had = old !== 0 && slot !== a && slot !== b
    const has = next !== 0 && slot !== c && slot !== d
    const beside = (has ? 1 : 0) - (had ? 1 : 0) - base
    if (beside !== 0) audience.adjust(slot, beside)
    if (had && !has && next !== 0) outbox.withdraw(only(slot), prefix, pathId)
    if (has && !had && !says) outbox.announce(next, only(slot), prefix, pathId)
  }
}

/** As {@link spread}, for one neighbour alone, whose lists these are. */
export function tellOne(
  outbox: Outbox,
  audience: Audience,
  slot: number,
  prefix: number,
  before: PathList,
  after: PathList,
  sure: boolean,
): void {
  const { count } = before
  for (let i = 0; i < count; i++)
    if (after.indexOf(before.ids[i]!) < 0) outbox.withdraw(only(slot), prefix, before.ids[i]!)
  for (let j = 0; j < after.count; j++) {
    const i = before.indexOf(after.ids[j]!)
    if (!sure || i < 0 || before.sets[i] !== after.sets[j])
      outbox.announce(after.sets[j]!, only(slot), prefix, after.ids[j]!)
  }
  audience.adjust(slot, after.count - count)
}
