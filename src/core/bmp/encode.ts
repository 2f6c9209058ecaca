/**
 * Messages of the BGP Monitoring Protocol as bytes (RFC 7854, RFC 8671 for adj-rib-out, RFC 9069 for the loc-rib). A station
 * says nothing, so there is no decoder.
 */
import type { Family } from '#core/bgp/family.ts'
import { familyCodes } from '#core/bgp/family.ts'
import type { TappedSession } from '#core/bgp/tap.ts'
import { encodeOpen } from '#core/bgp/wire/open.ts'
import { ByteWriter } from '#core/lib/bytes.ts'
import { utf8Bytes } from '#core/lib/utf8.ts'
import { addressBytes, type Address } from '#core/net/address.ts'

/** RFC 7854 §4.1. */
const messageType = {
  routeMonitoring: 0,
  statisticsReport: 1,
  peerDown: 2,
  peerUp: 3,
  initiation: 4,
  termination: 5,
} as const

/** RFC 7854 §4.2, RFC 8671 §4. */
const peerFlag = { ipv6: 0x80, postPolicy: 0x40, twoOctetAsPath: 0x20, adjRibOut: 0x10 } as const

/** RFC 7854 §4.2, RFC 9069 §4.1. */
const peerType = { global: 0, locRib: 3 } as const

/** What of a peer a route monitoring message is about. `locRib` is not a peer's but the instance's. */
export type View = 'pre' | 'post' | 'adjOut' | 'locRib'

/** The speaker itself, as the peer that stands for its loc-rib. */
export interface LocalIdentity {
  asn: number
  routerId: Address
  families: readonly Family[]
}

/** Whom a message is about: a session, or the loc-rib. */
export type Subject = { kind: 'peer'; session: TappedSession } | { kind: 'locRib'; local: LocalIdentity }

/** RFC 7854 §4.3: must be the first message. `name`: the speaker's own. */
export function encodeInitiation(description: string, name: string): Uint8Array {
  return message(messageType.initiation, (writer) => {
    information(writer, 1, text(description))
    information(writer, 2, text(name))
  })
}

/** RFC 7854 §4.5. `reason` 0: administratively closed, 2: out of resources. */
export function encodeTermination(reason: 0 | 2): Uint8Array {
  return message(messageType.termination, (writer) => information(writer, 1, Uint8Array.of(0, reason)))
}

/** RFC 7854 §4.10, RFC 9069 §5.2. `now` in ms since 1970. */
export function encodePeerUp(subject: Subject, now: number): Uint8Array {
  return message(messageType.peerUp, (writer) => {
    if (subject.kind === 'locRib') {
      perPeerHeader(writer, subject, 'locRib', now)
      const open = locRibOpen(subject.local)
      // Its name may be left out when it is the default one, and not every station can read on after the OPENs.
      writer.raw(new Uint8Array(20)).raw(open).raw(open)
      return
    }
    const { ends, sentOpen, receivedOpen, since } = subject.session
    perPeerHeader(writer, subject, 'pre', since)
    writer.raw(addressField(ends.localAddress)).u16(ends.localPort).u16(ends.remotePort)
    writer.raw(sentOpen).raw(receivedOpen)
  })
}

/** Why a session ended. `notification`: the whole message, where there was one. */
export interface PeerEnd {
  direction: 'sent' | 'received' | 'local'
  notification?: Uint8Array
}

/** RFC 7854 §4.9. The loc-rib is down when the station is left. */
export function encodePeerDown(session: TappedSession, end: PeerEnd, now: number): Uint8Array {
  return message(messageType.peerDown, (writer) => {
    perPeerHeader(writer, { kind: 'peer', session }, 'pre', now)
    const { direction, notification } = end
    if (notification !== undefined) writer.u8(direction === 'sent' ? 1 : 3).raw(notification)
    // What ends without a NOTIFICATION of this speaker's is the connection, by the far end or on the way there.
    else if (direction === 'sent') writer.u8(2).u16(0)
    else writer.u8(4)
  })
}

/** RFC 7854 §4.6. `update`: a whole UPDATE message in the encoding of the session (of the loc-rib: four octets an AS number). */
export function encodeRouteMonitoring(
  subject: Subject,
  view: View,
  update: Uint8Array,
  now: number,
): Uint8Array {
  return message(messageType.routeMonitoring, (writer) => {
    perPeerHeader(writer, subject, view, now)
    writer.raw(update)
  })
}

/** How many routes there are, by family. */
export interface RouteCounts {
  family: Family
  received: number
  advertised: number
}

/** RFC 7854 §4.8, RFC 8671 §6.2: gauges of adj-rib-in before and adj-rib-out after policy, together and by family. */
export function encodeStatistics(subject: Subject, counts: readonly RouteCounts[], now: number): Uint8Array {
  const total = (of: (count: RouteCounts) => number) => counts.reduce((sum, count) => sum + of(count), 0)
  return message(messageType.statisticsReport, (writer) => {
    perPeerHeader(writer, subject, 'pre', now)
    writer.u32(2 + 2 * counts.length)
    gauge(
      writer,
      7,
      undefined,
      total(({ received }) => received),
    )
    gauge(
      writer,
      15,
      undefined,
      total(({ advertised }) => advertised),
    )
    for (const { family, received, advertised } of counts) {
      gauge(writer, 9, family, received)
      gauge(writer, 17, family, advertised)
    }
  })
}

function message(type: number, body: (writer: ByteWriter) => void): Uint8Array {
  const writer = new ByteWriter(512)
  writer.u8(3).u32(0).u8(type)
  body(writer)
  const bytes = writer.finish()
  const { length } = bytes
  bytes.set([length >>> 24, length >>> 16, length >>> 8, length], 1)
  return bytes
}

function perPeerHeader(writer: ByteWriter, subject: Subject, view: View, now: number): void {
  const seconds = Math.floor(now / 1000)
  if (subject.kind === 'locRib') {
    const { asn, routerId } = subject.local
    writer
      .u8(peerType.locRib)
      .u8(0)
      .raw(new Uint8Array(8 + 16))
    writer.u32(asn).raw(addressBytes(routerId))
  } else {
    const { asn, routerId, ends, fourOctetAsn } = subject.session
    const flags =
      (ends.remoteAddress.includes(':') ? peerFlag.ipv6 : 0) |
      (view === 'pre' ? 0 : peerFlag.postPolicy) |
      (fourOctetAsn ? 0 : peerFlag.twoOctetAsPath) |
      (view === 'adjOut' ? peerFlag.adjRibOut : 0)
    writer.u8(peerType.global).u8(flags).raw(new Uint8Array(8)).raw(addressField(ends.remoteAddress))
    writer.u32(asn).raw(addressBytes(routerId))
  }
  writer.u32(seconds).u32(Math.floor(1000 * (now - 1000 * seconds)))
}

/** Sixteen octets; an IPv4 address in the last four. */
function addressField(address: Address): Uint8Array {
  const bytes = addressBytes(address)
  if (bytes.length === 16) return bytes
  const field = new Uint8Array(16)
  field.set(bytes, 12)
  return field
}

/** RFC 7854 §4.4. */
function information(writer: ByteWriter, type: number, value: Uint8Array): void {
  writer.u16(type).u16(value.length).raw(value)
}

/** RFC 7854 §4.4: of an information TLV, whose length has two octets. */
function text(value: string): Uint8Array {
  return Uint8Array.from(utf8Bytes(value, 1024))
}

/** A 64-bit gauge, by family if one is given. */
function gauge(writer: ByteWriter, type: number, family: Family | undefined, value: number): void {
  writer.u16(type).u16(family === undefined ? 8 : 11)
  if (family !== undefined) writer.u16(familyCodes[family].afi).u8(familyCodes[family].safi)
  writer.u32(Math.floor(value / 2 ** 32)).u32(value >>> 0)
}

/** RFC 9069 §5.2: made up, to say how the UPDATEs are to be read. */
function locRibOpen({ asn, routerId, families }: LocalIdentity): Uint8Array {
  return encodeOpen({
    kind: 'open',
    version: 4,
    asn,
    holdTimeSeconds: 0,
    routerId,
    capabilities: {
      families: [...families],
      fourOctetAsn: true,
      routeRefresh: false,
      extendedNextHop: families.includes('ipv4/unicast') ? ['ipv4/unicast'] : [],
      other: [],
    },
  })
}
