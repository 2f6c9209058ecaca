/** What every {@link Tcp} does: run on the real one in a network namespace and on the simulator's. */
import assert from 'node:assert/strict'
import { describe, it, type TestContext } from 'node:test'
import { parseAddress, type Address, type IpVersion } from '#core/net/address.ts'
import {
  sendQueueHigh,
  sendQueueLow,
  type AuthenticationKey,
  type ListenHandlers,
  type Tcp,
  type TcpConnection,
  type TcpDial,
  type TcpEnds,
  type TcpListener,
  type TcpPassword,
} from '#core/net/tcp.ts'

/** Two machines that reach each other; they may be the same one. */
export interface TcpWorld {
  left: Tcp
  right: Tcp
  /** By IP version. Absent: why this version cannot be tried here. */
  networks: Record<IpVersion, Network | string>
  /** Why MD5 keys cannot be tried here; absent: they can. */
  noMd5?: string
  /** Why TCP-AO keys cannot be tried here; absent: they can. */
  noAuthenticationOption?: string
  /** Comes back when `condition` holds; fails after ten seconds of the world's time. */
  until(condition: () => boolean, what: string): Promise<void>
  /** Lets so much of the world's time pass. */
  pass(ms: number): Promise<void>
  /** Nothing that is sent to this end of a connection is taken any more, until the result is called. */
  hold(connection: TcpConnection): () => void
  close(): Promise<void>
}

export interface Network {
  /** Two addresses of the left machine; the first is the one that it uses by itself. */
  left: [Address, Address]
  right: Address
  /** What the right machine finds as its address of the other version. */
  rightOtherVersion: Address
  /** Nobody has it and nothing says so. Absent: why there is no such address. */
  silent: Address | string
}

export function tcpContract(name: string, open: () => Promise<TcpWorld>): void {
  describe(`${name}, IPv4`, () => suite(4, open))
  describe(`${name}, IPv6`, () => suite(6, open))
}

function suite(version: IpVersion, open: () => Promise<TcpWorld>): void {
  const test = (name: string, body: (world: TcpWorld, network: Network, t: TestContext) => Promise<void>) => {
    it(name, { timeout: 30_000 }, async (t) => {
      const world = await open()
      try {
        const network = world.networks[version]
        if (typeof network === 'string') t.skip(network)
        else await body(world, network, t)
      } finally {
        await world.close()
      }
    })
  }

  test('tells both ends of a connection the same addresses and ports', async (world, network) => {
    const server = await listening(world, network)
    const { client, accepted } = await connected(world, network, server)
    assert.equal(client.ends?.remoteAddress, network.right)
    assert.equal(client.ends?.remotePort, server.port)
    assert.equal(accepted.ends?.localAddress, network.right)
    assert.equal(accepted.ends?.localPort, server.port)
    assert.equal(accepted.ends?.remoteAddress, client.ends?.localAddress)
    assert.equal(accepted.ends?.remotePort, client.ends?.localPort)
    assert.equal(accepted.ends?.localAddressOtherVersion, network.rightOtherVersion)
    finish(server, client, accepted)
  })

  test('carries bytes both ways in order', async (world, network) => {
    const server = await listening(world, network)
    const { client, accepted } = await connected(world, network, server)
    for (let i = 0; i < 100; i++) {
      client.connection.send(Uint8Array.of(i, i + 1))
      accepted.connection.send(Uint8Array.of(200 - i))
    }
    await world.until(() => accepted.bytes() === 200 && client.bytes() === 100, 'all bytes')
    assert.deepEqual(
      [...accepted.read()],
      [...Array(100).keys()].flatMap((i) => [i, i + 1]),
    )
    assert.deepEqual(
      [...client.read()],
      [...Array(100).keys()].map((i) => 200 - i),
    )
    finish(server, client, accepted)
  })

  test('carries megabytes intact', async (world, network) => {
    const server = await listening(world, network)
    const { client, accepted } = await connected(world, network, server)
    const sent = pattern(3_000_000)
    for (let at = 0; at < sent.length; at += 70_001) client.connection.send(sent.subarray(at, at + 70_001))
    await world.until(() => accepted.bytes() === sent.length, 'all bytes')
    assert.ok(Buffer.from(accepted.read()).equals(sent))
    assert.equal(client.connection.queuedBytes, 0)
    finish(server, client, accepted)
  })

  test('says how much waits from falling behind until it has caught up, never inside send', async (world, network) => {
    const server = await listening(world, network)
    const { client, accepted } = await connected(world, network, server)
    const { queued } = client
    client.connection.send(pattern(sendQueueLow))
    await world.until(() => accepted.bytes() === sendQueueLow, 'the first bytes')
    assert.deepEqual(queued, [], 'nothing of what is little')
    const shared = pattern(50_000)
    for (let i = 0; i < 400; i++) client.connection.send(shared)
    assert.deepEqual(queued, [])
    await world.until(() => accepted.bytes() === sendQueueLow + 20_000_000, 'all bytes')
    assert.ok(queued.length > 3, `${queued.length} reports`)
    assert.ok(queued[0]! > sendQueueHigh, `first ${queued[0]}`)
    for (const [i, bytes] of queued.slice(1).entries()) assert.ok(bytes < queued[i]!, 'each one less')
    for (const bytes of queued.slice(0, -1))
      assert.ok(bytes > sendQueueLow, 'the last one says that it is over')
    assert.ok(queued.at(-1)! <= sendQueueLow, `last ${queued.at(-1)}`)
    finish(server, client, accepted)
  })

  test('says of few bytes, too, that nothing of them is taken, and when they move again (RFC 9687 §4.3)', async (world, network) => {
    const server = await listening(world, network)
    const { client, accepted } = await connected(world, network, server)
    const release = world.hold(accepted.connection)
    let sent = 0
    const few = pattern(60_000)
    // What the kernel takes without anybody who reads may be megabytes.
    for (let i = 0; i < 2_000 && client.queued.length === 0; i++) {
      if (client.connection.queuedBytes === 0) {
        client.connection.send(few)
        sent += few.length
      }
      await world.pass(5)
    }
    assert.deepEqual(client.stalled, [true])
    assert.ok(client.queued[0]! > 0 && client.queued[0]! <= sendQueueLow, `${client.queued[0]} bytes`)
    await world.pass(2_500)
    assert.equal(client.queued.length, 1, 'once')
    release()
    await world.until(() => accepted.bytes() === sent && client.queued.length > 1, 'all bytes')
    assert.deepEqual(client.stalled.slice(1), [false])
    assert.ok(client.queued[1]! <= sendQueueLow)
    finish(server, client, accepted)
  })

  test('says nothing of what waits after close', async (world, network) => {
    const server = await listening(world, network)
    const { client, accepted } = await connected(world, network, server)
    client.connection.send(pattern(5_000_000))
    client.connection.close()
    await world.until(() => accepted.closed.length > 0, 'the other end to be told')
    assert.equal(accepted.bytes(), 5_000_000)
    assert.deepEqual(client.queued, [])
    finish(server, client, accepted)
  })

  test('delivers what was sent before close, then tells the other end', async (world, network) => {
    const server = await listening(world, network)
    const { client, accepted } = await connected(world, network, server)
    const sent = pattern(500_000)
    client.connection.send(sent)
    client.connection.close()
    await world.until(() => accepted.closed.length > 0, 'the other end to be told')
    assert.ok(Buffer.from(accepted.read()).equals(sent))
    assert.equal(accepted.closed.length, 1)
    assert.match(accepted.closed[0]!, /closed the connection/)
    assert.deepEqual(client.closed, [])
    finish(server, client, accepted)
  })

  test('does not lose the last words of an end that closes while the other is still sending', async (world, network) => {
    const server = await listening(world, network)
    const { client, accepted } = await connected(world, network, server)
    for (let i = 0; i < 50; i++) client.connection.send(pattern(10_000))
    accepted.connection.send(Uint8Array.of(7, 7, 7))
    accepted.connection.close()
    await world.until(() => client.closed.length > 0, 'the sender to be told')
    assert.deepEqual([...client.read()], [7, 7, 7])
    finish(server, client, accepted)
  })

  test('calls no handler after close', async (world, network) => {
    const server = await listening(world, network)
    const { client, accepted } = await connected(world, network, server)
    client.connection.close()
    const before = client.bytes()
    accepted.connection.send(pattern(1_000))
    await world.until(() => accepted.closed.length > 0, 'the other end to be told')
    assert.equal(client.bytes(), before)
    assert.deepEqual(client.closed, [])
    client.connection.send(Uint8Array.of(1))
    client.connection.close()
    finish(server, client, accepted)
  })

  test('calls no handler of a dial that was closed before it opened', async (world, network) => {
    const server = await listening(world, network)
    const client = dialing(world, network, server.port)
    client.connection.close()
    await world.pass(200)
    assert.equal(client.ends, undefined)
    assert.deepEqual(client.failed, [])
    assert.deepEqual(client.closed, [])
    finish(server, client)
  })

  test('tells of a refused connection', async (world, network) => {
    const server = await listening(world, network)
    server.listener.close()
    await world.pass(50)
    const client = dialing(world, network, server.port)
    await world.until(() => client.failed.length > 0, 'the refusal')
    assert.match(client.failed[0]!, /refused/)
    await world.pass(50)
    assert.equal(client.failed.length, 1)
    assert.equal(client.ends, undefined)
  })

  test('keeps open connections when the listener closes', async (world, network) => {
    const server = await listening(world, network)
    const { client, accepted } = await connected(world, network, server)
    server.listener.close()
    await world.pass(50)
    client.connection.send(Uint8Array.of(1, 2, 3))
    await world.until(() => accepted.bytes() === 3, 'the bytes')
    finish(server, client, accepted)
  })

  test('gives up a dial that nobody answers', async (world, network, t) => {
    const silent = parseAddress(network.silent)
    if (!silent.ok) return t.skip(network.silent)
    const client = dialing(world, network, 179, { address: silent.value, timeoutMs: 300 })
    await world.until(() => client.failed.length > 0, 'the dial to fail')
    assert.match(client.failed[0]!, /no answer from .* within 0\.3 s/)
    assert.equal(client.failed.length, 1)
  })

  test('dials from the source address that it was given', async (world, network) => {
    const server = await listening(world, network)
    for (const sourceAddress of network.left) {
      const { client, accepted } = await connected(world, network, server, { sourceAddress })
      assert.equal(client.ends?.localAddress, sourceAddress)
      assert.equal(accepted.ends?.remoteAddress, sourceAddress)
      finish(client, accepted)
    }
    finish(server)
  })

  test('fails a dial from an address that the machine does not have', async (world, network) => {
    const sourceAddress = (version === 4 ? '203.0.113.9' : '2001:db8:9::9') as Address
    const client = dialing(world, network, 179, { sourceAddress })
    assert.deepEqual(client.failed, [], 'not inside dial')
    await world.until(() => client.failed.length > 0, 'the dial to fail')
    assert.match(client.failed[0]!, new RegExp(`does not have the address ${sourceAddress}`))
  })

  test('tells of a port that is taken', async (world, network) => {
    const server = await listening(world, network)
    const second = serving(world, server.port)
    assert.deepEqual(second.failed, [], 'not inside listen')
    await world.until(() => second.failed.length > 0, 'the failure')
    assert.match(second.failed[0]!, new RegExp(`port ${server.port} is taken`))
    finish(server, second)
  })

  test('takes a port again at once after its listener closed', async (world, network) => {
    const server = await listening(world, network)
    const { client, accepted } = await connected(world, network, server)
    server.listener.close()
    accepted.connection.close()
    await world.until(() => client.closed.length > 0, 'the end')
    const second = serving(world, server.port)
    await world.until(() => second.port > 0, 'the second listener')
    finish(second, client, accepted)
  })

  test('listens on the given addresses only', async (world, network) => {
    const server = serving(world, 0, [], [network.right])
    await world.until(() => server.port > 0, 'listening')
    const { client, accepted } = await connected(world, network, server)
    finish(server, client, accepted)
  })

  test('takes a TTL at any time, also after close', async (world, network) => {
    const server = await listening(world, network)
    const { client, accepted } = await connected(world, network, server, { ttl: 1 })
    accepted.connection.setTtl(255)
    client.connection.setTtl(2)
    accepted.connection.send(Uint8Array.of(1))
    await world.until(() => client.bytes() === 1, 'the byte')
    finish(server, client, accepted)
    client.connection.setTtl(3)
  })

  test('drops what comes from a neighbour, or a range, with a lower TTL than it must have (RFC 5082 §3)', async (world, network) => {
    const [one, other] = network.left
    const server = await listening(world, network)
    server.listener.setMinTtls([{ address: one, minTtl: 255 }])
    const far = dialing(world, network, server.port, { ttl: 254, timeoutMs: 400 })
    await world.until(() => far.failed.length > 0, 'the dial to fail')
    assert.match(far.failed[0]!, /no answer/)
    const near = await connected(world, network, server, { ttl: 255, minTtl: 255 })
    const free = await connected(world, network, server, { ttl: 1, sourceAddress: other })
    server.listener.setMinTtls([
      { address: one, minTtl: 200 },
      { address: one, prefixLength: version === 4 ? 24 : 64, minTtl: 254 },
    ])
    const nearer = await connected(world, network, server, { ttl: 200 })
    const outside = dialing(world, network, server.port, { ttl: 253, sourceAddress: other, timeoutMs: 400 })
    await world.until(() => outside.failed.length > 0, 'the other dial to fail')
    server.listener.setMinTtls([])
    const any = await connected(world, network, server, { ttl: 1 })
    assert.equal(server.connections.length, 4)
    for (const { client, accepted } of [near, free, nearer, any]) finish(client, accepted)
    finish(server)
  })

  test('drops what comes with a lower TTL on an open connection (RFC 5082 §3)', async (world, network) => {
    const server = await listening(world, network)
    const { client, accepted } = await connected(world, network, server, { ttl: 254, minTtl: 255 })
    accepted.connection.send(Uint8Array.of(1))
    await world.until(() => client.bytes() === 1, 'a byte from an accepted connection, whose TTL is 255')
    accepted.connection.setTtl(254, 255)
    client.connection.send(Uint8Array.of(1))
    accepted.connection.send(Uint8Array.of(2))
    await world.pass(300)
    assert.equal(accepted.bytes() + client.bytes(), 1)
    client.connection.setTtl(255, 254)
    await world.until(() => accepted.bytes() === 1 && client.bytes() === 2, 'both bytes')
    finish(server, client, accepted)
  })

  const md5 = (name: string, body: (world: TcpWorld, network: Network) => Promise<void>) => {
    test(name, async (world, network, t) => {
      if (world.noMd5 === undefined) await body(world, network)
      else t.skip(world.noMd5)
    })
  }
  const key = (network: Network, password: string) => [{ address: network.left[0], password }]
  const wrong = { timeoutMs: 400 }

  md5('connects with the right MD5 key (RFC 2385)', async (world, network) => {
    const server = await listening(world, network, key(network, 'sésame'))
    const { client, accepted } = await connected(world, network, server, { password: 'sésame' })
    client.connection.send(pattern(100_000))
    await world.until(() => accepted.bytes() === 100_000, 'the bytes')
    finish(server, client, accepted)
  })

  for (const { name, listener, dialer } of [
    { name: 'another MD5 key', listener: 'right', dialer: 'wrong' },
    { name: 'no MD5 key where one is wanted', listener: 'right', dialer: undefined },
    { name: 'an MD5 key where none is wanted', listener: undefined, dialer: 'right' },
  ]) {
    md5(`gets no answer with ${name}`, async (world, network) => {
      const server = await listening(world, network, listener === undefined ? [] : key(network, listener))
      const password = dialer === undefined ? {} : { password: dialer }
      const client = dialing(world, network, server.port, { ...wrong, ...password })
      await world.until(() => client.failed.length > 0, 'the dial to fail')
      assert.match(client.failed[0]!, /no answer/)
      assert.equal(server.connections.length, 0)
      finish(server)
    })
  }

  md5('replaces, adds and takes away MD5 keys while it listens', async (world, network) => {
    const server = await listening(world, network, key(network, 'old'))
    server.listener.setPasswords(key(network, 'new'))
    const first = await connected(world, network, server, { password: 'new' })
    const old = dialing(world, network, server.port, { ...wrong, password: 'old' })
    await world.until(() => old.failed.length > 0, 'the old key to fail')
    server.listener.setPasswords([])
    const second = await connected(world, network, server)
    first.client.connection.send(Uint8Array.of(1))
    await world.until(() => first.accepted.bytes() === 1, 'the first connection to go on')
    finish(server, first.client, first.accepted, second.client, second.accepted)
  })

  md5('has MD5 keys for ranges of neighbours, of which the longest match counts', async (world, network) => {
    const [one, other] = network.left
    const server = await listening(world, network, [
      { address: one, prefixLength: version === 4 ? 24 : 64, password: 'range' },
      { address: other, password: 'own' },
    ])
    const first = await connected(world, network, server, { password: 'range' })
    const second = await connected(world, network, server, { sourceAddress: other, password: 'own' })
    const plain = dialing(world, network, server.port, wrong)
    const mistaken = dialing(world, network, server.port, {
      ...wrong,
      sourceAddress: other,
      password: 'range',
    })
    await world.until(() => plain.failed.length + mistaken.failed.length === 2, 'the others to fail')
    server.listener.setPasswords([{ address: other, password: 'own' }])
    const third = await connected(world, network, server)
    first.client.connection.send(Uint8Array.of(1))
    await world.until(() => first.accepted.bytes() === 1, 'the first connection to go on')
    for (const { client, accepted } of [first, second, third]) finish(client, accepted)
    finish(server)
  })

  md5('says whose signature is wrong and how, also of a dial that nobody answers', async (world, network) => {
    const [one, other] = network.left
    const server = await listening(world, network, key(network, 'right'))
    const second = await listening(world, network, key(network, 'right'))
    // The neighbour of the server dials too, as BGP speakers do.
    const left = serving({ ...world, right: world.left }, 0, [{ address: network.right, password: 'wrong' }])
    await world.until(() => left.port > 0, 'listening')
    const long = { timeoutMs: 8_000 }
    const dials = [
      dialing(world, network, server.port, { ...long, password: 'wrong' }),
      dialing(world, network, second.port, { ...long, sourceAddress: other, password: 'right' }),
    ]
    const back: TcpDial = { address: one, port: left.port, ttl: 64, timeoutMs: 6_000, password: 'right' }
    const dialer = new Peer()
    dialer.connection = world.right.dial({ ...back, sourceAddress: network.right }, dialer.handlers)
    await world.until(
      () => server.wrong.length > 0 && second.wrong.length > 0 && left.wrong.length > 0,
      'to be told',
    )
    assert.deepEqual(server.wrong[0], [one, 'its MD5 password is another one'])
    assert.deepEqual(second.wrong[0], [other, 'it sends with an MD5 password, and none is configured for it'])
    assert.deepEqual(left.wrong[0], [network.right, 'its MD5 password is another one'])
    await world.until(() => dialer.failed.length > 0, 'the dial to fail')
    assert.match(dialer.failed[0]!, /no answer from .*: its MD5 password is another one$/)
    dials.push(dialing(world, network, second.port, long))
    const ofOne = () => second.wrong.find(([address]) => address === one)
    await world.until(() => ofOne() !== undefined, 'to be told of the one without')
    assert.deepEqual(ofOne(), [one, 'it sends without an MD5 password'])
    finish(server, second, left, ...dials)
  })

  const option = (key: string, keyId = 7, algorithm: AuthenticationKey['algorithm'] = 'hmac-sha-1-96') => ({
    authenticationOption: { keyId, algorithm, key },
  })

  test('connects with the right TCP-AO key and no other (RFC 5925)', async (world, network, t) => {
    if (world.noAuthenticationOption !== undefined) return t.skip(world.noAuthenticationOption)
    const server = await listening(world, network, [{ address: network.left[0], ...option('sésame') }])
    const { client, accepted } = await connected(world, network, server, option('sésame'))
    client.connection.send(pattern(100_000))
    await world.until(() => accepted.bytes() === 100_000, 'the bytes')
    for (const other of [option('other'), option('sésame', 8), { password: 'sésame' }, {}]) {
      const stranger = dialing(world, network, server.port, { ...wrong, ...other })
      await world.until(() => stranger.failed.length > 0, 'the dial to fail')
    }
    server.listener.setPasswords([{ address: network.left[0], ...option('sésame', 9, 'aes-128-cmac-96') }])
    const second = await connected(world, network, server, option('sésame', 9, 'aes-128-cmac-96'))
    finish(server, client, accepted, second.client, second.accepted)
  })

  test('names the option of the kernel that TCP-AO keys need', async (world, network, t) => {
    if (world.noAuthenticationOption === undefined) return t.skip('TCP-AO keys can be set here')
    const server = await listening(world, network, [{ address: network.left[0], ...option('key') }])
    await world.until(() => server.passwordFailed.length > 0, 'the complaint of the listener')
    assert.match(server.passwordFailed[0]!, /no TCP authentication option \(CONFIG_TCP_AO\)/)
    const client = dialing(world, network, server.port, option('key'))
    await world.until(() => client.failed.length > 0, 'the dial to fail')
    assert.match(client.failed[0]!, /CONFIG_TCP_AO/)
    const plain = dialing(world, network, server.port, wrong)
    await world.until(() => plain.failed.length + plain.closed.length > 0, 'the connection to end')
    assert.equal(server.connections.length, 0, 'nobody comes in without the key')
    finish(server, plain)
  })

  md5('refuses an MD5 key that is too long, and the neighbour whose key it is', async (world, network) => {
    const server = await listening(world, network, key(network, 'x'.repeat(81)))
    await world.until(() => server.passwordFailed.length > 0, 'the complaint')
    assert.match(server.passwordFailed[0]!, /1 to 80 bytes and this one has 81/)
    const plain = dialing(world, network, server.port, wrong)
    await world.until(() => plain.failed.length + plain.closed.length > 0, 'the connection to end')
    assert.equal(server.connections.length, 0)
    const client = dialing(world, network, server.port, { password: 'x'.repeat(81) })
    await world.until(() => client.failed.length > 0, 'the dial to fail')
    assert.match(client.failed[0]!, /1 to 80 bytes/)
    finish(server, plain)
  })
}

/** One end of a connection with what was heard of it. */
class Peer {
  connection!: TcpConnection
  ends: TcpEnds | undefined
  readonly chunks: Uint8Array[] = []
  readonly failed: string[] = []
  readonly closed: string[] = []
  readonly queued: number[] = []
  readonly stalled: boolean[] = []
  readonly handlers = {
    opened: (ends: TcpEnds) => void (this.ends = ends),
    failed: (reason: string) => void this.failed.push(reason),
    received: (bytes: Uint8Array) => void this.chunks.push(bytes),
    sendQueue: (bytes: number, stalled: boolean) => {
      this.queued.push(bytes)
      this.stalled.push(stalled)
    },
    closed: (reason: string) => void this.closed.push(reason),
  }

  bytes(): number {
    return this.chunks.reduce((sum, chunk) => sum + chunk.length, 0)
  }

  read(): Uint8Array {
    return Buffer.concat(this.chunks)
  }
}

interface Server {
  listener: TcpListener
  /** 0 until it listens. */
  port: number
  connections: Peer[]
  failed: string[]
  passwordFailed: string[]
  wrong: [Address, string][]
}

function serving(
  world: TcpWorld,
  port: number,
  passwords: TcpPassword[] = [],
  addresses?: Address[],
): Server {
  const server: Omit<Server, 'listener'> = {
    port: 0,
    connections: [],
    failed: [],
    passwordFailed: [],
    wrong: [],
  }
  const handlers: ListenHandlers = {
    listening: (port) => void (server.port = port),
    failed: (reason) => void server.failed.push(reason),
    passwordFailed: (_address, reason) => void server.passwordFailed.push(reason),
    wrongSignature: (address, reason) => void server.wrong.push([address, reason]),
    accepted: (connection, ends) => {
      const peer = new Peer()
      peer.connection = connection
      peer.ends = ends
      server.connections.push(peer)
      return peer.handlers
    },
  }
  const where = addresses === undefined ? { port } : { port, addresses }
  const listener = world.right.listen({ ...where, passwords }, handlers)
  return Object.assign(server, { listener })
}

async function listening(world: TcpWorld, _network: Network, passwords: TcpPassword[] = []): Promise<Server> {
  const server = serving(world, 0, passwords)
  await world.until(() => server.port > 0 || server.failed.length > 0, 'listening')
  assert.deepEqual(server.failed, [])
  return server
}

function dialing(world: TcpWorld, network: Network, port: number, options: Partial<TcpDial> = {}): Peer {
  const peer = new Peer()
  const source = { sourceAddress: network.left[0] }
  const dial = { address: network.right, port, ttl: 64, timeoutMs: 5_000, ...source, ...options }
  peer.connection = world.left.dial(dial, peer.handlers)
  return peer
}

async function connected(world: TcpWorld, network: Network, server: Server, options: Partial<TcpDial> = {}) {
  const before = server.connections.length
  const client = dialing(world, network, server.port, options)
  await world.until(
    () => (client.ends !== undefined && server.connections.length > before) || client.failed.length > 0,
    'the connection',
  )
  assert.deepEqual(client.failed, [])
  return { client, accepted: server.connections[before]! }
}

function finish(...things: (Peer | Server)[]): void {
  for (const thing of things) {
    if (thing instanceof Peer) thing.connection.close()
    else thing.listener.close()
  }
}

function pattern(length: number): Uint8Array {
  const bytes = new Uint8Array(length)
  for (let i = 0; i < length; i++) bytes[i] = (i * 31 + (i >> 8) * 7 + (i >> 16)) & 0xff
  return bytes
}
