/** Two ends of a link in a namespace of ours find each other by router advertisements. */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { after, it } from 'node:test'
import { linuxDiscovery } from '#host/neighbour-discovery.ts'
import { until } from '../until.testing.ts'
import { enterPrivateNetns } from './private-netns.ts'

const netns = enterPrivateNetns([
  'link add west type veth peer name east',
  'link set west addrgenmode none',
  'link set east addrgenmode none',
  'link set west up',
  'link set east up',
  'addr add fe80::a/64 dev west nodad',
  'addr add fe80::b/64 dev east nodad',
])
const skip = 'unavailable' in netns && netns.unavailable
if (!('unavailable' in netns)) after(netns.leave)

function watch(interfaceName: string) {
  const seen = { addresses: [] as string[], failures: [] as string[] }
  const watch = linuxDiscovery().watch(interfaceName, {
    discovered: (address) => seen.addresses.push(address),
    failed: (reason) => seen.failures.push(reason),
  })
  return { ...seen, close: () => watch.close() }
}

it('finds the router at the other end and is found by it (RFC 4861 §6.2.4)', { skip }, async () => {
  const west = watch('west')
  const east = watch('east')
  try {
    await until(
      () => west.addresses.includes('fe80::b') && east.addresses.includes('fe80::a'),
      'both are found',
    )
    assert.deepEqual([...new Set(west.addresses)], ['fe80::b'], 'nobody finds itself')
    assert.deepEqual([...west.failures, ...east.failures], [])
  } finally {
    west.close()
    east.close()
  }
})

it('is no default router for anybody (RFC 4861 §4.2)', { skip }, async () => {
  const west = watch('west')
  const east = watch('east')
  try {
    await until(() => east.addresses.length > 0, 'east hears west')
    const routes = execFileSync('ip', ['-6', 'route', 'show', 'default'], { encoding: 'utf8' })
    assert.equal(routes, '')
  } finally {
    west.close()
    east.close()
  }
})

it('asks at once, and is answered before an advertisement is due (RFC 4861 §6.2.6)', { skip }, async () => {
  const west = watch('west')
  const asked = performance.now()
  const east = watch('east')
  try {
    await until(() => east.addresses.includes('fe80::a'), 'the answer')
    assert.ok(performance.now() - asked < 3_000)
  } finally {
    west.close()
    east.close()
  }
})

it('says when there is no such interface, and goes on when there is', { skip }, async () => {
  const north = watch('north')
  try {
    await until(() => north.failures.length > 0, 'the failure')
    assert.match(north.failures[0]!, /there is no network interface north/)
    execFileSync('ip', 'link add north type veth peer name south'.split(' '))
    execFileSync('ip', 'link set north up'.split(' '))
    execFileSync('ip', 'link set south up'.split(' '))
    const south = watch('south')
    try {
      await until(() => south.addresses.length > 0 && north.addresses.length > 0, 'both are found')
    } finally {
      south.close()
    }
  } finally {
    north.close()
  }
})

it('goes on when a link comes back', { skip }, async () => {
  const west = watch('west')
  const east = watch('east')
  const ip = (...args: string[]) => execFileSync('ip', args)
  try {
    await until(() => west.addresses.length > 0, 'the neighbour')
    ip('link', 'set', 'west', 'down')
    await until(() => west.failures.length > 0, 'the loss')
    ip('link', 'set', 'west', 'up')
    ip('addr', 'add', 'fe80::a/64', 'dev', 'west', 'nodad')
    const before = west.addresses.length
    await until(() => west.addresses.length > before, 'the neighbour again')
  } finally {
    west.close()
    east.close()
  }
})
