import assert from 'node:assert/strict'
import test from 'node:test'
import fc from 'fast-check'
import { prefixOf } from '#core/net/prefix.ts'
import { addressFromBytes } from '#core/net/address.ts'
import { encodePdu, PduFramer, type Pdu } from './pdu.ts'
import { CacheRecords, keyOf, type Roa } from './records.ts'
import { answer, Bench } from './rpki.testing.ts'

const u16 = fc.integer({ min: 0, max: 0xffff })
const u32 = fc.integer({ min: 0, max: 0xffff_ffff })

function roaOfVersion(octets: 4 | 16): fc.Arbitrary<Roa> {
  const bits = 8 * octets
  return fc
    .record({
      bytes: fc.uint8Array({ minLength: octets, maxLength: octets }),
      length: fc.integer({ min: 0, max: bits }),
      more: fc.integer({ min: 0, max: bits }),
      asn: u32,
    })
    .map(({ bytes, length, more, asn }) => ({
      prefix: prefixOf(addressFromBytes(bytes), length),
      maxLength: Math.min(bits, length + more),
      asn,
    }))
}
const anyRoa = fc.oneof(roaOfVersion(4), roaOfVersion(16))
const interval = fc.record(
  { refreshSeconds: u32, retrySeconds: u32, expireSeconds: u32 },
  { noNullPrototype: true },
)
const version = fc.constantFrom(0 as const, 1 as const)
const sendable: fc.Arbitrary<Parameters<typeof encodePdu>[0]> = fc.oneof(
  fc.record({
    kind: fc.constantFrom('serialNotify' as const, 'serialQuery' as const),
    version,
    sessionId: u16,
    serial: u32,
  }),
  fc.record({ kind: fc.constantFrom('resetQuery' as const, 'cacheReset' as const), version }),
  fc.record({ kind: fc.constant('cacheResponse' as const), version, sessionId: u16 }),
  fc.tuple(version, fc.boolean(), anyRoa).map(([v, announce, roa]) => ({
    kind: 'prefix' as const,
    version: v,
    announce,
    ...roa,
  })),
  fc.record({
    kind: fc.constant('endOfData' as const),
    version: fc.constant(0 as const),
    sessionId: u16,
    serial: u32,
  }),
  fc.record({
    kind: fc.constant('endOfData' as const),
    version: fc.constant(1 as const),
    sessionId: u16,
    serial: u32,
    intervals: interval,
  }),
)

test('PDUs survive the wire in any cut', () => {
  fc.assert(
    fc.property(fc.array(sendable, { maxLength: 20 }), fc.integer({ min: 1, max: 50 }), (pdus, cut) => {
      const bytes = joined(pdus.map(encodePdu))
      const framer = new PduFramer()
      const seen: Pdu[] = []
      for (let at = 0; at < bytes.length; at += cut) {
        framer.push(bytes.slice(at, at + cut))
        for (let next = framer.next(); next !== undefined; next = framer.next()) {
          assert.ok(next.ok, next.ok ? '' : next.error.message)
          seen.push(next.value)
        }
      }
      assert.deepEqual(
        seen,
        pdus.map((pdu) => ({ ...pdu })),
      )
    }),
  )
})

test('whatever a cache sends, the client survives, answers at most once and keeps its books', () => {
  const mutation = fc.record({ at: fc.nat(400), value: fc.integer({ min: 0, max: 255 }) })
  const noise = fc.oneof(
    fc.uint8Array({ maxLength: 64 }),
    fc
      .tuple(fc.array(sendable, { maxLength: 8 }), fc.array(mutation, { maxLength: 3 }))
      .map(([pdus, mutations]) => {
        const bytes = joined(pdus.map(encodePdu))
        for (const { at, value } of mutations) if (at < bytes.length) bytes[at] = value
        return bytes
      }),
    fc.array(anyRoa, { maxLength: 5 }).map((records) => joined(answer(records, 3).map(encodePdu))),
  )
  fc.assert(
    fc.property(fc.array(fc.tuple(noise, fc.nat(200_000)), { maxLength: 12 }), (chunks) => {
      const bench = new Bench([1, 2])
      for (const [bytes, ms] of chunks) {
        const connection = bench.dialed
        bench.give({ kind: 'opened', connection })
        const outputs = bench.give({ kind: 'received', connection, bytes })
        assert.ok(outputs.filter(({ kind }) => kind === 'close').length <= 2)
        const used = bench.rpki.status().find((cache) => cache.used)
        const count = (used?.records.ipv4 ?? 0) + (used?.records.ipv6 ?? 0)
        assert.equal(bench.told.size, count)
        bench.wait(ms)
      }
    }),
    { numRuns: 300 },
  )
})

test('records hold what a set would, through any changes', () => {
  const few = fc.integer({ min: 0, max: 5 }).map((asn): Roa => ({ ...sample, asn }))
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.boolean(), fc.boolean(), fc.array(fc.tuple(fc.boolean(), few)))),
      (answers) => {
        const records = new CacheRecords()
        let model = new Set<string>()
        for (const [full, complete, changes] of answers) {
          records.begin(full ? 'full' : 'changes')
          const next = new Set(full ? [] : model)
          for (const [announce, roa] of changes) {
            const error = records.stage(announce, roa)
            assert.equal(error !== undefined, next.has(keyOf(roa)) === announce)
            if (announce) next.add(keyOf(roa))
            else next.delete(keyOf(roa))
          }
          if (complete) {
            records.commit()
            model = next
          } else records.discard()
          assert.deepEqual([...records.current.keys()].toSorted(), [...model].toSorted())
          assert.deepEqual(records.counts, { ipv4: model.size, ipv6: 0 })
        }
      },
    ),
  )
})

const sample: Roa = {
  prefix: prefixOf(addressFromBytes(Uint8Array.of(10, 0, 0, 0)), 8),
  maxLength: 8,
  asn: 0,
}

function joined(parts: Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0))
  let at = 0
  for (const part of parts) {
    bytes.set(part, at)
    at += part.length
  }
  return bytes
}
