import assert from 'node:assert/strict'
import { test } from 'node:test'
import { address } from '#core/net/address.ts'
import { parseRange } from '#core/net/range.ts'
import { allocate } from './ipam.ts'
import { poolUsage, usableRange, type Pool } from './pool.ts'
import type { Request } from './request.ts'
import type { Sharing } from './sharing.ts'

const versionsTable = [
  { version: 4 as const, range: '10.0.0.0/29', first: '10.0.0.0', second: '10.0.0.1', other: '10.9.0.1' },
  { version: 6 as const, range: 'fd00::/125', first: 'fd00::', second: 'fd00::1', other: 'fd09::1' },
]

for (const { version, range, first, second, other } of versionsTable) {
  const one = (id: string, more: Partial<Request> = {}) => request(id, { versions: [version], ...more })

  test(`gives the lowest free IPv${version} address`, () => {
    const result = allocate([pool('p', [range])], [one('a'), one('b')])
    assert.deepEqual(given(result, 'a'), [first])
    assert.deepEqual(given(result, 'b'), [second])
  })

  test(`keeps a held IPv${version} address, also in a disabled pool`, () => {
    const result = allocate([pool('p', [range], { disabled: true })], [one('a', { held: [address(second)] })])
    assert.deepEqual(given(result, 'a'), [second])
    assert.equal(result.get('a')?.satisfied, true)
  })

  test(`gives no other IPv${version} address than the one asked for, and says who has it`, () => {
    const result = allocate(
      [pool('p', [range])],
      [one('old', { held: [address(first)] }), one('new', { wanted: [address(first)] })],
    )
    assert.deepEqual(given(result, 'new'), [])
    assert.deepEqual(result.get('new')?.unmet, [
      {
        version,
        address: first,
        why: { kind: 'heldBy', request: 'old', conflict: { kind: 'notShared' } },
      },
    ])
  })

  test(`takes a held IPv${version} address back when no pool has it, and gives another`, () => {
    const result = allocate([pool('p', [range])], [one('a', { held: [address(other)] })])
    assert.deepEqual(given(result, 'a'), [first])
    assert.deepEqual(result.get('a')?.lost, [{ address: other, why: { kind: 'outsidePools' } }])
  })

  test(`leaves an IPv${version} address that was held twice to the older`, () => {
    const held = [address(first)]
    const result = allocate(
      [pool('p', [range])],
      [one('new', { held, createdAt: 2 }), one('old', { held, createdAt: 1 })],
    )
    assert.deepEqual(given(result, 'old'), [first])
    assert.deepEqual(given(result, 'new'), [second])
  })

  test(`gives an IPv${version} address that its holder loses to nobody else before it is given back`, () => {
    const result = allocate(
      [pool('p', [range])],
      [
        one('leaving', { held: [address(first)], pools: new Set() }),
        one('waiting', { wanted: [address(first)] }),
        one('any'),
      ],
    )
    assert.deepEqual(given(result, 'leaving'), [])
    assert.deepEqual(given(result, 'waiting'), [])
    assert.deepEqual(given(result, 'any'), [second])
  })

  test(`passes over a reserved IPv${version} address`, () => {
    const reserved = [{ address: address(first), by: 'the cluster IP of Service x/y' }]
    const result = allocate(
      [pool('p', [range])],
      [one('a'), one('b', { wanted: [address(first)] })],
      reserved,
    )
    assert.deepEqual(given(result, 'a'), [second])
    assert.deepEqual(result.get('b')?.unmet[0]?.why, {
      kind: 'reserved',
      by: 'the cluster IP of Service x/y',
    })
  })
}

test('keeps the old address while the one now asked for cannot be had', () => {
  const pools = [pool('p', ['10.0.0.0/29'])]
  const holder = request('holder', { held: [address('10.0.0.5')] })
  const mover = request('mover', { held: [address('10.0.0.1')], wanted: [address('10.0.0.5')] })
  const blocked = allocate(pools, [holder, mover])
  assert.deepEqual(given(blocked, 'mover'), ['10.0.0.1'])
  assert.equal(blocked.get('mover')?.satisfied, false)
  const free = allocate(pools, [mover])
  assert.deepEqual(given(free, 'mover'), ['10.0.0.5'])
  assert.deepEqual(free.get('mover')?.lost, [{ address: '10.0.0.1', why: { kind: 'notRequested' } }])
})

test('tries pools by priority and then by name', () => {
  const pools = [
    pool('c', ['10.3.0.1']),
    pool('b', ['10.2.0.1'], { priority: 5 }),
    pool('a', ['10.1.0.1'], { priority: 5 }),
  ]
  const result = allocate(pools, [request('1'), request('2'), request('3'), request('4')])
  assert.deepEqual(
    ['1', '2', '3'].map((id) => given(result, id)[0]),
    ['10.1.0.1', '10.2.0.1', '10.3.0.1'],
  )
  assert.deepEqual(result.get('4')?.unmet, [
    { version: 4, why: { kind: 'exhausted', pools: ['a', 'b', 'c'] } },
  ])
})

const unmetTable: { name: string; pools: Pool[]; request: Partial<Request>; why: object }[] = [
  { name: 'there is no pool', pools: [], request: {}, why: { kind: 'noPool' } },
  {
    name: 'there are only pools of the other version',
    pools: [pool('p', ['fd00::/64'])],
    request: {},
    why: { kind: 'noPool' },
  },
  {
    name: 'no pool admits',
    pools: [pool('p', ['10.0.0.0/24'])],
    request: { pools: new Set() },
    why: { kind: 'notAdmitted', pools: ['p'] },
  },
  {
    name: 'all are disabled',
    pools: [pool('p', ['10.0.0.0/24'], { disabled: true })],
    request: {},
    why: { kind: 'disabled', pools: ['p'] },
  },
  {
    name: 'all are for requests by name',
    pools: [pool('p', ['10.0.0.0/24'], { automatic: false })],
    request: {},
    why: { kind: 'notAutomatic', pools: ['p'] },
  },
  {
    name: 'the address asked for lies outside',
    pools: [pool('p', ['10.0.0.0/24'])],
    request: { wanted: [address('10.1.0.1')] },
    why: { kind: 'noPool' },
  },
  {
    name: 'the address asked for is of a version that is not used',
    pools: [pool('p', ['fd00::/64'])],
    request: { wanted: [address('fd00::1')] },
    why: { kind: 'versionNotUsed' },
  },
]
for (const { name, pools, request: more, why } of unmetTable) {
  test(`gives nothing and says why when ${name}`, () => {
    const result = allocate(pools, [request('a', { pools: new Set(['p']), ...more })])
    assert.deepEqual(given(result, 'a'), [])
    assert.deepEqual(result.get('a')?.unmet[0]?.why, why)
    assert.equal(result.get('a')?.satisfied, false)
  })
}

test('serves dual stack from different pools', () => {
  const pools = [pool('six', ['fd00::/64']), pool('four', ['10.0.0.0/24'])]
  const result = allocate(pools, [request('a', { versions: [6, 4] })])
  assert.deepEqual(given(result, 'a'), ['fd00::', '10.0.0.0'])
})

test('gives nothing at all when both versions are required and one is missing, and names it', () => {
  const result = allocate([pool('p', ['10.0.0.0/32'])], [request('a', { versions: [4, 6] }), request('b')])
  assert.deepEqual(given(result, 'a'), [])
  assert.deepEqual(result.get('a')?.unmet, [{ version: 6, why: { kind: 'noPool' } }])
  assert.deepEqual(given(result, 'b'), ['10.0.0.0'])
})

test('falls back to one version when both are only preferred', () => {
  const result = allocate([pool('p', ['fd00::/64'])], [request('a', { versions: [4, 6], need: 'any' })])
  assert.deepEqual(given(result, 'a'), ['fd00::'])
  assert.equal(result.get('a')?.satisfied, true)
})

const base: Sharing = {
  key: 'k',
  namespace: 'ns',
  otherNamespaces: [],
  ports: [{ protocol: 'TCP', port: 80 }],
  localOnly: false,
  selector: 'app=a',
}
const https = [{ protocol: 'TCP', port: 443 }]
const sharingTable: { name: string; a: Sharing; b: Sharing | undefined; shared: boolean }[] = [
  { name: 'same key, other port', a: base, b: { ...base, ports: https }, shared: true },
  {
    name: 'same port of another protocol',
    a: base,
    b: { ...base, ports: [{ protocol: 'UDP', port: 80 }] },
    shared: true,
  },
  { name: 'same port and protocol', a: base, b: base, shared: false },
  { name: 'other key', a: base, b: { ...base, key: 'x', ports: https }, shared: false },
  { name: 'no key', a: base, b: undefined, shared: false },
  { name: 'other namespace', a: base, b: { ...base, namespace: 'two', ports: https }, shared: false },
  {
    name: 'other namespace that only one side names',
    a: { ...base, otherNamespaces: ['two'] },
    b: { ...base, namespace: 'two', ports: https },
    shared: false,
  },
  {
    name: 'other namespace that both sides name',
    a: { ...base, otherNamespaces: ['two'] },
    b: { ...base, namespace: 'two', otherNamespaces: ['*'], ports: https },
    shared: true,
  },
  {
    name: 'other traffic policy',
    a: base,
    b: { ...base, ports: https, localOnly: true },
    shared: false,
  },
  {
    name: 'local with the same endpoints',
    a: { ...base, localOnly: true },
    b: { ...base, ports: https, localOnly: true },
    shared: true,
  },
  {
    name: 'local with other endpoints',
    a: { ...base, localOnly: true },
    b: { ...base, ports: https, localOnly: true, selector: 'app=b' },
    shared: false,
  },
  {
    name: 'local with no selector',
    a: { ...base, localOnly: true, selector: '' },
    b: { ...base, ports: https, localOnly: true, selector: '' },
    shared: false,
  },
]
for (const { name, a, b, shared } of sharingTable) {
  test(`${shared ? 'shares' : 'does not share'} an address: ${name}`, () => {
    const second = b === undefined ? request('b') : request('b', { sharing: b })
    const result = allocate([pool('p', ['10.0.0.0/24'])], [request('a', { sharing: a }), second])
    assert.deepEqual(given(result, 'a'), ['10.0.0.0'])
    assert.deepEqual(given(result, 'b'), [shared ? '10.0.0.0' : '10.0.0.1'])
  })
}

const endsTable = [
  { text: '10.0.0.0/24', first: '10.0.0.1', last: '10.0.0.254' },
  { text: '10.0.0.0/31', first: '10.0.0.0', last: '10.0.0.1' },
  { text: '10.0.0.7/32', first: '10.0.0.7', last: '10.0.0.7' },
  { text: '10.0.0.0-10.0.0.9', first: '10.0.0.0', last: '10.0.0.9' },
  { text: 'fd00::/64', first: 'fd00::1', last: 'fd00::ffff:ffff:ffff:fffe' },
  { text: 'fd00::/127', first: 'fd00::', last: 'fd00::1' },
]
for (const { text, first, last } of endsTable) {
  test(`avoiding first and last, ${text} is ${first} to ${last}`, () => {
    const range = usableRange(text, true)
    assert.ok(range.ok)
    assert.deepEqual([range.value.first, range.value.last], [first, last])
  })
}

test('counts addresses of overlapping ranges once', () => {
  const usage = poolUsage(pool('p', ['10.0.0.0/24', '10.0.0.128/25', 'fd00::/64']), [
    address('10.0.0.1'),
    address('10.0.0.1'),
    address('10.1.0.1'),
  ])
  assert.deepEqual(usage, { total: 256n + (1n << 64n), used: 1n })
})

test('makes 10 000 allocations in a /16 and in a /64 within a second', () => {
  const pools = [pool('p', ['10.0.0.0/16', 'fd00::/64'])]
  const requests = Array.from({ length: 10_000 }, (_, i) => request(`r${i}`, { versions: [4, 6] }))
  const start = performance.now()
  const result = allocate(pools, requests)
  const elapsedMs = performance.now() - start
  assert.equal(new Set([...result.values()].flatMap((a) => a.given.map((g) => g.address))).size, 20_000)
  assert.ok(elapsedMs < 1000, `took ${Math.round(elapsedMs)} ms`)
})

function pool(name: string, ranges: string[], more: Partial<Pool> = {}): Pool {
  const parsed = ranges.map((text) => {
    const range = parseRange(text)
    assert.ok(range.ok)
    return range.value
  })
  return { name, ranges: parsed, priority: Infinity, automatic: true, disabled: false, ...more }
}

function request(id: string, more: Partial<Request> = {}): Request {
  return {
    id,
    createdAt: 0,
    versions: [4],
    need: 'all',
    held: [],
    wanted: [],
    pools: new Set(['p', 'a', 'b', 'c', 'four', 'six']),
    poolsByName: false,
    ...more,
  }
}

function given(result: ReturnType<typeof allocate>, id: string): string[] {
  return result.get(id)!.given.map(({ address }) => address)
}
