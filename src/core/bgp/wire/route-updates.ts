/** UPDATE messages for routes that are at hand as values: for stations and replays. What neighbours are sent is packed by the RIB. */
import { hex } from '#core/lib/bytes.ts'
import type { Prefix } from '#core/net/prefix.ts'
import type { PathAttributes } from '../attributes.ts'
import { families, familyOfPrefix, type Family } from '../family.ts'
import { encodeAttributes } from './attributes.ts'
import type { EncodeContext } from './context.ts'
import type { NextHop } from './message.ts'
import { encodePaths, encodePrefixes } from './nlri.ts'
import { encodeAnnouncements, encodeWithdrawals } from './update-encode.ts'

/** One path of a prefix. `attributes` absent: it is withdrawn. */
export interface RouteChange {
  prefix: Prefix
  /** Absent: 0, where the context has path identifiers. */
  pathId?: number | undefined
  attributes?: PathAttributes | undefined
}

interface Group {
  family: Family
  block: Uint8Array
  nextHop: NextHop
  routes: RouteChange[]
}

/** Whole messages that say all this, in any order: a path must be in it once. Routes of equal attributes share messages. */
export function encodeRouteChanges(changes: readonly RouteChange[], context: EncodeContext): Uint8Array[] {
  const messages: Uint8Array[] = []
  for (const family of families) {
    const gone = changes.filter(
      (change) => change.attributes === undefined && familyOfPrefix(change.prefix) === family,
    )
    if (gone.length > 0) messages.push(...encodeWithdrawals(family, nlriOf(family, gone, context), context))
  }
  for (const { family, block, nextHop, routes } of grouped(changes))
    messages.push(...encodeAnnouncements(family, block, nextHop, nlriOf(family, routes, context), context))
  return messages
}

function grouped(changes: readonly RouteChange[]): Iterable<Group> {
  const groups = new Map<string, Group>()
  /** Tables give the same object for the same set of attributes where they can. */
  const known = new Map<PathAttributes, Partial<Record<Family, Group>>>()
  for (const change of changes) {
    const { prefix, attributes } = change
    if (attributes === undefined) continue
    const family = familyOfPrefix(prefix)
    const byFamily = known.get(attributes) ?? {}
    known.set(attributes, byFamily)
    const group = (byFamily[family] ??= groupOf(groups, family, attributes))
    group.routes.push(change)
  }
  return groups.values()
}

function groupOf(groups: Map<string, Group>, family: Family, attributes: PathAttributes): Group {
  // The weight is this speaker's own and no attribute of BGP.
  const { nextHop: global, linkLocalNextHop, weight: _, ...rest } = attributes
  const block = encodeAttributes(rest)
  const key = `${family} ${global} ${linkLocalNextHop ?? ''} ${hex(block)}`
  const group = groups.get(key) ?? {
    family,
    block,
    nextHop: { global, ...(linkLocalNextHop === undefined ? {} : { linkLocal: linkLocalNextHop }) },
    routes: [],
  }
  groups.set(key, group)
  return group
}

function nlriOf(family: Family, routes: readonly RouteChange[], context: EncodeContext): Uint8Array {
  return context.addPathSend?.includes(family) === true
    ? encodePaths(routes.map(({ prefix, pathId = 0 }) => ({ prefix, pathId })))
    : encodePrefixes(routes.map(({ prefix }) => prefix))
}
