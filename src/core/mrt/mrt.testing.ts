/** Records of all kinds for tests, and files read at once. */
import fc from 'fast-check'
import type { PathAttributes } from '#core/bgp/attributes.ts'
import { encodeRouteChanges } from '#core/bgp/wire/route-updates.ts'
import { address } from '#core/net/address.ts'
import { prefix } from '#core/net/prefix.ts'
import type { Result } from '#core/lib/result.ts'
import { MrtReader } from './read.ts'
import type { MrtRecord, MrtSession } from './record.ts'
import { ribAttributes, writeMessage, writePeers, writeRib, writeStateChange } from './write.ts'

export const at = 1_700_000_000_000

export const sessions: MrtSession[] = [
  {
    peerAsn: 4_200_000_002,
    localAsn: 65001,
    peerAddress: address('192.0.2.2'),
    localAddress: address('192.0.2.1'),
  },
  {
    peerAsn: 65003,
    localAsn: 65001,
    peerAddress: address('2001:db8::3'),
    localAddress: address('2001:db8::1'),
  },
]

export const attributes: PathAttributes = {
  origin: 'igp',
  asPath: [{ kind: 'sequence', asns: [4_200_000_002, 65010] }],
  nextHop: address('192.0.2.2'),
  med: 7,
  communities: [(65002 << 16) + 1, 0xffff_ff01].map((community) => community >>> 0),
  largeCommunities: [[65002, 1, 2]],
}

export const attributes6: PathAttributes = {
  origin: 'incomplete',
  asPath: [
    { kind: 'sequence', asns: [65003] },
    { kind: 'set', asns: [65011, 65012] },
  ],
  nextHop: address('2001:db8::3'),
  localPref: 200,
  atomicAggregate: true,
  aggregator: { asn: 65012, address: address('192.0.2.9') },
}

const routes = [
  { prefix: prefix('203.0.113.0/24'), attributes },
  { prefix: prefix('2001:db8:3::/48'), attributes: attributes6 },
]

/** A file with every kind of record that is written. */
export function sampleFile(): Uint8Array {
  const [four, six] = sessions as [MrtSession, MrtSession]
  const records = [
    writeStateChange(at, four, 5, 6),
    ...encodeRouteChanges(routes, { fourOctetAsn: true }).map((message) =>
      writeMessage(at + 1000, six, message, { fourOctetAsn: true, addPath: false }),
    ),
    ...encodeRouteChanges(routes.slice(0, 1), { fourOctetAsn: false }).map((message) =>
      writeMessage(at + 1000, six, message, { fourOctetAsn: false, addPath: false }),
    ),
    ...encodeRouteChanges([{ prefix: routes[0]!.prefix }, { prefix: routes[1]!.prefix }], {
      fourOctetAsn: true,
    }).map((message) => writeMessage(at + 2000, four, message, { fourOctetAsn: true, addPath: false })),
    writeStateChange(at + 3000, six, 6, 1),
    writePeers(at, address('192.0.2.1'), 'edge', [
      { address: four.peerAddress, routerId: address('192.0.2.2'), asn: four.peerAsn },
      { address: six.peerAddress, routerId: address('192.0.2.3'), asn: six.peerAsn },
    ]),
    writeRib(at, 'ipv4/unicast', 0, routes[0]!.prefix, [
      { peer: 0, originatedAt: at - 5000, attributes: ribAttributes('ipv4/unicast', attributes) },
      {
        peer: 1,
        originatedAt: at - 6000,
        attributes: ribAttributes('ipv4/unicast', { ...attributes, nextHop: address('192.0.2.3') }),
      },
    ]),
    writeRib(at, 'ipv6/unicast', 1, routes[1]!.prefix, [
      { peer: 1, originatedAt: at - 5000, attributes: ribAttributes('ipv6/unicast', attributes6) },
    ]),
  ]
  return joined(records)
}

/** RFC 8050: the same with path identifiers. */
export function addPathFile(): Uint8Array {
  const [four] = sessions as [MrtSession, MrtSession]
  const changes = routes.map((route) => ({ ...route, pathId: 9 }))
  return joined([
    ...encodeRouteChanges(changes, {
      fourOctetAsn: true,
      addPathSend: ['ipv4/unicast', 'ipv6/unicast'],
    }).map((message) => writeMessage(at, four, message, { fourOctetAsn: true, addPath: true })),
    writePeers(at, address('192.0.2.1'), '', [
      { address: four.peerAddress, routerId: address('192.0.2.2'), asn: four.peerAsn },
    ]),
    writeRib(at, 'ipv4/unicast', 0, routes[0]!.prefix, [
      { peer: 0, originatedAt: at, pathId: 9, attributes: ribAttributes('ipv4/unicast', attributes) },
    ]),
    writeRib(at, 'ipv6/unicast', 1, routes[1]!.prefix, [
      { peer: 0, originatedAt: at, pathId: 9, attributes: ribAttributes('ipv6/unicast', attributes6) },
    ]),
  ])
}

/** All records, and the error if there is one. `cut`: bytes that come at a time. */
export function readAll(bytes: Uint8Array, cut = 4096): { records: MrtRecord[]; error?: string } {
  const reader = new MrtReader()
  const records: MrtRecord[] = []
  for (let start = 0; start < bytes.length; start += cut) {
    reader.push(bytes.slice(start, start + cut))
    for (let next = reader.next(); next !== undefined; next = reader.next()) {
      if (!next.ok) return { records, error: next.error }
      records.push(next.value)
    }
  }
  const end: Result<undefined> = reader.end()
  return end.ok ? { records } : { records, error: end.error }
}

/** A file in which some bytes are others, or a part is missing. */
export function mutated(file: Uint8Array): fc.Arbitrary<Uint8Array> {
  return fc
    .tuple(
      fc.array(fc.tuple(fc.nat(file.length - 1), fc.integer({ min: 0, max: 255 })), { maxLength: 6 }),
      fc.nat(file.length),
      fc.nat(40),
    )
    .map(([changes, start, length]) => {
      const bytes = file.slice()
      for (const [index, value] of changes) bytes[index] = value
      return joined([bytes.subarray(0, start), bytes.subarray(start + length)])
    })
}

function joined(parts: readonly Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0))
  let offset = 0
  for (const part of parts) {
    bytes.set(part, offset)
    offset += part.length
  }
  return bytes
}
