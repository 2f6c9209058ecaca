import assert from 'node:assert/strict'
import { test } from 'node:test'
import { route, World } from '#core/bgp/bgp.testing.ts'
import { familyOfPrefix } from '#core/bgp/family.ts'
import type { RouteEntry } from '#core/bgp/io.ts'
import type { TappedSession } from '#core/bgp/tap.ts'
import { address } from '#core/net/address.ts'
import { prefix } from '#core/net/prefix.ts'
import { dumpTables, fileNameOf, nextFileAt, UpdateRecorder, type DumpSource } from './dump.ts'
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

test('RFC 6396 §4.3.2: a prefix has one record, also when its paths come in several pages', () => {
  const sessions = (['192.0.2.2', '192.0.2.3'] as const).map((text, i): TappedSession => {
    const remoteAddress = address(text)
    const ends = { localAddress: address('192.0.2.1'), localPort: 179, remoteAddress, remotePort: 40_000 }
    return {
      peer: `p${i}`,
      asn: 65002,
      routerId: remoteAddress,
      localAsn: 65001,
      ends,
      families: ['ipv4/unicast', 'ipv6/unicast'],
      fourOctetAsn: true,
      addPathReceive: [],
      addPathSend: [],
      since: 0,
      sentOpen: new Uint8Array(0),
      receivedOpen: new Uint8Array(0),
    }
  })
  const entry = (text: string, peer: string): RouteEntry => ({
    prefix: prefix(text),
    peer,
    attributes: {
      origin: 'igp',
      asPath: [],
      nextHop: address(text.includes(':') ? '2001:db8::1' : '192.0.2.2'),
    },
    since: 0,
    best: true,
  })
  for (const [one, other] of [
    ['203.0.113.0/24', '198.51.100.0/24'],
    ['2001:db8:2::/48', '2001:db8:3::/48'],
  ] as const) {
    const pages = [[entry(other, 'p0'), entry(one, 'p0')], [], [entry(one, 'p1')], [entry(other, 'p1')], []]
    const page: DumpSource['page'] = (table, { family }, cursor) =>
      table === 'adjRibIn' && family === familyOfPrefix(prefix(one))
        ? { entries: pages[cursor]!, ...(cursor + 1 < pages.length && { next: cursor + 1 }) }
        : { entries: [] }
    const source = { asn: 65001, routerId: address('192.0.2.1'), name: 'edge', sessions, page }
    const parts = [...dumpTables(source, 0)].flat()
    // The peers, and then the other prefix, this one with both its paths, and the other one again.
    assert.equal(parts.length, 4)
    assert.deepEqual(
      lines([joined(parts)]).map((line) => line.split('|').slice(3, 6).join(' ')),
      [
        `192.0.2.2 65002 ${other}`,
        `192.0.2.2 65002 ${one}`,
        `192.0.2.3 65002 ${one}`,
        `192.0.2.3 65002 ${other}`,
      ],
    )
  }
})

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
