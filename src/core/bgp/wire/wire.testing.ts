/** Arbitraries and hand-made bytes for tests of the codec. */
import fc from 'fast-check'
import { hex } from '#core/lib/bytes.ts'
import { addressFromBytes, type Address } from '#core/net/address.ts'
import { prefixOf, type Prefix } from '#core/net/prefix.ts'
import type { AsPathSegment } from '../attributes.ts'
import type { Family } from '../family.ts'
import type { BlockAttributes } from './attributes.ts'
import type { UpdateContext } from './context.ts'
import type { Capabilities, Open } from './message.ts'

export const bothFamilies: Family[] = ['ipv4/unicast', 'ipv6/unicast']

export const ebgp: UpdateContext = {
  fourOctetAsn: true,
  kind: 'ebgp',
  families: bothFamilies,
  extendedNextHop: ['ipv4/unicast'],
}

/** Bytes from hexadecimal digits; blanks are for the eye. */
export function bytes(...digits: string[]): Uint8Array {
  const text = digits.join('').replaceAll(/\s/g, '')
  return Uint8Array.from(text.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16))
}

/** A whole message of this type. */
export function message(type: number, body: Uint8Array): Uint8Array {
  const length = 19 + body.length
  return Uint8Array.of(...Array<number>(16).fill(0xff), length >> 8, length & 0xff, type, ...body)
}

/** Body of an UPDATE. */
export function updateBody(withdrawn: Uint8Array, attributes: Uint8Array, nlri: Uint8Array): Uint8Array {
  const length = (part: Uint8Array) => [part.length >> 8, part.length & 0xff]
  return Uint8Array.of(...length(withdrawn), ...withdrawn, ...length(attributes), ...attributes, ...nlri)
}

/** Objects as the decoder makes them, with the usual prototype. */
const plain = { noNullPrototype: true } as const

const u8 = fc.integer({ min: 0, max: 255 })
export const u32 = fc.integer({ min: 0, max: 0xffffffff })
const asn = fc.oneof(fc.integer({ min: 1, max: 65535 }), fc.integer({ min: 65536, max: 0xffffffff }))

export const ipv4 = fc
  .tuple(fc.integer({ min: 1, max: 126 }), u8, u8, u8)
  .map((octets) => addressFromBytes(Uint8Array.from(octets)))
export const ipv6 = fc
  .uint8Array({ minLength: 14, maxLength: 14 })
  .map((tail) => addressFromBytes(Uint8Array.of(0x20, 0x01, ...tail)))

export function prefixes(family: Family): fc.Arbitrary<Prefix[]> {
  const address: fc.Arbitrary<Address> = family === 'ipv4/unicast' ? ipv4 : ipv6
  const max = family === 'ipv4/unicast' ? 32 : 128
  const one = fc.tuple(address, fc.integer({ min: 0, max })).map(([a, length]) => prefixOf(a, length))
  return fc.array(one, { minLength: 1, maxLength: 2000, size: 'medium' })
}

const segments: fc.Arbitrary<AsPathSegment[]> = fc.array(
  fc.record(
    {
      kind: fc.constantFrom('sequence' as const, 'set' as const),
      asns: fc.array(asn, { minLength: 1, maxLength: 255 }),
    },
    plain,
  ),
  { maxLength: 3 },
)

function sorted<T>(values: T[], compare: (a: T, b: T) => number): T[] {
  return [...values].sort(compare)
}

/** Communities of so many octets, ascending. */
function hexList(octets: number): fc.Arbitrary<string[]> {
  return fc
    .uniqueArray(fc.uint8Array({ minLength: octets, maxLength: octets }).map(hex), {
      minLength: 1,
      maxLength: 10,
    })
    .map((list) => sorted(list, (a, b) => (a < b ? -1 : 1)))
}

/** As `decodeAttributes` gives them: sorted, without empty lists. `segments`: of the AS path. */
export const blockAttributes: fc.Arbitrary<BlockAttributes> = fc
  .record(
    {
      origin: fc.constantFrom('igp' as const, 'egp' as const, 'incomplete' as const),
      asPath: segments,
      med: u32,
      localPref: u32,
      atomicAggregate: fc.constant(true),
      aggregator: fc.record({ asn, address: ipv4 }, plain),
      communities: fc
        .uniqueArray(u32, { minLength: 1, maxLength: 80 })
        .map((list) => sorted(list, (a, b) => a - b)),
      largeCommunities: fc
        .uniqueArray(fc.tuple(u32, u32, u32), { minLength: 1, maxLength: 30, selector: String })
        .map((list) => sorted(list, (a, b) => a[0] - b[0] || a[1] - b[1] || a[2] - b[2])),
      originatorId: ipv4,
      clusterList: fc.array(ipv4, { minLength: 1, maxLength: 5 }),
      extendedCommunities: hexList(8),
      ipv6ExtendedCommunities: hexList(20),
      // The maximum is discarded by who receives it (RFC 7311 §3.2).
      aigp: fc.bigInt({ min: 0n, max: 0xffff_ffff_ffff_fffen }),
      aigpOthers: fc.constantFrom('020003', '070004ab01000b0000000000000001', '03012c'.padEnd(600, '0')),
      otc: u32,
      unknown: fc
        .uniqueArray(
          fc.record(
            {
              flags: fc.constantFrom(0xc0, 0xe0),
              type: fc.integer({ min: 40, max: 255 }),
              value: fc.uint8Array({ maxLength: 300 }),
            },
            plain,
          ),
          { minLength: 1, maxLength: 3, selector: ({ type }) => type },
        )
        .map((list) => sorted(list, (a, b) => a.type - b.type)),
    },
    { requiredKeys: ['origin', 'asPath'], noNullPrototype: true },
  )
  .map((drawn) => {
    const attributes = drawn as BlockAttributes
    if (attributes.aigp === undefined) delete attributes.aigpOthers
    return attributes
  })

const family = fc.constantFrom(...bothFamilies)

/** One for each of some families. */
function byFamily<T>(fields: { [K in keyof T]: fc.Arbitrary<T[K]> }): fc.Arbitrary<
  (T & { family: Family })[]
> {
  const one = fc.record({ family, ...fields }, plain) as fc.Arbitrary<T & { family: Family }>
  return fc.uniqueArray(one, { selector: (each) => each.family, maxLength: 2 })
}

const capabilities: fc.Arbitrary<Capabilities> = fc
  .record(
    {
      families: fc.subarray(bothFamilies),
      fourOctetAsn: fc.boolean(),
      routeRefresh: fc.boolean(),
      extendedNextHop: fc.subarray<Family>(['ipv4/unicast']),
      extendedMessages: fc.constant(true),
      enhancedRouteRefresh: fc.constant(true),
      addPath: byFamily({ receive: fc.boolean(), send: fc.boolean() }).map((each) =>
        each.filter(({ receive, send }) => receive || send),
      ),
      gracefulRestart: fc.record(
        {
          restarting: fc.boolean(),
          notification: fc.boolean(),
          restartSeconds: fc.integer({ min: 0, max: 4095 }),
          families: byFamily({ forwarding: fc.boolean() }),
        },
        plain,
      ),
      longLivedRestart: byFamily({
        forwarding: fc.boolean(),
        staleSeconds: fc.integer({ min: 0, max: 0xffffff }),
      }),
      role: fc.constantFrom('provider', 'rs', 'rs-client', 'customer', 'peer'),
      hostname: fc.constantFrom('tor1', 'späher', 'a'.repeat(64)),
      other: fc.array(
        fc.record(
          { code: fc.integer({ min: 74, max: 255 }), value: fc.uint8Array({ maxLength: 200 }) },
          plain,
        ),
        { maxLength: 4 },
      ),
    },
    {
      requiredKeys: ['families', 'fourOctetAsn', 'routeRefresh', 'extendedNextHop', 'other'],
      noNullPrototype: true,
    },
  )
  .map((each) => each as Capabilities)

export const open: fc.Arbitrary<Open> = fc.record(
  {
    kind: fc.constant('open' as const),
    version: fc.constant(4),
    asn: fc.integer({ min: 1, max: 65535 }),
    holdTimeSeconds: fc.oneof(fc.constant(0), fc.integer({ min: 3, max: 65535 })),
    routerId: ipv4,
    capabilities,
  },
  plain,
)
