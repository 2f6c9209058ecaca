import assert from 'node:assert/strict'
import { globSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { test } from 'node:test'
import { showProblem } from '#core/lib/reason.ts'
import { loadTopology, parseTopology } from './topology.ts'

const labs = resolve(import.meta.dirname, '../../labs')

test('every lab of the repository is a topology', () => {
  const files = globSync('*/topology.yaml', { cwd: labs })
  assert.ok(files.length >= 2)
  for (const file of files) {
    const loaded = loadTopology(resolve(labs, dirname(file)))
    assert.ok(loaded.ok, loaded.ok ? '' : loaded.error.map(showProblem).join('\n'))
  }
})

const base = `
name: x
networks: { lan: { subnets: [10.0.0.0/24, 'fd00::/64'] } }
clusters:
  c:
    podSubnets: [10.1.0.0/16]
    serviceSubnets: [10.2.0.0/16]
    nodes: { n: { networks: { lan: [10.0.0.2] }, podCIDRs: [10.1.0.0/24] } }
clients: { k: { networks: { lan: [10.0.0.9] } } }
`

const mistakes: { name: string; text: string; says: RegExp }[] = [
  { name: 'an unknown key', text: `${base}router: {}`, says: /^router: .*"router".*keys here are .*routers/ },
  {
    name: 'an unknown key of a node',
    text: base.replace('podCIDRs:', 'podCIDR: 1, podCIDRs:'),
    says: /^clusters\.c\.nodes\.n\.podCIDR: .*\(the keys here are networks, podCIDRs/,
  },
  {
    name: 'an address that is none',
    text: base.replace('[10.0.0.2]', '[10.0.0.300]'),
    says: /^clusters\.c\.nodes\.n\.networks\.lan\.0: .*10\.0\.0\.300/,
  },
  {
    name: 'host bits in a subnet',
    text: base.replace('[10.0.0.0/24', '[10.0.0.1/24'),
    says: /^networks\.lan\.subnets\.0: /,
  },
  {
    name: 'an address outside its network',
    text: base.replace('[10.0.0.9]', '[10.9.0.9]'),
    says: /^clients\.k\.networks\.lan: 10\.9\.0\.9 lies outside 10\.0\.0\.0\/24 and fd00::\/64/,
  },
  {
    name: 'an address twice',
    text: base.replace('[10.0.0.9]', '[10.0.0.2]'),
    says: /10\.0\.0\.2 is also an address of clusters\.c\.nodes\.n/,
  },
  {
    name: 'a network that is not there',
    text: base.replace('clients: { k: { networks: { lan', 'clients: { k: { networks: { wan'),
    says: /^clients\.k\.networks\.wan: there is no such network \(networks: lan\)/,
  },
  {
    name: 'pods outside the pod subnets',
    text: base.replace('podCIDRs: [10.1.0.0/24]', 'podCIDRs: [10.3.0.0/24]'),
    says: /10\.3\.0\.0\/24 lies outside the pod subnets 10\.1\.0\.0\/16/,
  },
  {
    name: 'two machines of one name',
    text: base.replace('clients: { k:', 'clients: { n:'),
    says: /^clients\.n: n is also the name of clusters\.c\.nodes\.n/,
  },
  {
    name: 'a manifest that is not there',
    text: `${base}manifests: [{ cluster: c, file: no.yaml }]`,
    says: /^manifests\[0\]\.file: there is no file .*no\.yaml/,
  },
  { name: 'text that is not YAML', text: 'name: [', says: /./ },
]

test('a topology without mistakes is taken as it is', () => {
  const parsed = parseTopology(base, '/nowhere')
  assert.ok(parsed.ok)
  assert.deepEqual(Object.keys(parsed.value.clusters['c']!.nodes), ['n'])
})

for (const { name, text, says } of mistakes) {
  test(`refuses ${name}, naming the place`, () => {
    const parsed = parseTopology(text, '/nowhere')
    assert.ok(!parsed.ok)
    assert.match(showProblem(parsed.error[0]!), says)
  })
}
