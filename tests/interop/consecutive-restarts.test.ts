/**
 * A real neighbour that is lost again before it has sent its routes: a BIRD that restarts sends none while it waits for
 * somebody else's.
 */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { throughout, untilGiven } from '../until.testing.ts'
import { testFamilies, theirRoutes } from './engine.ts'
import { engines } from './engines.ts'
import { up } from './exchange.ts'
import { skipReason, startPair, type Pair } from './pair.ts'

const llgrStale = 'llgr-stale'

for (const version of [4, 6] as const)
  describe(`bird over IPv${version}`, { skip: skipReason(engines.bird) }, () => {
    test('RFC 9494 §4.2: consecutive restarts keep long-lived stale routes, and the timer runs on', async () => {
      const pair = await startPair({
        engine: engines.bird,
        version,
        neighbourPassive: true,
        features: {
          restart: { seconds: 1, longLivedSeconds: 120 },
          awaits: version === 4 ? '192.0.2.99' : '2001:db8::99',
        },
        peer: { gracefulRestart: { longLivedSeconds: 120 } },
      })
      try {
        await up(pair)
        await untilGiven('both routes', async () => (await theirs(pair)).length === testFamilies.length)
        const first = await lost(pair)
        for (let restarts = 0; restarts < 2; restarts++) {
          await pair.restartNeighbour()
          await up(pair)
          assert.deepEqual(await phases(pair), ['arriving', 'arriving'])
          assert.deepEqual(await lost(pair), first, 'the long-lived stale time has not begun anew')
          await throughout(2_000, async () => {
            const routes = await theirs(pair)
            assert.equal(routes.length, testFamilies.length)
            assert.ok(routes.every(({ communities }) => communities?.includes(llgrStale)))
          })
        }
      } finally {
        await pair.down()
      }
    })
  })

/** Kills the neighbour, and gives until when its routes live on, once they do. */
async function lost(pair: Pair): Promise<string[]> {
  await pair.killNeighbour()
  await untilGiven('long-lived', async () => (await phases(pair)).join() === 'longLived,longLived')
  return ((await pair.session()).stale ?? []).map(({ until }) => until)
}

async function phases(pair: Pair): Promise<string[]> {
  return ((await pair.session()).stale ?? []).map(({ phase }) => phase)
}

async function theirs(pair: Pair) {
  const prefixes = new Set<string>(Object.values(theirRoutes.prefixes))
  return (await pair.routes('available')).filter(({ prefix }) => prefixes.has(prefix))
}
