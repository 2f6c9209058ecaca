/**
 * What a lab made on this machine, recorded before it is made, so that a lab that was killed can be cleaned up after by
 * anyone: the lab's own process, its namespaces, and a mark that all its processes carry in their environment.
 */
import { randomUUID } from 'node:crypto'
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmdirSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { deleteNamespaces } from './namespaces.ts'

/** One folder per lab: state, sockets, logs. Short, because paths of unix sockets end at 107 bytes. */
export const labsFolder = '/run/herald/lab'

/** The environment variable that marks a process as part of a lab. */
const markName = 'HERALD_LAB_MARK'

/** How long processes may take to end after SIGTERM. */
const graceMs = 3_000

interface StateFile {
  name: string
  mark: string
  /** The process that runs the lab, and when it started (field 22 of /proc/PID/stat): pids are used again. */
  pid: number
  startTicks: string
  namespaces: string[]
}

export interface LabState {
  readonly name: string
  /** Holds everything that the lab writes. */
  readonly folder: string
  /** To be added to the environment of every process that the lab starts. */
  readonly environment: Record<string, string>
  /** To be called before a namespace is made. */
  recordNamespaces(names: readonly string[]): void
  forgetNamespaces(names: readonly string[]): void
  /** Ends all processes, removes all namespaces and files. */
  destroy(): Promise<void>
}

/** A lab of this name is running. */
export class LabRunning extends Error {
  override name = 'LabRunning'
}

/**
 * Takes the name for this process, after removing what a killed lab of the same name left. Throws {@link LabRunning}.
 * `leftover` is told when there was something to remove.
 */
export async function claimLab(name: string, leftover: () => void): Promise<LabState> {
  const folder = join(labsFolder, name)
  const earlier = readState(name)
  if (earlier !== undefined && isAlive(earlier)) {
    throw new LabRunning(
      `the lab ${name} is already running, as process ${earlier.pid}: end it there, or by herald lab down ${name}`,
    )
  }
  if (earlier !== undefined || existsSync(folder)) {
    leftover()
    await removeAll(name, earlier)
  }
  const state: StateFile = {
    name,
    mark: randomUUID(),
    pid: process.pid,
    startTicks: startTicksOf(process.pid) ?? '',
    namespaces: [],
  }
  const draft = join(labsFolder, `.${name}.${state.mark}`)
  mkdirSync(draft, { recursive: true })
  writeFileSync(join(draft, 'state.json'), JSON.stringify(state))
  try {
    // With its state inside from the first moment: of two that start at once, the second finds the folder taken.
    renameSync(draft, folder)
  } catch (error) {
    rmSync(draft, { recursive: true, force: true })
    if (!['ENOTEMPTY', 'EEXIST'].includes((error as NodeJS.ErrnoException).code ?? '')) throw error
    throw new LabRunning(`the lab ${name} is being started by another process`)
  }
  const write = () => {
    // Renamed into place, so that a kill at any moment leaves a whole file.
    writeFileSync(join(folder, 'state.draft'), JSON.stringify(state))
    renameSync(join(folder, 'state.draft'), stateFile(name))
  }
  return {
    name,
    folder,
    environment: { [markName]: state.mark, HERALD_LAB: name },
    recordNamespaces(names) {
      state.namespaces.push(...names)
      write()
    },
    forgetNamespaces(names) {
      state.namespaces = state.namespaces.filter((known) => !names.includes(known))
      write()
    },
    destroy: () => removeAll(name, state),
  }
}

export interface LabListing {
  name: string
  pid: number
  running: boolean
}

/** All that have left a state on this machine, running or not. */
export function listLabs(): LabListing[] {
  if (!existsSync(labsFolder)) return []
  return readdirSync(labsFolder).flatMap((name) => {
    // With a dot in front: one that is being made.
    const state = name.startsWith('.') ? undefined : readState(name)
    return state === undefined ? [] : [{ name, pid: state.pid, running: isAlive(state) }]
  })
}

/**
 * Takes a lab down from another process: a running one is asked to end itself, what a killed one left is removed. False:
 * there is no such lab.
 */
export async function takeDown(name: string): Promise<boolean> {
  const state = readState(name)
  if (state === undefined) return false
  if (isAlive(state)) {
    process.kill(state.pid, 'SIGTERM')
    const deadline = Date.now() + 15_000
    while (isAlive(state) && Date.now() < deadline) await sleep(50)
    if (isAlive(state)) process.kill(state.pid, 'SIGKILL')
  }
  if (existsSync(join(labsFolder, name))) await removeAll(name, state)
  return true
}

/** Time since boot at which a process started, in clock ticks; undefined: there is none. */
function startTicksOf(pid: number): string | undefined {
  const stat = readIfThere(`/proc/${pid}/stat`)
  // The command's name in parentheses may hold spaces; what follows it is field 3 and up.
  const fields = stat?.slice(stat.lastIndexOf(')') + 2).split(' ')
  // A zombie has ended, and its parent has not looked yet.
  return fields === undefined || fields[0] === 'Z' ? undefined : fields[19]
}

function isAlive(state: StateFile): boolean {
  const ticks = startTicksOf(state.pid)
  return ticks !== undefined && ticks === state.startTicks
}

function stateFile(name: string): string {
  return join(labsFolder, name, 'state.json')
}

function readState(name: string): StateFile | undefined {
  const text = readIfThere(stateFile(name))
  return text === undefined ? undefined : (JSON.parse(text) as StateFile)
}

async function removeAll(name: string, state: StateFile | undefined): Promise<void> {
  if (state !== undefined) {
    await endProcesses(state.mark)
    await deleteNamespaces(state.namespaces)
  }
  rmSync(join(labsFolder, name), { recursive: true, force: true })
  for (const folder of [labsFolder, dirname(labsFolder)]) removeIfEmpty(folder)
}

function removeIfEmpty(folder: string): void {
  try {
    rmdirSync(folder)
  } catch (error) {
    if (!['ENOTEMPTY', 'ENOENT', 'EBUSY'].includes((error as NodeJS.ErrnoException).code ?? '')) throw error
  }
}

/** Ends every process with the mark: SIGTERM, and SIGKILL to those that are left after a while. */
async function endProcesses(mark: string): Promise<void> {
  const deadline = Date.now() + graceMs
  const signalled = new Set<number>()
  for (;;) {
    const pids = markedProcesses(mark)
    if (pids.length === 0) return
    const late = Date.now() > deadline
    for (const pid of pids) {
      if (!late && signalled.has(pid)) continue
      signalled.add(pid)
      signal(pid, late ? 'SIGKILL' : 'SIGTERM')
    }
    await sleep(20)
  }
}

function markedProcesses(mark: string): number[] {
  const entry = `${markName}=${mark}`
  return readdirSync('/proc').flatMap((pid) => {
    if (!/^\d+$/.test(pid) || Number(pid) === process.pid) return []
    // A zombie's environment is empty: it does not count.
    const environment = readIfThere(`/proc/${pid}/environ`)
    return environment?.split('\0').includes(entry) ? [Number(pid)] : []
  })
}

function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
  }
}

/** Text of a file; undefined when it, or the process that it tells of, is gone or hidden even from root (in containers). */
function readIfThere(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? ''
    if (['ENOENT', 'ESRCH', 'ENOTDIR', 'EACCES', 'EPERM'].includes(code)) return undefined
    throw error
  }
}
