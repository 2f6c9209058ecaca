import assert from 'node:assert/strict'
import test from 'node:test'
import { Prng } from '#core/lib/prng.ts'
import { address } from '#core/net/address.ts'
import type { ConnectionId } from '../io.ts'
import type { Message } from '../wire/message.ts'
import type { NegotiatedRestart, SessionInput, SessionOutput } from './io.ts'
import { nextDeadline, sessionState } from './session.ts'
import {
  Driver,
  ends,
  keepalive,
  notification,
  open,
  restartable,
  restartOffer,
  update,
} from './session.testing.ts'

/** What the world around a session knows: which connections exist, and whether the session says it is up. */
class World {
  readonly dialing = new Set<ConnectionId>()
  readonly open = new Set<ConnectionId>()
  readonly opened = new Set<ConnectionId>()
  up: ConnectionId | undefined
  restart: NegotiatedRestart | undefined
  graceful = 0

  apply(outputs: readonly SessionOutput[], input: SessionInput): void {
    for (const output of outputs) {
      switch (output.kind) {
        case 'dial':
          assert.ok(output.connection > 0)
          assert.equal(this.dialing.size, 0, 'one dial at a time')
          this.dialing.add(output.connection)
          break
        case 'send':
          assert.ok(this.open.has(output.connection), 'sends on an open connection')
          // RFC 4271 §4.2: the first message of either side is an OPEN, with or without DelayOpen.
          if (output.message.kind === 'open') this.opened.add(output.connection)
          else if (!isRejection(output.message))
            assert.ok(this.opened.has(output.connection), 'OPEN comes first')
          break
        case 'close':
          assert.ok(this.open.delete(output.connection) || this.dialing.delete(output.connection))
          if (this.up === output.connection) this.#closing = true
          this.opened.delete(output.connection)
          break
        case 'up':
          assert.equal(this.up, undefined, 'never two established connections')
          assert.ok(this.open.has(output.connection))
          this.up = output.connection
          this.restart = output.negotiated.gracefulRestart
          break
        case 'down':
          assert.notEqual(this.up, undefined)
          if (output.graceful) {
            const { notification: sent } = output.ending
            assert.ok(this.restart !== undefined, 'kept only where both sides agreed on it (RFC 4724 §4.2)')
            assert.ok(sent === undefined || this.restart.notification, 'RFC 8538 §4')
            assert.ok(sent === undefined || !(sent.code === 6 && sent.subcode === 9), 'RFC 8538 §3')
            this.graceful++
          }
          this.up = undefined
          this.#closing = false
          break
        case 'failed':
          break
        case 'update':
        case 'routeRefresh':
          assert.ok(input.kind === 'received' && input.connection === this.up)
      }
    }
    assert.equal(this.#closing, false, 'an established connection is not closed without a word')
    assert.ok(this.open.size <= 2)
  }

  #closing = false
}

/** RFC 4486 §4: said to whoever is not wanted, before any OPEN. */
function isRejection(message: Message): boolean {
  return message.kind === 'notification' && message.code === 6 && message.subcode === 5
}

function randomMessage(random: Prng): Message {
  const routerId = address(random.pick(['9.0.0.1', '10.0.0.1', '11.0.0.1']))
  return random.pick<() => Message>([
    () => keepalive,
    () => keepalive,
    () => open({ routerId }),
    () => restartable({ notification: true }),
    () =>
      open({ routerId, asn: random.pick([65001, 65002, 65003]), holdTimeSeconds: random.pick([0, 3, 90]) }),
    () => ({
      ...restartable({ restarting: random.below(3) === 0, notification: random.below(2) === 0 }),
      routerId,
    }),
    () => update,
    () => notification(random.pick([2, 6]), random.pick([1, 4, 7, 9]), 6, 2),
    () => ({
      kind: 'routeRefresh',
      family: random.pick(['ipv4/unicast', undefined]),
      role: random.pick(['request', 'begin', 'end']),
    }),
  ])()
}

function randomInput(random: Prng, world: World, accepted: ConnectionId): SessionInput {
  const pick = (set: Set<ConnectionId>) => (set.size === 0 ? undefined : random.pick([...set]))
  const dialing = pick(world.dialing)
  // A connection that is long gone, too: its last words may have been on their way.
  const connection = pick(world.open) ?? random.pick([1, 2, -1])
  const roll = random.below(100)
  if (roll < 3) {
    const manner = random.pick(['end', 'restart', 'leave', undefined] as const)
    return { kind: 'stop', subcode: 2, ...(manner === undefined ? {} : { manner }) }
  }
  if (roll < 5) return { kind: 'sendQueue', connection, bytes: random.below(1_000_000), stalled: roll < 2 }
  if (roll < 10) return { kind: 'start' }
  if (roll < 25 && dialing !== undefined) return { kind: 'dialed', connection: dialing, ends }
  if (roll < 30 && dialing !== undefined)
    return { kind: 'dialFailed', connection: dialing, reason: 'refused' }
  if (roll < 38) return { kind: 'accepted', connection: accepted, ends }
  if (roll < 43) return { kind: 'closed', connection, reason: 'reset' }
  if (roll < 45)
    return {
      kind: 'malformed',
      connection,
      error: { code: 1 + random.below(3), subcode: 1, data: new Uint8Array(0), message: 'wrong' },
    }
  if (roll < 90) return { kind: 'received', connection, message: randomMessage(random) }
  return { kind: 'tick' }
}

test('any order of events leaves a session and its connections consistent', () => {
  let ups = 0
  let kept = 0
  for (let seed = 1; seed <= 400; seed++) {
    const random = new Prng(seed)
    const driver = new Driver({
      passive: random.below(4) === 0,
      remoteAsn: random.pick([0, 65001, 65002]),
      timers: {
        connectRetrySeconds: random.pick([1, 120]),
        holdTimeSeconds: random.pick([0, 3, 90]),
        keepaliveSeconds: 1,
      },
      delayOpenSeconds: random.pick([0, 0, 5]),
      sendHoldSeconds: random.pick([10, 480]),
      ...(random.below(3) === 0
        ? {}
        : { gracefulRestart: { ...restartOffer, notification: random.below(2) === 0 } }),
    })
    const world = new World()
    let accepted = -1
    for (let i = 0; i < 300; i++) {
      if (random.below(3) === 0) {
        const { deadline } = driver
        driver.now =
          random.below(2) === 0 && deadline !== Infinity ? deadline : driver.now + random.below(40_000)
      }
      driver.fraction = random.fraction()
      const input = randomInput(random, world, accepted)
      if (input.kind === 'dialed' || input.kind === 'dialFailed') world.dialing.delete(input.connection)
      if (input.kind === 'dialed') world.open.add(input.connection)
      if (input.kind === 'accepted') {
        world.open.add(input.connection)
        accepted--
      }
      if (input.kind === 'closed') world.open.delete(input.connection)
      const outputs = driver.give(input)
      world.apply(outputs, input)
      ups += outputs.filter(({ kind }) => kind === 'up').length
      assert.ok(nextDeadline(driver.session) > driver.now, `seed ${seed}: the deadline is in the future`)
      assert.equal(sessionState(driver.session) === 'established', world.up !== undefined, `seed ${seed}`)
      if (driver.session.kind === 'idle') assert.deepEqual([world.open.size, world.dialing.size], [0, 0])
    }
    kept += world.graceful
  }
  assert.ok(ups > 200, `the events lead somewhere: ${ups} sessions came up`)
  assert.ok(kept > 20, `some of them end so that routes are kept: ${kept}`)
})

test('two neighbours that dial each other at once end with the same one connection, whatever the delays', () => {
  for (let seed = 1; seed <= 300; seed++) {
    const random = new Prng(seed)
    const [a, b] = meeting(random)
    for (const side of [a, b]) assert.equal(side.driver.state, 'established', `seed ${seed}`)
    assert.equal(a.open.size, 1, `seed ${seed}`)
    assert.deepEqual(
      [...a.open],
      [...b.open].map((connection) => -connection),
    )
  }
})

interface Side {
  driver: Driver
  open: Set<ConnectionId>
  /** By this side: nothing more is said about these. */
  closed: Set<ConnectionId>
}

interface InFlight {
  at: number
  to: 0 | 1
  input: SessionInput
}

/** Two sides on a network that keeps the order of each connection's messages and delays each by up to 50 ms. */
function meeting(random: Prng): [Side, Side] {
  const side = (localAsn: number, remoteAsn: number, id: string): Side => ({
    driver: new Driver({
      localAsn,
      remoteAsn,
      routerId: address(id),
      delayOpenSeconds: random.below(4) === 0 ? 1 : 0,
      ...(random.below(2) === 0
        ? {}
        : { gracefulRestart: { ...restartOffer, restarting: random.below(2) === 0 } }),
    }),
    open: new Set(),
    closed: new Set(),
  })
  const sides: [Side, Side] = [side(65001, 65002, '10.0.0.1'), side(65002, 65001, '10.0.0.2')]
  const queue: InFlight[] = [
    { at: 0, to: 0, input: { kind: 'start' } },
    { at: random.below(30), to: 1, input: { kind: 'start' } },
  ]
  // The neighbour's number of a connection is the negated one, with the dialer's side in it so that none is used twice.
  const last = new Map<string, number>()
  const post = (now: number, to: 0 | 1, connection: number, input: SessionInput) => {
    const key = `${to} ${connection}`
    const at = Math.max(now + 1 + random.below(50), (last.get(key) ?? 0) + 0.001)
    last.set(key, at)
    queue.push({ at, to, input })
  }
  const perform = (from: 0 | 1, now: number, outputs: readonly SessionOutput[]) => {
    const to = (1 - from) as 0 | 1
    for (const output of outputs) {
      if (output.kind === 'dial') {
        post(now, to, -output.connection, { kind: 'accepted', connection: -output.connection, ends })
        post(now + 1, from, output.connection, { kind: 'dialed', connection: output.connection, ends })
      } else if (output.kind === 'send') {
        post(now, to, -output.connection, {
          kind: 'received',
          connection: -output.connection,
          message: output.message,
        })
      } else if (output.kind === 'close') {
        sides[from].open.delete(output.connection)
        sides[from].closed.add(output.connection)
        post(now, to, -output.connection, {
          kind: 'closed',
          connection: -output.connection,
          reason: 'closed',
        })
      }
    }
  }
  const until = 20_000
  for (;;) {
    queue.sort((x, y) => x.at - y.at)
    const next = queue[0]
    const timers = sides.map(({ driver }) => driver.deadline)
    const deadline = Math.min(...timers)
    if (Math.min(next?.at ?? Infinity, deadline) > until) return sides
    const dueFirst = next === undefined || deadline < next.at
    const to = dueFirst ? (timers.indexOf(deadline) as 0 | 1) : next.to
    const input: SessionInput = dueFirst ? { kind: 'tick' } : next.input
    if (!dueFirst) queue.shift()
    const { driver, open, closed } = sides[to]
    if ('connection' in input && closed.has(input.connection)) continue
    driver.now = dueFirst ? deadline : next.at
    driver.fraction = random.fraction()
    if (input.kind === 'accepted' || input.kind === 'dialed') open.add(input.connection)
    if (input.kind === 'closed') open.delete(input.connection)
    perform(to, driver.now, driver.give(input))
  }
}
