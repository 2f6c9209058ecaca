/**
 * Neighbours that get the same for the same: one adj-rib-out for all of them, whose changes wait in an outbox and are written once.
 *
 * Members that are in step have what the group has sent, but for what is kept from them. Those that are not are `stragglers.ts`:
 * a change costs each of them a bit. Members that take several paths per prefix (RFC 7911) are no different.
 * `rib.reference.ts` is the oracle; bench: `bench/rib.ts`.
 */
import type { Address } from '#core/net/address.ts'
import { AdjRibOut, ownPathId, SPLIT } from './adj-rib-out.ts'
import type { AttributeStore } from './attribute-store.ts'
import { Candidates, selectBest, type DecisionRules } from './decision.ts'
import { ExportOutcomes, type OutcomeMemo } from './export-outcomes.ts'
import type { ExportTarget } from './export.ts'
import type { Discarded, Lag } from './lag.ts'
import type { Encoding, Outbox } from './outbox.ts'
import { PathList, spread, step, tellOne, type Audience } from './path-list.ts'
import type { PathSource } from './path-source.ts'
import type { Pieces } from './pieces.ts'
import type { PeerTable, RibTable } from './rib-table.ts'
import { Stragglers } from './stragglers.ts'

/** All that decides what its members get. */
export interface GroupRules {
  target: ExportTarget
  exportLearned: boolean
  encoding: Encoding
  /** Most paths per prefix that are sent, when path identifiers are; else 1. */
  paths: number
}

/** What a group looks at beside its own columns. */
export interface GroupWorld {
  table: RibTable
  store: AttributeStore
  decision: DecisionRules
  /** Learned routes are not passed on yet (RFC 4724 §4.1). */
  deferred: boolean
  /** Of all groups of the family. */
  memo: OutcomeMemo
  pieces: Pieces
  discarded: Discarded
  /** Prefixes that a piece tells of at most. */
  pieceSize: number
  /** Where paths of this slot come from. */
  sourceOf(slot: number): PathSource
}

export interface Member {
  slot: number
  peer: PeerTable
  /** Absent: it is in step. */
  lag?: Lag
  /** Its socket is full: it is told nothing. */
  congested: boolean
  /** End-of-RIB is due when it is in step (RFC 4724 §2). */
  owesEndOfRib: boolean
  /** All routes are to be sent again (RFC 2918 §4). */
  refreshDue: boolean
  /** They are being sent, and the border after them is due (RFC 7313 §4). */
  owesBorder: boolean
}

export class UpdateGroup {
  rules: GroupRules
  readonly members = new Map<number, Member>()
  /** Prefixes that have yet to be looked at, after a start or a change of rules. */
  walk = { cursor: 0, until: 0 }
  /** Members that are not in step. */
  readonly behind: Stragglers
  /** Nothing of it is left. */
  isDissolved = false
  readonly #world: GroupWorld
  readonly #sent: AdjRibOut
  readonly #several: boolean
  #outcomes: ExportOutcomes
  readonly #stepping: Audience
  readonly #candidates = new Candidates()
  readonly #before = new PathList()
  readonly #after = new PathList()

  constructor(world: GroupWorld, rules: GroupRules) {
    this.#world = world
    this.rules = rules
    this.#several = rules.encoding.pathIds
    this.#sent = new AdjRibOut(world.table, world.store, this.#several)
    this.#outcomes = new ExportOutcomes(world, rules)
    this.behind = new Stragglers(world, this.#sent, rules.encoding, this.members)
    this.#stepping = stepping(this.members, this.behind)
    this.rewalk()
  }

  /** Whether some of what was sent depended on validated origins. */
  get testsRpki(): boolean {
    return this.#outcomes.testsRpki
  }

  /** Other rules from now on: what changes by them is told as the walk comes to it. */
  setRules(rules: GroupRules): void {
    this.rules = rules
    this.#outcomes = new ExportOutcomes(this.#world, rules)
    this.rewalk()
  }

  /** Looks at every prefix again. */
  rewalk(): void {
    this.walk = { cursor: 0, until: this.#world.table.prefixes.top }
  }

  /** Paths of this neighbour come from elsewhere now. */
  forgetSource(slot: number): void {
    this.#outcomes.forgetSource(slot)
  }

  /** A neighbour that has been told nothing. */
  join(slot: number, peer: PeerTable): void {
    const member: Member = {
      slot,
      peer,
      congested: false,
      owesEndOfRib: true,
      refreshDue: false,
      owesBorder: false,
    }
    peer.advertised = 0
    const nothingSent = this.members.size === 0 && this.walk.cursor === 0
    this.#enter(member)
    if (!nothingSent) this.behind.add(member, this.#world.table.prefixes.top, 'nothing')
  }

  /** A member of `from` that is to have what this group tells from now on; what `from` has told it is kept in mind. */
  take(from: UpdateGroup, slot: number): void {
    const member = from.members.get(slot)!
    const { lag } = member
    from.members.delete(slot)
    from.behind.remove(member)
    delete member.lag
    this.#enter(member)
    this.behind.takeFrom(from.behind, member, lag)
  }

  /** Its session ended. What it was told is forgotten. */
  leave(slot: number): void {
    const member = this.members.get(slot)
    if (member === undefined) return
    this.members.delete(slot)
    this.behind.remove(member)
    if (member.lag !== undefined) this.#world.discarded.add(member.lag)
  }

  /** Whether nobody minds what was sent. */
  get isForgotten(): boolean {
    return this.members.size === 0 && this.behind.leaving.size === 0
  }

  /** Forgets up to `budget` prefixes of what was sent, when it {@link isForgotten}. Gives what is left of it. */
  dissolve(budget: number): number {
    const { walk } = this
    const { top } = this.#world.table.prefixes
    let left = budget
    for (; left > 0 && walk.cursor < top; left--) this.#sent.forget(walk.cursor++)
    if (walk.cursor < top) return left
    this.isDissolved = true
    this.#sent.close()
    this.#world.pieces.clear(this.behind)
    return left
  }

  /** Its socket is full, or takes bytes again. */
  setCongested(slot: number, congested: boolean): void {
    const member = this.members.get(slot)
    if (member === undefined) return
    member.congested = congested
    if (congested && member.lag === undefined) this.behind.add(member, 0, 'same')
  }

  /** Everything is sent to this member again from now on, which has no range before it. */
  sendAgain(member: Member): void {
    const { top } = this.#world.table.prefixes
    const { lag } = member
    if (lag === undefined) return this.behind.add(member, top, 'same')
    // Nothing was left of what it came from, but that it came.
    this.#world.discarded.arrive(lag)
    Object.assign(lag, { cursor: 0, until: top, base: 'same' })
  }

  /** The set that this member is to have for the prefix, 0 for none: what it has when it is in step. */
  setFor(slot: number, prefix: number): number {
    if (this.#several) return 0
    const list = new PathList()
    this.#sent.fill(prefix, slot, list)
    return list.count === 0 ? 0 : list.sets[0]!
  }

  /** Whether this member has been told something of the prefix, and nothing that the group has taken back since. */
  isTold(slot: number, prefix: number): boolean {
    const lag = this.members.get(slot)?.lag
    return lag === undefined || this.behind.hadSome(lag, prefix)
  }

  /** The paths that a member that takes several is to have: their identifiers and sets. */
  pathsFor(slot: number, prefix: number): { pathId: number; set: number }[] {
    if (!this.#several) return []
    const list = new PathList()
    this.#sent.fill(prefix, slot, list)
    return Array.from({ length: list.count }, (_, i) => ({ pathId: list.ids[i]!, set: list.sets[i]! }))
  }

  /** Why its rules would not send this set, for people. */
  reasonAgainst(set: number, slot: number, prefix: number): string | undefined {
    return this.#outcomes.reasonAgainst(set, slot, prefix)
  }

  /** What its rules, which let it go, make of this set: the next hop, and whether a message can carry it. */
  exportedFor(set: number, slot: number, prefix: number): { nextHop: Address | undefined; fits: boolean } {
    const result = this.#outcomes.outcome(set, slot, prefix)
    return {
      nextHop: result === 0 ? undefined : this.#world.store.nextHop(result).global,
      fits: result !== 0,
    }
  }

  /** Before a run of `tell`: what was found out in the last one may be gone. */
  begin(): void {
    this.#outcomes.begin()
  }

  /** After the outbox was written: what members in step have more is counted, and what went is let go. */
  settle(): void {
    this.#sent.settle()
    const { more } = this.#stepping
    if (more === 0) return
    for (const { lag, peer } of this.members.values()) if (lag === undefined) peer.advertised += more
    this.#stepping.more = 0
  }

  /** Brings what the group has sent for this prefix to what it should be; a prefix comes once between two writes. */
  tell(prefix: number, outbox: Outbox): void {
    if (this.#several) return this.#tellSeveral(prefix, outbox)
    const { table, store } = this.#world
    const old = this.#sent.set(prefix)
    const best = table.best.get(prefix)
    let next = 0
    let nextFrom = 0
    if (best === 1) next = this.#ownFor(prefix)
    else if (best > 1 && this.#passesOn()) {
      nextFrom = table.slotOf(best - 1)
      // Nobody is there to get what the only member sent.
      if (this.members.size > 1 || !this.members.has(nextFrom))
        next = this.#outcomes.exported(table.bestSet.get(prefix), nextFrom, prefix)
      if (next === 0) nextFrom = 0
    }
    if (old === SPLIT || next === SPLIT) return this.#tellSplit(prefix, next, nextFrom, outbox)
    const oldFrom = this.#sent.from(prefix)
    if (old === next && oldFrom === nextFrom) return
    this.behind.note(prefix)
    if (this.members.size > this.behind.size) {
      const oldOwner = old === 0 ? 0 : store.ownerOf(old)
      const nextOwner = next === 0 ? 0 : store.ownerOf(next)
      step(outbox, this.#stepping, prefix, 0, old, oldFrom, oldOwner, true, next, nextFrom, nextOwner)
    }
    this.#sent.put(prefix, next, nextFrom)
  }

  #enter(member: Member): void {
    // What the only member sent has not been looked at.
    if (this.members.size === 1) this.rewalk()
    this.members.set(member.slot, member)
    // It may be the next hop of what they tell.
    this.#world.pieces.clear(this.behind)
  }

  #passesOn(): boolean {
    return this.rules.exportLearned && !this.#world.deferred
  }

  /** An own route of which members get different things. */
  #tellSplit(prefix: number, next: number, nextFrom: number, outbox: Outbox): void {
    this.behind.note(prefix)
    const sets = next === SPLIT ? this.#ownByMember(prefix) : undefined
    this.#tellEach(prefix, outbox, () => {
      if (sets === undefined) this.#sent.put(prefix, next, nextFrom)
      else this.#sent.putSplit(prefix, sets)
    })
  }

  /** What every member in step has after the change is told it alone. */
  #tellEach(prefix: number, outbox: Outbox, change: () => void): void {
    const slots = [...this.members.values()].filter(({ lag }) => lag === undefined).map(({ slot }) => slot)
    const befores = slots.map((slot) => {
      const list = new PathList()
      this.#sent.fill(prefix, slot, list)
      return list
    })
    change()
    for (const [i, slot] of slots.entries()) {
      this.#after.clear()
      this.#sent.fill(prefix, slot, this.#after)
      tellOne(outbox, this.#stepping, slot, prefix, befores[i]!, this.#after, true)
    }
  }

  /** What all members get of an own route, or {@link SPLIT}. */
  #ownFor(prefix: number): number {
    const { peers } = this.#world.table
    let common = -1
    for (const slot of this.members.keys()) {
      const own = peers[slot]!.own.get(prefix)
      if (common >= 0 && own !== common) return SPLIT
      common = own
    }
    return common <= 0 ? 0 : this.#outcomes.outcome(common, 0, prefix)
  }

  #ownByMember(prefix: number): Map<number, number> {
    const { peers } = this.#world.table
    const sets = new Map<number, number>()
    for (const slot of this.members.keys()) {
      const own = peers[slot]!.own.get(prefix)
      const set = own === 0 ? 0 : this.#outcomes.outcome(own, 0, prefix)
      if (set !== 0) sets.set(slot, set)
    }
    return sets
  }

  /** Several paths: the best of what is left, as often as the group sends any. */
  #tellSeveral(prefix: number, outbox: Outbox): void {
    const { table, store, decision } = this.#world
    const { paths } = this.rules
    const own = table.best.get(prefix) === 1 ? this.#ownFor(prefix) : 0
    const splits = own === SPLIT
    const wanted = this.#after
    wanted.clear()
    if (own !== 0 && !splits) wanted.add(ownPathId, own, 0, store.ownerOf(own))
    const among = this.#candidates
    if (this.#passesOn()) table.collect(prefix, among)
    else among.clear()
    while (among.count > 0 && wanted.count < paths) {
      const index = selectBest(store, decision, among)
      const path = among.refs[index]!
      const from = table.slotOf(path)
      const set = this.#outcomes.exported(among.sets[index]!, from, prefix)
      if (set !== 0) wanted.add(path + 1, set, from, store.ownerOf(set))
      among.remove(index)
    }
    if (splits || this.#sent.set(prefix) === SPLIT) {
      const displaces = wanted.count === paths
      const beside = splits ? { sets: this.#ownByMember(prefix), displaces } : undefined
      this.behind.note(prefix)
      return this.#tellEach(prefix, outbox, () => this.#sent.putSeveral(prefix, wanted, beside))
    }
    const before = this.#before
    before.clear()
    this.#sent.fill(prefix, 0, before)
    if (before.equals(wanted)) return
    this.behind.note(prefix)
    if (this.members.size > this.behind.size) spread(outbox, this.#stepping, prefix, before, wanted, true)
    this.#sent.putSeveral(prefix, wanted)
  }
}

/** Members that are in step. */
function stepping(members: ReadonlyMap<number, Member>, behind: Stragglers): Audience {
  return {
    more: 0,
    get size() {
      return members.size - behind.size
    },
    among(slot) {
      if (slot === 0) return 0
      const member = members.get(slot)
      return member === undefined || member.lag !== undefined ? 0 : slot
    },
    adjust(slot, routes) {
      members.get(slot)!.peer.advertised += routes
    },
  }
}
