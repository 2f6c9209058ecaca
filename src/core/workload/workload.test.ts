import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { Prng } from '#core/lib/prng.ts'
import type { Deployment, EndpointSlice, Node, Service } from '#core/schema/kubernetes.ts'
import type { KubeObject } from '#core/schema/object.ts'
import type { WorkloadAction, WorkloadState } from './io.ts'
import { isReady } from './pod-state.ts'
import { reconcileWorkloads } from './workload.ts'

test('a Deployment becomes ready Pods on different nodes, with addresses of both versions', () => {
  const world = new World([deployment({ replicas: 2 })], [service()], nodes(3))
  world.settle()
  const pods = world.state.pods
  assert.equal(pods.length, 2)
  for (const pod of pods) assert.match(pod.metadata.name, /^nginx-[b-z2-9]{6,10}-[b-z2-9]{5}$/)
  assert.deepEqual(new Set(pods.map((pod) => pod.spec?.nodeName)), new Set(['node-0', 'node-1']))
  const first = pods.find((pod) => pod.spec?.nodeName === 'node-0')!
  assert.deepEqual(first.status?.podIPs, [{ ip: '10.241.0.2' }, { ip: 'fd00::2' }])
  assert.equal(first.metadata.labels?.['app'], 'nginx')
  assert.equal(first.metadata.ownerReferences?.[0]?.uid, 'deployment-uid')
})

test('the status of a Deployment says what kubectl wait and rollout look for', () => {
  const world = new World([deployment({ replicas: 2 })], [], nodes(1))
  world.step()
  assert.equal(condition(world, 'Available'), 'False')
  world.settle()
  const { conditions, ...counts } = world.state.deployments[0]!.status!
  assert.deepEqual(counts, {
    observedGeneration: 1,
    replicas: 2,
    updatedReplicas: 2,
    readyReplicas: 2,
    availableReplicas: 2,
    unavailableReplicas: 0,
  })
  assert.equal((conditions as unknown[]).length, 2)
  assert.equal(condition(world, 'Available'), 'True')
  assert.equal(condition(world, 'Progressing'), 'True')
})

test('scaling to zero removes all Pods and leaves an EndpointSlice without endpoints', () => {
  const world = new World([deployment({ replicas: 2 })], [service()], nodes(2))
  world.settle()
  world.state.deployments[0]!.spec.replicas = 0
  world.settle()
  assert.equal(world.state.pods.length, 0)
  assert.deepEqual(
    world.state.endpointSlices.map(({ endpoints }) => endpoints),
    [[]],
  )
})

test('scaling down removes the Pods that are not ready, then the newest', () => {
  const world = new World([deployment({ replicas: 3 })], [], nodes(3))
  world.settle()
  const [oldest, middle, newest] = world.state.pods
  for (const [i, pod] of [oldest!, middle!, newest!].entries())
    pod.metadata.creationTimestamp = `2026-01-01T00:00:0${i}Z`
  middle!.status!.conditions = [{ type: 'Ready', status: 'False' }]
  world.state.deployments[0]!.spec.replicas = 1
  const deleted = world.plan().filter(({ kind }) => kind === 'delete')
  assert.deepEqual(
    deleted.map(({ object }) => object.metadata.name),
    [middle!.metadata.name, newest!.metadata.name],
  )
})

test('a changed template replaces the Pods without going below what must be available', () => {
  const world = new World([deployment({ replicas: 4 })], [], nodes(2))
  world.settle()
  const before = new Set(world.state.pods.map((pod) => pod.metadata.name))
  world.state.deployments[0]!.spec.template.spec = { containers: [{ name: 'nginx', image: 'nginx:2' }] }
  world.settle((state) => {
    assert.ok(state.pods.filter(isReady).length >= 3, 'at least 75 % ready')
    assert.ok(state.pods.length <= 5, 'at most 125 %')
  })
  assert.equal(world.state.pods.length, 4)
  assert.ok(world.state.pods.every((pod) => !before.has(pod.metadata.name)))
})

test('strategy Recreate removes all old Pods before it creates new ones', () => {
  const world = new World([deployment({ replicas: 2, strategy: { type: 'Recreate' } })], [], nodes(2))
  world.settle()
  world.state.deployments[0]!.spec.template.spec = { containers: [{ name: 'nginx', image: 'nginx:2' }] }
  world.settle((state) => assert.ok(state.pods.length <= 2))
  assert.equal(world.state.pods.length, 2)
})

const unschedulableTable: { name: string; change: (node: Node) => void }[] = [
  { name: 'cordoned', change: (node) => (node.spec!.unschedulable = true) },
  {
    name: 'tainted NoSchedule',
    change: (node) =>
      (node.spec!.taints = [{ key: 'node-role.kubernetes.io/control-plane', effect: 'NoSchedule' }]),
  },
  {
    name: 'not ready',
    change: (node) => (node.status!.conditions = [{ type: 'Ready', status: 'False' }]),
  },
]
for (const { name, change } of unschedulableTable) {
  test(`passes over a node that is ${name}, and says so when there is no other`, () => {
    const all = nodes(2)
    change(all[0]!)
    const world = new World([deployment({ replicas: 2 })], [], all)
    world.settle()
    assert.deepEqual(
      world.state.pods.map((pod) => pod.spec?.nodeName),
      ['node-1', 'node-1'],
    )
    const alone = new World([deployment({ replicas: 1 })], [], [all[0]!])
    alone.settle()
    const [pod] = alone.state.pods
    assert.equal(pod?.spec?.nodeName, undefined)
    assert.equal(pod?.status?.conditions?.[0]?.reason, 'Unschedulable')
  })
}

test('a tolerated taint keeps nobody away', () => {
  const [node] = nodes(1)
  node!.spec!.taints = [{ key: 'k', value: 'v', effect: 'NoSchedule' }]
  const template = deployment({ replicas: 1 })
  template.spec.template.spec!['tolerations'] = [{ key: 'k', operator: 'Exists' }]
  const world = new World([template], [], [node!])
  world.settle()
  assert.equal(world.state.pods[0]?.spec?.nodeName, 'node-0')
})

test('Pods of a node that is gone are replaced on others', () => {
  const world = new World([deployment({ replicas: 2 })], [], nodes(2))
  world.settle()
  world.state.nodes.pop()
  world.settle()
  assert.deepEqual(
    world.state.pods.map((pod) => pod.spec?.nodeName),
    ['node-0', 'node-0'],
  )
})

test('Pods and EndpointSlices whose owner is gone are removed', () => {
  const world = new World([deployment({ replicas: 2 })], [service()], nodes(2))
  world.settle()
  world.state.deployments = []
  world.state.services = []
  world.settle()
  assert.deepEqual(world.state.pods, [])
  assert.deepEqual(world.state.endpointSlices, [])
})

for (const family of ['IPv4', 'IPv6'] as const) {
  test(`a Service of ${family} has one EndpointSlice with the Pods' addresses, nodes and target port`, () => {
    const world = new World(
      [deployment({ replicas: 1 })],
      [service({ ipFamilies: [family], ports: [{ name: 'web', port: 80, targetPort: 'http' }] })],
      nodes(1),
    )
    world.settle()
    const [slice, ...more] = world.state.endpointSlices
    assert.deepEqual(more, [])
    assert.match(slice!.metadata.name, /^nginx-[b-z2-9]{5}$/)
    assert.equal(slice!.addressType, family)
    assert.equal(slice!.metadata.labels?.['kubernetes.io/service-name'], 'nginx')
    assert.ok(slice!.metadata.labels?.['endpointslice.kubernetes.io/managed-by'])
    assert.deepEqual(slice!.ports, [{ name: 'web', protocol: 'TCP', port: 8080 }])
    const [pod] = world.state.pods
    assert.deepEqual(slice!.endpoints, [
      {
        addresses: [family === 'IPv4' ? '10.241.0.2' : 'fd00::2'],
        conditions: { ready: true, serving: true, terminating: false },
        nodeName: 'node-0',
        targetRef: { kind: 'Pod', namespace: 'default', name: pod!.metadata.name, uid: pod!.metadata.uid },
      },
    ])
  })
}

test('a Pod that ends is still serving, and no longer ready', () => {
  const world = new World([deployment({ replicas: 1 })], [service()], nodes(1))
  world.settle()
  world.state.pods[0]!.metadata.deletionTimestamp = '2026-01-01T00:00:00Z'
  world.perform(world.plan())
  const endpoint = world.state.endpointSlices[0]!.endpoints![0]!
  assert.deepEqual(endpoint.conditions, { ready: false, serving: true, terminating: true })
})

test('leaves EndpointSlices of others and Services without a selector alone', () => {
  const foreign: EndpointSlice = {
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: { name: 'own', namespace: 'default', labels: { 'kubernetes.io/service-name': 'nginx' } },
    addressType: 'IPv4',
    endpoints: [],
  }
  const bare = service()
  delete bare.spec!.selector
  const world = new World([], [bare], nodes(1))
  world.state.endpointSlices.push(foreign)
  assert.deepEqual(world.plan(), [])
})

test('settles within bounded steps after any changes, and then does nothing', () => {
  const changes = fc.record({
    replicas: fc.nat(6),
    image: fc.constantFrom('a', 'b', 'c'),
    nodeCount: fc.integer({ min: 1, max: 4 }),
    strategy: fc.constantFrom(
      undefined,
      { type: 'Recreate' },
      { rollingUpdate: { maxSurge: 0, maxUnavailable: 0 } },
      { rollingUpdate: { maxSurge: '50%', maxUnavailable: '50%' } },
    ),
    steps: fc.nat(4),
  })
  fc.assert(
    fc.property(fc.array(changes, { minLength: 1, maxLength: 5 }), fc.nat(), (list, seed) => {
      const world = new World([deployment({ replicas: 1 })], [service()], nodes(2), seed)
      for (const { replicas, image, nodeCount, strategy, steps } of list) {
        const { spec } = world.state.deployments[0]!
        spec.replicas = replicas
        spec.template.spec = { containers: [{ name: 'nginx', image }] }
        if (strategy === undefined) delete spec['strategy']
        else spec['strategy'] = strategy
        world.state.nodes = nodes(nodeCount)
        for (let i = 0; i < steps; i++) world.step()
      }
      world.settle()
      const { pods, deployments, endpointSlices } = world.state
      const { replicas } = deployments[0]!.spec
      assert.equal(pods.length, replicas)
      const ips = pods.map((pod) => pod.status!.podIP)
      assert.equal(new Set(ips).size, pods.length)
      assert.deepEqual(new Set(endpointSlices[0]!.endpoints!.flatMap((e) => e.addresses)), new Set(ips))
      assert.equal(condition(world, 'Available'), 'True')
    }),
    { numRuns: 150 },
  )
})

/** The API and the kubelets: performs actions, and makes Pods ready one step after they have an address. */
class World {
  readonly state: WorkloadState
  readonly #random: Prng
  #uids = 0
  #now = Date.UTC(2026, 0, 1)

  constructor(deployments: Deployment[], services: Service[], nodes: Node[], seed = 1) {
    this.state = { deployments, services, nodes, pods: [], endpointSlices: [] }
    this.#random = new Prng(seed)
  }

  plan(): WorkloadAction[] {
    this.#now += 1000
    return structuredClone(reconcileWorkloads(this.state, this.#random, this.#now))
  }

  step(): number {
    const actions = this.plan()
    this.perform(actions)
    let changed = actions.length
    for (const pod of this.state.pods) {
      if (pod.spec?.nodeName === undefined || pod.status?.podIP === undefined || isReady(pod)) continue
      pod.status = {
        ...pod.status,
        phase: 'Running',
        conditions: [...(pod.status.conditions ?? []), { type: 'Ready', status: 'True' }],
      }
      changed++
    }
    return changed
  }

  settle(each: (state: WorkloadState) => void = () => {}): void {
    for (let i = 0; i < 60; i++) {
      const changed = this.step()
      each(this.state)
      if (changed === 0) return
    }
    assert.fail('does not settle')
  }

  perform(actions: WorkloadAction[]): void {
    for (const { kind, object } of actions) {
      const list = this.#listOf(object)
      const index = list.findIndex(
        ({ metadata }) =>
          metadata.name === object.metadata.name && metadata.namespace === object.metadata.namespace,
      )
      assert.equal(index < 0, kind === 'create', `${kind} ${object.metadata.name}`)
      if (kind === 'delete') list.splice(index, 1)
      else if (kind === 'create') {
        const metadata = {
          ...object.metadata,
          uid: `uid-${++this.#uids}`,
          creationTimestamp: new Date(this.#now).toISOString(),
        }
        list.push({ ...object, metadata })
      } else list[index] = object
    }
  }

  #listOf(object: KubeObject): KubeObject[] {
    if (object.kind === 'Pod') return this.state.pods
    if (object.kind === 'Deployment') return this.state.deployments
    return this.state.endpointSlices
  }
}

function deployment(spec: Record<string, unknown>): Deployment {
  return {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name: 'nginx', namespace: 'default', uid: 'deployment-uid', generation: 1 },
    spec: {
      selector: { matchLabels: { app: 'nginx' } },
      template: {
        metadata: { labels: { app: 'nginx' } },
        spec: {
          containers: [{ name: 'nginx', image: 'nginx', ports: [{ name: 'http', containerPort: 8080 }] }],
        },
      },
      ...spec,
    },
  }
}

function service(spec: Partial<NonNullable<Service['spec']>> = {}): Service {
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name: 'nginx', namespace: 'default', uid: 'service-uid' },
    spec: { selector: { app: 'nginx' }, ports: [{ port: 80 }], ...spec },
  }
}

function nodes(count: number): Node[] {
  return Array.from({ length: count }, (_, i) => ({
    apiVersion: 'v1',
    kind: 'Node' as const,
    metadata: { name: `node-${i}` },
    spec: { podCIDR: `10.241.${i}.0/24`, podCIDRs: [`10.241.${i}.0/24`, `fd00:0:0:${i}::/64`] },
    status: { addresses: [{ type: 'InternalIP', address: `172.22.0.${i + 2}` }] },
  }))
}

function condition(world: World, type: string): string | undefined {
  const conditions = world.state.deployments[0]!.status?.['conditions'] as
    | { type: string; status: string }[]
    | undefined
  return conditions?.find((each) => each.type === type)?.status
}
