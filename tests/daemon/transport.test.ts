/** Speakers on the kernel's own TCP: keys, hop limits, many neighbours at once. Each in one address of a namespace of ours. */
import assert from 'node:assert/strict'
import { after, describe, it } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import type { PeerStatus } from '#core/bgp/io.ts'
import { address } from '#core/net/address.ts'
import type { KubeObject } from '#core/schema/object.ts'
import { emptySnapshot, type Snapshot } from '#core/schema/snapshot.ts'
import { SpeakerLoop } from '#daemon/speaker-loop.ts'
import { systemClock } from '#host/clock.ts'
import { kernelCount } from '#host/kernel-counters.ts'
import { linuxTcp } from '#host/tcp-linux.ts'
import { enterPrivateNetns } from '../contract/private-netns.ts'
import { until } from '../until.testing.ts'

const crowd = 100
const netns = enterPrivateNetns([
  'link set lo up',
  'link add west type veth peer name east',
  'link set west up',
  'link set east up',
  ...[1, 5].flatMap((n) => [`addr add 10.66.0.${n}/24 dev west`, `addr add fd66::${n}/64 dev west nodad`]),
  'route add local 10.66.1.0/24 dev lo',
  ...Array.from({ length: crowd }, (_, n) => `addr add fd66:1::${(n + 1).toString(16)}/128 dev lo`),
])
const skip = 'unavailable' in netns && netns.unavailable
if (!('unavailable' in netns)) after(netns.leave)

const versions = [
  { version: 4, one: '10.66.0.1', other: '10.66.0.5', member: (n: number) => `10.66.1.${n}` },
  { version: 6, one: 'fd66::1', other: 'fd66::5', member: (n: number) => `fd66:1::${n.toString(16)}` },
]

for (const { version, one, other, member } of versions) {
  describe(`speakers on Linux over IPv${version}`, { skip }, () => {
    it('show that a key is another one, come up when it is replaced, and leave other sessions alone (RFC 2385)', async () => {
      const hub = new Node(one, 65001)
      const edge = new Node(other, 65002)
      const bystander = new Node(member(1), 65003)
      const peers = (key: string) => [
        ...hub.peer('edge', edge, { passwordSecret: { namespace: 'x', name: 'key' } }),
        ...hub.peer('bystander', bystander),
        secret(key),
      ]
      try {
        hub.show(...peers('mistaken'))
        edge.show(
          ...edge.peer('hub', hub, { passwordSecret: { namespace: 'x', name: 'key' } }),
          secret('secret'),
        )
        bystander.show(...bystander.peer('hub', hub))
        for (const [node, peer] of [
          [hub, 'edge'],
          [edge, 'hub'],
        ] as const)
          await until(
            () => /its MD5 password is another one/.test(node.status(peer)?.lastError?.message ?? ''),
            `${peer} shows what is wrong`,
          )
        await until(() => hub.up('bystander'), 'the other session')
        const { since } = hub.status('bystander')!
        hub.show(...peers('secret'))
        await until(() => hub.up('edge') && edge.up('hub'), 'the session')
        assert.equal(hub.status('bystander')?.since, since)
      } finally {
        await Promise.all([hub.stop(), edge.stop(), bystander.stop()])
      }
    })

    it('check hop limits of both ends, whoever connects (RFC 5082 §3)', async () => {
      const near = { ttlSecurityHops: 1 }
      const far = { multihopTtl: 254 }
      for (const { distance, spec } of [
        { distance: 'far', spec: far },
        { distance: 'near', spec: near },
      ]) {
        for (const passive of ['hub', 'edge']) {
          const hub = new Node(one, 65001)
          const edge = new Node(other, 65002)
          try {
            hub.show(...hub.peer('edge', edge, { ...near, passive: passive === 'hub' }))
            edge.show(...edge.peer('hub', hub, { ...spec, passive: passive === 'edge' }))
            if (distance === 'near') {
              await until(() => hub.up('edge') && edge.up('hub'), `the session, ${passive} passive`)
              continue
            }
            // Longer than any session takes to come up: nothing that the far one sends is heard.
            await sleep(1_500)
            assert.ok(!hub.up('edge') && !edge.up('hub'), `a far neighbour, ${passive} passive`)
          } finally {
            await Promise.all([hub.stop(), edge.stop()])
          }
        }
      }
    })

    it('come up with TCP-AO keys where the kernel has them, and name its option where not (RFC 5925)', async () => {
      const hub = new Node(one, 65001)
      const edge = new Node(other, 65002)
      const tcpAo = { keyId: 7, algorithm: 'aes-128-cmac-96', secret: { namespace: 'x', name: 'key' } }
      try {
        hub.show(...hub.peer('edge', edge, { tcpAo, passive: true }), secret('secret'))
        edge.show(...edge.peer('hub', hub, { tcpAo }), secret('secret'))
        const without = (node: Node, peer: string) =>
          /this kernel has no TCP authentication option \(CONFIG_TCP_AO\)/.test(
            node.status(peer)?.lastError?.message ?? '',
          )
        await until(
          () => (hub.up('edge') && edge.up('hub')) || (without(hub, 'edge') && without(edge, 'hub')),
          'sessions, or the reason at both ends',
        )
      } finally {
        await Promise.all([hub.stop(), edge.stop()])
      }
    })

    it(`have ${crowd} sessions up soon after as many neighbours connected at once`, async (t) => {
      const hub = new Node(one, 65001)
      const members = Array.from({ length: crowd }, (_, i) => new Node(member(i + 1), 65100 + i))
      try {
        hub.show(...members.flatMap((other, i) => hub.peer(`m${i}`, other, { passive: true })))
        await until(() => hub.listening, 'listening')
        const before = lostRequests()
        const startedAt = performance.now()
        for (const other of members) other.show(...other.peer('hub', hub))
        await until(() => members.every((_, i) => hub.up(`m${i}`)), 'all sessions')
        t.diagnostic(`${crowd} sessions in ${Math.round(performance.now() - startedAt)} ms`)
        // Each would have been repeated a second later.
        assert.equal(lostRequests() - before, 0)
      } finally {
        await Promise.all([hub, ...members].map((node) => node.stop()))
      }
    })
  })
}

/** Connection requests for which no listener of this namespace had room. */
function lostRequests(): number {
  return kernelCount(['ListenDrops'])
}

/** One speaker that listens and connects with one address. */
class Node {
  readonly #address: string
  readonly #asn: number
  readonly #loop: SpeakerLoop
  listening = false

  constructor(own: string, asn: number) {
    this.#address = own
    this.#asn = asn
    const tcp = linuxTcp()
    this.#loop = new SpeakerLoop({
      config: { node: 'a', dialects: [], seed: asn },
      tcp: {
        dial: (options, handlers) => tcp.dial(options, handlers),
        listen: (options, handlers) =>
          tcp.listen(options, {
            ...handlers,
            listening: (port) => {
              this.listening = true
              handlers.listening(port)
            },
          }),
      },
      clock: systemClock,
      listenAddresses: [address(own)],
      event: () => {},
      stateChanged: () => {},
      // A key that cannot be set shows in the peer's status.
      trouble: (message) => assert.match(message, /password/),
    })
  }

  peer(name: string, other: Node, spec: object = {}): KubeObject[] {
    return [
      native('BGPPeer', name, {
        address: other.#address,
        asn: other.#asn,
        sourceAddress: this.#address,
        timers: { connectRetrySeconds: 1 },
        ...spec,
      }),
    ]
  }

  show(...objects: KubeObject[]): void {
    const routerId = `10.${this.#asn >> 8}.${this.#asn & 255}.1`
    const instance = native('BGPInstance', 'one', { asn: this.#asn, routerId, listenPort: 179 })
    const snapshot: Snapshot = {
      ...emptySnapshot,
      nodes: [{ apiVersion: 'v1', kind: 'Node', metadata: { name: 'a' } }],
      custom: [instance, ...objects.filter(({ kind }) => kind !== 'Secret')],
      secrets: objects.filter(({ kind }) => kind === 'Secret') as Snapshot['secrets'],
    }
    this.#loop.input({ kind: 'snapshot', snapshot })
  }

  status(peer: string): PeerStatus | undefined {
    return this.#loop.speaker.peers('one').find((status) => status.peer === peer)
  }

  up(peer: string): boolean {
    return this.status(peer)?.state === 'established'
  }

  stop(): Promise<void> {
    return this.#loop.stop()
  }
}

function native(kind: string, name: string, spec: object): KubeObject {
  return { apiVersion: 'herald.dev/v1alpha1', kind, metadata: { name }, spec } as KubeObject
}

function secret(password: string): KubeObject {
  const metadata = { namespace: 'x', name: 'key' }
  return { apiVersion: 'v1', kind: 'Secret', metadata, data: { password: btoa(password) } } as KubeObject
}
