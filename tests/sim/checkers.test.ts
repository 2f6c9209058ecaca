/** That the checkers see what is wrong: a simulation in which nothing can be found wrong would prove nothing. */
import assert from 'node:assert/strict'
import { it } from 'node:test'
import type { Service } from '#core/schema/kubernetes.ts'
import { checkAlways, checkQuiet } from '#sim/checkers.ts'
import { loadBalancer } from '#sim/manifests.ts'
import { openCilium } from './cilium-site.ts'

it('sees an address that two Services have', () => {
  const { simulation, cluster, addressOf } = openCilium()
  const thief = cluster.apply(loadBalancer('thief', {}, { app: 'none' })) as Service
  cluster.writeStatus(thief, { loadBalancer: { ingress: [{ ip: addressOf('nginx') }] } })
  assert.match(checkAlways(simulation).join(), /was given to default\/nginx and to default\/thief/)
})

it('sees a route that should be gone, and one that is missing', () => {
  const { simulation, cluster, clock, router, addressOf } = openCilium()
  const ip = addressOf('nginx')
  cluster.delete('Service', 'default', 'nginx')
  assert.match(checkQuiet(simulation).join('\n'), new RegExp(`${ip}/32 from cilium-worker should be gone`))
  clock.runFor(10_000)
  router.kill()
  router.start()
  assert.match(checkQuiet(simulation).join('\n'), /from cilium-worker is missing/)
})

it('sees a session that is missing, and one that should not be', () => {
  const { simulation, cluster, clock } = openCilium()
  simulation.speakers.get('cilium-worker')!.kill()
  simulation.speakers.get('cilium-worker')!.start()
  clock.runFor(1)
  assert.match(checkQuiet(simulation).join('\n'), /the session with cilium-worker is/)
  cluster.delete('CiliumBGPPeeringPolicy', undefined, 'demo')
  assert.match(
    checkQuiet(simulation).join('\n'),
    /cilium-worker2 has a session with 172.22.0.5 that no policy/,
  )
})

it('sees a Service without an address and one with an address of no pool', () => {
  const { simulation, cluster, addressOf } = openCilium()
  cluster.apply(loadBalancer('new'))
  assert.match(checkQuiet(simulation).join('\n'), /Service new has 0 IPv4 addresses/)
  cluster.delete('CiliumLoadBalancerIPPool', undefined, 'demo')
  assert.match(
    checkQuiet(simulation).join('\n'),
    new RegExp(`Service nginx has ${addressOf('nginx')}, which`),
  )
})
