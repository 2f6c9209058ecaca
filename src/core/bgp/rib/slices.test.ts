import assert from 'node:assert/strict'
import { test } from 'node:test'
import { address } from '#core/net/address.ts'
import { prefix } from '#core/net/prefix.ts'
import { families, type Family } from '../family.ts'
import type { CompiledChain } from '../policy/chain.ts'
import { encodeAttributes } from '../wire/attributes.ts'
import { BitColumn, Column } from './column.ts'
import { Rib, type NeighbourSession } from './rib.ts'
import type { RibSink } from './update-groups.ts'

/**
 * Work is counted where it cannot hide: every look at a cell of a column. A table is many times as large as what a call may do,
 * so that whatever goes through all of it at once is found.
 */
const tableSize = 40_000
const sliceSize = 128
const lookMax = 100 * sliceSize

const family: Family = 'ipv4/unicast'

/** Two that send, two that get the same, two that take several paths, one that has nothing yet. */
const [senderA, senderB, receiverA, receiverB, severalA, severalB, late] = [1, 2, 3, 4, 5, 6, 7] as const

let looks = 0
count(Column.prototype, ['get', 'set', 'present'])
count(BitColumn.prototype, ['has', 'add', 'remove', 'next'])

const marks: CompiledChain = {
  key: 'marks',
  readsNeighbour: false,
  readsSource: false,
  writesNeighbour: false,
  decide: (_route, attributes, finish) => finish({ attributes: { ...attributes, communities: [7] } }),
}

const events: { name: string; steps: ((bed: Bed) => void)[] }[] = [
  { name: 'a neighbour comes up', steps: [(bed) => bed.up(late)] },
  {
    name: 'a neighbour goes on to a group of its own, and back',
    steps: [(bed) => bed.change(receiverA, marks), (bed) => bed.change(receiverA)],
  },
  {
    name: 'a neighbour goes on to another group before it is through with the last move',
    steps: [
      (bed) => {
        bed.change(receiverA, marks)
        bed.runs(3)
        bed.change(receiverA)
        bed.runs(3)
        bed.change(receiverA, marks)
      },
    ],
  },
  {
    name: 'all members of a group get other rules',
    steps: [
      (bed) => {
        for (const slot of [senderA, senderB, receiverA, receiverB]) bed.change(slot, marks)
      },
    ],
  },
  {
    name: 'a neighbour that takes several paths goes on to another group',
    steps: [(bed) => bed.change(severalA, marks), (bed) => bed.change(severalA)],
  },
  {
    name: 'the only member of a group goes',
    steps: [(bed) => bed.change(severalA, marks), (bed) => bed.down(severalA)],
  },
  {
    name: 'a neighbour that has fallen far behind is lost',
    steps: [
      (bed) => {
        bed.congest(receiverA, severalA)
        bed.announce(senderA, 2)
        bed.settle()
        bed.down(receiverA)
        bed.down(severalA)
      },
    ],
  },
  {
    name: 'neighbours that have fallen far behind take bytes again',
    steps: [
      (bed) => {
        bed.congest(receiverA, receiverB, severalA)
        bed.announce(senderA, 2)
        bed.settle()
        bed.relieve(receiverA, receiverB, severalA)
      },
    ],
  },
  { name: 'all is to be sent again', steps: [(bed) => bed.act(() => bed.rib.refresh(receiverA, family))] },
  {
    name: 'all is to be sent again in the middle of the first transfer',
    steps: [
      (bed) => {
        bed.up(late)
        bed.runs(50)
        bed.act(() => bed.rib.refresh(late, family))
      },
    ],
  },
  { name: 'a sender is lost', steps: [(bed) => bed.down(senderA)] },
  {
    name: 'a sender is lost three times before its routes are gone',
    steps: [
      (bed) => {
        for (let i = 0; i < 3; i++) {
          bed.down(senderA)
          bed.up(senderA)
          bed.announce(senderA, 3 + i, 1000 * (1 + i))
        }
      },
    ],
  },
  {
    name: 'a sender restarts, and restarts again before it has sent what it knows',
    steps: [
      (bed) => {
        for (let i = 0; i < 3; i++) {
          bed.down(senderA, [family])
          bed.up(senderA)
          bed.announce(senderA, 3 + i, 1000 * (1 + i))
        }
        bed.act(() => bed.rib.sweepStale(senderA, family))
      },
    ],
  },
  {
    name: 'the same with older routes kept, which are long-lived in the end',
    steps: [
      (bed) => {
        for (let i = 0; i < 3; i++) {
          bed.down(senderA, [family], [family])
          bed.up(senderA)
          bed.announce(senderA, 3 + i, 1000 * (1 + i))
        }
        bed.down(senderA, [family], [family])
        bed.act(() => bed.rib.toLongLived(senderA, family))
      },
    ],
  },
  {
    name: 'a sender comes back as another router',
    steps: [
      (bed) => {
        bed.down(senderA, [family])
        bed.up(senderA, '10.0.9.9')
      },
    ],
  },
  {
    name: 'a sender begins to send all anew, twice',
    steps: [
      (bed) => {
        bed.act(() => bed.rib.markStale(senderA, family))
        bed.act(() => bed.rib.markStale(senderA, family))
      },
    ],
  },
  {
    name: 'what a sender sent is not wanted any longer, and is again',
    steps: [
      (bed) => bed.act(() => bed.rib.setPolicy(senderA, { importRoutes: false, exportLearned: true })),
      (bed) => bed.act(() => bed.rib.setPolicy(senderA, { importRoutes: true, exportLearned: true })),
    ],
  },
  {
    name: 'a rule of the decision changes',
    steps: [(bed) => bed.act(() => bed.rib.setDecision({ alwaysCompareMed: true }))],
  },
  {
    name: 'nothing is passed on for a while',
    steps: [
      (bed) => bed.act(() => bed.rib.setDeferred(true)),
      (bed) => bed.act(() => bed.rib.setDeferred(false)),
    ],
  },
  {
    name: 'there are many own routes when a neighbour comes up that gets others of them',
    steps: [
      (bed) => {
        const routes = Array.from({ length: 3000 }, (_, i) => ({
          prefix: prefix(`172.${16 + (i >> 8)}.${i & 255}.0/24`),
          attributes: {},
          to: [
            { slot: receiverA, attributes: {} },
            { slot: late, attributes: { med: 1 } },
          ],
        }))
        bed.rib.setOwnRoutes(routes, 0)
        bed.settle()
        bed.up(late)
      },
    ],
  },
  { name: 'all neighbours are lost', steps: [(bed) => bed.downAll()] },
]

for (const { name, steps } of events)
  test(`no call looks at more than its slice of a table: ${name}`, () => {
    const bed = new Bed()
    for (const step of steps) {
      step(bed)
      bed.settle()
    }
    bed.downAll()
    bed.settle()
    bed.rib.setOwnRoutes([], 0)
    bed.settle()
    assert.equal(bed.rib.tables[family].prefixes.size, 0)
    assert.equal(bed.rib.store.size, 0)
    assert.ok(bed.most <= lookMax, `a call made ${bed.most} looks, ${lookMax} are allowed`)
    assert.ok(bed.total > tableSize, 'looks are counted')
  })

/** A speaker with a full table, where every call is counted. */
class Bed {
  readonly rib = new Rib({ seed: 1, sliceSize })
  most = 0
  total = 0
  readonly #sink: RibSink = { send() {}, refreshBorder() {}, bestChanged() {} }

  constructor() {
    for (let slot = 1; slot <= late; slot++)
      this.rib.addNeighbour({ importRoutes: true, exportLearned: true })
    for (let slot = 1; slot < late; slot++) this.up(slot)
    this.announce(senderA, 0)
    this.announce(senderB, 1)
    this.settle()
    this.total = 0
  }

  act(call: () => void): void {
    looks = 0
    call()
    this.total += looks
    this.most = Math.max(this.most, looks)
  }

  runs(times: number): void {
    for (let i = 0; i < times; i++) this.act(() => this.rib.run(0, this.#sink))
  }

  settle(): void {
    for (let i = 0; i < 100_000 && this.rib.nextRunAt() < Infinity; i++)
      this.act(() => this.rib.run(1000, this.#sink))
    assert.equal(this.rib.nextRunAt(), Infinity)
  }

  up(slot: number, routerId?: string): void {
    this.act(() => this.rib.sessionUp(slot, session(slot, routerId)))
  }

  down(slot: number, kept: readonly Family[] = [], older: readonly Family[] = []): void {
    this.act(() => this.rib.sessionDown(slot, kept, older))
  }

  downAll(): void {
    for (let slot = 1; slot <= late; slot++)
      if (this.rib.neighbours[slot] !== undefined) this.act(() => this.rib.removeNeighbour(slot))
  }

  change(slot: number, policy?: CompiledChain): void {
    const changed = session(slot)
    if (policy !== undefined) changed.target.policy = policy
    this.act(() => this.rib.changeSession(slot, changed))
  }

  congest(...slots: number[]): void {
    for (const slot of slots) this.act(() => this.rib.setCongested(slot, true))
  }

  relieve(...slots: number[]): void {
    for (const slot of slots) this.act(() => this.rib.setCongested(slot, false))
  }

  /** UPDATEs of a hundred routes, with a MED that tells one time from the other. */
  announce(slot: number, med: number, routes = tableSize): void {
    for (let first = 0; first < routes; first += 100) {
      const nlri = Uint8Array.from(
        Array.from({ length: 100 }, (_, i) => [24, 10, (first + i) >> 8, (first + i) & 255]).flat(),
      )
      const asPath = [{ kind: 'sequence' as const, asns: [65000 + slot, 64000 + (first % 700)] }]
      const announced = [{ family, nlri, nextHop: { global: address(`192.0.2.${slot}`) } }]
      const attributes = encodeAttributes({ origin: 'igp', asPath, med })
      this.act(() =>
        this.rib.receive(
          slot,
          { kind: 'update', withdrawn: [], announced, attributes, endOfRib: [], faults: [] },
          0,
        ),
      )
      this.runs(1)
    }
  }
}

function session(slot: number, routerId = `10.0.0.${slot}`): NeighbourSession {
  const from = {
    kind: 'external',
    name: String(slot),
    address: address(`192.0.2.${slot}`),
    asn: 65000 + slot,
    routerId: address(routerId),
  } as const
  const own = { localAsn: 65000, clusterId: address('10.0.0.99'), localAddress: address('192.0.2.99') }
  return {
    from,
    source: {
      from,
      ...own,
      localRouterId: address('10.0.0.99'),
      importRoutes: true,
      enforceFirstAs: false,
      honourGracefulShutdown: true,
      aigp: false,
    },
    target: { kind: 'external', address: from.address, asn: from.asn, ...own, extendedNextHop: [] },
    families,
    fourOctetAsn: true,
    maxLength: 4096,
    ...(slot === severalA || slot === severalB ? { addPathSend: { [family]: 2 } } : {}),
  }
}

function count<T extends object>(prototype: T, names: readonly (keyof T & string)[]): void {
  for (const name of names) {
    const original = prototype[name] as (...parameters: unknown[]) => unknown
    const counted = function (this: T, ...parameters: unknown[]): unknown {
      looks++
      return original.apply(this, parameters)
    }
    prototype[name] = counted as T[typeof name]
  }
}
