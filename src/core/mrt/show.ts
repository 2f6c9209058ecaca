/**
 * Records for people and programs. The text is one line a route, in the columns that `bgpdump -m -l` made everybody's; the JSON
 * one object a route, a session's change or a table of peers.
 */
import type { AsPathSegment, PathAttributes } from '#core/bgp/attributes.ts'
import { messageType } from '#core/bgp/wire/framer.ts'
import type { RouteChange } from '#core/bgp/wire/route-updates.ts'
import { rfc3339 } from '#core/lib/time.ts'
import { communityText, largeCommunityText } from '#core/net/community.ts'
import type { MrtPeer, MrtRecord } from './record.ts'
import { attributesOfEntry, changesOf, updateOf } from './routes.ts'

/** One thing that a record says. Times are RFC 3339. */
export type Shown =
  | ({ kind: 'route' | 'withdrawal'; source: 'rib' | 'update'; at: string } & ShownPeer & ShownRoute)
  | ({ kind: 'state'; at: string; from: number; to: number } & ShownPeer)
  | ({ kind: 'message'; at: string; type: string } & ShownPeer)
  | {
      kind: 'peers'
      at: string
      collector: string
      view: string
      peers: (ShownPeer & { routerId: string })[]
    }
  /** A route or a record that cannot be shown, and why. */
  | { kind: 'unknown'; at: string; reason: string }

interface ShownPeer {
  peer: string
  asn: number
}

interface ShownRoute {
  prefix: string
  pathId?: number
  /** Of a RIB: when the route came. */
  since?: string
  attributes?: PathAttributes
}

/** Keeps the table of peers that the entries of a RIB refer to: one per file. */
export class Shower {
  #peers: readonly MrtPeer[] = []

  /** What the record says, in its order. */
  show(record: MrtRecord): Shown[] {
    const at = rfc3339(record.at)
    switch (record.kind) {
      case 'peers': {
        this.#peers = record.peers
        const { collector, view } = record
        const peers = record.peers.map(({ address, asn, routerId }) => ({ peer: address, asn, routerId }))
        return [{ kind: 'peers', at, collector, view, peers }]
      }
      case 'rib':
        return record.entries.map((entry): Shown => {
          const peer = this.#peers[entry.peer]
          if (peer === undefined)
            return { kind: 'unknown', at, reason: `${record.prefix}: there is no peer ${entry.peer}` }
          const attributes = attributesOfEntry(record.family, record.prefix, entry)
          if (attributes === undefined)
            return { kind: 'unknown', at, reason: `${record.prefix}: malformed attributes` }
          const { prefix } = record
          const since = rfc3339(entry.originatedAt)
          const route = { prefix, ...withPathId(entry), since, attributes }
          return { kind: 'route', source: 'rib', at, peer: peer.address, asn: peer.asn, ...route }
        })
      case 'stateChange': {
        const { session, from, to } = record
        return [{ kind: 'state', at, peer: session.peerAddress, asn: session.peerAsn, from, to }]
      }
      case 'message':
        return showMessage(record, at)
      case 'other':
        return [{ kind: 'unknown', at, reason: `a record of type ${record.type}, subtype ${record.subtype}` }]
    }
  }
}

function showMessage(record: Extract<MrtRecord, { kind: 'message' }>, at: string): Shown[] {
  const { session, message } = record
  const peer: ShownPeer = { peer: session.peerAddress, asn: session.peerAsn }
  const type = messageNames[message[18] ?? 0] ?? `message of type ${message[18]}`
  if (message[18] !== messageType.update) return [{ kind: 'message', at, type, ...peer }]
  const update = updateOf(record)
  if (update === undefined) return [{ kind: 'unknown', at, reason: 'malformed UPDATE' }]
  const changes = changesOf(update)
  // End-of-RIB (RFC 4724 §2), or one that says nothing.
  if (changes.length === 0) return [{ kind: 'message', at, type, ...peer }]
  return changes.map((change): Shown => {
    const kind = change.attributes === undefined ? 'withdrawal' : 'route'
    const { prefix, attributes } = change
    const route = { prefix, ...withPathId(change), ...(attributes === undefined ? {} : { attributes }) }
    return { kind, source: 'update', at, ...peer, ...route }
  })
}

const messageNames: Partial<Record<number, string>> = {
  [messageType.open]: 'OPEN',
  [messageType.update]: 'UPDATE',
  [messageType.notification]: 'NOTIFICATION',
  [messageType.keepalive]: 'KEEPALIVE',
  [messageType.routeRefresh]: 'ROUTE-REFRESH',
}

function withPathId({ pathId }: Pick<RouteChange, 'pathId'>): { pathId?: number } {
  return pathId === undefined ? {} : { pathId }
}

/** As a line of `bgpdump -m -l`; undefined for what it has no line for. */
export function textOf(shown: Shown): string | undefined {
  const time = (at: string) => Math.floor(Date.parse(at) / 1000)
  switch (shown.kind) {
    case 'state':
      return ['BGP4MP', time(shown.at), 'STATE', shown.peer, shown.asn, shown.from, shown.to].join('|')
    case 'route':
    case 'withdrawal': {
      const { source, at, peer, asn, prefix, pathId, attributes } = shown
      const mark = pathId === undefined ? '' : '_AP'
      const path = pathId === undefined ? prefix : `${prefix}|${pathId}`
      if (attributes === undefined) return [`BGP4MP${mark}`, time(at), 'W', peer, asn, path].join('|')
      const [name, letter] = source === 'rib' ? ['TABLE_DUMP2', 'B'] : ['BGP4MP', 'A']
      const { origin, nextHop, localPref = 0, med = 0, aggregator } = attributes
      return [
        `${name}${mark}`,
        time(at),
        letter,
        peer,
        asn,
        path,
        asPathText(attributes.asPath),
        origin.toUpperCase(),
        nextHop,
        localPref,
        med,
        (attributes.communities ?? []).map(communityText).join(' '),
        (attributes.largeCommunities ?? []).map(largeCommunityText).join(' '),
        attributes.atomicAggregate === true ? 'AG' : 'NAG',
        aggregator === undefined ? '' : `${aggregator.asn} ${aggregator.address}`,
        '',
      ].join('|')
    }
    case 'message':
    case 'peers':
    case 'unknown':
      return undefined
  }
}

/** Extended numbers and bytes as text: what JSON has no form for. */
export function jsonOf(shown: Shown): string {
  return JSON.stringify(shown, (_, value: unknown) => {
    if (typeof value === 'bigint') return value.toString()
    return value instanceof Uint8Array ? [...value] : value
  })
}

function asPathText(path: readonly AsPathSegment[]): string {
  return path
    .map(({ kind, asns }) => {
      switch (kind) {
        case 'sequence':
          return asns.join(' ')
        case 'set':
          return `{${asns.join(',')}}`
        case 'confedSequence':
          return `(${asns.join(' ')})`
        case 'confedSet':
          return `[${asns.join(',')}]`
      }
    })
    .join(' ')
}
