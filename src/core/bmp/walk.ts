/** A table that a station is told for the first time, or again: where in it one is, and how its routes become messages. */
import type { Family } from '#core/bgp/family.ts'
import type { RoutePage, RouteTable } from '#core/bgp/io.ts'
import type { TappedSession } from '#core/bgp/tap.ts'
import type { EncodeContext } from '#core/bgp/wire/context.ts'
import type { RouteChange } from '#core/bgp/wire/route-updates.ts'
import type { Subject, View } from './encode.ts'

/** A table that is being told: a view of one session, or the loc-rib. */
export interface Walk {
  subject: Subject
  view: View
  family: Family
  cursor: number
  /** What is not let in was perhaps told before, and is withdrawn. */
  again: boolean
}

/** What the page says, each path once. */
export function changesOfPage({ view, again }: Walk, page: RoutePage): RouteChange[] {
  const changes = page.entries.flatMap((entry): RouteChange[] => {
    const { prefix, pathId } = entry
    if (view === 'locRib' && !entry.best) return []
    const attributes = view === 'pre' ? (entry.received ?? entry.attributes) : entry.attributes
    if (!again || entry.rejected === undefined) return [{ prefix, pathId, attributes }]
    return [{ prefix, pathId }]
  })
  return once(changes)
}

/** Attributes may have come in an extended message (RFC 8654), and must not be left out for their length. */
const maxLength = 0xffff

/** RFC 9069 §5.4.1. */
export const locRibContext: EncodeContext = { fourOctetAsn: true, maxLength }

/** The session's own encoding, as the OPENs in its Peer Up say. */
export function contextOf(session: TappedSession, view: View): EncodeContext {
  const { fourOctetAsn, addPathReceive, addPathSend } = session
  return { fourOctetAsn, maxLength, addPathSend: view === 'adjOut' ? addPathSend : addPathReceive }
}

export function tableOf({ view, again }: Walk): RouteTable {
  switch (view) {
    case 'pre':
      return 'adjRibIn'
    case 'post':
      return again ? 'adjRibIn' : 'accepted'
    case 'adjOut':
      return 'adjRibOut'
    case 'locRib':
      return 'locRib'
  }
}

export function sessionOf(subject: Subject): TappedSession | undefined {
  return subject.kind === 'peer' ? subject.session : undefined
}

/** The last word about each path. */
function once(changes: readonly RouteChange[]): RouteChange[] {
  const last = new Map(changes.map((change) => [`${change.prefix} ${change.pathId ?? 0}`, change]))
  return [...last.values()]
}
