import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createLogger } from './log.ts'

test('writes JSON lines with a constant message and keys', () => {
  const lines: string[] = []
  const log = createLogger({ level: 'info', write: (line) => lines.push(line) }, { role: 'speaker' })
  log.debug('not this one')
  log.warn('session down', { peer: 'tor', reason: 'hold timer expired' })
  const [line] = lines.map((text) => JSON.parse(text) as Record<string, unknown>)
  assert.equal(lines.length, 1)
  assert.equal(typeof line!['time'], 'string')
  delete line!['time']
  assert.deepEqual(line, {
    level: 'warn',
    role: 'speaker',
    peer: 'tor',
    reason: 'hold timer expired',
    message: 'session down',
  })
})

test('writes text for people, quoted where it must be', () => {
  const lines: string[] = []
  const log = createLogger({ level: 'debug', human: true, write: (line) => lines.push(line) })
  log.info('session up', { peer: 'tor', reason: 'a "quoted" reason', count: 2 })
  assert.match(
    lines[0]!,
    /^\d\d:\d\d:\d\d\.\d{3} info {2}session up {2}peer=tor reason="a \\"quoted\\" reason" count=2\n$/,
  )
})

test('knows whether debug lines go anywhere', () => {
  assert.equal(createLogger({ level: 'info', write: () => {} }).debugEnabled, false)
  assert.equal(createLogger({ level: 'debug', write: () => {} }).debugEnabled, true)
})
