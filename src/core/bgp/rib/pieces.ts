/**
 * Messages that brought a member of an update group from one place to the next, kept a while for the members that go the same
 * way: those that came up together, or fell behind together. What a piece tells depends on what the group has sent, and on what
 * the member has yet to be told between its ends, and on nothing else: it is of use while both are the same.
 *
 * Up to {@link piecesMax} pieces and {@link octetsMax} octets for all groups of a family, the oldest go first.
 *
 *     piece     messages, each with whom it is kept from; pending and told of its range as they were: 2 bits per prefix
 *
 * `update-groups.test.ts` shows who shares them, `rib.reference.ts` is the oracle of what they say; bench: `bench/rib.ts`, first
 * transfers.
 */
import type { BitColumn } from './column.ts'
import type { Lag } from './lag.ts'
import { isExcepted, noException } from './outbox.ts'
import type { Stragglers } from './stragglers.ts'

const piecesMax = 64
const octetsMax = 4 * 1024 * 1024

export class Piece {
  /** Prefixes from here … to here have been told by it. */
  readonly start: number
  readonly end: number
  /** Routes that everybody has more by it, and by slot how many beside. */
  more = 0
  readonly beside = new Map<number, number>()
  octets = 0
  readonly #base: Lag['base'] | undefined
  readonly #pending: Int32Array
  readonly #told: Int32Array
  readonly #toldIds: readonly number[]
  readonly #messages: { except: number; bytes: Uint8Array; count: number }[] = []

  constructor(lag: Lag, start: number, end: number) {
    this.start = start
    this.end = end
    this.#base = baseIn(lag, start)
    this.#pending = lag.pending.words(start, end)
    this.#told = lag.told.words(start, end)
    this.#toldIds = toldIdsOf(lag, start, end)
  }

  add(except: number, bytes: Uint8Array, count: number): void {
    this.#messages.push({ except, bytes, count })
    this.octets += bytes.length
  }

  /** Gives what there is for this member. */
  send(slot: number, take: (bytes: Uint8Array, messages: number) => void): void {
    for (const { except, bytes, count } of this.#messages)
      if (except === noException || !isExcepted(except, slot)) take(bytes, count)
  }

  /** Whether it is what a member with this lag needs. */
  fits(lag: Lag, start: number, end: number): boolean {
    if (this.start !== start || this.end !== end || !isSameBase(this.#base, baseIn(lag, start))) return false
    if (!isSame(this.#pending, lag.pending, start, end) || !isSame(this.#told, lag.told, start, end))
      return false
    const ids = lag.toldIds.size === 0 ? [] : toldIdsOf(lag, start, end)
    return ids.length === this.#toldIds.length && ids.every((each, i) => each === this.#toldIds[i])
  }
}

export class Pieces {
  readonly #pieces: { group: Stragglers; piece: Piece }[] = []
  #octets = 0

  find(group: Stragglers, lag: Lag, start: number, end: number): Piece | undefined {
    return this.#pieces.find((each) => each.group === group && each.piece.fits(lag, start, end))?.piece
  }

  add(group: Stragglers, piece: Piece): void {
    if (piece.octets > octetsMax / 4) return
    this.#pieces.push({ group, piece })
    this.#octets += piece.octets
    while (this.#pieces.length > piecesMax || this.#octets > octetsMax)
      this.#octets -= this.#pieces.shift()!.piece.octets
  }

  /** What the group has sent of this prefix changes. */
  changed(group: Stragglers, prefix: number): void {
    if (this.#pieces.length > 0)
      this.#drop((each) => each.group === group && prefix >= each.piece.start && prefix < each.piece.end)
  }

  /** The group is another one now, or all are. */
  clear(group?: Stragglers): void {
    if (this.#pieces.length > 0) this.#drop((each) => group === undefined || each.group === group)
  }

  #drop(which: (each: { group: Stragglers; piece: Piece }) => boolean): void {
    for (let i = this.#pieces.length - 1; i >= 0; i--) {
      if (!which(this.#pieces[i]!)) continue
      this.#octets -= this.#pieces[i]!.piece.octets
      this.#pieces.splice(i, 1)
    }
  }
}

/** Absent: pending prefixes are told, not all. */
function baseIn({ cursor, until, base }: Lag, start: number): Lag['base'] | undefined {
  return start >= cursor && start < until ? base : undefined
}

function isSameBase(a: Lag['base'] | undefined, b: Lag['base'] | undefined): boolean {
  if (a === b) return true
  if (typeof a !== 'object' || typeof b !== 'object') return false
  return a.group === b.group && a.lag === undefined && b.lag === undefined
}

function isSame(words: Int32Array, bits: BitColumn, start: number, end: number): boolean {
  const others = bits.words(start, end)
  return words.length === others.length && words.every((word, i) => word === others[i])
}

/** Each prefix with the identifiers that were told. */
function toldIdsOf({ told, toldIds }: Lag, start: number, end: number): number[] {
  const found: number[] = []
  if (toldIds.size === 0) return found
  for (let prefix = told.next(start, end); prefix >= 0; prefix = told.next(prefix + 1, end)) {
    found.push(-prefix)
    for (let node = toldIds.first(prefix); node >= 0; node = toldIds.next(node))
      found.push(toldIds.pathId.get(node))
  }
  return found
}
