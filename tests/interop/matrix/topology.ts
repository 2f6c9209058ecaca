/** Rows about more than two speakers. */
import assert from 'node:assert/strict'
import { untilGiven } from '../../until.testing.ts'
import { testFamilies, theirRoutes } from '../engine.ts'
import { up, upWithWitness } from '../exchange.ts'
import { heraldAsn, ourRoutes, witnessAddress } from '../pair.ts'
import type { Feature } from './feature.ts'

/** What the witness announces. */
const third = { 'ipv4/unicast': '203.0.120.0/24', 'ipv6/unicast': '2001:db8:300::/48' }

export const topologyFeatures: Feature[] = [
  {
    name: 'route reflector',
    fact: 'RFC 4456 §8: Herald reflects between two clients, and says whose route it is and that it reflected it',
    run: ({ withPair }) =>
      withPair(
        {
          internal: true,
          neighbourPassive: true,
          peer: { routeReflectorClient: true, exportLearned: true },
          witness: {
            asn: heraldAsn,
            announces: Object.values(third),
            peer: { routeReflectorClient: true },
          },
        },
        async (pair) => {
          await upWithWitness(pair)
          for (const family of testFamilies) {
            const reflected = await untilGiven(`the neighbour has the third's ${family}`, () =>
              pair.seenByNeighbour(third[family]),
            )
            assert.equal(reflected.asPath, '')
            assert.equal(reflected.originatorId, '192.0.2.3')
            assert.deepEqual(reflected.clusterList, ['192.0.2.1'])
            const [theirs] = await untilGiven(`the third has the neighbour's ${family}`, async () => {
              const paths = await pair.pathsAtWitness(theirRoutes.prefixes[family])
              return paths.length > 0 && paths
            })
            assert.equal(theirs?.originatorId, '192.0.2.2')
            assert.deepEqual(theirs.clusterList, ['192.0.2.1'])
            assert.equal(theirs.med, theirRoutes.med)
          }
        },
      ),
  },
  {
    name: 'reflector client',
    fact: 'RFC 4456 §8: Herald is the client of a reflector, which passes its routes on and gives it those of others',
    notApplicable: { exabgp: 'ExaBGP has no RIB, so it reflects nothing' },
    run: ({ version, withPair }) =>
      withPair(
        {
          internal: true,
          neighbourPassive: true,
          features: { beside: { address: witnessAddress[version], asn: heraldAsn, reflects: true } },
          witness: { asn: heraldAsn, announces: Object.values(third), sessions: ['neighbour'] },
        },
        async (pair) => {
          await up(pair)
          for (const family of testFamilies) {
            const [ours] = await untilGiven(`the third has our ${family}`, async () => {
              const paths = await pair.pathsAtWitness(ourRoutes.prefixes[family])
              return paths.length > 0 && paths
            })
            assert.equal(ours?.originatorId, '192.0.2.1')
            assert.deepEqual(ours.clusterList, ['192.0.2.2'])
            const theirs = await untilGiven(`Herald has the third's ${family}`, async () =>
              (await pair.received()).find(({ prefix }) => prefix === third[family]),
            )
            assert.equal(theirs.rejected, undefined)
          }
        },
      ),
  },
  {
    name: 'add-path',
    fact: 'RFC 7911: two paths of one prefix go both ways',
    run: ({ engine, version, withPair }) => {
      // Its own paths come from the neighbour's own route and the third's, Herald's from its own and the third's.
      const beside = { address: witnessAddress[version], asn: 65003, reflects: false }
      return withPair(
        {
          neighbourPassive: true,
          features: { addPath: true, ...(engine.name !== 'exabgp' && { beside }) },
          peer: { addPath: { receive: true, send: 8 }, exportLearned: true },
          witness: {
            asn: 65003,
            announces: [...Object.values(ourRoutes.prefixes), ...Object.values(theirRoutes.prefixes)],
            sessions: ['herald', ...(engine.name === 'exabgp' ? [] : (['neighbour'] as const))],
          },
        },
        async (pair) => {
          await upWithWitness(pair)
          const { address } = await pair.session()
          for (const family of testFamilies) {
            const asPaths = async () =>
              (await pair.pathsAtNeighbour(ourRoutes.prefixes[family])).map((path) => path.asPath)
            await untilGiven(`the neighbour has both of Herald's paths, ${family}`, async () => {
              const seen = await asPaths()
              return seen.includes('65001') && seen.includes('65001 65003')
            })
            await untilGiven(`Herald has both of the neighbour's paths, ${family}`, async () => {
              const rows = await pair.received()
              const theirs = rows.filter(
                (row) => row.peer === address && row.prefix === theirRoutes.prefixes[family],
              )
              // FRR gives Herald's own path back too, which is a loop.
              return theirs.filter(({ rejected }) => rejected === undefined).length === 2
            })
          }
        },
      )
    },
  },
  {
    name: 'confederation',
    fact: 'RFC 5065 §4: member ASes see each other, and the world sees the confederation',
    notApplicable: {
      openbgpd: 'OpenBGPD 7.7 has no confederations',
      exabgp: 'ExaBGP 4.2.21 has no confederations',
    },
    run: ({ withPair }) =>
      withPair(
        {
          neighbourPassive: true,
          instance: { confederation: { asn: 64999, members: [65002] } },
          features: { confederation: { id: 64999, members: [heraldAsn] } },
          peer: { exportLearned: true },
          witness: { asn: 65003, announces: Object.values(third), heraldAsn: 64999 },
        },
        async (pair) => {
          await upWithWitness(pair)
          for (const family of testFamilies) {
            const inside = await untilGiven(`the neighbour has the third's ${family}`, () =>
              pair.seenByNeighbour(third[family]),
            )
            assert.match(inside.asPath, /^\(?65001\)? 65003$/)
            const [outside] = await untilGiven(`the third has the neighbour's ${family}`, async () => {
              const paths = await pair.pathsAtWitness(theirRoutes.prefixes[family])
              return paths.length > 0 && paths
            })
            assert.equal(outside?.asPath, '64999')
          }
        },
      ),
  },
]
