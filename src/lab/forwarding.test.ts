import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { test } from 'node:test'
import { address } from '#core/net/address.ts'
import { prefix } from '#core/net/prefix.ts'
import type { EndpointSlice, Service, ServiceSpec } from '#core/schema/kubernetes.ts'
import { forwardingRuleset, type ForwardingInput } from './forwarding.ts'

const service = (name: string, spec: ServiceSpec, ingress: string[] = []): Service => ({
  apiVersion: 'v1',
  kind: 'Service',
  metadata: { name, namespace: 'default' },
  spec: { ports: [{ port: 80, targetPort: 8080, nodePort: 30080 }], ...spec },
  status: { loadBalancer: { ingress: ingress.map((ip) => ({ ip })) } },
})

const slice = (name: string, endpoints: [string, string, boolean?][]): EndpointSlice => ({
  apiVersion: 'discovery.k8s.io/v1',
  kind: 'EndpointSlice',
  metadata: { name: `${name}-1`, namespace: 'default', labels: { 'kubernetes.io/service-name': name } },
  addressType: endpoints[0]?.[0].includes(':') ? 'IPv6' : 'IPv4',
  ports: [{ port: 8080, protocol: 'TCP' }],
  endpoints: endpoints.map(([ip, nodeName, ready = true]) => ({
    addresses: [ip],
    nodeName,
    conditions: { ready },
  })),
})

const input = (parts: Partial<ForwardingInput>): ForwardingInput => ({
  node: 'a',
  podCIDRs: [prefix('10.241.0.0/24'), prefix('fd41::/80')],
  podSubnets: [prefix('10.241.0.0/16'), prefix('fd41::/64')],
  serviceSubnets: [prefix('10.11.0.0/16'), prefix('fd11::/112')],
  services: [],
  endpointSlices: [],
  retired: [],
  ...parts,
})

const nginx = service('nginx', { type: 'LoadBalancer', clusterIPs: ['10.11.0.9'] }, ['10.11.0.1'])
const nginx6 = service('nginx', { type: 'LoadBalancer', clusterIPs: ['fd11::9'] }, ['fd11::1'])

const cases: { name: string; input: ForwardingInput; has: RegExp[]; hasNot?: RegExp[] }[] = [
  {
    name: 'spreads a VIP over ready endpoints on all nodes',
    input: input({
      services: [nginx],
      endpointSlices: [
        slice('nginx', [
          ['10.241.0.7', 'a'],
          ['10.241.1.7', 'b'],
          ['10.241.2.7', 'c', false],
        ]),
      ],
    }),
    has: [
      /10\.11\.0\.1 \. tcp \. 80 : goto s-default-nginx-80-tcp-4/,
      /dnat ip to numgen random mod 2 map \{ 0 : 10\.241\.0\.7 \. 8080, 1 : 10\.241\.1\.7 \. 8080 \}/,
      /tcp \. 30080 : goto s-default-nginx-80-tcp-4/,
      /masquerade/,
    ],
    hasNot: [/10\.241\.2\.7/],
  },
  {
    name: 'spreads an IPv6 VIP likewise',
    input: input({
      services: [nginx6],
      endpointSlices: [
        slice('nginx', [
          ['fd41::7', 'a'],
          ['fd41::1:0:0:7', 'b'],
        ]),
      ],
    }),
    has: [
      /fd11::1 \. tcp \. 80 : goto s-default-nginx-80-tcp-6/,
      /dnat ip6 to numgen random mod 2 map \{ 0 : fd41::7 \. 8080, 1 : fd41::1:0:0:7 \. 8080 \}/,
    ],
  },
  {
    name: 'keeps to local endpoints for traffic from outside under externalTrafficPolicy Local',
    input: input({
      services: [service('nginx', { ...nginx.spec, externalTrafficPolicy: 'Local' }, ['10.11.0.1'])],
      endpointSlices: [
        slice('nginx', [
          ['10.241.0.7', 'a'],
          ['10.241.1.7', 'b'],
        ]),
      ],
    }),
    has: [
      /map outside4 \{\n.*\n\s+elements = \{ 10\.11\.0\.1 \. tcp \. 80 : goto s-default-nginx-80-tcp-4-local \}/,
      /chain s-default-nginx-80-tcp-4-local \{\n\s+meta l4proto tcp dnat ip to numgen random mod 1 map \{ 0 : 10\.241\.0\.7 \. 8080 \}/,
    ],
  },
  {
    name: 'rejects a port that no endpoint serves and drops the rest of its VIP',
    input: input({ services: [nginx] }),
    has: [
      /set unserved4 \{\n.*\n.*10\.11\.0\.9 \. tcp \. 80, 10\.11\.0\.1 \. tcp \. 80/,
      /set vips4 \{\n.*\n.*10\.11\.0\.1 \}/,
    ],
    hasNot: [/dnat ip to/],
  },
  {
    name: 'drops what is still sent to an address that no Service has any more',
    input: input({ retired: [address('192.0.2.1')] }),
    has: [/set vips4 \{\n.*\n\s+elements = \{ 192\.0\.2\.1 \}/],
  },
]

for (const { name, input, has, hasNot = [] } of cases) {
  test(name, () => {
    const ruleset = forwardingRuleset(input)
    for (const pattern of has) assert.match(ruleset, pattern)
    for (const pattern of hasNot) assert.doesNotMatch(ruleset, pattern)
  })
}

const nft = ['/usr/sbin/nft', '/sbin/nft', '/usr/bin/nft'].find((path) => existsSync(path))
const reason =
  process.getuid?.() !== 0 ? 'only root may ask nft' : nft === undefined ? 'nft is not installed' : false

test('nft accepts every ruleset', { skip: reason }, () => {
  for (const { name, input } of cases) {
    const { status, stderr } = spawnSync('unshare', ['--net', nft!, '-c', '-f', '-'], {
      input: forwardingRuleset(input),
      encoding: 'utf8',
    })
    assert.equal(status, 0, `${name}: ${stderr}`)
  }
})
