import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { hex } from '#core/lib/bytes.ts'
import { address } from '#core/net/address.ts'
import type { KubeObject } from '#core/schema/object.ts'
import { emptySnapshot, type Snapshot } from '#core/schema/snapshot.ts'
import type { SpeakerInput, SpeakerOutput } from './io.ts'
import { Speaker } from './speaker.ts'

const versions = [
  {
    version: 'IPv4',
    local: '192.0.2.1',
    remote: '192.0.2.9',
    other: '192.0.2.10',
    prefix: '198.51.100.0/24',
  },
  {
    version: 'IPv6',
    local: '2001:db8::1',
    remote: '2001:db8::9',
    other: '2001:db8::a',
    prefix: '2001:db8:1::/48',
  },
]

function native(kind: string, name: string, spec: object): KubeObject {
  return { apiVersion: 'herald.dev/v1alpha1', kind, metadata: { name }, spec } as KubeObject
}

function snapshot(...custom: KubeObject[]): Snapshot {
  return {
    ...emptySnapshot,
    nodes: [{ apiVersion: 'v1', kind: 'Node', metadata: { name: 'a' } }],
    custom,
  }
}

const instance = (name: string, spec: object = {}) =>
  native('BGPInstance', name, { asn: 65001, routerId: '10.0.0.1', ...spec })
const peer = (name: string, remote: string, spec: object = {}) =>
  native('BGPPeer', name, { address: remote, asn: 65002, ...spec })

class Bench {
  readonly speaker: Speaker
  constructor(restarted = false) {
    this.speaker = new Speaker({ node: 'a', dialects: [], seed: 1, restarted })
  }
  now = 1_000

  give(input: SpeakerInput): SpeakerOutput[] {
    return this.speaker.handle(input, this.now)
  }

  show(...custom: KubeObject[]): SpeakerOutput[] {
    return this.give({ kind: 'snapshot', snapshot: snapshot(...custom) })
  }
}

const kinds = (outputs: SpeakerOutput[]) => outputs.map(({ kind }) => kind)
const of = <K extends SpeakerOutput['kind']>(outputs: SpeakerOutput[], kind: K) =>
  outputs.filter((output): output is Extract<SpeakerOutput, { kind: K }> => output.kind === kind)

for (const { version, local, remote, other } of versions) {
  const ends = {
    localAddress: address(local),
    localPort: 40_000,
    remoteAddress: address(remote),
    remotePort: 179,
  }
  describe(`with neighbours of ${version}`, () => {
    test('dials the peers of a new plan and listens on its port', () => {
      const bench = new Bench()
      const outputs = bench.show(instance('one', { listenPort: 179 }), peer('tor', remote))
      assert.deepEqual(of(outputs, 'listen'), [
        { kind: 'listen', instance: 'one', listen: { port: 179, passwords: [], minTtls: [] } },
      ])
      assert.deepEqual(
        of(outputs, 'dial').map(({ dial }) => dial.address),
        [remote],
      )
      assert.ok(kinds(outputs).includes('stateChanged'))
    })

    test('says nothing about a snapshot that leads to the same plan', () => {
      const bench = new Bench()
      bench.show(instance('one', { listenPort: 179 }), peer('tor', remote))
      assert.deepEqual(bench.show(peer('tor', remote), instance('one', { listenPort: 179 })), [])
    })

    test('restarts gracefully what the first snapshot has, and nothing else (RFC 4724 §4.1)', () => {
      for (const { restarted, bits } of [
        { restarted: true, bits: ['c078', '4078'] },
        { restarted: false, bits: ['4078', '4078'] },
      ]) {
        const bench = new Bench(restarted)
        const gracefulRestart = { enabled: true, restartSeconds: 120 }
        const before = [instance('one'), peer('tor', remote, { instances: ['one'], gracefulRestart })]
        const outputs = bench.show(...before)
        outputs.push(
          ...bench.show(
            ...before,
            instance('two', { asn: 65003 }),
            peer('other', other, { instances: ['two'], gracefulRestart }),
          ),
        )
        const opens = of(outputs, 'dial').flatMap(({ connection }) =>
          of(bench.give({ kind: 'dialed', connection, ends }), 'send').map(({ bytes }) => hex(bytes)),
        )
        // The capability's code, length, and flags with restart time: R and N bits.
        assert.deepEqual(
          opens.map((open) => /400a(.{4})00010180|400a(.{4})00010100/.exec(open)?.slice(1).join('')),
          bits,
        )
      }
    })

    test('gives connections numbers that no other instance has, and inputs to the instance that they are for', () => {
      const bench = new Bench()
      const outputs = bench.show(
        instance('one'),
        instance('two', { asn: 65003 }),
        peer('tor', remote, { instances: ['one'] }),
        peer('other', other, { instances: ['two'] }),
      )
      const dials = of(outputs, 'dial')
      assert.equal(new Set(dials.map(({ connection }) => connection)).size, 2)
      const [first, second] = dials
      const sent = bench.give({ kind: 'dialed', connection: second!.connection, ends })
      assert.deepEqual(kinds(sent), ['send'])
      assert.equal(of(sent, 'send')[0]!.connection, second!.connection)
      const failed = bench.give({ kind: 'dialFailed', connection: first!.connection, reason: 'refused' })
      assert.deepEqual(of(failed, 'send'), [])
      assert.deepEqual(
        of(bench.give({ kind: 'received', connection: 99, bytes: new Uint8Array(1) }), 'send'),
        [],
      )
    })

    test('has the same neighbour on two instances, each with the connections to its own port', () => {
      const bench = new Bench()
      const outputs = bench.show(
        instance('one', { listenPort: 179 }),
        instance('two', { asn: 65003, listenPort: 1179 }),
        peer('a', remote, { instances: ['one'] }),
        peer('b', remote, { instances: ['two'], port: 1179 }),
      )
      assert.deepEqual(
        of(outputs, 'dial').map(({ dial }) => [dial.address, dial.port]),
        [
          [remote, 179],
          [remote, 1179],
        ],
      )
      bench.give({ kind: 'accepted', instance: 'two', connection: -1, ends })
      const states = ['one', 'two'].map((name) => bench.speaker.peers(name)[0]?.state)
      assert.deepEqual(states, ['connect', 'openSent'])
    })

    test('closes a connection to an instance that is not here', () => {
      const bench = new Bench()
      assert.deepEqual(bench.give({ kind: 'accepted', instance: 'none', connection: -1, ends }), [
        { kind: 'close', connection: -1 },
      ])
    })

    test('ends the sessions of an instance that goes and frees its port before another takes it', () => {
      const bench = new Bench()
      const outputs = bench.show(instance('one', { listenPort: 179 }), peer('tor', remote))
      const { connection } = of(outputs, 'dial')[0]!
      bench.give({ kind: 'dialed', connection, ends })
      const after = bench.show(instance('two', { listenPort: 179 }))
      const order = kinds(after).filter((kind) => kind !== 'event' && kind !== 'stateChanged')
      assert.deepEqual(order, ['send', 'close', 'unlisten', 'listen'])
      // RFC 4486 §4: Cease, Peer De-configured.
      assert.deepEqual(Array.from(of(after, 'send')[0]!.bytes.slice(19, 21)), [6, 3])
      assert.deepEqual(bench.give({ kind: 'closed', connection, reason: 'late' }), [])
    })

    test('keeps the session of a peer whose neighbour in the file changes', () => {
      const bench = new Bench()
      bench.show(instance('one'), peer('tor', remote), peer('spine', other))
      const outputs = bench.show(instance('one'), peer('tor', remote), peer('spine', other, { port: 1179 }))
      const closed = of(outputs, 'close').map(({ connection }) => connection)
      assert.equal(closed.length, 1, 'only the changed peer starts anew')
    })

    test('replaces the passwords of a listening port without closing it', () => {
      const bench = new Bench()
      const secured = peer('tor', remote, { passwordSecret: { namespace: 'x', name: 's' } })
      bench.show(instance('one', { listenPort: 179 }), secured)
      const outputs = bench.give({
        kind: 'snapshot',
        snapshot: {
          ...snapshot(instance('one', { listenPort: 179 }), secured),
          secrets: [
            {
              apiVersion: 'v1',
              kind: 'Secret',
              metadata: { namespace: 'x', name: 's' },
              data: { password: 'aHVzaA==' },
            },
          ],
        },
      })
      assert.deepEqual(of(outputs, 'unlisten'), [])
      assert.deepEqual(of(outputs, 'listen')[0]?.listen, {
        port: 179,
        passwords: [{ address: remote, password: 'hush' }],
        minTtls: [],
      })
    })

    test('says goodbye to all on shutdown and does nothing after it', () => {
      const bench = new Bench()
      const outputs = bench.show(instance('one', { listenPort: 179 }), peer('tor', remote))
      const { connection } = of(outputs, 'dial')[0]!
      bench.give({ kind: 'dialed', connection, ends })
      const after = bench.give({ kind: 'shutdown' })
      // RFC 4486 §4: Cease, Administrative Shutdown.
      assert.deepEqual(Array.from(of(after, 'send')[0]!.bytes.slice(19, 21)), [6, 2])
      assert.deepEqual(of(after, 'unlisten'), [{ kind: 'unlisten', instance: 'one' }])
      assert.deepEqual(bench.show(instance('one'), peer('tor', remote)), [])
    })
  })
}

test('has no deadline before the first snapshot, and one while it waits for a neighbour', () => {
  const bench = new Bench()
  assert.equal(bench.speaker.nextDeadline(), Infinity)
  bench.show(instance('one'), peer('tor', '192.0.2.9'))
  assert.ok(bench.speaker.nextDeadline() > bench.now && bench.speaker.nextDeadline() < Infinity)
})

test('keeps running what an invalid change would take away, and says what is wrong', () => {
  const bench = new Bench()
  bench.show(instance('one'), peer('tor', '192.0.2.9'))
  const outputs = bench.show(instance('one'), peer('tor', '192.0.2.9', { asn: 'many' }))
  assert.deepEqual(of(outputs, 'close'), [])
  assert.equal(bench.speaker.peers('one').length, 1)
  const problems = bench.speaker.plan()?.problems.map(({ object }) => object?.name)
  assert.deepEqual(problems, ['tor'])
})

test('reports a port that it cannot listen on until it can', () => {
  const bench = new Bench()
  bench.show(instance('one', { listenPort: 179 }))
  const failed: SpeakerInput = { kind: 'listenFailed', instance: 'one', port: 179, reason: 'in use' }
  assert.deepEqual(kinds(bench.give(failed)), ['stateChanged'])
  assert.deepEqual(bench.give(failed), [], 'the same again is no news')
  assert.match(bench.speaker.nodeState().problems?.[0]?.message ?? '', /cannot listen on port 179: in use/)
  assert.deepEqual(kinds(bench.give({ kind: 'listening', instance: 'one', port: 179 })), ['stateChanged'])
  assert.deepEqual(bench.speaker.nodeState().problems, [])
})

test('describes instances and sessions for the NodeState', () => {
  const bench = new Bench()
  bench.show(instance('one', { listenPort: 1790 }), peer('tor', '192.0.2.9', { port: 1179 }))
  const { instances, sessions, counts } = bench.speaker.nodeState()
  assert.deepEqual(instances, [
    {
      name: 'one',
      asn: 65001,
      routerId: '10.0.0.1',
      listenPort: 1790,
      source: { kind: 'BGPInstance', name: 'one' },
    },
  ])
  assert.equal(sessions?.[0]?.peerAddress, '192.0.2.9')
  assert.equal(sessions?.[0]?.peerPort, 1179)
  assert.equal(sessions?.[0]?.passwordEnabled, false)
  assert.deepEqual(counts, { sessions: 1, established: 0, advertised: 0, withheld: 0 })
})

describe('an unnumbered peer (docs/decisions/0009-unnumbered.md)', () => {
  const spec = { interface: 'eth1', asn: 65002 }
  const start = (more: object = {}) => {
    const bench = new Bench()
    const unnumbered = native('BGPPeer', 'tor', { ...spec, ...more })
    const outputs = bench.show(instance('one', { listenPort: 179 }), unnumbered, peer('spine', '192.0.2.9'))
    return { bench, outputs, unnumbered }
  }
  const found = (bench: Bench, text: string) =>
    bench.give({ kind: 'discovered', interface: 'eth1', address: address(text) })
  const toTor = (outputs: SpeakerOutput[]) =>
    of(outputs, 'dial').filter(({ dial }) => dial.interface === 'eth1')

  test('has its neighbour looked for, says so, and dials it when it is found', () => {
    const { bench, outputs } = start()
    assert.deepEqual(of(outputs, 'discover'), [{ kind: 'discover', interfaces: ['eth1'] }])
    assert.equal(toTor(outputs).length, 0)
    assert.match(
      bench.speaker.peers('one')[1]?.lastError?.message ?? '',
      /no router has advertised itself on eth1/,
    )
    const then = found(bench, 'fe80::9')
    assert.equal(toTor(then)[0]?.dial.address, 'fe80::9')
    assert.deepEqual(of(then, 'close'), [], 'other peers go on')
    assert.deepEqual(kinds(found(bench, 'fe80::9')), [], 'the same again is no news')
  })

  test('says why nobody can be found', () => {
    const { bench } = start()
    bench.give({ kind: 'discoveryFailed', interface: 'eth1', reason: 'there is no network interface eth1' })
    assert.match(
      bench.speaker.peers('one')[1]?.lastError?.message ?? '',
      /there is no network interface eth1/,
    )
  })

  test('keeps the first of two routers, and takes the other when the first is silent', () => {
    const { bench } = start()
    found(bench, 'fe80::9')
    bench.now += 10_000
    assert.deepEqual(found(bench, 'fe80::8'), [])
    bench.now += 31_000
    found(bench, 'fe80::8')
    assert.equal(bench.speaker.peers('one')[1]?.address, 'fe80::8')
  })

  test('is found by connecting, too', () => {
    const { bench } = start({ passive: true })
    const ends = {
      localAddress: address('fe80::1'),
      localPort: 179,
      remoteAddress: address('fe80::9'),
      remotePort: 40_000,
      interface: 'eth1',
    }
    const outputs = bench.give({ kind: 'accepted', instance: 'one', connection: -1, ends })
    assert.deepEqual(kinds(outputs).slice(0, 2), ['setTtl', 'send'])
    assert.deepEqual(of(outputs, 'close'), [])
  })

  test('is looked for no longer when it is gone', () => {
    const { bench } = start()
    found(bench, 'fe80::9')
    const outputs = bench.show(instance('one', { listenPort: 179 }), peer('spine', '192.0.2.9'))
    assert.deepEqual(of(outputs, 'discover'), [{ kind: 'discover', interfaces: [] }])
    assert.deepEqual(found(bench, 'fe80::9'), [])
  })
})
