import assert from 'node:assert/strict'
import { test } from 'node:test'
import { address } from '#core/net/address.ts'
import type { PathAttributes } from '../attributes.ts'
import type { Family } from '../family.ts'
import { importOutcome, type ImportSource } from './import.ts'

const cases: { family: Family; local: string; hop: string }[] = [
  { family: 'ipv4/unicast', local: '192.0.2.1', hop: '192.0.2.2' },
  { family: 'ipv6/unicast', local: '2001:db8::1', hop: '2001:db8::2' },
]

for (const { family, local, hop } of cases) {
  const source: ImportSource = {
    from: {
      kind: 'external',
      name: 'far',
      address: address('192.0.2.9'),
      asn: 65002,
      routerId: address('10.0.0.9'),
    },
    localAsn: 65001,
    localRouterId: address('10.0.0.1'),
    clusterId: address('10.0.0.1'),
    localAddress: address(local),
    importRoutes: true,
    enforceFirstAs: true,
    honourGracefulShutdown: true,
    aigp: false,
  }
  const path: PathAttributes = {
    origin: 'igp',
    asPath: [{ kind: 'sequence', asns: [65002] }],
    nextHop: address(hop),
  }

  test(`${family}: a path is taken in as it is`, () => {
    const outcome = importOutcome(source, family, path)
    assert.ok(outcome.kind === 'accept')
    assert.equal(outcome.attributes, path)
  })

  test(`${family}: a path that has been here, points here or is not wanted is rejected with its reason`, () => {
    const looped: PathAttributes = { ...path, asPath: [{ kind: 'set', asns: [65002, 65001] }] }
    const selfish: PathAttributes = { ...path, nextHop: address(local) }
    const reasons = [
      importOutcome(source, family, looped),
      importOutcome(source, family, selfish),
      importOutcome({ ...source, importRoutes: false }, family, path),
    ].map((outcome) => (outcome.kind === 'reject' ? outcome.reason : ''))
    assert.match(reasons[0]!, /own AS 65001/)
    assert.match(reasons[1]!, /is this speaker/)
    assert.match(reasons[2]!, /not imported/)
  })
}
