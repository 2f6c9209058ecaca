/**
 * Packs routes into UPDATE messages (RFC 4271 §9.2): withdrawals first, then one attribute set after another, each message
 * as full as it may be. Prefix ids go in; the only copies made are those of the wire form of prefixes.
 */
import type { Family } from '../family.ts'
import type { Update } from '../wire/message.ts'
import type { AttributeStore } from './attribute-store.ts'
import type { PrefixTable } from './prefix-table.ts'

/**
 * The most that an UPDATE needs beside attribute block and NLRI: header and two lengths (23), MP_REACH_NLRI with two IPv6
 * next hops (4 + 3 + 1 + 32 + 1), rounded up.
 */
const overhead = 72

/** Octets of the longest prefix on the wire. */
const longestNlri = { 'ipv4/unicast': 5, 'ipv6/unicast': 17 } as const satisfies Record<Family, number>

const noAttributes = new Uint8Array(0)

/** What one neighbour is to be told of one family. */
export class Outbox {
  readonly withdrawn: number[] = []
  /** Prefix ids to announce, and at the same index the attribute set of each. */
  readonly announced: number[] = []
  readonly sets: number[] = []

  announce(set: number, prefix: number): void {
    this.announced.push(prefix)
    this.sets.push(set)
  }

  /** Whether it says the same in the same order, as it does for neighbours of a group that are in step. */
  equals(other: Outbox): boolean {
    return (
      equalArrays(this.announced, other.announced) &&
      equalArrays(this.sets, other.sets) &&
      equalArrays(this.withdrawn, other.withdrawn)
    )
  }
}

/** Whether a message of `maxLength` octets can carry this set with at least one prefix (RFC 4271 §9.2, last paragraphs). */
export function fits(block: Uint8Array, family: Family, maxLength: number): boolean {
  return block.length + overhead + longestNlri[family] <= maxLength
}

/** `maxLength`: octets of the largest message. Every set in the outbox fits. */
export function packUpdates(
  outbox: Outbox,
  family: Family,
  prefixes: PrefixTable,
  store: AttributeStore,
  maxLength: number,
): Update[] {
  const updates: Update[] = []
  for (const nlri of blocks(outbox.withdrawn, prefixes, maxLength - overhead))
    updates.push({ ...emptyUpdate(), withdrawn: [{ family, nlri }] })
  for (const [set, ids] of bySet(outbox)) {
    const attributes = store.block(set).slice()
    const nextHop = store.nextHop(set)
    for (const nlri of blocks(ids, prefixes, maxLength - overhead - attributes.length))
      updates.push({ ...emptyUpdate(), announced: [{ family, nlri, nextHop }], attributes })
  }
  return updates
}

/** RFC 4724 §2. */
export function endOfRib(family: Family): Update {
  return { ...emptyUpdate(), endOfRib: [family] }
}

function emptyUpdate(): Update {
  return { kind: 'update', withdrawn: [], announced: [], attributes: noAttributes, endOfRib: [], faults: [] }
}

function bySet({ announced, sets }: Outbox): Map<number, number[]> {
  const groups = new Map<number, number[]>()
  for (let i = 0; i < sets.length; i++) {
    const group = groups.get(sets[i]!)
    if (group === undefined) groups.set(sets[i]!, [announced[i]!])
    else group.push(announced[i]!)
  }
  return groups
}

function equalArrays(a: readonly number[], b: readonly number[]): boolean {
  if (a.length !== b.length) return false
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false
  return true
}

/** The wire form of these prefixes, cut into arrays of at most `room` octets. */
function blocks(ids: readonly number[], prefixes: PrefixTable, room: number): Uint8Array[] {
  const cut: Uint8Array[] = []
  const buffer = new Uint8Array(room)
  let end = 0
  for (const id of ids) {
    if (end + prefixes.nlriLength(id) > room) {
      cut.push(buffer.slice(0, end))
      end = 0
    }
    end = prefixes.writeNlri(id, buffer, end)
  }
  if (end > 0) cut.push(buffer.slice(0, end))
  return cut
}
