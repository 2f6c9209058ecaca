/**
 * Fields that several resources share: addresses, prefixes, ports, AS numbers, label selectors.
 *
 * A check here is exact; the `pattern` beside it is what an OpenAPI schema can say of it (RE2: no lookaround), so that
 * an API server refuses most mistakes already.
 */
import { z } from 'zod'
import { addressBits, parseAddress, versionOf } from '#core/net/address.ts'
import { lengthOf, parsePrefix, prefixVersion } from '#core/net/prefix.ts'
import { parseRange } from '#core/net/range.ts'
import type { LabelSelector } from './object.ts'

const octet = '(25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])'
const ipv4 = `${octet}(\\.${octet}){3}`
/** Looser than RFC 4291 §2.2: hexadecimal groups, at least two colons, perhaps dotted decimal at the end. */
const ipv6 = `[0-9a-fA-F]{0,4}:[0-9a-fA-F:]{0,34}:([0-9a-fA-F]{0,4}|${ipv4})`
const length4 = '(3[0-2]|[12]?[0-9])'
const length6 = '(12[0-8]|1[01][0-9]|[1-9]?[0-9])'

/** Regular expressions for OpenAPI schemas. */
export const patterns = {
  ipv4: `^${ipv4}$`,
  address: `^(${ipv4}|${ipv6})$`,
  prefix: `^(${ipv4}/${length4}|${ipv6}/${length6})$`,
  hostPrefix: `^(${ipv4}/32|${ipv6}/128)$`,
  range: `^(${ipv4}(/${length4}|-${ipv4})?|${ipv6}(/${length6}|-${ipv6})?)$`,
} as const

/**
 * A string that `parse` accepts; its error becomes the message of the problem. What stands after a semicolon in it is
 * advice on this very value, and then the hint; else `hint` is.
 */
export function textField(
  parse: (text: string) => { ok: true } | { ok: false; error: string },
  pattern: string,
  hint: string,
) {
  return z
    .string()
    .superRefine((value, context) => {
      const parsed = parse(value)
      if (parsed.ok) return
      const cut = parsed.error.lastIndexOf('; ')
      const message = cut < 0 ? parsed.error : parsed.error.slice(0, cut)
      const params = { hint: cut < 0 ? hint : parsed.error.slice(cut + 2) }
      context.addIssue({ code: 'custom', message, params })
    })
    .meta({ pattern })
}

export const addressField = textField(
  parseAddress,
  patterns.address,
  'write an IPv4 or IPv6 address without a prefix length',
)

export const ipv4Field = textField(
  (value) => {
    const parsed = parseAddress(value)
    if (parsed.ok && versionOf(parsed.value) === 4 && parsed.value !== '0.0.0.0') return { ok: true }
    return { ok: false, error: `"${value}" is not an IPv4 address` }
  },
  patterns.ipv4,
  'write four numbers from 0 to 255 with dots between them',
)

export const prefixField = textField(
  parsePrefix,
  patterns.prefix,
  'write a network such as 10.0.0.0/24 or fd00::/64',
)

/** A prefix of one address. */
export const hostPrefixField = textField(
  (value) => {
    const parsed = parsePrefix(value)
    if (!parsed.ok) return parsed
    if (lengthOf(parsed.value) === addressBits(prefixVersion(parsed.value))) return { ok: true }
    return { ok: false, error: `"${value}" is a network and not one address` }
  },
  patterns.hostPrefix,
  'write the address with /32 (IPv4) or /128 (IPv6) at its end',
)

/** A prefix, a range `first-last` or an address. */
export const rangeField = textField(
  parseRange,
  patterns.range,
  'write a network (10.0.0.0/24), a range (10.0.0.10-10.0.0.20) or an address',
)

/** A rule about several fields of one object, as CEL for an API server and as a function for everybody else. */
export interface CrossCheck<T> {
  rule: string
  message: string
  hint: string
  /** The field that the problem names. */
  path: string
  holds: (value: T) => boolean
}

/** The schema of an object with these rules. */
export function withChecks<S extends z.ZodType>(schema: S, checks: readonly CrossCheck<z.output<S>>[]): S {
  return schema
    .superRefine((value, context) => {
      for (const { holds, message, hint, path } of checks) {
        if (!holds(value)) context.addIssue({ code: 'custom', message, path: [path], params: { hint } })
      }
    })
    .meta({ 'x-kubernetes-validations': checks.map(({ rule, message }) => ({ rule, message })) })
}

export const portField = z.int().min(1).max(65535)

/** An AS number of a speaker: never 0 (RFC 7607). */
export const asnField = z.int().min(1).max(4294967295)

export const labelSelectorField: z.ZodType<LabelSelector> = z.strictObject({
  matchLabels: z.record(z.string(), z.string()).optional(),
  matchExpressions: z
    .array(
      z.strictObject({
        key: z.string().min(1),
        operator: z.enum(['In', 'NotIn', 'Exists', 'DoesNotExist']),
        values: z.array(z.string()).optional(),
      }),
    )
    .optional(),
})
