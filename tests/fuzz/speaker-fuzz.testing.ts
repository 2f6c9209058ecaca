/**
 * Hostile messages against a whole speaker: sessions of several kinds are brought into every state that has a connection, get
 * bytes that no neighbour should send, and must answer as the oracles say, while another neighbour's session and routes go on.
 */
import assert from 'node:assert/strict'
import { hex } from '#core/lib/bytes.ts'
import { Prng } from '#core/lib/prng.ts'
import { address } from '#core/net/address.ts'
import { prefix } from '#core/net/prefix.ts'
import { Bgp } from '#core/bgp/bgp.ts'
import { families, type Family } from '#core/bgp/family.ts'
import type { BgpInput, BgpOutput, ConnectionEnds } from '#core/bgp/io.ts'
import { encodeAttributes } from '#core/bgp/wire/attributes.ts'
import { unnegotiated, type UpdateContext } from '#core/bgp/wire/context.ts'
import type { Capabilities, Message } from '#core/bgp/wire/message.ts'
import { encodePrefix } from '#core/bgp/wire/nlri.ts'
import { encodeUpdates } from '#core/bgp/wire/update-encode.ts'
import { decodeMessage, encodeMessage } from '#core/bgp/wire/wire.ts'
import {
  attacker,
  localAddress,
  localAddressOtherVersion,
  localAsn,
  openOf,
  type Attacker,
  type State,
} from './attacker.testing.ts'
import { pauseEvery, type FuzzRun } from './fuzz-run.testing.ts'
import { judgeHeader, judgeOpen, judgeRouteRefresh, type Code } from './message-oracle.testing.ts'
import { MessageMaker } from './message-maker.testing.ts'
import { judgeUpdate } from './update-oracle.testing.ts'

/** How often each answer came, over all states. */
export interface SpeakerCounts {
  cases: number
  established: number
  reset: number
  /** Times that all was held against what the oracle remembers. */
  audits: number
  slowestMs: number
}

/** Throws at the first answer that no RFC names, with the message that got it. */
export function fuzzSpeaker({ cases, seed, clock, pause }: FuzzRun): SpeakerCounts {
  const counts: SpeakerCounts = { cases: 0, established: 0, reset: 0, audits: 0, slowestMs: 0 }
  const random = new Prng(seed)
  const speaker = new FuzzedSpeaker(random)
  const maker = new MessageMaker(random)
  for (; counts.cases < cases; counts.cases++) {
    const attacker = random.pick(speaker.attackers)
    speaker.bring(
      attacker,
      random.pick(['openSent', 'openConfirm', 'established', 'established', 'established']),
    )
    const roll = random.below(12)
    const context = attacker.state === 'established' ? attacker.context : unnegotiated
    const bytes = oneMessage(
      roll < 9 ? maker.update(attacker.context) : roll < 10 ? maker.open(attacker.asn) : maker.other(),
    )
    const { state } = attacker
    const before = clock()
    try {
      if (speaker.attack(attacker, bytes, context)) counts.reset++
      if (attacker.state === 'established') counts.established++
      if (counts.cases % 97 === 0) {
        speaker.audit()
        counts.audits++
      }
    } catch (error) {
      const what = `case ${counts.cases} of seed ${seed}: ${attacker.peer.name} in ${state} got ${hex(bytes)}`
      throw new Error(`${what}: ${String(error)}`, { cause: error })
    }
    counts.slowestMs = Math.max(counts.slowestMs, clock() - before)
    if (counts.cases % pauseEvery === pauseEvery - 1) pause?.()
  }
  speaker.end()
  return counts
}

class FuzzedSpeaker {
  readonly attackers: Attacker[]
  readonly #random: Prng
  readonly #bgp: Bgp
  readonly #witness: Attacker
  #now = 1_000_000
  #accepted = 0
  #round = 0

  constructor(random: Prng) {
    this.#random = random
    this.#bgp = new Bgp(new Prng(random.u32()), { next: 1 })
    const four: Capabilities = {
      families: [...families],
      fourOctetAsn: true,
      routeRefresh: true,
      extendedNextHop: [],
      other: [],
    }
    const addPath = families.map((family) => ({ family, receive: false, send: true }))
    this.attackers = [
      attacker('external', 2, 65002, four),
      attacker('two octets', 3, 65003, { ...four, fourOctetAsn: false }),
      attacker('internal', 4, localAsn, four),
      attacker('IPv6 alone', 5, 65005, { ...four, families: ['ipv6/unicast'] }),
      attacker(
        'several paths',
        6,
        65006,
        { ...four, addPath },
        {
          addPath: { 'ipv4/unicast': { receive: true, send: 0 }, 'ipv6/unicast': { receive: true, send: 0 } },
        },
      ),
    ]
    this.#witness = attacker('witness', 9, 65009, four)
    this.#give({
      kind: 'configure',
      config: {
        name: 'fuzzed',
        asn: localAsn,
        routerId: address('10.0.0.1'),
        listenPort: 179,
        peers: [...this.attackers, this.#witness].map(({ peer }) => peer),
        routes: [],
      },
    })
    this.bring(this.#witness, 'established')
  }

  /** Opens a connection where there is none, and says what leads to the state or as near as it still can come. */
  bring(attacker: Attacker, wanted: State): void {
    if (attacker.connection === undefined) this.#connect(attacker)
    const { connection } = attacker
    if (attacker.state === 'openSent' && wanted !== 'openSent') {
      this.#say(attacker, openOf(attacker))
      assert.equal(attacker.connection, connection, 'a good OPEN is taken')
      attacker.state = 'openConfirm'
    }
    if (attacker.state === 'openConfirm' && wanted === 'established') {
      this.#say(attacker, { kind: 'keepalive' })
      assert.equal(attacker.connection, connection, 'a KEEPALIVE is taken')
      attacker.state = 'established'
    }
  }

  /** True if it ended the session. */
  attack(attacker: Attacker, bytes: Uint8Array, context: UpdateContext): boolean {
    const connection = attacker.connection!
    const { state } = attacker
    const cut = this.#random.below(4) === 0 ? this.#random.below(bytes.length) : 0
    const outputs = cut === 0 ? [] : this.#give({ kind: 'received', connection, bytes: bytes.slice(0, cut) })
    if (!outputs.some(({ kind }) => kind === 'close'))
      outputs.push(...this.#give({ kind: 'received', connection, bytes: bytes.slice(cut) }))
    const said = notificationTo(outputs, connection)
    const closed = outputs.some((output) => output.kind === 'close' && output.connection === connection)
    assert.equal(said !== undefined && !closed, false, 'a NOTIFICATION ends the connection')
    for (const each of [...this.attackers, this.#witness])
      if (each !== attacker && each.connection !== undefined)
        assert.equal(
          outputs.some((output) => output.kind === 'close' && output.connection === each.connection),
          false,
          'no other session ends',
        )
    const expected = this.#expect(attacker, bytes, context)
    if (said !== undefined) {
      const named = expected.answers.some(([code, subcode]) => code === said[0] && subcode === said[1])
      assert.ok(named, `answered ${said.join('/')} instead of one of ${JSON.stringify(expected)} in ${state}`)
    } else
      assert.ok(
        expected.silent,
        `no answer instead of one of ${JSON.stringify(expected.answers)} in ${state}`,
      )
    if (expected.closes !== undefined && said === undefined)
      assert.equal(closed, expected.closes, `${closed ? '' : 'not '}closed in ${state}`)
    if (closed) this.#ended(attacker)
    else if (expected.waits) {
      // The far end gives up on a message that it never finishes.
      this.#give({ kind: 'closed', connection, reason: 'reset' })
      this.#ended(attacker)
    } else if (state === 'openSent') attacker.state = 'openConfirm'
    else if (state === 'openConfirm') attacker.state = 'established'
    return closed
  }

  /** Holds the tables against what the oracle remembers, and sees that the witness is served. */
  audit(): void {
    for (const status of this.#bgp.peers()) {
      const attacker = [...this.attackers, this.#witness].find(({ peer }) => peer.name === status.peer)!
      const state = attacker.connection === undefined ? undefined : attacker.state
      if (state !== undefined) assert.equal(status.state, state, `${status.peer} is in ${state}`)
      if (state === 'established' && attacker !== this.#witness)
        for (const { family, received } of status.families)
          assert.equal(received, attacker.held[family].size, `routes of ${family} from ${status.peer}`)
    }
    const name = `198.18.${this.#round++ % 250}.0/24`
    const nlri = encodePrefix(prefix(name))
    const block = { family: 'ipv4/unicast' as const, nlri }
    const attributes = encodeAttributes({ origin: 'igp', asPath: [{ kind: 'sequence', asns: [65009] }] })
    const nextHop = { global: this.#witness.address }
    const empty = {
      kind: 'update' as const,
      attributes,
      endOfRib: [],
      faults: [],
      withdrawn: [],
      announced: [],
    }
    for (const present of [true, false]) {
      const update = present
        ? { ...empty, announced: [{ ...block, nextHop }] }
        : { ...empty, withdrawn: [block] }
      for (const bytes of encodeUpdates(update, { fourOctetAsn: true }))
        this.#give({ kind: 'received', connection: this.#witness.connection!, bytes })
      const found = this.#bgp.routes('locRib', { prefix: prefix(name) })
      assert.equal(found.length > 0, present, `the witness's route is ${present ? 'there' : 'gone'}`)
    }
  }

  /** After all connections are gone nothing is left of what came over them. */
  end(): void {
    for (const attacker of [...this.attackers, this.#witness]) {
      if (attacker.connection === undefined) continue
      this.#give({ kind: 'closed', connection: attacker.connection, reason: 'reset' })
      this.#ended(attacker)
    }
    assert.deepEqual(this.#bgp.routes('locRib'), [])
    assert.deepEqual(this.#bgp.routes('adjRibIn'), [])
    assert.deepEqual(this.#bgp.tableSizes(), { prefixes: 0, attributeSets: 0 })
    for (const { families: counts } of this.#bgp.peers())
      for (const { received, accepted } of counts) assert.deepEqual([received, accepted], [0, 0])
  }

  /** What the oracles allow, and what they make of the routes. */
  #expect(attacker: Attacker, bytes: Uint8Array, context: UpdateContext): Expected {
    const header = judgeHeader(bytes)
    if (header.length > 0) return answer(...header)
    const { state } = attacker
    if (bytes[16]! * 256 + bytes[17]! > bytes.length)
      return { answers: [], silent: true, closes: false, waits: true }
    const body = bytes.subarray(19)
    const type = bytes[18]!
    // RFC 4271 §6.4, §8.2.2: no NOTIFICATION answers a NOTIFICATION.
    if (type === 3) return { answers: [], silent: true, closes: true, waits: false }
    // RFC 6608 §4.
    const unexpected: Code = [5, { openSent: 1, openConfirm: 2, established: 3 }[state]]
    if (type === 1) return this.#expectOpen(attacker, body, unexpected)
    if (state === 'openSent') return answer(unexpected, ...allMalformed(type))
    if (type === 4) return quiet
    if (state === 'openConfirm') return answer(unexpected, ...allMalformed(type))
    if (type === 5) {
      const { may } = judgeRouteRefresh(body)
      return { answers: may, silent: true, waits: false, closes: false }
    }
    return expectUpdate(attacker, body, context)
  }

  #expectOpen(attacker: Attacker, body: Uint8Array, unexpected: Code): Expected {
    const { must, may } = judgeOpen(body)
    if (attacker.state !== 'openSent') return answer(unexpected, ...must, ...may, [6, 7])
    if (must.length > 0) return answer(...must, ...may)
    // Whether the neighbour is the right one and speaks a family of ours (RFC 5492 §5, RFC 9234 §4.2).
    const decoded = decodeMessage(framed(1, body), unnegotiated)
    if (!decoded.ok || decoded.value.kind !== 'open') return answer(...may)
    const { asn, capabilities, routerId } = decoded.value
    const answers: Code[] = [...may]
    if (asn !== attacker.asn) return answer([2, 2], ...may)
    const offered = capabilities.families.length === 0 ? ['ipv4/unicast'] : capabilities.families
    const wrong: Code[] = []
    if (!attacker.peer.families.some((family) => offered.includes(family))) wrong.push([2, 7])
    if (asn === localAsn && routerId === '10.0.0.1') wrong.push([2, 3])
    if (wrong.length > 0) return answer(...wrong, ...answers)
    // From here on it is a session of another kind than the one it was made for; it is not needed.
    return { answers, silent: true, closes: false, waits: true }
  }

  #connect(attacker: Attacker): void {
    for (let tries = 0; ; tries++) {
      assert.ok(tries < 50, `${attacker.peer.name} is let in again`)
      const connection = --this.#accepted
      const ends: ConnectionEnds = {
        localAddress,
        localPort: 179,
        remoteAddress: attacker.address,
        remotePort: 40_000,
        localAddressOtherVersion,
      }
      const outputs = this.#give({ kind: 'accepted', connection, ends })
      if (!outputs.some((output) => output.kind === 'close' && output.connection === connection)) {
        attacker.connection = connection
        attacker.state = 'openSent'
        if (offersCapabilities(outputs, connection)) return
        // After Unsupported Optional Parameter (RFC 5492 §3): it would be a session of another kind.
        this.#give({ kind: 'closed', connection, reason: 'reset' })
        continue
      }
      // Damped after many failures (RFC 4271 §8.1.1 DampPeerOscillations).
      this.#now = Math.max(this.#now + 1000, Math.min(this.#bgp.nextDeadline(), this.#now + 600_000))
      this.#give({ kind: 'tick' })
    }
  }

  #ended(attacker: Attacker): void {
    attacker.connection = undefined
    for (const family of families) attacker.held[family].clear()
  }

  #say(attacker: Attacker, message: Exclude<Message, { kind: 'update' }>): void {
    const connection = attacker.connection!
    const outputs = this.#give({ kind: 'received', connection, bytes: encodeMessage(message) })
    const said = notificationTo(outputs, connection)
    assert.equal(said, undefined, `${attacker.peer.name} is refused with ${said?.join('/')}`)
  }

  /** With all the work that the speaker has put off. */
  #give(input: BgpInput): BgpOutput[] {
    const outputs = [...this.#bgp.handle(input, this.#now)]
    for (let guard = 0; this.#bgp.nextDeadline() <= this.#now + 20; guard++) {
      assert.ok(guard < 10_000, 'the speaker comes to rest')
      this.#now = Math.max(this.#now, this.#bgp.nextDeadline())
      outputs.push(...this.#bgp.handle({ kind: 'tick' }, this.#now))
    }
    return outputs
  }
}

interface Expected {
  /** NOTIFICATIONs that are right. */
  answers: readonly Code[]
  /** No NOTIFICATION may be right too. */
  silent: boolean
  /** Whether the connection is closed without one; absent: either. */
  closes?: boolean
  /** The session is of no use afterwards: the far end closes it. */
  waits: boolean
}

const quiet: Expected = { answers: [], silent: true, closes: false, waits: false }

function answer(...answers: Code[]): Expected {
  return { answers, silent: false, waits: false }
}

/** Before a session is up a malformed message may be answered as such, or as one that is not expected. */
function allMalformed(type: number): Code[] {
  if (type === 2) return Array.from({ length: 12 }, (_, subcode): Code => [3, subcode])
  if (type === 5)
    return [
      [1, 2],
      [7, 1],
    ]
  return []
}

function expectUpdate(attacker: Attacker, body: Uint8Array, context: UpdateContext): Expected {
  const keys = { announced: [] as string[], withdrawn: [] as string[] }
  const verdict = judgeUpdate(body, context, (what, family, key) => keys[what].push(`${family} ${key}`))
  if (verdict.kind === 'reset') return answer(...[...verdict.subcodes].map((subcode): Code => [3, subcode]))
  const split = (key: string) => key.split(' ') as [Family, string]
  const gone = verdict.treatAsWithdraw ? [...keys.withdrawn, ...keys.announced] : keys.withdrawn
  for (const [family, key] of gone.map(split)) attacker.held[family].delete(key)
  if (!verdict.treatAsWithdraw)
    for (const [family, key] of keys.announced.map(split)) attacker.held[family].add(key)
  return quiet
}

function framed(type: number, body: Uint8Array): Uint8Array {
  const length = 19 + body.length
  const bytes = new Uint8Array(length)
  bytes.fill(0xff, 0, 16)
  bytes.set([length >> 8, length, type], 16)
  bytes.set(body, 19)
  return bytes
}

function offersCapabilities(outputs: readonly BgpOutput[], connection: number): boolean {
  return outputs.some((output) => {
    if (output.kind !== 'send' || output.connection !== connection || output.bytes[18] !== 1) return false
    return output.bytes.length > 29
  })
}

/** Without octets that a damaged length makes part of the next message. */
function oneMessage(bytes: Uint8Array): Uint8Array {
  return bytes.subarray(0, Math.max(19, bytes[16]! * 256 + bytes[17]!))
}

function notificationTo(outputs: readonly BgpOutput[], connection: number): Code | undefined {
  for (const output of outputs)
    if (output.kind === 'send' && output.connection === connection && output.bytes[18] === 3)
      return [output.bytes[19]!, output.bytes[20]!]
  return undefined
}
