/**
 * Waiting for what another process or the event loop brings about, without guessing how long that takes: a deadline only ends what
 * hangs, and lies beyond what the busiest machine needs.
 */
import assert from 'node:assert/strict'
import { setTimeout as sleep } from 'node:timers/promises'

const deadlineMs = 60_000

/** Waits until `fact` holds, at most a minute; `explain` says what is instead. */
export async function until(
  fact: () => boolean | Promise<boolean>,
  what: string,
  explain: () => unknown = () => '',
): Promise<void> {
  const end = Date.now() + deadlineMs
  while (!(await fact())) {
    if (Date.now() > end) assert.fail(`not in time: ${what} ${JSON.stringify(await explain())}`)
    await sleep(5)
  }
}

/** Tries until `probe` passes, and fails with what it last failed with. */
export async function eventually<T>(
  what: string,
  probe: () => T | Promise<T>,
  timeoutMs = deadlineMs,
): Promise<T> {
  const deadline = Date.now() + timeoutMs
  for (;;) {
    try {
      return await probe()
    } catch (error) {
      if (Date.now() > deadline) throw new Error(`${what}: not within ${timeoutMs} ms`, { cause: error })
      await sleep(50)
    }
  }
}

/** Tries until `probe` gives something: neither undefined nor false. A failure of it counts as nothing. */
export function untilGiven<T>(
  what: string,
  probe: () => Promise<T | undefined | false>,
  timeoutMs = deadlineMs,
): Promise<T> {
  return eventually(
    what,
    async () => {
      const given = await probe()
      assert.ok(given !== undefined && given !== false, 'there is nothing')
      return given
    },
    timeoutMs,
  )
}

/** Fails as soon as `probe` does, within `ms`. */
export async function throughout(ms: number, probe: () => void | Promise<void>): Promise<void> {
  const deadline = Date.now() + ms
  do {
    await probe()
    await sleep(100)
  } while (Date.now() < deadline)
}
