import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { showProblem } from '#core/lib/reason.ts'
import { planNode } from '#core/plan/plan-node.ts'
import { parseRouterFile, readRouterFiles } from './router-files.ts'

const directory = mkdtempSync(join(tmpdir(), 'herald-router-'))
after(() => rmSync(directory, { recursive: true }))

function file(name: string, text: string): string {
  const path = join(directory, name)
  writeFileSync(path, text)
  return path
}

const valid = `
apiVersion: herald.dev/v1alpha1
kind: BGPInstance
metadata: {name: tor}
spec: {asn: 65000, routerId: 192.0.2.1, listenPort: 1790}
---
apiVersion: herald.dev/v1alpha1
kind: BGPPeer
metadata: {name: four}
spec: {address: 192.0.2.2, asn: 65001, passwordSecret: {namespace: default, name: key}}
---
apiVersion: herald.dev/v1alpha1
kind: BGPPeer
metadata: {name: six}
spec: {address: "2001:db8::2", asn: 65001}
---
# Nothing here.
---
apiVersion: v1
kind: Secret
metadata: {name: key}
stringData: {password: hush}
---
apiVersion: herald.dev/v1alpha1
kind: BGPAdvertisement
metadata: {name: own}
spec: {prefixes: [198.51.100.0/24, "2001:db8:1::/48"]}
`

test('makes a plan of files as of a cluster', async () => {
  const read = await readRouterFiles([file('valid', valid)], 'router')
  assert.ok(read.ok)
  const plan = planNode(read.value, 'router', [])
  assert.deepEqual(plan.problems, [])
  const { config } = plan.instances[0]!
  assert.equal(config.listenPort, 1790)
  assert.deepEqual(
    config.peers.map(({ address, password }) => [address, password]),
    [
      ['192.0.2.2', 'hush'],
      ['2001:db8::2', undefined],
    ],
  )
  assert.deepEqual(
    config.routes.map(({ prefix }) => prefix),
    ['198.51.100.0/24', '2001:db8:1::/48'],
  )
})

test('puts several files together', async () => {
  const [first, ...rest] = valid.split('---\n')
  const paths = [file('first', first!), file('rest', rest.join('---\n'))]
  const read = await readRouterFiles(paths, 'router')
  assert.ok(read.ok)
  assert.equal(planNode(read.value, 'router', []).instances[0]!.config.peers.length, 2)
})

const head = 'apiVersion: herald.dev/v1alpha1\n'
for (const { name, text, says } of [
  { name: 'no YAML', text: 'a: [', says: /^f: / },
  {
    name: 'no kind',
    text: 'apiVersion: v1',
    says: /^f: a document has no kind that is text .*every document needs/,
  },
  { name: 'no object', text: '- 1', says: /^f: a document is no mapping .*every document needs apiVersion/ },
  { name: 'an object without a name', text: `${head}kind: BGPPeer\nmetadata: {}`, says: /metadata\.name/ },
  {
    name: 'a kind that no router obeys',
    text: 'apiVersion: v1\nkind: Service\nmetadata: {name: x}',
    says: /v1 Service is nothing that a router obeys/,
  },
  {
    name: 'a mistake in a field',
    text: `${head}kind: BGPPeer\nmetadata: {name: p}\nspec: {address: 192.0.2.300, asn: 1}`,
    says: /BGPPeer p, spec\.address: .*192\.0\.2\.300/,
  },
  {
    name: 'a field that does not exist',
    text: `${head}kind: BGPInstance\nmetadata: {name: p}\nspec: {asn: 1, hold: 3}`,
    says: /BGPInstance p, spec\.hold: /,
  },
]) {
  test(`says what is wrong with ${name}`, () => {
    const parsed = parseRouterFile(text, 'f')
    assert.ok(!parsed.ok)
    assert.match(parsed.error.map(showProblem).join('\n'), says)
  })
}

const gobgp = {
  yaml: `
global:
    config:
        as: 65002
        router-id: 172.1.0.2
neighbors:
    - config:
        neighbor-address: 192.168.57.101
        peer-as: 64512
    - config:
        neighbor-address: "2001:db8::55"
        peer-as: 64001
        auth-password: hush
`,
  toml: `
[global.config]
  as = 65002
  router-id = "172.1.0.2"
[[neighbors]]
  [neighbors.config]
    neighbor-address = "192.168.57.101"
    peer-as = 64512
[[neighbors]]
  [neighbors.config]
    neighbor-address = "2001:db8::55"
    peer-as = 64001
    auth-password = "hush"
`,
  json: JSON.stringify({
    global: { config: { as: 65002, 'router-id': '172.1.0.2' } },
    neighbors: [
      { config: { 'neighbor-address': '192.168.57.101', 'peer-as': 64512 } },
      { config: { 'neighbor-address': '2001:db8::55', 'peer-as': 64001, 'auth-password': 'hush' } },
    ],
  }),
}

for (const [format, text] of Object.entries(gobgp)) {
  test(`makes a plan of GoBGP's configuration in ${format.toUpperCase()}`, async () => {
    const read = await readRouterFiles([file(`gobgpd.${format}`, text)], 'router')
    assert.ok(read.ok)
    const plan = planNode(read.value, 'router', [])
    assert.deepEqual(plan.problems, [])
    const { config } = plan.instances[0]!
    assert.deepEqual([config.asn, config.routerId, config.listenPort], [65002, '172.1.0.2', 179])
    assert.deepEqual(
      config.peers.map(({ address, asn, password, families, importRoutes, exportLearned }) => [
        [address, asn, password, families],
        [importRoutes, exportLearned],
      ]),
      [
        [
          ['192.168.57.101', 64512, undefined, ['ipv4/unicast']],
          [true, true],
        ],
        [
          ['2001:db8::55', 64001, 'hush', ['ipv6/unicast']],
          [true, true],
        ],
      ],
    )
  })
}

test("says of GoBGP's keys what has no effect, and refuses what GoBGP refuses", async () => {
  const path = file('gobgpd.yaml', `${gobgp.yaml}zebra: {config: {enabled: true}}\n`)
  const read = await readRouterFiles([path], 'router')
  assert.ok(read.ok)
  const [problem] = planNode(read.value, 'router', []).problems
  assert.match(showProblem(problem!), /^File .*gobgpd\.yaml, zebra: /)
  for (const { name, text, says } of [
    { name: 'a.yaml', text: gobgp.yaml.replace('peer-as', 'peeras'), says: /did you mean "peer-as"/ },
    { name: 'a.toml', text: `${gobgp.toml}[`, says: /^.*a\.toml: Invalid TOML/ },
    { name: 'b.toml', text: 'as = 1', says: /GoBGP knows no "as" here/ },
  ]) {
    const refused = parseRouterFile(text, name)
    assert.ok(!refused.ok)
    assert.match(refused.error.map(showProblem).join('\n'), says)
  }
})

for (const { name, text } of [
  { name: 'empty.yaml', text: '' },
  { name: 'comment.yaml', text: '# nothing\n---\n' },
]) {
  test(`refuses a file that says nothing (${name}): to empty it by mistake ends no session`, () => {
    const refused = parseRouterFile(text, name)
    assert.ok(!refused.ok)
    assert.match(refused.error.map(showProblem).join('\n'), /^.*\.yaml: there is nothing in it/)
  })
}

test('refuses two objects of one name and a file that is not there', async () => {
  const read = await readRouterFiles([file('twice', `${valid}---\n${valid}`), join(directory, 'absent')], 'r')
  assert.ok(!read.ok)
  const text = read.error.map(showProblem).join('\n')
  assert.match(text, /there are two BGPInstances named tor/)
  assert.match(text, /cannot read .*absent/)
})
