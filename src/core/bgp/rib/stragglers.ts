/**
 * Members of an update group that are not in step: what each has yet to be told is its `Lag`, and it is told piece by piece what
 * the group has sent by then. Those that go the same way are told the same pieces; nobody waits for another.
 *
 * Nothing is kept here per prefix but in lags (2 bits) and in the pieces of those that go together (`pieces.ts`). `rib.reference.ts` is
 * the oracle; bench: `bench/rib.ts`, first transfers.
 */
import { SPLIT, type AdjRibOut } from './adj-rib-out.ts'
import { isAhead, newLag, settlePending, type Lag } from './lag.ts'
import { allBut, type Encoding, type Outbox } from './outbox.ts'
import { PathList, spread, tellOne, unknownSet, type Audience } from './path-list.ts'
import { Piece } from './pieces.ts'
import type { GroupWorld, Member } from './update-group.ts'

/** Pending prefixes lie up to so many pieces apart in one. */
const piecesApart = 16

export class Stragglers {
  /** Of neighbours that have gone on to other groups: what they were told in this one still counts. */
  readonly leaving = new Set<Lag>()
  readonly #world: GroupWorld
  readonly #sent: AdjRibOut
  readonly #encoding: Encoding
  /** Of the group: who may come to need what is made now. */
  readonly #members: ReadonlyMap<number, Member>
  readonly #behind = new Set<Member>()
  readonly #before = new PathList()
  readonly #after = new PathList()
  readonly #had = new PathList()

  constructor(world: GroupWorld, sent: AdjRibOut, encoding: Encoding, members: ReadonlyMap<number, Member>) {
    this.#world = world
    this.#sent = sent
    this.#encoding = encoding
    this.#members = members
  }

  get size(): number {
    return this.#behind.size
  }

  /** It has yet to be told all prefixes below `until`, of which it has `base`, and what changes from now on. */
  add(member: Member, until: number, base: Lag['base']): void {
    member.lag = newLag(member.slot, until, base)
    this.#behind.add(member)
  }

  /** It comes from another group, where it was behind by `lag` if that is there. */
  takeFrom(group: Stragglers, member: Member, lag: Lag | undefined): void {
    this.add(member, this.#world.table.prefixes.top, { group, lag })
    group.leaving.add(member.lag!)
  }

  remove(member: Member): void {
    this.#behind.delete(member)
  }

  /** Whether a member with this lag was told something of the prefix. */
  hadSome(lag: Lag, prefix: number): boolean {
    this.#had.clear()
    this.was(lag, prefix, lag.slot, this.#had)
    return this.#had.count > 0
  }

  /**
   * Tells a member that is behind the next piece; what others that go the same way were told is used again. `budget`: how much
   * one that goes alone is told. Gives the work that it was, in prefixes. The member is in step afterwards if nothing was left to
   * be told.
   */
  bringUp(
    member: Member,
    lag: Lag,
    budget: number,
    outbox: Outbox,
    send: (bytes: Uint8Array, messages: number) => void,
  ): number {
    const { pieces, discarded, pieceSize } = this.#world
    const isAlone = this.#behind.size === 1
    let range = nextPiece(lag, pieceSize)
    let piece = pieces.find(this, lag, range.start, range.end)
    if (piece === undefined && isAlone) range = nextPiece(lag, Math.ceil(budget))
    const { start, end, count } = range
    let work = 1
    if (count > 0) {
      work += piece === undefined ? count : count >>> 4
      if (piece === undefined) {
        piece = this.#make(lag, start, end, outbox)
        if (!isAlone) pieces.add(this, piece)
      }
      piece.send(member.slot, send)
      member.peer.advertised += piece.more + (piece.beside.get(member.slot) ?? 0)
      this.#past(lag, start, end)
    }
    if (lag.cursor < lag.until) return work
    discarded.arrive(lag)
    if (lag.pending.count > 0) return work
    delete member.lag
    this.#behind.delete(member)
    return work
  }

  /** What the group has sent of this prefix is about to change: those that are not told of it now will be. */
  note(prefix: number): void {
    const { pieces } = this.#world
    pieces.changed(this, prefix)
    for (const { lag } of this.#behind) {
      // It is told on the way, whatever it is by then.
      if (lag!.base !== 'same' && isAhead(lag!, prefix)) continue
      this.#pend(lag!, prefix, lag)
    }
    for (const lag of this.leaving)
      if (typeof lag.base === 'object' && isAhead(lag, prefix)) this.#pend(lag, prefix, lag.base.lag)
  }

  /** `told`: the lag that says what it was told by this group. */
  #pend(lag: Lag, prefix: number, told: Lag | undefined): void {
    if (lag.pending.has(prefix)) return
    const had = this.#had
    had.clear()
    this.was(told, prefix, lag.slot, had)
    lag.pending.add(prefix)
    this.#world.table.hold(prefix)
    if (had.count === 0) return
    lag.told.add(prefix)
    if (this.#encoding.pathIds) for (let i = 0; i < had.count; i++) lag.toldIds.add(prefix, 0, had.ids[i]!)
  }

  /**
   * Appends what a member with this lag was told of the prefix: with whom it was kept from, or for `slot`, unless that is 0, alone.
   * Gives whether it had just that.
   */
  was(lag: Lag | undefined, prefix: number, slot: number, into: PathList): boolean {
    let sure = true
    if (lag !== undefined) {
      if (lag.pending.has(prefix)) {
        const { toldIds } = lag
        if (lag.told.has(prefix) && !this.#encoding.pathIds) into.add(0, unknownSet, 0, 0)
        for (let node = toldIds.first(prefix); node >= 0; node = toldIds.next(node))
          into.add(toldIds.pathId.get(node), unknownSet, 0, 0)
        return false
      }
      if (isAhead(lag, prefix)) {
        if (lag.base === 'nothing') return false
        if (typeof lag.base === 'object') return lag.base.group.was(lag.base.lag, prefix, slot, into)
        sure = false
      }
    }
    this.#sent.fill(prefix, slot, into)
    return sure
  }

  #make(lag: Lag, start: number, end: number, outbox: Outbox): Piece {
    const { table, store } = this.#world
    const members = this.#members
    const piece = new Piece(lag, start, end)
    let asked = 0
    let answer = 0
    const audience: Audience = {
      size: Infinity,
      more: 0,
      among: (slot) => {
        if (slot === asked) return answer
        asked = slot
        return (answer = members.has(slot) ? slot : 0)
      },
      adjust: (slot, routes) => piece.beside.set(slot, (piece.beside.get(slot) ?? 0) + routes),
    }
    const { pending } = lag
    const all = isAhead(lag, start)
    for (let prefix = all ? start : pending.next(start, end); prefix >= 0 && prefix < end;) {
      this.#bring(lag, prefix, audience, outbox)
      prefix = all ? prefix + 1 : pending.next(prefix + 1, end)
    }
    piece.more = audience.more
    outbox.write(table.prefixes, store, this.#encoding, (except, bytes, messages) =>
      piece.add(except, bytes, messages),
    )
    return piece
  }

  #bring(lag: Lag, prefix: number, audience: Audience, outbox: Outbox): void {
    if (
      lag.base === 'nothing' &&
      !this.#encoding.pathIds &&
      isAhead(lag, prefix) &&
      !lag.pending.has(prefix)
    ) {
      const set = this.#sent.set(prefix)
      if (set === 0) return
      if (set !== SPLIT) return this.#tellFirst(prefix, set, audience, outbox)
    }
    const [before, after] = [this.#before, this.#after]
    before.clear()
    after.clear()
    const sure = this.was(lag, prefix, 0, before)
    this.#sent.fill(prefix, 0, after)
    if (!before.split && !after.split) return spread(outbox, audience, prefix, before, after, sure)
    for (const slot of this.#members.keys()) {
      before.clear()
      after.clear()
      this.was(lag, prefix, slot, before)
      this.#sent.fill(prefix, slot, after)
      tellOne(outbox, audience, slot, prefix, before, after, sure)
    }
  }

  /** As {@link #bring}, of those that had nothing and take one path: most of a first transfer. */
  #tellFirst(prefix: number, set: number, audience: Audience, outbox: Outbox): void {
    const from = audience.among(this.#sent.from(prefix))
    const owner = audience.among(this.#world.store.ownerOf(set))
    audience.more++
    if (from !== 0) audience.adjust(from, -1)
    if (owner !== 0 && owner !== from) audience.adjust(owner, -1)
    outbox.announce(set, allBut(from, owner === from ? 0 : owner), prefix, 0)
  }

  /** The member has been told of all from `start` to `end`. */
  #past(lag: Lag, start: number, end: number): void {
    const { pending } = lag
    for (let prefix = pending.next(start, end); prefix >= 0; prefix = pending.next(prefix + 1, end)) {
      settlePending(lag, prefix)
      this.#world.table.unhold(prefix)
    }
    if (isAhead(lag, start)) lag.cursor = end
    else lag.next = end
  }
}

/** Where the next piece begins and ends, and how many prefixes it tells of. */
function nextPiece(lag: Lag, pieceSize: number): { start: number; end: number; count: number } {
  const { cursor, until, pending } = lag
  if (cursor < until) {
    const end = Math.min(until, cursor + pieceSize)
    return { start: cursor, end, count: end - cursor }
  }
  let start = pending.next(lag.next)
  if (start < 0) start = pending.next(0)
  if (start < 0) return { start: 0, end: 0, count: 0 }
  const farthest = start + piecesApart * pieceSize
  let count = 1
  let last = start
  for (let next = last; count < pieceSize; count++) {
    next = pending.next(last + 1, farthest)
    if (next < 0) break
    last = next
  }
  return { start, end: last + 1, count }
}
