import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Service, ServiceSpec } from '#core/schema/kubernetes.ts'
import type { Condition, KubeObject } from '#core/schema/object.ts'
import { FakeApi } from './fake-api.testing.ts'

const families = [
  { family: 'IPv4' as const, cidr: '10.0.0.0/24', first: '10.0.0.0', third: '10.0.0.2', outside: '10.9.0.1' },
  { family: 'IPv6' as const, cidr: 'fd00::/64', first: 'fd00::', third: 'fd00::2', outside: 'fd09::1' },
]

for (const { family, cidr, first, third, outside } of families) {
  const lb = (name: string, more: ServiceSpec = {}, annotations = {}) =>
    service(name, { ipFamilies: [family], ...more }, annotations)

  test(`gives a Service its ${family} address, says so in both conditions, and records one event`, () => {
    const api = new FakeApi()
    api.put(ciliumPool('demo', [cidr]))
    api.put(lb('nginx'))
    api.settle()
    assert.deepEqual(api.addressesOf('nginx'), [first])
    assert.deepEqual(conditions(api.service('nginx')), [
      ['herald.dev/AddressAllocated', 'True', 'Allocated', `${first} from CiliumLoadBalancerIPPool demo`],
      [
        'cilium.io/lb-ipam-request-satisfied',
        'True',
        'satisfied',
        `${first} from CiliumLoadBalancerIPPool demo`,
      ],
    ])
    assert.deepEqual(eventsOf(api, 'Service nginx'), [
      ['Normal', 'AddressAllocated', `${first} from CiliumLoadBalancerIPPool demo`],
    ])
  })

  test(`gives the ${family} address asked for, by annotation, by its alias and by spec.loadBalancerIP`, () => {
    const api = new FakeApi()
    api.put(ciliumPool('demo', [cidr]))
    api.put(lb('a', {}, { 'lbipam.cilium.io/ips': third }))
    api.settle()
    assert.deepEqual(api.addressesOf('a'), [third])
    api.delete('Service', 'a')
    api.put(lb('b', {}, { 'io.cilium/lb-ipam-ips': third }))
    api.settle()
    assert.deepEqual(api.addressesOf('b'), [third])
    api.delete('Service', 'b')
    api.put(lb('c', { loadBalancerIP: third }))
    api.settle()
    assert.deepEqual(api.addressesOf('c'), [third])
  })

  test(`never falls back from a ${family} address asked for, and says who has it`, () => {
    const api = new FakeApi()
    api.put(ciliumPool('demo', [cidr]))
    api.put(lb('old'))
    api.settle()
    api.put(lb('new', {}, { 'lbipam.cilium.io/ips': first }))
    api.put(lb('lost', {}, { 'lbipam.cilium.io/ips': outside }))
    api.settle()
    assert.deepEqual(api.addressesOf('new'), [])
    assert.deepEqual(conditions(api.service('new'))[1]!.slice(1, 3), ['False', 'already_allocated'])
    assert.deepEqual(eventsOf(api, 'Service new'), [
      ['Warning', 'AlreadyAllocated', `${first} is asked for, but Service default/old has it`],
    ])
    assert.deepEqual(conditions(api.service('lost'))[1]!.slice(1, 3), ['False', 'no_pool'])
    api.delete('Service', 'old')
    api.settle()
    assert.deepEqual(api.addressesOf('new'), [first])
  })

  test(`takes the ${family} address back when the pool is deleted, says why, and gives one of another pool`, () => {
    const api = new FakeApi()
    api.put(ciliumPool('demo', [cidr]))
    api.put(lb('nginx'))
    api.settle()
    api.delete('CiliumLoadBalancerIPPool', 'demo')
    api.settle()
    assert.deepEqual(api.addressesOf('nginx'), [])
    assert.deepEqual(eventsOf(api, 'Service nginx').slice(1), [
      ['Warning', 'AddressReleased', `${first} was taken back: CiliumLoadBalancerIPPool demo was deleted`],
      ['Warning', 'NoPool', `no ${family} address: no pool has ${family} addresses`],
    ])
    api.put(nativePool('other', [outside]))
    api.settle()
    assert.deepEqual(api.addressesOf('nginx'), [outside])
  })

  test(`does not give out a ${family} address that a cluster IP or a node has`, () => {
    const api = new FakeApi()
    api.put({
      apiVersion: 'v1',
      kind: 'Node',
      metadata: { name: 'node' },
      status: { addresses: [{ type: 'InternalIP', address: first }] },
    } as KubeObject)
    const second = family === 'IPv4' ? '10.0.0.1' : 'fd00::1'
    api.put(service('kubernetes', { type: 'ClusterIP', clusterIP: second, clusterIPs: [second] }))
    api.put(ciliumPool('demo', [cidr]))
    api.put(lb('nginx'))
    api.settle()
    assert.deepEqual(api.addressesOf('nginx'), [third])
  })
}

test('writes and records nothing when nothing differs, whatever it is told again', () => {
  const api = new FakeApi()
  api.put(ciliumPool('demo', ['10.0.0.0/24']))
  api.put(service('nginx'))
  api.settle()
  const count = api.events.length
  for (let i = 0; i < 3; i++) {
    api.now += 60_000
    assert.deepEqual(api.tell({ kind: 'snapshot', snapshot: api.snapshot() }), [])
    assert.deepEqual(api.tell({ kind: 'tick' }), [])
  }
  assert.equal(api.events.length, count)
  api.restart()
  api.settle()
  assert.equal(api.events.length, count)
  assert.equal(api.controller.nextDeadline(), Infinity)
})

test('leaves a Service of another class alone, and does not give its address to others', () => {
  const api = new FakeApi()
  api.put(ciliumPool('demo', ['10.0.0.0/24']))
  const foreign = service('foreign', { loadBalancerClass: 'example.com/other' })
  api.put({ ...foreign, status: { loadBalancer: { ingress: [{ ip: '10.0.0.0' }] } } } as KubeObject)
  for (const loadBalancerClass of ['io.cilium/bgp-control-plane', 'herald.dev/bgp'])
    api.put(service(loadBalancerClass.replace(/\W/g, '-'), { loadBalancerClass }))
  api.settle()
  assert.deepEqual(api.addressesOf('foreign'), ['10.0.0.0'])
  assert.deepEqual(conditions(api.service('foreign')), [])
  assert.deepEqual(api.addressesOf('io-cilium-bgp-control-plane'), ['10.0.0.1'])
  assert.deepEqual(api.addressesOf('herald-dev-bgp'), ['10.0.0.2'])
})

test('leaves classless Services alone while there is no pool, and addresses that another system gave', () => {
  const api = new FakeApi()
  const given = { loadBalancer: { ingress: [{ ip: '192.0.2.1' }] } }
  api.put({ ...service('elsewhere'), status: given } as KubeObject)
  api.put(service('waiting'))
  api.settle()
  assert.deepEqual(conditions(api.service('waiting')), [])
  api.put(ciliumPool('demo', ['10.0.0.0/24']))
  api.settle()
  assert.deepEqual(api.addressesOf('elsewhere'), ['192.0.2.1'])
  assert.deepEqual(conditions(api.service('elsewhere')), [])
  assert.deepEqual(api.addressesOf('waiting'), ['10.0.0.0'])
})

test('clears the status when the Service is no longer of type LoadBalancer, and only then gives the address away', () => {
  const api = new FakeApi()
  api.put(ciliumPool('demo', ['10.0.0.0/32']))
  api.put(service('nginx'))
  api.settle()
  api.put(service('waiting'))
  api.settle()
  assert.deepEqual(conditions(api.service('waiting'))[1]!.slice(1, 3), ['False', 'out_of_ips'])
  api.put(service('nginx', { type: 'ClusterIP' }))
  api.settle()
  assert.deepEqual(api.addressesOf('nginx'), [])
  assert.deepEqual(conditions(api.service('nginx')), [])
  assert.deepEqual(eventsOf(api, 'Service nginx').at(-1), [
    'Normal',
    'AddressReleased',
    '10.0.0.0 was taken back: the Service is of type ClusterIP now',
  ])
  assert.deepEqual(api.addressesOf('waiting'), ['10.0.0.0'])
})

test('names the missing version of a Service that requires both, and serves one that prefers both', () => {
  const api = new FakeApi()
  api.put(ciliumPool('demo', ['10.0.0.0/24']))
  const both = { ipFamilies: ['IPv4' as const, 'IPv6' as const] }
  api.put(service('require', { ...both, ipFamilyPolicy: 'RequireDualStack' }))
  api.put(service('prefer', { ...both, ipFamilyPolicy: 'PreferDualStack' }))
  api.settle()
  assert.deepEqual(api.addressesOf('require'), [])
  assert.match(conditions(api.service('require'))[0]![3], /no IPv6 address: no pool has IPv6 addresses/)
  assert.deepEqual(api.addressesOf('prefer'), ['10.0.0.0'])
  api.put(ciliumPool('six', ['fd00::/64']))
  api.settle()
  assert.deepEqual(api.addressesOf('require'), ['10.0.0.1', 'fd00::'])
  assert.deepEqual(api.addressesOf('prefer'), ['10.0.0.0', 'fd00::1'])
})

const reasonTable: { name: string; pool: Record<string, unknown>; reason: string; rule: string }[] = [
  {
    name: 'a pool that does not select the Service',
    pool: { serviceSelector: { matchLabels: { app: 'other' } } },
    reason: 'pool_selector_mismatch',
    rule: 'PoolSelectorMismatch',
  },
  { name: 'a disabled pool', pool: { disabled: true }, reason: 'no_pool', rule: 'PoolDisabled' },
]
for (const { name, pool, reason, rule } of reasonTable) {
  test(`gives Cilium's reason ${reason} and its own ${rule} for ${name}`, () => {
    const api = new FakeApi()
    api.put(ciliumPool('demo', ['10.0.0.0/24'], pool))
    api.put(service('nginx'))
    api.settle()
    const [own, cilium] = conditions(api.service('nginx'))
    assert.deepEqual(own!.slice(1, 3), ['False', rule])
    assert.deepEqual(cilium!.slice(1, 3), ['False', reason])
    assert.deepEqual(
      eventsOf(api, 'Service nginx').map(([type, reason]) => [type, reason]),
      [['Warning', rule]],
    )
  })
}

test('shares an address by key, and names the Service that stands against it', () => {
  const api = new FakeApi()
  api.put(ciliumPool('demo', ['10.0.0.0/24']))
  const key = { 'lbipam.cilium.io/sharing-key': 'k' }
  api.put(service('http', {}, key))
  api.put(service('https', { ports: [{ port: 443 }] }, { 'io.cilium/lb-ipam-sharing-key': 'k' }))
  api.settle()
  api.put(service('clash', {}, { ...key, 'lbipam.cilium.io/ips': '10.0.0.0' }))
  api.settle()
  assert.deepEqual(api.addressesOf('https'), ['10.0.0.0'])
  assert.deepEqual(conditions(api.service('clash'))[1]!.slice(1), [
    'False',
    'already_allocated_incompatible_service',
    '10.0.0.0 is asked for, but Service default/http has it and both use port 80/TCP',
  ])
})

test('gives nothing while an annotation cannot be understood, and keeps what is held', () => {
  const api = new FakeApi()
  api.put(ciliumPool('demo', ['10.0.0.0/24']))
  api.put(service('held'))
  api.settle()
  api.put(service('held', {}, { 'lbipam.cilium.io/ips': '10.0.0.300' }))
  api.put(service('fresh', {}, { 'lbipam.cilium.io/ips': '10.0.0.300' }))
  api.settle()
  assert.deepEqual(api.addressesOf('held'), ['10.0.0.0'])
  assert.deepEqual(api.addressesOf('fresh'), [])
  const [condition] = conditions(api.service('fresh'))
  assert.deepEqual(condition!.slice(1, 3), ['False', 'InvalidAddress'])
  assert.match(condition![3], /metadata\.annotations\["lbipam\.cilium\.io\/ips"\]: "10\.0\.0\.300"/)
})

test('counts the addresses of Cilium and native pools in their conditions', () => {
  const api = new FakeApi()
  api.put(ciliumPool('demo', ['10.0.0.0/24']))
  api.put(nativePool('own', ['fd00::/120']))
  api.put(service('nginx'))
  api.settle()
  for (const [kind, name, prefix, numbers] of [
    ['CiliumLoadBalancerIPPool', 'demo', 'cilium.io', ['256', '255', '1']],
    ['AddressPool', 'own', 'herald.dev', ['256', '256', '0']],
  ] as const) {
    const said = conditions(api.get(kind, name)!)
    assert.deepEqual(
      ['IPsTotal', 'IPsAvailable', 'IPsUsed'].map(
        (type) => said.find(([each]) => each === `${prefix}/${type}`)?.[3],
      ),
      numbers,
    )
    assert.deepEqual(said.find(([type]) => type === `${prefix}/PoolConflict`)?.[1], 'False')
    assert.deepEqual(said[0]?.slice(0, 2), ['herald.dev/Accepted', 'True'])
  }
})

test('reports a pool conflict on the newer pool, naming the other, once, and takes it back when mended', () => {
  const api = new FakeApi()
  api.put(ciliumPool('old', ['10.0.0.0/24']))
  api.put(ciliumPool('new', ['10.0.0.128/25']))
  api.settle()
  const said = conditions(api.get('CiliumLoadBalancerIPPool', 'new')!)
  assert.equal(said.find(([type]) => type === 'cilium.io/PoolConflict')?.[1], 'True')
  assert.deepEqual(said.find(([type]) => type === 'herald.dev/Accepted')?.slice(1, 3), [
    'False',
    'PoolConflict',
  ])
  const events = eventsOf(api, 'CiliumLoadBalancerIPPool new')
  assert.equal(events.length, 1)
  assert.match(events[0]![2], /CiliumLoadBalancerIPPool old/)
  assert.deepEqual(eventsOf(api, 'CiliumLoadBalancerIPPool old'), [])
  api.put(ciliumPool('new', ['10.1.0.0/25']))
  api.settle()
  const mended = conditions(api.get('CiliumLoadBalancerIPPool', 'new')!)
  assert.equal(mended.find(([type]) => type === 'cilium.io/PoolConflict')?.[1], 'False')
  assert.equal(mended.find(([type]) => type === 'herald.dev/Accepted')?.[1], 'True')
})

test('an invalid pool is reported with field and hint; Services keep their addresses, after a restart too', () => {
  const api = new FakeApi()
  api.put(ciliumPool('demo', ['10.0.0.0/24']))
  api.put(service('nginx'))
  api.settle()
  api.put(ciliumPool('demo', ['10.0.0.300/24']))
  api.settle()
  const [accepted] = conditions(api.get('CiliumLoadBalancerIPPool', 'demo')!)
  assert.deepEqual(accepted!.slice(0, 3), ['herald.dev/Accepted', 'False', 'InvalidValue'])
  assert.match(accepted![3], /spec\.blocks\[0\]\.cidr: .*10\.0\.0\.300.*\(write/)
  assert.deepEqual(api.addressesOf('nginx'), ['10.0.0.0'])
  api.restart()
  api.settle()
  assert.deepEqual(api.addressesOf('nginx'), ['10.0.0.0'])
  const warnings = eventsOf(api, 'CiliumLoadBalancerIPPool demo').filter(([type]) => type === 'Warning')
  assert.equal(warnings.length, 1)
})

test('a pool that never was valid keeps no other pool from being deleted', () => {
  const api = new FakeApi()
  api.put(ciliumPool('demo', ['10.0.0.0/24']))
  api.put(ciliumPool('typo', ['10.0.0.300/24']))
  api.put(service('nginx'))
  api.settle()
  assert.deepEqual(api.addressesOf('nginx'), ['10.0.0.0'])
  api.delete('CiliumLoadBalancerIPPool', 'demo')
  api.settle()
  assert.deepEqual(api.addressesOf('nginx'), [])
  assert.match(JSON.stringify(eventsOf(api, 'Service nginx')), /AddressReleased/)
})

test('of two policies that select one node the newer is told, and the older named', () => {
  const api = new FakeApi()
  api.put({
    apiVersion: 'v1',
    kind: 'Node',
    metadata: { name: 'node', labels: { 'kubernetes.io/os': 'linux' } },
    spec: {},
    status: { addresses: [{ type: 'InternalIP', address: '172.22.0.2' }] },
  } as KubeObject)
  for (const name of ['first', 'second']) {
    api.put({
      apiVersion: 'cilium.io/v2alpha1',
      kind: 'CiliumBGPPeeringPolicy',
      metadata: { name },
      spec: {
        virtualRouters: [{ localASN: 65100, neighbors: [{ peerASN: 65000, peerAddress: '172.22.0.5/32' }] }],
      },
    } as KubeObject)
  }
  api.settle()
  const [first, second] = ['first', 'second'].map(
    (name) => conditions(api.get('CiliumBGPPeeringPolicy', name)!)[0]!,
  )
  assert.deepEqual(first!.slice(0, 2), ['herald.dev/Accepted', 'True'])
  assert.deepEqual(second!.slice(0, 3), ['herald.dev/Accepted', 'False', 'ConflictingPolicy'])
  const events = eventsOf(api, 'CiliumBGPPeeringPolicy second')
  assert.equal(events.length, 1)
  assert.match(events[0]![2], /first/)
})

test('a transition time moves with the status only', () => {
  const api = new FakeApi()
  api.put(ciliumPool('demo', ['10.0.0.0/24']))
  api.put(service('nginx'))
  api.settle()
  const time = () => statusConditions(api.service('nginx'))[0]!.lastTransitionTime
  const before = time()
  api.now += 3_600_000
  api.put(service('nginx', {}, { 'lbipam.cilium.io/ips': '10.0.0.7' }))
  api.settle()
  assert.deepEqual(api.addressesOf('nginx'), ['10.0.0.7'])
  assert.equal(time(), before)
  api.put(service('nginx', {}, { 'lbipam.cilium.io/ips': '10.9.0.7' }))
  api.settle()
  assert.deepEqual(api.addressesOf('nginx'), ['10.0.0.7'])
  assert.notEqual(time(), before)
})

test('tries again with growing pauses while the API does not answer', () => {
  const api = new FakeApi()
  api.put(ciliumPool('demo', ['10.0.0.0/24']))
  api.settle()
  api.put(service('nginx'))
  api.show()
  const pauses: number[] = []
  for (let i = 0; i < 9; i++) {
    while (api.requests.length > 0) api.serve({ down: true })
    while (api.answers.length > 0) api.answer()
    const at = api.controller.nextDeadline()
    pauses.push(at - api.now)
    assert.deepEqual(api.tell({ kind: 'tick' }), [], 'not before its time')
    api.now = at
    assert.notDeepEqual(api.tell({ kind: 'tick' }), [])
  }
  assert.deepEqual(pauses, [250, 500, 1000, 2000, 4000, 8000, 16_000, 30_000, 30_000])
  api.settle()
  assert.deepEqual(api.addressesOf('nginx'), ['10.0.0.0'])
})

test('does not repeat a write that the API refuses', () => {
  const api = new FakeApi()
  api.put(ciliumPool('demo', ['10.0.0.0/24']))
  api.show()
  const [request] = api.requests.splice(0)
  api.tell({ kind: 'writeFailed', request: request!.request, reason: 'invalid', message: 'no such field' })
  assert.deepEqual(api.tell({ kind: 'tick' }), [])
  assert.deepEqual(eventsOf(api, 'CiliumLoadBalancerIPPool demo'), [
    ['Warning', 'StatusNotWritten', 'no such field'],
  ])
})

function conditions(object: KubeObject): [type: string, status: string, reason: string, message: string][] {
  return statusConditions(object).map(({ type, status, reason, message }) => [type, status, reason, message])
}

function statusConditions(object: KubeObject): Condition[] {
  return (object as { status?: { conditions?: Condition[] } }).status?.conditions ?? []
}

function eventsOf(api: FakeApi, object: string): [type: string, reason: string, message: string][] {
  return api.events
    .filter((event) => event.object === object)
    .map(({ type, reason, message }) => [type, reason, message])
}

function service(name: string, spec: ServiceSpec = {}, annotations: Record<string, string> = {}): Service {
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name, namespace: 'default', labels: { app: name }, annotations },
    spec: { type: 'LoadBalancer', ports: [{ port: 80 }], selector: { app: name }, ...spec },
  }
}

function ciliumPool(name: string, cidrs: string[], spec: Record<string, unknown> = {}): KubeObject {
  return {
    apiVersion: 'cilium.io/v2alpha1',
    kind: 'CiliumLoadBalancerIPPool',
    metadata: { name },
    spec: { blocks: cidrs.map((cidr) => ({ cidr })), ...spec },
  } as KubeObject
}

function nativePool(name: string, ranges: string[]): KubeObject {
  return {
    apiVersion: 'herald.dev/v1alpha1',
    kind: 'AddressPool',
    metadata: { name },
    spec: { ranges },
  } as KubeObject
}
