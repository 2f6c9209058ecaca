/**
 * A set of prefixes of one IP version that knows, for a prefix in wire form, which of its members cover it. Paths with one way
 * only are compressed, so there are fewer than two nodes per member, and a question looks at no more nodes than the prefix has
 * bits.
 *
 *     node    | bits × stride | length × 1 | left × 4 | right × 4 | value × 4 |        stride: 4 or 16
 *
 * 17 bytes per node for IPv4, 29 for IPv6. Node 0 is the root, the empty prefix. `left` of a free node is the next free one.
 */
import { octetsOf } from '../wire/nlri.ts'

export class PrefixTrie {
  readonly #stride: number
  #bits: Uint8Array
  #lengths = new Uint8Array(16)
  #left = new Int32Array(16)
  #right = new Int32Array(16)
  /** Of members: at least 1. 0: only a fork. */
  #values = new Int32Array(16)
  #top = 1
  #free = 0

  /** `octets`: 4 or 16, those of an address. */
  constructor(octets: 4 | 16) {
    this.#stride = octets
    this.#bits = new Uint8Array(16 * octets)
  }

  /** Value of exactly this prefix, 0 if it is no member. `nlri`: the wire form starting at `at`, without host bits. */
  get(nlri: Uint8Array, at: number): number {
    let found = 0
    this.eachCovering(nlri, at, (value, length) => {
      if (length === nlri[at]) found = value
      return false
    })
    return found
  }

  /** Tells every member that covers the prefix, itself included, shortest first, until `visit` gives true; gives what it gave. */
  eachCovering(nlri: Uint8Array, at: number, visit: (value: number, length: number) => boolean): boolean {
    const length = nlri[at]!
    let node = 0
    for (;;) {
      const nodeLength = this.#lengths[node]!
      if (nodeLength > length || this.#common(node, nlri, at, nodeLength) < nodeLength) return false
      const value = this.#values[node]!
      if (value !== 0 && visit(value, nodeLength)) return true
      if (nodeLength === length) return false
      node = bitAt(nlri, at + 1, nodeLength) === 0 ? this.#left[node]! : this.#right[node]!
      if (node === 0) return false
    }
  }

  /** `value`: at least 1; 0 takes the prefix out. */
  set(nlri: Uint8Array, at: number, value: number): void {
    if (value === 0) return this.#remove(nlri, at)
    // On its own line: it may put larger columns in place.
    const node = this.#insert(nlri, at)
    this.#values[node] = value
  }

  /** The node of this prefix, made if there is none. */
  #insert(nlri: Uint8Array, at: number): number {
    const length = nlri[at]!
    let node = 0
    for (;;) {
      // Here `node` covers the prefix.
      const nodeLength = this.#lengths[node]!
      if (nodeLength === length) return node
      const bit = bitAt(nlri, at + 1, nodeLength)
      const child = bit === 0 ? this.#left[node]! : this.#right[node]!
      if (child === 0) {
        const made = this.#make(nlri, at, length)
        this.#link(node, bit, made)
        return made
      }
      const common = this.#common(child, nlri, at, Math.min(length, this.#lengths[child]!))
      if (common === this.#lengths[child]) {
        node = child
        continue
      }
      // The child's way parts from the prefix's, or goes through it.
      const fork = this.#make(nlri, at, common)
      this.#link(node, bit, fork)
      this.#link(fork, bitAt(this.#bits, child * this.#stride, common), child)
      if (common === length) return fork
      const made = this.#make(nlri, at, length)
      this.#link(fork, bitAt(nlri, at + 1, common), made)
      return made
    }
  }

  #remove(nlri: Uint8Array, at: number): void {
    const length = nlri[at]!
    let grandparent = 0
    let parent = 0
    let node = 0
    while (this.#lengths[node]! < length) {
      const bit = bitAt(nlri, at + 1, this.#lengths[node]!)
      const child = bit === 0 ? this.#left[node]! : this.#right[node]!
      if (child === 0) return
      grandparent = parent
      parent = node
      node = child
    }
    if (this.#lengths[node] !== length || this.#common(node, nlri, at, length) < length) return
    this.#values[node] = 0
    this.#bypass(parent, node)
    if (this.#values[parent] === 0) this.#bypass(grandparent, parent)
  }

  /** Takes a node out that is neither a member nor a fork. */
  #bypass(parent: number, node: number): void {
    const [left, right] = [this.#left[node]!, this.#right[node]!]
    if (node === 0 || (left !== 0 && right !== 0)) return
    const child = left === 0 ? right : left
    if (this.#left[parent] === node) this.#left[parent] = child
    else this.#right[parent] = child
    this.#left[node] = this.#free
    this.#free = node
  }

  #make(nlri: Uint8Array, at: number, length: number): number {
    let node = this.#free
    if (node !== 0) this.#free = this.#left[node]!
    else {
      if (this.#top === this.#lengths.length) this.#grow()
      node = this.#top++
    }
    const start = node * this.#stride
    const octets = octetsOf(length)
    this.#bits.fill(0, start, start + this.#stride)
    for (let i = 0; i < octets; i++) this.#bits[start + i] = nlri[at + 1 + i]!
    this.#lengths[node] = length
    this.#left[node] = 0
    this.#right[node] = 0
    this.#values[node] = 0
    return node
  }

  #link(parent: number, bit: number, child: number): void {
    if (bit === 0) this.#left[parent] = child
    else this.#right[parent] = child
  }

  /** Number of leading bits, at most `limit`, that the node shares with the prefix. */
  #common(node: number, nlri: Uint8Array, at: number, limit: number): number {
    const start = node * this.#stride
    for (let i = 0; 8 * i < limit; i++) {
      const difference = this.#bits[start + i]! ^ nlri[at + 1 + i]!
      if (difference !== 0) return Math.min(limit, 8 * i + Math.clz32(difference) - 24)
    }
    return limit
  }

  #grow(): void {
    const length = 2 * this.#lengths.length
    const bits = new Uint8Array(length * this.#stride)
    bits.set(this.#bits)
    this.#bits = bits
    const lengths = new Uint8Array(length)
    lengths.set(this.#lengths)
    this.#lengths = lengths
    this.#left = doubled(this.#left)
    this.#right = doubled(this.#right)
    this.#values = doubled(this.#values)
  }
}

function doubled(column: Int32Array): Int32Array<ArrayBuffer> {
  const larger = new Int32Array(2 * column.length)
  larger.set(column)
  return larger
}

/** Bit number `index` of the octets from `start` on, counted from the highest of the first. */
function bitAt(bytes: Uint8Array, start: number, index: number): number {
  return (bytes[start + (index >>> 3)]! >> (7 - (index & 7))) & 1
}
