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
import { peersTable, servicesTable } from './views.ts'

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

const backend: ApiBackend = {
  version: () => ({ version: '1', role: 'controller' }),
  peers: () => ({ items: [peer({})], warnings: ['kind-worker2 does not answer'] }),
  routes: ({ view }) => ({ items: view === 'available' ? [route] : [], warnings: [] }),
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

async function withServer(body: (server: string) => Promise<void>): Promise<void> {
  const dir = mkdtempSync(join(tmpdir(), 'herald-cli-'))
  const api = await serveApi(backend, join(dir, 'api.sock'))
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

test('nodes that announce a Service for the same reason are named together', () => {
  const item = { prefix: '10.11.0.9/32', peer: '172.18.0.10', reasons: [reason] }
  const nodes = ['a', 'b'].map((node) => ({ node, announced: [item], withheld: [] }))
  const text = servicesTable([{ ...service, nodes }], true)
  assert.equal(text.split('\n')[1]?.match(/selected by app=nginx/g)?.length, 1)
  assert.match(text, /from pool demo; all 2 nodes: 10\.11\.0\.9\/32 is announced to 172\.18\.0\.10, since/)
})

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
  assert.deepEqual(complete('herald', 'get', 'p'), ['peers'])
  assert.deepEqual(complete('herald', 'get', 'routes', 'adv'), ['advertised'])
  assert.deepEqual(complete('herald', 'get', 'peers', '--wat'), ['--watch'])
})
