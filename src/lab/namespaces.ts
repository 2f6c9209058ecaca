/**
 * Network namespaces of this machine: making, entering and removing them. Entering is `setns` on the main thread for the
 * length of one synchronous call, so that a spawned process starts inside without a wrapper. Needs root.
 */
import { spawn } from 'node:child_process'
import { closeSync, openSync, readdirSync, writeFileSync } from 'node:fs'
import { once } from 'node:events'
import { Socket } from 'node:net'
import { versionOf, type Address } from '#core/net/address.ts'
import {
  AF_INET,
  AF_INET6,
  CLONE_NEWNET,
  libc,
  SOCK_CLOEXEC,
  SOCK_NONBLOCK,
  SOCK_STREAM,
} from '#host/libc.ts'
import { machineSysctls, type NamespacePlan, type Wiring } from './wiring.ts'

const folder = '/run/netns'

/** Names that `ip netns list` shows. */
export function listNamespaces(): string[] {
  try {
    return readdirSync(folder)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return []
    throw error
  }
}

/**
 * Runs `body` inside a namespace. It must be synchronous: the thread is back outside when it returns. A process that it
 * spawns stays inside.
 */
export function inNamespace<T>(namespace: string, body: () => T): T {
  const home = openSync('/proc/thread-self/ns/net', 'r')
  try {
    const inside = openSync(`${folder}/${namespace}`, 'r')
    try {
      libc().setns(inside, CLONE_NEWNET)
    } finally {
      closeSync(inside)
    }
    try {
      return body()
    } finally {
      libc().setns(home, CLONE_NEWNET)
    }
  } finally {
    closeSync(home)
  }
}

/** Makes empty namespaces with the lab's sysctls. */
export async function addNamespaces(names: readonly string[]): Promise<void> {
  if (names.length === 0) return
  await ipBatch(
    undefined,
    names.map((name) => `netns add ${name}`),
  )
  for (const name of names) inNamespace(name, writeSysctls)
}

/** Removes those that exist. Processes inside live on, nameless: end them first. */
export async function deleteNamespaces(names: readonly string[]): Promise<void> {
  const existing = new Set(listNamespaces())
  const lines = names.filter((name) => existing.has(name)).map((name) => `netns delete ${name}`)
  if (lines.length > 0) await ipBatch(undefined, lines)
}

/** Makes all links, addresses and routes of a lab whose namespaces exist. */
export async function connectMachines(wiring: Wiring): Promise<void> {
  await configure(wiring.switch)
  await Promise.all(wiring.machines.map(configure))
}

function configure({ namespace, lines }: NamespacePlan): Promise<void> {
  return ipBatch(namespace, lines)
}

/** Opens a TCP connection from inside a namespace; the socket goes on belonging to it. */
export function dialInside(namespace: string, address: Address, port: number): Socket {
  const family = versionOf(address) === 4 ? AF_INET : AF_INET6
  const fd = inNamespace(namespace, () =>
    libc().socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0),
  )
  // In the same turn, or Node starts to read from a socket that is not connected.
  return new Socket({ fd }).connect(port, address)
}

/** Runs lines of iproute2's batch form in a namespace, or outside. Rejects with what `ip` said and the line it was about. */
export async function ipBatch(namespace: string | undefined, lines: readonly string[]): Promise<void> {
  const { code, output } = await runInside(namespace, 'ip', ['-batch', '-'], `${lines.join('\n')}\n`)
  if (code === 0) return
  const lineNumber = Number(/Command failed -:(\d+)/.exec(output)?.[1] ?? 0)
  const line = lines[lineNumber - 1] ?? lines[0] ?? ''
  throw new Error(`ip ${line} (in ${namespace ?? 'the host'}): ${output.trim().split('\n')[0]}`)
}

/** Runs a program to its end in a namespace, or outside; both output streams as one text. */
export async function runInside(
  namespace: string | undefined,
  program: string,
  args: readonly string[],
  input = '',
): Promise<{ code: number; output: string }> {
  const start = () => spawn(program, args, { stdio: ['pipe', 'pipe', 'pipe'] })
  const child = namespace === undefined ? start() : inNamespace(namespace, start)
  let output = ''
  const take = (chunk: string) => (output += chunk)
  child.stdout.setEncoding('utf8').on('data', take)
  child.stderr.setEncoding('utf8').on('data', take)
  // A program that ends before it read all of its input breaks the pipe; its exit code says what matters.
  child.stdin.on('error', () => {})
  child.stdin.end(input)
  const [code] = (await once(child, 'close')) as [number | null]
  return { code: code ?? 1, output }
}

function writeSysctls(): void {
  for (const [path, value] of machineSysctls) {
    try {
      writeFileSync(`/proc/sys/net/${path}`, value)
    } catch (error) {
      // Older kernels know fewer of them; none is needed for the lab to work at all.
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
    }
  }
}
