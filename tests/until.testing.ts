/** Waiting for something that another process or the event loop brings about. */
import assert from 'node:assert/strict'

/** Waits until `fact` holds, at most ten seconds; `explain` says what is instead. */
export async function until(
  fact: () => boolean | Promise<boolean>,
  what: string,
  explain: () => unknown = () => '',
): Promise<void> {
  const end = Date.now() + 10_000
  while (!(await fact())) {
    if (Date.now() > end) assert.fail(`not in time: ${what} ${JSON.stringify(await explain())}`)
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
}
