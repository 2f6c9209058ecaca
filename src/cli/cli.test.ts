import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import type { PeerRow, RouteRow, RpkiRow, ServiceRow, StationRow } from '#api/contract/contract.ts'
import { serveApi, type ApiBackend } from '#api/server.ts'
import { Failure } from './failure.ts'
import { runProgram, type Actions } from './program.ts'
import { peerDetail } from './peer-detail.ts'
import { peersTable, routesTable, servicesTable } from './views.ts'

const now = Date.parse('2026-11-21T10:00:00Z')
const reason = { rule: 'SelectedByServiceSelector', message: 'selected by app=nginx' }

const peer = (overrides: Partial<PeerRow>): PeerRow => ({
  node: 'kind-worker',
  instance: 'demo-65100',
  peer: '172.18.0.10',
  localAsn: 65100,
  asn: 65001,
  address: '172.18.0.10',
  port: 179,
  state: 'established',
  since: new Date(now - 3_723_000).toISOString(),
  families: [
    { family: 'ipv4/unicast', received: 2, accepted: 0, advertised: 4 },
    { family: 'ipv6/unicast', received: 0, accepted: 0, advertised: 1 },
  ],
  reasons: [reason],
  ...overrides,
})

const route: RouteRow = {
  node: 'kind-worker',
  instance: 'demo-65100',
  localAsn: 65100,
  prefix: '20.0.10.1/32',
  nextHop: '0.0.0.0',
  since: new Date(now - 70_000).toISOString(),
  best: true,
  origin: 'igp',
  asPath: '',
  communities: ['65100:99'],
  reasons: [reason],
}

const service: ServiceRow = {
  namespace: 'default',
  name: 'nginx',
  addresses: ['10.11.0.9', 'fd00::9'],
  ports: [{ protocol: 'TCP', port: 80 }],
  allocation: { rule: 'Allocated', message: 'from pool demo' },
  nodes: [
    {
      node: 'kind-worker',
      announced: [{ prefix: '10.11.0.9/32', peer: '172.18.0.10', reasons: [reason] }],
      withheld: [],
    },
    {
      node: 'kind-worker2',
      announced: [],
      withheld: [{ reasons: [{ rule: 'NoInstance', message: 'no instance' }] }],
    },
  ],
}

const cache: RpkiRow = {
  node: 'kind-worker',
  instance: 'edge',
  address: '2001:db8::7',
  port: 323,
  preference: 1,
  state: 'idle',
  used: true,
  version: 1,
  sessionId: 7,
  serial: 42,
  ipv4: 400_000,
  ipv6: 90_000,
  updatedAt: new Date(now - 65_000).toISOString(),
  lastError: { at: new Date(now).toISOString(), direction: 'local', message: 'connection closed: reset' },
}

const station: StationRow = {
  node: 'kind-worker',
  instance: 'edge',
  address: '192.0.2.9',
  port: 11019,
  views: ['pre', 'locRib'],
  state: 'up',
  since: new Date(now - 65_000).toISOString(),
  messages: 12,
  bytes: 3456,
}

const commands: unknown[] = []

const backend: ApiBackend = {
  version: () => ({ version: '1', role: 'controller' }),
  peers: () => ({ items: [peer({})], warnings: ['kind-worker2 does not answer'] }),
  routes: ({ view }) => [{ items: view === 'available' ? [route] : [], warnings: [] }],
  withheld: ({ peer: to }) => [
    {
      items: [
        {
          node: 'kind-worker',
          instance: 'edge',
          ...(to !== undefined && { peer: to }),
          prefix: 'fd00::9/128',
          reasons: [{ rule: 'NoReadyEndpoints', message: 'no endpoint is ready' }, reason],
        },
      ],
      warnings: [],
    },
  ],
  problems: () => ({
    items: [
      {
        node: 'kind-worker',
        rule: 'UnknownName',
        message: 'there is no valid RoutePolicy "x"',
        hint: 'create it',
        object: { kind: 'BGPPeer', name: 'tor' },
        field: 'spec.importPolicies[0]',
      },
    ],
    warnings: [],
  }),
  command: ({ peer: name, command, text }) => {
    commands.push([name, command, text])
    return { peers: [{ node: 'kind-worker', instance: 'demo', peer: 'tor', address: name }] }
  },
  stations: () => ({ items: [station], warnings: [] }),
  rpki: () => ({ items: [cache], warnings: [] }),
  services: () => ({ items: [service], warnings: [] }),
  subscribe: () => () => {},
}

const noActions = new Proxy({} as Actions, {
  get: (_, name) => () => {
    throw new Error(`no action ${String(name)} in this test`)
  },
})

async function run(args: string[], server?: string) {
  const lines: string[] = []
  const errors: string[] = []
  const terminal = {
    out: (line: string) => void lines.push(line),
    err: (line: string) => void errors.push(line),
    now: () => now,
    signal: AbortSignal.timeout(60_000),
  }
  await runProgram(server === undefined ? args : [...args, '--server', server], noActions, terminal)
  return { out: lines.join('\n'), err: errors.join('\n') }
}

async function withServer(
  body: (server: string) => Promise<void>,
  served: ApiBackend = backend,
): Promise<void> {
  const dir = mkdtempSync(join(tmpdir(), 'herald-cli-'))
  const api = await serveApi(served, join(dir, 'api.sock'))
  try {
    await body(api.url)
  } finally {
    await api.close()
    rmSync(dir, { recursive: true })
  }
}

test('RPKI caches show whose data counts and how old it is; wide, why one was lost', async () => {
  await withServer(async (server) => {
    const { out } = await run(['get', 'rpki', '-o', 'wide'], server)
    const [header, row] = out.split('\n').map((line) => line.split(/ {2,}/))
    assert.deepEqual(header?.slice(0, 8), [
      'Node',
      'Instance',
      'Cache',
      'State',
      'Used',
      'IPv4',
      'IPv6',
      'Updated',
    ])
    assert.equal(
      row?.join('|'),
      'kind-worker|edge|[2001:db8::7]:323|idle|yes|400000|90000|1m5s ago|1|1|7|42|connection closed: reset',
    )
    assert.equal((await run(['get', 'rpki', '--node', 'other'], server)).err, 'Nothing found.')
  })
})

test('monitoring stations show what they are told and since when', async () => {
  await withServer(async (server) => {
    const { out } = await run(['get', 'stations', '-o', 'wide'], server)
    assert.deepEqual(
      out.split('\n').map((line) => line.split(/ {2,}/).join('|')),
      [
        'Node|Instance|Station|State|Since|Views|Messages|Bytes|Last Error',
        'kind-worker|edge|192.0.2.9:11019|up|1m5s|pre,locRib|12|3456',
      ],
    )
  })
})

test('peers look as cilium bgp peers prints them', () => {
  const idle = peer({ address: '172.18.0.11', asn: 65001, state: 'active', since: undefined })
  idle.families = [{ family: 'ipv4/unicast', received: 0, accepted: 0, advertised: 0 }]
  assert.equal(
    peersTable([idle, peer({})], now, false),
    [
      'Node          Local AS   Peer AS   Peer Address   Session State   Uptime   Family         Received   Advertised',
      'kind-worker   65100      65001     172.18.0.10    established     1h2m3s   ipv4/unicast   2          4',
      '                                                                           ipv6/unicast   0          1',
      '              65100      65001     172.18.0.11    active          0s       ipv4/unicast   0          0',
    ].join('\n'),
  )
})

test('unnumbered peers are shown with their interface (RFC 4007 §11)', () => {
  const one = { interface: 'eth1', families: [] }
  const shown = (overrides: Partial<PeerRow>) =>
    peersTable([peer({ ...one, ...overrides })], now, false).split('\n')[1]
  assert.match(shown({ address: 'fe80::7' })!, / fe80::7%eth1 +established/)
  assert.match(shown({ address: 'fe80::7', port: 1790 })!, / \[fe80::7%eth1\]:1790 /)
  assert.match(shown({ address: '::', state: 'idle' })!, / eth1 +idle/)
  assert.match(shown({ address: '2001:db8::7' })!, / 2001:db8::7 /)
})

test('get prints what the API answers, in every format', async () => {
  await withServer(async (server) => {
    const peers = await run(['get', 'peers'], server)
    assert.match(peers.out, /kind-worker\s+65100\s+65001\s+172\.18\.0\.10\s+established\s+1h2m3s/)
    assert.match(peers.err, /kind-worker2 does not answer/)
    const json = await run(['get', 'peers', '-o', 'json'], server)
    assert.equal((JSON.parse(json.out) as PeerRow[])[0]?.families[1]?.advertised, 1)
    const yaml = await run(['get', 'routes', '-o', 'yaml'], server)
    assert.match(yaml.out, /prefix: 20\.0\.10\.1\/32/)
    const routes = await run(['get', 'routes'], server)
    assert.match(
      routes.out,
      /20\.0\.10\.1\/32 +0\.0\.0\.0 +1m10s +\[\{Origin: i\} \{Nexthop: 0\.0\.0\.0\} \{Communities: 65100:99\}\]/,
    )
    const services = await run(['get', 'services', 'nginx'], server)
    assert.match(
      services.out,
      /10\.11\.0\.9,fd00::9 +1\/2 nodes, 1 session +selected by app=nginx.*; not from 1 node: no instance/,
    )
    await assert.rejects(
      run(['get', 'services', 'nowhere'], server),
      (error: Failure) => error.code === 4 && error.message.includes('"nowhere"'),
    )
    const other = await run(['get', 'peers', '--node', 'elsewhere'], server)
    assert.deepEqual([other.out, other.err.split('\n')[0]], ['', 'Nothing found.'])
  })
})

for (const what of ['routes', 'withheld']) {
  test(`get ${what} of a peer that does not exist says so`, async () => {
    const asked = ['get', what, '--peer', 'nobody']
    const quiet: ApiBackend = {
      ...backend,
      peers: () => ({ items: [peer({})], warnings: [] }),
      routes: () => [],
    }
    await withServer(
      (server) =>
        assert.rejects(
          run(asked, server),
          (error: Failure) => error.code === 4 && error.message === 'there is no peer "nobody"',
        ),
      quiet,
    )
    // A node that does not answer may have it.
    const partly: ApiBackend = {
      ...quiet,
      peers: () => ({ items: [], warnings: ['kind-worker2 does not answer'] }),
    }
    await withServer(async (server) => void (await run(asked, server)), partly)
  })
}

test('nodes that announce a Service for the same reason are named together', () => {
  const item = { prefix: '10.11.0.9/32', peer: '172.18.0.10', reasons: [reason] }
  const nodes = ['a', 'b'].map((node) => ({ node, announced: [item], withheld: [] }))
  const text = servicesTable([{ ...service, nodes }], true)
  assert.equal(text.split('\n')[1]?.match(/selected by app=nginx/g)?.length, 1)
  assert.match(text, /from pool demo; all 2 nodes: 10\.11\.0\.9\/32 is announced to 172\.18\.0\.10, since/)
})

test('routes are printed as they come, in every format', async () => {
  const rows = (count: number, prefix: string): RouteRow[] =>
    Array.from({ length: count }, (_, i) => ({
      ...route,
      prefix,
      since: new Date(now - 1000 * i).toISOString(),
    }))
  const dir = mkdtempSync(join(tmpdir(), 'herald-cli-'))
  const long: ApiBackend = {
    ...backend,
    routes: () => [
      { items: rows(600, '10.0.0.0/8'), warnings: ['one'] },
      { items: [], warnings: [] },
      { items: rows(600, '2001:db8:ffff:ffff::/64'), warnings: ['two'] },
    ],
  }
  const api = await serveApi(long, join(dir, 'api.sock'))
  try {
    const json = await run(['get', 'routes', '-o', 'json'], api.url)
    const parsed = JSON.parse(json.out) as RouteRow[]
    assert.equal(parsed.length, 1200)
    assert.deepEqual(parsed[0], rows(1, '10.0.0.0/8')[0])
    assert.equal(json.err, 'Warning: one\nWarning: two')
    const yaml = await run(['get', 'routes', '-o', 'yaml'], api.url)
    assert.equal(yaml.out.match(/^- node: kind-worker$/gm)?.length, 1200)
    const table = await run(['get', 'routes'], api.url)
    assert.equal(table.out.split('\n').length, 1201)
    assert.match(table.out, /^Node +VRouter +Prefix/)
    assert.doesNotMatch(table.out, /\n.*Node +VRouter/)
  } finally {
    await api.close()
    rmSync(dir, { recursive: true })
  }
})

test('routes that are not too many are in order, more are printed as they come', async () => {
  const prefixes = ['2001:db8::/32', '10.2.0.0/16', '10.1.0.0/16', '10.1.0.0/24']
  for (const { copies, expected } of [
    { copies: 1, expected: ['10.1.0.0/16', '10.1.0.0/24', '10.2.0.0/16', '2001:db8::/32'] },
    { copies: 1300, expected: prefixes },
  ]) {
    const items = prefixes.flatMap((prefix) => Array.from({ length: copies }, () => ({ ...route, prefix })))
    const dir = mkdtempSync(join(tmpdir(), 'herald-cli-'))
    const api = await serveApi({ ...backend, routes: () => [{ items, warnings: [] }] }, join(dir, 'api.sock'))
    try {
      const { out } = await run(['get', 'routes', '-o', 'json'], api.url)
      const seen = (JSON.parse(out) as RouteRow[]).map(({ prefix }) => prefix)
      assert.deepEqual([...new Set(seen)], expected)
    } finally {
      await api.close()
      rmSync(dir, { recursive: true })
    }
  }
})

for (const { args, query } of [
  { args: ['received', 'ipv6'], query: { view: 'received', family: 'ipv6/unicast' } },
  { args: ['--table', 'adj-rib-in-post'], query: { view: 'accepted' } },
  { args: ['--table', 'adj-rib-out', '--peer', 'tor'], query: { view: 'advertised', peer: 'tor' } },
  {
    args: ['--prefix', '10.0.0.0/8', '--longer'],
    query: { view: 'available', prefix: '10.0.0.0/8', match: 'longer' },
  },
  {
    args: ['--prefix', '10.1.2.3', '--longest'],
    query: { view: 'available', prefix: '10.1.2.3/32', match: 'longest' },
  },
  {
    args: ['--prefix', 'fd00::1', '--covering'],
    query: { view: 'available', prefix: 'fd00::1/128', match: 'covering' },
  },
  { args: ['--community', 'no-export'], query: { view: 'available', community: 'no-export' } },
  {
    args: ['--community', '1:2:3', '--as-path', '^65001 '],
    query: { view: 'available', community: '1:2:3', asPath: '^65001 ' },
  },
]) {
  test(`get routes ${args.join(' ')} asks for just that`, async () => {
    const asked: unknown[] = []
    const dir = mkdtempSync(join(tmpdir(), 'herald-cli-'))
    const asking: ApiBackend = {
      ...backend,
      routes: (given) => {
        asked.push(given)
        return []
      },
    }
    const api = await serveApi(asking, join(dir, 'api.sock'))
    try {
      const { err } = await run(['get', 'routes', ...args], api.url)
      assert.equal(err, 'Nothing found.')
      assert.deepEqual(asked, [query])
    } finally {
      await api.close()
      rmSync(dir, { recursive: true })
    }
  })
}

test('what is withheld and what is wrong are tables with their reasons', async () => {
  await withServer(async (server) => {
    const cells = async (...args: string[]) =>
      (await run(['get', ...args], server)).out.split('\n').map((line) => line.split(/ {2,}/).join('|'))
    assert.deepEqual(await cells('withheld'), [
      'Node|Instance|Peer|Prefix|Why Not',
      'kind-worker|edge|all|fd00::9/128|no endpoint is ready',
    ])
    assert.deepEqual(await cells('withheld', '--peer', 'tor', '-o', 'wide'), [
      'Node|Instance|Peer|Prefix|Why Not',
      'kind-worker|edge|tor|fd00::9/128|no endpoint is ready, selected by app=nginx',
    ])
    assert.deepEqual(await cells('problems'), [
      'Node|Object|Field|Problem|Hint',
      'kind-worker|BGPPeer tor|spec.importPolicies[0]|there is no valid RoutePolicy "x"|create it',
    ])
    await assert.rejects(
      run(['get', 'withheld', '--prefix', '10.0.0.1'], server),
      (error: Failure) => error.code === 2,
    )
  })
})

test('wide routes say which step of the decision parted them', () => {
  const print = routesTable('received', now, true)
  const texts = print([
    { ...route, why: 'asPathLength', rpki: 'valid' },
    { ...route, best: false, why: 'med', stale: true },
    { ...route, best: false, rejected: 'rejected by policy p, statement 1' },
    { ...route, why: 'only' },
  ]).split('\n')
  assert.match(texts[1]!, / best by AS path length, RPKI valid /)
  assert.match(texts[2]!, / loses by MED, stale /)
  assert.match(texts[3]!, / rejected by policy p, statement 1 /)
  assert.match(texts[4]!, / only path /)
})

test('a peer shows everything that is known of its session', async () => {
  const text = peerDetail(
    peer({
      peer: 'tor',
      heldDown: 'the Secret is missing',
      heldByLimit: {},
      flaps: 1,
      lastUp: new Date(now - 60_000).toISOString(),
      lastError: {
        at: new Date(now - 1000).toISOString(),
        direction: 'received',
        message: 'received Cease',
        hex: 'ff ff',
      },
      lastDownReason: 'sent Cease/Hard Reset',
      stale: [{ family: 'ipv6/unicast', phase: 'longLived', until: '2026-11-21T11:00:00Z' }],
      awaited: { families: ['ipv4/unicast'], until: '2026-11-21T10:05:00Z' },
      connection: { localAddress: 'fd00::2', localPort: 40000, remoteAddress: 'fd00::1', remotePort: 179 },
      messages: {
        sent: { open: 1, update: 5, notification: 0, keepalive: 9, routeRefresh: 0 },
        received: { open: 1, update: 6, notification: 0, keepalive: 8, routeRefresh: 0 },
      },
      updateFaults: 2,
      role: 'customer',
      families: [{ family: 'ipv6/unicast', received: 3, accepted: 2, advertised: 1, limit: 10 }],
      configured: {
        holdTimeSeconds: 90,
        keepaliveSeconds: 30,
        connectRetrySeconds: 120,
        passive: true,
        ttl: 255,
        minTtl: 255,
        authentication: 'md5',
        importRoutes: true,
        exportLearned: false,
        importPolicies: ['in'],
        exportPolicies: [],
      },
      negotiated: {
        kind: 'ebgp',
        fourOctetAsn: true,
        routeRefresh: true,
        enhancedRouteRefresh: false,
        maxLength: 65535,
        extendedNextHop: [],
        addPathReceive: ['ipv6/unicast'],
        addPathSend: [],
        gracefulRestart: {
          restartSeconds: 120,
          notification: true,
          families: ['ipv6/unicast'],
          longLived: [{ family: 'ipv6/unicast', staleSeconds: 3600 }],
        },
        offered: ['route refresh', 'graceful restart'],
        received: ['route refresh', 'role provider'],
      },
    }),
    now,
  )
  for (const line of [
    /^BGP peer tor \(172\.18\.0\.10\) of demo-65100 on kind-worker$/m,
    /State: +established for 1h2m3s$/m,
    /AS: +65100 here, 65001 there, eBGP$/m,
    /Connection: +\[fd00::2\]:40000 to \[fd00::1\]:179$/m,
    /Held down: +the Secret is missing$/m,
    /Held down: +by its prefix limit until `herald peer enable tor`$/m,
    /Last: +up 1m0s ago \(.*\), 1 loss of the session$/m,
    /Went down: +sent Cease\/Hard Reset$/m,
    /Last error: +received Cease, 1s ago/,
    /message ff ff$/m,
    /Stale: +ipv6\/unicast long-lived, until 2026-11-21T11:00:00Z at most$/m,
    /Awaited: +its End-of-RIB of ipv4\/unicast, until 2026-11-21T10:05:00Z: then learned routes are passed on$/m,
    /Transport: +passive, TTL at least 255 \(GTSM\), TCP MD5$/m,
    /Import: +routes are used, asked of in$/m,
    /Export: +own routes only$/m,
    /Role: +customer here, none told there$/m,
    /route refresh +both$/m,
    /graceful restart +offered$/m,
    /role provider +received$/m,
    /Restart: +within 120 s, keeping ipv6\/unicast, also after a NOTIFICATION$/m,
    /then ipv6\/unicast for 3600 s as the last choice$/m,
    /ipv6\/unicast +3 +2 +1 +10$/m,
    /UPDATE +5 +6$/m,
    /Faults: +2 malformed/,
    /Why: +selected by app=nginx$/m,
  ])
    assert.match(text, line)
})

test('get peer takes a name or an address, and says when there is none', async () => {
  await withServer(async (server) => {
    assert.match((await run(['get', 'peer', '172.18.0.10'], server)).out, /^BGP peer 172\.18\.0\.10/)
    await assert.rejects(
      run(['get', 'peer', 'nobody'], server),
      (error: Failure) => error.code === 4 && error.message.includes('"nobody"'),
    )
  })
})

for (const { args, given } of [
  { args: ['reset', '2001:db8::1', '--text', 'bye'], given: [['2001:db8::1', 'reset', 'bye']] },
  {
    args: ['refresh', '192.0.2.1'],
    given: [
      ['192.0.2.1', 'refreshIn', undefined],
      ['192.0.2.1', 'refreshOut', undefined],
    ],
  },
  { args: ['refresh', 'tor', '--in'], given: [['tor', 'refreshIn', undefined]] },
  { args: ['refresh', 'tor', '--out'], given: [['tor', 'refreshOut', undefined]] },
  { args: ['enable', 'tor'], given: [['tor', 'enable', undefined]] },
]) {
  test(`herald peer ${args.join(' ')} gives the command and says to whom`, async () => {
    await withServer(async (server) => {
      commands.length = 0
      const { out } = await run(['peer', ...args], server)
      assert.deepEqual(commands, given)
      assert.equal(out.split('\n').length, given.length)
      assert.match(out, / tor \(.*\) of demo on kind-worker$/)
    })
  })
}

test('a watch prints the list and then each change', async () => {
  let count = 1
  let notify = () => {}
  const dir = mkdtempSync(join(tmpdir(), 'herald-cli-'))
  const changing: ApiBackend = {
    ...backend,
    peers: () => ({ items: [peer({ localAsn: count })], warnings: [] }),
    subscribe: (changed) => {
      notify = changed
      return () => {}
    },
  }
  const api = await serveApi(changing, join(dir, 'api.sock'))
  const stop = new AbortController()
  const seen: string[] = []
  const out = (line: string) => {
    const match = /kind-worker +(\d+)/.exec(line)
    if (match === null) return
    seen.push(match[1]!)
    if (count === 3) stop.abort()
    count++
    notify()
  }
  try {
    await runProgram(['get', 'peers', '-w', '--server', api.url], noActions, {
      out,
      err: () => {},
      now: () => now,
      signal: stop.signal,
    })
    assert.deepEqual(seen, ['1', '2', '3'])
  } finally {
    await api.close()
    rmSync(dir, { recursive: true })
  }
})

test('failures are one sentence with a hint and a documented exit code', async () => {
  const cases: { args: string[]; code: number; says: RegExp }[] = [
    {
      args: ['get', 'peers', '--server', 'unix:/nowhere/api.sock'],
      code: 3,
      says: /cannot reach unix:\/nowhere/,
    },
    { args: ['get', 'peers', '--server', 'ftp://x'], code: 3, says: /not the address of a Herald API/ },
    { args: ['get', 'pears'], code: 2, says: /unknown command 'pears'/ },
    { args: ['get', 'peers', '-o', 'xml'], code: 2, says: /xml/ },
    { args: ['speaker', '--node', 'a', '--dialect', 'klingon'], code: 2, says: /klingon/ },
    { args: ['get', 'routes', '--prefix', '10.0.0.0'], code: 2, says: /write it as 10\.0\.0\.0\/32/ },
    { args: ['get', 'routes', '--longest'], code: 2, says: /--longest needs --prefix/ },
    { args: ['get', 'routes', '--as-path', '('], code: 2, says: /\(/ },
    { args: ['router'], code: 2, says: /--config/ },
    { args: [], code: 2, says: /which command/ },
  ]
  for (const { args, code, says } of cases) {
    await assert.rejects(run(args), (error: Failure) => {
      assert.ok(error instanceof Failure, String(error))
      assert.deepEqual(
        [error.code, says.test(error.message)],
        [code, true],
        `${args.join(' ')}: ${error.message}`,
      )
      return true
    })
  }
})

test('bash completes commands, arguments and options from the commands themselves', async () => {
  const { out } = await run(['completion', 'bash'])
  const complete = (...words: string[]) => {
    const script = `${out}\nCOMP_WORDS=(${words.map((w) => JSON.stringify(w)).join(' ')}); COMP_CWORD=${words.length - 1}; _herald; echo "\${COMPREPLY[*]}"`
    return spawnSync('bash', ['-c', script], { encoding: 'utf8' }).stdout.trim().split(' ')
  }
  assert.ok(complete('herald', '').includes('speaker'))
  assert.deepEqual(complete('herald', 'get', 'p'), ['peers', 'peer', 'problems'])
  assert.deepEqual(complete('herald', 'peer', 're'), ['reset', 'refresh'])
  assert.deepEqual(complete('herald', 'get', 'routes', '--cov'), ['--covering'])
  assert.deepEqual(complete('herald', 'get', 'routes', 'adv'), ['advertised'])
  assert.deepEqual(complete('herald', 'get', 'peers', '--wat'), ['--watch'])
})
