import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import type { InstanceConfig } from '#core/bgp/config.ts'
import type { PeerStatus, RouteEntry } from '#core/bgp/io.ts'
import { address } from '#core/net/address.ts'
import { prefix, type Prefix } from '#core/net/prefix.ts'
import type { NodePlan } from '#core/plan/node-plan.ts'
import type { Service } from '#core/schema/kubernetes.ts'
import type { NodeState } from '#core/schema/node-state.ts'
import { clusterBackend, serviceRows, type ClusterView } from './cluster-backend.ts'
import { getJson, postJson, streamRows, watchJson } from './contract/client.ts'
import {
  listSchema,
  peerCommandAnswerSchema,
  peerRowSchema,
  routeRowSchema,
  withheldRowSchema,
  type PeerRow,
} from './contract/contract.ts'
import { refusalOf } from './peer-command.ts'
import { peerRow } from './rows.ts'
import { serveApi } from './server.ts'
import { speakerBackend, type SpeakerView } from './speaker-backend.ts'

const service: Service = {
  apiVersion: 'v1',
  kind: 'Service',
  metadata: { namespace: 'default', name: 'nginx' },
  spec: { type: 'LoadBalancer', ports: [{ port: 80 }, { protocol: 'UDP', port: 53 }] },
  status: {
    loadBalancer: { ingress: [{ ip: '10.11.0.9' }, { ip: 'fd00:11::9' }] },
    conditions: [
      {
        type: 'herald.dev/AddressAllocated',
        status: 'True',
        reason: 'Satisfied',
        message: 'from pool demo',
        lastTransitionTime: '2026-11-21T10:00:00Z',
      },
    ],
  },
}

const why = (rule: string) => [
  { rule, message: rule, object: { kind: 'Service', namespace: 'default', name: 'nginx' } },
]

const config: InstanceConfig = {
  name: 'demo',
  asn: 65100,
  routerId: address('172.22.0.3'),
  routes: [],
  peers: [
    {
      name: 'bird',
      address: address('172.22.0.5'),
      port: 179,
      asn: 65000,
      passive: false,
      families: ['ipv4/unicast', 'ipv6/unicast'],
      ttl: 1,
      timers: { connectRetrySeconds: 120, holdTimeSeconds: 90, keepaliveSeconds: 30 },
      importRoutes: false,
      exportLearned: false,
    },
  ],
}

const plan: NodePlan = {
  node: 'cilium-worker',
  problems: [],
  instances: [
    {
      config,
      reasons: [],
      peerReasons: { bird: why('PeerSelected') },
      routeReasons: [
        { prefix: prefix('10.11.0.9/32'), peer: 'bird', reasons: why('ServiceSelected') },
        {
          prefix: prefix('10.241.1.0/24'),
          peer: 'bird',
          reasons: [{ rule: 'PodCidr', message: 'pod CIDR' }],
        },
      ],
      withheld: [{ prefix: prefix('fd00:11::9/128'), reasons: why('NoReadyEndpoints') }],
    },
  ],
}

const status: PeerStatus = {
  peer: 'bird',
  address: address('172.22.0.5'),
  port: 179,
  localAsn: 65100,
  asn: 65000,
  state: 'openConfirm',
  families: [{ family: 'ipv4/unicast', received: 3, accepted: 0, advertised: 2 }],
  messages: {
    sent: 4,
    received: 5,
    sentByKind: { open: 1, update: 1, notification: 0, keepalive: 2, routeRefresh: 0 },
    receivedByKind: { open: 1, update: 2, notification: 0, keepalive: 2, routeRefresh: 0 },
  },
  updateFaults: 0,
  flaps: 0,
  dynamic: false,
  stale: [],
}

const entry: RouteEntry = {
  prefix: prefix('10.11.0.9/32'),
  peer: 'bird',
  attributes: {
    origin: 'igp',
    asPath: [
      { kind: 'sequence', asns: [65100, 65000] },
      { kind: 'set', asns: [65010, 65011] },
    ],
    nextHop: address('172.22.0.3'),
    communities: [0xffff_ff01],
    largeCommunities: [[65100, 1, 2]],
  },
  since: Date.parse('2026-11-21T10:00:00Z'),
  best: true,
}

const given: unknown[] = []

const speaker: SpeakerView = {
  version: { version: '1', role: 'speaker', node: 'cilium-worker' },
  node: 'cilium-worker',
  plan: () => plan,
  peers: () => [status],
  routePage: (_instance, _table, { family, peer }, cursor) => {
    if (family !== 'ipv4/unicast' || (peer !== undefined && peer !== 'bird')) return { entries: [] }
    // Two pages, to be put together.
    return cursor === 0 ? { entries: [], next: 1 } : { entries: [entry] }
  },
  withheld: (_instance, peer, { of, prefix: only }, cursor) => {
    if (peer !== 'bird') return { entries: [] }
    if (cursor === 0) return { entries: [], next: 1 }
    const texts = ['2001:db8:9::/48', ...(of === 'all' ? ['192.0.2.0/24'] : [])].map(prefix)
    return {
      entries: texts
        .filter((text) => only === undefined || text === only)
        .map((text) => ({ prefix: text, reason: 'NO_EXPORT (RFC 1997)' })),
    }
  },
  command: (instance, peer, command) => void given.push({ instance, peer, command }),
  rpkiCaches: () => [],
  stations: () => [],
  subscribe: () => () => {},
}

const nodeState = (name: string, endpoint?: string): NodeState => ({
  apiVersion: 'herald.dev/v1alpha1',
  kind: 'NodeState',
  metadata: { name },
  status: {
    endpoint,
    observedAt: '2026-11-21T10:00:00Z',
    sessions: [
      {
        instance: 'demo',
        peer: 'bird',
        localAsn: 65100,
        peerAsn: 65000,
        peerAddress: '172.22.0.5',
        peerPort: 179,
        state: 'openSent',
        families: [{ afi: 'ipv6', safi: 'unicast', received: 1, accepted: 1, advertised: 1 }],
        configuredHoldTimeSeconds: 90,
        configuredKeepaliveSeconds: 30,
        connectRetrySeconds: 120,
        multihopTtl: 1,
        passwordEnabled: false,
      },
    ],
  },
})

const session = peerRow('cilium-worker', config.name, { ...status, state: 'established' }, { reasons: [] })

async function all<T>(pages: Iterable<T> | AsyncIterable<T>): Promise<T[]> {
  const gathered: T[] = []
  for await (const page of pages) gathered.push(page)
  return gathered
}

async function withSocketDir(body: (dir: string) => Promise<void>): Promise<void> {
  const dir = mkdtempSync(join(tmpdir(), 'herald-api-'))
  try {
    await body(dir)
  } finally {
    rmSync(dir, { recursive: true })
  }
}

test('a speaker answers for its node with states, attributes and reasons', async () => {
  await withSocketDir(async (dir) => {
    const api = await serveApi(speakerBackend(speaker), join(dir, 's.sock'))
    try {
      assert.equal(statSync(join(dir, 's.sock')).mode & 0o777, 0o600)
      const peers = await getJson(api.url, '/v1/peers', listSchema(peerRowSchema))
      assert.ok(peers.ok)
      assert.equal(peers.value.items[0]?.state, 'open_confirm')
      assert.equal(peers.value.items[0]?.reasons[0]?.rule, 'PeerSelected')
      const routes = await getJson(api.url, '/v1/routes?view=advertised', listSchema(routeRowSchema))
      assert.ok(routes.ok)
      const [row] = routes.value.items
      assert.equal(row?.asPath, '65100 65000 {65010 65011}')
      assert.deepEqual(row?.communities, ['no-export', '65100:1:2'])
      assert.deepEqual([row?.peer, row?.reasons[0]?.rule], ['172.22.0.5', 'ServiceSelected'])
      const other = await getJson(api.url, '/v1/routes?view=sideways', listSchema(routeRowSchema))
      assert.ok(!other.ok && other.error.message.startsWith('view:'))
      const services = await getJson(api.url, '/v1/services', listSchema(routeRowSchema))
      assert.ok(!services.ok && services.error.kind === 'notFound')
    } finally {
      await api.close()
    }
  })
})

test('the cluster asks its speakers, and shows the NodeState of one that is gone with a warning', async () => {
  await withSocketDir(async (dir) => {
    const api = await serveApi(speakerBackend(speaker), join(dir, 's.sock'))
    const view: ClusterView = {
      version: { version: '1', role: 'controller' },
      nodeStates: () => [nodeState('cilium-worker', api.url), nodeState('gone', `unix:${dir}/gone.sock`)],
      services: () => [service],
      plans: () => [plan],
      subscribe: () => () => {},
    }
    const backend = clusterBackend(view)
    try {
      const peers = await backend.peers()
      assert.deepEqual(
        peers.items.map(({ node, state, families }) => [node, state, families[0]?.family]),
        [
          ['cilium-worker', 'open_confirm', 'ipv4/unicast'],
          ['gone', 'open_sent', 'ipv6/unicast'],
        ],
      )
      assert.match(
        peers.warnings.join(),
        /speaker of gone does not answer; shown is what it reported at 2026/,
      )
      const routes = await all(backend.routes({ view: 'advertised' }))
      assert.deepEqual(
        routes.map(({ items, warnings }) => [items.length, warnings]),
        [
          [1, []],
          [0, ['the speaker of gone does not answer']],
        ],
      )
      const [one] = await all(backend.routes({ view: 'advertised', node: 'cilium-worker' }))
      assert.equal(one?.items[0]?.prefix, '10.11.0.9/32')
    } finally {
      await api.close()
    }
  })
})

test('a speaker gives routes line by line to those who ask for lines, and filters by what is asked', async () => {
  await withSocketDir(async (dir) => {
    const asked: unknown[] = []
    const view: SpeakerView = {
      ...speaker,
      routePage: (_instance, table, filter, cursor) => {
        if (cursor === 0) asked.push([table, filter])
        const entries = Array.from({ length: 500 }, () => entry)
        return cursor < 1500 ? { entries, next: cursor + 500 } : { entries: [entry] }
      },
    }
    const api = await serveApi(speakerBackend(view), join(dir, 's.sock'))
    try {
      const path = `/v1/routes?view=accepted&family=ipv6/unicast&prefix=2001:db8::/32&match=longer&community=65000:1&asPath=^65001&peer=172.22.0.5`
      const pages = await all(streamRows(api.url, path, routeRowSchema))
      const sizes = pages.map((page) => (page.ok ? page.value.items.length : -1))
      assert.deepEqual(sizes, [500, 500, 500, 1])
      assert.deepEqual(asked, [
        [
          'accepted',
          {
            prefix: '2001:db8::/32',
            match: 'longer',
            community: 0xfde8_0001,
            asPath: '^65001',
            family: 'ipv6/unicast',
            peer: 'bird',
          },
        ],
      ])
      for (const [query, says] of [
        ['prefix=10.0.0.1', /^prefix: .*10\.0\.0\.1\/32/],
        ['community=x', /^community: "x" is not a community/],
        ['asPath=(', /^asPath: /],
      ] as const) {
        const [refused] = await all(streamRows(api.url, `/v1/routes?${query}`, routeRowSchema))
        assert.ok(refused?.ok === false)
        assert.match(refused.error.message, says)
      }
    } finally {
      await api.close()
    }
  })
})

test('an answer that breaks off is an error, not the end of the rows', async () => {
  await withSocketDir(async (dir) => {
    const path = join(dir, 's.sock')
    const server = createServer((_request, response) => {
      response.writeHead(200, { 'content-type': 'application/x-ndjson' })
      response.end('')
    })
    await new Promise<void>((resolve) => server.listen(path, resolve))
    try {
      const pages = await all(streamRows(`unix:${path}`, '/v1/routes', routeRowSchema))
      assert.deepEqual(
        pages.map((page) => (page.ok ? '' : page.error.kind)),
        ['unreachable'],
      )
    } finally {
      server.close()
    }
  })
})

const commands: {
  name: string
  request: object
  status: 'done' | 'notFound' | 'refused'
  given: unknown[]
}[] = [
  {
    name: 'by name',
    request: { peer: 'bird', command: 'reset', text: 'bye' },
    status: 'done',
    given: [{ instance: 'demo', peer: 'bird', command: { kind: 'reset', text: 'bye' } }],
  },
  {
    name: 'by address',
    request: { peer: '172.22.0.5', command: 'refreshIn', node: 'cilium-worker', instance: 'demo' },
    status: 'done',
    given: [{ instance: 'demo', peer: 'bird', command: { kind: 'refreshIn' } }],
  },
  {
    name: 'of another node',
    request: { peer: 'bird', command: 'enable', node: 'x' },
    status: 'notFound',
    given: [],
  },
  { name: 'of nobody', request: { peer: 'nobody', command: 'enable' }, status: 'notFound', given: [] },
  { name: 'that there is not', request: { peer: 'bird', command: 'explode' }, status: 'refused', given: [] },
]

for (const { name, request, status: expected, given: wanted } of commands) {
  test(`a command to a peer ${name} is ${expected === 'done' ? 'given' : 'refused'}, by speaker and cluster`, async () => {
    await withSocketDir(async (dir) => {
      const api = await serveApi(speakerBackend(speaker), join(dir, 's.sock'))
      const view: ClusterView = {
        version: { version: '1', role: 'controller' },
        nodeStates: () => [nodeState('cilium-worker', api.url)],
        services: () => [],
        plans: () => [],
        subscribe: () => () => {},
      }
      const cluster = await serveApi(clusterBackend(view), join(dir, 'c.sock'))
      try {
        for (const server of [api.url, cluster.url]) {
          given.length = 0
          const answer = await postJson(server, '/v1/peers/command', request, peerCommandAnswerSchema)
          assert.deepEqual(answer.ok ? 'done' : answer.error.kind, expected)
          assert.deepEqual(given, wanted)
        }
      } finally {
        await cluster.close()
        await api.close()
      }
    })
  })
}

test('what is not announced is told with its reason, of one peer learned routes too', async () => {
  await withSocketDir(async (dir) => {
    const api = await serveApi(speakerBackend(speaker), join(dir, 's.sock'))
    const cluster = await serveApi(
      clusterBackend({
        version: { version: '1', role: 'controller' },
        nodeStates: () => [nodeState('cilium-worker', api.url)],
        services: () => [],
        plans: () => [],
        subscribe: () => () => {},
      }),
      join(dir, 'c.sock'),
    )
    try {
      for (const { query, expected } of [
        {
          query: '',
          expected: [
            [undefined, 'fd00:11::9/128', 'NoReadyEndpoints'],
            ['172.22.0.5', '2001:db8:9::/48', 'NotExported'],
          ],
        },
        {
          query: '?peer=172.22.0.5',
          expected: [
            [undefined, 'fd00:11::9/128', 'NoReadyEndpoints'],
            ['172.22.0.5', '2001:db8:9::/48', 'NotExported'],
            ['172.22.0.5', '192.0.2.0/24', 'NotExported'],
          ],
        },
        {
          query: '?peer=bird&prefix=2001:db8:9::/48',
          expected: [['172.22.0.5', '2001:db8:9::/48', 'NotExported']],
        },
        { query: '?node=other', expected: [] },
      ]) {
        for (const server of [api.url, cluster.url]) {
          const answer = await getJson(server, `/v1/withheld${query}`, listSchema(withheldRowSchema))
          assert.ok(answer.ok)
          assert.deepEqual(
            answer.value.items.map((row) => [row.peer, row.prefix, row.reasons[0]?.rule]),
            expected,
            query,
          )
        }
      }
    } finally {
      await cluster.close()
      await api.close()
    }
  })
})

test('a watch of routes says each whole list that is new, however long it has grown, and lets others have their turn', async () => {
  await withSocketDir(async (dir) => {
    let changed = () => {}
    let prefixes: Prefix[] = []
    let turns = 0
    let atMost = 0
    const view: SpeakerView = {
      ...speaker,
      routePage: (_instance, _table, { family }, cursor) => {
        if (family !== 'ipv4/unicast') return { entries: [] }
        if (cursor === 0) turns = 0
        // Nothing else comes in between two pages unless they are parted.
        else setImmediate(() => turns++)
        atMost = Math.max(atMost, cursor / 100 - turns)
        const entries = prefixes.slice(cursor, cursor + 100).map((each) => ({ ...entry, prefix: each }))
        return { entries, ...(cursor + 100 < prefixes.length && { next: cursor + 100 }) }
      },
      subscribe: (callback) => {
        changed = callback
        return () => {}
      },
    }
    const api = await serveApi(speakerBackend(view), join(dir, 's.sock'))
    const ends = new AbortController()
    try {
      const seen: number[] = []
      const path = '/v1/routes?watch=1'
      for await (const answer of watchJson(api.url, path, listSchema(routeRowSchema), ends.signal)) {
        assert.ok(answer.ok, JSON.stringify(answer))
        assert.deepEqual(
          answer.value.items.map((row) => row.prefix),
          prefixes,
        )
        seen.push(answer.value.items.length)
        const next = [1, 3000, 2][seen.length - 1]
        if (next === undefined) break
        prefixes = Array.from({ length: next }, (_, i) => prefix(`10.${i >> 8}.${i & 255}.0/24`))
        changed()
      }
      assert.deepEqual(seen, [0, 1, 3000, 2])
      assert.ok(atMost < 3, `${atMost} pages without a turn for others`)
    } finally {
      ends.abort()
      await api.close()
    }
  })
})

test('an unnumbered neighbour is called by its link-local address and interface, or by the interface alone', async () => {
  await withSocketDir(async (dir) => {
    for (const [at, place] of [
      ['fe80::5', 'fe80::5%eth1'],
      ['::', 'eth1'],
    ] as const) {
      const unnumbered: PeerStatus = { ...status, address: address(at), interface: 'eth1' }
      const api = await serveApi(
        speakerBackend({ ...speaker, peers: () => [unnumbered] }),
        join(dir, `${place}.sock`),
      )
      try {
        const peers = await getJson(api.url, '/v1/peers', listSchema(peerRowSchema))
        assert.ok(peers.ok, JSON.stringify(peers))
        assert.deepEqual([peers.value.items[0]?.address, peers.value.items[0]?.interface], [at, 'eth1'])
        for (const name of ['bird', at, place]) {
          const path = `/v1/routes?view=received&peer=${encodeURIComponent(name)}`
          const routes = await getJson(api.url, path, listSchema(routeRowSchema))
          assert.deepEqual(routes.ok && routes.value.items.map(({ peer }) => peer), [place], name)
          const request = { peer: name, command: 'reset' }
          const done = await postJson(api.url, '/v1/peers/command', request, peerCommandAnswerSchema)
          assert.equal(done.ok && done.value.peers[0]?.address, place)
        }
      } finally {
        await api.close()
      }
    }
  })
})

test('problems come from the speaker, or from its NodeState while it does not answer', async () => {
  const problem = { rule: 'UnknownName', message: 'no such policy', object: { kind: 'BGPPeer', name: 'p' } }
  await withSocketDir(async (dir) => {
    const view = { ...speaker, plan: () => ({ ...plan, problems: [{ ...problem, nodes: ['x'] }] }) }
    const api = await serveApi(speakerBackend(view), join(dir, 's.sock'))
    const gone = nodeState('gone', `unix:${dir}/gone.sock`)
    gone.status!.problems = [problem]
    const backend = clusterBackend({
      version: { version: '1', role: 'controller' },
      nodeStates: () => [nodeState('cilium-worker', api.url), gone],
      services: () => [],
      plans: () => [],
      subscribe: () => () => {},
    })
    try {
      const { items } = await backend.problems()
      assert.deepEqual(items, [
        { node: 'cilium-worker', ...problem },
        { node: 'gone', ...problem },
      ])
    } finally {
      await api.close()
    }
  })
})

test('a command that is meant for one session is not given to several', async () => {
  const row = (node: string) => ({ ...session, node })
  const request = { peer: 'bird', command: 'reset' as const, all: false }
  assert.match(refusalOf([row('a'), row('b')], request)?.error ?? '', /demo on a, demo on b/)
  assert.equal(refusalOf([row('a'), row('b')], { ...request, all: true }), undefined)
})

test('a session shows what was negotiated, counted and configured', async () => {
  const shown = peerRow(
    'n',
    'demo',
    {
      ...status,
      heldUntil: Infinity,
      lastUp: 0,
      stale: [{ family: 'ipv6/unicast', phase: 'waiting', until: 1000 }],
    },
    { reasons: [], config: config.peers[0]! },
  )
  assert.deepEqual(peerRowSchema.parse(JSON.parse(JSON.stringify(shown))).heldByLimit, {})
  assert.equal(shown.lastUp, '1970-01-01T00:00:00.000Z')
  assert.deepEqual(shown.stale, [
    { family: 'ipv6/unicast', phase: 'waiting', until: '1970-01-01T00:00:01.000Z' },
  ])
  assert.deepEqual([shown.configured?.authentication, shown.configured?.ttl], ['none', 1])
})

test('a Service shows per node what is announced and what is withheld, and why', () => {
  const empty: NodePlan = { node: 'other', instances: [], problems: [] }
  const [row] = serviceRows([service, { ...service, spec: { type: 'ClusterIP' } }], [plan, empty], [session])
  assert.deepEqual(row?.ports, [
    { protocol: 'TCP', port: 80 },
    { protocol: 'UDP', port: 53 },
  ])
  assert.deepEqual(row?.allocation, { rule: 'Satisfied', message: 'from pool demo' })
  const [first, second] = row?.nodes ?? []
  assert.deepEqual(
    first?.announced.map(({ prefix, peer }) => [prefix, peer]),
    [['10.11.0.9/32', '172.22.0.5']],
  )
  assert.deepEqual(
    first?.withheld.map(({ reasons }) => reasons[0]?.rule),
    ['NoReadyEndpoints'],
  )
  assert.deepEqual(
    second?.withheld.map(({ reasons }) => reasons[0]?.rule),
    ['NoInstance'],
  )
})

const silent: { name: string; peers: PeerRow[]; rule: string; says: RegExp }[] = [
  {
    name: 'a session that is down',
    peers: [{ ...session, state: 'active' }],
    rule: 'SessionDown',
    says: /active/,
  },
  { name: 'a session nobody reports', peers: [], rule: 'SessionDown', says: /not reported yet/ },
  {
    name: 'a session of another IP version',
    peers: [{ ...session, families: [{ family: 'ipv6/unicast', received: 0, accepted: 0, advertised: 0 }] }],
    rule: 'FamilyNotNegotiated',
    says: /172\.22\.0\.5 does not take ipv4\/unicast routes/,
  },
]

for (const { name, peers, rule, says } of silent) {
  test(`a Service is not shown as announced over ${name}`, () => {
    const [row] = serviceRows([service], [plan], peers)
    assert.deepEqual(row?.nodes[0]?.announced, [])
    const [first, ...others] = row.nodes[0].withheld[0]?.reasons ?? []
    assert.equal(first?.rule, rule)
    assert.match(first.message, says)
    assert.equal(others[0]?.rule, 'ServiceSelected')
  })
}

test('a socket left behind is taken over, one in use is not', async () => {
  await withSocketDir(async (dir) => {
    const path = join(dir, 's.sock')
    writeFileSync(path, '')
    const api = await serveApi(speakerBackend(speaker), path)
    try {
      await assert.rejects(serveApi(speakerBackend(speaker), path), /another Herald serves/)
    } finally {
      await api.close()
    }
  })
})
