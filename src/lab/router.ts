/**
 * Routers of a lab: BIRD, FRR, GoBGP, OpenBGPD, ExaBGP or Herald with the configuration file of their own syntax, each in its namespace
 * with sockets, state and logs in the lab's folder.
 */
import {
  appendFileSync,
  chmodSync,
  chownSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  readFileSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { hostPrefix } from '#core/net/prefix.ts'
import { ipBatch, runInside } from './namespaces.ts'
import { startProcess, tail, type LabProcess, type ProcessEvents, type ProcessPlan } from './processes.ts'
import type { LabState } from './lab-state.ts'
import type { Engine, RouterTopology } from './topology.ts'

export interface Router {
  name: string
  engine: Engine
  namespace: string
  processes: LabProcess[]
  /** Runs the engine's own client, such as `birdc`, with these arguments, and gives what it prints. */
  ask(...args: string[]): Promise<string>
  /** The command line that a person types to do the same, up to the arguments. */
  command: string
}

export interface RouterContext {
  state: LabState
  events: ProcessEvents
  /** How to run Herald: program and first arguments. */
  herald: readonly string[]
}

/** How long a daemon may take until it answers. */
const startTimeoutMs = 10_000

/** Starts a router and waits until its client gets answers. Rejects when the engine refuses its configuration. */
export async function startRouter(
  name: string,
  topology: RouterTopology,
  configFile: string,
  namespace: string,
  context: RouterContext,
): Promise<Router> {
  const folder = join(context.state.folder, name)
  mkdirSync(folder, { recursive: true })
  const start = (plan: Omit<ProcessPlan, 'namespace' | 'hostname'>) =>
    startProcess({ ...plan, namespace, hostname: name }, context.state, context.events)
  const engines: Record<Engine, () => Promise<Omit<Router, 'name' | 'engine' | 'namespace'>>> = {
    bird: () => startBird(name, folder, configFile, start),
    frr: () => startFrr(name, folder, configFile, namespace, start),
    gobgp: () => startGobgp(name, folder, configFile, namespace, start),
    openbgpd: () => startOpenbgpd(name, folder, configFile, namespace, topology, start),
    exabgp: () => startExabgp(name, folder, configFile, start),
    herald: () => startHerald(name, folder, configFile, context.herald, start),
  }
  return { name, engine: topology.engine, namespace, ...(await engines[topology.engine]()) }
}

type Start = (plan: Omit<ProcessPlan, 'namespace' | 'hostname'>) => LabProcess

async function startBird(name: string, folder: string, configFile: string, start: Start) {
  const config = join(folder, 'bird.conf')
  copyFileSync(configFile, config)
  const check = await runInside(undefined, 'bird', ['-p', '-c', config])
  if (check.code !== 0) throw new Error(`BIRD refuses ${configFile}: ${check.output.trim()}`)
  const socket = join(folder, 'bird.ctl')
  // In the foreground: forked away, its pid would be known only after a moment in which it could be lost.
  const process = start({ name, program: 'bird', args: ['-f', '-c', config, '-s', socket] })
  const ask = async (...args: string[]) =>
    (await runInside(undefined, 'birdc', ['-s', socket, ...args])).output
  await until(name, process, async () => (await ask('show', 'status')).includes('Daemon is up'))
  return { processes: [process], ask, command: `birdc -s ${socket}` }
}

const frrFolder = '/usr/lib/frr'

/**
 * FRR's daemons beside each other, with sockets and files in the lab's folder instead of its pathspaces, which lie
 * in /etc and /var/run. vtysh hands the configuration out afterwards, and goes on after a line that it does not know,
 * so that any word it says counts as refusal.
 */
async function startFrr(name: string, folder: string, configFile: string, namespace: string, start: Start) {
  copyFileSync(configFile, join(folder, 'frr.conf'))
  copyFileSync('/dev/null', join(folder, 'vtysh.conf'))
  const [uid, gid] = frrUser()
  const files = ['.', 'frr.conf', 'vtysh.conf'].map((file) => join(folder, file))
  for (const file of files) chownSync(file, uid, gid)
  chmodSync(join(folder, 'frr.conf'), 0o640)
  const zserv = join(folder, 'zserv.api')
  const launch = (daemon: string, ...more: string[]) => {
    const sockets = ['--vty_socket', folder, '-z', zserv, '-i', join(folder, `${daemon}.pid`), '-P', '0']
    const args = [...sockets, '-f', '/dev/null', '--log', 'stdout', ...more]
    return start({ name: `${name}-${daemon}`, program: join(frrFolder, daemon), args })
  }
  const zebra = launch('zebra', '-s', '90000000')
  await until(name, zebra, () => Promise.resolve(existsSync(zserv)))
  // Newer FRR has a management daemon that hands configuration to some of the others.
  const mgmtd = existsSync(join(frrFolder, 'mgmtd')) ? [launch('mgmtd')] : []
  const others = ['staticd', 'bfdd', 'bgpd'].map((daemon) => launch(daemon))
  const processes = [zebra, ...mgmtd, ...others]
  const vtysh = ['--vty_socket', folder, '--config_dir', folder]
  const ask = async (...args: string[]) =>
    (await runInside(namespace, 'vtysh', [...vtysh, ...args.flatMap((line) => ['-c', line])])).output
  for (const process of others) {
    const socket = join(folder, `${process.name.slice(name.length + 1)}.vty`)
    await until(name, process, () => Promise.resolve(existsSync(socket)))
  }
  const applied = await runInside(namespace, 'vtysh', [...vtysh, '-b'])
  const complaint = applied.output
    .split('\n')
    .filter((line) => line.trim() !== '' && !/^\[\d+\|\w+\] (sending|done)|reset all peers/.test(line))
    .join('\n')
  if (applied.code !== 0 || complaint !== '') throw new Error(`FRR refuses ${configFile}: ${complaint}`)
  return { processes, ask, command: `ip netns exec ${namespace} vtysh ${vtysh.join(' ')}` }
}

/** FRR's daemons start as root and go on as this user, who has to own their sockets' folder. */
function frrUser(): [uid: number, gid: number] {
  const [, , uid, gid] = userEntry('frr', 'FRR')
  return [Number(uid), Number(gid)]
}

/** The fields of a user's line in /etc/passwd. */
function userEntry(user: string, product: string): string[] {
  const line = readFileSync('/etc/passwd', 'utf8')
    .split('\n')
    .find((entry) => entry.startsWith(`${user}:`))
  if (line === undefined) throw new Error(`there is no user ${user}, though ${product} is installed`)
  return line.split(':')
}

async function startGobgp(name: string, folder: string, configFile: string, namespace: string, start: Start) {
  const config = join(folder, 'gobgpd.yaml')
  copyFileSync(configFile, config)
  const process = start({
    name,
    program: 'gobgpd',
    args: ['-t', 'yaml', '-f', config, '--api-hosts', '127.0.0.1:50051', '--pprof-disable'],
  })
  // Its client speaks TCP, so it has to be inside.
  const ask = async (...args: string[]) => (await runInside(namespace, 'gobgp', args)).output
  await until(name, process, async () => (await runInside(namespace, 'gobgp', ['global'])).code === 0)
  return { processes: [process], ask, command: `ip netns exec ${namespace} gobgp` }
}

/** FRR's daemon has the same file name in another folder. */
export const openbgpdProgram = '/usr/sbin/bgpd'

async function startOpenbgpd(
  name: string,
  folder: string,
  configFile: string,
  namespace: string,
  topology: RouterTopology,
  start: Start,
) {
  const config = join(folder, 'bgpd.conf')
  const socket = join(folder, 'bgpd.sock')
  // It reads no file that others may read.
  writeFileSync(config, `socket "${socket}"\n${readFileSync(configFile, 'utf8')}`, { mode: 0o600 })
  const check = await runInside(undefined, openbgpdProgram, ['-n', '-f', config])
  if (check.code !== 0) throw new Error(`OpenBGPD refuses ${configFile}: ${check.output.trim()}`)
  // As next hop of the other IP version it takes the loopback interface's address.
  const own = Object.values(topology.networks).flat()
  const lines = own.map((address) => `address add ${hostPrefix(address)} dev lo`)
  await ipBatch(namespace, ['address flush dev lo', ...lines])
  // Its processes go on inside the home of their user, which only a start by systemd makes.
  mkdirSync(userEntry('_openbgpd', 'OpenBGPD')[5]!, { recursive: true })
  const process = start({ name, program: openbgpdProgram, args: ['-d', '-f', config] })
  const ask = async (...args: string[]) =>
    (await runInside(undefined, 'bgpctl', ['-s', socket, ...args])).output
  const ready = async () =>
    (await runInside(undefined, 'bgpctl', ['-s', socket, 'show', 'summary'])).code === 0
  await until(name, process, ready)
  return { processes: [process], ask, command: `bgpctl -s ${socket}` }
}

/**
 * ExaBGP has no tables and no client to ask. The lab adds a process `watch` that its file may name in `api` blocks: it keeps the
 * JSON that ExaBGP gives it, which is what `ask()` answers, and passes on the commands that `ask` gets as words.
 */
async function startExabgp(name: string, folder: string, configFile: string, start: Start) {
  const config = join(folder, 'exabgp.conf')
  const [script, commands, messages] = ['watch.sh', 'commands', 'messages'].map((file) => join(folder, file))
  // Ends with ExaBGP: cat by the end of its input, tail with cat, whose pid is the shell's.
  writeFileSync(script!, ': > "$1"\n: > "$2"\ntail -q -n +1 -F -s 0.1 --pid=$$ "$1" &\nexec cat >> "$2"\n')
  const watch = `process watch {\n\trun /bin/sh ${script} ${commands} ${messages};\n\tencoder json;\n}\n`
  writeFileSync(config, watch + readFileSync(configFile, 'utf8'))
  const env = {
    exabgp_daemon_user: 'root',
    exabgp_daemon_drop: 'false',
    exabgp_api_cli: 'false',
    exabgp_api_ack: 'false',
  }
  const process = start({ name, program: 'exabgp', args: [config], env })
  const ask = (...args: string[]) => {
    if (args.length === 0)
      return Promise.resolve(process.pid === undefined ? '' : readFileSync(messages!, 'utf8'))
    appendFileSync(commands!, `${args.join(' ')}\n`)
    return Promise.resolve('')
  }
  await until(name, process, () => Promise.resolve(existsSync(messages!)))
  return { processes: [process], ask, command: `cat ${messages}` }
}

async function startHerald(
  name: string,
  folder: string,
  configFile: string,
  herald: readonly string[],
  start: Start,
) {
  const socket = join(folder, 'api.sock')
  const [program = '', ...first] = herald
  const process = start({
    name,
    program,
    args: [...first, 'router', '--config', configFile, '--socket', socket],
  })
  const server = `unix:${socket}`
  const ask = async (...args: string[]) =>
    (await runInside(undefined, program, [...first, 'get', ...args, '--server', server])).output
  await until(name, process, () => Promise.resolve(existsSync(socket)))
  return { processes: [process], ask, command: `HERALD_SERVER=${server} herald get` }
}

/** Waits until `ready`, while the process lives. */
async function until(
  name: string,
  process: LabProcess,
  ready: () => Promise<boolean>,
  timeoutMs = startTimeoutMs,
): Promise<void> {
  const deadline = Date.now() + timeoutMs
  while (!(await ready())) {
    if (process.pid === undefined) throw new Error(`${name} ended at its start: ${tail(process.logFile)}`)
    if (Date.now() > deadline) throw new Error(`${name} does not answer: ${tail(process.logFile)}`)
    await sleep(20)
  }
}
