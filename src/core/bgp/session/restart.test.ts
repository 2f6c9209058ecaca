import assert from 'node:assert/strict'
import test from 'node:test'
import type { SessionInput } from './io.ts'
import {
  ends,
  inState,
  keepalive,
  notification,
  open,
  restartable,
  restartOffer,
  show,
  type Driver,
} from './session.testing.ts'

/** Established with a neighbour that wants its routes kept; `notification`: over NOTIFICATIONs too. */
function helping(notification: boolean): Driver {
  const driver = inState('openSent', { gracefulRestart: { ...restartOffer, notification: true } })
  driver.receive(1, restartable({ notification }), keepalive)
  assert.equal(driver.state, 'established')
  return driver
}

const lost: SessionInput = { kind: 'closed', connection: 1, reason: 'reset' }
const received = (code: number, subcode: number, ...data: number[]): SessionInput => ({
  kind: 'received',
  connection: 1,
  message: notification(code, subcode, ...data),
})
const stop = (manner?: 'end' | 'restart' | 'leave'): SessionInput => ({
  kind: 'stop',
  subcode: 2,
  ...(manner === undefined ? {} : { manner }),
})
const broken: SessionInput = {
  kind: 'malformed',
  connection: 1,
  error: { code: 3, subcode: 1, data: new Uint8Array(0), message: 'wrong' },
}

const endings: { name: string; input: SessionInput; without: string[]; withBit: string[] }[] = [
  {
    name: 'the loss of the connection keeps routes',
    input: lost,
    without: ['down local graceful'],
    withBit: ['down local graceful'],
  },
  {
    name: 'a NOTIFICATION keeps them where that was agreed on',
    input: received(4, 0),
    without: ['close 1', 'down received'],
    withBit: ['close 1', 'down received graceful'],
  },
  {
    name: 'a hard reset never does',
    input: received(6, 9, 6, 2),
    without: ['close 1', 'down received'],
    withBit: ['close 1', 'down received'],
  },
  {
    name: 'an own NOTIFICATION keeps them where that was agreed on',
    input: broken,
    without: ['send 3/1 1', 'close 1', 'down sent'],
    withBit: ['send 3/1 1', 'close 1', 'down sent graceful'],
  },
  {
    name: 'a stop is a hard reset where a plain Cease would keep them',
    input: stop(),
    without: ['send 6/2 1', 'close 1', 'down sent'],
    withBit: ['send 6/9 1', 'close 1', 'down sent'],
  },
  {
    name: 'a stop that leads to a new session is none',
    input: stop('restart'),
    without: ['send 6/2 1', 'close 1', 'down sent'],
    withBit: ['send 6/2 1', 'close 1', 'down sent graceful'],
  },
  {
    name: 'the end of the process is not told',
    input: stop('leave'),
    without: ['close 1', 'down local graceful'],
    withBit: ['close 1', 'down local graceful'],
  },
]

for (const { name, input, without, withBit } of endings) {
  test(`RFC 4724 §4.2, RFC 8538 §4: ${name}`, () => {
    assert.deepEqual(show(helping(false).give(input)), without)
    assert.deepEqual(show(helping(true).give(input)), withBit)
  })
}

test('RFC 9494 §4.1: routes are kept for a neighbour that lists its families in the long-lived capability only', () => {
  const longLivedRestart = [{ family: 'ipv4/unicast' as const, forwarding: true, staleSeconds: 600 }]
  const gracefulRestart = { restarting: false, notification: false, restartSeconds: 0, families: [] }
  for (const [longLivedSeconds, expected] of [
    [300, 'down local graceful'],
    [undefined, 'down local'],
  ] as const) {
    const offer = longLivedSeconds === undefined ? restartOffer : { ...restartOffer, longLivedSeconds }
    const driver = inState('openSent', { gracefulRestart: offer })
    const capabilities = { ...open().capabilities, gracefulRestart, longLivedRestart }
    driver.receive(1, open({ capabilities }), keepalive)
    assert.deepEqual(show(driver.give(lost)), [expected])
  }
})

test('RFC 4724 §4.2: nothing is kept for a neighbour that did not ask for it', () => {
  const driver = inState('openSent', { gracefulRestart: restartOffer })
  driver.receive(1, open(), keepalive)
  assert.deepEqual(show(driver.give(lost)), ['down local'])
})

test('RFC 4724 §4.1: a neighbour that would not keep the routes is told of the end of the process', () => {
  const driver = inState('openSent', { gracefulRestart: { ...restartOffer, helperOnly: true } })
  driver.receive(1, restartable(), keepalive)
  assert.deepEqual(show(driver.give(stop('leave'))), ['send 6/2 1', 'close 1', 'down sent'])
  assert.deepEqual(show(inState('established').give(stop('leave'))), ['send 6/2 1', 'close 1', 'down sent'])
})

test('RFC 8538 §3: a hard reset says what it is in place of', () => {
  const driver = helping(true)
  driver.give({ kind: 'stop', subcode: 2, text: 'gone' })
  const [sent] = driver.outputs
  assert.ok(sent?.kind === 'send' && sent.message.kind === 'notification')
  assert.deepEqual([...sent.message.data], [6, 2, 4, 0x67, 0x6f, 0x6e, 0x65])
  const down = driver.outputs.at(-1)
  assert.ok(down?.kind === 'down')
  assert.equal(down.ending.reason, 'sent Cease/Hard Reset (Cease/Administrative Shutdown: gone)')
})

test('RFC 4724 §4.2: a neighbour that restarted takes its old session over, whatever the identifiers', () => {
  for (const { restarting, after, winner } of [
    { restarting: true, after: 0, winner: 'new' },
    { restarting: false, after: 11_000, winner: 'new' },
    { restarting: false, after: 0, winner: 'old' },
  ]) {
    const driver = helping(false)
    driver.now += after
    const greeting = restartable({ restarting })
    // The lower identifier: the neighbour's connection would lose a collision.
    greeting.routerId = '9.0.0.1' as never
    driver.accept()
    const outputs = show(driver.receive(-1, greeting))
    if (winner === 'new') assert.deepEqual(outputs, ['close 1', 'down local graceful', 'send keepalive -1'])
    else assert.deepEqual(outputs, ['send 6/7 -1', 'close -1'])
  }
})

test('RFC 9687 §4.3: a neighbour that takes no bytes is given up, one that takes some is not', () => {
  const driver = inState('established', { sendHoldSeconds: 20 })
  const queue = (bytes: number, stalled = false) =>
    show(driver.give({ kind: 'sendQueue', connection: 1, bytes, stalled }))
  const alive = () => driver.receive(1, keepalive)
  assert.deepEqual(queue(600_000), [])
  driver.now += 19_000
  alive()
  assert.deepEqual(queue(599_999), [])
  driver.now += 19_000
  alive()
  assert.equal(driver.state, 'established')
  queue(700_000, true)
  driver.now += 1000
  assert.deepEqual(show(driver.give({ kind: 'tick' })).slice(0, 3), ['send 8/0 1', 'close 1', 'down sent'])
})

test('RFC 9687 §4.3: a neighbour that takes nothing of a few bytes is given up, too', () => {
  const driver = inState('established', { sendHoldSeconds: 20 })
  const queue = (bytes: number, stalled: boolean) =>
    show(driver.give({ kind: 'sendQueue', connection: 1, bytes, stalled }))
  queue(19, true)
  driver.now += 19_000
  driver.receive(1, keepalive)
  queue(0, false)
  driver.now += 60_000
  driver.receive(1, keepalive)
  assert.equal(driver.state, 'established')
  queue(19, true)
  driver.now += 20_000
  driver.receive(1, keepalive)
  assert.equal(driver.state, 'idle')
})

test('RFC 9687 §4.3: a queue that has been taken stops the timer', () => {
  const driver = inState('established', { sendHoldSeconds: 20 })
  driver.give({ kind: 'sendQueue', connection: 1, bytes: 600_000 })
  driver.give({ kind: 'sendQueue', connection: 1, bytes: 100 })
  driver.now += 60_000
  driver.receive(1, keepalive)
  assert.equal(driver.state, 'established')
})

test('RFC 9687 §6: the send hold time is the larger of eight minutes and twice the hold time', () => {
  for (const [holdTimeSeconds, seconds] of [
    [90, 480],
    [600, 1200],
    // §4.3: no hold time, no send hold time.
    [0, Infinity],
  ] as const) {
    const timers = { connectRetrySeconds: 120, holdTimeSeconds, keepaliveSeconds: 30 }
    const driver = inState('openSent', { timers })
    driver.receive(1, open({ holdTimeSeconds }), keepalive)
    driver.give({ kind: 'sendQueue', connection: 1, bytes: 600_000 })
    assert.ok(driver.session.kind === 'established')
    assert.equal(driver.session.sendHoldAt, seconds * 1000)
  }
})

const delayed = { delayOpenSeconds: 7 }

test('RFC 4271 §8.1.1 DelayOpen: the OPEN goes out when the time is over (event 12)', () => {
  const driver = inState('connect', delayed)
  assert.deepEqual(show(driver.dialed(1)), [])
  assert.deepEqual([driver.state, driver.deadline], ['connect', 7000])
  assert.deepEqual(show(driver.wait()), ['send open 1'])
  assert.equal(driver.state, 'openSent')
})

test("RFC 4271 §8.1.1 DelayOpen: the neighbour's OPEN is answered at once (event 20)", () => {
  const driver = inState('active', delayed)
  driver.give({ kind: 'accepted', connection: -1, ends })
  assert.equal(driver.state, 'active')
  assert.deepEqual(show(driver.receive(-1, open())), ['send open -1', 'send keepalive -1'])
  assert.equal(driver.state, 'openConfirm')
})

test('RFC 4271 §8.2.2: before its own OPEN a session ends without a NOTIFICATION', () => {
  for (const { input, out, state } of [
    { input: lost, out: ['failed local'], state: 'active' },
    { input: received(6, 2), out: ['close 1', 'failed received'], state: 'idle' },
    { input: broken, out: ['close 1', 'failed local'], state: 'idle' },
    {
      input: { kind: 'received', connection: 1, message: keepalive } as const,
      out: ['close 1', 'failed local'],
      state: 'idle',
    },
    { input: stop(), out: ['close 1'], state: 'idle' },
  ]) {
    const driver = inState('connect', delayed)
    driver.dialed(1)
    assert.deepEqual(show(driver.give(input)), out)
    assert.equal(driver.state, state)
  }
})
