/**
 * What is written to MRT files of a speaker: records of what it shows as it happens, and its tables page by page. Files, their
 * names and rotation are the edge's; when a file is due is in `nextFileAt`.
 */
import { families, type Family } from '#core/bgp/family.ts'
import type { RouteEntry, RouteFilter, RoutePage, RouteTable } from '#core/bgp/io.ts'
import type { Tap, TappedSession } from '#core/bgp/tap.ts'
import type { Address } from '#core/net/address.ts'
import type { Prefix } from '#core/net/prefix.ts'
import type { MrtPeer, MrtSession, RibEntry } from './record.ts'
import { ribAttributes, writeMessage, writePeers, writeRib, writeStateChange } from './write.ts'

export interface MrtConfig {
  /** `file`: a pattern, see {@link fileNameOf}. */
  updates?: { file: string; rotateSeconds: number; rotateBytes?: number }
  rib?: { file: string; intervalSeconds: number }
}

/** RFC 6396 §4.4.1. */
const states = { idle: 1, openConfirm: 5, established: 6 } as const

/** Turns what the speaker shows into records. Knows the sessions that are up. */
export class UpdateRecorder {
  readonly #sessions = new Map<string, TappedSession>()

  /** `sessions`: those that are up already. */
  constructor(sessions: readonly TappedSession[]) {
    for (const session of sessions) this.#sessions.set(session.peer, session)
  }

  /** `now` in ms since 1970. Undefined: nothing to write. */
  record(tap: Tap, now: number): Uint8Array | undefined {
    switch (tap.kind) {
      case 'up': {
        const { session } = tap
        this.#sessions.set(session.peer, session)
        return writeStateChange(now, endsOf(session), states.openConfirm, states.established)
      }
      case 'down': {
        const session = this.#sessions.get(tap.peer)
        this.#sessions.delete(tap.peer)
        if (session === undefined) return undefined
        return writeStateChange(now, endsOf(session), states.established, states.idle)
      }
      case 'received': {
        const session = this.#sessions.get(tap.peer)
        if (session === undefined) return undefined
        const { fourOctetAsn, addPathReceive } = session
        // RFC 8050 §3: one subtype for the whole message, so it is that of a session where any family has identifiers.
        return writeMessage(now, endsOf(session), tap.bytes, {
          fourOctetAsn,
          addPath: addPathReceive.length > 0,
        })
      }
      case 'sent':
      case 'best':
      case 'reevaluated':
        return undefined
    }
  }
}

/** The speaker as a dump of its tables asks about it. */
export interface DumpSource {
  asn: number
  routerId: Address
  name: string
  sessions: readonly TappedSession[]
  page(table: RouteTable, filter: RouteFilter, cursor: number, limit: number): RoutePage
}

/** Routes looked at in one step. */
const pageSize = 500

/**
 * The records of a dump, a page at each step (empty arrays too): first the peers, then what they sent, then the own routes as those
 * of a peer with the unspecified address. Routes that come or go meanwhile may or may not be in it. `now` in ms since 1970.
 */
export function* dumpTables(source: DumpSource, now: number): Generator<Uint8Array[]> {
  const own: MrtPeer = { address: '0.0.0.0' as Address, routerId: source.routerId, asn: source.asn }
  const peers = [
    own,
    ...source.sessions.map(({ asn, routerId, ends }) => ({ asn, routerId, address: ends.remoteAddress })),
  ]
  const indexes = new Map(source.sessions.map(({ peer }, i) => [peer, i + 1]))
  yield [writePeers(now, source.routerId, source.name, peers)]
  let sequence = 0
  for (const table of ['adjRibIn', 'locRib'] as const)
    for (const family of families) {
      let cursor: number | undefined = 0
      // Of the last prefix of a page, of which the next one may give more.
      let open: RouteEntry[] = []
      while (cursor !== undefined) {
        const page: RoutePage = source.page(table, { family }, cursor, pageSize)
        cursor = page.next
        const entries: RouteEntry[] = [...open, ...page.entries]
        const last = cursor === undefined ? undefined : entries.at(-1)?.prefix
        const whole = entries.findLastIndex((entry) => entry.prefix !== last) + 1
        open = entries.splice(whole)
        const records: Uint8Array[] = []
        for (const { prefix, entries: paths } of byPrefix(entries)) {
          const wanted = table === 'adjRibIn' ? paths : paths.filter(({ peer }) => peer === undefined)
          const rib = wanted.flatMap((entry) => ribEntry(family, entry, indexes) ?? [])
          if (rib.length > 0) records.push(writeRib(now, family, sequence++, prefix, rib))
        }
        yield records
      }
    }
}

function ribEntry(family: Family, entry: RouteEntry, indexes: Map<string, number>): RibEntry | undefined {
  const { peer: name, since, pathId } = entry
  const peer = name === undefined ? 0 : indexes.get(name)
  // Of a peer that came up after the dump began, or whose routes outlive its session.
  if (peer === undefined) return undefined
  const attributes = ribAttributes(family, entry.received ?? entry.attributes)
  return { peer, originatedAt: since, ...(pathId === undefined ? {} : { pathId }), attributes }
}

/** Neighbouring entries of one prefix. */
function* byPrefix(entries: readonly RouteEntry[]): Generator<{ prefix: Prefix; entries: RouteEntry[] }> {
  let group: { prefix: Prefix; entries: RouteEntry[] } | undefined
  for (const entry of entries) {
    if (group?.prefix === entry.prefix) {
      group.entries.push(entry)
      continue
    }
    if (group !== undefined) yield group
    group = { prefix: entry.prefix, entries: [entry] }
  }
  if (group !== undefined) yield group
}

function endsOf({ asn, localAsn, ends }: TappedSession): MrtSession {
  return {
    peerAsn: asn,
    localAsn,
    peerAddress: ends.remoteAddress,
    localAddress: ends.localAddress,
  }
}

/** The pattern with `%Y %m %d %H %M %S` (UTC), `%i` (instance) and `%%` filled in. `now` in ms since 1970. */
export function fileNameOf(pattern: string, instance: string, now: number): string {
  const [date, time] = new Date(now).toISOString().split('T') as [string, string]
  const [year, month, day] = date.split('-') as [string, string, string]
  const [hour, minute] = time.split(':') as [string, string]
  const fields: Record<string, string> = {
    Y: year,
    m: month,
    d: day,
    H: hour,
    M: minute,
    S: time.slice(6, 8),
    i: instance.replaceAll('/', '_'),
    '%': '%',
  }
  return pattern.replaceAll(/%(.)/g, (whole, letter: string) => fields[letter] ?? whole)
}

/** When the next file of this period begins: at whole multiples of it, so that restarts do not move it. In ms since 1970. */
export function nextFileAt(now: number, periodSeconds: number): number {
  const period = 1000 * periodSeconds
  return (Math.floor(now / period) + 1) * period
}
