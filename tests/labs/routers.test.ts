import assert from 'node:assert/strict'
import { once } from 'node:events'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { address } from '#core/net/address.ts'
import { LabRunning, labDown, listLabs, type RunningLab } from '#lab/lab.ts'
import { dialInside, listNamespaces, runInside } from '#lab/namespaces.ts'
import { eventually } from '../until.testing.ts'
import { assertNothingLeft, labName, labProcess, skipReason, startLab } from './lab.testing.ts'

const folder = join(import.meta.dirname, 'four-routers')
const skip = skipReason(folder)

describe('a lab of BIRD, FRR, GoBGP and Herald', { skip }, () => {
  let lab: RunningLab
  before(async () => {
    lab = await startLab(folder)
  })
  after(() => lab.down())

  test('brings their sessions and routes up, IPv4 and IPv6', async () => {
    const frr = lab.routers.get('frr')!
    const gobgp = lab.routers.get('gobgp')!
    await eventually('FRR has the route', async () => {
      assert.match(await frr.ask('show bgp ipv4 unicast 192.0.2.1/32'), /65001/)
    })
    await eventually('GoBGP has the route', async () => {
      assert.match(await gobgp.ask('global', 'rib', '-a', 'ipv6'), /2001:db8::1\/128 +fd09::1 +65001/)
    })
  })

  test('has Herald among its routers, heard and hearing', async () => {
    const bird = lab.routers.get('bird')!
    const herald = lab.routers.get('herald')!
    await eventually('BIRD has Herald’s routes', async () => {
      assert.match(await bird.ask('show', 'route', '198.51.100.0/24'), /via 10\.9\.0\.4/)
      assert.match(await bird.ask('show', 'route', '2001:db8:1::/48'), /via fd09::4/)
    })
    await eventually('Herald has BIRD’s routes', async () => {
      const routes = await herald.ask('routes')
      assert.match(routes, /192\.0\.2\.1\/32 +10\.9\.0\.1/)
      assert.match(routes, /2001:db8::1\/128 +fd09::1/)
    })
  })

  test('gives every router the host name of its own', async () => {
    const bird = lab.routers.get('bird')!.processes[0]!
    const seen = await runInside(undefined, 'nsenter', ['--target', String(bird.pid), '--uts', 'hostname'])
    assert.equal(seen.output.trim(), 'bird')
  })

  test('lets its client through to the routers, IPv4 and IPv6', async () => {
    const client = lab.clients.get('client')!
    for (const target of ['10.9.0.2', 'fd09::2']) {
      const socket = dialInside(client, address(target), 179)
      await once(socket, 'connect', { signal: AbortSignal.timeout(2_000) })
      socket.destroy()
    }
  })

  test('refuses a second lab of its name and leaves the first alone', async () => {
    await assert.rejects(startLab(folder, { name: lab.name }), LabRunning)
    assert.ok(listLabs().some(({ name, running }) => name === lab.name && running))
    assert.ok(lab.routers.get('bird')!.processes[0]!.pid !== undefined)
  })
})

test('two labs run side by side, and each takes all of its own down', { skip }, async () => {
  const [one, other] = await Promise.all([startLab(folder), startLab(folder)])
  await one.down()
  assertNothingLeft(one.name)
  assert.ok(listNamespaces().includes(`${other.name}.bird`))
  await other.down()
  assertNothingLeft(other.name)
})

test('Ctrl-C and SIGTERM end a lab and leave nothing', { skip }, async () => {
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    const name = labName()
    const { child, ended } = await labProcess(folder, name)
    child.kill(signal)
    await ended
    assertNothingLeft(name)
  }
})

test('the next start after a kill -9 removes what was left', { skip }, async () => {
  const name = labName()
  const { child, ended } = await labProcess(folder, name)
  child.kill('SIGKILL')
  await ended
  assert.ok(listNamespaces().includes(`${name}.bird`), 'the killed lab left its namespaces')
  const next = await startLab(folder, { name })
  const { pid } = next.routers.get('bird')!.processes[0]!
  assert.ok(pid !== undefined)
  await next.down()
  assertNothingLeft(name)
})

test('lab down removes a killed lab and ends a running one', { skip }, async () => {
  for (const killed of [true, false]) {
    const name = labName()
    const { child, ended } = await labProcess(folder, name)
    if (killed) {
      child.kill('SIGKILL')
      await ended
    }
    assert.equal(await labDown(name), true)
    await ended
    assertNothingLeft(name)
    assert.equal(await labDown(name), false)
  }
})

test('a router that refuses its configuration fails the start and leaves nothing', { skip }, async () => {
  const name = labName()
  const broken = join(import.meta.dirname, 'broken-config')
  await assert.rejects(startLab(broken, { name }), /FRR refuses .*frr\.conf: .*no-such-command/s)
  assertNothingLeft(name)
})
