/**
 * The command line: its commands, options and help. What the roles do is given in by `herald.ts`, which loads each only
 * when it runs.
 */
import { existsSync } from 'node:fs'
import { Argument, Command, CommanderError, InvalidArgumentError, Option } from 'commander'
import { defaultSockets, routeViews, type RouteQuery, type RouteView } from '#api/contract/contract.ts'
import { parseAddress } from '#core/net/address.ts'
import { hostPrefix } from '#core/net/prefix.ts'
import { completionScript, shells, type Shell } from './completion.ts'
import { exitCodes, Failure } from './failure.ts'
import {
  getPeer,
  getPeers,
  getProblems,
  getWithheld,
  getRoutes,
  getRpki,
  getServices,
  getStations,
  outputFormats,
  type OutputFormat,
} from './get.ts'
import { commandPeer } from './peer-command.ts'
import type { Terminal } from './terminal.ts'

/** Options that every role with a cluster has. */
export interface ClusterFlags {
  kubeconfig?: string
  context?: string
  dialect: string[]
  socket: string
  logLevel: string
}

export interface ApiServerFlags {
  dataDir: string
  listen: string[]
  serviceCidr: string[]
  kubeconfig?: string
  logLevel: string
}

export interface MrtShowFlags {
  output: 'text' | 'json'
  prefix?: string
  peer?: string
}

export interface MrtReplayFlags {
  to: string
  port: number
  asn: number
  peerAsn: number
  routerId?: string
  source?: string
  ttl: number
  password?: string
  keepNextHop: boolean
  rate?: number
  from?: string
  exit: boolean
}

/** The roles: each returns when it has ended. */
export interface Actions {
  version(): string
  speaker(flags: ClusterFlags & { node: string }): Promise<void>
  controller(flags: ClusterFlags & { leaseNamespace: string }): Promise<void>
  router(flags: { config: string[]; socket: string; logLevel: string }): Promise<void>
  apiServer(flags: ApiServerFlags): Promise<void>
  up(flags: {
    dataDir: string
    serviceCidr: string[]
    port: number
    socket: string
    node?: string
    dialect: string[]
    logLevel: string
  }): Promise<void>
  mrtShow(file: string, flags: MrtShowFlags): Promise<void>
  mrtReplay(file: string, flags: MrtReplayFlags): Promise<void>
  labUp(topology: string, flags: { simulate: boolean }): Promise<void>
  labDown(name: string): Promise<void>
  labList(): Promise<void>
}

/** Parses and runs `args` (without the program's own name). Throws {@link Failure}. */
export async function runProgram(
  args: readonly string[],
  actions: Actions,
  terminal: Terminal,
): Promise<void> {
  const program = buildProgram(actions, terminal)
  try {
    await program.parseAsync(args, { from: 'user' })
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error
    if (error.exitCode === 0) return
    const message = error.message.replace(/^error: /, '')
    throw new Failure(message === '(outputHelp)' ? 'which command?' : message, {
      hint: '`herald --help` lists the commands, `herald COMMAND --help` the options of one',
      code: exitCodes.usage,
    })
  }
}

/** The command tree; parsing it runs the action of the command that was named. */
export function buildProgram(actions: Actions, terminal: Terminal): Command {
  const program = new Command('herald')
    .description(
      'LoadBalancer addresses for Kubernetes Services, announced over BGP, with a reason for every decision.',
    )
    .exitOverride()
    .configureOutput({ writeOut: (text) => terminal.out(text.trimEnd()), writeErr: () => {} })
    .showSuggestionAfterError()
  addRoles(program, actions)
  addLab(program, actions)
  addGet(program, terminal)
  addPeer(program, terminal)
  addMrt(program, actions)
  program
    .command('version')
    .description('print the version')
    .action(() => terminal.out(`herald ${actions.version()}`))
  program
    .command('completion')
    .description('print a completion script: source <(herald completion bash)')
    .addArgument(new Argument('<shell>').choices(shells))
    .action((shell: Shell) => terminal.out(completionScript(program, shell)))
  return program
}

function addRoles(program: Command, actions: Actions): void {
  program
    .command('up')
    .description('run everything on this machine, on an embedded Kubernetes API')
    .option('--data-dir <dir>', 'where the API keeps its state', '/var/lib/herald')
    .option('--service-cidr <cidr>', 'addresses for ClusterIPs, one per IP version', collect, [
      '10.96.0.0/16',
      'fd00:96::/112',
    ])
    .option('--node <name>', 'name of the Node that stands for this machine (default: its host name)')
    .option('--port <number>', 'where kubectl finds the API, on loopback', portNumber, 6443)
    .option('--socket <path>', 'where to serve the API for `herald get`', defaultSockets.whole)
    .addOption(dialectOption())
    .addOption(logLevelOption())
    .action((flags) => actions.up(flags))
  withCluster(program.command('controller'), defaultSockets.whole)
    .description('give addresses to Services and report: once per cluster, elected by a lease')
    .option('--lease-namespace <name>', 'namespace of the lease', 'kube-system')
    .action((flags) => actions.controller(flags))
  withCluster(program.command('speaker'), defaultSockets.node)
    .description('speak BGP for one node: one per node')
    .requiredOption(
      '--node <name>',
      'name of the Node that this speaker speaks for (or NODE_NAME)',
      process.env.NODE_NAME,
    )
    .action((flags) => actions.speaker(flags))
  program
    .command('router')
    .description("speak BGP without a cluster, from files of herald.dev resources or GoBGP's configuration")
    .requiredOption(
      '--config <file>',
      'YAML file with BGPInstance, BGPPeer, …, or gobgpd.yaml, .toml, .json; may be repeated',
      collect,
      [],
    )
    .option('--socket <path>', 'where to serve the API for `herald get`', defaultSockets.whole)
    .addOption(logLevelOption())
    .action((flags) => {
      if (flags.config.length === 0) throw new Failure('--config is missing', { code: exitCodes.usage })
      return actions.router(flags)
    })
  program
    .command('api-server')
    .description('run the embedded Kubernetes API alone')
    .option('--data-dir <dir>', 'where it keeps its state', '/var/lib/herald')
    .option('--listen <address>', 'host:port or unix:/path; may be repeated', collect, ['127.0.0.1:6443'])
    .option('--service-cidr <cidr>', 'addresses for ClusterIPs, one per IP version', collect, [
      '10.96.0.0/16',
    ])
    .option('--kubeconfig <file>', 'write a kubeconfig for it here')
    .addOption(logLevelOption())
    .action((flags) => actions.apiServer(flags))
}

function addLab(program: Command, actions: Actions): void {
  const lab = program
    .command('lab')
    .description('clusters, routers and clients in network namespaces, from a topology file')
  lab
    .command('up')
    .description('start a lab and keep it up until Ctrl-C')
    .argument('<topology>', 'folder or file of the topology')
    .option('--simulate', 'run it in the simulator: no root, no namespaces', false)
    .action((topology: string, flags: { simulate: boolean }) => actions.labUp(topology, flags))
  lab
    .command('down')
    .description('remove what a lab made, also one that was killed')
    .argument('<name>', 'name of the lab')
    .action((name: string) => actions.labDown(name))
  lab
    .command('list')
    .description('list the labs on this machine')
    .action(() => actions.labList())
}

function addGet(program: Command, terminal: Terminal): void {
  const get = program.command('get').description('show sessions, routes and Services')
  withGetOptions(get.command('peers'))
    .description('BGP sessions, as `cilium bgp peers` shows them')
    .option('--node <name>', 'of this node only')
    .action((flags) => getPeers(flags, terminal))
  withGetOptions(get.command('peer'))
    .description('everything about one session: timers, capabilities, counters, last error')
    .argument('<name>', 'name or address of the peer')
    .option('--node <name>', 'on this node only')
    .action((name: string, flags) => getPeer({ ...flags, name }, terminal))
  withGetOptions(get.command('routes'))
    .description('routes, as `cilium bgp routes` shows them')
    .addArgument(
      new Argument('[view]', 'best paths, or those received or advertised')
        .choices(routeViews)
        .default('available'),
    )
    .addArgument(new Argument('[version]', 'IP version').choices(['ipv4', 'ipv6']))
    .addOption(new Option('--table <name>', 'the same in the words of RFC 4271').choices(tableNames))
    .option('--node <name>', 'of this node only')
    .option('--peer <name>', 'of this peer only, by name or address')
    .option('--prefix <prefix>', 'this prefix only; or an address, with --covering or --longest')
    .addOption(
      new Option('--longer', 'with --prefix: everything inside it').conflicts(['covering', 'longest']),
    )
    .addOption(new Option('--covering', 'with --prefix: everything around it').conflicts(['longest']))
    .option('--longest', 'with --prefix: the longest match, as packets find it')
    .option('--community <community>', 'with this community, standard or large, or its name')
    .option('--as-path <regex>', 'with an AS path that the expression matches, such as "^65001 "')
    .action((view: RouteView, version: 'ipv4' | 'ipv6' | undefined, flags) => {
      const { node, peer, prefix, community, asPath } = flags
      const family = version === undefined ? undefined : (`${version}/unicast` as const)
      const table = flags.table === undefined ? view : tableViews[flags.table as TableName]
      const query = { node, peer, family, community, asPath, ...prefixOf(prefix, matchOf(flags)) }
      return getRoutes(flags, { view: table, ...query }, terminal)
    })
  withGetOptions(get.command('withheld'))
    .description('own routes that are not announced, and why; with --peer also learned ones')
    .option('--node <name>', 'of this node only')
    .option('--peer <name>', 'to this peer, by name or address')
    .option('--prefix <prefix>', 'this prefix only')
    .action(({ node, peer, prefix, ...flags }) => getWithheld(flags, { node, peer, prefix }, terminal))
  withGetOptions(get.command('problems'))
    .description('what is wrong with resources and files, and what to do about it')
    .option('--node <name>', 'of this node only')
    .action((flags) => getProblems(flags, terminal))
  withGetOptions(get.command('rpki'))
    .description('RPKI caches and how many validated route origins each has told')
    .option('--node <name>', 'of this node only')
    .action((flags) => getRpki(flags, terminal))
  withGetOptions(get.command('stations'))
    .description('monitoring stations (BMP) and what they are told')
    .option('--node <name>', 'of this node only')
    .action((flags) => getStations(flags, terminal))
  withGetOptions(get.command('services'))
    .alias('svc')
    .description('LoadBalancer Services: their addresses, where they are announced, and why or why not')
    .argument('[name]', 'this Service only')
    .option('-n, --namespace <name>', 'of this namespace only')
    .action((name: string | undefined, flags) => getServices({ ...flags, name }, terminal))
}

function addPeer(program: Command, terminal: Terminal): void {
  const peer = program.command('peer').description('act on a session')
  const add = (name: string, description: string) =>
    withServer(peer.command(name))
      .description(description)
      .argument('<name>', 'name or address of the peer')
      .option('--node <name>', 'on this node only')
      .option('--instance <name>', 'of this instance only')
      .option('--all', 'also when it is a peer of several', false)
  add('reset', 'end the session and start it anew')
    .option('--text <text>', 'what to tell the neighbour, up to 128 characters')
    .action((name: string, flags) => commandPeer(name, ['reset'], flags, terminal))
  add('refresh', 'ask for all routes again, and send all again, without ending the session')
    .addOption(new Option('--in', 'only ask').conflicts('out'))
    .option('--out', 'only send')
    .action((name: string, { in: onlyIn, out: onlyOut, ...flags }) => {
      const commands = [
        ...(onlyOut === true ? [] : ['refreshIn' as const]),
        ...(onlyIn === true ? [] : ['refreshOut' as const]),
      ]
      return commandPeer(name, commands, flags, terminal)
    })
  add('enable', 'let a session come up again that a prefix limit ended').action((name: string, flags) =>
    commandPeer(name, ['enable'], flags, terminal),
  )
}

/** What RFC 4271 §3.2 calls the views of `get routes`. */
const tableViews = {
  'loc-rib': 'available',
  'adj-rib-in': 'received',
  'adj-rib-in-post': 'accepted',
  'adj-rib-out': 'advertised',
} as const satisfies Record<string, RouteView>
type TableName = keyof typeof tableViews
const tableNames = Object.keys(tableViews) as TableName[]

type Match = RouteQuery['match']

function matchOf(flags: { longer?: boolean; covering?: boolean; longest?: boolean }): Match {
  if (flags.longer === true) return 'longer'
  if (flags.covering === true) return 'covering'
  return flags.longest === true ? 'longest' : undefined
}

/** An address is asked for as packets to it would: what is around it. */
function prefixOf(text: string | undefined, match: Match): Pick<RouteQuery, 'prefix' | 'match'> {
  if (text === undefined) {
    if (match !== undefined) throw new Failure(`--${match} needs --prefix`, { code: exitCodes.usage })
    return {}
  }
  const address = parseAddress(text)
  if (!address.ok || match === undefined || match === 'longer') return { prefix: text, match }
  return { prefix: hostPrefix(address.value), match }
}

function addMrt(program: Command, actions: Actions): void {
  const mrt = program.command('mrt').description('files of BGP messages and tables (RFC 6396)')
  mrt
    .command('show')
    .description('print what a file says: a line a route as `bgpdump -m -l`, or a JSON object a line')
    .argument('<file>', 'MRT file, not compressed')
    .addOption(
      new Option('-o, --output <format>', 'how to print it').choices(['text', 'json']).default('text'),
    )
    .option('--prefix <prefix>', 'this prefix only')
    .option('--peer <address>', 'of this peer only')
    .action((file: string, flags: MrtShowFlags) => actions.mrtShow(file, flags))
  mrt
    .command('replay')
    .description('play the routes of a file into a router, as a neighbour of its, until Ctrl-C')
    .argument('<file>', 'MRT file of updates or a table, not compressed')
    .requiredOption('--to <address>', 'address of the router')
    .requiredOption('--asn <number>', 'own AS number', wholeNumber(1, 4294967295))
    .option('--port <number>', 'TCP port of the router', portNumber, 179)
    .option('--peer-asn <number>', 'AS number of the router (default: any)', wholeNumber(0, 4294967295), 0)
    .option('--router-id <address>', 'own BGP identifier (default: made from the AS number)')
    .option('--source <address>', 'source address of the connection')
    .option('--ttl <number>', 'IP TTL of packets sent', wholeNumber(1, 255), 64)
    .option('--password <text>', 'TCP MD5 key')
    .option('--keep-next-hop', 'leave next hops as they are in the file', false)
    .option(
      '--rate <number>',
      'changes of routes in a second (default: as fast as they are taken)',
      wholeNumber(1, 1e9),
    )
    .option('--from <address>', 'only what this peer of the file said')
    .option('--exit', 'end when everything is said; else the session stays', false)
    .action((file: string, flags: MrtReplayFlags) => actions.mrtReplay(file, flags))
}

function withGetOptions(command: Command): Command {
  return withServer(command)
    .addOption(
      new Option('-o, --output <format>', 'how to print it')
        .choices(outputFormats)
        .default('table' satisfies OutputFormat),
    )
    .option('-w, --watch', 'print again at each change', false)
}

function withServer(command: Command): Command {
  return command.addOption(
    new Option('--server <address>', 'Herald API to ask: unix:/path or http://host:port')
      .env('HERALD_SERVER')
      .default(localServer(), `unix:${defaultSockets.whole}, or a speaker's ${defaultSockets.node}`),
  )
}

/** The socket of a role on this machine: a speaker's only where nothing answers for more than its node. */
function localServer(): string {
  const { whole, node } = defaultSockets
  return `unix:${!existsSync(whole) && existsSync(node) ? node : whole}`
}

function withCluster(command: Command, socket: string): Command {
  return command
    .option(
      '--kubeconfig <file>',
      'how to reach the cluster (default: KUBECONFIG, in-cluster, ~/.kube/config)',
    )
    .option('--context <name>', 'context of the kubeconfig')
    .option('--socket <path>', 'where to serve the API for `herald get`', socket)
    .addOption(dialectOption())
    .addOption(logLevelOption())
}

function dialectOption(): Option {
  return new Option('--dialect <list>', 'foreign resources to obey beside herald.dev: cilium')
    .argParser((text) => {
      const dialects = text.split(',').filter(Boolean)
      const unknown = dialects.find((dialect) => dialect !== 'cilium')
      if (unknown !== undefined) throw new InvalidArgumentError(`"${unknown}" is not a dialect: cilium is`)
      return dialects
    })
    .default([], 'none')
}

function logLevelOption(): Option {
  return new Option('--log-level <level>', 'least severe messages to print')
    .choices(['debug', 'info', 'warn', 'error', 'silent'])
    .default('info')
}

function wholeNumber(min: number, max: number): (text: string) => number {
  return (text) => {
    const value = Number(text)
    if (!/^\d+$/.test(text) || value < min || value > max)
      throw new InvalidArgumentError(`it must be ${min}..${max}`)
    return value
  }
}

function portNumber(text: string): number {
  if (!/^\d{1,5}$/.test(text) || Number(text) > 65_535) throw new InvalidArgumentError('it must be 0..65535')
  return Number(text)
}

/** The first value given replaces the default. */
function collect(value: string, previous: string[] & { given?: true }): string[] {
  const values: string[] & { given?: true } = previous.given ? [...previous, value] : [value]
  values.given = true
  return values
}
