/** Herald in loxilb's place beside Calico's BIRD, run from the file that loxilb's guide writes for GoBGP. */
import assert from 'node:assert/strict'
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { getJson, postJson } from '#api/contract/client.ts'
import { listSchema, peerCommandAnswerSchema, peerRowSchema, type PeerRow } from '#api/contract/contract.ts'
import type { RunningLab } from '#lab/lab.ts'
import { eventually, throughout } from '../until.testing.ts'
import { skipReason, startLab } from './lab.testing.ts'

const source = join(import.meta.dirname, 'gobgp-file')
const skip = skipReason(source)

describe("a router that runs from GoBGP's configuration", { skip }, () => {
  let lab: RunningLab
  // A copy, since the test writes into the file.
  const folder = mkdtempSync(join(tmpdir(), 'herald-gobgp-'))
  const file = join(folder, 'gobgp_loxilb.yaml')
  const guide = readFileSync(join(source, 'gobgp_loxilb.yaml'), 'utf8')

  before(async () => {
    cpSync(source, folder, { recursive: true })
    lab = await startLab(folder)
  })
  after(async () => {
    await lab.down()
    rmSync(folder, { recursive: true })
  })

  async function peers(): Promise<Map<string, PeerRow>> {
    const server = `unix:${join(lab.folder, 'loxilb', 'api.sock')}`
    const answer = await getJson(server, '/v1/peers', listSchema(peerRowSchema))
    assert.ok(answer.ok)
    return new Map(answer.value.items.map((row) => [row.address, row]))
  }

  async function established(...addresses: string[]): Promise<Map<string, PeerRow>> {
    return eventually(`sessions with ${addresses.join(', ')}`, async () => {
      const rows = await peers()
      for (const address of addresses) assert.equal(rows.get(address)?.state, 'established', address)
      return rows
    })
  }

  test('has the sessions of the guide, and passes routes from the cluster on to the outside', async () => {
    await established('192.168.57.101', '192.168.20.55')
    await eventually('the route of the cluster is outside', async () => {
      const rib = await lab.routers.get('outside')!.ask('global', 'rib')
      assert.match(rib, /10\.233\.71\.0\/26 +192\.168\.20\.4 +65002 64512/)
    })
    const herald = lab.routers.get('loxilb')!
    assert.match(await herald.ask('routes'), /10\.233\.71\.0\/26 +192\.168\.57\.101/)
    const detail = await herald.ask('peer', '192.168.57.101')
    assert.match(detail, /State: +established/)
    assert.match(detail, /route-refresh +both/)
    assert.match(detail, /ipv4\/unicast +1 +1 +0 +2000000/)
  })

  test('refreshes and resets a session when a person wants it, and no other', async () => {
    const before = await established('192.168.57.101', '192.168.20.55')
    const server = `unix:${join(lab.folder, 'loxilb', 'api.sock')}`
    const give = async (request: object) => {
      const answer = await postJson(server, '/v1/peers/command', request, peerCommandAnswerSchema)
      assert.ok(answer.ok, answer.ok ? '' : answer.error.message)
      assert.equal(answer.value.peers.length, 1)
    }
    await give({ peer: '192.168.57.101', command: 'refreshIn' })
    await eventually('BIRD has sent its routes again', async () => {
      const received = (await peers()).get('192.168.57.101')?.messages?.received.update ?? 0
      assert.ok(received > (before.get('192.168.57.101')?.messages?.received.update ?? 0))
    })
    await give({ peer: 'gobgp/192.168.20.55', command: 'reset', text: 'time for a change' })
    await eventually('the session is up again', async () => {
      const row = (await peers()).get('192.168.20.55')
      assert.deepEqual([row?.state, row?.flaps], ['established', 1])
    })
    const after = await peers()
    assert.equal(after.get('192.168.57.101')?.since, before.get('192.168.57.101')?.since)
    assert.equal(after.get('192.168.57.101')?.flaps, 0)
  })

  test('takes a change of the file up, and keeps the session that it does not concern', async () => {
    const before = await established('192.168.57.101', '192.168.20.55')
    writeFileSync(
      file,
      guide.replace(/192\.168\.20\.55\s+peer-as: 64001/, "'fd57::101'\n      peer-as: 64512"),
    )
    const rows = await established('192.168.57.101', 'fd57::101')
    assert.deepEqual([...rows.keys()].toSorted(), ['192.168.57.101', 'fd57::101'])
    assert.equal(rows.get('192.168.57.101')?.since, before.get('192.168.57.101')?.since)
    await eventually('the IPv6 route is there', async () => {
      const seen = await lab.routers.get('loxilb')!.ask('routes', 'available', 'ipv6')
      assert.match(seen, /fd10::\/64 +fd57::101/)
    })
    await eventually('GoBGP has lost its session', async () => {
      const neighbors = await lab.routers.get('outside')!.ask('neighbor')
      assert.doesNotMatch(neighbors, /Establ/)
    })
  })

  test('lets a policy in the file decide without a session being reset', async () => {
    const before = await established('192.168.57.101')
    writeFileSync(
      file,
      `${guide.replace('router-id: 172.1.0.2', 'router-id: 172.1.0.2\n  apply-policy: {config: {import-policy-list: [deny]}}')}
defined-sets:
  prefix-sets:
    - prefix-set-name: pods
      prefix-list: [{ip-prefix: 10.233.0.0/16, masklength-range: 16..32}]
policy-definitions:
  - name: deny
    statements:
      - name: pods
        conditions: {match-prefix-set: {prefix-set: pods}}
        actions: {route-disposition: reject-route}
`,
    )
    const rows = await established('192.168.57.101', '192.168.20.55')
    assert.equal(rows.get('192.168.57.101')?.since, before.get('192.168.57.101')?.since)
    await eventually('the route is not used', async () => {
      const seen = await lab.routers.get('loxilb')!.ask('routes', 'received', 'ipv4')
      assert.match(seen, /10\.233\.71\.0\/26 .*pods/)
    })
  })

  test('lets a policy in the file change what goes out', async () => {
    const before = await established('192.168.57.101')
    writeFileSync(
      file,
      `${guide.replace('router-id: 172.1.0.2', 'router-id: 172.1.0.2\n  apply-policy: {config: {export-policy-list: [mark]}}')}
policy-definitions:
  - name: mark
    statements:
      - conditions: {bgp-conditions: {route-type: external}}
        actions:
          bgp-actions:
            set-med: 42
            set-as-path-prepend: {as: last-as, repeat-n: 2}
            set-community: {options: add, set-community-method: {communities-list: ['65002:7']}}
`,
    )
    await eventually('GoBGP has the route as the policy makes it', async () => {
      const rib = await lab.routers.get('outside')!.ask('global', 'rib')
      assert.match(rib, /10\.233\.71\.0\/26 +192\.168\.20\.4 +65002 64512 64512 64512 .*Med: 42.*65002:7/)
    })
    const rows = await established('192.168.57.101', '192.168.20.55')
    assert.equal(rows.get('192.168.57.101')?.since, before.get('192.168.57.101')?.since)
  })

  test('goes on with what it had when the file is not valid, and recovers', async () => {
    writeFileSync(file, guide)
    const before = await established('192.168.57.101', '192.168.20.55')
    writeFileSync(file, guide.replace('peer-as', 'peer-asn'))
    for (const process of lab.routers.get('loxilb')!.processes) process.kill('SIGHUP')
    await throughout(300, async () => void (await established('192.168.57.101', '192.168.20.55')))
    writeFileSync(file, guide)
    await eventually('the route is outside again', async () => {
      const rib = await lab.routers.get('outside')!.ask('global', 'rib')
      assert.match(rib, /10\.233\.71\.0\/26 +192\.168\.20\.4/)
    })
    const rows = await peers()
    for (const [address, row] of rows) assert.equal(row.since, before.get(address)?.since, address)
  })

  test('takes whoever connects from a prefix for a neighbour of its group', async () => {
    const head = guide.slice(0, guide.indexOf('neighbors:'))
    writeFileSync(
      file,
      `${head}peer-groups: [{config: {peer-group-name: nodes, peer-as: 64512}}]
dynamic-neighbors:
  - config: {prefix: 192.168.57.0/24, peer-group: nodes}
  - config: {prefix: 'fd57::/64', peer-group: nodes}
`,
    )
    const rows = await established('192.168.57.101', 'fd57::101')
    for (const row of rows.values()) assert.equal(row.dynamic, true, row.peer)
    const detail = await lab.routers.get('loxilb')!.ask('peer', 'fd57::101')
    assert.match(detail, /State: +established for .*, from a listen range/)
    assert.match(detail, /whoever connects from fd57::\/64 is a neighbour/)
  })
})
