import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import {
  addressFromInteger,
  addressToInteger,
  compareAddresses,
  versionOf,
  type Address,
  type IpVersion,
} from '#core/net/address.ts'
import { rangeBetween } from '#core/net/range.ts'
import { allocate } from './ipam.ts'
import { comparePools, poolContains, type Pool } from './pool.ts'
import type { Allocation, Request, Reservation } from './request.ts'
import { sharingConflict, type Sharing } from './sharing.ts'

interface Situation {
  pools: Pool[]
  requests: Request[]
  reservations: Reservation[]
}

test('gives no address to two requests that may not share it', () => {
  check((situation, result) => {
    for (const [a, b] of pairs(situation.requests)) {
      const shared = addressesOf(result, a).filter((address) => addressesOf(result, b).includes(address))
      if (shared.length > 0) assert.equal(sharingConflict(a.sharing, b.sharing), undefined)
    }
  })
})

test('gives no new address that another request holds, may that one lose it or not', () => {
  check((situation, result) => {
    for (const a of situation.requests) {
      for (const { address, kept } of result.get(a.id)!.given) {
        if (kept) continue
        for (const b of situation.requests) {
          if (b.id !== a.id && b.held.includes(address))
            assert.equal(sharingConflict(a.sharing, b.sharing), undefined)
        }
        const reservation = situation.reservations.find((r) => r.address === address && r.except !== a.id)
        assert.equal(reservation, undefined)
      }
    }
  })
})

test('gives only addresses of pools that admit and of versions that are used', () => {
  check((situation, result) => {
    for (const request of situation.requests) {
      for (const { address, pool: name = '', kept } of result.get(request.id)!.given) {
        const pool = situation.pools.find((pool) => pool.name === name)
        assert.ok(pool !== undefined && poolContains(pool, address) && request.pools.has(name))
        assert.ok(request.versions.includes(versionOf(address)))
        const named = request.poolsByName || request.wanted.includes(address)
        assert.ok(kept || (!pool.disabled && (pool.automatic || named)))
      }
    }
  })
})

test('keeps every held address that is allowed and that no older holder objects to', () => {
  check((situation, result) => {
    for (const request of situation.requests) {
      if (request.wanted.length > 0 || request.held.length !== 1) continue
      const held = request.held[0]!
      const allowed =
        request.versions.includes(versionOf(held)) &&
        situation.pools.some((pool) => request.pools.has(pool.name) && poolContains(pool, held))
      const objection = situation.requests.some(
        (other) =>
          other.id !== request.id &&
          other.held.includes(held) &&
          sharingConflict(other.sharing, request.sharing) !== undefined,
      )
      if (allowed && !objection) assert.ok(addressesOf(result, request).includes(held))
    }
  })
})

test('says "exhausted" only when an enumeration of the pools finds no free address, and else gives the lowest', () => {
  check((situation, result) => {
    for (const request of situation.requests) {
      const allocation = result.get(request.id)!
      if (request.sharing !== undefined || request.wanted.length > 0) continue
      for (const { version, why } of allocation.unmet) {
        if (why.kind === 'exhausted') assert.deepEqual(freeNow(situation, result, request, version), [])
      }
      for (const { address, kept } of allocation.given) {
        if (kept) continue
        const [lowest] = freeNow(situation, result, request, versionOf(address), address)
        assert.equal(address, lowest)
      }
    }
  })
})

test('does not depend on the order of its inputs', () => {
  check((situation, result) => {
    const reversed = allocate(
      situation.pools.toReversed(),
      situation.requests.toReversed(),
      situation.reservations.toReversed(),
    )
    for (const request of situation.requests)
      assert.deepEqual(withoutWho(reversed.get(request.id)!), withoutWho(result.get(request.id)!))
  })
})

test('is settled once all have given back what they lost: two rounds on, nothing changes', () => {
  check((situation, result) => {
    let requests = situation.requests
    let last = result
    for (let round = 0; round < requests.length + 2; round++) {
      requests = requests.map((request) => ({ ...request, held: addressesOf(last, request) }))
      last = allocate(situation.pools, requests, situation.reservations)
    }
    for (const request of requests) assert.deepEqual(addressesOf(last, request), request.held)
  })
})

function check(property: (situation: Situation, result: Map<string, Allocation>) => void): void {
  fc.assert(
    fc.property(situations, (situation) => {
      property(situation, allocate(situation.pools, situation.requests, situation.reservations))
    }),
    { numRuns: 500 },
  )
}

/** Free addresses by enumeration, in the order in which they should be tried; `own` counts as free. */
function freeNow(
  { pools, requests, reservations }: Situation,
  result: Map<string, Allocation>,
  request: Request,
  version: IpVersion,
  own?: Address,
): Address[] {
  const taken = new Set(reservations.map(({ address }) => address))
  for (const other of requests) {
    for (const address of other.held) taken.add(address)
    for (const address of addressesOf(result, other)) taken.add(address)
  }
  if (own !== undefined) taken.delete(own)
  return [...pools]
    .sort(comparePools)
    .filter((pool) => request.pools.has(pool.name) && !pool.disabled)
    .filter((pool) => pool.automatic || request.poolsByName)
    .flatMap((pool) => enumerate(pool, version))
    .filter((address) => !taken.has(address))
}

function enumerate(pool: Pool, version: IpVersion): Address[] {
  const addresses: Address[] = []
  for (const range of pool.ranges) {
    if (range.version !== version) continue
    for (let value = addressToInteger(range.first); value <= addressToInteger(range.last); value++)
      addresses.push(addressFromInteger(value, version))
  }
  return addresses.sort(compareAddresses)
}

/** Of several requests that object, any may be named. */
function withoutWho(allocation: Allocation): unknown {
  return {
    ...allocation,
    lost: allocation.lost.map(({ address }) => address),
    unmet: allocation.unmet.length,
  }
}

function addressesOf(result: Map<string, Allocation>, request: Request): Address[] {
  return result.get(request.id)!.given.map(({ address }) => address)
}

function pairs<T>(items: readonly T[]): [T, T][] {
  return items.flatMap((a, i) => items.slice(i + 1).map((b): [T, T] => [a, b]))
}

/** Few addresses, so that they are contested. */
const addresses = fc
  .record({ version: fc.constantFrom<IpVersion>(4, 6), low: fc.bigInt({ min: 0n, max: 9n }) })
  .map(({ version, low }) =>
    addressFromInteger((version === 4 ? 0x0a000000n : 0xfd00n << 112n) + low, version),
  )

const ranges = fc.tuple(addresses, fc.bigInt({ min: 0n, max: 4n })).map(([first, size]) => {
  const last = addressFromInteger(addressToInteger(first) + size, versionOf(first))
  const range = rangeBetween(first, last)
  assert.ok(range.ok)
  return range.value
})

const sharings: fc.Arbitrary<Sharing> = fc.record({
  key: fc.constantFrom('k', 'l'),
  namespace: fc.constantFrom('one', 'two'),
  otherNamespaces: fc.constantFrom([], ['*'], ['one']),
  ports: fc
    .constantFrom<number[]>([80], [443], [80, 443])
    .map((list) => list.map((port) => ({ protocol: 'TCP', port }))),
  localOnly: fc.boolean(),
  selector: fc.constantFrom('', 'a'),
})

const poolNames = ['p', 'q', 'r']
const ids = ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h']

const situations: fc.Arbitrary<Situation> = fc.record({
  pools: fc.uniqueArray(
    fc.record({
      name: fc.constantFrom(...poolNames),
      ranges: fc.array(ranges, { minLength: 1, maxLength: 3 }),
      priority: fc.constantFrom(1, Infinity),
      automatic: fc.boolean(),
      disabled: fc.boolean(),
    }),
    { selector: (pool) => pool.name, maxLength: 3 },
  ),
  requests: fc.uniqueArray(
    fc.record(
      {
        id: fc.constantFrom(...ids),
        createdAt: fc.constantFrom(1, 2),
        versions: fc.constantFrom<IpVersion[]>([4], [6], [4, 6], [6, 4]),
        need: fc.constantFrom('all' as const, 'any' as const),
        held: fc.uniqueArray(addresses, { maxLength: 2 }),
        wanted: fc.uniqueArray(addresses, { maxLength: 2 }),
        pools: fc.subarray(poolNames).map((names) => new Set(names)),
        poolsByName: fc.boolean(),
        sharing: sharings,
      },
      { requiredKeys: ['id', 'createdAt', 'versions', 'need', 'held', 'wanted', 'pools', 'poolsByName'] },
    ),
    { selector: (request) => request.id, maxLength: 8 },
  ) as fc.Arbitrary<Request[]>,
  reservations: fc.array(fc.record({ address: addresses, by: fc.constant('somebody') }), { maxLength: 2 }),
})
