/** Rows about the session and its routes. */
import assert from 'node:assert/strict'
import { eventually, throughout, untilGiven } from '../../until.testing.ts'
import type { Packet } from '../capture.ts'
import { testFamilies, theirRoutes } from '../engine.ts'
import { exchangesRoutes, lastError, seesOurRoutes, up } from '../exchange.ts'
import { ourRoutes, type Pair } from '../pair.ts'
import type { Feature } from './feature.ts'

const secret = (password: string) => ({
  apiVersion: 'v1',
  kind: 'Secret',
  metadata: { namespace: 'default', name: 'interop' },
  stringData: { password },
})
const passwordSecret = { namespace: 'default', name: 'interop' }

export const sessionFeatures: Feature[] = [
  {
    name: 'eBGP',
    fact: 'RFC 4271, RFC 4760: routes of both families go both ways between two ASes, with their attributes',
    run: ({ version, withPair }) =>
      withPair({ neighbourPassive: true }, async (pair) => {
        await up(pair)
        await exchangesRoutes(pair, version)
      }),
  },
  {
    name: 'iBGP',
    fact: 'RFC 4271 §5.1.2: inside an AS routes go both ways with an empty AS path',
    run: ({ withPair }) =>
      withPair({ internal: true, neighbourPassive: true }, async (pair) => {
        await up(pair)
        for (const family of testFamilies) {
          const ours = await untilGiven(`the neighbour has our ${family}`, () =>
            pair.seenByNeighbour(ourRoutes.prefixes[family]),
          )
          assert.equal(ours.asPath, '')
          assert.equal(ours.med, ourRoutes.med)
          const theirs = await theirRoute(pair, theirRoutes.prefixes[family])
          assert.equal(theirs.asPath, '')
          assert.equal(theirs.localPref, 100)
        }
      }),
  },
  {
    name: 'dynamic neighbour',
    fact: 'whoever connects from a range becomes a neighbour, and routes go both ways',
    run: ({ version, withPair }) => {
      const prefixes = [version === 4 ? '192.0.2.0/28' : '2001:db8::/120']
      return withPair({ peer: { address: null, passive: null, listen: { prefixes } } }, async (pair) => {
        await untilGiven('the neighbour is known', async () => (await pair.sessions()).length === 1)
        await up(pair)
        await exchangesRoutes(pair, version)
      })
    },
  },
  {
    name: 'MD5',
    fact: 'RFC 2385: segments are signed with the common password, and with another nothing comes through',
    run: ({ engine, version, withPair }) =>
      withPair(
        {
          features: { password: 'interop-key' },
          peer: { passwordSecret },
          resources: [secret('interop-key')],
          // OpenBGPD's portable edition signs on the connections that it makes itself.
          neighbourPassive: engine.name !== 'openbgpd',
        },
        async (pair) => {
          await up(pair)
          await exchangesRoutes(pair, version)
          pair.reconfigure({ resources: [secret('another-key')] })
          await untilGiven('the session ends', async () => (await pair.session()).state !== 'established')
          await throughout(1_500, async () => {
            assert.notEqual((await pair.session()).state, 'established')
          })
        },
      ),
  },
  {
    name: 'GTSM',
    fact: 'RFC 5082: packets with TTL 255 come through, and a neighbour that sends them with less does not',
    run: async ({ engine, version, withPair }) => {
      const peer = { ttlSecurityHops: 1 }
      // ExaBGP sets no hop limit on the connections over IPv6 that it accepts.
      const neighbourPassive = engine.name !== 'exabgp'
      await withPair({ features: { ttlSecurity: true }, peer, neighbourPassive }, async (pair) => {
        await up(pair)
        await exchangesRoutes(pair, version)
      })
      await withPair({ peer, neighbourPassive: true }, async (pair, capture) => {
        capture.expectNothing()
        await throughout(2_500, async () => {
          assert.notEqual((await pair.session()).state, 'established')
          assert.equal(await pair.established(), false)
        })
      })
    },
  },
  {
    name: 'extended next hop',
    fact: 'RFC 8950: IPv4 routes go both ways with an IPv6 next hop where the link has no IPv4',
    versions: [6],
    notApplicable: {
      gobgp: 'GoBGP 3.10 offers the capability only to unnumbered neighbours',
      openbgpd: 'OpenBGPD 7.7 does not know the capability',
    },
    run: ({ withPair }) =>
      withPair(
        { features: { extendedNextHop: true }, oneVersion: true, neighbourPassive: true },
        async (pair) => {
          await up(pair)
          const family = 'ipv4/unicast'
          const ours = await untilGiven('the neighbour has our IPv4 route', () =>
            pair.seenByNeighbour(ourRoutes.prefixes[family]),
          )
          assert.equal(ours.nextHop, '2001:db8::1')
          const theirs = await theirRoute(pair, theirRoutes.prefixes[family])
          assert.equal(theirs.nextHop, '2001:db8::2')
          assert.equal(theirs.rejected, undefined)
        },
      ),
  },
  {
    name: 'route refresh',
    fact: 'RFC 2918 §4: all routes are sent again to who asks for them, both ways',
    // FRR answers after its End-of-RIB only, which it sends where graceful restart was agreed on.
    run: ({ engine, version, withPair }) =>
      withPair({ neighbourPassive: true, peer: { gracefulRestart: {} } }, async (pair, capture) => {
        const answered = (byHerald: boolean) => (packets: readonly Packet[]) => {
          const asked = packets.findIndex(
            ({ own, types }) => own === byHerald && types.includes('routeRefresh'),
          )
          if (asked < 0) return false
          return packets.slice(asked).some(({ own, types }) => own !== byHerald && types.includes('update'))
        }
        await up(pair)
        await exchangesRoutes(pair, version)
        // OpenBGPD 7.7 says of every family that is asked for that it was not negotiated.
        if (engine.name !== 'openbgpd') {
          await pair.refreshByHerald()
          await capture.sees('a ROUTE-REFRESH of Herald and an UPDATE after it', answered(true))
        }
        // GoBGP never asks.
        if (engine.refresh !== undefined) {
          await pair.refreshByNeighbour()
          await capture.sees('a ROUTE-REFRESH of the neighbour and an UPDATE after it', answered(false))
        }
        assert.equal((await pair.session()).state, 'established')
        await seesOurRoutes(pair)
      }),
  },
  {
    name: 'enhanced route refresh',
    fact: 'RFC 7313 §4: what is sent again stands between a beginning and an end that are marked',
    notApplicable: { gobgp: 'GoBGP 3.10 does not know the capability' },
    run: ({ version, withPair }) =>
      withPair({ features: { enhancedRefresh: true }, neighbourPassive: true }, async (pair, capture) => {
        await up(pair)
        await exchangesRoutes(pair, version)
        await pair.refreshByNeighbour()
        await capture.sees('ROUTE-REFRESHes of Herald: beginning and end, both families', (packets) => {
          const marks = packets.flatMap(({ own, types }) =>
            own ? types.filter((type) => type === 'routeRefresh') : [],
          )
          return marks.length >= 4
        })
        assert.equal((await pair.session()).state, 'established')
        await seesOurRoutes(pair)
      }),
  },
  {
    name: 'roles',
    fact: 'RFC 9234 §4.2: provider and customer agree, and two customers do not',
    notApplicable: {
      gobgp: 'GoBGP 3.10 does not know the capability',
      exabgp: 'ExaBGP 4.2.21 does not know the capability',
    },
    run: async ({ version, withPair }) => {
      const features = { role: 'customer' } as const
      const peer = (name: string) => ({ role: { name, strict: true } })
      await withPair({ features, peer: peer('provider'), neighbourPassive: true }, async (pair) => {
        await up(pair)
        await exchangesRoutes(pair, version)
      })
      await withPair({ features, peer: peer('customer'), neighbourPassive: true }, async (pair) => {
        await lastError(pair, /role/i)
        assert.notEqual((await pair.session()).state, 'established')
      })
    },
  },
  {
    name: 'shutdown text',
    fact: 'RFC 9003: who ends the session on purpose says why, and the other end shows it',
    notApplicable: { exabgp: 'ExaBGP 4.2.21 sends no text, and cannot decode a NOTIFICATION' },
    run: ({ engine, withPair }) => {
      const text = 'maintenance until noon'
      return withPair({ neighbourPassive: true }, async (pair) => {
        await up(pair)
        if (engine.shutdown !== undefined) {
          await pair.shutdownByNeighbour('cable works')
          const error = await lastError(pair, /cable works/)
          assert.equal(error.direction, 'received')
          await pair.enableNeighbour()
          await up(pair)
        }
        pair.reconfigure({ peer: { adminDown: true, shutdownText: text } })
        await eventually('the neighbour shows the text', async () => {
          const said = await pair.neighbourErrors()
          assert.ok(said.includes(text), said)
        })
      })
    },
  },
  {
    name: 'max-prefix',
    fact: 'RFC 4486 §4: a neighbour that sends too many prefixes is stopped by Cease/1, and so is Herald by its',
    run: async ({ engine, withPair }) => {
      const prefixLimits = testFamilies.map((family) => ({ family, max: 1, action: 'reset' }))
      await withPair(
        { features: { more: true }, peer: { prefixLimits }, neighbourPassive: true },
        async (pair) => {
          const error = await lastError(pair, /maximum number of prefixes/i)
          assert.equal(error.direction, 'sent')
          assert.notEqual((await pair.session()).state, 'established')
        },
      )
      if (engine.name === 'exabgp') return
      await withPair({ features: { prefixLimit: 1 }, neighbourPassive: true }, async (pair) => {
        await up(pair)
        await seesOurRoutes(pair)
        // One more at a time: FRR looks at the limit when the next UPDATE comes.
        const prefixes: string[] = Object.values(ourRoutes.prefixes)
        for (const n of [1, 2]) {
          prefixes.push(`198.51.10${n}.0/24`, `2001:db8:10${n}::/48`)
          pair.reconfigure({ prefixes })
          await untilGiven('Herald has announced it, or is stopped', async () => {
            const { families } = await pair.session()
            return families.every(({ advertised }) => advertised !== n)
          })
        }
        const error = await lastError(pair, /maximum number of prefixes/i)
        assert.equal(error.direction, 'received')
      })
    },
  },
]

/** A route that Herald received, once it is there. */
function theirRoute(pair: Pair, prefix: string) {
  return untilGiven(`Herald has ${prefix}`, async () =>
    (await pair.received()).find((route) => route.prefix === prefix),
  )
}
