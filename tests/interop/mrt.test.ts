/**
 * MRT files between Herald, bgpdump, BIRD and GoBGP, in a namespace of this test's own: whoever wrote a file, Herald and bgpdump
 * read the same out of it.
 */
import assert from 'node:assert/strict'
import { execFileSync, spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { stringify } from 'yaml'
import { getJson } from '#api/contract/client.ts'
import { listSchema, peerRowSchema, routeRowSchema } from '#api/contract/contract.ts'
import { address } from '#core/net/address.ts'
import { createLogger } from '#daemon/log.ts'
import { replayMrt } from '#daemon/mrt-replay.ts'
import { showMrt } from '#daemon/mrt-show.ts'
import { runRouter } from '#daemon/router-daemon.ts'
import { systemClock } from '#host/clock.ts'
import { linuxTcp } from '#host/tcp-linux.ts'
import { find } from '#lab/lab.ts'
import { enterPrivateNetns } from '../contract/private-netns.ts'
import { untilGiven } from '../until.testing.ts'

const netns = enterPrivateNetns([
  'link set lo up',
  'addr add 192.0.2.1/32 dev lo',
  'addr add 192.0.2.2/32 dev lo',
  'addr add 2001:db8::1/128 dev lo',
])
if (!('unavailable' in netns)) after(netns.leave)

function skipWithout(...programs: string[]): string | false {
  if ('unavailable' in netns) return netns.unavailable
  const missing = programs.find((program) => find(program) === undefined)
  return missing === undefined ? false : `needs ${missing}: npm test installs it on Debian as root`
}

const log = createLogger({ level: 'silent' })
const timers = { connectRetrySeconds: 1, holdTimeSeconds: 9, keepaliveSeconds: 3 }

function object(kind: string, name: string, spec: object): string {
  return stringify({ apiVersion: 'herald.dev/v1alpha1', kind, metadata: { name }, spec })
}

/** A router at 192.0.2.1, AS 65001, whose neighbour at 192.0.2.2 is AS 4200000002. */
class Herald {
  readonly folder = mkdtempSync(join(tmpdir(), 'herald-mrt-'))
  readonly #stop = new AbortController()
  readonly #ended: Promise<void>

  constructor(instance: object = {}, prefixes = ['198.51.100.0/24', '2001:db8:100::/48']) {
    const file = join(this.folder, 'router.yaml')
    const folder = this.folder
    writeFileSync(
      file,
      [
        object('BGPInstance', 'edge', {
          asn: 65001,
          routerId: '192.0.2.1',
          listenPort: 1790,
          ...JSON.parse(JSON.stringify(instance).replaceAll('FOLDER', folder)),
        }),
        object('BGPPeer', 'b', {
          address: '192.0.2.2',
          asn: 4200000002,
          passive: true,
          importRoutes: true,
          timers,
        }),
        object('BGPAdvertisement', 'own', { prefixes }),
      ].join('---\n'),
    )
    this.#ended = runRouter(
      {
        files: [file],
        node: 'a',
        socket: join(folder, 'api.sock'),
        log,
        version: '0',
        listenAddresses: [address('192.0.2.1')],
      },
      this.#stop.signal,
    )
  }

  /** Prefixes received, with their AS path. */
  async received(): Promise<string[]> {
    const answer = await getJson(
      `unix:${join(this.folder, 'api.sock')}`,
      '/v1/routes?view=received',
      listSchema(routeRowSchema),
    )
    return answer.ok ? answer.value.items.map(({ prefix, asPath }) => `${prefix} ${asPath}`).toSorted() : []
  }

  async isUp(): Promise<boolean> {
    const server = `unix:${join(this.folder, 'api.sock')}`
    const answer = await getJson(server, '/v1/peers', listSchema(peerRowSchema))
    return answer.ok && answer.value.items[0]?.state === 'established'
  }

  /** Files of this name's beginning. */
  files(name: string): string[] {
    return readdirSync(this.folder)
      .filter((file) => file.startsWith(name) && file.endsWith('.mrt'))
      .map((file) => join(this.folder, file))
      .toSorted()
  }

  async stop(): Promise<void> {
    this.#stop.abort()
    await this.#ended
  }

  async end(): Promise<void> {
    await this.stop()
    rmSync(this.folder, { recursive: true })
  }
}

const birdRoutes = `
protocol static s4 {
  ipv4;
  route 203.0.113.0/24 blackhole { bgp_community.add((65002,1)); bgp_large_community.add((65002,1,2)); bgp_med = 7; };
  route 203.0.112.0/24 blackhole { bgp_path.prepend(65010); };
}
protocol static s6 { ipv6; route 2001:db8:200::/48 blackhole; }
`

/** BIRD at 192.0.2.2. */
function startBird(folder: string, more = ''): ChildProcess {
  const file = join(folder, 'bird.conf')
  writeFileSync(
    file,
    `router id 192.0.2.2;
${more}
protocol device { }
${birdRoutes}
protocol bgp herald {
  local 192.0.2.2 as 4200000002;
  neighbor 192.0.2.1 port 1790 as 65001;
  multihop;
  connect delay time 1;
  hold time 9;
  ipv4 { import all; export where source = RTS_STATIC; };
  ipv6 { import all; export where source = RTS_STATIC; next hop address 2001:db8::9; };
}
`,
  )
  const args = ['-f', '-c', file, '-s', join(folder, 'bird.ctl'), '-P', join(folder, 'bird.pid')]
  return spawn('bird', args, { stdio: 'ignore' })
}

async function endProcess(process: ChildProcess): Promise<void> {
  if (process.exitCode !== null || process.signalCode !== null) return
  process.kill('SIGTERM')
  await once(process, 'exit')
}

async function shown(file: string): Promise<string> {
  const lines: string[] = []
  const result = await showMrt({ file, output: 'text', trouble: (reason) => lines.push(reason) }, (text) =>
    lines.push(text),
  )
  assert.ok(result.ok, result.ok ? '' : result.error)
  return lines.join('\n')
}

function bgpdump(file: string): string {
  return execFileSync('bgpdump', ['-q', '-m', '-l', file], { encoding: 'utf8' }).trimEnd()
}

test(
  'RFC 6396: bgpdump reads what Herald writes, and so does Herald',
  { skip: skipWithout('bgpdump', 'bird') },
  async () => {
    const herald = new Herald({
      mrt: {
        updates: { file: 'FOLDER/updates-%Y%m%d-%H%M%S.mrt', rotateSeconds: 600 },
        rib: { file: 'FOLDER/rib-%i-%H%M%S.mrt', intervalSeconds: 1 },
      },
    })
    const bird = startBird(herald.folder)
    try {
      await untilGiven('their routes are here', async () => (await herald.received()).length === 3)
      const begun = herald.files('rib').length
      await untilGiven('tables are dumped', async () => herald.files('rib').length > begun + 1)
      const rib = herald.files('rib-edge-').at(-1)!
      execFileSync('birdc', ['-s', join(herald.folder, 'bird.ctl'), 'disable', 's6'])
      await untilGiven('a route is withdrawn', async () => (await herald.received()).length === 2)
      await endProcess(bird)
      await untilGiven('the session is down', async () => !(await herald.isUp()))
      await herald.stop()
      for (const [file, wanted] of [
        [
          herald.files('updates')[0]!,
          [
            /BGP4MP\|\d+\|STATE\|192\.0\.2\.2\|4200000002\|5\|6/,
            /\|A\|192\.0\.2\.2\|4200000002\|203\.0\.113\.0\/24\|4200000002\|IGP\|192\.0\.2\.2\|0\|0\|65002:1\|65002:1:2\|NAG/,
            /\|W\|192\.0\.2\.2\|4200000002\|2001:db8:200::\/48/,
            /STATE\|192\.0\.2\.2\|4200000002\|6\|1/,
          ],
        ],
        [
          rib,
          [
            /TABLE_DUMP2\|\d+\|B\|192\.0\.2\.2\|4200000002\|203\.0\.112\.0\/24\|4200000002 65010\|/,
            /TABLE_DUMP2\|\d+\|B\|192\.0\.2\.2\|4200000002\|2001:db8:200::\/48\|4200000002\|IGP\|2001:db8::9\|/,
            /TABLE_DUMP2\|\d+\|B\|0\.0\.0\.0\|65001\|198\.51\.100\.0\/24\|/,
          ],
        ],
      ] as const) {
        const text = bgpdump(file)
        for (const pattern of wanted) assert.match(text, pattern)
        assert.equal(await shown(file), text)
      }
    } finally {
      await endProcess(bird)
      await herald.end()
    }
  },
)

test(
  'Herald reads what BIRD writes as bgpdump does, tables and messages',
  { skip: skipWithout('bgpdump', 'bird') },
  async () => {
    const herald = new Herald()
    const { folder } = herald
    const more = `mrtdump "${join(folder, 'bird-updates.mrt')}"; mrtdump protocols { states, messages };
protocol mrt { table "master*"; filename "${join(folder, 'bird-%N.mrt')}"; period 1; }`
    const bird = startBird(folder, more)
    try {
      await untilGiven('their routes are here', async () => (await herald.received()).length === 3)
      const tables = ['master4', 'master6'].map((name) => join(folder, `bird-${name}.mrt`))
      await untilGiven('BIRD has dumped the routes of both', async () =>
        tables.every((file) => existsSync(file) && /\|65001\|/.test(bgpdump(file))),
      )
      await endProcess(bird)
      for (const file of [...tables, join(folder, 'bird-updates.mrt')]) {
        const text = bgpdump(file)
        assert.match(text, /198\.51\.100\.0\/24\|65001\||2001:db8:100::\/48\|65001\|/)
        assert.equal(await shown(file), withoutOddities(text))
      }
    } finally {
      await endProcess(bird)
      await herald.end()
    }
  },
)

/** bgpdump shows a missing next hop as one of all ones. */
function withoutOddities(text: string): string {
  return text
    .split('\n')
    .map((line) => line.replace('|255.255.255.255|', line.includes('::/') ? '|::|' : '|0.0.0.0|'))
    .join('\n')
}

test(
  'Herald reads the updates that GoBGP writes, and GoBGP the table that Herald writes',
  { skip: skipWithout('bgpdump', 'gobgpd', 'gobgp') },
  async () => {
    // IPv4 only: GoBGP 3.10 does not know that RFC 6396 §4.3.4 cuts MP_REACH_NLRI down, and reads none after it.
    const herald = new Herald({ mrt: { rib: { file: 'FOLDER/rib-%H%M%S.mrt', intervalSeconds: 1 } } }, [
      '198.51.100.0/24',
    ])
    const { folder } = herald
    const updates = join(folder, 'gobgp-updates.mrt')
    const config = join(folder, 'gobgpd.toml')
    writeFileSync(
      config,
      `[global.config]
  as = 4200000002
  router-id = "192.0.2.2"
  port = -1
[[mrt-dump]]
  [mrt-dump.config]
    dump-type = "updates"
    file-name = "gobgp-updates.mrt"
[[neighbors]]
  [neighbors.config]
    neighbor-address = "192.0.2.1"
    peer-as = 65001
  [neighbors.transport.config]
    local-address = "192.0.2.2"
    remote-port = 1790
  [neighbors.timers.config]
    connect-retry = 1
    hold-time = 9
  [[neighbors.afi-safis]]
    [neighbors.afi-safis.config]
      afi-safi-name = "ipv4-unicast"
  [[neighbors.afi-safis]]
    [neighbors.afi-safis.config]
      afi-safi-name = "ipv6-unicast"
`,
    )
    // GoBGP takes the digits of a path for a time's.
    const gobgpd = spawn('gobgpd', ['-f', config, '--api-hosts', '127.0.0.1:50051'], {
      stdio: 'ignore',
      cwd: folder,
    })
    const gobgp = (...args: string[]) =>
      execFileSync('gobgp', args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] })
    try {
      await untilGiven('the session is up', () => herald.isUp())
      gobgp('global', 'rib', 'add', '203.0.113.0/24', 'community', '65002:1', 'med', '7')
      await untilGiven('their routes are here', async () => (await herald.received()).length === 1)
      await untilGiven(
        'GoBGP has written',
        async () => statSync(updates).size > 0 && /198\.51/.test(bgpdump(updates)),
      )
      const text = bgpdump(updates)
      assert.match(text, /\|A\|192\.0\.2\.1\|65001\|198\.51\.100\.0\/24\|65001\|IGP\|192\.0\.2\.1\|/)
      assert.equal(await shown(updates), text)
      const begun = herald.files('rib').length
      await untilGiven('tables are dumped', async () => herald.files('rib').length > begun + 1)
      const table = herald.files('rib').at(-1)!
      // It shows what it read; whether it waits for the daemon to take that is a race in GoBGP 3.10.
      const read = gobgp('-d', 'mrt', 'inject', 'global', table)
      assert.match(
        read,
        /Prefix \[203\.0\.113\.0\/24\].*4200000002.*Nexthop: 192\.0\.2\.2.*Communities: 65002:1/,
      )
      assert.match(read, /Prefix \[198\.51\.100\.0\/24\]/)
    } finally {
      await endProcess(gobgpd)
      await herald.end()
    }
  },
)

/** Options of a replay as the neighbour that {@link Herald} expects. */
function replayOptions(file: string, said: string[]) {
  return {
    file,
    to: address('192.0.2.1'),
    port: 1790,
    asn: 4200000002,
    routerId: address('192.0.2.2'),
    peerAsn: 0,
    sourceAddress: address('192.0.2.2'),
    ttl: 64,
    // Both ends have the addresses of one machine here.
    keepNextHop: true,
    exit: false,
    tcp: linuxTcp(),
    clock: systemClock,
    say: (line: string) => void said.push(line),
  }
}

test(
  'what was dumped, updates or table, is played into a router that then has the same routes',
  { skip: skipWithout('bird') },
  async () => {
    const source = new Herald({
      mrt: {
        updates: { file: 'FOLDER/updates.mrt' },
        rib: { file: 'FOLDER/rib-%H%M%S.mrt', intervalSeconds: 1 },
      },
    })
    const bird = startBird(source.folder)
    try {
      await untilGiven('their routes are here', async () => (await source.received()).length === 3)
      const routes = await source.received()
      const begun = source.files('rib').length
      await untilGiven('tables are dumped', async () => source.files('rib').length > begun + 1)
      const rib = source.files('rib').at(-1)!
      await endProcess(bird)
      await source.stop()
      for (const file of [rib, join(source.folder, 'updates.mrt')]) {
        const said: string[] = []
        const target = new Herald()
        const stop = new AbortController()
        // Two changes in a second: the third comes after a second.
        const rate = file === rib ? {} : { rate: 2 }
        const options = { ...replayOptions(file, said), ...rate, from: address('192.0.2.2') }
        const played = replayMrt(options, stop.signal)
        try {
          await untilGiven('the same routes are there', async () => {
            const there = await target.received()
            return there.length === routes.length && there.every((route, i) => route === routes[i])
          })
          const line = await untilGiven('it says so', async () =>
            said.find((each) => each.startsWith('3 changes')),
          )
          if (file !== rib) assert.match(line, /^3 changes in 1\.\d s$/)
        } finally {
          stop.abort()
          assert.deepEqual(await played, { ok: true, value: undefined })
          await target.end()
        }
      }
    } finally {
      await endProcess(bird)
      await source.end()
    }
  },
)

test('a replay of a file that is none says so', { skip: skipWithout() }, async () => {
  const herald = new Herald({ mrt: { updates: { file: 'FOLDER/updates.mrt' } } })
  const bad = join(herald.folder, 'bad.mrt')
  writeFileSync(bad, readFileSync('/bin/sh').subarray(0, 4096))
  try {
    const said: string[] = []
    const result = await replayMrt(replayOptions(bad, said), AbortSignal.timeout(20_000))
    assert.match(result.ok ? '' : result.error, /no MRT file|ends within a record/)
  } finally {
    await herald.end()
  }
})
