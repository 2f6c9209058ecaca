import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import type { NodeState, NodeStateStatus } from '#core/schema/node-state.ts'
import type { KubeObject } from '#core/schema/object.ts'
import { resourceTypes as customTypes } from '#core/schema/resource-type.ts'
import { NodeStateWriter } from '#daemon/node-state-writer.ts'
import { KubeClient } from '#kube/client/client.ts'
import { installDefinitions } from '#kube/client/definitions.ts'
import { resourceTypes } from '#kube/client/resource.ts'
import { apiUnderTest, type ApiUnderTest } from '../kube/api-under-test.testing.ts'
import { until } from '../until.testing.ts'

let api: ApiUnderTest
let client: KubeClient
before(async () => {
  api = await apiUnderTest('unix')
  client = new KubeClient(api.access)
  const types = customTypes.filter(({ kind }) => kind === 'NodeState')
  assert.equal(await installDefinitions(client, types), undefined)
})
after(async () => {
  client.close()
  await api.close()
})

async function read(name: string): Promise<NodeState | undefined> {
  const got = await client.get<NodeState>(resourceTypes.nodeStates, { name })
  return got.ok ? got.value : undefined
}

const problem = (message: string) => ({ rule: 'Test', message })

test('creates the object, writes a change of state once, and the last state when it stops', async (t) => {
  let status: NodeStateStatus = { problems: [problem('one')] }
  const node = await client.create<KubeObject>(resourceTypes.nodes, {
    apiVersion: 'v1',
    kind: 'Node',
    metadata: { name: 'a' },
  })
  assert.ok(node.ok)
  const owner = { apiVersion: 'v1', kind: 'Node', name: 'a', uid: node.value.metadata.uid ?? '' }
  const writer = new NodeStateWriter({
    client,
    node: 'a',
    status: () => status,
    owner: () => owner,
    intervalMs: 50,
  })
  t.after(() => writer.stop())
  writer.changed()
  await until(async () => (await read('a'))?.status?.problems?.[0]?.message === 'one', 'the first state')
  const first = await read('a')
  assert.deepEqual(first?.metadata.ownerReferences, [owner])
  assert.match(first?.status?.observedAt ?? '', /^\d{4}-/)
  writer.changed()
  await new Promise((resolve) => setTimeout(resolve, 150))
  assert.equal((await read('a'))?.metadata.resourceVersion, first?.metadata.resourceVersion, 'nothing new')
  status = { problems: [] }
  await writer.stop()
  assert.deepEqual((await read('a'))?.status?.problems, [])
})

test('writes the newest state when the server is back', async (t) => {
  const outage = api.outage
  if (outage === undefined) return t.skip('the API server is not ours to stop')
  let status: NodeStateStatus = { problems: [problem('before')] }
  const failures: string[] = []
  const writer = new NodeStateWriter({
    client,
    node: 'b',
    status: () => status,
    owner: () => undefined,
    intervalMs: 20,
    failed: (error) => failures.push(error.kind),
  })
  t.after(() => writer.stop())
  await outage.begin()
  writer.changed()
  await until(() => failures.length > 0, 'a failure')
  status = { problems: [problem('after')] }
  writer.changed()
  await outage.end()
  await until(async () => (await read('b'))?.status?.problems?.[0]?.message === 'after', 'the newest state')
  assert.deepEqual(failures, ['unavailable'], 'said once')
})
