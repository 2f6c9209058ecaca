import assert from 'node:assert/strict'
import { Prng } from '#core/lib/prng.ts'
import { address } from '#core/net/address.ts'
import { VirtualClock } from '#sim/clock.ts'
import { Network, type LinkQuality } from '#sim/network.ts'
import { SimulatedTcp } from '#sim/tcp.ts'
import { tcpContract, type TcpWorld } from './tcp.contract.ts'

tcpContract('simulated TCP', () => open({}))
tcpContract('simulated TCP over a bad link', () => open({ latencyMs: 30, jitterMs: 20, loss: 0.1 }))

async function open(quality: Partial<LinkQuality>): Promise<TcpWorld> {
  const clock = new VirtualClock()
  const network = new Network(clock, new Prng(1))
  const left = network.addHost('left', ['10.66.0.1', '10.66.0.2', 'fd66::1', 'fd66::2'].map(address))
  const right = network.addHost('right', ['10.66.0.5', 'fd66::5'].map(address))
  network.setLink(left, right, quality)
  const tcp = new SimulatedTcp(network)
  return {
    left: tcp.process(left),
    right: tcp.process(right),
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
        rightOtherVersion: address('10.66.0.5'),
        silent: address('fd66::9'),
      },
    },
    async until(condition, what) {
      const deadline = clock.now() + 10_000
      while (!condition()) {
        assert.ok(clock.next() <= deadline, `waited 10 s for ${what}`)
        clock.step()
      }
    },
    async pass(ms) {
      clock.runFor(ms)
    },
    hold() {
      network.cut(left, right)
      return () => network.mend(left, right)
    },
    async close() {},
  }
}
