/** What the routing information bases make: UPDATEs on their way to neighbours, and best paths for whoever watches. */
import { type BgpState, showTap, tell } from './bgp-state.ts'
import type { Family } from './family.ts'
import type { BgpEvent } from './io.ts'
import type { RibSink } from './rib/update-groups.ts'
import { drive } from './sessions.ts'
import { encodeMessage } from './wire/wire.ts'

/** Best paths that change in one call are told one by one up to this number. */
const bestPathEventsMax = 64

/** Takes what the RIB makes. */
export function ribSink(bgp: BgpState): RibSink {
  return {
    send: (slot, bytes, messages) => sendUpdates(bgp, slot, bytes, messages),
    refreshBorder: (slot, family, role) => {
      const message = encodeMessage({ kind: 'routeRefresh', family, role })
      bgp.bySlot[slot]!.sent.routeRefresh++
      sendUpdates(bgp, slot, message, 0)
    },
    bestChanged: (family, prefix) => bestChanged(bgp, family, prefix),
  }
}

/** The RIB's slice of this call: what it makes goes out behind all that sessions said. */
export function runRib(bgp: BgpState, sink: RibSink, effort: number, isLate: () => boolean): void {
  if (bgp.rib === undefined) return
  bgp.bestChanges = 0
  bgp.rib.run(bgp.now, sink, effort, isLate)
  if (bgp.bestChanges > bestPathEventsMax)
    tell(bgp, { kind: 'bestPaths', count: bgp.bestChanges - bestPathEventsMax })
  if (bgp.changedPrefixes.length > 0) {
    showTap(bgp, { kind: 'best', prefixes: bgp.changedPrefixes })
    bgp.changedPrefixes = []
  }
  for (const neighbour of bgp.told)
    if (neighbour.established !== undefined) drive(bgp, neighbour, { kind: 'updateSent' })
  bgp.told.clear()
}

function sendUpdates(bgp: BgpState, slot: number, bytes: Uint8Array, messages: number): void {
  const neighbour = bgp.bySlot[slot]!
  const { connection } = neighbour.established!
  bgp.outputs.push({ kind: 'send', connection, bytes })
  if (bgp.config!.taps?.sent === true) {
    const peer = neighbour.config.name
    for (const message of wholeMessages(bytes)) showTap(bgp, { kind: 'sent', peer, bytes: message })
  }
  neighbour.sent.update += messages
  bgp.told.add(neighbour)
}

function bestChanged(bgp: BgpState, family: Family, id: number): void {
  const table = bgp.rib!.tables[family]
  const { prefixes, best, bestSet } = table
  if (bgp.config?.taps?.best === true) bgp.changedPrefixes.push(prefixes.prefix(id))
  if (++bgp.bestChanges > bestPathEventsMax) return
  const event: Extract<BgpEvent, { kind: 'bestPath' }> = { kind: 'bestPath', prefix: prefixes.prefix(id) }
  const path = best.get(id) - 1
  if (path >= 0) {
    event.nextHop = bgp.rib!.store.nextHop(bestSet.get(id)).global
    const from = bgp.bySlot[table.slotOf(path)]
    if (from !== undefined) event.peer = from.config.name
  }
  tell(bgp, event)
}

function* wholeMessages(bytes: Uint8Array): Generator<Uint8Array> {
  for (let at = 0; at < bytes.length;) {
    const next = at + ((bytes[at + 16]! << 8) | bytes[at + 17]!)
    yield bytes.subarray(at, next)
    at = next
  }
}
