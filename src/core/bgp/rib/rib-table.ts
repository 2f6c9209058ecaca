/**
 * The routes of one family as they came in, and the loc-rib chosen among them. Columns indexed by the prefix's dense id, no
 * object per route or path; an attribute set is one id.
 *
 *     per prefix            | best: path + 1 | bestSet | paths | state: holds × 4 + changed, dirty |   16, + its key (17 to 41)
 *     per neighbour, by prefix id
 *       in                  | attribute set × 16 + epoch, rejected |     since | tenths of a second |             8 per path
 *       raw                 | set as it came, where policy made another one of it |                 4 in used segments only
 *       own                 | set of the own route for this neighbour |                             4 in used segments only
 *
 * A path is its neighbour's slot, or beyond {@link chained} a node of `chains`, where neighbours that send several paths per prefix
 * (RFC 7911) have theirs. A cell of the current epoch of its neighbour is fresh, one of another epoch is stale or about to go, so
 * that all paths of a neighbour become so at once. A prefix is held by every `out` cell of a group and by being dirty; with neither
 * holds nor paths its id is freed. Each cell holds its attribute set once. A change of a best path marks its prefix dirty;
 * `update-groups.ts` turns dirty prefixes into UPDATEs. `rib.reference.ts` is the oracle; bench:
 * `bench/rib.ts`.
 */
import type { IpVersion } from '#core/net/address.ts'
import type { AttributeStore } from './attribute-store.ts'
import { Column, columnsTogether } from './column.ts'
import {
  Candidates,
  compareSets,
  locate,
  selectBest,
  type DecisionPeer,
  type DecisionRules,
} from './decision.ts'
import { PathChains } from './paths.ts'
import { PrefixTable } from './prefix-table.ts'

/** Paths from here on are nodes of `chains`. */
export const chained = 0x4000_0000

/** Most paths of one prefix that are kept from one neighbour: each change looks at all of them (RFC 7911 sets no bound). */
export const pathsMax = 256

/** Bits of a cell beside the attribute set. */
export const cellBits = { rejected: 1, epoch: 14 } as const

const setShift = 4
const epochShift = 1
const epochs = 8

/** The cell of a path that came with `set`, which import made `result` of; 0: rejected. */
export function cellOf(result: number, set: number, epoch: number): number {
  return result > 0 ? (result << setShift) + epoch : (set << setShift) + epoch + cellBits.rejected
}

export function setOf(cell: number): number {
  return cell >>> setShift
}

/** Attribute set of a path that may be used, else 0. */
export function usableSet(cell: number): number {
  return (cell & cellBits.rejected) === 0 ? cell >>> setShift : 0
}

/** One neighbour's columns. Slot 0 is the speaker itself: its own routes come in through `in`. */
export class PeerTable implements DecisionPeer {
  external = false
  asn = 0
  routerId = 0
  addressRank = 0
  /** Bits of cells that are fresh, among {@link cellBits.epoch}. */
  epoch = 0
  /** Number of paths by epoch. */
  readonly #counts = new Uint32Array(epochs)
  /** Epochs of stale paths, a bit for each; paths of others are about to go. */
  #kept = 0
  /** Some of its paths were judged when it was another neighbour in the eyes of the decision. They are about to go. */
  unsettled = false
  readonly in: Column
  readonly since: Column
  /** Sets as they came, where policy made others of them. */
  readonly raw = new Column()
  readonly own = new Column()
  /** Number of paths that came, and of those that are used. */
  received = 0
  accepted = 0
  /** Of those, in `RibTable.chains`. */
  chained = 0
  /** Paths that were not kept because there were {@link pathsMax} of their prefix, since somebody last looked. */
  excess = 0
  /** Number of routes that it has been sent. */
  advertised = 0

  constructor() {
    ;[this.in, this.since] = columnsTogether(2)
  }

  isStale(cell: number): boolean {
    return cell !== 0 && (cell & cellBits.epoch) !== this.epoch
  }

  /** Whether it is one of the stale ones that go. */
  isGoing(cell: number): boolean {
    const epoch = cell & cellBits.epoch
    return cell !== 0 && epoch !== this.epoch && (this.#kept & (1 << epoch)) === 0
  }

  /** Number of paths that are not fresh, with those that are about to go. */
  get stale(): number {
    return this.received - this.#counts[this.epoch >>> epochShift]!
  }

  /** Number of stale paths that are about to go. */
  get going(): number {
    let going = this.stale
    for (let epoch = 0; epoch < epochs; epoch++)
      if (epoch << epochShift !== this.epoch && (this.#kept & (1 << (epoch << epochShift))) !== 0)
        going -= this.#counts[epoch]!
    return going
  }

  /** Where stale paths that are kept are of several epochs: the one that all of them may have; else undefined. */
  get commonEpoch(): number | undefined {
    let common: number | undefined
    for (let epoch = 0; epoch <= cellBits.epoch; epoch += 1 << epochShift) {
      if ((this.#kept & (1 << epoch)) === 0 || this.#counts[epoch >>> epochShift] === 0) continue
      if (common !== undefined) return common
      common = epoch
    }
    return undefined
  }

  /** How often {@link age} succeeds even if no path goes meanwhile. */
  get freeEpochs(): number {
    return this.#counts.reduce((free, count) => free + (count === 0 ? 1 : 0), 0)
  }

  /** Fresh paths are stale from now on, and so are still, if `keepsOlder`, those that were. False: it has too many epochs. */
  age(keepsOlder: boolean): boolean {
    if (!keepsOlder) this.#kept = 0
    const kept = this.#kept | (1 << this.epoch)
    for (let i = 1; i < epochs; i++) {
      const next = (this.epoch + (i << epochShift)) & cellBits.epoch
      if (this.#counts[next >>> epochShift] !== 0) continue
      this.epoch = next
      this.#kept = kept & ~(1 << next)
      return true
    }
    return false
  }

  /** Stale paths are about to go. */
  keepNoStale(): void {
    this.#kept = 0
  }

  /** A path with the first cell has the second one now; 0: none. */
  count(old: number, cell: number): void {
    if (old !== 0) this.#counts[(old & cellBits.epoch) >>> epochShift]!--
    if (cell !== 0) this.#counts[(cell & cellBits.epoch) >>> epochShift]!++
  }
}

const DIRTY = 1
/** The best path changed, not only what some neighbour gets of an own route. */
const CHANGED = 2
const HOLD = 4

export class RibTable {
  readonly prefixes: PrefixTable
  /** By slot. */
  readonly peers: (PeerTable | undefined)[] = [new PeerTable()]
  /** The best path + 1; 0: no path. */
  readonly best: Column
  readonly bestSet: Column
  readonly chains = new PathChains()
  /** Prefixes whose changes have not been told yet. */
  readonly dirty = new IdQueue()
  /** Columns of others that are indexed by its prefixes: segments go from them, too. */
  readonly companions = new Set<Column>()
  /** Every change of a path that may be used is told, not only of the best one. */
  tellsAll = false
  readonly #store: AttributeStore
  readonly #rules: DecisionRules
  readonly #paths: Column
  readonly #state: Column
  readonly #candidates = new Candidates()

  constructor(version: IpVersion, store: AttributeStore, rules: DecisionRules, seed: number) {
    this.prefixes = new PrefixTable(version, seed, (segment) => this.#drop(segment))
    this.#store = store
    this.#rules = rules
    ;[this.best, this.bestSet, this.#paths, this.#state] = columnsTogether(4)
  }

  /**
   * Sets the path of `slot` to `prefix`: a cell, or 0 for none. `received`: the set that came, if the cell's is another one, else
   * 0. `since`: tenths of a second.
   */
  setPath(slot: number, prefix: number, cell: number, received: number, since: number): void {
    const peer = this.peers[slot]!
    const old = peer.in.get(prefix)
    const oldReceived = peer.raw.get(prefix)
    if (old === cell && oldReceived === received) return
    if (received !== 0) this.#store.retain(received)
    peer.raw.set(prefix, received)
    if ((old | cellBits.epoch) === (cell | cellBits.epoch)) {
      // Said again with the same attributes.
      peer.in.set(prefix, cell)
      peer.count(old, cell)
      if (peer.unsettled) this.#judgeAnew(prefix)
    } else {
      if (cell !== 0) this.#store.retain(setOf(cell))
      peer.in.set(prefix, cell)
      peer.since.set(prefix, cell === 0 ? 0 : since)
      this.#count(peer, prefix, old, cell)
      this.#decide(slot, prefix, usableSet(old), usableSet(cell))
      if (old !== 0) this.#store.release(setOf(old))
    }
    if (oldReceived !== 0) this.#store.release(oldReceived)
    if (cell === 0) this.#freeUnused(prefix)
  }

  /** As {@link setPath}, for one of several paths of `slot`, told apart by `pathId`. */
  setChainedPath(
    slot: number,
    pathId: number,
    prefix: number,
    cell: number,
    received: number,
    since: number,
  ): void {
    const { chains } = this
    const peer = this.peers[slot]!
    let node = chains.find(prefix, slot, pathId)
    if (node < 0 && cell === 0) return
    if (node < 0 && chains.count(prefix, slot) >= pathsMax) {
      peer.excess++
      return
    }
    const old = node < 0 ? 0 : chains.cell.get(node)
    const oldReceived = node < 0 ? 0 : chains.received.get(node)
    if (old === cell && oldReceived === received) return
    if (received !== 0) this.#store.retain(received)
    if (cell !== 0) this.#store.retain(setOf(cell))
    if (node < 0) {
      node = chains.add(prefix, slot, pathId)
      peer.chained++
    }
    chains.cell.set(node, cell)
    chains.received.set(node, received)
    if (setOf(old) !== setOf(cell)) chains.since.set(node, since)
    this.#count(peer, prefix, old, cell)
    if (cell === 0) {
      chains.remove(prefix, node)
      peer.chained--
    }
    const [gone, come] = [usableSet(old), usableSet(cell)]
    if (peer.unsettled) this.#judgeAnew(prefix)
    else if (gone !== come || (cell === 0 && gone !== 0)) {
      this.#scan(prefix)
      if (this.tellsAll) this.#mark(prefix, DIRTY)
    }
    if (old !== 0) this.#store.release(setOf(old))
    if (oldReceived !== 0) this.#store.release(oldReceived)
    if (cell === 0) this.#freeUnused(prefix)
  }

  /** Sets what `slot` gets of the own route to `prefix`, which may be 0, before the own route's rewriting for it. */
  setOwn(slot: number, prefix: number, attributes: number): void {
    const own = this.peers[slot]!.own
    const old = own.get(prefix)
    if (old === attributes) return
    if (attributes !== 0) this.#store.retain(attributes)
    own.set(prefix, attributes)
    if (old === 0) this.hold(prefix)
    this.#mark(prefix, DIRTY)
    if (old !== 0) this.#store.release(old)
    if (attributes === 0) this.unhold(prefix)
  }

  /** Decides anew: a rule of the decision has changed. */
  redecide(prefix: number): void {
    if (this.#paths.get(prefix) > 0) this.#scan(prefix)
  }

  /** Whether the best path of a dirty prefix changed. */
  bestChanged(prefix: number): boolean {
    return (this.#state.get(prefix) & CHANGED) !== 0
  }

  /** What a dirty prefix is about has been told. It may be freed. */
  clean(prefix: number): void {
    this.#state.set(prefix, this.#state.get(prefix) & ~(DIRTY | CHANGED))
    this.#freeUnused(prefix)
  }

  /** Keeps the prefix's id. */
  hold(prefix: number): void {
    this.#state.set(prefix, this.#state.get(prefix) + HOLD)
  }

  unhold(prefix: number): void {
    this.#state.set(prefix, this.#state.get(prefix) - HOLD)
    this.#freeUnused(prefix)
  }

  /** Slot of the neighbour that a path is from. */
  slotOf(path: number): number {
    return path < chained ? path : this.chains.slot.get(path - chained)
  }

  /** All usable paths to the prefix but the own one, into `among`; `refs` are paths. */
  collect(prefix: number, among: Candidates): void {
    among.clear()
    const { peers, chains } = this
    for (let slot = 1; slot < peers.length; slot++) {
      const peer = peers[slot]
      if (peer === undefined || peer.received === 0) continue
      const set = usableSet(peer.in.get(prefix))
      if (set !== 0) among.add(set, peer, 0, slot)
    }
    if (chains.size === 0) return
    for (let node = chains.first(prefix); node >= 0; node = chains.next(node)) {
      const set = usableSet(chains.cell.get(node))
      if (set !== 0) among.add(set, peers[chains.slot.get(node)]!, chains.pathId.get(node), chained + node)
    }
  }

  #count(peer: PeerTable, prefix: number, old: number, cell: number): void {
    if (old === 0 || cell === 0) {
      const more = cell === 0 ? -1 : 1
      peer.received += more
      this.#paths.set(prefix, this.#paths.get(prefix) + more)
    }
    peer.accepted += (usableSet(cell) === 0 ? 0 : 1) - (usableSet(old) === 0 ? 0 : 1)
    peer.count(old, cell)
  }

  #decide(slot: number, prefix: number, gone: number, come: number): void {
    if (gone === come) return
    const best = this.best.get(prefix) - 1
    if (best < 0 || this.#paths.get(prefix) < 2) {
      // There is no other usable path, unless this one is gone.
      if (come !== 0) this.#choose(prefix, slot, come)
      else this.#scan(prefix)
    } else if (best >= chained || (this.chains.size > 0 && this.chains.heads.get(prefix) !== 0)) {
      this.#scan(prefix)
    } else if (this.peers[slot]!.unsettled) {
      this.#scan(prefix)
    } else if (slot === best) {
      // Strictly better than it was before MED, it beats all that it beat, and leaves nobody to compare MEDs with.
      const rises = come !== 0 && (slot === 0 || compareSets(this.#store, come, gone) < 0)
      if (rises) this.#choose(prefix, slot, come)
      else this.#scan(prefix)
    } else if (slot === 0) {
      if (come !== 0) this.#choose(prefix, 0, come)
    } else if (best > 0) {
      const [peer, bestPeer] = [this.peers[slot]!, this.peers[best]!]
      const verdict = locate(this.#store, this.#rules, peer, gone, come, bestPeer, this.bestSet.get(prefix))
      if (verdict === 'better') this.#choose(prefix, slot, come)
      else if (verdict === 'scan') this.#scan(prefix)
    }
    if (this.tellsAll) this.#mark(prefix, DIRTY)
  }

  /** One of its paths is another neighbour's than before: it is chosen, and told to others, for other reasons. */
  #judgeAnew(prefix: number): void {
    this.#scan(prefix)
    this.#mark(prefix, DIRTY)
  }

  #scan(prefix: number): void {
    const own = usableSet(this.peers[0]!.in.get(prefix))
    if (own !== 0) return this.#choose(prefix, 0, own)
    if (this.#paths.get(prefix) === 0) return this.#choose(prefix, -1, 0)
    const among = this.#candidates
    this.collect(prefix, among)
    const index = selectBest(this.#store, this.#rules, among)
    if (index < 0) this.#choose(prefix, -1, 0)
    else this.#choose(prefix, among.refs[index]!, among.sets[index]!)
  }

  #choose(prefix: number, path: number, set: number): void {
    if (this.best.get(prefix) === path + 1 && this.bestSet.get(prefix) === set) return
    this.best.set(prefix, path + 1)
    this.bestSet.set(prefix, set)
    this.#mark(prefix, DIRTY | CHANGED)
  }

  #mark(prefix: number, bits: number): void {
    const old = this.#state.get(prefix)
    this.#state.set(prefix, old | bits)
    if ((old & DIRTY) === 0) this.dirty.push(prefix)
  }

  #freeUnused(prefix: number): void {
    if (this.#paths.get(prefix) === 0 && this.#state.get(prefix) === 0) this.prefixes.release(prefix)
  }

  #drop(segment: number): void {
    for (const column of [this.best, this.bestSet, this.#paths, this.#state, this.chains.heads])
      column.drop(segment)
    for (const column of this.companions) column.drop(segment)
    for (const peer of this.peers)
      if (peer !== undefined)
        for (const column of [peer.in, peer.since, peer.raw, peer.own]) column.drop(segment)
  }
}

const blockSize = 4096

/** First in, first out, in blocks, so that neither growth nor taking copies anything. */
export class IdQueue {
  readonly #blocks: Uint32Array[] = []
  #head = 0
  #end = 0
  #spare: Uint32Array | undefined
  length = 0

  push(id: number): void {
    let block = this.#blocks.at(-1)
    if (block === undefined || this.#end === blockSize) {
      block = this.#spare ?? new Uint32Array(blockSize)
      this.#spare = undefined
      this.#blocks.push(block)
      this.#end = 0
    }
    block[this.#end++] = id
    this.length++
  }

  /** Copies up to `into.length` ids from the front, which stay; gives how many. */
  peek(into: Uint32Array): number {
    const count = Math.min(this.length, into.length)
    let block = 0
    let at = this.#head
    for (let i = 0; i < count; i++) {
      into[i] = this.#blocks[block]![at++]!
      if (at === blockSize) {
        block++
        at = 0
      }
    }
    return count
  }

  /** Takes as many from the front. */
  drop(count: number): void {
    this.length -= count
    this.#head += count
    while (this.#head >= blockSize) {
      this.#spare = this.#blocks.shift()
      this.#head -= blockSize
    }
    if (this.length > 0) return
    this.#spare ??= this.#blocks[0]
    this.#blocks.length = 0
    this.#head = 0
    this.#end = 0
  }
}
