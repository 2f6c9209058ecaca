/** Origin validation from a cache's file to what becomes of a route: stayrtr, two routers, one namespace of this test's own. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { getJson } from '#api/contract/client.ts'
import { listSchema, peerRowSchema, routeRowSchema, rpkiRowSchema } from '#api/contract/contract.ts'
import { find } from '#lab/lab.ts'
import { enterPrivateNetns } from '../contract/private-netns.ts'
import { resource, startRouter, timers } from '../router.testing.ts'
import { untilGiven } from '../until.testing.ts'

const netns = enterPrivateNetns([
  'link set lo up',
  'addr add 192.0.2.1/32 dev lo',
  'addr add 192.0.2.2/32 dev lo',
  'addr add 2001:db8::1/128 dev lo',
])
if (!('unavailable' in netns)) after(netns.leave)
const skip =
  'unavailable' in netns
    ? netns.unavailable
    : find('stayrtr') === undefined && 'needs stayrtr: npm test installs it on Debian as root'

test(
  'RFC 6811: a route is used or rejected as its origin is valid or not, and a change needs no reset',
  { skip },
  async () => {
    const folder = mkdtempSync(join(tmpdir(), 'herald-origins-'))
    const vrps = join(folder, 'vrps.json')
    const serve = (roas: object[]) => {
      writeFileSync(`${vrps}.new`, JSON.stringify({ metadata: {}, roas }))
      renameSync(`${vrps}.new`, vrps)
    }
    const valid = [
      { prefix: '203.0.113.0/24', maxLength: 24, asn: 'AS65002', ta: 'test' },
      { prefix: '2001:db8:200::/40', maxLength: 48, asn: 'AS65002', ta: 'test' },
    ]
    const foreign = { prefix: '198.51.100.0/23', maxLength: 24, asn: 'AS65099', ta: 'test' }
    serve([...valid, foreign])
    const cache = spawn(
      'stayrtr',
      `-bind 127.0.0.1:8282 -metrics.addr 127.0.0.1:8283 -checktime=false -refresh 1 -cache ${vrps}`.split(
        ' ',
      ),
      { stdio: 'ignore' },
    )
    const a = startRouter(
      folder,
      'a',
      '192.0.2.1',
      resource('BGPInstance', 'edge', {
        asn: 65001,
        routerId: '192.0.2.1',
        listenPort: 1790,
        rpki: { caches: [{ address: '127.0.0.1', port: 8282 }] },
      }),
      resource('BGPPeer', 'b', {
        address: '192.0.2.2',
        asn: 65002,
        passive: true,
        importPolicies: ['validated'],
        importDefault: 'accept',
        timers,
      }),
      resource('RoutePolicy', 'validated', {
        statements: [{ name: 'no invalid origins', match: { rpki: ['invalid'] }, then: 'reject' }],
      }),
    )
    const b = startRouter(
      folder,
      'b',
      '192.0.2.2',
      resource('BGPInstance', 'b', { asn: 65002, routerId: '192.0.2.2' }),
      resource('BGPPeer', 'a', {
        address: '192.0.2.1',
        sourceAddress: '192.0.2.2',
        port: 1790,
        asn: 65001,
        timers,
      }),
      resource('BGPAdvertisement', 'own', {
        prefixes: ['203.0.113.0/24', '198.51.100.0/24', '10.1.0.0/16'],
      }),
    )
    /** By prefix: validity, and whether the route is rejected. */
    const states = async () => {
      const answer = await getJson(a.api, '/v1/routes?view=received', listSchema(routeRowSchema))
      const rows = answer.ok ? answer.value.items : []
      return rows.map((row) => `${row.prefix} ${row.rpki} ${row.rejected === undefined}`).toSorted()
    }
    const become = (...wanted: string[]) =>
      untilGiven(`routes are ${wanted.join(', ')}`, async () => {
        assert.deepEqual(await states(), wanted)
        return true
      })
    const since = async () => {
      const answer = await getJson(a.api, '/v1/peers', listSchema(peerRowSchema))
      return answer.ok ? answer.value.items[0]?.since : undefined
    }
    try {
      await become('10.1.0.0/16 notFound true', '198.51.100.0/24 invalid false', '203.0.113.0/24 valid true')
      const before = await since()
      serve(valid)
      await become('10.1.0.0/16 notFound true', '198.51.100.0/24 notFound true', '203.0.113.0/24 valid true')
      serve([...valid, { ...foreign, prefix: '10.0.0.0/8', maxLength: 8 }])
      await become('10.1.0.0/16 invalid false', '198.51.100.0/24 notFound true', '203.0.113.0/24 valid true')
      cache.kill('SIGKILL')
      await once(cache, 'exit')
      await untilGiven('the loss is seen', async () => {
        const answer = await getJson(a.api, '/v1/rpki', listSchema(rpkiRowSchema))
        return answer.ok && answer.value.items[0]?.state !== 'ready'
      })
      await become('10.1.0.0/16 invalid false', '198.51.100.0/24 notFound true', '203.0.113.0/24 valid true')
      assert.equal(await since(), before, 'the session was not touched')
    } finally {
      await Promise.all([a.stop(), b.stop()])
      if (cache.exitCode === null && cache.signalCode === null) {
        cache.kill('SIGKILL')
        await once(cache, 'exit')
      }
      rmSync(folder, { recursive: true })
    }
  },
)
