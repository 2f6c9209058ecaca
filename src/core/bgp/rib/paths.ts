/**
 * Several paths of one prefix in a chain: what came from neighbours that send more than one (RFC 7911), and what is sent to
 * those that take more than one. Nodes lie in columns and are found from their prefix:
 *
 *     heads    | node + 1 |                                                  by prefix
 *     nodes    | next + 1 | slot | path id | cell | received | since |        by node, free ones linked by `next`
 *
 * 24 bytes per path, less in the columns that a user of it leaves empty. A node keeps its number as long as its path
 * is there. A map is the oracle in its tests; bench: `bench/run.ts bgp addpath-500k`.
 */
import { Column } from './column.ts'

export class PathChains {
  readonly heads = new Column()
  readonly slot = new Column()
  readonly pathId = new Column()
  readonly cell = new Column()
  readonly received = new Column()
  readonly since = new Column()
  readonly #next = new Column()
  #top = 0
  #free = 0
  /** Number of nodes in use. */
  size = 0

  /** First node of the prefix's chain, −1 if it has none. */
  first(prefix: number): number {
    return this.heads.get(prefix) - 1
  }

  /** The node after this one, −1 at the end. */
  next(node: number): number {
    return this.#next.get(node) - 1
  }

  /** The node of this path, −1 if there is none. */
  find(prefix: number, slot: number, pathId: number): number {
    let node = this.first(prefix)
    while (node >= 0 && (this.slot.get(node) !== slot || this.pathId.get(node) !== pathId))
      node = this.next(node)
    return node
  }

  /** Number of paths of this prefix from `slot`. */
  count(prefix: number, slot: number): number {
    let count = 0
    for (let node = this.first(prefix); node >= 0; node = this.next(node))
      if (this.slot.get(node) === slot) count++
    return count
  }

  /** A new node at the front of the chain. */
  add(prefix: number, slot: number, pathId: number): number {
    const node = this.#free > 0 ? this.#free - 1 : this.#top++
    if (this.#free > 0) this.#free = this.#next.get(node)
    this.slot.set(node, slot)
    this.pathId.set(node, pathId)
    this.#next.set(node, this.heads.get(prefix))
    this.heads.set(prefix, node + 1)
    this.size++
    return node
  }

  remove(prefix: number, node: number): void {
    const next = this.#next.get(node)
    if (this.first(prefix) === node) this.heads.set(prefix, next)
    else {
      let before = this.first(prefix)
      while (this.next(before) !== node) before = this.next(before)
      this.#next.set(before, next)
    }
    this.cell.set(node, 0)
    this.received.set(node, 0)
    this.since.set(node, 0)
    this.slot.set(node, 0)
    this.pathId.set(node, 0)
    this.#next.set(node, this.#free)
    this.#free = node + 1
    this.size--
    if (this.size > 0) return
    // All gone: the memory too.
    for (const column of [
      this.heads,
      this.slot,
      this.pathId,
      this.cell,
      this.received,
      this.since,
      this.#next,
    ])
      column.clear()
    this.#top = 0
    this.#free = 0
  }
}
