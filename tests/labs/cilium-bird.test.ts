/** The BIRD walk-through end to end: what a user may do to it by hand, and what must hold then. */
import assert from 'node:assert/strict'
import { join, resolve } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { address, type Address } from '#core/net/address.ts'
import { httpGet } from '#lab/http-probe.ts'
import type { RunningLab } from '#lab/lab.ts'
import { listNamespaces } from '#lab/namespaces.ts'
import type { LabProcess } from '#lab/processes.ts'
import { eventually, throughout } from '../until.testing.ts'
import {
  assertNothingLeft,
  kubectl,
  labName,
  labProcess,
  nextHops,
  skipReason,
  startLab,
} from './lab.testing.ts'

const folder = resolve(import.meta.dirname, '../../labs/cilium-bird')
const skip = skipReason(folder, ['kubectl'])

const nodes = {
  'cilium-worker2': '172.22.0.2',
  'cilium-worker': '172.22.0.3',
  'cilium-control-plane': '172.22.0.4',
}
const allNodes = Object.values(nodes).toSorted()

describe('the BIRD walk-through', { skip }, () => {
  let lab: RunningLab
  before(async () => {
    lab = await startLab(folder)
  })
  after(async () => {
    await lab.down()
    assertNothingLeft(lab.name)
  })

  const cluster = () => lab.clusters.get('cilium')!
  const apply = (file: string) => kubectl(lab, ['apply', '-f', join(folder, file)])

  async function externalAddress(service: string): Promise<Address> {
    const path = '{.status.loadBalancer.ingress[0].ip}'
    const ip = await kubectl(lab, ['get', 'service', service, '-o', `jsonpath=${path}`])
    assert.notEqual(ip, '', `${service} has an address`)
    return address(ip)
  }

  async function announcedBy(prefix: string, expected: readonly string[]): Promise<void> {
    assert.deepEqual(await nextHops(lab, prefix), [...expected].toSorted())
  }

  const announced = (service = 'nginx') =>
    eventually(`${service} is announced by all nodes`, async () => {
      const ip = await externalAddress(service)
      await announcedBy(`${ip}/32`, allNodes)
      return ip
    })

  const withdrawn = (ip: Address) => eventually(`${ip} is withdrawn`, () => announcedBy(`${ip}/32`, []))

  async function killHard(process: LabProcess): Promise<void> {
    process.kill('SIGKILL')
    await eventually(`${process.name} is dead`, () => assert.equal(process.pid, undefined))
  }

  async function eventsOf(name: string): Promise<{ type: string; reason: string; message: string }[]> {
    const { items } = JSON.parse(await kubectl(lab, ['get', 'events', '-A', '-o', 'json'])) as {
      items: { involvedObject: { name: string }; type: string; reason: string; message: string }[]
    }
    return items.filter(({ involvedObject }) => involvedObject.name === name)
  }

  async function sessions(): Promise<Record<string, string>> {
    const text = await lab.routers.get('bird')!.ask('show', 'protocols')
    const lines = [...text.matchAll(/^(cluster1_\w+) +BGP +\S+ +\S+ +\S+ +(\S*)/gm)]
    return Object.fromEntries(lines.map((match) => [match[1]!, match[2]!]))
  }

  test('brings three sessions up and announces the Service and every node’s pods', async () => {
    await announced()
    await eventually('all sessions are established', async () => {
      assert.deepEqual(new Set(Object.values(await sessions())), new Set(['Established']))
    })
    await announcedBy('10.241.0.0/24', ['172.22.0.4'])
    await announcedBy('10.241.1.0/24', ['172.22.0.2'])
    await announcedBy('10.241.2.0/24', ['172.22.0.3'])
  })

  test('gives the Service an address of the pool that is nobody’s ClusterIP', async () => {
    const ip = await announced()
    assert.match(ip, /^10\.11\./)
    const clusterIPs = await kubectl(lab, [
      'get',
      'services',
      '-A',
      '-o',
      'jsonpath={.items[*].spec.clusterIP}',
    ])
    assert.ok(!clusterIPs.split(' ').includes(ip))
  })

  test('lets the client reach both pods', async () => {
    const ip = await announced()
    const pods = new Set<string>()
    await eventually('both pods answered', async () => {
      const answer = await httpGet(lab.clients.get('client')!, ip, 80)
      assert.ok(answer.ok, answer.ok ? '' : answer.error)
      assert.equal(answer.value.status, 200)
      pods.add(answer.value.body)
      assert.equal(pods.size, 2)
    })
    for (const body of pods) assert.match(body, /^pod nginx-\S+ node cilium-worker2?\n$/)
  })

  test('withdraws a deleted Service and announces it anew when it is exposed again', async () => {
    const ip = await announced()
    await kubectl(lab, ['delete', 'service', 'nginx'])
    await withdrawn(ip)
    const expose = ['--type=LoadBalancer', '--port=80', '--labels', 'app=nginx']
    await kubectl(lab, ['expose', 'deployment', 'nginx', ...expose])
    await announced()
  })

  test('withdraws a Service without pods and announces it when they are back', async () => {
    const ip = await announced()
    await kubectl(lab, ['scale', 'deployment', 'nginx', '--replicas=0'])
    await withdrawn(ip)
    assert.equal(await externalAddress('nginx'), ip, 'the address stays the Service’s')
    await kubectl(lab, ['scale', 'deployment', 'nginx', '--replicas=2'])
    await announced()
  })

  test('takes the address of a Service whose pool is deleted, and says why', async () => {
    const ip = await announced()
    await kubectl(lab, ['delete', 'ciliumloadbalancerippool', 'demo'])
    await withdrawn(ip)
    const path = 'jsonpath={.status.loadBalancer.ingress}'
    assert.equal(await kubectl(lab, ['get', 'service', 'nginx', '-o', path]), '')
    await eventually('an event tells', async () => {
      const told = (await eventsOf('nginx')).filter(({ type }) => type === 'Warning')
      assert.ok(
        told.some(({ message }) => /demo|pool/i.test(message)),
        JSON.stringify(told),
      )
    })
    await apply('2-pool.yaml')
    await announced()
  })

  test('loses only the routes of a killed speaker, and has one session again after its restart', async () => {
    const ip = await announced()
    const speaker = cluster().speakers.get('cilium-worker')!
    await killHard(speaker)
    const others = allNodes.filter((node) => node !== nodes['cilium-worker'])
    await eventually('the node’s routes are gone', async () => {
      await announcedBy(`${ip}/32`, others)
      await announcedBy('10.241.2.0/24', [])
    })
    await announcedBy('10.241.1.0/24', ['172.22.0.2'])
    speaker.start()
    await announced()
    await announcedBy('10.241.2.0/24', ['172.22.0.3'])
    assert.equal((await sessions())['cluster1_worker'], 'Established')
  })

  test('withdraws nothing while the controller is dead, and serves new Services after its restart', async () => {
    const ip = await announced()
    await killHard(cluster().controller)
    await kubectl(lab, ['create', 'service', 'loadbalancer', 'second', '--tcp=80:80'])
    await kubectl(lab, ['label', 'service', 'second', 'app=nginx', '--overwrite'])
    await kubectl(lab, ['patch', 'service', 'second', '-p', '{"spec":{"selector":{"app":"nginx"}}}'])
    await throughout(1_500, () => announcedBy(`${ip}/32`, allNodes))
    cluster().controller.start()
    // A lease that its holder could not give back has to run out first.
    const second = await eventually(
      'the new Service is announced',
      async () => {
        const got = await externalAddress('second')
        await announcedBy(`${got}/32`, allNodes)
        return got
      },
      40_000,
    )
    assert.notEqual(second, ip)
    await kubectl(lab, ['delete', 'service', 'second'])
    await withdrawn(second)
  })

  test('keeps sessions and routes while the API is down', async () => {
    const ip = await announced()
    await killHard(cluster().apiServer)
    await throughout(1_500, () => announcedBy(`${ip}/32`, allNodes))
    cluster().apiServer.start()
    await eventually('the API is back with what it had', async () => {
      assert.equal(await externalAddress('nginx'), ip)
    })
    await announced()
    assert.deepEqual(new Set(Object.values(await sessions())), new Set(['Established']))
  })

  test('keeps to the older of two policies that select a node, and the newer names it', async () => {
    const ip = await announced()
    const policy = await kubectl(lab, ['get', 'ciliumbgppeeringpolicy', 'demo', '-o', 'json'])
    const object = JSON.parse(policy) as {
      metadata: object
      spec: { virtualRouters: { localASN: number }[] }
    }
    object.metadata = { name: 'newer' }
    object.spec.virtualRouters[0]!.localASN = 65_199
    await kubectl(lab, ['apply', '-f', '-'], JSON.stringify({ ...object, status: undefined }))
    await eventually('the newer policy says so', async () => {
      const told = (await eventsOf('newer')).filter(({ type }) => type === 'Warning')
      assert.ok(
        told.some(({ message }) => message.includes('demo')),
        JSON.stringify(told),
      )
      const status = await kubectl(lab, [
        'get',
        'ciliumbgppeeringpolicy',
        'newer',
        '-o',
        'jsonpath={.status}',
      ])
      assert.match(status, /demo/)
    })
    await announcedBy(`${ip}/32`, allNodes)
    await kubectl(lab, ['delete', 'ciliumbgppeeringpolicy', 'newer'])
    await announcedBy(`${ip}/32`, allNodes)
  })

  const policy = (neighbor: object) => ({
    apiVersion: 'cilium.io/v2alpha1',
    kind: 'CiliumBGPPeeringPolicy',
    metadata: { name: 'demo' },
    spec: {
      nodeSelector: { matchLabels: { 'kubernetes.io/os': 'linux' } },
      virtualRouters: [{ localASN: 65_100, exportPodCIDR: true, neighbors: [neighbor] }],
    },
  })
  const pool = (name: string, spec: object) => ({
    apiVersion: 'cilium.io/v2alpha1',
    kind: 'CiliumLoadBalancerIPPool',
    metadata: { name },
    spec,
  })
  const bad: { name: string; manifest: object; says: RegExp; flagged?: string }[] = [
    {
      name: 'a neighbor without peerASN',
      manifest: policy({ peerAddress: '172.22.0.5/32' }),
      says: /peerASN/,
    },
    {
      name: 'a peerAddress without its length',
      manifest: policy({ peerASN: 65_000, peerAddress: '172.22.0.5' }),
      says: /peerAddress/,
      flagged: 'ciliumbgppeeringpolicy/demo',
    },
    {
      name: 'a hold time of 2',
      manifest: policy({ peerASN: 65_000, peerAddress: '172.22.0.5/32', holdTimeSeconds: 2 }),
      says: /holdTimeSeconds/,
    },
    {
      name: 'an unknown field',
      manifest: policy({ peerASN: 65_000, peerAddress: '172.22.0.5/32', peerPassword: 'x' }),
      says: /peerPassword/,
    },
    {
      name: 'a pool of an address that is none',
      manifest: pool('bad', { cidrs: [{ cidr: '10.0.0.300/24' }] }),
      says: /10\.0\.0\.300/,
      flagged: 'ciliumloadbalancerippool/bad',
    },
    {
      name: 'a pool that overlaps another',
      manifest: pool('overlapping', { cidrs: [{ cidr: '10.11.0.0/24' }] }),
      says: /demo|overlap/i,
      flagged: 'ciliumloadbalancerippool/overlapping',
    },
  ]
  for (const { name, manifest, says, flagged } of bad) {
    test(`refuses or flags ${name}, and goes on as before`, async () => {
      const ip = await announced()
      const refusal = await kubectl(lab, ['apply', '-f', '-'], JSON.stringify(manifest)).then(
        () => undefined,
        (error: Error) => error.message,
      )
      if (refusal !== undefined) assert.match(refusal, says)
      else {
        assert.ok(flagged !== undefined, 'the API took it')
        await eventually('it is flagged', async () => {
          const status = await kubectl(lab, ['get', flagged, '-o', 'jsonpath={.status}'])
          assert.match(status, says)
        })
      }
      await throughout(500, () => announcedBy(`${ip}/32`, allNodes))
      if (flagged?.includes('pool')) await kubectl(lab, ['delete', flagged, '--ignore-not-found'])
      else await apply('5-peering-policy.yaml')
      await announced()
    })
  }
})

test(
  'a walk-through that is killed leaves pods and speakers, which the next start removes',
  { skip },
  async () => {
    const name = labName()
    const { child, ended } = await labProcess(folder, name)
    child.kill('SIGKILL')
    await ended
    const left = listNamespaces().filter((namespace) => namespace.startsWith(`${name}.nginx-`))
    assert.equal(left.length, 2)
    const next = await startLab(folder, { name })
    for (const namespace of left) assert.ok(!listNamespaces().includes(namespace))
    await next.down()
    assertNothingLeft(name)
  },
)
