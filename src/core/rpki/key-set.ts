/**
 * A set of texts that grows in small steps: one Set of half a million would stop everything while it copies itself into a larger
 * one. May be changed while it is gone through, as a Set may.
 */
const shardBits = 8

export class KeySet {
  readonly #shards: Set<string>[] = Array.from({ length: 1 << shardBits }, () => new Set())
  #size = 0

  get size(): number {
    return this.#size
  }

  has(key: string): boolean {
    return this.#shardOf(key).has(key)
  }

  add(key: string): void {
    const shard = this.#shardOf(key)
    const before = shard.size
    shard.add(key)
    this.#size += shard.size - before
  }

  /** Whether it was there. */
  delete(key: string): boolean {
    const deleted = this.#shardOf(key).delete(key)
    if (deleted) this.#size--
    return deleted
  }

  *keys(): Generator<string, undefined> {
    for (const shard of this.#shards) yield* shard
    return undefined
  }

  #shardOf(key: string): Set<string> {
    // FNV-1a over the end, where the prefix is.
    let hash = 0x811c9dc5
    for (let i = Math.max(0, key.length - 10); i < key.length; i++)
      hash = Math.imul(hash ^ key.charCodeAt(i), 0x01000193)
    return this.#shards[(hash >>> 16) & ((1 << shardBits) - 1)]!
  }
}
