import assert from 'node:assert/strict'
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { parseEndpoint, showEndpoint } from './access.ts'
import { findAccess, inClusterAccess } from './in-cluster.ts'
import { loadKubeconfig } from './kubeconfig.ts'

const directory = mkdtempSync(join(tmpdir(), 'herald-kubeconfig-'))
after(() => rmSync(directory, { recursive: true }))

function write(name: string, text: string): string {
  const path = join(directory, name)
  writeFileSync(path, text)
  return path
}

function config(server: string, user: string, cluster = ''): string {
  return `
apiVersion: v1
kind: Config
current-context: a
contexts:
- {name: a, context: {cluster: c, user: u, namespace: prod}}
clusters:
- {name: c, cluster: {server: "${server}"${cluster}}}
users:
- {name: u, user: ${user}}
`
}

const base64 = (text: string) => Buffer.from(text).toString('base64')

for (const { name, server, shown } of [
  { name: 'https without a port', server: 'https://api.example', shown: 'https://api.example:443' },
  { name: 'http on IPv6', server: 'http://[::1]:8080', shown: 'http://[::1]:8080' },
  { name: 'a path', server: 'https://h:6443/k8s/c1/', shown: 'https://h:6443/k8s/c1' },
  { name: 'a Unix socket', server: 'unix:///run/h/api.sock', shown: 'unix:///run/h/api.sock' },
  { name: 'a Unix socket, other form', server: 'unix:/run/api.sock', shown: 'unix:///run/api.sock' },
  { name: 'no scheme', server: '10.0.0.1:6443', shown: 'https://10.0.0.1:6443' },
]) {
  test(`reads the address of a server: ${name}`, () => {
    const endpoint = parseEndpoint(server)
    assert.ok(endpoint)
    assert.equal(showEndpoint(endpoint), shown)
  })
}

test('does not take another scheme for the address of a server', () => {
  assert.equal(parseEndpoint('ftp://x'), undefined)
})

for (const { name, user, expected } of [
  { name: 'a token', user: '{token: t}', expected: { authorization: 'Bearer t' } },
  {
    name: 'a name and password',
    user: '{username: u, password: p}',
    expected: { authorization: `Basic ${base64('u:p')}` },
  },
  {
    name: 'a client certificate',
    user: `{client-certificate-data: ${base64('CERT')}, client-key-data: ${base64('KEY')}}`,
    expected: { certificate: 'CERT', key: 'KEY' },
  },
]) {
  test(`proves who one is with ${name}`, async () => {
    const loaded = loadKubeconfig({ path: write('user', config('https://h', user)) })
    assert.ok(loaded.ok)
    assert.deepEqual(await loaded.value.credentials(), expected)
    assert.equal(loaded.value.namespace, 'prod')
  })
}

test('reads files relative to the kubeconfig, and a token file anew each time', async () => {
  write('ca.pem', 'CA')
  write('token', 'one\n')
  const path = write('files', config('https://h', '{tokenFile: token}', ', certificate-authority: ca.pem'))
  const loaded = loadKubeconfig({ path })
  assert.ok(loaded.ok)
  assert.equal(loaded.value.tls.ca, 'CA')
  assert.deepEqual(await loaded.value.credentials(), { authorization: 'Bearer one' })
  write('token', 'two\n')
  assert.deepEqual(await loaded.value.credentials(), { authorization: 'Bearer two' })
})

test('runs an exec plugin, keeps its answer, and runs it again when that was refused', async () => {
  const plugin = write(
    'plugin.sh',
    `#!/bin/sh
echo x >> ${directory}/runs
printf '{"apiVersion":"client.authentication.k8s.io/v1","kind":"ExecCredential","status":{"token":"%s"}}' "$WHO-$1"
`,
  )
  chmodSync(plugin, 0o755)
  const exec = `{exec: {apiVersion: client.authentication.k8s.io/v1, command: ./plugin.sh, args: [arg], env: [{name: WHO, value: me}]}}`
  const loaded = loadKubeconfig({ path: write('exec', config('https://h', exec)) })
  assert.ok(loaded.ok)
  assert.deepEqual(await loaded.value.credentials(), { authorization: 'Bearer me-arg' })
  await loaded.value.credentials()
  assert.equal(loadRuns(), 1)
  loaded.value.credentialsRefused()
  await loaded.value.credentials()
  assert.equal(loadRuns(), 2)
})

test('says what an exec plugin said when it fails', async () => {
  const exec = `{exec: {apiVersion: client.authentication.k8s.io/v1, command: sh, args: ["-c", "echo log in first >&2; exit 1"]}}`
  const loaded = loadKubeconfig({ path: write('exec', config('https://h', exec)) })
  assert.ok(loaded.ok)
  await assert.rejects(loaded.value.credentials(), /log in first/)
})

test('merges the files of KUBECONFIG and passes over those that do not exist', () => {
  const first = write('first', 'current-context: b\n')
  const second = write('second', config('https://h', '{}').replaceAll('a,', 'b,'))
  const KUBECONFIG = [first, join(directory, 'absent'), second].join(':')
  const loaded = loadKubeconfig({ env: { KUBECONFIG } })
  assert.ok(loaded.ok)
  assert.equal(loaded.value.origin, `context b of ${second}`)
})

for (const { name, text, message } of [
  { name: 'that is not there', text: undefined, message: /cannot read the kubeconfig .*absent/ },
  { name: 'that is not YAML', text: 'a: [', message: /cannot read the kubeconfig/ },
  { name: 'of the wrong shape', text: 'contexts: 3', message: /not valid: contexts/ },
  { name: 'without a current context', text: 'contexts: []', message: /no current-context/ },
  {
    name: 'whose context has no cluster',
    text: 'current-context: x\ncontexts: [{name: x, context: {cluster: y}}]',
    message: /names the cluster "y", which is not there/,
  },
  {
    name: 'with an impossible server',
    text: config('ftp://x', '{}'),
    message: /"ftp:\/\/x" is not the address/,
  },
  {
    name: 'with an auth-provider',
    text: config('https://h', '{auth-provider: {name: gcp}}'),
    message: /exec plugin/,
  },
]) {
  test(`says what is wrong with a kubeconfig ${name}`, () => {
    const path = text === undefined ? join(directory, 'absent') : write('bad', text)
    const loaded = loadKubeconfig({ path })
    assert.ok(!loaded.ok)
    assert.match(loaded.error, message)
  })
}

test('reads the service account of a pod, and its token again after a refusal', async () => {
  write('ca.crt', 'CA')
  write('namespace', 'herald\n')
  write('token', 'one')
  const env = { KUBERNETES_SERVICE_HOST: 'fd00::1', KUBERNETES_SERVICE_PORT: '443' }
  const access = inClusterAccess({ env, directory })
  assert.ok(access.ok)
  assert.equal(showEndpoint(access.value.endpoint), 'https://[fd00::1]:443')
  assert.equal(access.value.namespace, 'herald')
  write('token', 'two')
  assert.deepEqual(await access.value.credentials(), { authorization: 'Bearer one' })
  access.value.credentialsRefused()
  assert.deepEqual(await access.value.credentials(), { authorization: 'Bearer two' })
})

test('prefers a kubeconfig that was named to the service account', () => {
  const path = write('named', config('https://named', '{}'))
  const env = { KUBERNETES_SERVICE_HOST: '10.0.0.1', KUBERNETES_SERVICE_PORT: '443' }
  const access = findAccess({ path, env })
  assert.ok(access.ok)
  assert.equal(showEndpoint(access.value.endpoint), 'https://named:443')
})

function loadRuns(): number {
  return readFileSync(join(directory, 'runs'), 'utf8').trim().split('\n').length
}
