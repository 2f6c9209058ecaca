/** A network namespace for one test file: the test's own thread moves into it, and it vanishes with the process. */
import { execFileSync } from 'node:child_process'
import { closeSync, openSync } from 'node:fs'
import { CLONE_NEWNET, libc } from '#host/libc.ts'

/**
 * Enters a new, empty network namespace and runs the `ip` commands in it (each a line of arguments). Gives back the way
 * out, or says why there is none to enter.
 */
export function enterPrivateNetns(commands: string[]): { leave: () => void } | { unavailable: string } {
  if (process.platform !== 'linux') return { unavailable: `needs Linux; this is ${process.platform}` }
  const home = openSync('/proc/thread-self/ns/net', 'r')
  try {
    libc().unshare(CLONE_NEWNET)
  } catch (error) {
    closeSync(home)
    return { unavailable: `needs a network namespace, run as root: ${(error as Error).message}` }
  }
  const leave = () => {
    libc().setns(home, CLONE_NEWNET)
    closeSync(home)
  }
  try {
    for (const command of commands) execFileSync('ip', command.split(' '), { stdio: 'pipe' })
  } catch (error) {
    leave()
    return { unavailable: `needs iproute2 (apt install iproute2): ${(error as Error).message}` }
  }
  return { leave }
}
