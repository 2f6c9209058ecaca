/** What the tests of sessions wait for and compare. */
import assert from 'node:assert/strict'
import { setTimeout as sleep } from 'node:timers/promises'
import { untilGiven } from '../until.testing.ts'
import { testFamilies as families, theirRoutes } from './engine.ts'
import { heraldAsn, neighbourAsn, ourRoutes, type Pair } from './pair.ts'

export function up(pair: Pair): Promise<unknown> {
  return untilGiven('established on both sides', async () => {
    if ((await pair.session()).state === 'established' && (await pair.established())) return true
    await pair.hurry()
    return false
  })
}

/** Waits until the session's last error says `what`: others, such as a refused connection, may come before it. */
export function lastError(pair: Pair, what: RegExp, timeoutMs?: number) {
  const matching = async () => {
    const { lastError: error } = await pair.session()
    return error !== undefined && what.test(error.message) && error
  }
  return untilGiven(`an error that says ${what.source}`, matching, timeoutMs)
}

/** The session with the witness too. */
export async function upWithWitness(pair: Pair): Promise<void> {
  await up(pair)
  await untilGiven('the witness is up', async () => (await pair.session('witness')).state === 'established')
}

export async function exchangesRoutes(pair: Pair, version: 4 | 6): Promise<void> {
  for (const family of families) {
    const ours = await untilGiven(`the neighbour has our ${family}`, () =>
      pair.seenByNeighbour(ourRoutes.prefixes[family]),
    )
    assert.deepEqual(
      ours,
      {
        asPath: String(heraldAsn),
        nextHop: family === 'ipv4/unicast' ? '192.0.2.1' : '2001:db8::1',
        med: ourRoutes.med,
        communities: ours.communities,
        largeCommunities: [...ourRoutes.largeCommunities],
        originatorId: undefined,
        clusterList: [],
      },
      `${family} over IPv${version}`,
    )
    assert.deepEqual(ours.communities.toSorted(), [...ourRoutes.communities].toSorted())
    const theirs = await untilGiven(`we have their ${family}`, async () =>
      (await pair.received()).find(({ prefix }) => prefix === theirRoutes.prefixes[family]),
    )
    assert.equal(theirs.asPath, String(neighbourAsn))
    assert.equal(theirs.nextHop, family === 'ipv4/unicast' ? '192.0.2.2' : '2001:db8::2')
    assert.equal(theirs.med, theirRoutes.med)
    assert.deepEqual(theirs.communities, [
      theirRoutes.community.join(':'),
      theirRoutes.largeCommunity.join(':'),
    ])
    assert.equal(theirs.rejected, undefined)
  }
}

/** The neighbour has our routes. */
export async function seesOurRoutes(pair: Pair): Promise<void> {
  for (const family of families)
    await untilGiven(`the neighbour has our ${family}`, () =>
      pair.seenByNeighbour(ourRoutes.prefixes[family]),
    )
}

/** Runs `body`, during which `lost` never holds. */
export async function without(
  what: string,
  lost: () => Promise<boolean>,
  body: () => Promise<void>,
): Promise<void> {
  const over = new AbortController()
  let sampleCount = 0
  const watch = async () => {
    while (!over.signal.aborted) {
      assert.equal(await lost(), false, what)
      sampleCount++
      await sleep(30)
    }
  }
  const run = async () => {
    try {
      await body()
    } finally {
      over.abort()
    }
  }
  await Promise.all([watch(), run()])
  assert.ok(sampleCount > 3, `${what}: looked for ${sampleCount} times only`)
}
