import assert from 'node:assert/strict'
import test from 'node:test'
import { address } from '#core/net/address.ts'
import type { Open } from '../wire/message.ts'
import type { SessionConfig } from './io.ts'
import { Driver, ends, inState, keepalive, notification, open, show } from './session.testing.ts'

/** The neighbour's side of the comparison (RFC 4271 §6.8, RFC 6286 §2.3); connection 1 is outbound, -1 inbound. */
const sides: { name: string; open: Partial<Open>; config?: Partial<SessionConfig>; stays: 1 | -1 }[] = [
  { name: 'lower identifier', open: { routerId: address('9.255.255.255') }, stays: 1 },
  { name: 'higher identifier', open: { routerId: address('10.0.0.2') }, stays: -1 },
  { name: 'identifier that is higher as a number only', open: { routerId: address('200.0.0.1') }, stays: -1 },
  { name: 'equal identifier and higher AS', open: { routerId: address('10.0.0.1') }, stays: -1 },
  {
    name: 'equal identifier and lower AS',
    open: { routerId: address('10.0.0.1'), asn: 64999 },
    config: { remoteAsn: 64999 },
    stays: 1,
  },
]

for (const { name, open: changes, config, stays } of sides) {
  const greeting = open(changes)
  const goes = -stays as 1 | -1

  for (const first of [1, -1] as const) {
    test(`OPEN first on ${first}: with a ${name}, ${stays} stays`, () => {
      const driver = new Driver(config)
      driver.give({ kind: 'start' })
      driver.dialed(1)
      driver.accept()
      driver.receive(first, greeting)
      const second = -first
      const outputs = show(driver.receive(second, greeting))
      const closing = [`send 6/7 ${goes}`, `close ${goes}`]
      assert.deepEqual(outputs, second === goes ? closing : [...closing, `send keepalive ${second}`])
      assert.deepEqual(show(driver.receive(stays, keepalive)), [`up ${stays}`])
      assert.equal(driver.state, 'established')
    })

    test(`Established on ${first} before the other's OPEN: with a ${name}, ${stays} stays`, () => {
      const driver = new Driver(config)
      driver.give({ kind: 'start' })
      driver.dialed(1)
      driver.accept()
      driver.receive(first, greeting, keepalive)
      assert.equal(driver.state, 'established')
      const second = -first
      const outputs = show(driver.receive(second, greeting))
      const closing = [`send 6/7 ${goes}`, `close ${goes}`]
      if (second === goes) {
        assert.deepEqual(outputs, closing)
      } else {
        assert.deepEqual(outputs, [...closing, 'down sent', `send keepalive ${second}`])
        assert.deepEqual(show(driver.receive(second, keepalive)), [`up ${second}`])
      }
      assert.equal(driver.state, 'established')
    })
  }
}

test('a connection that is still being dialed is given up when the other is Established', () => {
  const driver = inState('connect')
  const inbound = driver.accept()
  driver.receive(inbound, open())
  assert.deepEqual(show(driver.receive(inbound, keepalive)), ['up -1', 'close 1'])
  assert.deepEqual(driver.dialed(1), [])
})

test('the loss of one connection leaves the other alone', () => {
  for (const [lost, kept] of [
    [1, -1],
    [-1, 1],
  ] as const) {
    const driver = inState('connect')
    driver.dialed(1)
    driver.accept()
    driver.give({ kind: 'closed', connection: lost, reason: 'reset' })
    driver.receive(kept, open(), keepalive)
    assert.equal(driver.state, 'established')
  }
})

test('the neighbour may resolve the collision: its Cease is no failure', () => {
  const driver = inState('connect')
  driver.dialed(1)
  driver.accept()
  assert.deepEqual(show(driver.receive(1, notification(6, 7))), ['close 1'])
  driver.receive(-1, open(), keepalive)
  assert.equal(driver.state, 'established')
})

test('a newer connection from the neighbour replaces its older one', () => {
  const driver = inState('active')
  driver.accept()
  const newer = driver.accept()
  assert.deepEqual(show(driver.outputs), ['send 6/7 -1', 'close -1', 'send open -2'])
  driver.receive(newer, open(), keepalive)
  assert.equal(driver.state, 'established')
})

test('a connection that waits beside a session follows it when it falls', () => {
  const driver = inState('established')
  const rival = driver.accept()
  driver.give({ kind: 'closed', connection: 1, reason: 'reset' })
  assert.deepEqual(show(driver.outputs), ['down local'])
  assert.equal(driver.state, 'openSent')
  driver.receive(rival, open(), keepalive)
  assert.equal(driver.state, 'established')
})

test('what happens to a rival never touches the session', () => {
  const driver = inState('established')
  const rivals = [
    () => driver.receive(driver.accept(), keepalive),
    () => driver.receive(driver.accept(), open({ asn: 1 })),
    () => driver.receive(driver.accept(), notification(6, 2)),
    () => driver.give({ kind: 'closed', connection: driver.accept(), reason: 'reset' }),
  ]
  assert.deepEqual(
    rivals.map((act) => show(act())),
    [['send 5/1 -1', 'close -1'], ['send 2/2 -2', 'close -2'], ['close -3'], []],
  )
  assert.equal(driver.state, 'established')
  assert.ok(driver.session.kind === 'established' && driver.session.rival === undefined)
  assert.deepEqual(driver.session.negotiated.ends, ends)
})
