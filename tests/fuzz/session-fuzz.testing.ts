/** Events in random order against a session, each answer held against the model of RFC 4271 §8.2.2. */
import assert from 'node:assert/strict'
import { Prng } from '#core/lib/prng.ts'
import { address } from '#core/net/address.ts'
import type { ConnectionEnds, ConnectionId } from '#core/bgp/io.ts'
import type { SessionConfig, SessionInput } from '#core/bgp/session/io.ts'
import { initialSession, nextDeadline, sessionState, step } from '#core/bgp/session/session.ts'
import type { Message } from '#core/bgp/wire/message.ts'
import { pauseEvery, type FuzzRun } from './fuzz-run.testing.ts'
import { SessionModel } from './session-model.testing.ts'

export interface SessionCounts {
  /** Events. */
  cases: number
  /** Times that a session came up. */
  ups: number
  slowestMs: number
}

/** Events of one session before the next begins. */
const eventsEach = 250

type Event = Exclude<SessionInput, { kind: 'tick' }>

const ends: ConnectionEnds = {
  localAddress: address('192.0.2.1'),
  localPort: 40000,
  remoteAddress: address('192.0.2.2'),
  remotePort: 179,
}

/** Throws at the first output that the model does not have. */
export function fuzzSession({ cases, seed, clock, pause }: FuzzRun): SessionCounts {
  const counts: SessionCounts = { cases: 0, ups: 0, slowestMs: 0 }
  for (let part = 0; counts.cases < cases; part++) {
    const partSeed = Math.imul(seed, 0x9e3779b1) + part
    const before = clock()
    counts.ups += runSession(partSeed, seed, part)
    counts.slowestMs = Math.max(counts.slowestMs, clock() - before)
    for (let i = 0; i < eventsEach; i++) if (counts.cases++ % pauseEvery === pauseEvery - 1) pause?.()
  }
  return counts
}

function runSession(partSeed: number, seed: number, part: number): number {
  const random = new Prng(partSeed)
  const config = randomConfig(random)
  const model = new SessionModel(config)
  let session = initialSession
  let now = 0
  let [nextConnection, accepted, ups] = [1, 0, 0]
  const give = (input: SessionInput) => {
    const next = step(config, session, input, { now, fraction: random.fraction(), nextConnection })
    session = next.session
    if (next.outputs.some(({ kind }) => kind === 'dial')) nextConnection++
    ups += next.outputs.filter(({ kind }) => kind === 'up').length
    return next.outputs
  }
  const history: string[] = []
  try {
    for (let i = 0; i < eventsEach; i++) {
      now = later(random, now, nextDeadline(session))
      history.push(`${now} tick`)
      model.tick(give({ kind: 'tick' }), now)
      const input = randomEvent(random, model, config, accepted - 1)
      if (input.kind === 'accepted') accepted--
      history.push(`${now} ${shown(input)}`)
      model.take(input, give(input), now)
      assert.ok(nextDeadline(session) > now, 'the deadline is in the future')
      const state = sessionState(session)
      assert.ok(model.states.includes(state), `in ${state} instead of ${model.states.join(' or ')}`)
    }
  } catch (error) {
    const tail = history.slice(-16).join('; ')
    const what = `session ${part} of seed ${seed}, ${JSON.stringify(config)}: ${tail}`
    throw new Error(`${what}: ${String(error)}`, { cause: error })
  }
  return ups
}

/** Often at once, often when a timer is due, sometimes long after. */
function later(random: Prng, now: number, deadline: number): number {
  const roll = random.below(8)
  if (roll < 5) return now
  if (roll === 5 && deadline !== Infinity) return deadline
  return now + random.below(random.pick([2000, 40_000, 300_000]))
}

function randomConfig(random: Prng): SessionConfig {
  return {
    localAsn: 65001,
    routerId: address('10.0.0.1'),
    remoteAsn: random.pick([0, 65001, 65002]),
    remoteAddress: ends.remoteAddress,
    passive: random.below(4) === 0,
    families: random.pick([['ipv4/unicast'], ['ipv4/unicast', 'ipv6/unicast']]),
    timers: {
      connectRetrySeconds: random.pick([1, 120]),
      holdTimeSeconds: random.pick([0, 3, 90]),
      keepaliveSeconds: random.pick([1, 30]),
    },
    delayOpenSeconds: random.pick([0, 0, 5]),
    sendHoldSeconds: random.pick([0, 30]),
  }
}

function randomEvent(
  random: Prng,
  model: SessionModel,
  config: SessionConfig,
  accepted: ConnectionId,
): Event {
  const { open, dialing } = model
  // A connection that is long gone, too: its last words may have been on their way.
  const connection = open.length === 0 || random.below(30) === 0 ? random.pick([1, 2, -1]) : random.pick(open)
  const roll = random.below(100)
  if (roll < 2) return { kind: 'stop', subcode: random.pick([2, 3, 4, 6]) }
  if (roll < 10) return { kind: 'start' }
  if (roll < 25 && dialing !== undefined) return { kind: 'dialed', connection: dialing, ends }
  if (roll < 30 && dialing !== undefined)
    return { kind: 'dialFailed', connection: dialing, reason: 'refused' }
  if (roll < 38) return { kind: 'accepted', connection: accepted, ends }
  if (roll < 42) return { kind: 'closed', connection: connection, reason: 'reset' }
  if (roll < 44) {
    const error = { code: 1 + random.below(3), subcode: 1, data: new Uint8Array(0), message: 'wrong' }
    return { kind: 'malformed', connection, error }
  }
  if (roll < 46) return { kind: 'updateSent' }
  if (roll < 48) return { kind: 'updatesTaken', connection }
  if (roll < 50)
    return {
      kind: 'sendQueue',
      connection,
      bytes: random.pick([0, 600_000, 500_000, 100_000, 1000]),
      stalled: roll < 49,
    }
  return { kind: 'received', connection, message: randomMessage(random, model.wants(connection), config) }
}

/** Two times in three the one that brings the session further. */
function randomMessage(random: Prng, wanted: 'open' | 'keepalive', { remoteAsn }: SessionConfig): Message {
  const kind = random.below(3) > 0 ? wanted : random.pick(kinds)
  const empty = new Uint8Array(0)
  switch (kind) {
    case 'keepalive':
      return { kind }
    case 'open': {
      const good = random.below(8) > 0
      return {
        kind,
        version: 4,
        asn: good ? remoteAsn || 65002 : random.pick([65001, 65002, 65003]),
        holdTimeSeconds: good ? 90 : random.pick([0, 3, 10]),
        routerId: address(random.pick(good ? ['9.0.0.1', '11.0.0.1'] : ['10.0.0.1', '11.0.0.1'])),
        capabilities: {
          families: good ? ['ipv4/unicast', 'ipv6/unicast'] : random.pick([[], ['ipv6/unicast']]),
          fourOctetAsn: true,
          routeRefresh: true,
          extendedNextHop: [],
          other: [],
        },
      }
    }
    case 'update':
      return { kind, withdrawn: [], announced: [], attributes: empty, endOfRib: [], faults: [] }
    case 'notification':
      // Not the subcode after which the next OPEN is another (RFC 5492 §3).
      return { kind, code: random.pick([2, 3, 6]), subcode: random.pick([1, 2, 6]), data: empty }
  }
}

const kinds = ['keepalive', 'open', 'update', 'update', 'notification'] as const

function shown(input: Event): string {
  const connection = 'connection' in input ? ` ${input.connection}` : ''
  if (input.kind !== 'received') return `${input.kind}${connection}`
  const { message } = input
  return `${message.kind}${message.kind === 'open' ? ` of AS ${message.asn} ${message.routerId}` : ''}${connection}`
}
