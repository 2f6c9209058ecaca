/** The walk-through's shape in dual-stack: both IP versions carry sessions, routes and requests. */
import assert from 'node:assert/strict'
import { resolve } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { address, versionOf } from '#core/net/address.ts'
import { hostPrefix } from '#core/net/prefix.ts'
import { httpGet } from '#lab/http-probe.ts'
import type { RunningLab } from '#lab/lab.ts'
import { eventually } from '../until.testing.ts'
import { kubectl, nextHops, skipReason, startLab } from './lab.testing.ts'

const folder = resolve(import.meta.dirname, '../../labs/cilium-bird-ipv6')

describe('the walk-through in dual-stack', { skip: skipReason(folder, ['kubectl']) }, () => {
  let lab: RunningLab
  before(async () => {
    lab = await startLab(folder)
  })
  after(() => lab.down())

  const vips = async () => {
    const path = 'jsonpath={.status.loadBalancer.ingress[*].ip}'
    const text = await kubectl(lab, ['get', 'service', 'nginx', '-o', path])
    const found = text.split(' ').filter(Boolean).map(address)
    assert.deepEqual(
      found.map(versionOf).toSorted((a, b) => a - b),
      [4, 6],
    )
    return found
  }

  test('announces both addresses of a Service by all nodes, each over the session of its version', async () => {
    await eventually('both are announced', async () => {
      for (const vip of await vips()) {
        const nodes =
          versionOf(vip) === 4
            ? ['172.22.0.2', '172.22.0.3', '172.22.0.4']
            : ['fd22::2', 'fd22::3', 'fd22::4']
        assert.deepEqual(await nextHops(lab, hostPrefix(vip)), nodes)
      }
    })
  })

  test('announces every node’s IPv6 pod network', async () => {
    await eventually('they are announced', async () => {
      assert.deepEqual(await nextHops(lab, 'fd41::/64'), ['fd22::4'])
      assert.deepEqual(await nextHops(lab, 'fd41:0:0:1::/64'), ['fd22::2'])
    })
  })

  test('lets the client reach both pods by both addresses', async () => {
    for (const vip of await eventually('addresses', vips)) {
      const pods = new Set<string>()
      await eventually(`both pods answered at ${vip}`, async () => {
        const answer = await httpGet(lab.clients.get('client')!, vip, 80)
        assert.ok(answer.ok, answer.ok ? '' : answer.error)
        pods.add(answer.value.body)
        assert.equal(pods.size, 2)
      })
    }
  })

  test('withdraws both addresses with the last pod', async () => {
    const addresses = await eventually('addresses', vips)
    await kubectl(lab, ['scale', 'deployment', 'nginx', '--replicas=0'])
    await eventually('both are withdrawn', async () => {
      for (const vip of addresses) assert.deepEqual(await nextHops(lab, hostPrefix(vip)), [])
    })
  })
})
