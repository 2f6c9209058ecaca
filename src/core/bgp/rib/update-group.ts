/**
 * Neighbours that get the same for the same, and what they have been sent: one adj-rib-out for all of them (RFC 4271 §3.2).
 *
 *     per prefix     | sent: set | from: slot of the neighbour whose path it was |           8 bytes, in used segments only
 *     split          prefix → slot → set           where an own route has other attributes for one member than for another
 *     paths          a chain per prefix            instead, for members that take several paths (RFC 7911): 16 bytes per path
 *     per member that is behind    | pending | told |     bits per prefix, in used segments only
 *
 * A set is kept from the member it came from and from the one that is its next hop. All others that are in step have it.
 * Of a member that is behind, a prefix has a pending bit when it changed since, and a told bit when the member had something
 * then; `cursor` … `until` is a range that it has yet to be told as a whole. `bringUp` tells it what the group has by then.
 * A group of neighbours that take several paths has one member: what it was told of a prefix is a list then.
 * Changes wait in an outbox and are written once for all. `rib.reference.ts` is the oracle; bench: `bench/rib.ts`.
 */
import type { Address } from '#core/net/address.ts'
import type { AttributeStore } from './attribute-store.ts'
import { BitColumn, columnsTogether, type Column } from './column.ts'
import { Candidates, selectBest, type DecisionRules } from './decision.ts'
import { ExportOutcomes, type OutcomeMemo } from './export-outcomes.ts'
import type { ExportTarget } from './export.ts'
import { allBut, noException, only, type Encoding, type Outbox } from './outbox.ts'
import type { PathSource } from './path-source.ts'
import { PathChains } from './paths.ts'
import type { PeerTable, RibTable } from './rib-table.ts'

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
  /** All routes are to be sent again (RFC 2918 §4), or are being sent between borders (RFC 7313 §4). */
  refreshing: 'no' | 'due' | 'begun'
}

interface Lag {
  cursor: number
  until: number
  /** Nothing in that range has been told. */
  fresh: boolean
  pending: BitColumn
  told: BitColumn
  /** Identifiers that it had of a prefix that is told, when several paths are sent. */
  toldPaths: Map<number, number[]>
}

function newLag(until: number, fresh: boolean): Lag {
  return { cursor: 0, until, fresh, pending: new BitColumn(), told: new BitColumn(), toldPaths: new Map() }
}

/** In `sent`: members differ. Above every set. */
const SPLIT = 0x1000_0000

export class UpdateGroup {
  rules: GroupRules
  readonly members = new Map<number, Member>()
  /** Prefixes that have yet to be looked at, after a start or a change of rules. */
  walk = { cursor: 0, until: 0 }
  readonly #world: GroupWorld
  readonly #sent: Column
  readonly #from: Column
  readonly #split = new Map<number, Map<number, number>>()
  /** Members that take several paths: `cell` is a set, `slot` whom it is from. */
  readonly #paths: PathChains | undefined
  #outcomes: ExportOutcomes
  #lagging = 0
  /** What members in step have more than at the last `settle`. */
  #delta = 0
  /** Prefixes that are held no longer, once the outbox is written. */
  #unheld: number[] = []
  readonly #candidates = new Candidates()
  constructor(world: GroupWorld, rules: GroupRules) {
    this.#world = world
    this.rules = rules
    ;[this.#sent, this.#from] = columnsTogether(2)
    this.#paths = rules.encoding.pathIds ? new PathChains() : undefined
    this.#outcomes = new ExportOutcomes(world, rules)
    world.table.companions.add(this.#sent).add(this.#from)
    if (this.#paths !== undefined) world.table.companions.add(this.#paths.heads)
    this.rewalk()
  }

  /** Whether some of what was sent depended on validated origins. */
  get testsRpki(): boolean {
    return this.#outcomes.testsRpki
  }

  get inStep(): number {
    return this.members.size - this.#lagging
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
  join(slot: number, peer: PeerTable): Member {
    const member: Member = { slot, peer, congested: false, owesEndOfRib: true, refreshing: 'no' }
    peer.advertised = 0
    const { top } = this.#world.table.prefixes
    const nothingSent = this.members.size === 0 && this.walk.cursor === 0
    // What the only member sent has not been looked at.
    if (this.members.size === 1) this.rewalk()
    this.members.set(slot, member)
    if (!nothingSent) this.#fallBehind(member, top, true)
    return member
  }

  /** A neighbour that `from` has told what it has told, and that is to have what this group tells. */
  take(from: UpdateGroup, member: Member): void {
    const { table } = this.#world
    const { slot } = member
    const { lag } = member
    const moved = newLag(0, false)
    for (let prefix = 0; prefix < table.prefixes.top; prefix++) {
      const had = from.setFor(slot, prefix)
      const unsure =
        lag !== undefined && (lag.pending.has(prefix) || (prefix >= lag.cursor && prefix < lag.until))
      if (!unsure && had === this.setFor(slot, prefix)) continue
      moved.pending.add(prefix)
      table.hold(prefix)
      if (lag?.pending.has(prefix) === true ? lag.told.has(prefix) : !(unsure && lag?.fresh) && had !== 0)
        moved.told.add(prefix)
    }
    from.leave(slot)
    delete member.lag
    if (this.members.size === 1) this.rewalk()
    this.members.set(slot, member)
    this.#setLag(member, moved)
  }

  /** A group with other rules that has told `slots`, until now of this one, the same. */
  cloneFor(rules: GroupRules, slots: readonly number[]): UpdateGroup {
    const clone = new UpdateGroup(this.#world, rules)
    const { table, store } = this.#world
    for (let prefix = 0; prefix < table.prefixes.top; prefix++) {
      const set = this.#sent.get(prefix)
      if (set === 0) continue
      clone.#sent.set(prefix, set)
      clone.#from.set(prefix, this.#from.get(prefix))
      table.hold(prefix)
      if (set !== SPLIT) store.retain(set)
    }
    for (const [prefix, sets] of this.#split) {
      clone.#split.set(prefix, new Map(sets))
      for (const set of sets.values()) store.retain(set)
    }
    for (const slot of slots) {
      const member = this.members.get(slot)!
      const { lag } = member
      delete member.lag
      this.members.delete(slot)
      clone.members.set(slot, member)
      if (lag === undefined) continue
      this.#lagging--
      clone.#setLag(member, lag)
    }
    return clone
  }

  /** Its session ended. What it was told is forgotten. */
  leave(slot: number): void {
    const member = this.members.get(slot)
    if (member === undefined) return
    const { lag } = member
    this.members.delete(slot)
    if (lag === undefined) return
    this.#lagging--
    const { table } = this.#world
    for (let prefix = lag.pending.next(0); prefix >= 0; prefix = lag.pending.next(prefix + 1))
      table.unhold(prefix)
  }

  /** Forgets up to `budget` prefixes of what was sent, when no member is left. Gives whether that was all. */
  dissolve(budget: number): boolean {
    const { table, store } = this.#world
    const { walk } = this
    for (let left = budget; left > 0 && walk.cursor < table.prefixes.top; left--) {
      const prefix = walk.cursor++
      const set = this.#sent.get(prefix)
      if (set !== 0) {
        if (set === SPLIT) this.#releaseSplit(prefix)
        else store.release(set)
        this.#sent.set(prefix, 0)
        this.#from.set(prefix, 0)
        table.unhold(prefix)
      }
      if (this.#paths !== undefined) this.#dropPaths(this.#paths, prefix)
    }
    this.settle()
    if (walk.cursor < table.prefixes.top) return false
    table.companions.delete(this.#sent)
    table.companions.delete(this.#from)
    if (this.#paths !== undefined) table.companions.delete(this.#paths.heads)
    return true
  }

  /** Its socket is full, or takes bytes again. */
  setCongested(slot: number, congested: boolean): void {
    const member = this.members.get(slot)
    if (member === undefined) return
    member.congested = congested
    if (congested && member.lag === undefined) this.#fallBehind(member, 0, false)
  }

  /** Everything is to be sent to this member again (RFC 2918 §4). */
  refresh(slot: number): void {
    const member = this.members.get(slot)
    if (member === undefined) return
    const { top } = this.#world.table.prefixes
    const { lag } = member
    if (member.refreshing === 'no') member.refreshing = 'due'
    if (lag === undefined) return this.#fallBehind(member, top, false)
    if (!lag.fresh) {
      lag.cursor = 0
      lag.until = top
      return
    }
    // The first transfer is still under way: what it has told already is told again after it.
    for (let prefix = 0; prefix < Math.min(lag.cursor, top); prefix++)
      if (this.#has(slot, prefix)) this.#change(lag, prefix, true)
  }

  /** The set that this member is to have for the prefix, 0 for none: what it has when it is in step. */
  setFor(slot: number, prefix: number): number {
    const set = this.#sent.get(prefix)
    if (set === 0) return 0
    if (set === SPLIT) return this.#split.get(prefix)!.get(slot) ?? 0
    return this.#from.get(prefix) === slot || this.#world.store.ownerOf(set) === slot ? 0 : set
  }

  /** Whether this member has been told what the group has for the prefix. */
  isTold(slot: number, prefix: number): boolean {
    const lag = this.members.get(slot)?.lag
    if (lag === undefined) return true
    return lag.pending.has(prefix)
      ? lag.told.has(prefix)
      : !(lag.fresh && prefix >= lag.cursor && prefix < lag.until)
  }

  /** The paths that a member that takes several is to have: their identifiers, sets and neighbours. */
  pathsFor(slot: number, prefix: number): { pathId: number; set: number; from: number }[] {
    const found: { pathId: number; set: number; from: number }[] = []
    const chains = this.#paths
    if (chains === undefined) return found
    for (let node = chains.first(prefix); node >= 0; node = chains.next(node)) {
      const [set, from] = [chains.cell.get(node), chains.slot.get(node)]
      if (from !== slot && this.#world.store.ownerOf(set) !== slot)
        found.push({ pathId: chains.pathId.get(node), set, from })
    }
    return found
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
    for (const prefix of this.#unheld) this.#world.table.unhold(prefix)
    this.#unheld = []
    if (this.#delta === 0) return
    for (const { lag, peer } of this.members.values()) if (lag === undefined) peer.advertised += this.#delta
    this.#delta = 0
  }

  /** Brings what the group has sent for this prefix to what it should be; a prefix comes once between two writes. */
  tell(prefix: number, outbox: Outbox): void {
    if (this.#paths !== undefined) return this.#tellPaths(this.#paths, prefix, outbox)
    const { table } = this.#world
    const old = this.#sent.get(prefix)
    const oldFrom = this.#from.get(prefix)
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
    if (old === SPLIT || next === SPLIT) return this.#tellSplit(prefix, old, next, nextFrom, outbox)
    if (old === next && oldFrom === nextFrom) return
    this.#spread(prefix, old, oldFrom, next, nextFrom, outbox)
    this.#store(prefix, old, next, nextFrom)
  }

  /**
   * Tells a member that is behind up to `budget` prefixes; what it is told waits in `outbox`. Gives what is left of the
   * budget. The member is in step afterwards if nothing was left to be told.
   */
  bringUp(member: Member, budget: number, outbox: Outbox): number {
    const { lag } = member
    if (lag === undefined) return budget
    let left = budget
    while (left > 0 && lag.cursor < lag.until) {
      left--
      this.#bring(member, lag, lag.cursor++, outbox)
    }
    for (let prefix = -1; left > 0 && lag.cursor >= lag.until; left--) {
      prefix = lag.pending.next(prefix + 1)
      if (prefix < 0) break
      this.#bring(member, lag, prefix, outbox)
    }
    if (lag.cursor >= lag.until && lag.pending.count === 0) {
      delete member.lag
      this.#lagging--
    }
    return left
  }

  #fallBehind(member: Member, until: number, fresh: boolean): void {
    this.#setLag(member, newLag(until, fresh))
  }

  #setLag(member: Member, lag: Lag): void {
    member.lag = lag
    this.#lagging++
  }

  #passesOn(): boolean {
    return this.rules.exportLearned && !this.#world.deferred
  }

  /** A member in step, else 0. */
  #stepping(slot: number): number {
    if (slot === 0) return 0
    const member = this.members.get(slot)
    return member === undefined || member.lag !== undefined ? 0 : slot
  }

  /** Puts a change into the outbox for members in step, and notes it for the others. */
  #spread(
    prefix: number,
    old: number,
    oldFrom: number,
    next: number,
    nextFrom: number,
    outbox: Outbox,
  ): void {
    if (this.#lagging > 0) {
      const oldOwner = old === 0 ? 0 : this.#world.store.ownerOf(old)
      for (const { slot, lag } of this.members.values())
        if (lag !== undefined) this.#change(lag, prefix, old !== 0 && slot !== oldFrom && slot !== oldOwner)
    }
    this.#spreadInStep(prefix, 0, old, oldFrom, next, nextFrom, outbox)
  }

  /** As {@link #spread}, for members in step alone and one path. */
  #spreadInStep(
    prefix: number,
    pathId: number,
    old: number,
    oldFrom: number,
    next: number,
    nextFrom: number,
    outbox: Outbox,
  ): void {
    if (this.#lagging === this.members.size) return
    const { store } = this.#world
    const oldOwner = old === 0 ? 0 : store.ownerOf(old)
    const nextOwner = next === 0 ? 0 : store.ownerOf(next)
    const base = (next === 0 ? 0 : 1) - (old === 0 ? 0 : 1)
    this.#delta += base
    // Whom the old and the new one are kept from, among those in step.
    const a = this.#stepping(oldFrom)
    const b = this.#stepping(oldOwner)
    const c = this.#stepping(nextFrom)
    const d = this.#stepping(nextOwner)
    const others = this.members.size - this.#lagging
    if (next === 0) outbox.withdraw(allBut(a, b === a ? 0 : b), prefix, pathId)
    else if (next !== old && others > (c === 0 ? 0 : 1) + (d === 0 || d === c ? 0 : 1))
      outbox.announce(next, allBut(c, d === c ? 0 : d), prefix, pathId)
    for (let i = 0; i < 4; i++) {
      const slot = i === 0 ? a : i === 1 ? b : i === 2 ? c : d
      if (slot === 0 || (i > 0 && slot === a) || (i > 1 && slot === b) || (i > 2 && slot === c)) continue
      const had = old !== 0 && slot !== a && slot !== b
      const has = next !== 0 && slot !== c && slot !== d
      this.members.get(slot)!.peer.advertised += (has ? 1 : 0) - (had ? 1 : 0) - base
      if (had && !has && next !== 0) outbox.withdraw(only(slot), prefix, pathId)
      if (has && !had && next === old) outbox.announce(next, only(slot), prefix, pathId)
    }
  }

  #store(prefix: number, old: number, next: number, nextFrom: number): void {
    const { store, table } = this.#world
    if (next !== 0 && next !== SPLIT) store.retain(next)
    this.#sent.set(prefix, next)
    this.#from.set(prefix, nextFrom)
    if (old !== 0 && old !== SPLIT) store.release(old)
    if (old === 0 && next !== 0) table.hold(prefix)
    if (old !== 0 && next === 0) this.#unheld.push(prefix)
  }

  /** An own route of which members get different things. */
  #tellSplit(prefix: number, old: number, next: number, nextFrom: number, outbox: Outbox): void {
    const { store } = this.#world
    const before = new Map<number, number>()
    for (const slot of this.members.keys()) before.set(slot, this.setFor(slot, prefix))
    const after = new Map<number, number>()
    for (const slot of this.members.keys()) {
      const set = next === SPLIT ? this.#exportedOwn(slot, prefix) : next
      if (set !== 0 && slot !== nextFrom && store.ownerOf(set) !== slot) after.set(slot, set)
    }
    if (next === SPLIT) for (const set of after.values()) store.retain(set)
    // What comes is held before what goes is let go: it may be the same.
    this.#store(prefix, old, next, nextFrom)
    if (old === SPLIT) this.#releaseSplit(prefix)
    if (next === SPLIT) this.#split.set(prefix, after)
    for (const { slot, lag, peer } of this.members.values()) {
      const [had, has] = [before.get(slot)!, after.get(slot) ?? 0]
      if (had === has) continue
      if (lag !== undefined) {
        this.#change(lag, prefix, had !== 0)
        continue
      }
      peer.advertised += (has === 0 ? 0 : 1) - (had === 0 ? 0 : 1)
      if (has === 0) outbox.withdraw(only(slot), prefix, 0)
      else outbox.announce(has, only(slot), prefix, 0)
    }
  }

  #releaseSplit(prefix: number): void {
    for (const set of this.#split.get(prefix)!.values()) this.#world.store.release(set)
    this.#split.delete(prefix)
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

  #exportedOwn(slot: number, prefix: number): number {
    const own = this.#world.table.peers[slot]!.own.get(prefix)
    return own === 0 ? 0 : this.#outcomes.outcome(own, 0, prefix)
  }

  /** Notes that a member that is behind does not have what the group has. */
  #change(lag: Lag, prefix: number, had: boolean): void {
    if (lag.pending.has(prefix)) return
    // It is told as a whole anyway, and had nothing.
    if (lag.fresh && prefix >= lag.cursor && prefix < lag.until) return
    lag.pending.add(prefix)
    this.#world.table.hold(prefix)
    if (had) lag.told.add(prefix)
  }

  #has(slot: number, prefix: number): boolean {
    return this.#paths === undefined
      ? this.setFor(slot, prefix) !== 0
      : this.pathsFor(slot, prefix).length > 0
  }

  #bring(member: Member, lag: Lag, prefix: number, outbox: Outbox): void {
    const changed = lag.pending.has(prefix)
    const told = changed ? lag.told.has(prefix) : !lag.fresh
    if (this.#paths !== undefined) this.#bringPaths(member, lag, prefix, told, outbox)
    else {
      const set = this.setFor(member.slot, prefix)
      if (set !== 0) {
        outbox.announce(set, noException, prefix, 0)
        if (!told) member.peer.advertised++
      } else if (changed && told) {
        outbox.withdraw(noException, prefix, 0)
        member.peer.advertised--
      }
    }
    if (!changed) return
    lag.pending.remove(prefix)
    lag.told.remove(prefix)
    this.#unheld.push(prefix)
  }

  /** Several paths: the best of what is left, as often as the group sends any. */
  #tellPaths(chains: PathChains, prefix: number, outbox: Outbox): void {
    const { table, store, decision } = this.#world
    const wanted: { pathId: number; set: number; from: number }[] = []
    const own = table.best.get(prefix) === 1 ? this.#ownFor(prefix) : 0
    if (own !== 0) wanted.push({ pathId: 1, set: own, from: 0 })
    const among = this.#candidates
    if (this.#passesOn()) table.collect(prefix, among)
    else among.clear()
    while (among.count > 0 && wanted.length < this.rules.paths) {
      const index = selectBest(store, decision, among)
      const path = among.refs[index]!
      const from = table.slotOf(path)
      const set = this.#outcomes.exported(among.sets[index]!, from, prefix)
      if (set !== 0) wanted.push({ pathId: path + 1, set, from })
      among.remove(index)
    }
    const before: { pathId: number; set: number; from: number }[] = []
    for (let node = chains.first(prefix); node >= 0; node = chains.next(node))
      before.push({
        pathId: chains.pathId.get(node),
        set: chains.cell.get(node),
        from: chains.slot.get(node),
      })
    const same = (a: (typeof wanted)[0], b: (typeof wanted)[0]) =>
      a.pathId === b.pathId && a.set === b.set && a.from === b.from
    if (wanted.length === before.length && wanted.every((path) => before.some((each) => same(path, each))))
      return
    for (const { slot, lag } of this.members.values())
      if (lag !== undefined) this.#changePaths(slot, lag, prefix)
    for (const { set } of wanted) store.retain(set)
    for (const old of before) {
      const next = wanted.find(({ pathId }) => pathId === old.pathId)
      if (next === undefined) this.#spreadInStep(prefix, old.pathId, old.set, old.from, 0, 0, outbox)
      else if (!same(old, next))
        this.#spreadInStep(prefix, old.pathId, old.set, old.from, next.set, next.from, outbox)
    }
    for (const { pathId, set, from } of wanted)
      if (!before.some((old) => old.pathId === pathId))
        this.#spreadInStep(prefix, pathId, 0, 0, set, from, outbox)
    if (wanted.length > 0) table.hold(prefix)
    this.#dropPaths(chains, prefix)
    for (const { pathId, set, from } of wanted) chains.cell.set(chains.add(prefix, from, pathId), set)
  }

  #dropPaths(chains: PathChains, prefix: number): void {
    const { store } = this.#world
    if (chains.first(prefix) < 0) return
    for (let node = chains.first(prefix); node >= 0; node = chains.first(prefix)) {
      store.release(chains.cell.get(node))
      chains.remove(prefix, node)
    }
    this.#unheld.push(prefix)
  }

  #changePaths(slot: number, lag: Lag, prefix: number): void {
    if (lag.pending.has(prefix)) return
    const had = this.pathsFor(slot, prefix).map(({ pathId }) => pathId)
    this.#change(lag, prefix, had.length > 0)
    if (lag.told.has(prefix)) lag.toldPaths.set(prefix, had)
  }

  #bringPaths(member: Member, lag: Lag, prefix: number, told: boolean, outbox: Outbox): void {
    const has = this.pathsFor(member.slot, prefix)
    const current = has.map(({ pathId }) => pathId)
    const had = told ? (lag.toldPaths.get(prefix) ?? current) : []
    lag.toldPaths.delete(prefix)
    for (const pathId of had) if (!current.includes(pathId)) outbox.withdraw(noException, prefix, pathId)
    for (const { set, pathId } of has) outbox.announce(set, noException, prefix, pathId)
    member.peer.advertised += current.length - had.length
  }
}
