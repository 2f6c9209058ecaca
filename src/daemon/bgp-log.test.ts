import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { BgpEvent } from '#core/bgp/io.ts'
import { address } from '#core/net/address.ts'
import { BgpLog } from './bgp-log.ts'
import { createLogger, type LogKeys } from './log.ts'

function bed() {
  const lines: string[] = []
  const time = { now: 0 }
  const log = createLogger({ level: 'info', write: (line) => lines.push(line) })
  const bgpLog = new BgpLog(log, () => time.now)
  return {
    time,
    write: (event: BgpEvent) => bgpLog.write('edge', event),
    /** `message peer-or-address count` of the lines since the last call. */
    said: () =>
      lines.splice(0).map((line) => {
        const { message, peer, address, count } = JSON.parse(line) as LogKeys & { message: string }
        return [message, peer, address, count].filter((part) => part !== undefined).join(' ')
      }),
  }
}

const fault = (peer: string): BgpEvent => ({ kind: 'updateFault', peer, message: 'ORIGIN of value 7' })

test('a neighbour that sends malformed UPDATEs without end fills no log', () => {
  const { time, write, said } = bed()
  for (let i = 0; i < 100; i++) write(fault('loud'))
  write(fault('quiet'))
  assert.deepEqual(said(), [...Array<string>(20).fill('malformed update loud'), 'malformed update quiet'])
  time.now += 10_000
  write(fault('loud'))
  write(fault('quiet'))
  assert.deepEqual(said(), [
    'malformed update: some were left out loud 80',
    'malformed update loud',
    'malformed update quiet',
  ])
})

test('strangers from many addresses fill no log', () => {
  const { write, said } = bed()
  for (let i = 0; i < 100; i++)
    write({ kind: 'connectionRefused', address: address(`2001:db8::${i + 1}`), reason: 'no peer' })
  assert.equal(said().length, 20)
})

test('what sessions do is always logged', () => {
  const { write, said } = bed()
  for (let i = 0; i < 100; i++) write({ kind: 'sessionDown', peer: 'tor', reason: 'hold timer expired' })
  assert.equal(said().length, 100)
})

test('prefix limits are told with their count and limit', () => {
  const { write, said } = bed()
  const event = { kind: 'prefixLimit', peer: 'tor', family: 'ipv4/unicast', max: 10 } as const
  write({ ...event, level: 'near', count: 8 })
  write({ ...event, level: 'over', count: 11 })
  assert.deepEqual(said(), ['prefix limit is near tor 8', 'prefix limit is passed tor 11'])
})
