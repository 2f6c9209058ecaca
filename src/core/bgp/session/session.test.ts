import assert from 'node:assert/strict'
import test from 'node:test'
import { address } from '#core/net/address.ts'
import type { SessionState } from '../io.ts'
import type { MessageError, Open } from '../wire/message.ts'
import type { SessionConfig, SessionInput } from './io.ts'
import { ownOpen } from './open.ts'
import { Driver, ends, inState, keepalive, notification, open, show, update } from './session.testing.ts'

const error = (code: number, subcode: number): MessageError => ({
  code,
  subcode,
  data: new Uint8Array(0),
  message: 'wrong',
})

const start: SessionInput = { kind: 'start' }
const stop: SessionInput = { kind: 'stop', subcode: 2 }
const tick: SessionInput = { kind: 'tick' }
const accepted: SessionInput = { kind: 'accepted', connection: -1, ends }
const dialed: SessionInput = { kind: 'dialed', connection: 1, ends }
const dialFailed: SessionInput = { kind: 'dialFailed', connection: 1, reason: 'refused' }
const closed: SessionInput = { kind: 'closed', connection: 1, reason: 'reset' }
const badHeader: SessionInput = { kind: 'malformed', connection: 1, error: error(1, 2) }
const badOpen: SessionInput = { kind: 'malformed', connection: 1, error: error(2, 1) }
const badUpdate: SessionInput = { kind: 'malformed', connection: 1, error: error(3, 1) }
const received = (message: Extract<SessionInput, { kind: 'received' }>['message']): SessionInput => ({
  kind: 'received',
  connection: 1,
  message,
})
const refresh = received({ kind: 'routeRefresh', family: 'ipv6/unicast', role: 'request' })

/** RFC 4271 §8.2.2, state by state: input, outputs, next state. */
const transitions: Record<
  SessionState,
  { on: string; input: SessionInput; out: string[]; to: SessionState }[]
> = {
  idle: [
    { on: 'start (1, 3)', input: start, out: ['dial 1'], to: 'connect' },
    { on: 'stop (2)', input: stop, out: [], to: 'idle' },
    { on: 'a connection from the neighbour', input: accepted, out: ['send 6/5 -1', 'close -1'], to: 'idle' },
    { on: 'anything else', input: closed, out: [], to: 'idle' },
  ],
  connect: [
    { on: 'start', input: start, out: [], to: 'connect' },
    { on: 'stop (2)', input: stop, out: ['close 1'], to: 'idle' },
    { on: 'its connection (16)', input: dialed, out: ['send open 1'], to: 'openSent' },
    { on: "the neighbour's connection (17)", input: accepted, out: ['send open -1'], to: 'openSent' },
    { on: 'failure to connect (18)', input: dialFailed, out: ['failed local'], to: 'active' },
    { on: 'a message on no connection', input: received(keepalive), out: [], to: 'connect' },
  ],
  active: [
    { on: 'start', input: start, out: [], to: 'active' },
    { on: 'stop (2)', input: stop, out: [], to: 'idle' },
    { on: "the neighbour's connection (17)", input: accepted, out: ['send open -1'], to: 'openSent' },
    { on: 'a late answer', input: dialed, out: [], to: 'active' },
  ],
  openSent: [
    { on: 'start', input: start, out: [], to: 'openSent' },
    { on: 'stop (2)', input: stop, out: ['send 6/2 1', 'close 1'], to: 'idle' },
    { on: 'loss of the connection (18)', input: closed, out: ['failed local'], to: 'active' },
    { on: 'OPEN (19)', input: received(open()), out: ['send keepalive 1'], to: 'openConfirm' },
    { on: 'a bad header (21)', input: badHeader, out: ['send 1/2 1', 'close 1', 'failed sent'], to: 'idle' },
    { on: 'a bad OPEN (22)', input: badOpen, out: ['send 2/1 1', 'close 1', 'failed sent'], to: 'idle' },
    {
      on: 'NOTIFICATION of a version (24)',
      input: received(notification(2, 1)),
      out: ['close 1', 'failed received'],
      to: 'idle',
    },
    {
      on: 'NOTIFICATION (25)',
      input: received(notification(6, 2)),
      out: ['close 1', 'failed received'],
      to: 'idle',
    },
    {
      on: 'KEEPALIVE (26)',
      input: received(keepalive),
      out: ['send 5/1 1', 'close 1', 'failed sent'],
      to: 'idle',
    },
    { on: 'UPDATE (27)', input: received(update), out: ['send 5/1 1', 'close 1', 'failed sent'], to: 'idle' },
    { on: 'a bad UPDATE (28)', input: badUpdate, out: ['send 5/1 1', 'close 1', 'failed sent'], to: 'idle' },
    { on: 'ROUTE-REFRESH', input: refresh, out: ['send 5/1 1', 'close 1', 'failed sent'], to: 'idle' },
  ],
  openConfirm: [
    { on: 'start', input: start, out: [], to: 'openConfirm' },
    { on: 'stop (2)', input: stop, out: ['send 6/2 1', 'close 1'], to: 'idle' },
    { on: 'loss of the connection (18)', input: closed, out: ['failed local'], to: 'idle' },
    { on: 'OPEN again', input: received(open()), out: ['send 5/2 1', 'close 1', 'failed sent'], to: 'idle' },
    { on: 'a bad header (21)', input: badHeader, out: ['send 1/2 1', 'close 1', 'failed sent'], to: 'idle' },
    { on: 'a bad OPEN (22)', input: badOpen, out: ['send 2/1 1', 'close 1', 'failed sent'], to: 'idle' },
    {
      on: 'NOTIFICATION of a version (24)',
      input: received(notification(2, 1)),
      out: ['close 1', 'failed received'],
      to: 'idle',
    },
    {
      on: 'NOTIFICATION (25)',
      input: received(notification(6, 2)),
      out: ['close 1', 'failed received'],
      to: 'idle',
    },
    { on: 'KEEPALIVE (26)', input: received(keepalive), out: ['up 1'], to: 'established' },
    { on: 'UPDATE (27)', input: received(update), out: ['send 5/2 1', 'close 1', 'failed sent'], to: 'idle' },
    { on: 'a bad UPDATE (28)', input: badUpdate, out: ['send 5/2 1', 'close 1', 'failed sent'], to: 'idle' },
    { on: 'ROUTE-REFRESH', input: refresh, out: ['send 5/2 1', 'close 1', 'failed sent'], to: 'idle' },
  ],
  established: [
    { on: 'start', input: start, out: [], to: 'established' },
    { on: 'stop (2)', input: stop, out: ['send 6/2 1', 'close 1', 'down sent'], to: 'idle' },
    { on: 'loss of the connection (18)', input: closed, out: ['down local'], to: 'idle' },
    { on: 'OPEN (19)', input: received(open()), out: ['send 5/3 1', 'close 1', 'down sent'], to: 'idle' },
    { on: 'a bad header (21)', input: badHeader, out: ['send 1/2 1', 'close 1', 'down sent'], to: 'idle' },
    {
      on: 'NOTIFICATION (25)',
      input: received(notification(6, 4)),
      out: ['close 1', 'down received'],
      to: 'idle',
    },
    { on: 'KEEPALIVE (26)', input: received(keepalive), out: [], to: 'established' },
    { on: 'UPDATE (27)', input: received(update), out: ['update'], to: 'established' },
    { on: 'a bad UPDATE (28)', input: badUpdate, out: ['send 3/1 1', 'close 1', 'down sent'], to: 'idle' },
    { on: 'ROUTE-REFRESH', input: refresh, out: ['routeRefresh ipv6/unicast'], to: 'established' },
    { on: 'the passing of time', input: tick, out: [], to: 'established' },
  ],
}

for (const [state, rows] of Object.entries(transitions)) {
  for (const { on, input, out, to } of rows) {
    test(`${state}: ${on} leads to ${to} (RFC 4271 §8.2.2)`, () => {
      const driver = inState(state as SessionState)
      assert.equal(driver.state, state)
      assert.deepEqual(show(driver.give(input)), out)
      assert.equal(driver.state, to)
    })
  }
}

test('negotiates the smaller hold time, common families and capabilities', () => {
  const driver = inState('openSent')
  const greeting = open({ holdTimeSeconds: 30 })
  greeting.capabilities.families = ['ipv4/unicast']
  driver.receive(1, greeting, keepalive)
  const { session } = driver
  assert.ok(session.kind === 'established')
  assert.deepEqual(session.negotiated, {
    asn: 65002,
    routerId: address('10.0.0.2'),
    kind: 'ebgp',
    localAsn: 65001,
    families: ['ipv4/unicast'],
    holdTimeSeconds: 30,
    keepaliveSeconds: 10,
    fourOctetAsn: true,
    extendedNextHop: [],
    routeRefresh: true,
    enhancedRouteRefresh: false,
    maxLength: 4096,
    addPathReceive: [],
    addPathSend: [],
    offered: ownOpen(driver.config, false).capabilities,
    received: greeting.capabilities,
    ends,
  })
})

test('offers and negotiates an extended next hop over IPv6 only (RFC 8950)', () => {
  for (const [remote, families] of [
    ['192.0.2.2', []],
    ['2001:db8::2', ['ipv4/unicast']],
  ] as const) {
    const driver = inState('openSent', { remoteAddress: address(remote) })
    const greeting = open()
    greeting.capabilities.extendedNextHop = ['ipv4/unicast']
    driver.receive(1, greeting, keepalive)
    assert.ok(driver.session.kind === 'established')
    assert.deepEqual(driver.session.negotiated.extendedNextHop, families)
  }
})

const refused: { name: string; config?: Partial<SessionConfig>; open: Partial<Open>; code: string }[] = [
  { name: 'another AS', open: { asn: 65003 }, code: '2/2' },
  {
    name: 'the own identifier over iBGP (RFC 6286)',
    config: { remoteAsn: 65001 },
    open: { asn: 65001, routerId: address('10.0.0.1') },
    code: '2/3',
  },
  {
    name: 'no common family (RFC 5492 §5)',
    config: { families: ['ipv6/unicast'] },
    open: { capabilities: { ...open().capabilities, families: [] } },
    code: '2/7',
  },
]

for (const { name, config, open: changes, code } of refused) {
  test(`refuses an OPEN with ${name}`, () => {
    const driver = inState('openSent', config)
    assert.deepEqual(show(driver.receive(1, open(changes))), [`send ${code} 1`, 'close 1', 'failed sent'])
    assert.equal(driver.state, 'idle')
  })
}

test('takes any AS when told to, and the own identifier from another AS (RFC 6286)', () => {
  const driver = inState('openSent', { remoteAsn: 0 })
  driver.receive(1, open({ asn: 4_200_000_000, routerId: address('10.0.0.1') }), keepalive)
  assert.equal(driver.state, 'established')
})

test('a passive session waits for the neighbour, also after a failure', () => {
  const driver = new Driver({ passive: true })
  assert.deepEqual(driver.give(start), [])
  assert.equal(driver.state, 'active')
  assert.equal(driver.deadline, Infinity)
  const first = driver.accept()
  driver.give({ kind: 'closed', connection: first, reason: 'reset' })
  assert.equal(driver.state, 'active')
  assert.equal(driver.deadline, Infinity)
  const second = driver.accept()
  driver.receive(second, open(), keepalive)
  assert.equal(driver.state, 'established')
})

test('stops with a text for people (RFC 9003)', () => {
  const driver = inState('established')
  driver.give({ kind: 'stop', subcode: 3, text: 'gone' })
  const [sent] = driver.outputs
  assert.ok(sent?.kind === 'send' && sent.message.kind === 'notification')
  assert.deepEqual([sent.message.code, sent.message.subcode], [6, 3])
})

test('waits four minutes for an OPEN, then sends Hold Timer Expired (RFC 4271 §8.2.2)', () => {
  const driver = inState('openSent')
  assert.equal(driver.deadline, 240_000)
  assert.deepEqual(show(driver.wait()), ['send 4/0 1', 'close 1', 'failed sent'])
  assert.equal(driver.state, 'idle')
})

for (const state of ['openConfirm', 'established'] as const) {
  test(`${state}: KEEPALIVEs at a third of the hold time, jittered, until it expires (RFC 4271 §4.4, §10)`, () => {
    const driver = inState(state)
    const keepalives: number[] = []
    while (driver.state === state) {
      driver.wait()
      if (show(driver.outputs)[0] === 'send keepalive 1') keepalives.push(driver.now)
    }
    assert.deepEqual(keepalives, [22_500, 45_000, 67_500])
    assert.equal(driver.now, 90_000)
    const ended = state === 'established' ? 'down sent' : 'failed sent'
    assert.deepEqual(show(driver.outputs), ['send 4/0 1', 'close 1', ended])
  })
}

test('KEEPALIVE and UPDATE restart the hold timer, ROUTE-REFRESH does not (RFC 4271 §4.2)', () => {
  const driver = inState('established')
  const holdAt = () => (driver.session.kind === 'established' ? driver.session.holdAt : 0)
  driver.now = 10_000
  driver.receive(1, keepalive)
  assert.equal(holdAt(), 100_000)
  driver.now = 20_000
  driver.receive(1, update)
  assert.equal(holdAt(), 110_000)
  driver.now = 30_000
  driver.give(refresh)
  assert.equal(holdAt(), 110_000)
})

test('an UPDATE that is sent restarts the keepalive timer (RFC 4271 §8.2.2)', () => {
  const driver = inState('established')
  const first = driver.deadline
  driver.now = first - 1
  assert.deepEqual(show(driver.give({ kind: 'updateSent' })), [])
  driver.now = first
  assert.deepEqual(show(driver.give({ kind: 'tick' })), [])
  driver.now = driver.deadline
  assert.deepEqual(show(driver.give({ kind: 'tick' })), ['send keepalive 1'])
})

test('a message that arrived while this process was busy keeps the session up', () => {
  const driver = inState('established')
  driver.now = 95_000
  driver.receive(1, keepalive)
  assert.equal(driver.state, 'established')
})

test('a hold time of 0 means no timers (RFC 4271 §4.4)', () => {
  const driver = inState('openSent')
  driver.receive(1, open({ holdTimeSeconds: 0 }), keepalive)
  assert.equal(driver.state, 'established')
  assert.equal(driver.deadline, Infinity)
})

test('dials anew when no answer came within ConnectRetryTime (RFC 4271 §8.2.2, event 9)', () => {
  const driver = inState('connect')
  driver.fraction = 0
  assert.equal(driver.deadline, 90_000)
  assert.deepEqual(show(driver.wait()), ['close 1', 'failed local', 'dial 2'])
  assert.equal(driver.state, 'connect')
})

test('dials again ever later, up to ConnectRetryTime, and refuses nobody meanwhile', () => {
  const driver = new Driver({
    timers: { connectRetrySeconds: 20, holdTimeSeconds: 90, keepaliveSeconds: 30 },
  })
  driver.give(start)
  const pauses: number[] = []
  for (let connection = 1; connection <= 7; connection++) {
    const at = driver.now
    driver.give({ kind: 'dialFailed', connection, reason: 'refused' })
    assert.equal(driver.state, 'active')
    pauses.push(driver.deadline - at)
    assert.deepEqual(show(driver.wait()), [`dial ${connection + 1}`])
  }
  assert.deepEqual(pauses, [750, 1500, 3000, 6000, 12_000, 15_000, 15_000])
})

test('stays in Idle ever longer when sessions keep falling, and forgets it after a stable one', () => {
  const driver = new Driver()
  driver.give(start)
  const pauses: number[] = []
  for (const lasts of [0, 0, 0, 61_000]) {
    const dialing = driver.session.kind === 'connecting' ? driver.session.outbound : undefined
    assert.ok(dialing?.kind === 'dialing')
    driver.dialed(dialing.connection)
    driver.receive(dialing.connection, open(), keepalive)
    driver.now += lasts
    driver.give({ kind: 'closed', connection: dialing.connection, reason: 'reset' })
    assert.equal(driver.state, 'idle')
    pauses.push(driver.deadline - driver.now)
    driver.wait()
  }
  assert.deepEqual(pauses, [750, 1500, 3000, 750])
})

test('refuses a connection in a pause, without a word', () => {
  const driver = inState('openConfirm')
  driver.give(closed)
  driver.accept()
  assert.deepEqual(show(driver.outputs), ['close -1'])
  assert.equal(driver.state, 'idle')
})

test('a neighbour that refuses optional parameters gets an OPEN without, and once with them again (RFC 5492 §3)', () => {
  const driver = inState('openSent')
  const parameters: boolean[] = []
  const noteOpen = () => {
    for (const output of driver.outputs)
      if (output.kind === 'send' && output.message.kind === 'open')
        parameters.push(output.message.capabilities.fourOctetAsn)
  }
  for (let connection = 1; connection <= 3; connection++) {
    driver.receive(connection, notification(2, connection === 2 ? 2 : 4))
    driver.wait()
    driver.dialed(connection + 1)
    noteOpen()
  }
  assert.deepEqual(parameters, [false, true, false])
  driver.receive(4, open({ capabilities: { ...open().capabilities, families: [] } }), keepalive)
  assert.ok(driver.session.kind === 'established')
  assert.deepEqual(driver.session.negotiated.families, ['ipv4/unicast'])
  assert.equal(driver.session.negotiated.fourOctetAsn, false)
})

test('optional parameters are never left out when there would be no family left', () => {
  const driver = inState('openSent', { families: ['ipv6/unicast'] })
  driver.receive(1, notification(2, 4))
  driver.wait()
  driver.dialed(2)
  const [sent] = driver.outputs
  assert.ok(sent?.kind === 'send' && sent.message.kind === 'open')
  assert.deepEqual(sent.message.capabilities.families, ['ipv6/unicast'])
})
