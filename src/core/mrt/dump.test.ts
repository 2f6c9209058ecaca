import assert from 'node:assert/strict'
import { test } from 'node:test'
import { route, World } from '#core/bgp/bgp.testing.ts'
import { dumpTables, fileNameOf, nextFileAt, UpdateRecorder } from './dump.ts'
import { readAll } from './mrt.testing.ts'
import { Shower, textOf } from './show.ts'

function lines(parts: readonly Uint8Array[]): string[] {
  const shower = new Shower()
  return parts.flatMap((part) =>
    readAll(part).records.flatMap((record) => shower.show(record).flatMap((shown) => textOf(shown) ?? [])),
  )
}

for (const version of [4, 6] as const) {
  test(`what a speaker shows and holds becomes records, over IPv${version}`, () => {
    const world = new World()
    const a = world.speaker('a', 65001, { 4: '192.0.2.1', 6: '2001:db8::1' })
    const b = world.speaker('b', 65002, { 4: '192.0.2.2', 6: '2001:db8::2' })
    world.join(a, b, version)
    a.config.routes = [route('198.51.100.0/24', ['b'])]
    b.config.routes = [route('203.0.113.0/24', ['a']), route('2001:db8:2::/48', ['a'])]
    a.config.taps = { received: true, sent: false, best: false }
    world.configure(a, b)
    world.run(12_000)
    const recorder = new UpdateRecorder([])
    const record = () => a.taps.splice(0).flatMap((tap) => recorder.record(tap, 1_700_000_000_000) ?? [])
    const peer = b.addresses[version]!
    const updates = lines(record())
    assert.equal(updates[0], `BGP4MP|1700000000|STATE|${peer}|65002|5|6`)
    assert.ok(
      updates.includes(`BGP4MP|1700000000|A|${peer}|65002|203.0.113.0/24|65002|IGP|192.0.2.2|0|0|||NAG||`),
    )

    const sessions = a.bgp.tappedSessions()
    const { asn, routerId } = a.config
    const page = (...query: Parameters<typeof a.bgp.routePage>) => a.bgp.routePage(...query)
    const dump = [...dumpTables({ asn, routerId, name: 'edge', sessions, page }, 1_700_000_000_000)].flat()
    const table = lines([joined(dump)])
    assert.deepEqual(
      table.map((line) => line.split('|').slice(3, 6).join(' ')),
      [`${peer} 65002 203.0.113.0/24`, `${peer} 65002 2001:db8:2::/48`, '0.0.0.0 65001 198.51.100.0/24'],
    )

    world.shutdown(b)
    world.run(100)
    assert.equal(lines(record()).at(-1), `BGP4MP|1700000000|STATE|${peer}|65002|6|1`)
  })
}

test('names of files are filled in with the time in UTC and the instance', () => {
  const at = Date.parse('2026-01-02T03:04:05Z')
  assert.equal(fileNameOf('/x/%Y%m%d/%H%M-%S-%i-%%-%q', 'edge/1', at), '/x/20260102/0304-05-edge_1-%-%q')
})

test('files begin at whole multiples of their period', () => {
  assert.equal(nextFileAt(1_700_000_000_000, 900), 1_700_000_100_000)
  assert.equal(nextFileAt(1_700_000_100_000, 900), 1_700_001_000_000)
})

function joined(parts: readonly Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0))
  let at = 0
  for (const part of parts) {
    bytes.set(part, at)
    at += part.length
  }
  return bytes
}
