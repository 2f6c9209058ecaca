/** Finding programs and running them, with their output shown or kept. */
import { spawn } from 'node:child_process'
import { accessSync, constants, existsSync } from 'node:fs'
import { delimiter, join } from 'node:path'

/** PATH with the folders of system programs, which a login by `su` leaves out. */
export const searchPath = [
  ...new Set([...(process.env['PATH'] ?? '').split(delimiter), '/usr/local/sbin', '/usr/sbin', '/sbin']),
]
  .filter((folder) => folder !== '')
  .join(delimiter)

/** Where `program` lies, or undefined. A name with slashes is a path. */
export function find(program) {
  const candidates = program.includes('/')
    ? [program]
    : searchPath.split(delimiter).map((folder) => join(folder, program))
  return candidates.find((path) => {
    try {
      accessSync(path, constants.X_OK)
      return true
    } catch {
      return false
    }
  })
}

/** The Node that Herald runs with: the pinned package's, or this one where it is new enough. */
export function pinnedNode() {
  const pinned = join(process.cwd(), 'node_modules/.bin/node')
  if (existsSync(pinned)) return pinned
  if (Number(process.versions.node.split('.')[0]) >= 24) return process.execPath
  return refuse(
    `Herald runs on Node 24; this is ${process.version} and the pinned one was not installed`,
    'npm rebuild node, or install Node 24',
  )
}

/**
 * Runs a program in the foreground and resolves to its exit code. Signals of the terminal reach it by themselves (it
 * is in our process group); those sent to us are passed on, and so is the end of whoever started us, for npm dies of a
 * signal without a word. `leash`: it can tell by the end of its IPC channel that we were killed.
 */
export function run(program, args, { leash = false } = {}) {
  return new Promise((resolve) => {
    const stdio = ['inherit', 'inherit', 'inherit', ...(leash ? ['ipc'] : [])]
    const child = spawn(program, args, { stdio })
    const passOn = (signal) => child.kill(signal)
    const ignore = () => undefined
    process.on('SIGTERM', passOn)
    process.on('SIGHUP', passOn)
    process.on('SIGINT', ignore)
    const starter = process.ppid
    const watch = setInterval(() => {
      if (process.ppid === starter) return
      clearInterval(watch)
      child.kill('SIGTERM')
    }, 300)
    const end = (code) => {
      clearInterval(watch)
      process.off('SIGTERM', passOn)
      process.off('SIGHUP', passOn)
      process.off('SIGINT', ignore)
      resolve(code)
    }
    child.on('error', (error) => {
      console.error(`herald: cannot run ${program}: ${error.message}`)
      end(127)
    })
    child.on('exit', (code, signal) => end(code ?? (signal === 'SIGINT' ? 130 : 1)))
  })
}

/** Runs a program with its output kept: `{ code, output }`, both streams as one. `onLine` sees each line at once. */
export function capture(program, args, { onLine, ...options } = {}) {
  return new Promise((resolve) => {
    const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'], ...options })
    let output = ''
    let unfinished = ''
    const take = (chunk) => {
      output += chunk
      if (onLine === undefined) return
      const lines = (unfinished + chunk).split(/\r?\n|\r/)
      unfinished = lines.pop() ?? ''
      for (const line of lines) onLine(line)
    }
    child.stdout.setEncoding('utf8').on('data', take)
    child.stderr.setEncoding('utf8').on('data', take)
    child.on('error', (error) => resolve({ code: 127, output: `${error.message}\n` }))
    child.on('close', (code) => resolve({ code: code ?? 1, output }))
  })
}

/** One line of progress. */
export function say(message) {
  console.log(`herald: ${message}`)
}

/** Ends the process with one sentence and what to do about it. */
export function refuse(message, hint) {
  console.error(`herald: ${message}\n  → ${hint}`)
  process.exit(1)
}
