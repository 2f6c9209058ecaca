import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { addPathFile, at, attributes, attributes6, mutated, readAll, sampleFile } from './mrt.testing.ts'
import { attributesOfEntry, changesOf, updateOf } from './routes.ts'
import { jsonOf, Shower, textOf } from './show.ts'

function lines(bytes: Uint8Array): string[] {
  const shower = new Shower()
  return readAll(bytes).records.flatMap((record) =>
    shower.show(record).flatMap((shown) => textOf(shown) ?? []),
  )
}

test('RFC 6396: what was written is read again, in any cut', () => {
  const whole = readAll(sampleFile())
  assert.equal(whole.error, undefined)
  assert.equal(
    whole.records.map(({ kind }) => kind).join(' '),
    'stateChange message message message message message stateChange peers rib rib',
  )
  for (const cut of [1, 7, 100]) assert.deepEqual(readAll(sampleFile(), cut), whole)
})

test('RFC 6396 §4.3.4: attributes of a RIB entry survive, over either IP version', () => {
  const ribs = readAll(sampleFile()).records.filter((record) => record.kind === 'rib')
  const values = ribs.map(({ family, prefix, entries }) => attributesOfEntry(family, prefix, entries[0]!))
  assert.deepEqual(values, [attributes, attributes6])
})

test('RFC 8050: path identifiers are written and read, in messages and tables', () => {
  const { records, error } = readAll(addPathFile())
  assert.equal(error, undefined)
  const ids = records.flatMap((record) => {
    if (record.kind === 'rib') return record.entries.map(({ pathId }) => pathId)
    if (record.kind !== 'message') return []
    return changesOf(updateOf(record)!).map(({ pathId }) => pathId)
  })
  assert.deepEqual(ids, [9, 9, 9, 9])
})

test('every record has its line in the columns of bgpdump -m -l', () => {
  const second = at / 1000
  const update = (end: string) => `BGP4MP|${second + 1}|A|2001:db8::3|65003|${end}`
  const [v4, v6] = [
    '203.0.113.0/24|4200000002 65010|IGP|192.0.2.2|0|7|65002:1 no-export|65002:1:2|NAG||',
    '2001:db8:3::/48|65003 {65011,65012}|INCOMPLETE|2001:db8::3|200|0|||AG|65012 192.0.2.9|',
  ]
  assert.deepEqual(lines(sampleFile()), [
    `BGP4MP|${second}|STATE|192.0.2.2|4200000002|5|6`,
    update(v4),
    update(v6),
    update(v4),
    `BGP4MP|${second + 2}|W|192.0.2.2|4200000002|203.0.113.0/24`,
    `BGP4MP|${second + 2}|W|192.0.2.2|4200000002|2001:db8:3::/48`,
    `BGP4MP|${second + 3}|STATE|2001:db8::3|65003|6|1`,
    `TABLE_DUMP2|${second}|B|192.0.2.2|4200000002|${v4}`,
    `TABLE_DUMP2|${second}|B|2001:db8::3|65003|${v4.replace('|192.0.2.2|', '|192.0.2.3|')}`,
    `TABLE_DUMP2|${second}|B|2001:db8::3|65003|${v6}`,
  ])
})

test('a file that ends within a record says where', () => {
  const { records, error } = readAll(sampleFile().slice(0, -1))
  assert.equal(records.length, 9)
  assert.match(error ?? '', /ends within a record that begins at byte \d+/)
})

test('what is no MRT file is refused and named', () => {
  assert.match(readAll(new Uint8Array(100).fill(0x41)).error ?? '', /no MRT file/)
})

test('a compressed file is told from other mistakes', () => {
  const gzip = Uint8Array.of(0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, 0)
  assert.match(readAll(gzip).error ?? '', /^compressed data at byte 0/)
})

test('whatever the bytes, reading and showing end without a throw and within bounds', () => {
  const files = [sampleFile(), addPathFile()]
  const bytes = fc.oneof(...files.map(mutated), fc.uint8Array({ maxLength: 200 }))
  fc.assert(
    fc.property(bytes, (file) => {
      const { records } = readAll(file)
      const shower = new Shower()
      for (const record of records)
        for (const shown of shower.show(record)) {
          textOf(shown)
          jsonOf(shown)
        }
      assert.ok(records.length <= file.length / 12)
    }),
    { numRuns: 1000 },
  )
})
