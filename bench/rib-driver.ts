/**
 * A speaker in this process with neighbours that say what they are told to, for benchmarks: UPDATEs are prepared before the clock
 * starts, with six routes each on average, prefix lengths as on the Internet and 5000 attribute sets per neighbour, in chunks as a
 * socket gives them.
 */
import { Bgp } from '#core/bgp/bgp.ts'
import type { InstanceConfig, PeerConfig } from '#core/bgp/config.ts'
import { families, type Family } from '#core/bgp/family.ts'
import type { BgpInput, ConnectionId } from '#core/bgp/io.ts'
import { Prng } from '#core/lib/prng.ts'
import { address } from '#core/net/address.ts'
import { encodeAttributes } from '#core/bgp/wire/attributes.ts'
import { encodeAnnouncements, encodeWithdrawals } from '#core/bgp/wire/update-encode.ts'

const attributeSets = 5000
const chunkSize = 64 * 1024

/** A speaker with neighbours that say what they are told to. */
export class Driver {
  readonly bgp: Bgp
  readonly #connections = new Map<number, ConnectionId>()
  #now = 1_000_000
  #sent = 0
  #longest = 0

  constructor(seed: number, peers: number) {
    this.bgp = new Bgp(new Prng(seed), { next: 1 })
    const config: InstanceConfig = {
      name: 'bench',
      asn: 65000,
      routerId: address('10.0.0.1'),
      listenPort: 179,
      peers: Array.from({ length: peers }, (_, i) => peerConfig(i + 1)),
      routes: [],
    }
    this.#handle({ kind: 'configure', config })
  }

  up(peer: number): void {
    const connection = -peer
    this.#connections.set(peer, connection)
    const ends = {
      localAddress: address('192.0.2.254'),
      localAddressOtherVersion: address('2001:db8::fe'),
      localPort: 179,
      remoteAddress: addressOf(peer),
      remotePort: 50_000 + peer,
    }
    this.#handle({ kind: 'accepted', connection, ends })
    this.#handle({ kind: 'received', connection, bytes: openOf(peer) })
    this.#handle({ kind: 'received', connection, bytes: keepalive })
  }

  feed(peer: number, chunks: readonly Uint8Array[]): void {
    const connection = this.#connections.get(peer)!
    for (const bytes of chunks) {
      this.#handle({ kind: 'received', connection, bytes })
      while (this.bgp.nextDeadline() <= this.#now) this.#handle({ kind: 'tick' })
    }
    this.settle()
  }

  lose(peer: number): void {
    this.#handle({ kind: 'closed', connection: this.#connections.get(peer)!, reason: 'lost' })
    this.settle()
  }

  /** Until it wants nothing for a while. */
  settle(): void {
    while (this.bgp.nextDeadline() <= this.#now + 20) {
      this.#now = Math.max(this.#now, this.bgp.nextDeadline())
      this.#handle({ kind: 'tick' })
    }
  }

  measure(routes: number, what: string, action: () => void): void {
    this.#sent = 0
    this.#longest = 0
    const start = process.cpuUsage()
    action()
    const { user, system } = process.cpuUsage(start)
    const us = user + system
    const ns = ((1000 * us) / routes).toFixed(0).padStart(6)
    const sent = (this.#sent / 2 ** 20).toFixed(1).padStart(7)
    console.log(
      `  ${what.padEnd(30)} ${ns} ns/route ${(us / 1000).toFixed(0).padStart(6)} ms ${sent} MiB sent, longest call ${this.#longest.toFixed(1)} ms`,
    )
  }

  #handle(input: BgpInput): void {
    const start = threadMs()
    for (const output of this.bgp.handle(input, this.#now))
      if (output.kind === 'send') this.#sent += output.bytes.length
    const took = threadMs() - start
    this.#longest = Math.max(this.#longest, took)
    // Time passes as on a machine that does nothing else.
    this.#now += took
  }
}

/** Time of this thread alone: other work of the machine does not count. */
function threadMs(): number {
  const { user, system } = process.threadCpuUsage()
  return (user + system) / 1000
}

function peerConfig(peer: number): PeerConfig {
  return {
    name: `peer ${peer}`,
    address: addressOf(peer),
    port: 179,
    asn: 65000 + peer,
    passive: true,
    families: [...families],
    ttl: 1,
    timers: { connectRetrySeconds: 60, holdTimeSeconds: 0, keepaliveSeconds: 60 },
    importRoutes: true,
    exportLearned: true,
  }
}

function addressOf(peer: number) {
  return address(`192.0.2.${peer}`)
}

/** OPEN with both families and AS numbers of four octets. */
function openOf(peer: number): Uint8Array {
  const asn = 65000 + peer
  const capabilities = [1, 4, 0, 1, 0, 1, 1, 4, 0, 2, 0, 1, 65, 4, 0, 0, asn >> 8, asn & 255]
  const body = [4, asn >> 8, asn & 255, 0, 0, 10, 0, 1, peer]
  body.push(capabilities.length + 2, 2, capabilities.length, ...capabilities)
  const length = 19 + body.length
  return Uint8Array.of(...Array<number>(16).fill(255), 0, length, 1, ...body)
}

const keepalive = Uint8Array.of(...Array<number>(16).fill(255), 0, 19, 4)

/** The same prefixes for every neighbour, with attributes of its own or others, as chunks of messages. */
export function chunksOf(
  family: Family,
  routes: number,
  neighbour: number,
  what: 'announce' | 'withdraw',
  attributes = neighbour,
): Uint8Array[] {
  const prefixes = new Prng(1)
  const random = new Prng(attributes)
  const nextHop = address(family === 'ipv4/unicast' ? `192.0.2.${neighbour}` : `2001:db8::${neighbour}`)
  const blocks = Array.from({ length: attributeSets }, () => {
    const asns = Array.from({ length: 3 + random.below(4) }, () => 1 + random.below(400_000))
    return encodeAttributes({
      origin: 'igp',
      asPath: [{ kind: 'sequence', asns: [65000 + neighbour, ...asns] }],
      communities: Array.from({ length: random.below(6) }, () => random.u32() & 0x7fffffff),
    })
  })
  const lengths =
    family === 'ipv4/unicast' ? [24, 24, 24, 24, 24, 22, 23, 20, 19, 16] : [48, 48, 48, 32, 36, 40, 44]
  const parts: Uint8Array[] = []
  for (let left = routes; left > 0;) {
    const count = Math.min(left, 1 + prefixes.below(11))
    left -= count
    const nlri: number[] = []
    for (let i = 0; i < count; i++) {
      const length = prefixes.pick(lengths)
      const octets = (length + 7) >> 3
      nlri.push(length)
      for (let octet = 0; octet < octets; octet++) nlri.push(prefixes.below(octet === 0 ? 220 : 256))
      const used = length & 7
      if (used > 0) nlri[nlri.length - 1]! &= 0xff00 >> used
    }
    const context = { fourOctetAsn: true }
    const bytes = Uint8Array.from(nlri)
    const messages =
      what === 'withdraw'
        ? encodeWithdrawals(family, bytes, context)
        : encodeAnnouncements(family, random.pick(blocks), { global: nextHop }, bytes, context)
    parts.push(...messages)
  }
  const stream = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0))
  let end = 0
  for (const part of parts) {
    stream.set(part, end)
    end += part.length
  }
  return Array.from({ length: Math.ceil(end / chunkSize) }, (_, i) =>
    stream.slice(i * chunkSize, (i + 1) * chunkSize),
  )
}
