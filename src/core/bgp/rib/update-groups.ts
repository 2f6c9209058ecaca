/**
 * The update groups of one family: which neighbour is in which, what is told them when, and in slices of what size. Changes
 * gather in the table's dirty queue; groups look at them together, members that are behind are brought up in turn.
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
  readonly #groups = new Map<string, UpdateGroup>()
  readonly #places = new Map<number, GroupPlace>()
  readonly #dissolving: UpdateGroup[] = []
  /** Slots of members that are behind or owed something at the end of a transfer, the next one first. */
  readonly #attended = new Set<number>()
  /** Groups that somebody has joined whose own routes may be others. */
  readonly #joined = new Set<UpdateGroup>()
  readonly #outbox = new Outbox()
  readonly #batch = new Uint32Array(largeFlush)
  /** Something is left to be done at once. */
  busy = false

  constructor(family: Family, world: GroupWorld) {
    this.#family = family
    this.#world = world
  }

  of(slot: number): UpdateGroup | undefined {
    return this.#places.get(slot)?.group
  }

  join(slot: number, rules: GroupRules, bordered: boolean): void {
    const { table } = this.#world
    const key = rulesKey(slot, rules)
    let group = this.#groups.get(key)
    if (group === undefined) this.#groups.set(key, (group = new UpdateGroup(this.#world, rules)))
    if (rules.encoding.pathIds) table.tellsAll = true
    this.#places.set(slot, { group, bordered })
    group.join(slot, table.peers[slot]!)
    this.#joined.add(group)
    this.#attend(slot)
  }

  leave(slot: number): void {
    const group = this.of(slot)
    this.#places.delete(slot)
    this.#attended.delete(slot)
    if (group === undefined) return
    group.leave(slot)
    this.#dropEmpty(group)
  }

  /** Puts neighbours whose rules changed into the group that they now belong to; what they have been told is kept in mind. */
  assign(rulesFor: (slot: number) => GroupRules): void {
    for (const [key, group] of this.#groups.entries().toArray()) {
      const moves = new Map<string, number[]>()
      for (const slot of group.members.keys()) {
        const wanted = rulesKey(slot, rulesFor(slot))
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
    const group = this.of(slot)
    if (group === undefined) return
    group.refresh(slot)
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
   * the others have.
   */
  tellOwn(prefixes: Iterable<number>, sink: RibSink): void {
    for (const group of this.#joined) {
      group.begin()
      for (const prefix of prefixes) group.tell(prefix, this.#outbox)
      this.#write(group, sink)
    }
    this.#joined.clear()
  }

  /**
   * Tells groups of what changed, when enough has or it has waited long enough; `waited`: in ms. Gives what is left of the
   * budget.
   */
  flush(budget: number, waited: number, sink: RibSink): number {
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
    const count = dirty.peek(batch)
    for (const group of groups) {
      group.begin()
      for (let i = 0; i < count; i++) group.tell(batch[i]!, this.#outbox)
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
    for (const slot of this.#attended.values().toArray()) {
      const { group, bordered } = this.#places.get(slot)!
      const member = group.members.get(slot)!
      const waits = member.congested || group.walk.cursor < group.walk.until
      if (!waits) left = this.#bringUpMember(group, member, bordered, left, complete, sink)
      this.#attended.delete(slot)
      if (member.lag !== undefined || member.owesEndOfRib || member.refreshing !== 'no')
        this.#attended.add(slot)
      if (left > 0) continue
      this.busy = true
      break
    }
    const dying = this.#dissolving[0]
    if (dying !== undefined && left > 0 && dying.dissolve(left)) this.#dissolving.shift()
    if (this.#dissolving.length > 0) this.busy = true
    return left
  }

  #attend(slot: number): void {
    this.#attended.add(slot)
    this.busy = true
  }

  #move(group: UpdateGroup, slots: readonly number[], wanted: string, rules: GroupRules): void {
    let next = this.#groups.get(wanted)
    if (next === undefined) this.#groups.set(wanted, (next = group.cloneFor(rules, slots)))
    else for (const slot of slots) next.take(group, group.members.get(slot)!)
    this.#joined.add(next)
    for (const slot of slots) {
      this.#places.get(slot)!.group = next
      this.#attend(slot)
    }
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

  #bringUpMember(
    group: UpdateGroup,
    member: Member,
    bordered: boolean,
    budget: number,
    complete: boolean,
    sink: RibSink,
  ): number {
    const { slot } = member
    if (member.lag !== undefined && budget <= 0) {
      this.busy = true
      return budget
    }
    if (member.refreshing === 'due') {
      const borders = bordered && !member.owesEndOfRib
      if (borders) sink.refreshBorder(slot, this.#family, 'begin')
      member.refreshing = borders ? 'begun' : 'no'
    }
    const left = group.bringUp(member, budget, this.#outbox)
    const { table, store } = this.#world
    this.#outbox.write(table.prefixes, store, group.rules.encoding, (_, bytes, messages) =>
      sink.send(slot, bytes, messages),
    )
    group.settle()
    if (member.lag !== undefined) {
      this.busy = true
      return left
    }
    if (member.refreshing === 'begun') {
      sink.refreshBorder(slot, this.#family, 'end')
      member.refreshing = 'no'
    }
    // What is gathered yet may be about the routes that this member is waiting for.
    if (member.owesEndOfRib && complete && !this.#world.deferred && table.dirty.length === 0) {
      member.owesEndOfRib = false
      sink.send(slot, encodeEndOfRib(this.#family), 1)
    }
    return left
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

/** Equal for neighbours that get the same in the same messages. */
function rulesKey(slot: number, { target, exportLearned, encoding, paths }: GroupRules): string {
  const { fourOctetAsn, maxLength, pathIds } = encoding
  // A group that sends several paths remembers for one member what it was told of a prefix.
  const alone = pathIds ? slot : 0
  return JSON.stringify([targetKey(target), exportLearned, fourOctetAsn, maxLength, paths, alone])
}
