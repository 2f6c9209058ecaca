/**
 * The routing information bases of one speaker (RFC 4271 §3.2, §9): what neighbours sent, what was chosen, what each was sent.
 * It knows neighbours by slot and sessions as up or down; timers and connections are not its business. Routes come in by
 * `announce`, `withdraw` and `setOwnRoutes`; `run` gives the messages that make every neighbour's view right again.
 *
 * Everything hot is in `rib-table.ts`, `update-group.ts` and `outbox.ts`; here work is handed out in slices, so that no call takes
 * long: what is left makes the next call due at once. Work is counted in prefixes looked at.
 */
import { assert, present } from '#core/lib/assert.ts'
import { wellKnownCommunities } from '#core/net/community.ts'
import { addressBytes, compareAddresses, type Address } from '#core/net/address.ts'
import type { Prefix } from '#core/net/prefix.ts'
import type { PathAttributes } from '../attributes.ts'
import type { OriginatedAttributes } from '../config.ts'
import { families, familyOfPrefix, type Family } from '../family.ts'
import type { OriginChange } from '../policy/origins.ts'
import type { Outcome } from '../policy/outcome.ts'
import type { Update } from '../wire/message.ts'
import { encodePrefix, pathIdAt } from '../wire/nlri.ts'
import { encodeEndOfRib } from '../wire/update-encode.ts'
import { attributeFlags, AttributeStore } from './attribute-store.ts'
import type { DecisionRules } from './decision.ts'
import { targetKey, type ExportTarget } from './export.ts'
import { importOutcome, sourceKey, type ImportSource } from './import.ts'
import { BY_PREFIX, OutcomeCache } from './outcome-cache.ts'
import { isExcepted, Outbox } from './outbox.ts'
import type { LearnedFrom, PathSource } from './path-source.ts'
import { cellBits, PeerTable, RibTable, setOf } from './rib-table.ts'
import { UpdateGroup, type GroupRules, type GroupWorld, type Member } from './update-group.ts'

export interface RibConfig {
  /** Any 32 bits, unknown to neighbours: the tables' hashes depend on it. */
  seed: number
  /** The origin of paths that have passed no other AS (RFC 6811 §2); absent: none. */
  ownAsn?: number
  /** Prefixes that a call of `run` looks at, about; absent: so many that it takes a few milliseconds. */
  sliceSize?: number
}

/** What a user decided about a neighbour's routes. */
export interface NeighbourPolicy {
  importRoutes: boolean
  exportLearned: boolean
}

/** What the RIB needs to know of an established session. */
export interface NeighbourSession {
  /** Who it is, and what it is as the source of paths. */
  from: LearnedFrom
  /** For what it sends. */
  source: ImportSource
  /** For what it is sent. */
  target: ExportTarget
  families: readonly Family[]
  /** Borders of a refresh were agreed on (RFC 7313 §3.1). */
  enhancedRouteRefresh?: boolean
  /** AS numbers of four octets in what it is sent (RFC 6793 §3). */
  fourOctetAsn: boolean
  /** Octets of the largest message it takes. */
  maxLength: number
  /** Most paths per prefix that it is sent, by family, where path identifiers were agreed on (RFC 7911 §4). */
  addPathSend?: Partial<Record<Family, number>>
}

/** An own route with what each neighbour gets of it, by slot. */
export interface OwnRoute {
  prefix: Prefix
  to: { slot: number; attributes: OriginatedAttributes }[]
}

/** Takes what `run` makes. */
export interface RibSink {
  /** Whole messages for the neighbour, in order. The array may be sent to several, and is not changed afterwards. */
  send(slot: number, bytes: Uint8Array, messages: number): void
  /** RFC 7313 §4: everything of the family follows, or has been sent. */
  refreshBorder(slot: number, family: Family, role: 'begin' | 'end'): void
  /** The best path of this prefix changed. Its id means the prefix until the call returns. */
  bestChanged(family: Family, prefix: number): void
}

/** A neighbour's place in the RIB. */
export interface Neighbour {
  policy: NeighbourPolicy
  /** While it is up. */
  session?: NeighbourSession
  /** The session that its paths came from: the one that is up or, while they are stale, the last one. */
  learned?: NeighbourSession
  /** What import made of its sets, by family: shared by neighbours of equal source. */
  imports?: Record<Family, OutcomeCache>
  importKey: string
  /** Of families whose stale paths are long-lived stale ones (RFC 9494 §4.3). */
  longLived: Set<Family>
  groups: Partial<Record<Family, UpdateGroup>>
  congested: boolean
  /** It was taken out, and its paths are still going. */
  leaving: boolean
}

/** A walk over what a neighbour sent. */
interface Sweep {
  slot: number
  family: Family
  /** Stale paths go, become long-lived stale ones, or all are judged anew; or the decision is made anew for all prefixes. */
  kind: 'stale' | 'longLived' | 'reevaluate' | 'redecide'
  cursor: number
  /** Of `reevaluate`: only where this has changed something. */
  change?: OriginChange
}

/** Prefixes that a call looks at. */
const defaultSliceSize = 16_384
/** Up to so many changes leave in the call that brought them. */
const smallFlush = 1024
/** Changes gather until there are so many, or the first is so old. */
const largeFlush = 32_768
const gatherMs = 10

const llgrStale = wellKnownCommunities['llgr-stale']

export class Rib {
  readonly store: AttributeStore
  readonly tables: Record<Family, RibTable>
  /** By slot; slot 0 is the speaker itself. */
  readonly neighbours: (Neighbour | undefined)[] = [undefined]
  readonly decision: DecisionRules = { alwaysCompareMed: false }
  readonly #sliceSize: number
  readonly #worlds: Record<Family, GroupWorld>
  readonly #groups: Record<Family, Map<string, UpdateGroup>> = {
    'ipv4/unicast': new Map(),
    'ipv6/unicast': new Map(),
  }
  readonly #imports = new Map<string, Record<Family, OutcomeCache>>()
  readonly #longLived: OutcomeCache
  readonly #own: Record<Family, Set<number>> = { 'ipv4/unicast': new Set(), 'ipv6/unicast': new Set() }
  readonly #sweeps: Sweep[] = []
  readonly #dissolving: { family: Family; group: UpdateGroup }[] = []
  readonly #outbox = new Outbox()
  readonly #batch = new Uint32Array(largeFlush)
  readonly #scratch = new Uint8Array(24)
  #regroup = false
  #epoch: number | undefined
  #complete = true
  /** Time at which the oldest change came that has not been told. */
  #gatheringSince = 0
  #moreToDo = false
  /** Slots of members that are behind or owed an End-of-RIB, the next one first. */
  readonly #attended = new Set<number>()

  constructor({ seed, ownAsn, sliceSize = defaultSliceSize }: RibConfig) {
    this.#sliceSize = sliceSize
    this.store = new AttributeStore(seed, ownAsn)
    this.tables = {
      'ipv4/unicast': new RibTable(4, this.store, this.decision, seed),
      'ipv6/unicast': new RibTable(6, this.store, this.decision, seed),
    }
    const world = (family: Family): GroupWorld => ({
      table: this.tables[family],
      store: this.store,
      decision: this.decision,
      deferred: false,
      sourceOf: (slot) => this.sourceOf(slot),
    })
    this.#worlds = { 'ipv4/unicast': world('ipv4/unicast'), 'ipv6/unicast': world('ipv6/unicast') }
    this.#longLived = new OutcomeCache(this.store, withLongLivedStale, (attributes) =>
      this.store.internTransient(attributes),
    )
  }

  /** A slot for a neighbour, which stays its own until `removeNeighbour`. */
  addNeighbour(policy: NeighbourPolicy): number {
    const free = this.neighbours.indexOf(undefined, 1)
    const slot = free < 0 ? this.neighbours.length : free
    this.neighbours[slot] = {
      policy,
      importKey: '',
      longLived: new Set(),
      groups: {},
      congested: false,
      leaving: false,
    }
    for (const family of families) this.tables[family].peers[slot] = new PeerTable()
    return slot
  }

  removeNeighbour(slot: number): void {
    this.sessionDown(slot)
    const neighbour = this.#neighbour(slot)
    neighbour.leaving = true
    for (const family of families) {
      const own = this.tables[family].peers[slot]!.own
      for (const prefix of this.#own[family])
        if (own.get(prefix) !== 0) this.tables[family].setOwn(slot, prefix, 0)
    }
    this.#freeSlot(slot)
  }

  /** Applies to what the neighbour has sent and been sent already, too. */
  setPolicy(slot: number, policy: NeighbourPolicy): void {
    const neighbour = this.#neighbour(slot)
    const old = neighbour.policy
    neighbour.policy = policy
    if (old.importRoutes !== policy.importRoutes && neighbour.learned !== undefined) this.#setSource(slot)
    if (old.exportLearned !== policy.exportLearned) this.#regroup = true
  }

  /** The rules of the decision; of all prefixes if they change. */
  setDecision(rules: DecisionRules): void {
    if (rules.alwaysCompareMed === this.decision.alwaysCompareMed) return
    this.decision.alwaysCompareMed = rules.alwaysCompareMed
    for (const family of families) this.#sweep({ slot: 0, family, kind: 'redecide', cursor: 0 })
  }

  /** The session came up: the neighbour gets the whole table of each family, then End-of-RIB (RFC 4724 §2). */
  sessionUp(slot: number, session: NeighbourSession): void {
    const neighbour = this.#neighbour(slot)
    assert(neighbour.session === undefined, 'a session comes up once')
    const before = neighbour.learned
    // Stale paths of what was another neighbour in the eyes of the decision cannot stay.
    if (before !== undefined && identityOf(before.from) !== identityOf(session.from))
      for (const family of families) this.#finishStale(slot, family)
    neighbour.session = session
    neighbour.learned = session
    neighbour.congested = false
    this.store.setOwner(session.from.address, slot)
    for (const family of families) {
      const peer = this.tables[family].peers[slot]!
      peer.external = session.from.kind === 'external'
      peer.asn = session.from.asn
      peer.routerId = numberOf(session.from.routerId)
      if (!session.families.includes(family)) continue
      const group = this.#groupFor(slot, family)
      neighbour.groups[family] = group
      group.join(slot, peer)
      this.#attended.add(slot)
      // What it gets of own routes may be something else than what others get.
      for (const prefix of this.#own[family]) this.tables[family].touch(prefix)
    }
    this.#forgetSource(slot)
    this.#setSource(slot)
    this.#rank()
    this.#moreToDo = true
  }

  /** The configuration of a neighbour whose session stays up has changed what its routes become. */
  changeSession(slot: number, session: NeighbourSession): void {
    const neighbour = this.#neighbour(slot)
    if (neighbour.session === undefined) return
    neighbour.session = session
    neighbour.learned = session
    this.#forgetSource(slot)
    this.#setSource(slot)
    this.#regroup = true
  }

  /**
   * The session ended. Its routes are forgotten (RFC 4271 §8.2.2), but for those of the families in `kept`: they stay in use
   * as stale ones (RFC 4724 §4.2) until they come again or `sweepStale` ends it. What was stale before is forgotten too.
   */
  sessionDown(slot: number, kept: readonly Family[] = []): void {
    const neighbour = this.#neighbour(slot)
    const { session } = neighbour
    if (session !== undefined) this.store.setOwner(session.from.address, 0)
    delete neighbour.session
    for (const family of families) {
      const group = neighbour.groups[family]
      if (group !== undefined) this.#leave(group, slot, family)
      delete neighbour.groups[family]
      this.tables[family].peers[slot]!.advertised = 0
      const keeps = kept.includes(family)
      const peer = this.tables[family].peers[slot]!
      if (keeps || peer.stale < peer.received) this.markStale(slot, family)
      if (!keeps) this.sweepStale(slot, family)
    }
  }

  /** All routes of the family are stale until they come again: the neighbour sends them anew (RFC 7313 §4). */
  markStale(slot: number, family: Family): void {
    this.#finishStale(slot, family)
    this.#forgetSweeps((each) => each.slot === slot && each.family === family && each.kind !== 'reevaluate')
    const peer = this.tables[family].peers[slot]!
    this.#neighbour(slot).longLived.delete(family)
    peer.epoch ^= cellBits.epoch
    peer.stale = peer.received
  }

  /** Forgets the routes that are still stale (RFC 4724 §4.2, RFC 7313 §4). */
  sweepStale(slot: number, family: Family): void {
    if (this.tables[family].peers[slot]!.stale > 0) this.#sweep({ slot, family, kind: 'stale', cursor: 0 })
  }

  /**
   * RFC 9494 §4.3: stale routes go on as long-lived stale ones, which carry LLGR_STALE and are the least preferred; those
   * with NO_LLGR are forgotten.
   */
  toLongLived(slot: number, family: Family): void {
    this.#neighbour(slot).longLived.add(family)
    this.#sweep({ slot, family, kind: 'longLived', cursor: 0 })
  }

  /**
   * RFC 4724 §4.1: while `deferred`, learned routes are taken in and not passed on, and no End-of-RIB is sent. Own routes are
   * never held back.
   */
  setDeferred(deferred: boolean): void {
    for (const family of families) {
      const world = this.#worlds[family]
      if (world.deferred === deferred) continue
      world.deferred = deferred
      for (const group of this.#groups[family].values()) group.rewalk()
      this.#moreToDo = true
    }
  }

  /** RFC 4724 §4.1: while own routes are still being gathered no End-of-RIB is sent. */
  setComplete(complete: boolean): void {
    if (complete && !this.#complete) this.#moreToDo = true
    this.#complete = complete
  }

  /** Its socket is full, and it is told nothing until it takes bytes again. */
  setCongested(slot: number, congested: boolean): void {
    const neighbour = this.#neighbour(slot)
    if (neighbour.congested === congested) return
    neighbour.congested = congested
    for (const family of families) neighbour.groups[family]?.setCongested(slot, congested)
    this.#attended.add(slot)
    if (!congested) this.#moreToDo = true
  }

  /** Validated origins changed: everything that was asked about them is asked again (RFC 6811 §2). */
  originsChanged(change: OriginChange): void {
    for (const [slot, neighbour] of this.neighbours.entries())
      for (const family of change.families)
        if (neighbour?.imports?.[family].testsRpki === true)
          this.#sweep({ slot, family, kind: 'reevaluate', cursor: 0, change })
    for (const family of change.families)
      for (const group of this.#groups[family].values()) if (group.testsRpki) group.rewalk()
    this.#moreToDo = true
  }

  /** Judges anew all that this neighbour sent. */
  reevaluate(slot: number): void {
    for (const family of families)
      if (this.tables[family].peers[slot]!.received > 0)
        this.#sweep({ slot, family, kind: 'reevaluate', cursor: 0 })
  }

  /** Takes an UPDATE in. `now` in ms; it is kept per route in tenths of a second. */
  receive(slot: number, update: Update, now: number): void {
    for (const { family, nlri, pathIds } of update.withdrawn)
      this.withdraw(slot, family, nlri, 0, nlri.length, pathIds === true, now)
    for (const { family, nlri, nextHop, pathIds } of update.announced) {
      const set = this.store.intern(update.attributes, nextHop)
      this.announce(slot, family, set, nlri, 0, nlri.length, pathIds === true, now)
      this.store.release(set)
    }
  }

  /** The neighbour says `set`, as it came, of the prefixes from `start` to `end` of `nlri`, which are valid. */
  announce(
    slot: number,
    family: Family,
    set: number,
    nlri: Uint8Array,
    start: number,
    end: number,
    pathIds: boolean,
    now: number,
  ): void {
    const table = this.tables[family]
    const peer = table.peers[slot]!
    const imports = this.#neighbour(slot).imports![family]
    const since = this.#tenths(now)
    this.#gather(now)
    const common = imports.resultOf(set, 0)
    let cell = common === BY_PREFIX ? 0 : cellOf(common, set, peer.epoch)
    let raw = common > 0 && common !== set ? set : 0
    for (let at = start; at < end;) {
      const pathId = pathIds ? pathIdAt(nlri, at) : 0
      if (pathIds) at += 4
      if (common === BY_PREFIX) {
        const result = imports.resultAt(set, 0, nlri, at)
        cell = cellOf(result, set, peer.epoch)
        raw = result > 0 && result !== set ? set : 0
      }
      const prefix = table.prefixes.idOf(nlri, at)
      if (pathIds) table.setChainedPath(slot, pathId, prefix, cell, raw, since)
      else table.setPath(slot, prefix, cell, raw, since)
      at += 1 + ((nlri[at]! + 7) >>> 3)
    }
  }

  /** The neighbour takes back the prefixes from `start` to `end` of `nlri`, which are valid. */
  withdraw(
    slot: number,
    family: Family,
    nlri: Uint8Array,
    start: number,
    end: number,
    pathIds: boolean,
    now: number,
  ): void {
    const table = this.tables[family]
    this.#gather(now)
    for (let at = start; at < end;) {
      const pathId = pathIds ? pathIdAt(nlri, at) : 0
      if (pathIds) at += 4
      const prefix = table.prefixes.find(nlri, at)
      if (prefix >= 0) {
        if (pathIds) table.setChainedPath(slot, pathId, prefix, 0, 0, 0)
        else table.setPath(slot, prefix, 0, 0, 0)
      }
      at += 1 + ((nlri[at]! + 7) >>> 3)
    }
  }

  /** Replaces all own routes. Slots must exist. */
  setOwnRoutes(routes: readonly OwnRoute[], now: number): void {
    this.#gather(now)
    const merged = new Map<Prefix, OwnRoute['to']>()
    for (const { prefix, to } of routes) merged.set(prefix, [...(merged.get(prefix) ?? []), ...to])
    const kept = { 'ipv4/unicast': new Set<number>(), 'ipv6/unicast': new Set<number>() }
    const sets = new Map<string, number>()
    for (const [prefix, to] of merged) {
      const family = familyOfPrefix(prefix)
      const table = this.tables[family]
      const id = table.prefixes.idOf(encodePrefix(prefix), 0)
      kept[family].add(id)
      const first = to[0] === undefined ? {} : to[0].attributes
      table.setPath(0, id, 4 * this.#ownSet(sets, family, first), 0, this.#tenths(now))
      for (let slot = 1; slot < this.neighbours.length; slot++) {
        if (this.neighbours[slot] === undefined || this.neighbours[slot]!.leaving) continue
        const mine = to.find((target) => target.slot === slot)
        table.setOwn(slot, id, mine === undefined ? 0 : this.#ownSet(sets, family, mine.attributes))
      }
    }
    for (const family of families) {
      for (const id of this.#own[family]) if (!kept[family].has(id)) this.#removeOwn(this.tables[family], id)
      this.#own[family] = kept[family]
    }
    for (const set of sets.values()) this.store.release(set)
  }

  /** The neighbour wants all routes of the family again (RFC 2918 §4). */
  refresh(slot: number, family: Family): void {
    const group = this.#neighbour(slot).groups[family]
    if (group === undefined) return
    group.refresh(slot)
    this.#attended.add(slot)
    this.#moreToDo = true
  }

  /**
   * Does a slice of what is due, so that every neighbour has what it should have. `now` in ms. When {@link nextRunAt} has come,
   * it is to be called again.
   */
  run(now: number, sink: RibSink): void {
    let budget = this.#sliceSize
    this.#moreToDo = false
    if (this.#regroup) this.#assignGroups()
    budget = this.#runSweeps(budget)
    for (const family of families) budget = this.#flush(family, budget, now, sink)
    for (const family of families) budget = this.#walk(family, budget, sink)
    budget = this.#bringUp(budget, sink)
    this.#dissolve(budget)
    this.store.releaseTransient()
  }

  /** Time at which `run` is wanted; Infinity: not before something changes. */
  nextRunAt(): number {
    if (this.#moreToDo) return 0
    const waiting = families.some((family) => this.tables[family].dirty.length > 0)
    return waiting ? this.#gatheringSince + gatherMs : Infinity
  }

  /** The group that this neighbour is in while its session carries the family. */
  groupOf(slot: number, family: Family): UpdateGroup | undefined {
    return this.neighbours[slot]?.groups[family]
  }

  /** Where paths of this slot come from. */
  sourceOf(slot: number): PathSource {
    return this.neighbours[slot]?.learned?.from ?? { kind: 'own' }
  }

  /** Why a set that came from this neighbour is not used for this prefix; undefined if it is. */
  rejectionOf(slot: number, family: Family, set: number, prefix: number): string | undefined {
    const imports = this.neighbours[slot]?.imports?.[family]
    this.tables[family].prefixes.writeNlri(prefix, this.#scratch, 0)
    return imports?.reasonAt(set, 0, this.#scratch, 0)
  }

  /** Time at which a path came, in ms. */
  timeOf(tenths: number): number {
    return (this.#epoch ?? 0) + 100 * tenths
  }

  #gather(now: number): void {
    for (const family of families) if (this.tables[family].dirty.length > 0) return
    this.#gatheringSince = now
  }

  /** Paths of this neighbour are judged by its rules as they are now. */
  #setSource(slot: number): void {
    const neighbour = this.#neighbour(slot)
    const { policy, learned } = neighbour
    const source: ImportSource = { ...learned!.source, importRoutes: policy.importRoutes }
    const key = sourceKey(source)
    if (key === neighbour.importKey) return
    const had = neighbour.imports !== undefined
    neighbour.importKey = key
    let imports = this.#imports.get(key)
    if (imports === undefined) {
      const cache = (family: Family) =>
        new OutcomeCache(
          this.store,
          (attributes): Outcome => importOutcome(source, family, attributes),
          (attributes) => this.store.internTransient(attributes),
        )
      imports = { 'ipv4/unicast': cache('ipv4/unicast'), 'ipv6/unicast': cache('ipv6/unicast') }
      this.#imports.set(key, imports)
    }
    neighbour.imports = imports
    const used = new Set(this.neighbours.map((each) => each?.importKey))
    for (const each of this.#imports.keys()) if (!used.has(each)) this.#imports.delete(each)
    if (had) this.reevaluate(slot)
  }

  #forgetSource(slot: number): void {
    for (const family of families) for (const group of this.#groups[family].values()) group.forgetSource(slot)
  }

  #rulesFor(slot: number, family: Family): GroupRules {
    const { session, policy } = this.#neighbour(slot)
    const { target, fourOctetAsn, maxLength, addPathSend } = session!
    const paths = addPathSend?.[family] ?? 0
    return {
      target,
      exportLearned: policy.exportLearned,
      encoding: { family, fourOctetAsn, maxLength, pathIds: paths > 0 },
      paths: Math.max(1, paths),
    }
  }

  #groupFor(slot: number, family: Family): UpdateGroup {
    const rules = this.#rulesFor(slot, family)
    const key = rulesKey(slot, rules)
    const groups = this.#groups[family]
    let group = groups.get(key)
    if (group === undefined) groups.set(key, (group = new UpdateGroup(this.#worlds[family], rules)))
    if (rules.encoding.pathIds) this.tables[family].tellsAll = true
    return group
  }

  #leave(group: UpdateGroup, slot: number, family: Family): void {
    group.leave(slot)
    if (group.members.size > 0) return
    for (const [key, each] of this.#groups[family]) if (each === group) this.#groups[family].delete(key)
    group.walk = { cursor: 0, until: 0 }
    this.#dissolving.push({ family, group })
    this.#moreToDo = true
  }

  /** Puts neighbours whose rules changed into the group that they now belong to; what they have been told is kept in mind. */
  #assignGroups(): void {
    this.#regroup = false
    this.#moreToDo = true
    for (const family of families) {
      const groups = this.#groups[family]
      for (const [key, group] of groups.entries().toArray()) {
        const moves = new Map<string, number[]>()
        for (const slot of group.members.keys()) {
          const wanted = rulesKey(slot, this.#rulesFor(slot, family))
          moves.set(wanted, [...(moves.get(wanted) ?? []), slot])
        }
        const stay = moves.delete(key)
        for (const [wanted, slots] of moves) {
          const rules = this.#rulesFor(slots[0]!, family)
          const known = groups.get(wanted)
          if (known === undefined && !stay && slots.length === group.members.size) {
            groups.delete(key)
            groups.set(wanted, group)
            group.setRules(rules)
            continue
          }
          let next = known
          if (next === undefined) groups.set(wanted, (next = group.cloneFor(rules, slots)))
          else {
            for (const slot of slots) next.take(group, group.members.get(slot)!)
            // What they get of own routes may be something else than what its other members get.
            for (const prefix of this.#own[family]) this.tables[family].touch(prefix)
          }
          for (const slot of slots) {
            this.#neighbour(slot).groups[family] = next
            this.#attended.add(slot)
          }
          if (group.members.size === 0) this.#leave(group, -1, family)
        }
      }
    }
  }

  #sweep(sweep: Sweep): void {
    const { slot, family, kind } = sweep
    const isSame = (each: Sweep) => each.slot === slot && each.family === family && each.kind === kind
    // One that has not come to its end was about other things, too.
    if (this.#sweeps.some(isSame)) delete sweep.change
    this.#forgetSweeps(isSame)
    this.#sweeps.push(sweep)
    this.#moreToDo = true
  }

  #forgetSweeps(which: (sweep: Sweep) => boolean): void {
    for (let i = this.#sweeps.length - 1; i >= 0; i--) if (which(this.#sweeps[i]!)) this.#sweeps.splice(i, 1)
  }

  #runSweeps(budget: number): number {
    let left = budget
    while (left > 0) {
      const sweep = this.#sweeps[0]
      if (sweep === undefined) return left
      left = this.#runSweep(sweep, left)
      const { slot, family, kind } = sweep
      const done =
        sweep.cursor >= this.tables[family].prefixes.top ||
        (kind === 'stale' && !this.#hasStale(slot, family))
      if (!done) break
      this.#sweeps.splice(this.#sweeps.indexOf(sweep), 1)
      this.#freeSlot(slot)
    }
    if (this.#sweeps.length > 0) this.#moreToDo = true
    return left
  }

  #hasStale(slot: number, family: Family): boolean {
    return (this.tables[family].peers[slot]?.stale ?? 0) > 0
  }

  #runSweep(sweep: Sweep, budget: number): number {
    const { slot, family, kind } = sweep
    const table = this.tables[family]
    const peer = table.peers[slot]
    let left = budget
    if (peer === undefined) sweep.cursor = table.prefixes.top
    else if (kind === 'redecide') {
      for (; left > 0 && sweep.cursor < table.prefixes.top; left--) {
        const prefix = sweep.cursor++
        if (!table.prefixes.isFree(prefix)) table.redecide(prefix)
      }
    } else {
      const { chains } = table
      for (; left > 0 && sweep.cursor < table.prefixes.top; sweep.cursor++) {
        // What holds no path of this neighbour costs next to nothing.
        const prefix = sweep.cursor
        if (sweep.change !== undefined && !this.#concerns(sweep.change, family, prefix)) {
          left--
          continue
        }
        const cell = peer.in.get(prefix)
        if (cell !== 0) {
          left--
          this.#sweepPath(sweep, prefix, -1, cell, peer.raw.get(prefix), peer.since.get(prefix))
        }
        if (peer.chained === 0) continue
        for (let node = chains.first(prefix); node >= 0;) {
          const next = chains.next(node)
          if (chains.slot.get(node) === slot) {
            left--
            this.#sweepPath(
              sweep,
              prefix,
              node,
              chains.cell.get(node),
              chains.received.get(node),
              chains.since.get(node),
            )
          }
          node = next
        }
        if (kind === 'stale' && peer.stale === 0) break
      }
    }
    return left
  }

  #concerns(change: OriginChange, family: Family, prefix: number): boolean {
    const { prefixes } = this.tables[family]
    if (prefixes.isFree(prefix)) return false
    prefixes.writeNlri(prefix, this.#scratch, 0)
    return change.affects(family, this.#scratch, 0)
  }

  #sweepPath(
    { slot, family, kind }: Sweep,
    prefix: number,
    node: number,
    cell: number,
    raw: number,
    since: number,
  ): void {
    const table = this.tables[family]
    const peer = table.peers[slot]!
    const stale = peer.isStale(cell)
    if (kind !== 'reevaluate' && !stale) return
    const received = raw === 0 ? setOf(cell) : raw
    let nextCell = 0
    let nextRaw = 0
    const gone =
      kind === 'stale' ||
      (kind === 'longLived' && (this.store.flags[received]! & attributeFlags.noLongLived) !== 0)
    if (!gone) {
      const result = this.#judge(slot, family, received, prefix, stale)
      nextCell = cellOf(result, received, cell & cellBits.epoch)
      nextRaw = result > 0 && result !== received ? received : 0
    }
    if (node < 0) table.setPath(slot, prefix, nextCell, nextRaw, since)
    else table.setChainedPath(slot, table.chains.pathId.get(node), prefix, nextCell, nextRaw, since)
  }

  /** What import makes of a set for a prefix, 0 for rejected. */
  #judge(slot: number, family: Family, set: number, prefix: number, stale: boolean): number {
    const { imports, longLived } = this.#neighbour(slot)
    const cache = imports![family]
    let result = cache.resultOf(set, 0)
    if (result === BY_PREFIX) {
      this.tables[family].prefixes.writeNlri(prefix, this.#scratch, 0)
      result = cache.resultAt(set, 0, this.#scratch, 0)
    }
    return result > 0 && stale && longLived.has(family) ? this.#longLived.resultOf(result, 0) : result
  }

  /** Ends what stale paths there are at once: rare, and only between two losses of the same session in quick succession. */
  #finishStale(slot: number, family: Family): void {
    if (!this.#hasStale(slot, family)) return
    this.#runSweep({ slot, family, kind: 'stale', cursor: 0 }, Infinity)
    assert(!this.#hasStale(slot, family), 'no stale path is left')
  }

  /** Of a neighbour that was taken out: its slot may be another's when nothing of it is left. */
  #freeSlot(slot: number): void {
    const neighbour = this.neighbours[slot]
    if (
      neighbour?.leaving !== true ||
      families.some((family) => this.tables[family].peers[slot]!.received > 0)
    )
      return
    for (const family of families) this.tables[family].peers[slot] = undefined
    this.#forgetSweeps((each) => each.slot === slot)
    this.neighbours[slot] = undefined
  }

  /** Tells groups of what changed, when enough has or it has waited long enough. */
  #flush(family: Family, budget: number, now: number, sink: RibSink): number {
    const table = this.tables[family]
    const { dirty } = table
    const due =
      dirty.length <= smallFlush || dirty.length >= largeFlush || now - this.#gatheringSince >= gatherMs
    if (dirty.length === 0 || !due || budget <= 0) {
      if (dirty.length > 0 && due) this.#moreToDo = true
      return budget
    }
    const groups = [...this.#groups[family].values()]
    const share = Math.max(
      Math.min(256, this.#sliceSize),
      Math.floor((2 * budget) / Math.max(1, groups.length)),
    )
    const batch = share < this.#batch.length ? this.#batch.subarray(0, share) : this.#batch
    const count = dirty.peek(batch)
    for (const group of groups) {
      group.begin()
      for (let i = 0; i < count; i++) group.tell(batch[i]!, this.#outbox)
      this.#write(group, family, sink)
    }
    dirty.drop(count)
    for (let i = 0; i < count; i++) {
      const prefix = batch[i]!
      if (table.bestChanged(prefix)) sink.bestChanged(family, prefix)
      table.clean(prefix)
    }
    if (dirty.length > 0) this.#moreToDo = true
    return budget - Math.floor((count * Math.max(1, groups.length)) / 2)
  }

  /** Groups that have yet to look at every prefix. */
  #walk(family: Family, budget: number, sink: RibSink): number {
    let left = budget
    for (const group of this.#groups[family].values()) {
      const { walk } = group
      if (walk.cursor >= walk.until) continue
      const { prefixes } = this.tables[family]
      group.begin()
      const top = Math.min(walk.until, prefixes.top)
      for (; left > 0 && walk.cursor < top; left--) {
        const prefix = walk.cursor++
        if (!prefixes.isFree(prefix)) group.tell(prefix, this.#outbox)
      }
      if (walk.cursor >= top) walk.cursor = walk.until
      this.#write(group, family, sink)
      if (walk.cursor < walk.until) this.#moreToDo = true
    }
    return left
  }

  /** Members that are behind, each in its turn; then what is said at the end of a transfer. */
  #bringUp(budget: number, sink: RibSink): number {
    let left = budget
    for (const slot of this.#attended.values().toArray()) {
      const neighbour = this.neighbours[slot]
      let open = false
      for (const family of neighbour?.session === undefined ? [] : families) {
        const group = neighbour!.groups[family]
        const member = group?.members.get(slot)
        if (group === undefined || member === undefined) continue
        const waits = member.congested || group.walk.cursor < group.walk.until
        if (!waits) left = this.#bringUpMember(group, member, family, left, sink)
        if (member.lag !== undefined || member.owesEndOfRib || member.refreshing !== 'no') open = true
      }
      this.#attended.delete(slot)
      if (open) this.#attended.add(slot)
      if (left <= 0) {
        this.#moreToDo = true
        break
      }
    }
    return left
  }

  #bringUpMember(group: UpdateGroup, member: Member, family: Family, budget: number, sink: RibSink): number {
    const { slot } = member
    if (member.lag !== undefined && budget <= 0) {
      this.#moreToDo = true
      return budget
    }
    const bordered = this.neighbours[slot]!.session!.enhancedRouteRefresh === true
    if (member.refreshing === 'due') {
      if (bordered && !member.owesEndOfRib) sink.refreshBorder(slot, family, 'begin')
      member.refreshing = bordered && !member.owesEndOfRib ? 'begun' : 'no'
    }
    const left = group.bringUp(member, budget, this.#outbox)
    this.#outbox.write(this.tables[family].prefixes, this.store, group.rules.encoding, (_, bytes, messages) =>
      sink.send(slot, bytes, messages),
    )
    group.settle()
    if (member.lag !== undefined) {
      this.#moreToDo = true
      return left
    }
    if (member.refreshing === 'begun') {
      sink.refreshBorder(slot, family, 'end')
      member.refreshing = 'no'
    }
    if (member.owesEndOfRib && this.#complete && !this.#worlds[family].deferred) {
      member.owesEndOfRib = false
      sink.send(slot, encodeEndOfRib(family), 1)
    }
    return left
  }

  /** What waits in the outbox goes to all members in step but those that it is kept from. */
  #write(group: UpdateGroup, family: Family, sink: RibSink): void {
    this.#outbox.write(
      this.tables[family].prefixes,
      this.store,
      group.rules.encoding,
      (except, bytes, messages) => {
        for (const { slot, lag } of group.members.values())
          if (lag === undefined && !isExcepted(except, slot)) sink.send(slot, bytes, messages)
      },
    )
    group.settle()
  }

  #dissolve(budget: number): void {
    const dying = this.#dissolving[0]
    if (dying === undefined) return
    if (budget > 0 && dying.group.dissolve(budget)) this.#dissolving.shift()
    if (this.#dissolving.length > 0) this.#moreToDo = true
  }

  /** The set of an own route before it is rewritten for a neighbour; `sets` remembers, and holds them. */
  #ownSet(sets: Map<string, number>, family: Family, own: OriginatedAttributes): number {
    const key = family + JSON.stringify(own)
    const known = sets.get(key)
    if (known !== undefined) return known
    const { origin = 'igp', nextHop = unspecified[family], ...others } = own
    const set = this.store.internTransient({ origin, asPath: [], nextHop, ...others })
    this.store.retain(set)
    sets.set(key, set)
    return set
  }

  #removeOwn(table: RibTable, prefix: number): void {
    table.hold(prefix)
    for (let slot = 1; slot < this.neighbours.length; slot++)
      if (this.neighbours[slot] !== undefined) table.setOwn(slot, prefix, 0)
    table.setPath(0, prefix, 0, 0, 0)
    table.unhold(prefix)
  }

  /** Orders neighbours by address (RFC 4271 §9.1.2.2 g; IPv4 before IPv6). */
  #rank(): void {
    const known = [...this.neighbours.keys()].filter((slot) => this.neighbours[slot]?.learned !== undefined)
    const addressOf = (slot: number) => this.neighbours[slot]!.learned!.from.address
    known.sort((a, b) => compareAddresses(addressOf(a), addressOf(b)))
    for (const [rank, slot] of known.entries())
      for (const family of families) this.tables[family].peers[slot]!.addressRank = rank
  }

  #neighbour(slot: number): Neighbour {
    return present(this.neighbours[slot], 'neighbour')
  }

  #tenths(now: number): number {
    this.#epoch ??= now
    return Math.max(0, Math.floor((now - this.#epoch) / 100))
  }
}

/** The cell of a path that came with `set`, which import made `result` of. */
function cellOf(result: number, set: number, epoch: number): number {
  return result > 0 ? 4 * result + epoch : 4 * set + epoch + cellBits.rejected
}

/** Equal for neighbours that get the same in the same messages. */
function rulesKey(slot: number, { target, exportLearned, encoding, paths }: GroupRules): string {
  const { fourOctetAsn, maxLength, pathIds } = encoding
  // A group that sends several paths remembers for one member what it was told of a prefix.
  return JSON.stringify([
    targetKey(target),
    exportLearned,
    fourOctetAsn,
    maxLength,
    paths,
    pathIds ? slot : 0,
  ])
}

/** What the decision looks at. */
function identityOf({ kind, asn, routerId, address }: LearnedFrom): string {
  return [kind, asn, routerId, address].join(' ')
}

function numberOf(routerId: Address): number {
  const [a = 0, b = 0, c = 0, d = 0] = addressBytes(routerId)
  return ((a << 24) | (b << 16) | (c << 8) | d) >>> 0
}

function withLongLivedStale(attributes: PathAttributes): Outcome {
  const communities = attributes.communities ?? []
  if (communities.includes(llgrStale)) return { kind: 'accept', attributes }
  const marked = [...communities, llgrStale].sort((a, b) => a - b)
  return { kind: 'accept', attributes: { ...attributes, communities: marked } }
}

const unspecified = { 'ipv4/unicast': '0.0.0.0' as Address, 'ipv6/unicast': '::' as Address }
