/** The long-running processes of a lab: started in their namespace, logged to a file, and started again when they end. */
import { spawn, type ChildProcess } from 'node:child_process'
import { closeSync, openSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { inNamespace } from './namespaces.ts'
import type { LabState } from './lab-state.ts'

export interface ProcessPlan {
  /** Unique in the lab; its log is `<name>.log` in the lab's folder. */
  name: string
  /** Absent: the host's own. */
  namespace?: string
  program: string
  args: readonly string[]
  env?: Record<string, string>
  /** Host name that the process sees. Absent: the machine's own. */
  hostname?: string
  /** Start again this long after an end that nobody asked for. Absent: stays ended. */
  restartAfterMs?: number
}

export interface LabProcess {
  readonly name: string
  readonly logFile: string
  /** Undefined while it is not running. */
  readonly pid: number | undefined
  /** Sends a signal; the process may be started again afterwards, as after any end. */
  kill(signal: NodeJS.Signals): void
  /** Starts it now, if it is not running. `more`: arguments for this time, after the usual ones. */
  start(more?: readonly string[]): void
  /** Holds it down until `start`. */
  hold(): void
  /** Ends it for good: SIGTERM, SIGKILL after `graceMs`. */
  stop(graceMs?: number): Promise<void>
}

export interface ProcessEvents {
  /** Called once, before the process runs for the first time. */
  made?(process: LabProcess): void
  /** An end that was not asked for. `log`: its last lines. */
  ended(process: LabProcess, how: string, log: string): void
}

/** Starts a process. Problems with starting it show as an end. */
export function startProcess(plan: ProcessPlan, state: LabState, events: ProcessEvents): LabProcess {
  const logFile = join(state.folder, `${plan.name}.log`)
  let child: ChildProcess | undefined
  let timer: NodeJS.Timeout | undefined
  let held = false
  let stopped = false

  const launch = (more: readonly string[] = []) => {
    if (child !== undefined || stopped) return
    clearTimeout(timer)
    const log = openSync(logFile, 'a', 0o644)
    const [program, args] = withHostname({ ...plan, args: [...plan.args, ...more] })
    const start = () =>
      spawn(program, args, {
        stdio: ['ignore', log, log],
        env: { ...process.env, ...plan.env, ...state.environment },
        // Its own process group: Ctrl-C in the terminal reaches the lab alone, which ends the others in order.
        detached: true,
      })
    const started = plan.namespace === undefined ? start() : inNamespace(plan.namespace, start)
    closeSync(log)
    child = started
    let ended = false
    const end = (how: string) => {
      if (ended) return
      ended = true
      child = undefined
      if (stopped) return
      events.ended(handle, how, tail(logFile))
      if (plan.restartAfterMs !== undefined && !held) timer = setTimeout(launch, plan.restartAfterMs)
    }
    started.on('error', (error) => end(error.message))
    started.on('exit', (code, signal) => end(signal ?? `exit code ${code}`))
  }

  const handle: LabProcess = {
    name: plan.name,
    logFile,
    get pid() {
      return child?.pid
    },
    kill(signal) {
      child?.kill(signal)
    },
    start(more) {
      held = false
      launch(more)
    },
    hold() {
      held = true
      clearTimeout(timer)
    },
    async stop(graceMs = 3_000) {
      stopped = true
      clearTimeout(timer)
      const running = child
      if (running === undefined) return
      const exit = new Promise<void>((resolve) => running.once('exit', () => resolve()))
      running.kill('SIGTERM')
      const late = setTimeout(() => running.kill('SIGKILL'), graceMs)
      await exit
      clearTimeout(late)
    },
  }
  events.made?.(handle)
  launch()
  return handle
}

/** Host names belong to the UTS namespace, which network namespaces share. */
function withHostname({ program, args, hostname }: ProcessPlan): [string, readonly string[]] {
  if (hostname === undefined) return [program, args]
  return ['unshare', ['--uts', 'sh', '-c', 'hostname "$0" && exec "$@"', hostname, program, ...args]]
}

/** The last lines of a log, for messages. */
export function tail(file: string, lineCount = 5): string {
  try {
    return readFileSync(file, 'utf8').trimEnd().split('\n').slice(-lineCount).join('\n')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return ''
    throw error
  }
}
