/** Speakers joined by byte pipes on a virtual clock: the smallest world in which a `Bgp` can live. For tests. */
import assert from 'node:assert/strict'
import { present } from '#core/lib/assert.ts'
import { Prng } from '#core/lib/prng.ts'
import { address, versionOf, type Address } from '#core/net/address.ts'
import { Bgp, type ConnectionNumbers } from './bgp.ts'
import type { InstanceConfig, OriginatedAttributes, OriginatedRoute, PeerConfig } from './config.ts'
import type {
  BgpEvent,
  BgpInput,
  BgpOutput,
  ConnectionEnds,
  ConnectionId,
  PeerCommand,
  RoaPayload,
} from './io.ts'
import { families } from './family.ts'
import type { Tap } from './tap.ts'
import { prefix } from '#core/net/prefix.ts'

export interface Speaker {
  name: string
  /** By IP version; a speaker without one has no interface of that version. */
  addresses: Partial<Record<4 | 6, Address>>
  bgp: Bgp
  config: InstanceConfig
  events: BgpEvent[]
  taps: Tap[]
  /** Every array that it sent. */
  sent: Uint8Array[]
  reachable: boolean
}

interface End {
  speaker: Speaker
  connection: ConnectionId
}

export class World {
  now = 1_000_000
  /** Of every byte, connection and refusal. */
  readonly latencyMs = 1
  readonly #speakers: Speaker[] = []
  readonly #numbers: ConnectionNumbers = { next: 1 }
  #accepted = 0
  /** The other end of each open connection, by connection. */
  readonly #pipes = new Map<ConnectionId, End>()
  #queue: { at: number; run: () => void }[] = []
  /** Bytes sent while this is set are lost, and nobody learns it. */
  silent = false

  speaker(name: string, asn: number, addresses: { 4?: string; 6?: string }): Speaker {
    const speaker: Speaker = {
      name,
      addresses: {
        ...(addresses[4] === undefined ? {} : { 4: address(addresses[4]) }),
        ...(addresses[6] === undefined ? {} : { 6: address(addresses[6]) }),
      },
      bgp: new Bgp(new Prng(asn + this.#speakers.length), this.#numbers),
      config: {
        name,
        asn,
        routerId: address(`10.255.0.${this.#speakers.length + 1}`),
        listenPort: 179,
        peers: [],
        routes: [],
      },
      events: [],
      taps: [],
      sent: [],
      reachable: true,
    }
    this.#speakers.push(speaker)
    return speaker
  }

  /** Makes each the other's peer, named after it, over the given IP version. Takes effect with `configure`. */
  join(
    a: Speaker,
    b: Speaker,
    version: 4 | 6,
    options: { a?: Partial<PeerConfig>; b?: Partial<PeerConfig> } = {},
  ) {
    a.config.peers.push(peerOf(b, version, options.a))
    b.config.peers.push(peerOf(a, version, options.b))
  }

  configure(...speakers: Speaker[]): void {
    for (const speaker of speakers)
      this.#input(speaker, { kind: 'configure', config: structuredClone(speaker.config) })
  }

  /** Lets time pass, with everything that happens meanwhile. */
  run(ms: number): void {
    const until = this.now + ms
    for (let guard = 0; ; guard++) {
      assert.ok(guard < 100_000, 'the world comes to rest')
      const deadlines = this.#speakers.map(({ bgp }) => bgp.nextDeadline())
      const next = Math.min(...deadlines, this.#queue[0]?.at ?? Infinity)
      if (next > until) break
      this.now = Math.max(this.now, next)
      const event = this.#queue[0]
      if (event !== undefined && event.at <= this.now) {
        this.#queue.shift()
        event.run()
      } else {
        for (const [i, deadline] of deadlines.entries())
          if (deadline <= this.now) this.#input(this.#speakers[i]!, { kind: 'tick' })
      }
    }
    this.now = until
  }

  shutdown(speaker: Speaker, graceful?: boolean): void {
    this.#input(speaker, { kind: 'shutdown', ...(graceful === undefined ? {} : { graceful }) })
  }

  command(speaker: Speaker, peer: string, command: PeerCommand): void {
    this.#input(speaker, { kind: 'command', peer, command })
  }

  /** What validating caches tell it (RFC 6811 §2). */
  origins(speaker: Speaker, added: RoaPayload[], removed: RoaPayload[] = []): void {
    this.#input(speaker, { kind: 'origins', added, removed })
  }

  /** Its process ends without a word, as by SIGKILL: the kernel closes its connections, and nobody listens. */
  kill(speaker: Speaker): void {
    speaker.reachable = false
    for (const [connection, other] of this.#pipes) {
      const mine = this.#pipes.get(other.connection)
      if (mine?.speaker !== speaker) continue
      this.#pipes.delete(connection)
      this.#pipes.delete(other.connection)
      this.#input(other.speaker, { kind: 'closed', connection: other.connection, reason: 'connection reset' })
    }
    speaker.bgp = new Bgp(new Prng(7), this.#numbers)
  }

  /** It starts again; takes effect with `configure`. */
  revive(speaker: Speaker): void {
    speaker.reachable = true
  }

  /** Ends all open connections under both ends' feet. */
  cut(): void {
    for (const [connection, other] of this.#pipes) {
      this.#pipes.delete(connection)
      this.#input(other.speaker, { kind: 'closed', connection: other.connection, reason: 'connection reset' })
    }
  }

  /** Bytes for `to`, as if the far end of its only open connection had sent them. */
  inject(to: Speaker, bytes: Uint8Array): void {
    const ends = [...this.#pipes.values()].filter(({ speaker }) => speaker === to)
    assert.equal(ends.length, 1, 'one open connection')
    this.#input(to, { kind: 'received', connection: ends[0]!.connection, bytes })
  }

  /** Somebody connects from an address that is nobody's. */
  knock(speaker: Speaker, from: string): void {
    const remoteAddress = address(from)
    const localAddress = present(speaker.addresses[versionOf(remoteAddress)], 'an address of that version')
    const ends = { localAddress, localPort: 179, remoteAddress, remotePort: 40000 }
    this.#input(speaker, { kind: 'accepted', connection: --this.#accepted, ends })
  }

  get openConnections(): number {
    return this.#pipes.size / 2
  }

  #input(speaker: Speaker, input: BgpInput): void {
    for (const output of speaker.bgp.handle(input, this.now)) this.#perform(speaker, output)
  }

  #perform(speaker: Speaker, output: BgpOutput): void {
    switch (output.kind) {
      case 'dial':
        return this.#dial(speaker, output.connection, output.dial.address)
      case 'send': {
        speaker.sent.push(output.bytes)
        if (this.silent) return
        // In two arrays, so that messages are cut anywhere.
        const middle = Math.floor(output.bytes.length / 2)
        for (const bytes of [output.bytes.slice(0, middle), output.bytes.slice(middle)])
          this.#later(() => {
            const other = this.#pipes.get(output.connection)
            if (other !== undefined)
              this.#input(other.speaker, { kind: 'received', connection: other.connection, bytes })
          })
        return
      }
      case 'setTtl':
        return
      case 'close':
        this.#later(() => {
          const other = this.#pipes.get(output.connection)
          if (other === undefined) return
          this.#pipes.delete(output.connection)
          if (this.#pipes.delete(other.connection))
            this.#input(other.speaker, {
              kind: 'closed',
              connection: other.connection,
              reason: 'closed by the neighbour',
            })
        })
        return
      case 'event':
        speaker.events.push(output.event)
        return
      case 'tap':
        speaker.taps.push(output.tap)
        return
    }
  }

  #dial(speaker: Speaker, connection: ConnectionId, to: Address): void {
    this.#later(() => {
      const version = versionOf(to)
      const other = this.#speakers.find((each) => each.addresses[version] === to)
      const from = speaker.addresses[version]
      if (other === undefined || from === undefined || !other.reachable || !speaker.reachable) {
        this.#input(speaker, { kind: 'dialFailed', connection, reason: 'connection refused' })
        return
      }
      const accepted = --this.#accepted
      this.#pipes.set(connection, { speaker: other, connection: accepted })
      this.#pipes.set(accepted, { speaker, connection })
      const port = 50_000 + connection
      this.#input(other, { kind: 'accepted', connection: accepted, ends: endsOf(other, 179, from, port) })
      this.#input(speaker, { kind: 'dialed', connection, ends: endsOf(speaker, port, to, 179) })
    })
  }

  #later(run: () => void): void {
    this.#queue.push({ at: this.now + this.latencyMs, run })
  }
}

export function route(
  text: string,
  to: readonly string[],
  attributes: OriginatedAttributes = {},
): OriginatedRoute {
  return { prefix: prefix(text), to: to.map((peer) => ({ peer, attributes })) }
}

function endsOf(
  speaker: Speaker,
  localPort: number,
  remoteAddress: Address,
  remotePort: number,
): ConnectionEnds {
  const version = versionOf(remoteAddress)
  const other = speaker.addresses[version === 4 ? 6 : 4]
  return {
    localAddress: speaker.addresses[version]!,
    localPort,
    remoteAddress,
    remotePort,
    ...(other === undefined ? {} : { localAddressOtherVersion: other }),
  }
}

/** How `speaker` stands in a neighbour's configuration. */
export function peerOf(speaker: Speaker, version: 4 | 6, options: Partial<PeerConfig> = {}): PeerConfig {
  return {
    name: speaker.name,
    address: present(speaker.addresses[version], 'an address of that version'),
    port: 179,
    asn: speaker.config.asn,
    passive: false,
    families: [...families],
    ttl: 1,
    timers: { connectRetrySeconds: 5, holdTimeSeconds: 9, keepaliveSeconds: 3 },
    importRoutes: true,
    exportLearned: true,
    ...options,
  }
}
