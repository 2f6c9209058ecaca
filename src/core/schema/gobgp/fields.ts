/**
 * Fields of GoBGP's configuration file: weakly typed, as GoBGP reads it (a number may stand in quotes), and for some keys the
 * reason why Herald does nothing with them.
 */
import { z } from 'zod'
import { parseAddress, versionOf } from '#core/net/address.ts'
import { parsePrefix } from '#core/net/prefix.ts'
import { textField } from '../fields.ts'

export function numberField(min: number, max: number) {
  return z.preprocess(
    (value) => (typeof value === 'string' && /^[+-]?\d+(\.\d+)?$/.test(value) ? Number(value) : value),
    z.int().min(min).max(max),
  )
}

const uint32Max = 4294967295
export const uint32Field = numberField(0, uint32Max)
/** Whether it is a number of 32 bits in decimal. */
export function isUint32(text: string): boolean {
  return /^\d+$/.test(text) && Number(text) <= uint32Max
}

export const secondsField = numberField(0, 65535)

export const booleanField = z.preprocess(
  (value) => (value === 'true' || value === 1 ? true : value === 'false' || value === 0 ? false : value),
  z.boolean(),
)

export const wordField = z.preprocess(
  (value) => (typeof value === 'number' ? String(value) : value),
  z.string(),
)

/** An IPv4 address, or a number of 32 bits that stands for one. Empty or 0: none. */
export const clusterIdField = wordField.refine(
  (text) => {
    if (text === '' || isUint32(text)) return true
    const parsed = parseAddress(text)
    return parsed.ok && versionOf(parsed.value) === 4
  },
  { error: 'a cluster ID is an IPv4 address or a number of 32 bits' },
)

/** The value in lower case, one of these. */
export function choiceField<const T extends readonly [string, ...string[]]>(values: T) {
  return z.preprocess(
    (value) => (typeof value === 'string' ? value.toLowerCase() : value),
    z.enum(values as unknown as [T[number], ...T[number][]]),
  )
}

/** An empty text is as good as none. */
export const addressField = textField(
  (text) => (text === '' ? { ok: true } : parseAddress(text)),
  '',
  'write an IPv4 or IPv6 address without a prefix length',
)

/** Of a neighbour: perhaps with its zone, `fe80::1%eth0` (RFC 4007 §11). */
export const zonedAddressField = textField(
  (text) => (text === '' ? { ok: true } : parseAddress(text.replace(/%[^%/\s]+$/, ''))),
  '',
  'write an IPv4 or IPv6 address without a prefix length',
)

export const prefixField = textField(parsePrefix, '', 'write a network such as 10.0.0.0/24 or fd00::/64')

/** `as`: what it is about, for people. */
interface Inert {
  rule: 'Unsupported' | 'NoEffect'
  message: string
}

const inertFields = new WeakMap<z.ZodType, Inert>()

/** GoBGP does this and Herald does not: it goes on without, and says so. */
export function unsupported(message: string) {
  return inert({ rule: 'Unsupported', message })
}

/** It changes nothing, in GoBGP neither or because Herald does the same anyway. */
export function withoutEffect(message: string) {
  return inert({ rule: 'NoEffect', message })
}

function inert(about: Inert) {
  const field = z.unknown().optional()
  inertFields.set(field, about)
  return field
}

/** Why nothing is done with this field; undefined: it is obeyed. */
export function inertnessOf(schema: z.ZodType): Inert | undefined {
  return inertFields.get(schema)
}

/** `{ config: { … } }`, the shape of every part of the file; `state` is what GoBGP reports in the same model. */
export function part<T extends z.ZodRawShape>(config: T) {
  return z.strictObject({ config: z.strictObject(config).optional(), ...state }).optional()
}

export const state = { state: withoutEffect('it is what GoBGP reports and no setting') }
