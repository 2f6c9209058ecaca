/**
 * The routing information bases of one speaker (RFC 4271 §3.2, §9): what neighbours sent, what was chosen, what each was sent.
 * It knows neighbours by slot and sessions as up or down; timers and connections are not its business. Routes come in by
 * `announce`, `withdraw` and `setOwnRoutes`; `run` gives the messages that make every neighbour's view right again.
 *
 * Everything hot is in `rib-table.ts`, `update-group.ts` and `outbox.ts`; here work is handed out in slices, so that no call takes
 * long: what is left makes the next call due at once. Work is counted in prefixes looked at.
 */
import { assert, present } from '#core/lib/assert.ts'
import { addressBytes, compareAddresses, type Address } from '#core/net/address.ts'
import { families, type Family } from '../family.ts'
import type { OriginChange } from '../policy/origins.ts'
import type { Update } from '../wire/message.ts'
import { pathIdAt } from '../wire/nlri.ts'
import { AttributeStore } from './attribute-store.ts'
import type { DecisionRules } from './decision.ts'
import { OutcomeMemo } from './export-outcomes.ts'
import { targetKey, type ExportTarget } from './export.ts'
import { sourceKey, type ImportSource } from './import.ts'
import { Imports, type ImportMemory } from './imports.ts'
import { Discarded } from './lag.ts'
import { BY_PREFIX } from './outcome-cache.ts'
import { OwnRoutes, type NeighbourOwnRoute, type OwnRoute } from './own-routes.ts'
import type { LearnedFrom, PathSource } from './path-source.ts'
import { Pieces } from './pieces.ts'
import { cellOf, PeerTable, RibTable } from './rib-table.ts'
import { Sweeps } from './sweeps.ts'
import type { GroupRules, GroupWorld, UpdateGroup } from './update-group.ts'
import { gatherMs, UpdateGroups, type RibSink } from './update-groups.ts'

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

/** A neighbour's place in the RIB. */
export interface Neighbour {
  policy: NeighbourPolicy
  /** While it is up. */
  session?: NeighbourSession
  /** The session that its paths came from: the one that is up or, while they are stale, the last one. */
  learned?: NeighbourSession
  imports?: ImportMemory
  /** Of families whose stale paths are long-lived stale ones (RFC 9494 §4.2). */
  longLived: Set<Family>
  congested: boolean
  /** It was taken out, and its paths are still going. */
  leaving: boolean
}

/** Prefixes that a call looks at. */
const defaultSliceSize = 16_384
/** Most prefixes that a member that is behind is told of before the next one has its turn. */
const largestPiece = 4096

export class Rib {
  readonly store: AttributeStore
  readonly tables: Record<Family, RibTable>
  /** By slot; slot 0 is the speaker itself. */
  readonly neighbours: (Neighbour | undefined)[] = [undefined]
  readonly decision: DecisionRules = { alwaysCompareMed: false }
  /** How many equally good paths count as used, by what the best one is. */
  maxPaths = { external: 1, internal: 1 }
  readonly #sliceSize: number
  readonly #worlds: Record<Family, GroupWorld>
  readonly #groups: Record<Family, UpdateGroups>
  readonly #imports: Imports
  readonly #sweeps: Sweeps
  readonly #own: OwnRoutes
  #regroup = false
  #epoch: number | undefined
  #complete = true
  /** Time at which the oldest change came that has not been told. */
  #gatheringSince = 0
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
      memo: new OutcomeMemo(),
      pieces: new Pieces(),
      discarded: new Discarded(this.tables[family]),
      pieceSize: Math.max(1, Math.min(largestPiece, sliceSize >>> 2)),
      sourceOf: (slot) => this.sourceOf(slot),
    })
    this.#worlds = { 'ipv4/unicast': world('ipv4/unicast'), 'ipv6/unicast': world('ipv6/unicast') }
    this.#own = new OwnRoutes(this.store, this.tables)
    const groups = (family: Family) =>
      new UpdateGroups(family, this.#worlds[family], () => this.#own.prefixes(family))
    this.#groups = { 'ipv4/unicast': groups('ipv4/unicast'), 'ipv6/unicast': groups('ipv6/unicast') }
    this.#imports = new Imports(this.store, this.tables)
    this.#sweeps = new Sweeps(this.store, this.tables, (slot, family, set, prefix, stale) => {
      const { imports, longLived } = this.#neighbour(slot)
      return this.#imports.judge(imports!, family, set, prefix, stale && longLived.has(family))
    })
  }

  /** A slot for a neighbour, which stays its own until `removeNeighbour`. */
  addNeighbour(policy: NeighbourPolicy): number {
    const free = this.neighbours.indexOf(undefined, 1)
    const slot = free < 0 ? this.neighbours.length : free
    this.neighbours[slot] = {
      policy,
      longLived: new Set(),
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
    for (const family of families)
      if (this.#own.prefixes(family).size > 0) this.#sweeps.begin({ slot, family, kind: 'disown' })
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
    for (const family of families) this.#sweeps.begin({ slot: 0, family, kind: 'redecide' })
  }

  /** The session came up: the neighbour gets the whole table of each family, then End-of-RIB (RFC 4724 §2). */
  sessionUp(slot: number, session: NeighbourSession): void {
    const neighbour = this.#neighbour(slot)
    assert(neighbour.session === undefined, 'a session comes up once')
    const before = neighbour.learned
    // Stale paths of what was another neighbour in the eyes of the decision cannot stay.
    const isAnother = before !== undefined && identityOf(before.from) !== identityOf(session.from)
    neighbour.session = session
    neighbour.learned = session
    neighbour.congested = false
    this.store.addOwner(session.from.address, slot)
    for (const family of families) {
      const peer = this.tables[family].peers[slot]!
      if (isAnother && peer.stale > 0) {
        peer.unsettled = true
        this.sweepStale(slot, family)
      }
      peer.external = session.from.kind === 'external'
      // RFC 5065 §5.3: paths from inside the confederation without another AS in them are of the local AS.
      peer.asn = peer.external ? session.from.asn : 0
      peer.routerId = numberOf(session.from.routerId)
      if (!session.families.includes(family)) continue
      this.#groups[family].join(slot, this.#rulesFor(slot, family), session.enhancedRouteRefresh === true)
    }
    this.#setSourceOfPaths(slot, before?.from)
    this.#setSource(slot)
    this.#rank()
  }

  /** The configuration of a neighbour whose session stays up, or has left routes, has changed what its routes become. */
  changeSession(slot: number, session: NeighbourSession): void {
    const neighbour = this.#neighbour(slot)
    const { learned } = neighbour
    if (learned === undefined) return
    // Most changes of a configuration are about other neighbours or own routes.
    if (neighbour.session !== undefined && rulesOf(learned) === rulesOf(session)) {
      neighbour.session = session
      neighbour.learned = session
      return
    }
    if (neighbour.session === undefined) {
      // Whom the decision takes them to be from stays until the next session says otherwise.
      const { from } = learned
      neighbour.learned = { ...session, from, source: { ...session.source, from } }
    } else {
      neighbour.session = session
      neighbour.learned = session
      this.#regroup = true
    }
    this.#setSourceOfPaths(slot, learned.from)
    this.#setSource(slot)
  }

  /**
   * The session ended. Its routes are forgotten (RFC 4271 §8.2.2), but for those of the families in `kept`: they stay in use
   * as stale ones (RFC 4724 §4.2) until they come again or `sweepStale` ends it. What was stale before is forgotten too, unless the
   * family is in `older` as well (RFC 8538 §4.1); where that was long-lived stale, the others are at once (RFC 9494 §4.2).
   */
  sessionDown(slot: number, kept: readonly Family[] = [], older: readonly Family[] = []): void {
    const neighbour = this.#neighbour(slot)
    const { session } = neighbour
    if (session !== undefined) this.store.removeOwner(session.from.address, slot)
    delete neighbour.session
    for (const family of families) {
      this.#groups[family].leave(slot)
      this.tables[family].peers[slot]!.advertised = 0
      const keeps = kept.includes(family)
      const peer = this.tables[family].peers[slot]!
      if (keeps && older.includes(family)) {
        this.#age(slot, family, true)
        if (neighbour.longLived.has(family)) this.toLongLived(slot, family)
      } else if (keeps || peer.stale < peer.received) this.markStale(slot, family)
      if (keeps) continue
      neighbour.longLived.delete(family)
      this.sweepStale(slot, family)
    }
  }

  /** All routes of the family are stale until they come again: the neighbour sends them anew (RFC 7313 §4). */
  markStale(slot: number, family: Family): void {
    this.#sweeps.drop((each) => each.slot === slot && each.family === family && each.kind === 'longLived')
    this.#neighbour(slot).longLived.delete(family)
    this.#age(slot, family, false)
  }

  /** Forgets the routes that are still stale (RFC 4724 §4.2, RFC 7313 §4). */
  sweepStale(slot: number, family: Family): void {
    this.tables[family].peers[slot]!.keepNoStale()
    this.#sweeps.forget(slot, family)
  }

  /** Whether {@link markStale} costs next to nothing, and will once more: so much of what was stale before has gone. */
  canMarkStale(slot: number, family: Family): boolean {
    return this.tables[family].peers[slot]!.freeEpochs > 1
  }

  /**
   * RFC 9494 §4.2: stale routes go on as long-lived stale ones, which carry LLGR_STALE and are the least preferred; those
   * with NO_LLGR are forgotten.
   */
  toLongLived(slot: number, family: Family): void {
    this.#neighbour(slot).longLived.add(family)
    this.#sweeps.begin({ slot, family, kind: 'longLived' })
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
      this.#groups[family].rewalk('all')
    }
  }

  /** RFC 4724 §4.1: while own routes are still being gathered no End-of-RIB is sent. */
  setComplete(complete: boolean): void {
    if (complete && !this.#complete) for (const family of families) this.#groups[family].busy = true
    this.#complete = complete
  }

  /** Its socket is full, and it is told nothing until it takes bytes again. */
  setCongested(slot: number, congested: boolean): void {
    const neighbour = this.#neighbour(slot)
    if (neighbour.congested === congested) return
    neighbour.congested = congested
    for (const family of families) this.#groups[family].setCongested(slot, congested)
  }

  /** Validated origins changed: everything that was asked about them is asked again (RFC 6811 §2). */
  originsChanged(change: OriginChange): void {
    for (const [slot, neighbour] of this.neighbours.entries())
      for (const family of change.families)
        if (neighbour?.imports?.[family].testsRpki === true)
          this.#sweeps.begin({ slot, family, kind: 'reevaluate', change })
    for (const family of change.families) this.#groups[family].rewalk('rpki')
  }

  /** Judges anew all that this neighbour sent. */
  reevaluate(slot: number): void {
    for (const family of families)
      if (this.tables[family].peers[slot]!.received > 0)
        this.#sweeps.begin({ slot, family, kind: 'reevaluate' })
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
    table.prefixes.approach(nlri, start, end, pathIds ? 4 : 0)
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
    table.prefixes.approach(nlri, start, end, pathIds ? 4 : 0)
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
    const slots = [...this.neighbours.keys()].filter((slot) => this.neighbours[slot]?.leaving === false)
    this.#own.replace(routes, slots, this.#tenths(now))
  }

  /** Of the own routes that there are, what a neighbour gets that has been given none yet. */
  addOwnRoutesFor(slot: number, routes: readonly NeighbourOwnRoute[], now: number): void {
    this.#gather(now)
    this.#own.add(slot, routes)
  }

  /** The neighbour wants all routes of the family again (RFC 2918 §4). */
  refresh(slot: number, family: Family): void {
    this.#groups[family].refresh(slot)
  }

  /**
   * Does a slice of what is due, so that every neighbour has what it should have. `now` in ms. When {@link nextRunAt} has come,
   * it is to be called again. `effort`: the part of a slice to do, above 0 up to 1. `isLate`: whether the slice takes longer than was
   * thought when that was chosen.
   */
  run(now: number, sink: RibSink, effort = 1, isLate: () => boolean = () => false): void {
    let budget = Math.ceil(this.#sliceSize * effort)
    for (const family of families) {
      const groups = this.#groups[family]
      groups.busy = false
      if (this.#regroup) groups.assign((slot) => this.#rulesFor(slot, family))
      budget = groups.tellOwn(budget, sink)
    }
    this.#regroup = false
    // Half of it is left to tell what changes.
    const half = Math.ceil(budget / 2)
    budget += this.#sweeps.run(half, (slot) => this.#freeSlot(slot)) - half
    for (const family of families)
      budget = this.#groups[family].flush(budget, now - this.#gatheringSince, sink, isLate)
    for (const family of families) budget = this.#groups[family].bringUp(budget, this.#complete, sink)
    this.store.releaseTransient()
  }

  /** Time at which `run` is wanted; Infinity: not before something changes. */
  nextRunAt(): number {
    if (this.#regroup || this.#sweeps.waiting) return 0
    if (families.some((family) => this.#groups[family].busy)) return 0
    const waiting = families.some((family) => this.tables[family].dirty.length > 0)
    return waiting ? this.#gatheringSince + gatherMs : Infinity
  }

  /** The group that this neighbour is in while its session carries the family. */
  groupOf(slot: number, family: Family): UpdateGroup | undefined {
    return this.#groups[family].of(slot)
  }

  /** Where paths of this slot come from. */
  sourceOf(slot: number): PathSource {
    return this.neighbours[slot]?.learned?.from ?? { kind: 'own' }
  }

  /** Why a set that came from this neighbour is not used for this prefix; undefined if it is. */
  rejectionOf(slot: number, family: Family, set: number, prefix: number): string | undefined {
    const imports = this.neighbours[slot]?.imports
    return imports === undefined ? undefined : this.#imports.reasonOf(imports, family, set, prefix)
  }

  /** Time at which a path came, in ms. */
  timeOf(tenths: number): number {
    return (this.#epoch ?? 0) + 100 * tenths
  }

  #age(slot: number, family: Family, keepsOlder: boolean): void {
    const peer = this.tables[family].peers[slot]!
    if (!peer.age(keepsOlder)) {
      peer.keepNoStale()
      this.#sweeps.forgetNow(slot, family)
      peer.age(false)
    }
    this.#sweeps.forget(slot, family)
    this.#sweeps.merge(slot, family)
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
    const imports = this.#imports.memoryOf(source)
    const had = neighbour.imports
    if (imports === had) return
    neighbour.imports = imports
    this.#imports.keepOnly(new Set(this.neighbours.map((each) => each?.imports)))
    if (had !== undefined) this.reevaluate(slot)
  }

  /** `before`: what its paths were from until now. */
  #setSourceOfPaths(slot: number, before: LearnedFrom | undefined): void {
    for (const family of families) {
      this.#groups[family].forgetSource(slot)
      // RFC 4456 §6: the same paths go to others now.
      if (before !== undefined && before.client !== this.#neighbour(slot).learned!.from.client)
        this.#groups[family].rewalk('all')
    }
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

  /** Of a neighbour that was taken out: its slot may be another's when nothing of it is left. */
  #freeSlot(slot: number): void {
    const neighbour = this.neighbours[slot]
    if (
      neighbour?.leaving !== true ||
      this.#sweeps.has((each) => each.slot === slot && each.kind === 'disown') ||
      families.some((family) => this.tables[family].peers[slot]!.received > 0)
    )
      return
    for (const family of families) this.tables[family].peers[slot] = undefined
    this.#sweeps.drop((each) => each.slot === slot)
    this.neighbours[slot] = undefined
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

/** Equal for sessions whose paths become the same, in and out. */
function rulesOf({ from, source, target, addPathSend }: NeighbourSession): string {
  return JSON.stringify([sourceKey(source), targetKey(target), from.client === true, addPathSend])
}

/** What the decision looks at. */
function identityOf({ kind, asn, routerId, address }: LearnedFrom): string {
  return [kind, asn, routerId, address].join(' ')
}

function numberOf(routerId: Address): number {
  const [a = 0, b = 0, c = 0, d = 0] = addressBytes(routerId)
  return ((a << 24) | (b << 16) | (c << 8) | d) >>> 0
}
