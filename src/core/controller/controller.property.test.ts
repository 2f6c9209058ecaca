/** The controller against a small API server under random interleavings: stale views, lost answers, outages, restarts. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import type { Service, ServiceSpec } from '#core/schema/kubernetes.ts'
import type { KubeObject } from '#core/schema/object.ts'
import { FakeApi } from './fake-api.testing.ts'

type Step =
  | { kind: 'service'; name: string; type: 'LoadBalancer' | 'ClusterIP'; wanted?: string; dual: boolean }
  | { kind: 'deleteService'; name: string }
  | { kind: 'pool'; name: string; size: number }
  | { kind: 'deletePool'; name: string }
  | { kind: 'show'; skip: number }
  | { kind: 'serve'; lost: boolean; down: boolean }
  | { kind: 'answer' }
  | { kind: 'tick'; afterMs: number }
  | { kind: 'restart' }

const services = ['a', 'b', 'c', 'd', 'e']
const pools: Record<string, (size: number) => string[]> = {
  one: (size) => [`10.0.0.0-10.0.0.${size}`, `fd00::-fd00::${size}`],
  two: (size) => [`10.0.1.0-10.0.1.${size}`],
}

const steps: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record(
      {
        kind: fc.constant('service' as const),
        name: fc.constantFrom(...services),
        type: fc.constantFrom('LoadBalancer' as const, 'LoadBalancer' as const, 'ClusterIP' as const),
        wanted: fc.constantFrom('10.0.0.0', '10.0.0.1', '10.0.1.0', 'fd00::'),
        dual: fc.boolean(),
      },
      { requiredKeys: ['kind', 'name', 'type', 'dual'] },
    ),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant('deleteService' as const),
      name: fc.constantFrom(...services),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant('pool' as const),
      name: fc.constantFrom(...Object.keys(pools)),
      size: fc.integer({ min: 0, max: 3 }),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant('deletePool' as const),
      name: fc.constantFrom(...Object.keys(pools)),
    }),
  },
  { weight: 6, arbitrary: fc.record({ kind: fc.constant('show' as const), skip: fc.nat(3) }) },
  {
    weight: 8,
    arbitrary: fc.record({
      kind: fc.constant('serve' as const),
      lost: fc.constantFrom(false, false, true),
      down: fc.constantFrom(false, false, false, true),
    }),
  },
  { weight: 6, arbitrary: fc.constant<Step>({ kind: 'answer' }) },
  {
    weight: 2,
    arbitrary: fc.record({ kind: fc.constant('tick' as const), afterMs: fc.constantFrom(0, 300, 60_000) }),
  },
  { weight: 1, arbitrary: fc.constant<Step>({ kind: 'restart' }) },
)

test('no address is ever in the status of two Services, and all is settled once things are quiet', () => {
  fc.assert(
    fc.property(fc.array(steps, { minLength: 5, maxLength: 120 }), (list) => {
      const api = new FakeApi()
      for (const step of list) {
        perform(api, step)
        assertNoDuplicates(api)
      }
      settleChecking(api)
      assert.deepEqual(api.tell({ kind: 'snapshot', snapshot: api.snapshot() }), [])
      assertServed(api)
    }),
    { numRuns: 400 },
  )
})

test('a restart moves no address and records nothing', () => {
  fc.assert(
    fc.property(fc.array(steps, { minLength: 5, maxLength: 40 }), (list) => {
      const api = new FakeApi()
      for (const step of list) perform(api, step)
      api.settle()
      const before = api.snapshot()
      const { length } = api.events
      api.restart()
      api.settle()
      assert.deepEqual(api.snapshot(), before)
      assert.equal(api.events.length, length)
    }),
    { numRuns: 200 },
  )
})

test('an address that two Services hold by mistake stays with the older, and the other one is told', () => {
  const api = new FakeApi()
  api.put(poolOf('one', 3))
  for (const name of ['older', 'newer']) {
    const status = { loadBalancer: { ingress: [{ ip: '10.0.0.1' }] } }
    api.put({ ...serviceOf(name, {}), status } as KubeObject)
  }
  api.settle()
  assert.deepEqual(api.addressesOf('older'), ['10.0.0.1'])
  assert.deepEqual(api.addressesOf('newer'), ['10.0.0.0'])
  const events = api.events.filter(
    ({ object, reason }) => object === 'Service newer' && reason === 'AddressReleased',
  )
  assert.deepEqual(
    events.map(({ message }) => message),
    ['10.0.0.1 was taken back: Service default/older has it too and is older'],
  )
})

test('a write that failed and is no longer needed asks for no tick', () => {
  const api = new FakeApi()
  api.put(poolOf('one', 0))
  api.put(serviceOf('a', {}))
  api.show(1)
  while (api.requests.length > 0) api.serve({ down: true })
  while (api.answers.length > 0) api.answer()
  api.delete('AddressPool', 'one')
  api.show()
  assert.equal(api.controller.nextDeadline(), Infinity)
})

/** The younger Service asks for the address that the older one got by a write that the shown state is too old to have. */
const unseenTable = [
  { name: 'was answered', lost: false },
  { name: 'was done, but its answer was lost', lost: true },
]
for (const { name, lost } of unseenTable) {
  test(`an address stays reserved after a write that ${name} until a snapshot shows it`, () => {
    const api = new FakeApi()
    api.put(poolOf('one', 3))
    api.settle()
    api.put(serviceOf('older', {}))
    api.put(serviceOf('younger', {}, '10.0.0.0'))
    api.show()
    const write = api.requests.findIndex(({ object }) => object.metadata.name === 'older')
    api.requests = api.requests.splice(write, 1)
    api.serve({ lost })
    api.answer()
    assert.deepEqual(api.addressesOf('older'), ['10.0.0.0'])
    const stale = api.views[0]!
    assert.equal(stale.services.find(({ metadata }) => metadata.name === 'older')?.status, undefined)
    api.show()
    while (api.requests.length > 0) api.serve()
    assertNoDuplicates(api)
    api.settle()
    assertNoDuplicates(api)
    assert.deepEqual(api.addressesOf('older'), ['10.0.0.0'])
    const told = api.events.filter(({ object, type }) => object === 'Service older' && type === 'Normal')
    assert.equal(told.length, 1)
  })
}

function perform(api: FakeApi, step: Step): void {
  switch (step.kind) {
    case 'service': {
      const { name, type, wanted, dual } = step
      const spec: ServiceSpec = dual
        ? { type, ipFamilies: ['IPv4', 'IPv6'], ipFamilyPolicy: 'RequireDualStack' }
        : { type, ipFamilies: ['IPv4'], ipFamilyPolicy: 'SingleStack' }
      api.put(serviceOf(name, spec, wanted))
      break
    }
    case 'deleteService':
      api.delete('Service', step.name)
      break
    case 'pool':
      api.put(poolOf(step.name, step.size))
      break
    case 'deletePool':
      api.delete('AddressPool', step.name)
      break
    case 'show':
      api.show(step.skip)
      break
    case 'serve':
      api.serve(step)
      break
    case 'answer':
      api.answer()
      break
    case 'tick':
      api.now += step.afterMs
      api.tell({ kind: 'tick' })
      break
    case 'restart':
      api.restart()
      break
  }
}

/** As {@link FakeApi.settle}, looking after each request that the server does. */
function settleChecking(api: FakeApi): void {
  for (let i = 0; api.requests.length + api.answers.length + api.views.length > 0; i++) {
    assert.ok(i < 1000, 'does not settle')
    api.serve()
    assertNoDuplicates(api)
    api.show()
    api.answer()
  }
  api.settle()
  assertNoDuplicates(api)
}

function assertNoDuplicates(api: FakeApi): void {
  const holders = new Map<string, string>()
  for (const { metadata } of api.snapshot().services) {
    for (const address of api.addressesOf(metadata.name)) {
      assert.equal(holders.get(address), undefined, `${address} is ${metadata.name}'s and another's`)
      holders.set(address, metadata.name)
    }
  }
}

/** A Service without an address says why; one of another type has none. */
function assertServed(api: FakeApi): void {
  for (const { metadata, spec, status } of api.snapshot().services) {
    const addresses = api.addressesOf(metadata.name)
    const condition = status?.conditions?.find(({ type }) => type === 'herald.dev/AddressAllocated')
    if (spec?.type !== 'LoadBalancer') {
      assert.deepEqual(addresses, [])
      assert.equal(condition, undefined)
    } else if (condition?.status === 'True') {
      assert.equal(addresses.length, spec.ipFamilies!.length)
    } else if (condition !== undefined) assert.notEqual(condition.message, '')
    else assert.deepEqual(api.snapshot().custom, [], 'only without any pool nothing is said')
  }
}

function serviceOf(name: string, spec: ServiceSpec, wanted?: string): Service {
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: {
      name,
      namespace: 'default',
      annotations: wanted === undefined ? {} : { 'herald.dev/addresses': wanted },
    },
    spec: { type: 'LoadBalancer', ports: [{ port: 80 }], ...spec },
  }
}

function poolOf(name: string, size: number): KubeObject {
  return {
    apiVersion: 'herald.dev/v1alpha1',
    kind: 'AddressPool',
    metadata: { name },
    spec: { ranges: pools[name]!(size) },
  } as KubeObject
}
