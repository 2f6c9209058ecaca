import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { Prng } from '#core/lib/prng.ts'
import { address } from '#core/net/address.ts'
import type { TcpConnection } from '#core/net/tcp.ts'
import { VirtualClock } from './clock.ts'
import { Network, type LinkQuality } from './network.ts'
import { SimulatedTcp } from './tcp.ts'
import { SimulatedUdp } from './udp.ts'

const one = address('192.0.2.1')
const two = address('192.0.2.2')

describe('a simulated connection', () => {
  it('takes one way and back to open, and one way more to be accepted', () => {
    const world = open({ latencyMs: 10, jitterMs: 0 })
    assert.deepEqual(world.log, ['20 left opened', '30 right accepted'])
  })

  it('delivers after the latency, and later by the size over the bandwidth', () => {
    const world = open({ latencyMs: 10, jitterMs: 0, bytesPerMs: 100 })
    world.clock.runFor(100)
    world.log.length = 0
    const start = world.clock.now()
    world.left.send(new Uint8Array(960))
    world.run(100)
    assert.equal(Math.round(world.receivedAt('right') - start), 20)
  })

  it('waits out a silent cut and then delivers everything in order', () => {
    const world = open({})
    world.network.cut(world.hosts.left, world.hosts.right)
    for (let i = 0; i < 5; i++) {
      world.left.send(Uint8Array.of(i))
      world.run(1_000)
    }
    assert.equal(world.received.right.length, 0)
    world.network.mend(world.hosts.left, world.hosts.right)
    world.run(60_000)
    assert.deepEqual(world.received.right, [0, 1, 2, 3, 4])
  })

  it('gives up after about a quarter of an hour of silence', () => {
    const world = open({})
    world.network.cut(world.hosts.left, world.hosts.right)
    world.left.send(Uint8Array.of(1))
    world.run(10 * 60_000)
    assert.ok(!world.log.some((line) => line.includes('closed')))
    world.run(20 * 60_000)
    assert.match(world.log.at(-1)!, /left closed: the other end does not answer/)
  })

  it('ends at both ends at a cut with reset', () => {
    const world = open({})
    world.log.length = 0
    world.network.cut(world.hosts.left, world.hosts.right, 'reset')
    assert.deepEqual(
      world.log.map((line) => line.slice(line.indexOf(' ') + 1)),
      ['left closed: the other end reset the connection', 'right closed: the other end reset the connection'],
    )
  })

  it('is reset when the process at the other end is killed', () => {
    const world = open({})
    world.processes.right.kill()
    world.run(10)
    assert.match(world.log.at(-1)!, /left closed: the other end reset the connection/)
    assert.equal(world.tcp.connections(world.hosts.left).length, 0)
  })

  it('notices a machine that lost its power only when it is back and does not know the connection', () => {
    const world = open({})
    world.hosts.right.powerOff()
    world.left.send(Uint8Array.of(1))
    world.run(60_000)
    assert.ok(!world.log.some((line) => line.includes('closed')))
    world.hosts.right.powerOn()
    world.run(120_000)
    assert.match(world.log.at(-1)!, /left closed: the other end reset the connection/)
  })
})

describe('simulated UDP', () => {
  it('carries datagrams with their addresses, ports and TTL', () => {
    const { clock, udp, left, right } = datagrams({})
    const got: unknown[] = []
    udp.bind(right, 3784, ({ bytes, ...rest }) => got.push({ ...rest, bytes: [...bytes] }))
    const socket = udp.bind(left, 0, () => {})
    socket.send({ address: two, port: 3784, ttl: 255 }, Uint8Array.of(1, 2))
    clock.runFor(10)
    const expected = {
      localAddress: two,
      remoteAddress: one,
      remotePort: socket.port,
      ttl: 255,
      bytes: [1, 2],
    }
    assert.deepEqual(got, [expected])
  })

  it('loses about as many datagrams as the link does, and all of them on a cut link', () => {
    const { clock, network, udp, left, right } = datagrams({ loss: 0.25 })
    let got = 0
    udp.bind(right, 3784, () => got++)
    const socket = udp.bind(left, 0, () => {})
    const send = () => {
      for (let i = 0; i < 1000; i++) socket.send({ address: two, port: 3784, ttl: 255 }, Uint8Array.of(1))
      clock.runFor(10)
    }
    send()
    assert.ok(got > 700 && got < 800, `${got} of 1000 arrived`)
    network.cut(left, right)
    const before = got
    send()
    assert.equal(got, before)
  })
})

it('repeats a run from its seed', () => {
  const run = (seed: number) => {
    const world = open({ latencyMs: 5, jitterMs: 5, loss: 0.2 }, seed)
    for (let i = 0; i < 50; i++) {
      world.left.send(new Uint8Array(1 + i * 7))
      world.run(i)
    }
    world.run(100_000)
    return world.log
  }
  assert.deepEqual(run(7), run(7))
  assert.notDeepEqual(run(7), run(8))
})

function open(quality: Partial<LinkQuality>, seed = 1) {
  const clock = new VirtualClock()
  const network = new Network(clock, new Prng(seed))
  const hosts = { left: network.addHost('left', [one]), right: network.addHost('right', [two]) }
  network.setLink(hosts.left, hosts.right, quality)
  const tcp = new SimulatedTcp(network)
  const processes = { left: tcp.process(hosts.left), right: tcp.process(hosts.right) }
  const log: string[] = []
  const received = { left: [] as number[], right: [] as number[] }
  const handlers = (side: 'left' | 'right') => ({
    received: (bytes: Uint8Array) => {
      received[side].push(...bytes)
      log.push(`${clock.now()} ${side} received ${bytes.length}`)
    },
    closed: (reason: string) => void log.push(`${clock.now()} ${side} closed: ${reason}`),
  })
  processes.right.listen(
    { port: 179, passwords: [] },
    {
      listening() {},
      failed: assert.fail,
      passwordFailed: assert.fail,
      accepted: () => {
        log.push(`${clock.now()} right accepted`)
        return handlers('right')
      },
    },
  )
  const left: TcpConnection = processes.left.dial(
    { address: two, port: 179, ttl: 1, timeoutMs: 60_000 },
    { opened: () => void log.push(`${clock.now()} left opened`), failed: assert.fail, ...handlers('left') },
  )
  while (!log.some((line) => line.endsWith('accepted'))) clock.step()
  const receivedAt = (side: string) => {
    const line = log.findLast((line) => line.includes(`${side} received`))
    return Number(line?.split(' ')[0])
  }
  return {
    clock,
    network,
    hosts,
    tcp,
    processes,
    log,
    received,
    left,
    receivedAt,
    run: (ms: number) => clock.runFor(ms),
  }
}

function datagrams(quality: Partial<LinkQuality>) {
  const clock = new VirtualClock()
  const network = new Network(clock, new Prng(1))
  const left = network.addHost('left', [one])
  const right = network.addHost('right', [two])
  network.setLink(left, right, quality)
  return { clock, network, udp: new SimulatedUdp(network), left, right }
}
