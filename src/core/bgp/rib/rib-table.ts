/**
 * The routes of one family: adj-rib-in and adj-rib-out of every neighbour, the own routes, and the loc-rib chosen among them.
 * Columns indexed by the prefix's dense id, no object per route or path; an attribute set is one id.
 *
 *     per prefix            | uses 4 | best 4 | bestAttributes 4 | dirty 1 |      + its key in the prefix table (17 to 41)
 *     per neighbour, by prefix id
 *       in                  | attribute set × 2 + rejected 4 |     since | tenths of a second 4 |
 *       out                 | attribute set as sent 4 |            own | set of the own route for this neighbour 4 |
 *
 * A path costs 8 bytes coming in and 4 going out. A prefix is used by each cell of `in` and `out` and by being dirty; unused,
 * its id is freed. Each cell holds its attribute set once. adj-rib-out is kept per neighbour, so that what is withdrawn is
 * exactly what was sent; neighbours in step with each other could share one column per group, with a journal for those behind.
 * A change of a best path marks its prefix dirty; `rib.ts` turns dirty prefixes into UPDATEs. `rib.reference.ts` is the oracle.
 */
import type { IpVersion } from '#core/net/address.ts'
import type { AttributeStore } from './attribute-store.ts'
import { Column, grown } from './column.ts'
import {
  attributesOf,
  cellOf,
  compareSets,
  isUsable,
  locate,
  selectBest,
  type DecisionPeer,
} from './decision.ts'
import { PrefixTable } from './prefix-table.ts'

/** One neighbour's columns. Slot 0 is the speaker itself: its own routes come in through `in`, and nothing goes out. */
export class PeerTable implements DecisionPeer {
  external = false
  asn = 0
  rank = 0
  readonly in = new Column()
  readonly since = new Column()
  readonly out = new Column()
  readonly own = new Column()
  /** Prefixes whose paths are stale (RFC 4724 §4.2, RFC 7313 §4); absent: none. */
  stale?: Set<number>
  received = 0
  accepted = 0
  advertised = 0
}

const DIRTY = 1
/** The best path changed, not only what some neighbour gets of an own route. */
const CHANGED = 2

export class RibTable {
  readonly prefixes: PrefixTable
  /** By slot. */
  readonly peers: (PeerTable | undefined)[] = [new PeerTable()]
  /** Slot of the best path's neighbour plus 1; 0: no path. */
  readonly best = new Column()
  readonly bestAttributes = new Column()
  readonly #store: AttributeStore
  readonly #uses = new Column()
  #dirtyBits = new Uint8Array(16)
  #dirty = new Uint32Array(16)
  #dirtyCount = 0

  constructor(version: IpVersion, store: AttributeStore, seed: number) {
    this.prefixes = new PrefixTable(version, seed)
    this.#store = store
  }

  /** Sets the path of `slot` to `prefix`: an attribute set, or 0 for none. Tells whether anything changed. */
  setPath(slot: number, prefix: number, attributes: number, rejected: boolean, since: number): boolean {
    const peer = this.peers[slot]!
    const old = peer.in.get(prefix)
    const cell = attributes === 0 ? 0 : cellOf(attributes, rejected)
    if (old === cell) return false
    if (cell !== 0) this.#store.retain(attributes)
    peer.in.set(prefix, cell)
    peer.since.set(prefix, cell === 0 ? 0 : since)
    peer.received += (cell === 0 ? 0 : 1) - (old === 0 ? 0 : 1)
    peer.accepted += (isUsable(cell) ? 1 : 0) - (isUsable(old) ? 1 : 0)
    if (old === 0) this.#use(prefix)
    this.#decide(slot, prefix, old, cell)
    if (old !== 0) this.#store.release(attributesOf(old))
    if (cell === 0) this.#unuse(prefix)
    return true
  }

  /** Records what `slot` has been sent for `prefix`: an attribute set, or 0 after a withdrawal. */
  setOut(slot: number, prefix: number, attributes: number): void {
    const peer = this.peers[slot]!
    const old = peer.out.get(prefix)
    if (old === attributes) return
    if (attributes !== 0) this.#store.retain(attributes)
    peer.out.set(prefix, attributes)
    peer.advertised += (attributes === 0 ? 0 : 1) - (old === 0 ? 0 : 1)
    if (old === 0) this.#use(prefix)
    else this.#store.release(old)
    if (attributes === 0) this.#unuse(prefix)
  }

  /** Sets what `slot` gets of the own route to `prefix`, which may be 0, before the own route's rewriting for it. */
  setOwn(slot: number, prefix: number, attributes: number): void {
    const own = this.peers[slot]!.own
    const old = own.get(prefix)
    if (old === attributes) return
    if (attributes !== 0) this.#store.retain(attributes)
    own.set(prefix, attributes)
    if (old === 0) this.#use(prefix)
    this.#mark(prefix, DIRTY)
    if (old !== 0) this.#store.release(old)
    if (attributes === 0) this.#unuse(prefix)
  }

  /** Forgets what `slot` was sent, without a word to it: it is gone. */
  clearOut(slot: number): void {
    const peer = this.peers[slot]!
    const sent = peer.out.cells
    for (let prefix = 0; prefix < sent.length; prefix++) if (sent[prefix] !== 0) this.setOut(slot, prefix, 0)
    peer.out.clear()
  }

  /** All that `slot` sent is stale from now on, until it sends it again. */
  markStale(slot: number): void {
    const peer = this.peers[slot]!
    const came = peer.in.cells
    peer.stale ??= new Set()
    for (let prefix = 0; prefix < came.length; prefix++) if (came[prefix] !== 0) peer.stale.add(prefix)
  }

  /** Forgets what is still stale. */
  sweepStale(slot: number): void {
    const peer = this.peers[slot]!
    for (const prefix of peer.stale ?? []) this.setPath(slot, prefix, 0, false, 0)
    delete peer.stale
  }

  /** Forgets all that `slot` sent. */
  clearIn(slot: number): void {
    const peer = this.peers[slot]!
    delete peer.stale
    const came = peer.in.cells
    for (let prefix = 0; prefix < came.length; prefix++)
      if (came[prefix] !== 0) this.setPath(slot, prefix, 0, false, 0)
    peer.in.clear()
    peer.since.clear()
  }

  clearOwn(slot: number): void {
    const own = this.peers[slot]!.own
    for (let prefix = 0; prefix < own.cells.length; prefix++)
      if (own.cells[prefix] !== 0) this.setOwn(slot, prefix, 0)
    own.clear()
  }

  get dirtyCount(): number {
    return this.#dirtyCount
  }

  /** The prefix at `index` of the dirty ones. */
  dirty(index: number): number {
    return this.#dirty[index]!
  }

  /** Whether the best path of a dirty prefix changed. */
  bestChanged(prefix: number): boolean {
    return (this.#dirtyBits[prefix]! & CHANGED) !== 0
  }

  clearDirty(): void {
    for (let i = 0; i < this.#dirtyCount; i++) {
      const prefix = this.#dirty[i]!
      this.#dirtyBits[prefix] = 0
      this.#unuse(prefix)
    }
    this.#dirtyCount = 0
  }

  #decide(slot: number, prefix: number, old: number, cell: number): void {
    const gone = isUsable(old) ? attributesOf(old) : 0
    const come = isUsable(cell) ? attributesOf(cell) : 0
    if (gone === come) return
    const best = this.best.get(prefix) - 1
    if (best < 0) {
      // There was no usable path, so this is one.
      this.#choose(prefix, slot, come)
    } else if (slot === best) {
      const peer = this.peers[slot]!
      // Strictly better than it was before MED, it beats all that it beat, and leaves nobody to compare MEDs with.
      const rises =
        come !== 0 && (slot === 0 || compareSets(this.#store, come, peer.external, gone, peer.external) < 0)
      if (rises) this.#choose(prefix, slot, come)
      else this.#scan(prefix)
    } else if (slot === 0) {
      if (come !== 0) this.#choose(prefix, 0, come)
    } else if (best > 0) {
      const verdict = locate(this.#store, this.peers, slot, gone, come, best, this.bestAttributes.get(prefix))
      if (verdict === 'better') this.#choose(prefix, slot, come)
      else if (verdict === 'scan') this.#scan(prefix)
    }
  }

  #scan(prefix: number): void {
    const slot = selectBest(this.#store, this.peers, prefix)
    this.#choose(prefix, slot, slot < 0 ? 0 : attributesOf(this.peers[slot]!.in.get(prefix)))
  }

  #choose(prefix: number, slot: number, attributes: number): void {
    if (this.best.get(prefix) === slot + 1 && this.bestAttributes.get(prefix) === attributes) return
    this.best.set(prefix, slot + 1)
    this.bestAttributes.set(prefix, attributes)
    this.#mark(prefix, DIRTY | CHANGED)
  }

  #mark(prefix: number, bits: number): void {
    if (prefix >= this.#dirtyBits.length) this.#dirtyBits = grown(this.#dirtyBits, prefix + 1)
    const old = this.#dirtyBits[prefix]!
    this.#dirtyBits[prefix] = old | bits
    if (old !== 0) return
    if (this.#dirtyCount === this.#dirty.length) this.#dirty = grown(this.#dirty, this.#dirtyCount + 1)
    this.#dirty[this.#dirtyCount++] = prefix
    this.#use(prefix)
  }

  #use(prefix: number): void {
    this.#uses.set(prefix, this.#uses.get(prefix) + 1)
  }

  #unuse(prefix: number): void {
    const uses = this.#uses.get(prefix) - 1
    this.#uses.set(prefix, uses)
    if (uses === 0) this.prefixes.release(prefix)
  }
}
