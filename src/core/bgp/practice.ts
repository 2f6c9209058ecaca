/**
 * A speaker of its own, with made-up neighbours that send it tables, change them, take them back and are lost: nobody sees
 * anything of it. An engine that compiles what runs often has compiled the way of a route, in and out, when it is over, so that
 * the first real table after a start neither takes half as long again nor holds everything else up for tens of milliseconds.
 * When and how much of it runs at a time is its user's business.
 */
import { Prng } from '#core/lib/prng.ts'
import { address, type Address } from '#core/net/address.ts'
import { Bgp } from './bgp.ts'
import type { PeerConfig } from './config.ts'
import { families, type Family } from './family.ts'
import type { BgpInput } from './io.ts'
import { encodeAttributes } from './wire/attributes.ts'
import { encodeAnnouncements, encodeWithdrawals } from './wire/update-encode.ts'
import { encodeMessage } from './wire/wire.ts'

/** Enough that what is on the way of every route or UPDATE counts as often used, and little beside a real table. */
const routesPerTable = 12_000
const attributeSets = 400
const chunkBytes = 4096
/** Of what can wait: slices stay short on code that is cold. */
const effort = 1 / 8

const asn = 65_000
/** Routes of the second neighbour compete with those of the first. */
const senders = [1, 2]
const receivers = [3, 4]

/** Each step takes about a millisecond on code that is compiled, some on code that is not. */
export function* practice(): Generator<void, void> {
  const speaker = new Bgp(new Prng(1), { next: 1 })
  let now = 0
  const handle = (input: BgpInput) => speaker.handle(input, now, effort)
  const settle = function* () {
    // Beyond what gathers; timers of sessions are seconds away.
    for (let due = speaker.nextDeadline(); due <= now + 100; due = speaker.nextDeadline()) {
      now = Math.max(now, due)
      handle({ kind: 'tick' })
      yield
    }
  }
  const send = function* (peer: number, messages: Iterable<Uint8Array>) {
    for (const bytes of chunksOf(messages)) {
      handle({ kind: 'received', connection: -peer, bytes })
      now++
      yield
    }
    yield* settle()
  }
  const connect = function* (peer: number) {
    const connection = -peer
    const ends = {
      remoteAddress: addressOf(peer),
      remotePort: 50_000,
      localAddress: addressOf(9),
      localPort: 179,
    }
    const ends6 = { localAddressOtherVersion: address('2001:db8::9') }
    handle({ kind: 'accepted', connection, ends: { ...ends, ...ends6 } })
    yield* send(peer, [openOf(peer), encodeMessage({ kind: 'keepalive' })])
  }
  const lose = function* (peer: number) {
    handle({ kind: 'closed', connection: -peer, reason: 'the practice is over' })
    yield* settle()
  }
  handle({
    kind: 'configure',
    config: {
      name: 'practice',
      asn,
      routerId: address('192.0.2.9'),
      peers: [...senders, ...receivers].map(peerConfig),
      routes: [],
    },
  })
  for (const family of families) {
    const blocks = nlriOf(family)
    yield* connect(1)
    yield* send(1, announced(family, 1, blocks))
    yield* connect(3)
    yield* connect(2)
    yield* send(2, announced(family, 2, blocks))
    yield* connect(4)
    // The same attributes for other prefixes, then other attributes for the same.
    yield* send(1, announced(family, 1, blocks))
    yield* send(1, announced(family, 3, blocks.toReversed()))
    yield* send(1, withdrawn(family, blocks))
    yield* send(1, announced(family, 1, blocks))
    for (const peer of [2, 1, 4, 3]) yield* lose(peer)
  }
}

function peerConfig(peer: number): PeerConfig {
  return {
    name: `practice ${peer}`,
    address: addressOf(peer),
    port: 179,
    asn: asn + peer,
    passive: true,
    families: [...families],
    ttl: 1,
    timers: { connectRetrySeconds: 60, holdTimeSeconds: 0, keepaliveSeconds: 60 },
    importRoutes: true,
    exportLearned: true,
    prefixLimits: Object.fromEntries(
      families.map((family) => [family, { max: 2 * routesPerTable, action: 'reset' }] as const),
    ),
  }
}

function addressOf(peer: number): Address {
  return address(`192.0.2.${peer}`)
}

function openOf(peer: number): Uint8Array {
  const capabilities = {
    families: [...families],
    fourOctetAsn: true,
    routeRefresh: true,
    extendedNextHop: [],
    other: [],
  }
  const routerId = addressOf(peer)
  return encodeMessage({
    kind: 'open',
    version: 4,
    asn: asn + peer,
    holdTimeSeconds: 0,
    routerId,
    capabilities,
  })
}

/** NLRI of as many prefixes as an UPDATE carries each. */
function nlriOf(family: Family): Uint8Array[] {
  const random = new Prng(1)
  const lengths = family === 'ipv4/unicast' ? [24, 24, 24, 22, 20, 16] : [48, 48, 32, 44]
  const blocks: Uint8Array[] = []
  for (let left = routesPerTable; left > 0;) {
    const nlri: number[] = []
    for (let count = 1 + random.below(11); count > 0; count--, left--) {
      const length = random.pick(lengths)
      const octets = Array.from({ length: (length + 7) >> 3 }, () => random.below(256))
      octets[0] = family === 'ipv4/unicast' ? 1 + random.below(200) : 0x20
      if ((length & 7) > 0) octets[octets.length - 1]! &= 0xff00 >> (length & 7)
      nlri.push(length, ...octets)
    }
    blocks.push(Uint8Array.from(nlri))
  }
  return blocks
}

/** `seed`: of the attributes that they come with. */
function* announced(family: Family, seed: number, blocks: readonly Uint8Array[]): Generator<Uint8Array> {
  const random = new Prng(seed)
  const first = asn + (seed === 2 ? 2 : 1)
  const nextHop = { global: family === 'ipv4/unicast' ? addressOf(seed) : address(`2001:db8::${seed}`) }
  const sets = Array.from({ length: attributeSets }, () =>
    encodeAttributes({
      origin: 'igp',
      asPath: [
        {
          kind: 'sequence',
          asns: [first, ...Array.from({ length: 2 + random.below(4) }, () => 1 + random.below(0xffff_fff0))],
        },
      ],
      ...(random.below(2) === 0 ? {} : { med: random.u32() }),
      communities: Array.from({ length: random.below(4) }, () => random.u32()),
    }),
  )
  for (const nlri of blocks)
    yield* encodeAnnouncements(family, random.pick(sets), nextHop, nlri, { fourOctetAsn: true })
}

function* withdrawn(family: Family, blocks: readonly Uint8Array[]): Generator<Uint8Array> {
  for (const nlri of blocks) yield* encodeWithdrawals(family, nlri, { fourOctetAsn: true })
}

/** As a socket gives them, wherever a message may be cut. */
function* chunksOf(messages: Iterable<Uint8Array>): Generator<Uint8Array> {
  let chunk = new Uint8Array(chunkBytes)
  let end = 0
  for (const message of messages)
    for (let at = 0; at < message.length;) {
      const part = message.subarray(at, at + chunkBytes - end)
      chunk.set(part, end)
      at += part.length
      end += part.length
      if (end < chunkBytes) continue
      yield chunk
      chunk = new Uint8Array(chunkBytes)
      end = 0
    }
  if (end > 0) yield chunk.subarray(0, end)
}
