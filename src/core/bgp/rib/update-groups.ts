/**
 * The update groups of one family: which neighbour is in which, what is told them when, and in slices of what size. Changes
 * gather in the table's dirty queue; groups look at them together, members that are behind are brought up in turn.
 *
 * Per prefix there is the dirty queue (4 bytes while it waits) and what the groups hold. `rib.reference.ts` is the oracle, `slices.test.ts`
 * counts what a call looks at; bench: `bench/rib.ts`.
 */
import type { Family } from '../family.ts'
import { encodeEndOfRib } from '../wire/update-encode.ts'
import { targetKey } from './export.ts'
import { isExcepted, Outbox } from './outbox.ts'
import { UpdateGroup, type GroupRules, type GroupWorld, type Member } from './update-group.ts'

/** Takes what `run` makes. */
export interface RibSink {
  /** Whole messages for the neighbour, in order. The array may be sent to several, and is not changed afterwards. */
  send(slot: number, bytes: Uint8Array, messages: number): void
  /** RFC 7313 §4: everything of the family follows, or has been sent. */
  refreshBorder(slot: number, family: Family, role: 'begin' | 'end'): void
  /** The best path of this prefix changed. Its id means the prefix until the call returns. */
  bestChanged(family: Family, prefix: number): void
}

/** A neighbour as groups see it. */
export interface GroupPlace {
  group: UpdateGroup
  /** Borders of a refresh were agreed on (RFC 7313 §3.1). */
  bordered: boolean
}

/** Up to so many changes leave in the call that brought them. */
const smallFlush = 1024
/** Changes gather until there are so many, or the first is so old. */
const largeFlush = 32_768
export const gatherMs = 10
/** Fewest prefixes that all groups look at in a call. */
const leastBatch = 32

export class UpdateGroups {
  readonly #family: Family
  readonly #world: GroupWorld
  readonly #own: () => ReadonlySet<number>
  readonly #groups = new Map<string, UpdateGroup>()
  readonly #places = new Map<number, GroupPlace>()
  readonly #dissolving: UpdateGroup[] = []
  /** Slots of members that are behind or owed something at the end of a transfer, the next one first. */
  readonly #attended = new Set<number>()
  /** Groups that somebody has joined whose own routes may be others, with the prefixes that they have yet to look at. */
  readonly #joined = new Map<UpdateGroup, Iterator<number>>()
  readonly #outbox = new Outbox()
  readonly #batch = new Uint32Array(largeFlush)
  /** Something is left to be done at once. */
  busy = false

  /** `own`: gives the prefixes that there are own routes to. */
  constructor(family: Family, world: GroupWorld, own: () => ReadonlySet<number>) {
    this.#family = family
    this.#world = world
    this.#own = own
  }

  of(slot: number): UpdateGroup | undefined {
    return this.#places.get(slot)?.group
  }

  join(slot: number, rules: GroupRules, bordered: boolean): void {
    const { table } = this.#world
    const key = rulesKey(rules)
    let group = this.#groups.get(key)
    if (group === undefined) this.#groups.set(key, (group = new UpdateGroup(this.#world, rules)))
    if (rules.encoding.pathIds) table.tellsAll = true
    this.#places.set(slot, { group, bordered })
    group.join(slot, table.peers[slot]!)
    this.#joined.set(group, this.#own().values())
    this.#attend(slot)
  }

  leave(slot: number): void {
    const group = this.of(slot)
    this.#places.delete(slot)
    this.#attended.delete(slot)
    if (group === undefined) return
    group.leave(slot)
    this.#dropEmpty(group)
    // What it was told may have been the last thing to be kept of this group or of others.
    this.busy = true
  }

  /** Puts neighbours whose rules changed into the group that they now belong to; what they have been told is kept in mind. */
  assign(rulesFor: (slot: number) => GroupRules): void {
    for (const [key, group] of this.#groups.entries().toArray()) {
      const moves = new Map<string, number[]>()
      for (const slot of group.members.keys()) {
        const wanted = rulesKey(rulesFor(slot))
        moves.set(wanted, [...(moves.get(wanted) ?? []), slot])
      }
      const stay = moves.delete(key)
      for (const [wanted, slots] of moves) {
        const rules = rulesFor(slots[0]!)
        const known = this.#groups.get(wanted)
        if (known === undefined && !stay && slots.length === group.members.size) {
          this.#groups.delete(key)
          this.#groups.set(wanted, group)
          group.setRules(rules)
        } else this.#move(group, slots, wanted, rules)
      }
      this.#dropEmpty(group)
    }
    this.busy = true
  }

  refresh(slot: number): void {
    const member = this.of(slot)?.members.get(slot)
    if (member === undefined) return
    member.refreshDue = true
    this.#attend(slot)
  }

  setCongested(slot: number, congested: boolean): void {
    const group = this.of(slot)
    if (group === undefined) return
    group.setCongested(slot, congested)
    this.#attend(slot)
  }

  /** Paths of this neighbour come from elsewhere now. */
  forgetSource(slot: number): void {
    for (const group of this.#groups.values()) group.forgetSource(slot)
  }

  /** Looks at every prefix again, in groups that asked about validated origins or in all. */
  rewalk(which: 'all' | 'rpki'): void {
    for (const group of this.#groups.values()) if (which === 'all' || group.testsRpki) group.rewalk()
    this.busy = true
  }

  /**
   * Tells groups that somebody joined of own routes, of which members may get different ones: before the newcomer is told what
   * the others have. Gives what is left of the budget.
   */
  tellOwn(budget: number, sink: RibSink): number {
    let left = budget
    const { prefixes } = this.#world.table
    for (const [group, own] of this.#joined) {
      if (left <= 0) break
      const cost = 1 + (group.members.size >>> 3)
      group.begin()
      let next = own.next()
      for (; next.done !== true; next = own.next()) {
        if (!prefixes.isFree(next.value)) group.tell(next.value, this.#outbox)
        left -= cost
        if (left <= 0) break
      }
      this.#write(group, sink)
      if (next.done === true) this.#joined.delete(group)
    }
    if (this.#joined.size > 0) this.busy = true
    return left
  }

  /**
   * Tells groups of what changed, when enough has or it has waited long enough; `waited`: in ms. Gives what is left of the
   * budget. Some is told in any case, and no more once `isLate`.
   */
  flush(budget: number, waited: number, sink: RibSink, isLate: () => boolean): number {
    const { table } = this.#world
    const { dirty } = table
    if (dirty.length === 0) return budget
    if (dirty.length > smallFlush && dirty.length < largeFlush && waited < gatherMs) return budget
    if (budget <= 0) {
      this.busy = true
      return budget
    }
    const groups = [...this.#groups.values()]
    const each = Math.max(1, groups.length)
    // A look at what changed costs half of a look at a path.
    const share = Math.max(Math.min(leastBatch, budget), Math.floor((2 * budget) / each))
    const batch = share < this.#batch.length ? this.#batch.subarray(0, share) : this.#batch
    let count = dirty.peek(batch)
    for (const [index, group] of groups.entries()) {
      group.begin()
      let told = 0
      while (told < count) {
        group.tell(batch[told++]!, this.#outbox)
        // The others are told of as many as the first one.
        if (index === 0 && told % leastBatch === 0 && isLate()) count = told
      }
      this.#write(group, sink)
    }
    dirty.drop(count)
    for (let i = 0; i < count; i++) {
      const prefix = batch[i]!
      if (table.bestChanged(prefix)) sink.bestChanged(this.#family, prefix)
      table.clean(prefix)
    }
    if (dirty.length > 0) this.busy = true
    return budget - Math.floor((count * each) / 2)
  }

  /** Groups that have yet to look at every prefix; then members that are behind, if `complete` with what ends a transfer. */
  bringUp(budget: number, complete: boolean, sink: RibSink): number {
    let left = budget
    for (const group of this.#groups.values()) left = this.#walk(group, left, sink)
    // In turn, a piece for each: those that go the same way find it made.
    for (let idle = 0; idle < this.#attended.size;) {
      if (left <= 0) {
        this.busy = true
        break
      }
      const slot = this.#attended.values().next().value!
      const { group, bordered } = this.#places.get(slot)!
      const member = group.members.get(slot)!
      this.#attended.delete(slot)
      const waits = member.congested || group.walk.cursor < group.walk.until || this.#joined.has(group)
      const work = waits ? 0 : this.#bringUpMember(group, member, bordered, left, complete, sink)
      left -= work
      if (work > 0) idle = 0
      if (!isAttended(member)) continue
      this.#attended.add(slot)
      if (work === 0) idle++
    }
    if (this.#attended.size === 0) this.#world.pieces.clear()
    return this.#forget(left)
  }

  /** What is of no use any longer. */
  #forget(budget: number): number {
    const { discarded } = this.#world
    let left = budget > 0 ? discarded.run(budget) : budget
    for (let i = 0; left > 0 && i < this.#dissolving.length; i++) {
      const dying = this.#dissolving[i]!
      if (!dying.isForgotten) continue
      left = dying.dissolve(left)
      if (dying.isDissolved) this.#dissolving.splice(i--, 1)
    }
    if (discarded.waiting || this.#dissolving.some(({ isForgotten }) => isForgotten)) this.busy = true
    return left
  }

  #attend(slot: number): void {
    this.#attended.add(slot)
    this.busy = true
  }

  #move(group: UpdateGroup, slots: readonly number[], wanted: string, rules: GroupRules): void {
    let next = this.#groups.get(wanted)
    if (next === undefined) this.#groups.set(wanted, (next = new UpdateGroup(this.#world, rules)))
    for (const slot of slots) {
      next.take(group, slot)
      this.#places.get(slot)!.group = next
      this.#attend(slot)
    }
    this.#joined.set(next, this.#own().values())
  }

  #dropEmpty(group: UpdateGroup): void {
    if (group.members.size > 0) return
    for (const [key, each] of this.#groups) if (each === group) this.#groups.delete(key)
    group.walk = { cursor: 0, until: 0 }
    this.#joined.delete(group)
    this.#dissolving.push(group)
    this.busy = true
  }

  #walk(group: UpdateGroup, budget: number, sink: RibSink): number {
    const { walk } = group
    if (walk.cursor >= walk.until) return budget
    const { prefixes } = this.#world.table
    let left = budget
    group.begin()
    const top = Math.min(walk.until, prefixes.top)
    for (; left > 0 && walk.cursor < top; left--) {
      const prefix = walk.cursor++
      if (!prefixes.isFree(prefix)) group.tell(prefix, this.#outbox)
    }
    if (walk.cursor >= top) walk.cursor = walk.until
    else this.busy = true
    this.#write(group, sink)
    return left
  }

  /** Gives the work that it was, in prefixes; 0: there was nothing to be done. */
  #bringUpMember(
    group: UpdateGroup,
    member: Member,
    bordered: boolean,
    budget: number,
    complete: boolean,
    sink: RibSink,
  ): number {
    const { slot } = member
    let work = 0
    if (member.refreshDue && !isRanging(member)) {
      member.refreshDue = false
      member.owesBorder = bordered && !member.owesEndOfRib
      if (member.owesBorder) sink.refreshBorder(slot, this.#family, 'begin')
      group.sendAgain(member)
    }
    if (member.lag !== undefined)
      work = group.behind.bringUp(member, member.lag, budget, this.#outbox, (bytes, messages) =>
        sink.send(slot, bytes, messages),
      )
    if (member.owesBorder && !isRanging(member)) {
      sink.refreshBorder(slot, this.#family, 'end')
      member.owesBorder = false
    }
    // What is gathered yet may be about the routes that this member is waiting for.
    if (
      member.lag === undefined &&
      member.owesEndOfRib &&
      complete &&
      !this.#world.deferred &&
      this.#world.table.dirty.length === 0
    ) {
      member.owesEndOfRib = false
      sink.send(slot, encodeEndOfRib(this.#family), 1)
    }
    return work
  }

  /** What waits in the outbox goes to all members in step but those that it is kept from. */
  #write(group: UpdateGroup, sink: RibSink): void {
    const { table, store } = this.#world
    this.#outbox.write(table.prefixes, store, group.rules.encoding, (except, bytes, messages) => {
      for (const { slot, lag } of group.members.values())
        if (lag === undefined && !isExcepted(except, slot)) sink.send(slot, bytes, messages)
    })
    group.settle()
  }
}

function isAttended(member: Member): boolean {
  return member.lag !== undefined || member.owesEndOfRib || member.refreshDue || member.owesBorder
}

/** Whether a range is left that it is told as a whole. */
function isRanging({ lag }: Member): boolean {
  return lag !== undefined && lag.cursor < lag.until
}

/** Equal for neighbours that get the same in the same messages. */
function rulesKey({ target, exportLearned, encoding, paths }: GroupRules): string {
  const { fourOctetAsn, maxLength, pathIds } = encoding
  return JSON.stringify([targetKey(target), exportLearned, fourOctetAsn, maxLength, paths, pathIds])
}
