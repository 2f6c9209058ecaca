/**
 * The routers that `peers.c` measures: how each is started with the same task. They accept the listed peers passively, take
 * and pass on every route, and program no kernel routes. Everything here speaks their own configuration languages.
 */
import { execFileSync } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { stringify } from 'yaml'

export const routerAddress = '10.77.0.1'
export const routerAsn = 65000

export interface BenchPeer {
  address: string
  asn: number
}

export interface Task {
  /** Scratch folder, empty. */
  folder: string
  peers: BenchPeer[]
  family: 4 | 6
  /** More than 1: add-path both ways (RFC 7911). */
  paths: number
  /** Statements of an import and of an export policy, none of which matches before the last. */
  policyStatements: number
}

export interface Device {
  name: string
  /** Absent: not installed. */
  version(): string | undefined
  /** Writes the configuration, and gives the commands of the processes to start, in order. */
  prepare(task: Task): string[][]
  /** A shell command that prints the number of routes that the router itself counts. */
  count(folder: string): string
}

const root = resolve(import.meta.dirname, '../..')

const herald: Device = {
  name: 'herald',
  version: () =>
    execFileSync('git', ['rev-parse', '--short', 'HEAD'], { cwd: root, encoding: 'utf8' }).trim(),
  prepare(task) {
    writeFileSync(join(task.folder, 'herald.yaml'), heraldResources(task).map(document).join('---\n'))
    return [
      [
        join(root, 'bin/herald'),
        'router',
        '--config',
        join(task.folder, 'herald.yaml'),
        '--socket',
        join(task.folder, 'api.sock'),
      ],
    ]
  },
  count: (folder) =>
    `curl -s --unix-socket ${folder}/api.sock http://herald/v1/peers` +
    ` | grep -o '"received":[0-9]*' | awk -F: '{n+=$2} END {print n+0}'`,
}

function document(resource: object): string {
  return stringify(resource)
}

function heraldResources({ peers, family, paths, policyStatements }: Task): object[] {
  const apiVersion = 'herald.dev/v1alpha1'
  const families = [`ipv${family}/unicast`]
  const policies = ['import', 'export'].map((name) => ({
    apiVersion,
    kind: 'RoutePolicy',
    metadata: { name },
    spec: { statements: statements(policyStatements) },
  }))
  return [
    {
      apiVersion,
      kind: 'BGPInstance',
      metadata: { name: 'dut' },
      spec: { asn: routerAsn, routerId: routerAddress, listenPort: 179 },
    },
    ...(policyStatements > 0 ? policies : []),
    ...peers.map(({ address, asn }) => ({
      apiVersion,
      kind: 'BGPPeer',
      metadata: { name: `p-${address.replaceAll('.', '-')}` },
      spec: {
        address,
        asn,
        passive: true,
        families,
        timers: { holdTimeSeconds: 180, keepaliveSeconds: 60 },
        importRoutes: true,
        exportLearned: true,
        ...(paths > 1 && { addPath: { receive: true, send: paths } }),
        ...(policyStatements > 0 && { importPolicies: ['import'], exportPolicies: ['export'] }),
      },
    })),
  ]
}

const decision = 'then'

/** Half look at attributes and half at the prefix; only the last matches, and it changes the route. */
function statements(count: number): object[] {
  return Array.from({ length: count }, (_, i) => {
    // What it adds is told apart by nobody: the receivers' tables stay comparable.
    if (i === count - 1) return { name: 'rest', set: { med: { set: 7 } } }
    const match =
      i % 2 === 0
        ? { communities: { entries: [`64999:${i}`] } }
        : { prefixes: { entries: [{ prefix: `192.168.${i}.0/24`, minLength: 24, maxLength: 32 }] } }
    return { match, [decision]: 'reject' }
  })
}

const bird: Device = {
  name: 'bird',
  version: () => versionBy(['bird', '--version']),
  prepare({ folder, peers }) {
    const protocols = peers.map(
      ({ address, asn }) => `protocol bgp p_${name(address)} from T { neighbor ${address} as ${asn}; }`,
    )
    writeFileSync(
      join(folder, 'bird.conf'),
      `router id ${routerAddress};
log stderr { warning, error, fatal, bug };
protocol device { }
template bgp T {
  local ${routerAddress} as ${routerAsn}; passive yes; hold time 180;
  ipv4 { import all; export all; };
}
${protocols.join('\n')}
`,
    )
    return [
      [
        'bird',
        '-f',
        '-c',
        join(folder, 'bird.conf'),
        '-s',
        join(folder, 'bird.ctl'),
        '-P',
        join(folder, 'pid'),
      ],
    ]
  },
  count: (folder) =>
    `birdc -s ${folder}/bird.ctl show protocols all | awk '/Routes:/ {n+=$2} END {print n+0}'`,
}

const frr: Device = {
  name: 'frr',
  version: () => versionBy(['/usr/lib/frr/bgpd', '--version']),
  prepare({ folder, peers }) {
    const neighbours = peers.map(
      ({ address, asn }) => ` neighbor ${address} remote-as ${asn}\n neighbor ${address} passive`,
    )
    const active = peers.map(({ address }) => `  neighbor ${address} activate`)
    writeFileSync(join(folder, 'zebra.conf'), 'log stdout warnings\n')
    writeFileSync(
      join(folder, 'bgpd.conf'),
      `hostname dut
log stdout warnings
router bgp ${routerAsn}
 bgp router-id ${routerAddress}
 no bgp ebgp-requires-policy
 no bgp default ipv4-unicast
 no bgp network import-check
 timers bgp 60 180
${neighbours.join('\n')}
 address-family ipv4 unicast
${active.join('\n')}
 exit-address-family
!
`,
    )
    const common = ['-u', 'frr', '-g', 'frr', '--vty_socket', folder, '-z', join(folder, 'zserv.api')]
    return [
      ['/usr/lib/frr/zebra', '-f', join(folder, 'zebra.conf'), '-i', join(folder, 'zebra.pid'), ...common],
      [
        '/usr/lib/frr/bgpd',
        '-f',
        join(folder, 'bgpd.conf'),
        '-n',
        '-i',
        join(folder, 'bgpd.pid'),
        '-l',
        routerAddress,
        ...common,
      ],
    ]
  },
  count: (folder) =>
    `vtysh --vty_socket ${folder} -d bgpd -c 'show bgp ipv4 unicast summary json'` +
    ` | grep -o '"pfxRcd":[0-9]*' | awk -F: '{n+=$2} END {print n+0}'`,
}

const gobgp: Device = {
  name: 'gobgp',
  version: () => versionBy(['gobgp', '--version']),
  prepare({ folder, peers }) {
    const neighbours = peers.map(({ address, asn }) => ({
      config: { 'neighbor-address': address, 'peer-as': asn },
      timers: { config: { 'hold-time': 180, 'keepalive-interval': 60 } },
      transport: { config: { 'passive-mode': true } },
      'afi-safis': [{ config: { 'afi-safi-name': 'ipv4-unicast' } }],
    }))
    const config = {
      global: {
        config: {
          as: routerAsn,
          'router-id': routerAddress,
          port: 179,
          'local-address-list': [routerAddress],
        },
      },
      neighbors: neighbours,
    }
    writeFileSync(join(folder, 'gobgp.yaml'), stringify(config))
    const api = `unix://${folder}/api.sock`
    return [
      [
        'gobgpd',
        '-t',
        'yaml',
        '-f',
        join(folder, 'gobgp.yaml'),
        '-l',
        'warn',
        '--pprof-disable',
        '--api-hosts',
        api,
      ],
    ]
  },
  count: (folder) =>
    `gobgp --target unix://${folder}/api.sock global rib summary` +
    ` | awk '/Destination/ {gsub(/[^0-9 ]/, ""); print $1}'`,
}

const openbgpd: Device = {
  name: 'openbgpd',
  version: () => versionBy(['bgpctl', '-V']),
  prepare({ folder, peers }) {
    const neighbours = peers.map(
      ({ address, asn }) => `neighbor ${address} {\n remote-as ${asn}\n passive\n announce IPv4 unicast\n}`,
    )
    mkdirSync('/run/openbgpd', { recursive: true })
    writeFileSync(
      join(folder, 'bgpd.conf'),
      `AS ${routerAsn}
router-id ${routerAddress}
holdtime 180
listen on ${routerAddress}
fib-update no
socket "${folder}/bgpd.sock"
${neighbours.join('\n')}
allow from any
allow to any
`,
      { mode: 0o600 },
    )
    return [['/usr/sbin/bgpd', '-d', '-f', join(folder, 'bgpd.conf')]]
  },
  count: (folder) =>
    `bgpctl -s ${folder}/bgpd.sock show rib mem | awk '/IPv4 unicast network entries|prefix entries/ {print $1; exit}'`,
}

export const devices: readonly Device[] = [herald, bird, frr, gobgp, openbgpd]

function name(address: string): string {
  return address.replaceAll('.', '_')
}

/** The last word of the first line of what the command says, or undefined if it cannot be run. */
function versionBy([program, ...args]: [string, ...string[]]): string | undefined {
  try {
    const said = execFileSync('sh', ['-c', '"$0" "$@" 2>&1', program, ...args], { encoding: 'utf8' })
    return /\d+(\.\d+)+/.exec(said)?.[0]
  } catch {
    return undefined
  }
}
