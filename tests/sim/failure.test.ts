/** What the loss of a process, a cable or the API server does, and what it does not. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { deployment, loadBalancer } from '#sim/manifests.ts'
import { probeServices } from '#sim/probe.ts'
import { nodes, openCilium } from './cilium-site.ts'

describe('a speaker that is killed', () => {
  it("takes that node's routes with it and no others, and comes back with one session", () => {
    const { simulation, addressOf, announcers, losses, quiet, clock } = openCilium()
    const speaker = simulation.speakers.get('cilium-worker')!
    speaker.kill()
    clock.runFor(100)
    assert.deepEqual(announcers(addressOf('nginx')), ['cilium-control-plane', 'cilium-worker2'])
    quiet()
    speaker.start()
    quiet()
    assert.deepEqual(announcers(addressOf('nginx')), nodes)
    assert.deepEqual(nodes.map(losses), [0, 1, 0])
  })

  it('leaves no duplicate session when it restarts at once, a hundred times', () => {
    const { simulation, quiet, clock } = openCilium()
    const speaker = simulation.speakers.get('cilium-worker2')!
    for (let i = 0; i < 100; i++) {
      speaker.kill()
      clock.runFor(i * 3)
      speaker.start()
      clock.runFor(i * 7)
    }
    quiet()
  })
})

describe('a controller that is killed', () => {
  it('withdraws nothing, and serves new Services after its restart', () => {
    const { simulation, addressOf, announcers, losses, quiet, clock } = openCilium()
    const ip = addressOf('nginx')
    simulation.controller.kill()
    simulation.apply(loadBalancer('second', {}, { app: 'nginx' }))
    clock.runFor(60_000)
    assert.deepEqual(announcers(ip), nodes)
    assert.throws(() => addressOf('second'))
    simulation.controller.start()
    quiet()
    assert.deepEqual(announcers(addressOf('second')), nodes)
    assert.equal(addressOf('nginx'), ip)
    assert.deepEqual(nodes.map(losses), [0, 0, 0])
  })
})

describe('an API server that is down', () => {
  it('leaves sessions and routes as they are, and what changed meanwhile is caught up with', () => {
    const { simulation, cluster, addressOf, announcers, losses, quiet, clock } = openCilium()
    const ip = addressOf('nginx')
    cluster.setAvailable(false)
    simulation.apply(deployment('nginx', 0))
    clock.runFor(3_600_000)
    assert.deepEqual(announcers(ip), nodes)
    assert.deepEqual(nodes.map(losses), [0, 0, 0])
    cluster.setAvailable(true)
    quiet()
    assert.deepEqual(announcers(ip), [])
  })

  it('leaves a restarted speaker without routes of its own until it is back, and the others alone', () => {
    const { simulation, cluster, addressOf, announcers, quiet, clock } = openCilium()
    const ip = addressOf('nginx')
    cluster.setAvailable(false)
    const speaker = simulation.speakers.get('cilium-worker')!
    speaker.kill()
    speaker.start()
    clock.runFor(60_000)
    assert.deepEqual(announcers(ip), ['cilium-control-plane', 'cilium-worker2'])
    cluster.setAvailable(true)
    quiet()
    assert.deepEqual(announcers(ip), nodes)
  })
})

describe('a cable that is cut', () => {
  it('costs the routes of its node when the hold time is over, and they return when it is mended', () => {
    const { simulation, addressOf, announcers, quiet, clock, network } = withNetwork()
    const ip = addressOf('nginx')
    const worker = network.host('cilium-worker')
    const bird = network.host('bird')
    network.cut(worker, bird)
    clock.runFor(30_000)
    assert.deepEqual(announcers(ip), nodes, 'nobody can know yet')
    clock.runFor(70_000)
    assert.deepEqual(announcers(ip), ['cilium-control-plane', 'cilium-worker2'])
    quiet()
    network.mend(worker, bird)
    quiet()
    assert.deepEqual(announcers(ip), nodes)
    assert.ok(probeServices(simulation).every(({ status }) => status === 200))
  })

  it('shorter than the hold time costs nothing', () => {
    const { announcers, addressOf, losses, quiet, clock, network } = withNetwork()
    const worker = network.host('cilium-worker')
    const bird = network.host('bird')
    network.cut(worker, bird)
    clock.runFor(20_000)
    network.mend(worker, bird)
    quiet()
    assert.deepEqual(announcers(addressOf('nginx')), nodes)
    assert.deepEqual(nodes.map(losses), [0, 0, 0])
  })
})

it('a router that restarts learns everything again', () => {
  const { router, quiet, clock, announcers, addressOf } = openCilium()
  router.kill()
  clock.runFor(10_000)
  router.start()
  quiet()
  assert.deepEqual(announcers(addressOf('nginx')), nodes)
})

function withNetwork() {
  const site = openCilium()
  return { ...site, network: site.simulation.network }
}
