/**
 * The routing information bases of one speaker (RFC 4271 §3.2, §9): what neighbours sent, what was chosen, what each was sent.
 * It knows neighbours by slot and sessions as up or down; bytes, timers and connections are not its business. Routes come in
 * by `receive` and `setOwnRoutes`; `flush` gives the UPDATEs that make every neighbour's view right again.
 *
 * Everything hot is in `rib-table.ts`; here work is done per UPDATE and per attribute set. `flush` does the whole of what is
 * due at once; the dirty list and each neighbour's `walk` are where slices and a journal per group would go on from.
 */
import { assert, present } from '#core/lib/assert.ts'
import { compareAddresses, type Address } from '#core/net/address.ts'
import { wellKnownCommunities } from '#core/net/community.ts'
import type { Prefix } from '#core/net/prefix.ts'
import type { OriginatedAttributes } from '../config.ts'
import { families, familyOfPrefix, type Family } from '../family.ts'
import { encodeAttributes } from '../wire/attributes.ts'
import type { RouteRefresh, Update } from '../wire/message.ts'
import { encodePrefix, nlriNext } from '../wire/nlri.ts'
import { attributeFlags, AttributeStore } from './attribute-store.ts'
import { exportPath, targetKey, type ExportTarget } from './export.ts'
import { sourceKey, type ImportSource } from './import.ts'
import type { LearnedFrom, PathSource } from './path-source.ts'
import { endOfRib, fits, Outbox, packUpdates } from './pack.ts'
import { PeerTable, RibTable } from './rib-table.ts'

export interface RibConfig {
  localAsn: number
  /** Any 32 bits, unknown to neighbours: the tables' hashes depend on it. */
  seed: number
  /** Whether a next hop can be reached (RFC 4271 §9.1.2); absent: every one can. */
  resolves?: (nextHop: Address) => boolean
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
  /** Octets of the largest message it takes. */
  maxLength: number
  /** The borders of a refresh are marked (RFC 7313 §4). */
  enhancedRouteRefresh?: boolean
}

/** An own route with what each neighbour gets of it, by slot. */
export interface OwnRoute {
  prefix: Prefix
  to: { slot: number; attributes: OriginatedAttributes }[]
}

/** The UPDATEs for one neighbour, to be sent in order. Neighbours that are told the same share the objects. */
export interface Batch {
  slot: number
  updates: (Update | RouteRefresh)[]
}

/** How much of a table a neighbour is to be gone through for: only what is dirty, or everything and why. */
type Walk = 'dirty' | 'changed' | 'initial' | 'refresh'

/** What a flush works out once for neighbours that get the same attributes for the same path. */
interface Group {
  /** Set that is sent by offer (`offerTo`), 0 for withheld; each is held. */
  sets: Map<number, number>
  packed: { outbox: Outbox; updates: Batch['updates'] }[]
}

/** A neighbour's place in the RIB. */
export interface Neighbour {
  policy: NeighbourPolicy
  /** While it is up. */
  session?: NeighbourSession
  /** The session that its paths came from: the one that is up or, while they are stale, the last one. */
  learned?: NeighbourSession
  /** Families whose End-of-RIB it has not been sent yet. */
  endOfRibDue: Set<Family>
  /** Equal for neighbours that get the same attributes for the same path. */
  group: string
  walk: Record<Family, Walk>
}

export class Rib {
  readonly store: AttributeStore
  readonly tables: Record<Family, RibTable>
  /** By slot; slot 0 is the speaker itself. */
  readonly neighbours: (Neighbour | undefined)[] = [undefined]
  readonly #config: RibConfig
  readonly #own: Record<Family, Set<number>> = { 'ipv4/unicast': new Set(), 'ipv6/unicast': new Set() }
  #epoch: number | undefined
  #deferred = false
  #complete = true

  constructor(config: RibConfig) {
    this.#config = config
    this.store = new AttributeStore(config.localAsn, config.seed)
    this.tables = {
      'ipv4/unicast': new RibTable(4, this.store, config.seed),
      'ipv6/unicast': new RibTable(6, this.store, config.seed),
    }
  }

  /** A slot for a neighbour, which stays its own until `removeNeighbour`. */
  addNeighbour(policy: NeighbourPolicy): number {
    const free = this.neighbours.indexOf(undefined, 1)
    const slot = free < 0 ? this.neighbours.length : free
    this.neighbours[slot] = {
      policy,
      group: '',
      endOfRibDue: new Set(),
      walk: { 'ipv4/unicast': 'dirty', 'ipv6/unicast': 'dirty' },
    }
    for (const family of families) this.tables[family].peers[slot] = new PeerTable()
    return slot
  }

  removeNeighbour(slot: number): void {
    this.sessionDown(slot)
    for (const family of families) {
      this.tables[family].clearOwn(slot)
      this.tables[family].peers[slot] = undefined
    }
    this.neighbours[slot] = undefined
  }

  /** Applies to what the neighbour has sent and been sent already, too. */
  setPolicy(slot: number, policy: NeighbourPolicy): void {
    const neighbour = this.#neighbour(slot)
    const old = neighbour.policy
    neighbour.policy = policy
    if (old.importRoutes !== policy.importRoutes) this.reevaluate(slot)
    if (old.exportLearned === policy.exportLearned) return
    for (const family of families) if (neighbour.walk[family] === 'dirty') neighbour.walk[family] = 'changed'
  }

  /** The session came up: the neighbour gets the whole table of each family, then End-of-RIB (RFC 4724 §2). */
  sessionUp(slot: number, session: NeighbourSession): void {
    const neighbour = this.#neighbour(slot)
    assert(neighbour.session === undefined, 'a session comes up once')
    neighbour.session = session
    neighbour.learned = session
    neighbour.group = groupOf(session)
    for (const family of families) {
      const table = this.tables[family].peers[slot]!
      table.external = session.from.kind === 'external'
      table.asn = session.from.asn
      const carried = session.families.includes(family)
      neighbour.walk[family] = carried ? 'initial' : 'dirty'
      if (carried) neighbour.endOfRibDue.add(family)
    }
    this.#rank()
  }

  /** The configuration of a neighbour whose session stays up has changed what its routes become. */
  changeSession(slot: number, session: NeighbourSession): void {
    const neighbour = this.#neighbour(slot)
    const old = neighbour.session
    if (old === undefined || sessionKey(old) === sessionKey(session)) return
    neighbour.session = session
    neighbour.learned = session
    neighbour.group = groupOf(session)
    for (const family of families) if (neighbour.walk[family] === 'dirty') neighbour.walk[family] = 'changed'
    this.reevaluate(slot)
  }

  /**
   * The session ended. Its routes are forgotten (RFC 4271 §8.2.2), but for those of the families in `kept`: they stay in use
   * as stale ones (RFC 4724 §4.2) until they come again or `sweepStale` ends it. What was stale before is forgotten too.
   */
  sessionDown(slot: number, kept: readonly Family[] = []): void {
    const neighbour = this.#neighbour(slot)
    for (const family of families) {
      const table = this.tables[family]
      table.clearOut(slot)
      if (!kept.includes(family)) table.clearIn(slot)
      else {
        table.sweepStale(slot)
        table.markStale(slot)
      }
      neighbour.walk[family] = 'dirty'
    }
    neighbour.endOfRibDue.clear()
    delete neighbour.session
  }

  /** All routes of the family are stale until they come again: the neighbour sends them anew (RFC 7313 §4). */
  markStale(slot: number, family: Family): void {
    this.tables[family].markStale(slot)
  }

  /** Forgets the routes that are still stale (RFC 4724 §4.2, RFC 7313 §4). */
  sweepStale(slot: number, family: Family): void {
    this.tables[family].sweepStale(slot)
  }

  /**
   * RFC 9494 §4.3: stale routes go on as long-lived stale ones, which carry LLGR_STALE and are the least preferred; those
   * with NO_LLGR are forgotten.
   */
  toLongLived(slot: number, family: Family): void {
    const table = this.tables[family]
    const { in: cells, since, stale = new Set<number>() } = table.peers[slot]!
    const sets = new Map<number, number>()
    for (const prefix of stale) {
      const old = cells.get(prefix) >>> 1
      let set = sets.get(old)
      if (set === undefined) sets.set(old, (set = this.#longLivedSet(old)))
      if (set === 0) stale.delete(prefix)
      const rejected = set !== 0 && this.rejectionOf(slot, set) !== undefined
      table.setPath(slot, prefix, set, rejected, since.get(prefix))
    }
    for (const set of sets.values()) if (set !== 0) this.store.release(set)
  }

  /**
   * RFC 4724 §4.1: while `deferred`, learned routes are taken in and not passed on, and no End-of-RIB is sent. Own routes are
   * never held back.
   */
  setDeferred(deferred: boolean): void {
    if (this.#deferred && !deferred)
      for (const neighbour of this.neighbours)
        for (const family of families)
          if (neighbour?.walk[family] === 'dirty') neighbour.walk[family] = 'changed'
    this.#deferred = deferred
  }

  /** RFC 4724 §4.1: while own routes are still being gathered no End-of-RIB is sent. */
  setComplete(complete: boolean): void {
    this.#complete = complete
  }

  /** Takes an UPDATE in. `now` in ms; it is kept per route in tenths of a second. */
  receive(slot: number, update: Update, now: number): void {
    for (const { family, nlri } of update.withdrawn) {
      const table = this.tables[family]
      for (let at = 0; at < nlri.length; at = nlriNext(nlri, at)) {
        const prefix = table.prefixes.find(nlri, at)
        if (prefix < 0) continue
        table.peers[slot]!.stale?.delete(prefix)
        table.setPath(slot, prefix, 0, false, 0)
      }
    }
    const since = this.#tenths(now)
    for (const { family, nlri, nextHop } of update.announced) {
      const table = this.tables[family]
      const set = this.store.intern(update.attributes, nextHop)
      const rejected = this.rejectionOf(slot, set) !== undefined
      for (let at = 0; at < nlri.length; at = nlriNext(nlri, at)) {
        const prefix = table.prefixes.idOf(nlri, at)
        table.peers[slot]!.stale?.delete(prefix)
        table.setPath(slot, prefix, set, rejected, since)
      }
      this.store.release(set)
    }
  }

  /**
   * Why a path with these attributes from this neighbour may not be used. Everything here depends on the neighbour and the
   * attribute set alone, so it is asked once per UPDATE; an import policy that looks at prefixes comes after it.
   */
  rejectionOf(slot: number, set: number): string | undefined {
    const { learned: session, policy } = this.#neighbour(slot)
    if ((this.store.flags[set]! & attributeFlags.ownAsn) !== 0)
      return `its AS path contains the own AS ${this.#config.localAsn} (RFC 4271 §9.1.2)`
    const nextHop = this.store.nextHop(set).global
    if (nextHop === session?.source.localAddress || nextHop === session?.source.localAddressOtherVersion)
      return `its next hop ${nextHop} is this speaker (RFC 4271 §5.1.3)`
    if (this.#config.resolves !== undefined && !this.#config.resolves(nextHop))
      return `its next hop ${nextHop} cannot be reached (RFC 4271 §9.1.2)`
    if (!policy.importRoutes) return 'routes from this neighbour are not imported'
    return undefined
  }

  /** Judges anew all that this neighbour sent: after a change of policy or of what next hops resolve. */
  reevaluate(slot: number): void {
    for (const family of families) {
      const table = this.tables[family]
      const { in: cells, since } = table.peers[slot]!
      for (let prefix = 0; prefix < cells.cells.length; prefix++) {
        const set = cells.cells[prefix]! >>> 1
        if (set === 0) continue
        table.setPath(slot, prefix, set, this.rejectionOf(slot, set) !== undefined, since.get(prefix))
      }
    }
  }

  /** Replaces all own routes. Slots must exist. */
  setOwnRoutes(routes: readonly OwnRoute[], now: number): void {
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
      table.setPath(0, id, this.#ownSet(sets, family, first), false, this.#tenths(now))
      for (let slot = 1; slot < this.neighbours.length; slot++) {
        if (this.neighbours[slot] === undefined) continue
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
    const { session, walk } = this.#neighbour(slot)
    if (session !== undefined && session.families.includes(family) && walk[family] !== 'initial')
      walk[family] = 'refresh'
  }

  /**
   * What is to be sent so that every neighbour has what it should have, and taken as sent. `bestChanged` is told each prefix
   * whose best path changed since the last flush, before its id can be freed.
   */
  flush(bestChanged?: (family: Family, prefix: number) => void): Batch[] {
    const batches: Batch[] = []
    for (const family of families) {
      const table = this.tables[family]
      const groups = new Map<string, Group>()
      for (let slot = 1; slot < this.neighbours.length; slot++) {
        const updates = this.#flushTo(slot, family, groups)
        if (updates.length > 0) batches.push({ slot, updates })
      }
      for (const { sets } of groups.values())
        for (const set of sets.values()) if (set !== 0) this.store.release(set)
      if (bestChanged !== undefined) {
        for (let i = 0; i < table.dirtyCount; i++)
          if (table.bestChanged(table.dirty(i))) bestChanged(family, table.dirty(i))
      }
      table.clearDirty()
    }
    return batches
  }

  /** What this neighbour may be offered for the prefix: attribute set × number of slots + slot of its source, 0 for nothing. */
  offerTo(slot: number, table: RibTable, prefix: number): number {
    const best = table.best.get(prefix)
    if (best === 0) return 0
    const slots = this.neighbours.length
    if (best === 1) return slots * table.peers[slot]!.own.get(prefix)
    // Never back to where it came from.
    if (best === slot + 1 || this.#deferred || !this.neighbours[slot]!.policy.exportLearned) return 0
    return slots * table.bestAttributes.get(prefix) + best - 1
  }

  /** What is offered, taken apart. */
  offered(offer: number): { set: number; source: PathSource } {
    const slots = this.neighbours.length
    const from = this.neighbours[offer % slots]?.learned?.from
    return { set: Math.floor(offer / slots), source: from ?? { kind: 'own' } }
  }

  /** Time at which a path came, in ms. */
  timeOf(tenths: number): number {
    return (this.#epoch ?? 0) + 100 * tenths
  }

  #flushTo(slot: number, family: Family, groups: Map<string, Group>): Batch['updates'] {
    const neighbour = this.neighbours[slot]
    const session = neighbour?.session
    if (session === undefined || !session.families.includes(family)) return []
    const table = this.tables[family]
    const walk = neighbour!.walk[family]
    neighbour!.walk[family] = 'dirty'
    const ends = !this.#deferred && this.#complete && neighbour!.endOfRibDue.delete(family)
    if (walk === 'dirty' && table.dirtyCount === 0) return ends ? [endOfRib(family)] : []
    let group = groups.get(neighbour!.group)
    if (group === undefined) groups.set(neighbour!.group, (group = { sets: new Map(), packed: [] }))
    const out = table.peers[slot]!.out
    const outbox = new Outbox()
    const count = walk === 'dirty' ? table.dirtyCount : table.prefixes.top
    for (let i = 0; i < count; i++) {
      const prefix = walk === 'dirty' ? table.dirty(i) : i
      const set = this.#export(slot, family, prefix, group.sets)
      const sent = out.get(prefix)
      if (set === 0 ? sent === 0 : sent === set && walk !== 'refresh') continue
      if (set === 0) outbox.withdrawn.push(prefix)
      else outbox.announce(set, prefix)
    }
    let packed = group.packed.find((each) => each.outbox.equals(outbox))
    if (packed === undefined) {
      const updates = packUpdates(outbox, family, table.prefixes, this.store, session.maxLength)
      group.packed.push((packed = { outbox, updates }))
    }
    const { withdrawn, announced, sets } = outbox
    for (const prefix of withdrawn) table.setOut(slot, prefix, 0)
    for (let i = 0; i < announced.length; i++) table.setOut(slot, announced[i]!, sets[i]!)
    if (ends) return [...packed.updates, endOfRib(family)]
    if (walk !== 'refresh' || session.enhancedRouteRefresh !== true) return packed.updates
    // RFC 7313 §4: what is not between the borders is no longer there.
    const border = (role: 'begin' | 'end'): RouteRefresh => ({ kind: 'routeRefresh', family, role })
    return [border('begin'), ...packed.updates, border('end')]
  }

  /** The set that this neighbour is to have for this prefix, 0 for none. `sets` remembers by offer, and holds them. */
  #export(slot: number, family: Family, prefix: number, sets: Map<number, number>): number {
    const offer = this.offerTo(slot, this.tables[family], prefix)
    if (offer === 0) return 0
    const session = this.neighbours[slot]!.session!
    let set = sets.get(offer)
    if (set === undefined) {
      set = 0
      const offered = this.offered(offer)
      const attributes = this.store.attributes(offered.set)
      const verdict = exportPath(session.target, family, offered.source, attributes)
      if (verdict.kind === 'send') {
        const block = encodeAttributes(verdict.attributes)
        // §9.2: a route that fits into no message is not advertised.
        if (fits(block, family, session.maxLength)) set = this.store.intern(block, verdict.nextHop)
      }
      sets.set(offer, set)
    }
    // §5.1.3: never the neighbour's own address.
    if (set !== 0 && this.store.nextHop(set).global === session.target.address) return 0
    return set
  }

  /** The set of an own route before it is rewritten for a neighbour; `sets` remembers, and holds them. */
  #ownSet(sets: Map<string, number>, family: Family, own: OriginatedAttributes): number {
    const key = family + JSON.stringify(own)
    const known = sets.get(key)
    if (known !== undefined) return known
    const { origin = 'igp', nextHop = unspecified[family], ...others } = own
    const block = encodeAttributes({ origin, asPath: [], nextHop, ...others })
    const set = this.store.intern(block, { global: nextHop })
    sets.set(key, set)
    return set
  }

  /** With LLGR_STALE, or 0 with NO_LLGR. The caller holds it. */
  #longLivedSet(old: number): number {
    const { communities = [], ...attributes } = this.store.attributes(old)
    if (communities.includes(wellKnownCommunities['no-llgr'])) return 0
    const marked = new Set([...communities, wellKnownCommunities['llgr-stale']])
    const block = encodeAttributes({ ...attributes, communities: [...marked].sort((a, b) => a - b) })
    return this.store.intern(block, this.store.nextHop(old))
  }

  #removeOwn(table: RibTable, prefix: number): void {
    for (let slot = 1; slot < this.neighbours.length; slot++)
      if (this.neighbours[slot] !== undefined) table.setOwn(slot, prefix, 0)
    table.setPath(0, prefix, 0, false, 0)
  }

  /** Orders neighbours by BGP identifier, then address (RFC 4271 §9.1.2.2 f and g; IPv4 before IPv6). */
  #rank(): void {
    const up = [...this.neighbours.keys()].filter((slot) => this.neighbours[slot]?.learned !== undefined)
    up.sort((a, b) => {
      const [x, y] = [this.neighbours[a]!.learned!.from, this.neighbours[b]!.learned!.from]
      return compareAddresses(x.routerId, y.routerId) || compareAddresses(x.address, y.address)
    })
    for (const [rank, slot] of up.entries())
      for (const family of families) this.tables[family].peers[slot]!.rank = rank
  }

  #neighbour(slot: number): Neighbour {
    return present(this.neighbours[slot], 'neighbour')
  }

  #tenths(now: number): number {
    this.#epoch ??= now
    return Math.max(0, Math.floor((now - this.#epoch) / 100))
  }
}

/** Equal for neighbours that get the same attributes for the same path, in messages of the same length. */
function groupOf({ target, maxLength }: NeighbourSession): string {
  return JSON.stringify([targetKey(target), maxLength])
}

function sessionKey(session: NeighbourSession): string {
  return groupOf(session) + sourceKey(session.source)
}

const unspecified = { 'ipv4/unicast': '0.0.0.0' as Address, 'ipv6/unicast': '::' as Address }
