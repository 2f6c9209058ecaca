/**
 * What a station has yet to be told of tables: which paths changed, each once however often it did. What a path is now is asked
 * for when it is told, so that this never grows beyond the tables.
 */
import type { Family } from '#core/bgp/family.ts'
import type { Prefix } from '#core/net/prefix.ts'

export interface ChangedPath {
  prefix: Prefix
  /** Absent: its session has none. */
  pathId?: number
}

interface OfPeer {
  paths: Map<string, ChangedPath>
  /** To be told after the paths. */
  endOfRib: Set<Family>
}

export class Pending {
  readonly #best = new Set<Prefix>()
  readonly #peers = new Map<string, OfPeer>()

  get isEmpty(): boolean {
    return this.#best.size === 0 && this.#peers.size === 0
  }

  addBest(prefixes: readonly Prefix[]): void {
    for (const prefix of prefixes) this.#best.add(prefix)
  }

  /** Of what import policy lets in from this peer. */
  addPaths(peer: string, paths: readonly ChangedPath[], endOfRib: readonly Family[]): void {
    if (paths.length === 0 && endOfRib.length === 0) return
    const known = this.#peers.get(peer) ?? { paths: new Map(), endOfRib: new Set() }
    this.#peers.set(peer, known)
    for (const path of paths) known.paths.set(`${path.prefix} ${path.pathId ?? ''}`, path)
    for (const family of endOfRib) known.endOfRib.add(family)
  }

  /** At most `max` of the prefixes whose best path changed. */
  takeBest(max: number): Prefix[] {
    const taken = [...this.#best.values().take(max)]
    for (const prefix of taken) this.#best.delete(prefix)
    return taken
  }

  /** At most `max` paths of one peer, with the ends of tables that come after them; undefined: there are none. */
  takePaths(max: number): { peer: string; paths: ChangedPath[]; endOfRib: Family[] } | undefined {
    const [first] = this.#peers
    if (first === undefined) return undefined
    const [peer, { paths, endOfRib }] = first
    const taken = [...paths.entries().take(max)]
    for (const [key] of taken) paths.delete(key)
    if (paths.size === 0) this.#peers.delete(peer)
    return {
      peer,
      paths: taken.map(([, path]) => path),
      endOfRib: paths.size === 0 ? [...endOfRib] : [],
    }
  }

  /** The peer is gone, and the station knows that its routes are. */
  forget(peer: string): void {
    this.#peers.delete(peer)
  }

  clear(): void {
    this.#best.clear()
    this.#peers.clear()
  }
}
