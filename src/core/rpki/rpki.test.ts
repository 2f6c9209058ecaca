import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { errorCode } from './pdu.ts'
import { answer, Bench, intervals, roa, sent } from './rpki.testing.ts'

const v4 = roa('192.0.2.0/24', 24, 65001)
const v6 = roa('2001:db8::/32', 48, 65001)
const other = roa('198.51.100.0/24', 24, 65002)

const texts = {
  v4: '65001 24 192.0.2.0/24',
  v6: '65001 48 2001:db8::/32',
  other: '65002 24 198.51.100.0/24',
}

function ready(bench: Bench, version: 0 | 1 = 1): number {
  const connection = bench.dialed
  bench.give({ kind: 'opened', connection })
  bench.receive(connection, ...answer([v4, v6], 10, 7, version))
  return connection
}

test('RFC 8210 §8.1: the first query is a Reset Query, and nothing counts before End of Data', () => {
  const bench = new Bench([1])
  const connection = bench.dialed
  assert.deepEqual(sent(bench.give({ kind: 'opened', connection })), [{ kind: 'resetQuery', version: 1 }])
  const [response, first, second, end] = answer([v4, v6], 10)
  bench.receive(connection, response!, first!, second!)
  assert.deepEqual([...bench.told], [])
  bench.receive(connection, end!)
  assert.deepEqual([...bench.told], [texts.v4, texts.v6])
  const [status] = bench.rpki.status()
  assert.equal(status?.state, 'ready')
  assert.equal(status?.serial, 10)
  assert.deepEqual(status?.records, { ipv4: 1, ipv6: 1 })
})

test('RFC 8210 §8.2: a notification is answered by a Serial Query, and its answer changes only what it names', () => {
  const bench = new Bench([1])
  const connection = ready(bench)
  const asked = bench.receive(connection, { kind: 'serialNotify', version: 1, sessionId: 7, serial: 11 })
  assert.deepEqual(sent(asked), [{ kind: 'serialQuery', version: 1, sessionId: 7, serial: 10 }])
  const outputs = bench.receive(
    connection,
    { kind: 'cacheResponse', version: 1, sessionId: 7 },
    { kind: 'prefix', version: 1, announce: false, ...v4 },
    { kind: 'prefix', version: 1, announce: true, ...other },
    { kind: 'endOfData', version: 1, sessionId: 7, serial: 11, intervals },
  )
  assert.deepEqual(
    outputs.filter((output) => output.kind === 'origins'),
    [{ kind: 'origins', added: [other], removed: [v4] }],
  )
  assert.deepEqual([...bench.told].toSorted(), [texts.v6, texts.other].toSorted())
})

test('RFC 8210 §6: data is asked for again after the refresh interval', () => {
  const bench = new Bench([1])
  ready(bench)
  assert.deepEqual(sent(bench.wait(99_000)), [])
  assert.deepEqual(sent(bench.wait(1_000)), [{ kind: 'serialQuery', version: 1, sessionId: 7, serial: 10 }])
})

test('RFC 8210 §8.3: after Cache Reset all is asked for anew, and the old data serves until then', () => {
  const bench = new Bench([1])
  const connection = ready(bench)
  bench.receive(connection, { kind: 'serialNotify', version: 1, sessionId: 7, serial: 11 })
  const asked = bench.receive(connection, { kind: 'cacheReset', version: 1 })
  assert.deepEqual(sent(asked), [{ kind: 'resetQuery', version: 1 }])
  assert.equal(bench.told.size, 2)
  bench.receive(connection, ...answer([other], 12))
  assert.deepEqual([...bench.told], [texts.other])
})

test('RFC 8210 §6: the data of a lost cache stays until it expires', () => {
  const bench = new Bench([1])
  const connection = ready(bench)
  bench.give({ kind: 'closed', connection, reason: 'gone' })
  bench.wait(999_000)
  assert.equal(bench.told.size, 2)
  assert.equal(bench.rpki.status()[0]?.lastError?.message, 'connection closed: gone')
  bench.wait(1_000)
  assert.equal(bench.told.size, 0)
})

test('a connection to a known session goes on with a Serial Query', () => {
  const bench = new Bench([1])
  bench.give({ kind: 'closed', connection: ready(bench), reason: 'gone' })
  bench.wait(1_000)
  const asked = bench.give({ kind: 'opened', connection: bench.dialed })
  assert.deepEqual(sent(asked), [{ kind: 'serialQuery', version: 1, sessionId: 7, serial: 10 }])
})

test('a Serial Query that a restarted cache refuses is followed by a Reset Query, and the data stays meanwhile', () => {
  const bench = new Bench([1])
  bench.give({ kind: 'closed', connection: ready(bench), reason: 'gone' })
  bench.wait(1_000)
  const connection = bench.dialed
  bench.give({ kind: 'opened', connection })
  bench.give({ kind: 'received', connection, bytes: errorReport(1, errorCode.corruptData) })
  assert.equal(bench.told.size, 2)
  bench.wait(2_000)
  const asked = bench.give({ kind: 'opened', connection: bench.dialed })
  assert.deepEqual(sent(asked), [{ kind: 'resetQuery', version: 1 }])
})

for (const kind of ['serialNotify', 'cacheResponse', 'endOfData'] as const) {
  test(`RFC 8210 §5.1: a ${kind} of another session flushes the data and starts anew`, () => {
    const bench = new Bench([1])
    const connection = ready(bench)
    if (kind === 'serialNotify') bench.receive(connection, { kind, version: 1, sessionId: 8, serial: 11 })
    else {
      bench.receive(connection, { kind: 'serialNotify', version: 1, sessionId: 7, serial: 11 })
      if (kind === 'cacheResponse') bench.receive(connection, { kind, version: 1, sessionId: 8 })
      else {
        bench.receive(connection, { kind: 'cacheResponse', version: 1, sessionId: 7 })
        bench.receive(connection, { kind, version: 1, sessionId: 8, serial: 11, intervals })
      }
    }
    assert.equal(bench.told.size, 0)
    bench.wait(1_000)
    const asked = bench.give({ kind: 'opened', connection: bench.dialed })
    assert.deepEqual(sent(asked), [{ kind: 'resetQuery', version: 1 }])
  })
}

describe('RFC 8210 §7: protocol versions', () => {
  test('an answer in version 0 settles version 0', () => {
    const bench = new Bench([1])
    const connection = ready(bench, 0)
    assert.deepEqual([...bench.told], [texts.v4, texts.v6])
    const asked = bench.receive(connection, { kind: 'serialNotify', version: 0, sessionId: 7, serial: 11 })
    assert.deepEqual(sent(asked), [{ kind: 'serialQuery', version: 0, sessionId: 7, serial: 10 }])
  })

  test('Unsupported Protocol Version is followed by version 0 at once', () => {
    const bench = new Bench([1])
    const connection = bench.dialed
    bench.give({ kind: 'opened', connection })
    bench.give({ kind: 'received', connection, bytes: errorReport(0, errorCode.unsupportedVersion) })
    assert.notEqual(bench.dialed, connection)
    const asked = bench.give({ kind: 'opened', connection: bench.dialed })
    assert.deepEqual(sent(asked), [{ kind: 'resetQuery', version: 0 }])
  })

  test('a cache that closes on version 1 is asked in version 0', () => {
    const bench = new Bench([1])
    const connection = bench.dialed
    bench.give({ kind: 'opened', connection })
    bench.give({ kind: 'closed', connection, reason: 'end of stream' })
    bench.wait(1_000)
    const asked = bench.give({ kind: 'opened', connection: bench.dialed })
    assert.deepEqual(sent(asked), [{ kind: 'resetQuery', version: 0 }])
  })

  test('a notification before the first answer says nothing, whatever its version', () => {
    const bench = new Bench([1])
    const connection = bench.dialed
    bench.give({ kind: 'opened', connection })
    bench.receive(connection, { kind: 'serialNotify', version: 0, sessionId: 1, serial: 1 })
    bench.receive(connection, ...answer([v4], 10))
    assert.deepEqual([...bench.told], [texts.v4])
  })

  test('another version later is answered by Unexpected Protocol Version', () => {
    const bench = new Bench([1])
    const connection = ready(bench)
    const outputs = bench.receive(connection, { kind: 'cacheReset', version: 0 })
    assert.deepEqual(errorsSent(outputs), [errorCode.unexpectedVersion])
  })
})

const mistakes = [
  {
    name: 'RFC 8210 §5.6: a record that was announced already',
    pdus: [
      { kind: 'cacheResponse', version: 1, sessionId: 7 },
      { kind: 'prefix', version: 1, announce: true, ...v4 },
    ],
    code: errorCode.duplicateAnnouncement,
  },
  {
    name: 'RFC 8210 §12: a withdrawal of a record that was never announced',
    pdus: [
      { kind: 'cacheResponse', version: 1, sessionId: 7 },
      { kind: 'prefix', version: 1, announce: false, ...other },
    ],
    code: errorCode.withdrawalOfUnknown,
  },
  {
    name: 'a record outside of an answer',
    pdus: [{ kind: 'prefix', version: 1, announce: true, ...other }],
    code: errorCode.corruptData,
  },
  {
    name: 'End of Data without Cache Response',
    pdus: [{ kind: 'endOfData', version: 1, sessionId: 7, serial: 11, intervals }],
    code: errorCode.corruptData,
  },
  {
    name: 'RFC 8210 §12: a query, which only routers send',
    pdus: [{ kind: 'resetQuery', version: 1 }],
    code: errorCode.invalidRequest,
  },
] as const

for (const { name, pdus, code } of mistakes) {
  test(`${name} ends the session with error ${code} and leaves the data`, () => {
    const bench = new Bench([1])
    const connection = ready(bench)
    bench.receive(connection, { kind: 'serialNotify', version: 1, sessionId: 7, serial: 11 })
    const outputs = bench.receive(connection, ...pdus)
    assert.deepEqual(errorsSent(outputs), [code])
    assert.ok(outputs.some((output) => output.kind === 'close' && output.connection === connection))
    assert.deepEqual([...bench.told], [texts.v4, texts.v6])
  })
}

test('a peer that does not speak the protocol is told so and tried again later and later', () => {
  const bench = new Bench([1])
  const attempts: number[] = []
  for (let i = 0; i < 8; i++) {
    const connection = bench.dialed
    bench.give({ kind: 'opened', connection })
    const http = Uint8Array.from('HTTP/1.1 400 Bad Request\r\n\r\n', (char) => char.charCodeAt(0))
    assert.equal(errorsSent(bench.give({ kind: 'received', connection, bytes: http })).length, 1)
    const start = bench.now
    while (bench.dialed === connection) bench.wait(500)
    attempts.push(bench.now - start)
  }
  assert.deepEqual(attempts, [1000, 2000, 4000, 8000, 16_000, 32_000, 64_000, 128_000])
})

test('a cache that stops answering is given up, and its data kept', () => {
  const bench = new Bench([1])
  const connection = ready(bench)
  bench.receive(connection, { kind: 'serialNotify', version: 1, sessionId: 7, serial: 11 })
  const outputs = bench.wait(60_000)
  assert.ok(outputs.some((output) => output.kind === 'close' && output.connection === connection))
  assert.equal(bench.told.size, 2)
})

describe('RFC 8210 §10: several caches', () => {
  test('the next one is asked when the preferred one fails, and left when that is back', () => {
    const bench = new Bench([2, 1])
    const preferred = bench.dialed
    assert.equal(dials(bench), 1)
    bench.give({ kind: 'failed', connection: preferred, reason: 'refused' })
    assert.equal(dials(bench), 2)
    const second = bench.dialed
    bench.give({ kind: 'opened', connection: second })
    bench.receive(second, ...answer([v4, other], 3))
    assert.equal(bench.told.size, 2)
    bench.wait(1_000)
    assert.equal(dials(bench), 3)
    bench.give({ kind: 'opened', connection: bench.dialed })
    const outputs = bench.receive(bench.dialed, ...answer([v4, v6], 10, 8))
    assert.ok(outputs.some((output) => output.kind === 'close' && output.connection === second))
    assert.deepEqual([...bench.told].toSorted(), [texts.v4, texts.v6].toSorted())
    assert.deepEqual(
      outputs.filter((output) => output.kind === 'origins'),
      [{ kind: 'origins', added: [v6], removed: [other] }],
    )
    assert.deepEqual(
      bench.rpki.status().map(({ used, state }) => ({ used, state })),
      [
        { used: true, state: 'ready' },
        { used: false, state: 'idle' },
      ],
    )
  })

  test('one that is as good as the one that works is not asked', () => {
    const bench = new Bench([1, 1])
    bench.give({ kind: 'failed', connection: bench.dialed, reason: 'refused' })
    ready(bench)
    bench.wait(60_000)
    assert.equal(dials(bench), 2)
  })

  test('the data of one that is taken out of the configuration is withdrawn', () => {
    const bench = new Bench([1])
    const connection = ready(bench)
    const outputs = bench.give({ kind: 'configure', caches: [] })
    assert.ok(outputs.some((output) => output.kind === 'close' && output.connection === connection))
    assert.equal(bench.told.size, 0)
    assert.equal(bench.rpki.nextDeadline(), Infinity)
  })
})

function dials(bench: Bench): number {
  return bench.outputs.filter(({ kind }) => kind === 'dial').length
}

function errorsSent(outputs: Parameters<typeof sent>[0]): number[] {
  return sent(outputs).flatMap((pdu) => (pdu.kind === 'errorReport' ? pdu.code : []))
}

function errorReport(version: number, code: number): Uint8Array {
  return Uint8Array.of(version, 10, 0, code, 0, 0, 0, 16, 0, 0, 0, 0, 0, 0, 0, 0)
}
