import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { once } from 'node:events'
import net from 'node:net'
import { after, it } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { address } from '#core/net/address.ts'
import type { TcpConnection, TcpEnds, TcpListener } from '#core/net/tcp.ts'
import { libc } from '#host/libc.ts'
import { addAoKey, openSocket } from '#host/socket-linux.ts'
import { Connection } from '#host/tcp-connection.ts'
import { linuxTcp } from '#host/tcp-linux.ts'
import { until } from '../until.testing.ts'
import { enterPrivateNetns } from './private-netns.ts'
import { tcpContract, type TcpWorld } from './tcp.contract.ts'

const netns = enterPrivateNetns([
  'link set lo up',
  'link add west type veth peer name east',
  'link set west up',
  'link set east up',
  'addr add 10.66.0.1/24 dev west',
  'addr add 10.66.0.2/24 dev west',
  'addr add 10.66.0.5/24 dev west',
  'addr add fd66::1/64 dev west nodad',
  'addr add fd66::2/64 dev west nodad',
  'addr add fd66::5/64 dev west nodad',
  'addr add fe80::a/64 dev west nodad',
  'addr add fe80::b/64 dev east nodad',
  'neigh add 10.66.0.9 lladdr 02:00:00:00:00:09 dev west nud permanent',
  'neigh add fd66::9 lladdr 02:00:00:00:00:09 dev west nud permanent',
])

if ('unavailable' in netns) {
  tcpContract('TCP on Linux, loopback', () => open(loopback(netns.unavailable)))
} else {
  after(netns.leave)
  tcpContract('TCP on Linux', () => open(privateNetwork))

  it('lets the kernel complete 512 connections before it takes them, on both IP versions', async () => {
    const listener = await new Promise<TcpListener>((resolve, reject) => {
      const made = linuxTcp().listen(
        { port: 1790, passwords: [] },
        {
          listening: () => resolve(made),
          failed: (reason) => reject(new Error(reason)),
          passwordFailed() {},
          accepted: () => ({ received() {}, closed() {} }),
        },
      )
    })
    const lines = execFileSync('ss', ['-ltnH'], { encoding: 'utf8' }).trim().split('\n')
    const backlogs = lines.filter((line) => line.includes(':1790')).map((line) => line.split(/\s+/)[2])
    assert.deepEqual(backlogs, ['512', '512'])
    listener.close()
  })

  for (const own of ['203.0.113.9', '2001:db8:9::9'])
    it(`names the address to listen on that this machine does not have: ${own}`, async () => {
      const options = { port: 0, passwords: [], addresses: [address(own)] }
      const [listening, passwordFailed] = [() => assert.fail('it listens'), () => {}]
      const accepted = () => ({ received() {}, closed() {} })
      const reason = await new Promise<string>(
        (failed) => void linuxTcp().listen(options, { listening, failed, passwordFailed, accepted }),
      )
      assert.equal(reason, `this machine does not have the address ${own}`)
    })

  it('gives what is sent in one turn to the kernel together', async () => {
    const chunks: number[] = []
    const received = (_: number, bytes: Uint8Array) => void chunks.push(bytes.length)
    await many(1, received, async ([client]) => {
      for (let i = 0; i < 1000; i++) client!.send(new Uint8Array(30))
      await until(() => chunks.reduce((sum, length) => sum + length, 0) === 30_000, 'all bytes')
    })
    assert.ok(chunks.length <= 3, `arrives in ${chunks.length} pieces`)
  })

  it('lets other work go on while much is read, and serves all connections', async () => {
    const served = new Map<number, number>()
    const perTurn: number[] = []
    const connections = 12
    let chunks = 0
    const received = (index: number) => {
      served.set(index, (served.get(index) ?? 0) + 1)
      chunks++
      for (const until = performance.now() + 2; performance.now() < until;);
    }
    await many(connections, received, async (clients) => {
      for (const client of clients) client.send(new Uint8Array(4_000_000))
      for (let turn = 0; turn < 80; turn++) {
        await new Promise((resolve) => setImmediate(resolve))
        perTurn.push(chunks)
        chunks = 0
      }
    })
    const counts = [...served.values()]
    assert.equal(counts.length, connections)
    assert.ok(Math.max(...counts) <= 4 * Math.min(...counts), `served ${counts.join(', ')} times`)
    // All have always something to read, and each of them would be read 32 times in a turn.
    assert.ok(Math.max(...perTurn) <= 4, `${Math.max(...perTurn)} chunks in a turn`)
  })

  for (const host of ['10.66.0.5', 'fd66::5']) {
    it(`says when a neighbour answers from further away than it may: ${host} (RFC 5082 §3)`, async () => {
      // With the TTL that Linux gives by itself.
      const server = net.createServer().listen(0, host)
      await once(server, 'listening')
      const { port } = server.address() as net.AddressInfo
      const dial = { address: address(host), port, ttl: 255, minTtl: 254, timeoutMs: 300 }
      const handlers = { opened() {}, received() {}, closed() {} }
      const failure = await new Promise((failed) => linuxTcp().dial(dial, { ...handlers, failed }))
      server.close()
      assert.match(String(failure), /no answer .*: packets came with a TTL below 254 and were dropped/)
    })
  }

  it('listens with more keys and least TTLs than the kernel has room for, and says whose key is missing', async () => {
    const complaints: string[] = []
    const neighbours = Array.from({ length: 1_100 }, (_, i) => address(`10.77.${i >> 8}.${i & 255}`))
    await new Promise<void>((done, failed) => {
      const listener = linuxTcp().listen(
        {
          port: 0,
          passwords: neighbours.map((address) => ({ address, password: 'key' })),
          minTtls: neighbours.map((address) => ({ address, minTtl: 255 })),
        },
        {
          listening: () => setImmediate(() => done(listener.close())),
          failed: (reason) => failed(new Error(reason)),
          passwordFailed: (_, reason) => void complaints.push(reason),
          accepted: () => ({ received() {}, closed() {} }),
        },
      )
    })
    assert.ok(complaints.length > 0 && complaints.length < neighbours.length)
    assert.match(complaints[0]!, /raise net\.core\.optmem_max/)
  })

  it('tells both ends of a connection between link-local addresses their interface (RFC 4007 §6)', async () => {
    const tcp = linuxTcp()
    const ends: string[] = []
    const handlers = { received() {}, closed() {} }
    const connections: TcpConnection[] = []
    const note = ({ remoteAddress, interface: by }: TcpEnds) => void ends.push(`${remoteAddress} by ${by}`)
    const [failed, passwordFailed] = [(reason: string) => assert.fail(reason), () => {}]
    const port = await new Promise<number>((listening) => {
      const accepted = (connection: TcpConnection, at: TcpEnds) => {
        connections.push(connection)
        note(at)
        return handlers
      }
      const listener = tcp.listen({ port: 0, passwords: [] }, { listening, failed, passwordFailed, accepted })
      connections.push({ ...listener, send() {}, setTtl() {}, queuedBytes: 0 })
    })
    const dial = { address: address('fe80::b'), interface: 'west', port, ttl: 1, minTtl: 1, timeoutMs: 5_000 }
    connections.push(tcp.dial(dial, { ...handlers, opened: note, failed }))
    await until(() => ends.length === 2, 'both ends')
    assert.deepEqual(new Set(ends), new Set(['fe80::a by east', 'fe80::b by west']))
    for (const connection of connections) connection.close()
  })

  for (const { neighbour, by } of [
    { neighbour: '10.66.0.9', by: 'west' },
    { neighbour: '10.66.0.9', by: 'east' },
    { neighbour: 'fd66::9', by: 'west' },
  ]) {
    it(`leaves by the interface that was named and no other: ${neighbour} by ${by}`, async () => {
      const failures: string[] = []
      const handlers = { opened() {}, received() {}, closed() {} }
      const dial = { address: address(neighbour), port: 179, ttl: 1, timeoutMs: 150, interface: by }
      linuxTcp().dial(dial, { ...handlers, failed: (reason) => void failures.push(reason) })
      await sleep(20)
      const asking = execFileSync('ss', ['-tnH', 'state', 'syn-sent'], { encoding: 'utf8' })
      assert.match(asking, new RegExp(`%${by}[^\\n]*${neighbour}`))
      await until(() => failures.length > 0, 'the dial to fail')
      assert.match(failures[0]!, /no answer/)
    })
  }

  it('dials a link-local neighbour by its interface and says when it must be named', async () => {
    const tcp = linuxTcp()
    const failures: string[] = []
    const handlers = {
      opened() {},
      received() {},
      closed() {},
      failed: (reason: string) => void failures.push(reason),
    }
    const dial = { address: address('fe80::9'), port: 179, ttl: 1, timeoutMs: 200 }
    tcp.dial(dial, handlers)
    tcp.dial({ ...dial, interface: 'north' }, handlers)
    tcp.dial({ ...dial, interface: 'east' }, handlers)
    await sleep(400)
    assert.match(failures[0]!, /name the interface by which to reach the link-local fe80::9/)
    assert.match(failures[1]!, /there is no network interface north/)
    assert.match(failures[2]!, /no answer from fe80::9 port 179 within 0.2 s/)
  })
}

/** `body` with that many connections; `received` is called for the accepted ones, by their number. */
async function many(
  count: number,
  received: (index: number, bytes: Uint8Array) => void,
  body: (clients: TcpConnection[]) => Promise<void>,
): Promise<void> {
  const tcp = linuxTcp()
  const accepted: TcpConnection[] = []
  const port = await new Promise<{ number: number; listener: TcpListener }>((resolve, reject) => {
    const listener = tcp.listen(
      { port: 0, passwords: [], addresses: [address('10.66.0.5')] },
      {
        listening: (number) => resolve({ number, listener }),
        failed: (reason) => reject(new Error(reason)),
        passwordFailed() {},
        accepted: (connection) => {
          const index = accepted.push(connection) - 1
          return { received: (bytes) => received(index, bytes), closed() {} }
        },
      },
    )
  })
  const clients: TcpConnection[] = []
  for (let i = 0; i < count; i++) {
    const dial = { address: address('10.66.0.5'), port: port.number, ttl: 64, timeoutMs: 5_000 }
    const handlers = { received() {}, closed() {} }
    await new Promise<void>((opened, reject) => {
      const failed = (reason: string) => reject(new Error(reason))
      clients.push(tcp.dial(dial, { ...handlers, opened: () => opened(), failed }))
    })
  }
  await until(() => accepted.length === count, 'the connections')
  try {
    await body(clients)
  } finally {
    for (const connection of [...clients, ...accepted]) connection.close()
    port.listener.close()
  }
}

const privateNetwork: Omit<TcpWorld, 'left' | 'right' | 'until' | 'pass' | 'hold' | 'close'> = {
  networks: {
    4: {
      left: [address('10.66.0.1'), address('10.66.0.2')],
      right: address('10.66.0.5'),
      rightOtherVersion: address('fd66::5'),
      silent: address('10.66.0.9'),
    },
    6: {
      left: [address('fd66::1'), address('fd66::2')],
      right: address('fd66::5'),
      rightOtherVersion: address('10.66.0.1'),
      silent: address('fd66::9'),
    },
  },
}

function loopback(why: string): typeof privateNetwork {
  return {
    networks: {
      4: {
        left: [address('127.0.0.1'), address('127.0.0.2')],
        right: address('127.0.0.1'),
        rightOtherVersion: address('::1'),
        silent: why,
      },
      6: why,
    },
    noMd5: why,
  }
}

/** Why this kernel takes no TCP-AO key. */
const aoMissing = withoutAo()

function withoutAo(): string | undefined {
  const fd = openSocket(4)
  try {
    addAoKey(fd, address('192.0.2.1'), 32, { keyId: 1, algorithm: 'hmac-sha-1-96', key: 'k' })
    return undefined
  } catch (error) {
    return `needs a kernel with CONFIG_TCP_AO: ${(error as Error).message}`
  } finally {
    libc().close(fd)
  }
}

async function open(network: typeof privateNetwork): Promise<TcpWorld> {
  const tcp = linuxTcp()
  return {
    ...network,
    ...(aoMissing === undefined ? {} : { noAuthenticationOption: aoMissing }),
    left: tcp,
    right: tcp,
    async until(condition, what) {
      const deadline = performance.now() + 10_000
      while (!condition()) {
        assert.ok(performance.now() < deadline, `waited 10 s for ${what}`)
        await sleep(2)
      }
    },
    pass: (ms) => sleep(ms),
    hold(connection) {
      assert.ok(connection instanceof Connection)
      const { socket } = connection
      socket.pause()
      return () => void socket.resume()
    },
    close: async () => {},
  }
}
