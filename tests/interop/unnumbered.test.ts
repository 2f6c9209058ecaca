/**
 * Herald and FRR on a link on which each knows the other by its interface alone: found by router advertisements
 * (RFC 4861), one session between link-local addresses, IPv4 routes with IPv6 next hops (RFC 8950).
 */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'node:test'
import { stringify } from 'yaml'
import { getJson } from '#api/contract/client.ts'
import { listSchema, peerRowSchema, routeRowSchema } from '#api/contract/contract.ts'
import { labUp } from '#lab/lab.ts'
import { untilGiven } from '../until.testing.ts'
import { engines } from './engines.ts'
import { skipReason } from './pair.ts'

const frrConfig = `frr defaults traditional
router bgp 65002
 bgp router-id 192.0.2.2
 no bgp ebgp-requires-policy
 no bgp network import-check
 neighbor eth0 interface remote-as external
 neighbor eth0 timers 3 9
 neighbor eth0 timers connect 2
 address-family ipv4 unicast
  network 203.0.113.0/24
 exit-address-family
 address-family ipv6 unicast
  neighbor eth0 activate
  network 2001:db8:200::/48
 exit-address-family
exit
`

const resources = [
  { kind: 'BGPInstance', spec: { asn: 65001, routerId: '192.0.2.1', listenPort: 179 } },
  {
    kind: 'BGPPeer',
    spec: {
      interface: 'eth0',
      peerAs: 'external',
      importRoutes: true,
      timers: { connectRetrySeconds: 1, holdTimeSeconds: 9 },
    },
  },
  { kind: 'BGPAdvertisement', spec: { prefixes: ['198.51.100.0/24', '2001:db8:100::/48'] } },
].map(({ kind, spec }) => ({ apiVersion: 'herald.dev/v1alpha1', kind, metadata: { name: 'x' }, spec }))

const topology = {
  name: 'unnumbered',
  // The lab gives its networks addresses. No session uses them, and there are none of IPv4.
  networks: { lan: { subnets: ['2001:db8::/64'] } },
  routers: {
    herald: {
      engine: 'herald',
      config: 'herald.yaml',
      networks: { lan: ['2001:db8::1'] },
      asn: 65001,
      routerId: '192.0.2.1',
    },
    neighbour: {
      engine: 'frr',
      config: 'frr.conf',
      networks: { lan: ['2001:db8::2'] },
      asn: 65002,
      routerId: '192.0.2.2',
    },
  },
}

const skip = skipReason(engines.frr)

test(
  'Herald and FRR find each other on a link and exchange routes of both IP versions (RFC 8950)',
  { skip },
  async () => {
    const folder = mkdtempSync(join(tmpdir(), 'herald-unnumbered-'))
    writeFileSync(join(folder, 'frr.conf'), frrConfig)
    writeFileSync(join(folder, 'herald.yaml'), resources.map((each) => stringify(each)).join('---\n'))
    writeFileSync(join(folder, 'topology.yaml'), stringify(topology))
    const quiet = { step: () => {}, warning: () => {} }
    const lab = await labUp(folder, { name: `unnumbered-${process.pid}`, restartAfterMs: false }, quiet)
    try {
      const server = `unix:${join(lab.folder, 'herald', 'api.sock')}`
      const frr = lab.routers.get('neighbour')!
      const peer = await untilGiven('the session', async () => {
        const answer = await getJson(server, '/v1/peers', listSchema(peerRowSchema))
        if (!answer.ok) throw new Error(answer.error.message)
        return answer.value.items.find(({ state }) => state === 'established')
      })
      assert.match(peer.address, /^fe80::/)
      const received = await untilGiven('their routes', async () => {
        const answer = await getJson(server, '/v1/routes?view=received', listSchema(routeRowSchema))
        if (!answer.ok) throw new Error(answer.error.message)
        return answer.value.items.length >= 2 && answer.value.items
      })
      for (const prefix of ['203.0.113.0/24', '2001:db8:200::/48']) {
        const route = received.find((each) => each.prefix === prefix)
        // The interface has an address beyond the link, which FRR prefers (RFC 2545 §3).
        assert.equal(route?.nextHop, '2001:db8::2', prefix)
        assert.equal(route?.rejected, undefined)
      }
      for (const [family, prefix] of [
        ['ipv4', '198.51.100.0/24'],
        ['ipv6', '2001:db8:100::/48'],
      ] as const) {
        const seen = await untilGiven(`our route ${prefix} at FRR`, async () => {
          const text = await frr.ask(`show bgp ${family} unicast ${prefix} json`)
          const { paths } = JSON.parse(text) as { paths?: { valid?: boolean; nexthops: { ip: string }[] }[] }
          return paths?.find(({ valid }) => valid)
        })
        assert.ok(
          seen.nexthops.some(({ ip }) => ip.startsWith('fe80::')),
          JSON.stringify(seen.nexthops),
        )
      }
    } finally {
      await lab.down()
      rmSync(folder, { recursive: true, force: true })
    }
  },
)
