import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { after, before, test } from 'node:test'
import { prefix } from '#core/net/prefix.ts'
import { KubeClient } from '#kube/client/client.ts'
import { loadKubeconfig } from '#kube/client/kubeconfig.ts'
import { typeOf } from '#kube/client/resource.ts'
import { startKubeServer, type KubeServer } from '#kube/server/server.ts'
import { applyManifest, readManifest } from './manifests.ts'

const root = resolve(import.meta.dirname, '../..')
const folder = mkdtempSync(join(tmpdir(), 'herald-manifests-'))
const kubeconfig = join(folder, 'kubeconfig')
let server: KubeServer
let client: KubeClient

before(async () => {
  server = await startKubeServer({
    dataDir: join(folder, 'api'),
    listen: [{ kind: 'tcp', host: '127.0.0.1', port: 0 }],
    serviceCidrs: [prefix('10.11.0.0/16')],
    kubeconfigPath: kubeconfig,
  })
  const access = loadKubeconfig({ path: kubeconfig })
  assert.ok(access.ok)
  client = new KubeClient(access.value)
})

after(async () => {
  client.close()
  await server.close()
  rmSync(folder, { recursive: true })
})

const apply = (path: string) => applyManifest(path, kubeconfig, undefined, client)

test('without kubectl the walk-through’s manifests are applied by our own client, again and again', async () => {
  for (const path of ['deploy/crds', 'deploy/crds/cilium']) await apply(join(root, path))
  for (const word of ['created', 'configured']) {
    for (const file of ['1-nginx.yaml', '2-pool.yaml', '3-service.yaml', '5-peering-policy.yaml']) {
      const { output, command } = await apply(join(root, 'labs/cilium-bird', file))
      assert.match(output, new RegExp(`${word}$`), file)
      assert.match(command, /^kubectl --kubeconfig .* apply -f /)
    }
  }
  const kind = typeOf({ apiVersion: 'cilium.io/v2alpha1', kind: 'CiliumBGPPeeringPolicy' })
  const policy = await client.get(kind!, { name: 'demo' })
  assert.ok(policy.ok)
})

test('an object that the server refuses is an error that names file and object', async () => {
  const file = join(folder, 'bad.yaml')
  writeFileSync(
    file,
    'apiVersion: v1\nkind: Service\nmetadata: { name: BAD }\nspec: { ports: [{ port: 80 }] }\n',
  )
  await assert.rejects(apply(file), /bad\.yaml: service\/BAD: .*BAD/)
})

test('a document without kind or name is an error that names the file', () => {
  const file = join(folder, 'none.yaml')
  writeFileSync(file, 'hello: world\n')
  assert.throws(() => readManifest(file), /none\.yaml: a document has no kind/)
})
