import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { address } from '#core/net/address.ts'
import type { AsPathSegment, PathAttributes } from '../attributes.ts'
import type { Role } from '../config.ts'
import { families, type Family } from '../family.ts'
import { decodeAttributes, encodeAttributes } from '../wire/attributes.ts'
import type { UpdateContext } from '../wire/context.ts'
import { decodeUpdate } from '../wire/update-decode.ts'
import { encodeAnnouncements } from '../wire/update-encode.ts'
import { blockAttributes, u32 } from '../wire/wire.testing.ts'
import { exportOutcome, type ExportTarget } from './export.ts'
import { importOutcome, type ImportSource } from './import.ts'
import type { LearnedFrom, NeighbourKind, PathSource } from './path-source.ts'

const hops = {
  'ipv4/unicast': ['192.0.2.1', '198.51.100.9'].map(address),
  'ipv6/unicast': ['2001:db8::1', '2001:db8:ffff::9', 'fe80::9'].map(address),
} as const
const kinds = fc.constantFrom<NeighbourKind>('external', 'internal', 'confed')
const roles = fc.constantFrom<Role>('provider', 'rs', 'rs-client', 'customer', 'peer')
const localAs = fc.record({ asn: fc.constantFrom(64999), noPrepend: fc.boolean(), replaceAs: fc.boolean() })
const confederation = { id: 100, members: [65001, 65002] }
const maybe = <T>(some: fc.Arbitrary<T>) => fc.option(some, { nil: undefined })

const targets = fc.record({
  kind: kinds,
  routeReflectorClient: fc.boolean(),
  routeServerClient: fc.boolean(),
  removePrivateAs: maybe(fc.constantFrom('remove' as const, 'replace' as const)),
  nextHop: maybe(fc.constantFrom('auto' as const, 'self' as const, 'keep' as const)),
  localLinkLocal: maybe(fc.constant(address('fe80::1'))),
  localAs: maybe(localAs),
  confederation: maybe(fc.constant(confederation)),
  role: maybe(roles),
  gracefulShutdown: fc.boolean(),
  aigp: fc.boolean(),
  linkBandwidth: maybe(fc.constant(125_000_000)),
})
const learned: LearnedFrom = {
  kind: 'external',
  name: 'far',
  address: address('198.51.100.9'),
  asn: 65002,
  routerId: address('10.0.0.2'),
}

/** As a neighbour of this kind may send it: within a confederation its AS_CONFED_SEQUENCE is in front. */
function pathFrom(kind: NeighbourKind | 'own', path: AsPathSegment[], inside: boolean): AsPathSegment[] {
  if (kind === 'confed' || (inside && kind === 'internal'))
    return [{ kind: 'confedSequence', asns: [65002] }, ...path]
  return path
}

const contexts: Record<NeighbourKind, UpdateContext['kind']> = {
  external: 'ebgp',
  internal: 'ibgp',
  confed: 'confed',
}

for (const family of families) {
  test(`${family}: whatever goes out is well-formed to who gets it, and arrives as it was meant`, () => {
    fc.assert(
      fc.property(
        targets,
        fc.constantFrom('own' as const, 'external' as const, 'internal' as const, 'confed' as const),
        fc.boolean(),
        blockAttributes,
        maybe(u32),
        fc.nat(2),
        ({ kind, ...options }, from, inside, given, weight, hop) => {
          const nextHop = hops[family][hop % hops[family].length]!
          const attributes: PathAttributes = {
            ...given,
            asPath: pathFrom(from, given.asPath, inside),
            nextHop,
          }
          if (weight !== undefined) attributes.weight = weight
          const source: PathSource = from === 'own' ? { kind: from } : { ...learned, kind: from }
          const target = targetOf(kind, family, options)
          const outcome = exportOutcome(target, family, source, attributes)
          if (outcome.kind !== 'accept') return
          arrives(target, family, outcome.attributes)
        },
      ),
      { numRuns: 500 },
    )
  })

  test(`${family}: whatever comes in keeps its form in the tables`, () => {
    fc.assert(
      fc.property(
        kinds,
        maybe(roles),
        maybe(localAs),
        fc.boolean(),
        blockAttributes,
        (kind, role, asn, on, given) => {
          const source: ImportSource = {
            from: { ...learned, kind },
            localAsn: 65001,
            localRouterId: address('10.0.0.1'),
            clusterId: address('10.0.0.1'),
            localAddress: hops[family][0]!,
            importRoutes: true,
            enforceFirstAs: false,
            honourGracefulShutdown: on,
            aigp: on,
            allowOwnAs: 1000,
          }
          if (role !== undefined) source.role = role
          if (asn !== undefined) source.localAs = asn
          const outcome = importOutcome(source, family, { ...given, nextHop: hops[family][1]! })
          if (outcome.kind !== 'accept') return
          const { attributes } = outcome
          const back = decodeAttributes(encodeAttributes(attributes), { global: attributes.nextHop })
          assert.deepEqual(back, attributes)
        },
      ),
      { numRuns: 300 },
    )
  })
}

function targetOf(kind: NeighbourKind, family: Family, options: object): ExportTarget {
  const given = Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined))
  return {
    kind,
    address: address('192.0.2.7'),
    asn: kind === 'internal' ? 65001 : 65007,
    localAsn: 65001,
    clusterId: address('10.0.0.1'),
    localAddress: hops[family][0]!,
    extendedNextHop: [],
    longLived: [family],
    ...given,
  }
}

/** Encoded for the target, and decoded as the target does. */
function arrives(target: ExportTarget, family: Family, attributes: PathAttributes): void {
  const { nextHop: global, linkLocalNextHop: linkLocal } = attributes
  const nextHop = linkLocal === undefined ? { global } : { global, linkLocal }
  const nlri = family === 'ipv4/unicast' ? Uint8Array.of(8, 10) : Uint8Array.of(16, 0x20, 0x01)
  const block = encodeAttributes(attributes)
  const [message] = encodeAnnouncements(family, block, nextHop, nlri, {
    fourOctetAsn: true,
    maxLength: 65535,
  })
  assert.ok(message !== undefined)
  const context: UpdateContext = {
    fourOctetAsn: true,
    kind: contexts[target.kind],
    families: [family],
    extendedNextHop: [],
  }
  const decoded = decodeUpdate(message.subarray(19), context)
  assert.ok(decoded.ok, decoded.ok ? '' : decoded.error.message)
  assert.deepEqual(decoded.value.faults, [])
  const [announced] = decoded.value.announced
  assert.ok(announced !== undefined)
  assert.deepEqual(decodeAttributes(decoded.value.attributes, announced.nextHop), attributes)
}
