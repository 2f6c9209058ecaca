/**
 * RFC 4271 §8.2.2 for a neighbour with up to one connection in each direction (§6.8), as simply as it can be said: what must
 * go out on each connection for an event, and what may. Made from the text, without a line of the session.
 */
import assert from 'node:assert/strict'
import type { SessionConfig, SessionInput, SessionOutput } from '#core/bgp/session/io.ts'
import type { ConnectionId, SessionState } from '#core/bgp/io.ts'
import type { Message, Open } from '#core/bgp/wire/message.ts'
import { Outputs } from './session-outputs.testing.ts'

type Phase = 'delayed' | 'openSent' | 'openConfirm' | 'established'

interface Connection {
  direction: 'outbound' | 'inbound'
  phase: Phase
  /** Time from which the HoldTimer or DelayOpenTimer counts, and how long it runs. */
  heardAt: number
  waitMs: number
  /** KeepaliveTimer: 0 without. */
  keepaliveMs: number
  saidAt: number
  /** SendHoldTimer (RFC 9687 §4.3). */
  stuckSince: number
}

/** §8.2.2 suggests four minutes. */
const openHoldMs = 240_000

export class SessionModel {
  readonly #config: SessionConfig
  readonly #connections = new Map<ConnectionId, Connection>()
  #dialing: ConnectionId | undefined
  /** Has had a start since the last stop. */
  #running = false

  constructor(config: SessionConfig) {
    this.#config = config
  }

  get dialing(): ConnectionId | undefined {
    return this.#dialing
  }

  get open(): ConnectionId[] {
    return [...this.#connections.keys()]
  }

  /** The message that brings the session further. */
  wants(id: ConnectionId): 'open' | 'keepalive' {
    const phase = this.#connections.get(id)?.phase
    return phase === 'delayed' || phase === 'openSent' ? 'open' : 'keepalive'
  }

  /** States in which a session with these connections can be. */
  get states(): SessionState[] {
    const phases = [...this.#connections.values()].map(({ phase }) => phase)
    if (phases.includes('established')) return ['established']
    if (phases.includes('openConfirm')) return ['openConfirm']
    if (phases.includes('openSent')) return ['openSent']
    if (this.#dialing !== undefined) return ['connect']
    return phases.includes('delayed') ? ['connect', 'active'] : ['idle', 'active']
  }

  /** Timers, when nothing else happens (events 9 to 13). */
  tick(outputs: readonly SessionOutput[], now: number): void {
    const seen = new Outputs(outputs)
    for (const [id, connection] of this.#connections) {
      const { phase, heardAt, waitMs, saidAt, keepaliveMs } = connection
      const due = now >= heardAt + waitMs
      if (phase === 'delayed') {
        if (!due) seen.expect(id, [])
        else if (seen.expect(id, ['open'])) this.#opening(connection, now)
        continue
      }
      if (due) {
        seen.expect(id, ['4/0', 'close'])
        this.#gone(id, seen)
        continue
      }
      // RFC 9687 §4.3.
      if (now >= connection.stuckSince + this.#sendHoldMs(connection)) {
        seen.expect(id, ['8/0', 'close'])
        this.#gone(id, seen)
        continue
      }
      // §4.4, §10: between three quarters of the time and the whole of it, and never twice in a second.
      if (keepaliveMs === 0 || now < saidAt + Math.max(1000, 0.75 * keepaliveMs)) seen.expect(id, [])
      else if (now >= saidAt + Math.max(1000, keepaliveMs)) seen.expect(id, ['keepalive'])
      else seen.expect(id, [], ['keepalive'])
      if (seen.said(id)) connection.saidAt = now
    }
    this.#dials(seen)
    seen.nothingElse(['failed'])
  }

  /** An event, at a time when no timer is due. */
  take(input: Exclude<SessionInput, { kind: 'tick' }>, outputs: readonly SessionOutput[], now: number): void {
    const seen = new Outputs(outputs)
    switch (input.kind) {
      case 'start':
        this.#running = true
        break
      case 'stop':
        this.#running = false
        for (const [id, { phase }] of this.#connections) {
          if (phase === 'delayed') seen.expect(id, ['close'], [`6/${input.subcode}`, 'close'])
          else seen.expect(id, [`6/${input.subcode}`, 'close'])
          this.#gone(id, seen)
        }
        break
      case 'dialed':
        assert.equal(this.#dialing, input.connection)
        this.#dialing = undefined
        this.#connected(input.connection, 'outbound', seen, now)
        break
      case 'dialFailed':
        assert.equal(this.#dialing, input.connection)
        this.#dialing = undefined
        break
      case 'accepted':
        this.#accepted(input.connection, seen, now)
        break
      case 'closed':
        if (this.#connections.has(input.connection)) {
          seen.expect(input.connection, [])
          this.#gone(input.connection, seen)
        }
        break
      case 'received':
        this.#received(input.connection, input.message, seen, now)
        break
      case 'malformed':
        this.#malformed(input.connection, input.error.code, input.error.subcode, seen)
        break
      case 'updateSent':
        for (const connection of this.#connections.values())
          if (connection.phase === 'established') connection.saidAt = now
        break
      case 'updatesTaken': {
        const connection = this.#connections.get(input.connection)
        if (connection?.phase === 'established') connection.heardAt = now
        break
      }
      case 'sendQueue':
        this.#queued(input, now)
        break
    }
    this.#dials(seen)
    seen.nothingElse(['failed'])
  }

  #accepted(id: ConnectionId, seen: Outputs, now: number): void {
    if (this.#isIdle(seen, id)) {
      // §8.2.2, Idle: refused.
      assert.ok(seen.closed(id), 'Idle refuses connections')
      seen.take(id)
      return
    }
    for (const [other, { direction, phase }] of this.#connections) {
      const established = [...this.#connections.values()].some((each) => each.phase === 'established')
      const superseded = established ? phase !== 'established' : direction === 'inbound'
      if (!superseded) continue
      // The neighbour has given up the earlier one (§6.8).
      seen.expect(other, phase === 'delayed' ? ['close'] : ['6/7', 'close'])
      this.#gone(other, seen)
    }
    this.#connected(id, 'inbound', seen, now)
  }

  #isIdle(seen: Outputs, id: ConnectionId): boolean {
    if (!this.#running) return true
    // After a failure the session is Idle for a while, which shows in a connection that is closed at once.
    return this.#connections.size === 0 && this.#dialing === undefined && seen.closed(id)
  }

  #connected(id: ConnectionId, direction: 'outbound' | 'inbound', seen: Outputs, now: number): void {
    const delayMs = 1000 * (this.#config.delayOpenSeconds ?? 0)
    const established = [...this.#connections.values()].some(({ phase }) => phase === 'established')
    const connection: Connection = {
      direction,
      phase: 'delayed',
      heardAt: now,
      waitMs: delayMs,
      keepaliveMs: 0,
      saidAt: now,
      stuckSince: Infinity,
    }
    this.#connections.set(id, connection)
    if (delayMs > 0 && !established) seen.expect(id, [])
    else {
      seen.expect(id, ['open'])
      this.#opening(connection, now)
    }
  }

  #opening(connection: Connection, now: number): void {
    connection.phase = 'openSent'
    connection.heardAt = now
    connection.waitMs = openHoldMs
  }

  #received(id: ConnectionId, message: Message, seen: Outputs, now: number): void {
    const connection = this.#connections.get(id)
    if (connection === undefined) return
    const { phase } = connection
    const ends = (...expected: string[]) => {
      seen.expect(id, expected)
      this.#gone(id, seen)
    }
    // §6.4: a NOTIFICATION is not answered.
    if (message.kind === 'notification') return ends('close')
    switch (phase) {
      case 'delayed':
        if (message.kind !== 'open') return ends('close')
        // Event 20.
        seen.expectFirst(id, 'open')
        this.#opening(connection, now)
        return this.#opened(id, connection, message, seen, now)
      case 'openSent':
        // RFC 6608 §4.
        if (message.kind !== 'open') return ends('5/1', 'close')
        return this.#opened(id, connection, message, seen, now)
      case 'openConfirm':
        if (message.kind !== 'keepalive') return ends('5/2', 'close')
        seen.expect(id, [], [])
        assert.equal(seen.up, id, 'event 26')
        for (const [other, each] of this.#connections) {
          if (other === id) continue
          assert.ok(each.phase !== 'openConfirm' && each.phase !== 'established', 'one connection is left')
          // Nobody has said anything on it yet.
          if (each.phase === 'delayed') {
            seen.expect(other, ['close'])
            this.#connections.delete(other)
          }
        }
        connection.phase = 'established'
        connection.heardAt = now
        return
      case 'established':
        if (message.kind === 'open') return ends('5/3', 'close')
        if (message.kind === 'keepalive' || message.kind === 'update') connection.heardAt = now
        seen.expect(id, [])
        assert.equal(seen.updates, message.kind === 'update' ? 1 : 0)
    }
  }

  /** Event 19, and §6.8 if there is another connection. */
  #opened(id: ConnectionId, connection: Connection, open: Open, seen: Outputs, now: number): void {
    const { remoteAsn, localAsn, routerId, families } = this.#config
    const offered = open.capabilities.families.length === 0 ? ['ipv4/unicast'] : open.capabilities.families
    const wrong: string[] = []
    if (remoteAsn !== 0 && open.asn !== remoteAsn) wrong.push('2/2')
    if (open.asn === localAsn && open.routerId === routerId) wrong.push('2/3')
    if (!families.some((family) => offered.includes(family))) wrong.push('2/7')
    if (wrong.length > 0) {
      assert.ok(wrong.includes(seen.sent(id)[0] ?? ''), `refused with one of ${wrong.join(', ')}`)
      assert.ok(seen.closed(id))
      seen.take(id)
      this.#gone(id, seen)
      return
    }
    const rival = [...this.#connections].find(
      ([other, { phase }]) => other !== id && (phase === 'openConfirm' || phase === 'established'),
    )
    // §6.8 and RFC 6286 §2.3: the connection of the side with the higher identifier stays, then that of the higher AS.
    const order = compareIdentifiers(routerId, open.routerId) || localAsn - open.asn
    if (rival !== undefined && connection.direction !== (order > 0 ? 'outbound' : 'inbound')) {
      seen.expect(id, ['6/7', 'close'])
      this.#gone(id, seen)
      return
    }
    if (rival !== undefined) {
      seen.expect(rival[0], ['6/7', 'close'])
      this.#gone(rival[0], seen)
    }
    seen.expect(id, ['keepalive'])
    const holdSeconds = Math.min(this.#config.timers.holdTimeSeconds, open.holdTimeSeconds)
    connection.phase = 'openConfirm'
    connection.heardAt = connection.saidAt = now
    connection.waitMs = holdSeconds === 0 ? Infinity : 1000 * holdSeconds
    connection.keepaliveMs =
      1000 * Math.min(this.#config.timers.keepaliveSeconds, Math.floor(holdSeconds / 3))
  }

  #malformed(id: ConnectionId, code: number, subcode: number, seen: Outputs): void {
    const connection = this.#connections.get(id)
    if (connection === undefined) return
    const named = `${code}/${subcode}`
    switch (connection.phase) {
      case 'delayed':
        seen.expect(id, ['close'], [named, 'close'])
        break
      case 'openSent':
        // An UPDATE is not expected yet, however it looks.
        seen.expect(id, [code === 3 ? '5/1' : named, 'close'])
        break
      case 'openConfirm':
        seen.expect(id, [code === 3 ? '5/2' : named, 'close'], code === 2 ? ['5/2', 'close'] : undefined)
        break
      case 'established':
        seen.expect(id, [named, 'close'], code === 2 ? ['5/3', 'close'] : undefined)
    }
    this.#gone(id, seen)
  }

  #queued(
    { connection: id, bytes, stalled = false }: Extract<SessionInput, { kind: 'sendQueue' }>,
    now: number,
  ): void {
    const connection = this.#connections.get(id)
    if (connection?.phase !== 'established') return
    // RFC 9687 §4.3: it runs while there is something to send and nothing of it is taken.
    if (stalled) connection.stuckSince = Math.min(connection.stuckSince, now)
    else connection.stuckSince = bytes <= 64 * 1024 ? Infinity : now
  }

  #sendHoldMs({ phase, waitMs }: Connection): number {
    const seconds = this.#config.sendHoldSeconds ?? 0
    return phase !== 'established' || seconds === 0 || waitMs === Infinity ? Infinity : 1000 * seconds
  }

  /** The connection is no more; if it was the session's, that ends too. */
  #gone(id: ConnectionId, seen: Outputs): void {
    if (this.#connections.get(id)?.phase === 'established') seen.expectDown()
    this.#connections.delete(id)
  }

  /** §8.2.2, Connect and Active, events 9 and 1: never two at a time, never when passive or stopped. */
  #dials(seen: Outputs): void {
    if (this.#dialing !== undefined && seen.closed(this.#dialing)) {
      seen.expect(this.#dialing, ['close'])
      this.#dialing = undefined
    }
    if (seen.dialed === undefined) return
    assert.ok(this.#running && !this.#config.passive, 'dials only when told to')
    assert.equal(this.#dialing, undefined, 'one dial at a time')
    for (const { direction, phase } of this.#connections.values())
      assert.ok(direction === 'inbound' && phase !== 'established', 'dials for want of a connection')
    this.#dialing = seen.dialed
  }
}

function compareIdentifiers(a: string, b: string): number {
  const value = (text: string) => text.split('.').reduce((sum, octet) => 256 * sum + Number(octet), 0)
  return value(a) - value(b)
}
