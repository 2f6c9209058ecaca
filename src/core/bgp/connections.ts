/** TCP connections of a speaker: whose they are, whether they are wanted, and the messages in their bytes. */
import type { Address } from '#core/net/address.ts'
import { acceptingNeighbour, acceptingRange, dynamicPeer } from './accept.ts'
import { type BgpState, type Link, showTap, tell } from './bgp-state.ts'
import { addNeighbour, addOwnRoutesFor } from './configuration.ts'
import { type BgpInput, type ConnectionEnds, type ConnectionId, sendQueueHigh, sendQueueLow } from './io.ts'
import { type Neighbour, dynamicIdleMs, heldDownBy, isOpening } from './neighbour.ts'
import { checkExcess, checkLimit, drive, startSession } from './sessions.ts'
import { ttlOf } from './transport.ts'
import { type UpdateContext, unnegotiated } from './wire/context.ts'
import { Framer, messageType } from './wire/framer.ts'
import { ceaseSubcode } from './wire/notification.ts'
import { decodeMessage, encodeMessage } from './wire/wire.ts'

/** Why a connection is not taken; subcode of Cease, absent: Connection Rejected. */
interface Refusal {
  reason: string
  subcode?: number
}

/** Somebody connected: the connection is given to its neighbour, or refused. */
export function accept(bgp: BgpState, connection: ConnectionId, ends: ConnectionEnds): void {
  const neighbour = acceptingNeighbour(bgp.neighbours.values(), ends) ?? dynamicNeighbour(bgp, ends)
  if ('reason' in neighbour) return reject(bgp, connection, ends, neighbour)
  const reason = heldDownBy(neighbour) ?? (bgp.shutDown ? 'the speaker is shutting down' : undefined)
  if (reason !== undefined) return reject(bgp, connection, ends, { reason })
  const full = fullFor(bgp, neighbour)
  if (full !== undefined) return reject(bgp, connection, ends, tooMany(full))
  bgp.links.set(connection, { neighbour, framer: new Framer() })
  bgp.outputs.push(ttlOf(neighbour.config, connection))
  drive(bgp, neighbour, { kind: 'accepted', connection, ends })
}

/** Why this neighbour, which may be a new one, cannot have a session now; undefined: it can. */
export function fullFor(bgp: BgpState, neighbour: Neighbour | undefined): string | undefined {
  const max = bgp.config?.maxSessions
  if (max === undefined) return undefined
  let open = 0
  for (const other of bgp.neighbours.values()) if (other !== neighbour && isOpening(other)) open++
  return open < max ? undefined : `there are ${max} sessions, and no more may be`
}

/** Bytes arrived: what is whole in them is taken in, message by message. */
export function receive(bgp: BgpState, connection: ConnectionId, bytes: Uint8Array): void {
  const link = bgp.links.get(connection)
  if (link === undefined) return
  const { neighbour, framer } = link
  framer.push(bytes)
  let taken = false
  // Each message may change how the next one is read, or end the connection.
  while (bgp.links.has(connection)) {
    const found = framer.advance()
    if (found && takeUpdate(bgp, link, connection)) {
      taken = true
      continue
    }
    if (taken) drive(bgp, neighbour, { kind: 'updatesTaken', connection })
    taken = false
    if (!found && framer.error === undefined) return
    if (!found) return malformed(bgp, link, connection)
    takeMessage(bgp, link, connection, framer.bytes.subarray(framer.start, framer.end))
  }
}

/** Bytes wait to be taken by the connection, or have been. */
export function queueChanged(
  bgp: BgpState,
  neighbour: Neighbour,
  input: Extract<BgpInput, { kind: 'sendQueue' }>,
): void {
  const { connection, bytes } = input
  drive(bgp, neighbour, input)
  if (neighbour.established?.connection !== connection) return
  if (bytes > sendQueueHigh) bgp.rib!.setCongested(neighbour.slot, true)
  else if (bytes <= sendQueueLow) bgp.rib!.setCongested(neighbour.slot, false)
}

/** Segments from the address are dropped unheard, e.g. because of a wrong key: shown with the peers that it may be of. */
export function unheard(bgp: BgpState, address: Address, reason: string): void {
  const message = `nothing from ${address} is heard: ${reason}`
  for (const neighbour of bgp.neighbours.values()) {
    if (neighbour.config.address !== address || neighbour.established !== undefined) continue
    neighbour.lastError = { at: bgp.now, direction: 'local', message }
  }
  tell(bgp, { kind: 'connectionRefused', address, reason })
}

/** A new neighbour in a listen range, or why there is none. */
function dynamicNeighbour(bgp: BgpState, ends: ConnectionEnds): Neighbour | Refusal {
  const config = bgp.config
  const range = config === undefined ? undefined : acceptingRange(config, ends)
  if (config === undefined || range === undefined) return { reason: 'no peer has this address' }
  if (bgp.shutDown) return { reason: 'the speaker is shutting down' }
  const { name, heldDown } = range.template
  if (heldDown !== undefined) return { reason: heldDown }
  const count = [...bgp.neighbours.values()].filter(({ dynamic }) => dynamic?.range === name).length
  if (count >= range.limit) return tooMany(`${name} has as many neighbours as it may have, ${range.limit}`)
  const full = fullFor(bgp, undefined)
  if (full !== undefined) return tooMany(full)
  const neighbour = addNeighbour(bgp, config, dynamicPeer(range, ends))
  // Until its session is up: it may never be.
  neighbour.dynamic = { range: name, expiresAt: bgp.now + dynamicIdleMs }
  addOwnRoutesFor(bgp, config, neighbour)
  startSession(bgp, neighbour)
  return neighbour
}

/** RFC 4486 §4. */
function reject(
  bgp: BgpState,
  connection: ConnectionId,
  { remoteAddress: address }: ConnectionEnds,
  { reason, subcode = ceaseSubcode.connectionRejected }: Refusal,
): void {
  const bytes = encodeMessage({ kind: 'notification', code: 6, subcode, data: new Uint8Array(0) })
  bgp.outputs.push({ kind: 'send', connection, bytes }, { kind: 'close', connection })
  tell(bgp, { kind: 'connectionRefused', address, reason })
}

/** The fast way of an UPDATE of an established session: false if it has to go the slow one. */
function takeUpdate(bgp: BgpState, { neighbour, framer, kind }: Link, connection: ConnectionId): boolean {
  const { established, config, slot } = neighbour
  const { bytes, start, end } = framer
  if (kind === undefined || bytes[start + 18] !== messageType.update) return false
  if (established?.connection !== connection) return false
  if (!bgp.ingest!.take(kind, slot, bytes, start, end, bgp.now)) return false
  neighbour.received.update++
  if (bgp.config?.taps?.received === true)
    showTap(bgp, { kind: 'received', peer: config.name, bytes: bytes.subarray(start, end) })
  if (kind.addPath) checkExcess(bgp, neighbour)
  if (config.prefixLimits !== undefined)
    for (const family of established.negotiated.families) checkLimit(bgp, neighbour, family)
  return true
}

/** Where the next message begins is not known. */
function malformed(bgp: BgpState, { neighbour, framer }: Link, connection: ConnectionId): void {
  bgp.message = framer.bytes
  drive(bgp, neighbour, { kind: 'malformed', connection, error: framer.error! })
  bgp.message = undefined
}

function takeMessage(bgp: BgpState, link: Link, connection: ConnectionId, bytes: Uint8Array): void {
  const { neighbour } = link
  const decoded = decodeMessage(bytes, contextOf(neighbour, connection))
  bgp.message = bytes
  if (decoded.ok) {
    neighbour.received[decoded.value.kind]++
    noteMessage(bgp, link, connection, bytes)
    drive(bgp, neighbour, { kind: 'received', connection, message: decoded.value })
  } else drive(bgp, neighbour, { kind: 'malformed', connection, error: decoded.error })
  bgp.message = undefined
}

/** A whole message was understood. */
function noteMessage(bgp: BgpState, link: Link, connection: ConnectionId, bytes: Uint8Array): void {
  if (bytes[18] === messageType.open) link.receivedOpen = bytes.slice()
  const { config, established } = link.neighbour
  if (bgp.config?.taps?.received === true && established?.connection === connection)
    showTap(bgp, { kind: 'received', peer: config.name, bytes })
}

function contextOf(neighbour: Neighbour, connection: ConnectionId): UpdateContext {
  const { established } = neighbour
  return established?.connection === connection ? established.negotiated : unnegotiated
}

function tooMany(reason: string): Refusal {
  return { reason, subcode: ceaseSubcode.outOfResources }
}
