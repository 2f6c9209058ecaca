/**
 * The one entry point: joins the command line to the roles. Each role is loaded only when it runs, so that a speaker
 * carries no lab and `herald get` no daemon.
 */
import { readFileSync } from 'node:fs'
import { hostname } from 'node:os'
import { join, resolve } from 'node:path'
import type { Result } from '#core/lib/result.ts'
import { parseAddress, type Address } from '#core/net/address.ts'
import { parsePrefix, type Prefix } from '#core/net/prefix.ts'
import type { LogLevel, Logger } from '#daemon/log.ts'
import type { ClusterAccess } from '#kube/client/access.ts'
import type { Listen } from '#kube/server/server.ts'
import { exitCodes, Failure } from './cli/failure.ts'
import { runProgram, type Actions } from './cli/program.ts'
import { processTerminal, type Terminal } from './cli/terminal.ts'

const terminal = processTerminal({ reloadsOnHangup: process.argv[2] === 'router' })
try {
  await runProgram(process.argv.slice(2), actionsOf(terminal), terminal)
} catch (error) {
  if (!isExpected(error)) throw error
  terminal.err(`herald: ${error.message}`)
  if (error.hint !== undefined) terminal.err(`  hint: ${error.hint}`)
  process.exitCode = error instanceof Failure ? error.code : exitCodes.failed
}

/** Failures that are the user's or the machine's: a sentence and a hint, not a stack. */
function isExpected(error: unknown): error is Error & { hint?: string } {
  return (
    error instanceof Failure || (error instanceof Error && ['LabFailure', 'LabRunning'].includes(error.name))
  )
}

function actionsOf({ signal }: Terminal): Actions {
  const version = packageVersion()
  return {
    version: () => version,
    speaker: async ({ node, dialect, socket, ...flags }) => {
      const { runSpeaker } = await import('#daemon/speaker-daemon.ts')
      const log = await createLog(flags.logLevel, 'speaker', node)
      const access = await accessOf(flags)
      await orFailure(runSpeaker({ node, dialects: dialect, access, socket, log, version }, signal))
    },
    controller: async ({ dialect, socket, leaseNamespace, ...flags }) => {
      const { runController } = await import('#daemon/controller-daemon.ts')
      const log = await createLog(flags.logLevel, 'controller')
      const access = await accessOf(flags)
      await orFailure(
        runController({ dialects: dialect, access, socket, log, version, leaseNamespace }, signal),
      )
    },
    router: async ({ config, socket, logLevel }) => {
      const { runRouter } = await import('#daemon/router-daemon.ts')
      const log = await createLog(logLevel, 'router')
      const options = { files: config, node: hostname(), socket, log, version, practises: true }
      await orFailure(runRouter(options, signal))
    },
    apiServer: async ({ dataDir, listen, serviceCidr, kubeconfig, logLevel }) => {
      const { runApiServer } = await import('#daemon/api-server-daemon.ts')
      const log = await createLog(logLevel, 'api-server')
      const options = {
        dataDir: resolve(dataDir),
        listen: listen.map(listenOf),
        serviceCidrs: serviceCidr.map(prefixOf),
        ...(kubeconfig === undefined ? {} : { kubeconfigPath: resolve(kubeconfig) }),
      }
      await orFailure(runApiServer({ ...options, log }, signal))
    },
    up: async ({ dataDir, serviceCidr, node, dialect, logLevel, port, socket }) => {
      const { runUp } = await import('#daemon/up-daemon.ts')
      const log = await createLog(logLevel, 'up')
      const options = {
        dataDir: resolve(dataDir),
        serviceCidrs: serviceCidr.map(prefixOf),
        node: node ?? hostname(),
        dialects: dialect,
        port,
        socket,
      }
      await orFailure(runUp({ ...options, log, version }, signal))
    },
    mrtShow: async (file, { output, prefix, peer }) => {
      const { showMrt } = await import('#daemon/mrt-show.ts')
      const wanted = prefix === undefined ? undefined : parsePrefix(prefix, { strict: true })
      if (wanted?.ok === false) throw new Failure(`--prefix: ${wanted.error}`, { code: exitCodes.usage })
      const options = {
        file,
        output,
        ...(wanted === undefined ? {} : { prefix: wanted.value }),
        ...(peer === undefined ? {} : { peer: addressOf('--peer', peer) }),
        signal,
        trouble: (reason: string) => terminal.err(`Warning: ${reason}`),
      }
      await orError(showMrt(options, (lines) => terminal.out(lines)))
    },
    mrtReplay: async (file, { to, routerId, source, from, password, rate, ...flags }) => {
      const { replayMrt } = await import('#daemon/mrt-replay.ts')
      const { linuxTcp } = await import('#host/tcp-linux.ts')
      const { systemClock } = await import('#host/clock.ts')
      // Unlike any real router's, and another for every AS number.
      const ownId = `0.${(flags.asn >>> 16) & 255}.${(flags.asn >>> 8) & 255}.${flags.asn & 255}`
      const options = {
        ...flags,
        file,
        to: addressOf('--to', to),
        routerId: addressOf('--router-id', routerId ?? (ownId === '0.0.0.0' ? '0.0.0.1' : ownId)),
        ...(source === undefined ? {} : { sourceAddress: addressOf('--source', source) }),
        ...(from === undefined ? {} : { from: addressOf('--from', from) }),
        ...(password === undefined ? {} : { password }),
        ...(rate === undefined ? {} : { rate }),
        tcp: linuxTcp(),
        clock: systemClock,
        say: (line: string) => terminal.err(line),
      }
      await orError(replayMrt(options, signal))
    },
    labUp: async (topology, { simulate }) => {
      const { playLab } = await import('./play/play-lab.ts')
      await playLab(topology, simulate, terminal)
    },
    labDown: async (name) => {
      const { labDown } = await import('#lab/lab.ts')
      if (!(await labDown(name))) {
        throw new Failure(`there is no lab "${name}"`, {
          hint: '`herald lab list` lists them',
          code: exitCodes.notFound,
        })
      }
      terminal.out(`lab ${name} removed`)
    },
    labList: async () => {
      const { listLabs } = await import('#lab/lab.ts')
      for (const { name, running } of listLabs()) terminal.out(`${name}  ${running ? 'up' : 'left behind'}`)
    },
  }
}

function packageVersion(): string {
  const path = join(import.meta.dirname, '../package.json')
  return (JSON.parse(readFileSync(path, 'utf8')) as { version: string }).version
}

async function createLog(level: string, role: string, node?: string): Promise<Logger> {
  const { createLogger } = await import('#daemon/log.ts')
  return createLogger({ level: level as LogLevel }, { role, ...(node === undefined ? {} : { node }) })
}

async function accessOf(flags: { kubeconfig?: string; context?: string }): Promise<ClusterAccess> {
  const { findAccess } = await import('#kube/client/in-cluster.ts')
  const { kubeconfig: path, context } = flags
  const found = findAccess({
    ...(path === undefined ? {} : { path }),
    ...(context === undefined ? {} : { context }),
  })
  if (!found.ok) throw new Failure(found.error, { hint: 'name a kubeconfig with --kubeconfig' })
  return found.value
}

function listenOf(text: string): Listen {
  if (text.startsWith('unix:')) return { kind: 'unix', path: resolve(text.slice('unix:'.length)) }
  const colon = text.lastIndexOf(':')
  const port = Number(text.slice(colon + 1))
  if (colon < 1 || !Number.isInteger(port) || port < 0 || port > 65_535) {
    throw new Failure(`--listen: "${text}" is no address to listen on`, {
      hint: 'write host:port or unix:/path',
      code: exitCodes.usage,
    })
  }
  return { kind: 'tcp', host: text.slice(0, colon).replace(/^\[(.*)\]$/, '$1'), port }
}

function addressOf(option: string, text: string): Address {
  const parsed = parseAddress(text)
  if (!parsed.ok) throw new Failure(`${option}: ${parsed.error}`, { code: exitCodes.usage })
  return parsed.value
}

/** What a file or a router made impossible is a sentence to its user. */
async function orError(work: Promise<Result<undefined>>): Promise<void> {
  let result: Result<undefined>
  try {
    result = await work
  } catch (error) {
    if (error instanceof Error && 'code' in error) throw new Failure(error.message)
    throw error
  }
  if (!result.ok) throw new Failure(result.error)
}

function prefixOf(text: string): Prefix {
  const parsed = parsePrefix(text, { strict: true })
  if (!parsed.ok) throw new Failure(`--service-cidr: ${parsed.error}`, { code: exitCodes.usage })
  return parsed.value
}

/** What a role cannot start for (a port in use, a file that is not valid) is a sentence to its user. */
async function orFailure(role: Promise<void>): Promise<void> {
  try {
    await role
  } catch (error) {
    if (error instanceof Error && !(error instanceof TypeError) && error.name !== 'AssertionError') {
      throw new Failure(error.message)
    }
    throw error
  }
}
