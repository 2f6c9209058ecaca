import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { address } from '#core/net/address.ts'
import { prefix } from '#core/net/prefix.ts'
import { encodePrefix } from '../wire/nlri.ts'
import { AttributeStore } from './attribute-store.ts'
import { IdQueue, cellOf, pathsMax, PeerTable, RibTable } from './rib-table.ts'

for (const [version, text] of [
  [4, '192.0.2.0/24'],
  [6, '2001:db8::/32'],
] as const) {
  test(`RFC 7911 §3: of one prefix only so many paths of a neighbour are kept (IPv${version})`, () => {
    const store = new AttributeStore(1)
    const table = new RibTable(version, store, { alwaysCompareMed: false }, 1)
    const [peer, other] = [new PeerTable(), new PeerTable()]
    table.peers.push(peer, other)
    const set = store.internTransient({ origin: 'igp', asPath: [], nextHop: address('192.0.2.1') })
    const id = table.prefixes.idOf(encodePrefix(prefix(text)), 0)
    const say = (slot: number, pathId: number, cell = cellOf(set, set, 0)) =>
      table.setChainedPath(slot, pathId, id, cell, 0, 0)
    for (let pathId = 0; pathId < pathsMax + 10; pathId++) say(1, pathId)
    assert.deepEqual([peer.received, peer.excess, table.chains.size], [pathsMax, 10, pathsMax])
    // What is there may be said again, and others are not concerned.
    say(1, 0)
    say(2, 0)
    assert.deepEqual([peer.excess, other.received, other.excess], [10, 1, 0])
    // One that was not kept may be taken back, and makes room for nobody.
    say(1, pathsMax, 0)
    say(1, 1, 0)
    say(1, pathsMax)
    assert.deepEqual([peer.received, peer.excess], [pathsMax, 10])
    for (let pathId = 0; pathId < pathsMax + 10; pathId++) say(1, pathId, 0)
    say(2, 0, 0)
    table.clean(id)
    store.releaseTransient()
    assert.deepEqual([peer.received, table.chains.size, table.prefixes.size, store.size], [0, 0, 0, 0])
  })
}

test('ids leave a queue in the order in which they came, over its blocks', () => {
  const change = fc.oneof(
    fc.record({ kind: fc.constant('push' as const), count: fc.nat({ max: 9000 }) }),
    fc.record({ kind: fc.constant('take' as const), count: fc.nat({ max: 9000 }) }),
  )
  fc.assert(
    fc.property(fc.array(change, { maxLength: 12 }), (changes) => {
      const queue = new IdQueue()
      let [first, end] = [0, 0]
      for (const { kind, count } of changes) {
        if (kind === 'push') for (let i = 0; i < count; i++) queue.push(end++)
        else {
          const taken = new Uint32Array(count)
          const many = queue.peek(taken)
          assert.equal(many, Math.min(count, end - first))
          for (let i = 0; i < many; i++) assert.equal(taken[i], first + i)
          queue.drop(many)
          first += many
        }
        assert.equal(queue.length, end - first)
      }
    }),
  )
})
