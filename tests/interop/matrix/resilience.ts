/** Rows about routes that outlive their session. */
import assert from 'node:assert/strict'
import { throughout, untilGiven } from '../../until.testing.ts'
import { testFamilies, theirRoutes } from '../engine.ts'
import { seesOurRoutes, up, upWithWitness, without } from '../exchange.ts'
import { ourRoutes, type Pair } from '../pair.ts'
import type { Feature } from './feature.ts'

const noRestart = 'OpenBGPD 7.7 helps others to restart and does not ask for it'
const noTable = 'ExaBGP has no RIB, so it keeps nothing'
const llgrStale = '65535:6'

export const resilienceFeatures: Feature[] = [
  {
    name: 'graceful restart, Herald helps',
    fact: 'RFC 4724 §4.2: the routes of a neighbour that was killed stay, here and at a third, until it is back with them',
    notApplicable: { openbgpd: noRestart },
    run: ({ withPair }) =>
      withPair(
        {
          neighbourPassive: true,
          features: { restart: { seconds: 30 } },
          peer: { gracefulRestart: { restartSeconds: 30 } },
          witness: { asn: 65003 },
        },
        async (pair) => {
          await upWithWitness(pair)
          await thirdHasTheirs(pair)
          await without(
            'a moment in which the third lacks a route of the neighbour',
            () => thirdLacksTheirs(pair),
            async () => {
              await pair.killNeighbour()
              await untilGiven(
                'Herald sees the loss',
                async () => (await pair.session()).state !== 'established',
              )
              assert.equal((await theirs(pair)).length, testFamilies.length)
              await pair.restartNeighbour()
              await up(pair)
              await throughout(1_000, async () => {
                assert.equal((await theirs(pair)).length, testFamilies.length)
              })
            },
          )
        },
      ),
  },
  {
    name: 'graceful restart, Herald restarts',
    fact: 'RFC 4724 §4.1: a neighbour keeps the routes of a Herald that was killed until it is back with them',
    notApplicable: { exabgp: noTable },
    run: ({ withPair }) =>
      withPair(
        {
          neighbourPassive: true,
          features: { restart: { seconds: 30 } },
          peer: { gracefulRestart: { restartSeconds: 30, deferralSeconds: 5 } },
        },
        async (pair) => {
          await up(pair)
          await seesOurRoutes(pair)
          await without(
            'a moment in which the neighbour lacks a route of ours',
            () => neighbourLacksOurs(pair),
            async () => {
              await pair.killHerald()
              await untilGiven('the neighbour sees the loss', async () => !(await pair.established()))
              pair.startHerald()
              await up(pair)
              await throughout(1_000, () => seesOurRoutes(pair))
            },
          )
        },
      ),
  },
  {
    name: 'LLGR, Herald helps',
    fact: 'RFC 9494 §4.3: beyond the restart time the routes stay as the last choice, marked LLGR_STALE',
    notApplicable: {
      openbgpd: 'OpenBGPD 7.7 does not know the capability',
      exabgp: 'ExaBGP 4.2.21 does not know the capability',
    },
    run: ({ withPair }) =>
      withPair(
        {
          neighbourPassive: true,
          features: { restart: { seconds: 1, longLivedSeconds: 60 } },
          peer: { gracefulRestart: { restartSeconds: 1, longLivedSeconds: 60 } },
          witness: {
            asn: 65003,
            session: ['graceful restart on;', 'long lived graceful restart on;'],
            peer: { gracefulRestart: { longLivedSeconds: 60 } },
          },
        },
        async (pair) => {
          await upWithWitness(pair)
          await thirdHasTheirs(pair)
          await pair.killNeighbour()
          for (const family of testFamilies) {
            await untilGiven(`the third has a stale ${family}`, async () => {
              const paths = await pair.pathsAtWitness(theirRoutes.prefixes[family])
              return paths[0]?.communities.includes(llgrStale)
            })
          }
          await pair.restartNeighbour()
          await up(pair)
          for (const family of testFamilies) {
            await untilGiven(`the third has a fresh ${family}`, async () => {
              const paths = await pair.pathsAtWitness(theirRoutes.prefixes[family])
              return paths[0]?.communities.includes(llgrStale) === false
            })
          }
        },
      ),
  },
  {
    name: 'LLGR, Herald restarts',
    fact: 'RFC 9494 §4.2: a neighbour keeps the routes of a Herald that stays away beyond the restart time',
    notApplicable: {
      openbgpd: 'OpenBGPD 7.7 does not know the capability',
      exabgp: noTable,
    },
    run: ({ withPair }) =>
      withPair(
        {
          neighbourPassive: true,
          features: { restart: { seconds: 1, longLivedSeconds: 60 } },
          peer: { gracefulRestart: { restartSeconds: 1, longLivedSeconds: 60, deferralSeconds: 5 } },
        },
        async (pair) => {
          await up(pair)
          await seesOurRoutes(pair)
          await pair.killHerald()
          await untilGiven('the neighbour sees the loss', async () => !(await pair.established()))
          await throughout(3_000, async () => {
            assert.equal(await neighbourLacksOurs(pair), false)
          })
          pair.startHerald()
          await up(pair)
          await seesOurRoutes(pair)
        },
      ),
  },
]

async function theirs(pair: Pair) {
  const prefixes = new Set<string>(Object.values(theirRoutes.prefixes))
  return (await pair.received()).filter(({ prefix }) => prefixes.has(prefix))
}

async function thirdLacksTheirs(pair: Pair): Promise<boolean> {
  for (const family of testFamilies)
    if ((await pair.pathsAtWitness(theirRoutes.prefixes[family])).length === 0) return true
  return false
}

function thirdHasTheirs(pair: Pair): Promise<true> {
  return untilGiven('the third has the routes of the neighbour', async () => !(await thirdLacksTheirs(pair)))
}

async function neighbourLacksOurs(pair: Pair): Promise<boolean> {
  for (const family of testFamilies)
    if ((await pair.seenByNeighbour(ourRoutes.prefixes[family])) === undefined) return true
  return false
}
