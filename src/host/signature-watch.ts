/**
 * Why a neighbour stays silent: the kernel drops segments whose key is another one, or that have none, or one too many,
 * and tells nobody (RFC 2385 §4.1). It counts them, though. When one of its counters moves, this looks for a while at the
 * connection requests that come in, and says whose signature is wrong and how.
 */
import type { Address } from '#core/net/address.ts'
import type { Keys } from './tcp-keys.ts'
import { kernelCount, signatureCounters } from './kernel-counters.ts'
import { synFilter } from './packet-filter.ts'
import { openPacketSocket, type PacketSocket } from './packet-socket.ts'
import { parseSegment, type Segment } from './tcp-segment.ts'

/** Between two looks at the counters, ms. */
const lookMs = 1_000
/** How long requests are looked at after a counter has moved: neighbours repeat theirs after 1, 2, 4, … s. */
const watchMs = 10_000
/** Most requests that are looked at in that time, so that a flood of them costs no more. */
const segmentsMax = 500
/** The same about the same neighbour is not told again before, ms. */
const repeatMs = 30_000
/** How long what was found explains that a neighbour does not answer, ms. */
const currentMs = 60_000

/** One who is connected to, or listens, and knows what a neighbour's segments should be signed with. */
export interface Watched {
  /** Whether a request, or the answer to one, is for this. */
  concerns(segment: Segment): boolean
  keysOf(address: Address): Keys
  /** Called for each that is wrong. */
  wrong?(address: Address, reason: string): void
}

const watched = new Set<Watched>()
const found = new Map<Address, { reason: string; at: number; toldAt: number }>()
let counted: number | undefined
let look: NodeJS.Timeout | undefined
let packets: PacketSocket | undefined
let closePackets: NodeJS.Timeout | undefined
let segmentsLeft = 0

/** Until the function given back is called. */
export function watchSignatures(concerned: Watched): () => void {
  watched.add(concerned)
  if (look === undefined) {
    counted = kernelCount(signatureCounters)
    look = setInterval(lookAtCounters, lookMs)
    look.unref()
  }
  return () => {
    watched.delete(concerned)
    if (watched.size > 0) return
    clearInterval(look)
    look = undefined
    stopWatching()
  }
}

/** What was wrong with the signatures of this neighbour lately. */
export function wrongSignature(address: Address): string | undefined {
  const known = found.get(address)
  return known !== undefined && performance.now() - known.at < currentMs ? known.reason : undefined
}

/** A connection with this neighbour is open: whatever was wrong is so no longer. */
export function rightSignature(address: Address): void {
  found.delete(address)
}

function lookAtCounters(): void {
  const now = kernelCount(signatureCounters)
  if (now === counted) return
  counted = now
  startWatching()
}

function startWatching(): void {
  clearTimeout(closePackets)
  closePackets = setTimeout(stopWatching, watchMs)
  closePackets.unref()
  segmentsLeft = segmentsMax
  if (packets !== undefined) return
  try {
    packets = openPacketSocket({ filter: synFilter() }, { packet: judge, ended: stopWatching })
  } catch {
    // Without CAP_NET_RAW it stays unknown whose segments were dropped.
  }
}

function stopWatching(): void {
  clearTimeout(closePackets)
  packets?.close()
  packets = undefined
}

function judge(packet: Uint8Array): void {
  const segment = parseSegment(packet)
  if (segment === undefined) return
  if (--segmentsLeft < 0) stopWatching()
  for (const concerned of watched) {
    if (!concerned.concerns(segment)) continue
    const reason = wrongIn(segment, concerned.keysOf(segment.source))
    if (reason !== undefined) tell(concerned, segment.source, reason)
  }
}

function tell(concerned: Watched, address: Address, reason: string): void {
  const at = performance.now()
  const known = found.get(address)
  const again = known?.reason === reason && at - known.toldAt < repeatMs
  found.set(address, { reason, at, toldAt: again ? known.toldAt : at })
  // Others may be many, and their addresses made up.
  if (found.size > 1000) found.delete(found.keys().next().value!)
  if (!again) concerned.wrong?.(address, reason)
}

/** One sentence for people; absent: the signature is right, or cannot be judged. */
function wrongIn(segment: Segment, { password, authenticationOption }: Keys): string | undefined {
  if (authenticationOption !== undefined)
    return segment.authenticationOption ? undefined : 'it sends without a TCP-AO key'
  if (password === undefined) {
    if (segment.md5) return 'it sends with an MD5 password, and none is configured for it'
    return undefined
  }
  if (!segment.md5) return 'it sends without an MD5 password'
  return segment.signedWith(password) ? undefined : 'its MD5 password is another one'
}
