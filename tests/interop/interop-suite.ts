/**
 * Herald beside one real neighbour of another make, over IPv4 and over IPv6: sessions up both ways, routes of both families
 * both ways with their attributes, withdrawal, loss and recovery, and the errors that must be told apart.
 */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { LabProcess } from '#lab/processes.ts'
import { untilGiven } from '../until.testing.ts'
import { captureMissing, startCapture } from './capture.ts'
import { testFamilies as families, theirRoutes, type Engine } from './engine.ts'
import { exchangesRoutes, lastError, up } from './exchange.ts'
import {
  heraldAddresses,
  ourRoutes,
  signal,
  skipReason,
  startPair,
  type Pair,
  type PairOptions,
} from './pair.ts'

async function withPair(options: PairOptions, body: (pair: Pair) => Promise<void>): Promise<void> {
  const pair = await startPair(options)
  try {
    await body(pair)
  } finally {
    await pair.down()
  }
}

/** Starts a process again that was killed, once it is gone. */
async function restart(process: LabProcess): Promise<void> {
  await untilGiven('the killed process is gone', () => Promise.resolve(process.pid === undefined))
  process.start()
}

/** Runs `body` under a capture; afterwards nothing that Herald sent may be malformed in the eyes of Wireshark. */
async function dissected(pair: Pair, body: () => Promise<void>): Promise<void> {
  const capture = startCapture(pair.herald.namespace, heraldAddresses)
  try {
    await capture.ready()
    await body()
    await capture.judge()
  } finally {
    await capture.drop()
  }
}

export function interopSuite(engine: Engine): void {
  const skip = skipReason(engine)
  for (const version of [4, 6] as const) {
    describe(`${engine.name} over IPv${version}`, { skip }, () => {
      test('Herald connects; routes, withdrawals, loss and recovery', async () => {
        await withPair({ engine, version, neighbourPassive: true }, async (pair) => {
          await up(pair)
          await exchangesRoutes(pair, version)

          const before = await pair.session()
          pair.reconfigure({ prefixes: [ourRoutes.prefixes['ipv6/unicast']] })
          await untilGiven(
            'our IPv4 route is withdrawn',
            async () => (await pair.seenByNeighbour(ourRoutes.prefixes['ipv4/unicast'])) === undefined,
          )
          assert.ok(await pair.seenByNeighbour(ourRoutes.prefixes['ipv6/unicast']), 'the other route stays')
          await pair.withdrawTheirs()
          // FRR sends a neighbour's own routes back to it; those are not its own.
          const theirs = new Set<string>(Object.values(theirRoutes.prefixes))
          await untilGiven('their routes are withdrawn', async () =>
            (await pair.received()).every(({ prefix }) => !theirs.has(prefix)),
          )
          assert.equal((await pair.session()).since, before.since, 'the session was not touched')

          const [daemon] = pair.neighbour.processes.slice(-1)
          signal(daemon!, 'SIGKILL')
          await untilGiven('Herald sees the loss', async () => (await pair.session()).state !== 'established')
          await restart(daemon!)
          await untilGiven('it takes its configuration', () => pair.neighbourRestarted())
          await up(pair)
        })
      })

      test('the neighbour connects to a passive Herald, and again after Herald restarts', async () => {
        await withPair({ engine, version, heraldPassive: true }, async (pair) => {
          await up(pair)
          await exchangesRoutes(pair, version)
          const [herald] = pair.herald.processes
          signal(herald!, 'SIGKILL')
          await untilGiven('the neighbour sees the loss', async () => !(await pair.established()))
          await restart(herald!)
          await up(pair)
          await exchangesRoutes(pair, version)
        })
      })

      test('both connect at once and one session remains', async () => {
        await withPair({ engine, version }, async (pair) => {
          await up(pair)
          await exchangesRoutes(pair, version)
        })
      })

      const blind = captureMissing()
      test('Wireshark finds nothing wrong with what Herald sends', { skip: blind }, async () => {
        await withPair({ engine, version, heraldPassive: true, holdTimeSeconds: 3 }, async (pair) => {
          await dissected(pair, async () => {
            await up(pair)
            // From OPEN on, whatever the capture missed of the first session.
            for (const process of pair.herald.processes) {
              signal(process, 'SIGKILL')
              await restart(process)
            }
            await up(pair)
            await exchangesRoutes(pair, version)
            pair.reconfigure({ prefixes: [] })
            for (const family of families) {
              await untilGiven(
                `our ${family} is withdrawn`,
                async () => (await pair.seenByNeighbour(ourRoutes.prefixes[family])) === undefined,
              )
            }
            for (const process of pair.herald.processes) signal(process, 'SIGTERM')
            await untilGiven('the neighbour sees the end', async () => !(await pair.established()))
          })
        })
      })

      test('a wrong AS number is refused and named', async () => {
        await withPair({ engine, version, expectedAsn: 65099, neighbourPassive: true }, async (pair) => {
          const error = await lastError(pair, /Bad Peer AS/i)
          assert.equal(error.direction, 'sent')
          assert.match(error.message, /65002/)
          assert.notEqual((await pair.session()).state, 'established')
        })
      })

      test('our own router ID at an internal neighbour is refused and named', async () => {
        const options = {
          engine,
          version,
          internal: true,
          neighbourRouterId: '192.0.2.1',
          neighbourPassive: true,
        }
        await withPair(options, async (pair) => {
          await lastError(pair, /Bad BGP Identifier/i)
          assert.notEqual((await pair.session()).state, 'established')
        })
      })

      test('a neighbour that falls silent is given up when the hold time is over', async () => {
        await withPair({ engine, version, neighbourPassive: true, holdTimeSeconds: 3 }, async (pair) => {
          await up(pair)
          const [daemon] = pair.neighbour.processes.slice(-1)
          signal(daemon!, 'SIGSTOP')
          try {
            await lastError(pair, /Hold Timer Expired/i, 8_000)
          } finally {
            signal(daemon!, 'SIGCONT')
          }
          await up(pair)
        })
      })

      test('a Herald that falls silent is given up by the neighbour, and comes back', async () => {
        await withPair({ engine, version, neighbourPassive: true, holdTimeSeconds: 3 }, async (pair) => {
          await up(pair)
          const [herald] = pair.herald.processes
          signal(herald!, 'SIGSTOP')
          try {
            await untilGiven('the neighbour gives up', async () => !(await pair.established()), 8_000)
          } finally {
            signal(herald!, 'SIGCONT')
          }
          await up(pair)
        })
      })
    })
  }
}
