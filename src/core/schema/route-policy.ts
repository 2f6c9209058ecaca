/** `RoutePolicy` (herald.dev/v1alpha1): what is done with routes that come in from neighbours or go out to them. */
import { z } from 'zod'
import { compileRegex } from '#core/lib/regex.ts'
import { addressBits, parseAddress } from '#core/net/address.ts'
import { parseCommunity, parseLargeCommunity } from '#core/net/community.ts'
import { parseExtendedCommunity } from '#core/net/extended-community.ts'
import { lengthOf, parsePrefix, prefixVersion } from '#core/net/prefix.ts'
import { patterns, prefixField, textField } from './fields.ts'
import type { KubeObject } from './object.ts'
import { familyField } from './peer-settings.ts'

const uint32 = z.int().min(0).max(4294967295)
const asnField = z.int().min(1).max(4294967295)
const setName = z.string().min(1)
/** Longer ones are no longer read by people. */
const regexLengthMax = 500

const communityField = textField(
  parseCommunity,
  '^([0-9]{1,10}|[0-9]{1,5}:[0-9]{1,5}|[a-z0-9-]+)$',
  'write high:low (0..65535 each), one number, or a name such as no-export',
)
const largeField = textField(
  parseLargeCommunity,
  '^[0-9]{1,10}:[0-9]{1,10}:[0-9]{1,10}$',
  'write three numbers of 32 bits as a:b:c',
)

const extendedField = textField(
  parseExtendedCommunity,
  '^[a-zA-Z0-9]+(:.+)?$',
  'write rt:asn:value, ro:asn:value, lb:asn:bytes-per-second, color:value or 0x with 16 digits',
)

/** An address or a network. */
const placeField = textField(
  (text) => (text.includes('/') ? parsePrefix(text) : parseAddress(text)),
  `(${patterns.address}|${patterns.prefix})`,
  'write an address such as 192.0.2.1 or a network such as 192.0.2.0/24',
)

const regexField = z
  .string()
  .min(1)
  .max(regexLengthMax)
  .superRefine((source, context) => {
    const compiled = compileRegex(source)
    if (compiled.ok) return
    const message = `"${source}" is not a regular expression: ${compiled.error}`
    context.addIssue({ code: 'custom', message, params: { hint: 'put a backslash before what is literal' } })
  })

const prefixEntrySchema = z
  .strictObject({
    prefix: prefixField,
    minLength: z.int().min(0).max(128).optional().describe('Absent: that of the prefix'),
    maxLength: z
      .int()
      .min(0)
      .max(128)
      .optional()
      .describe('Absent: that of the prefix, or with minLength the longest there is'),
  })
  .superRefine((entry, context) => {
    const prefix = parsePrefix(entry.prefix)
    if (!prefix.ok) return
    const [own, bits] = [lengthOf(prefix.value), addressBits(prefixVersion(prefix.value))]
    const { minLength = own, maxLength = bits } = entry
    const wrong =
      minLength < own || minLength > bits
        ? 'minLength'
        : maxLength < minLength || maxLength > bits
          ? 'maxLength'
          : ''
    if (wrong === '') return
    const message = `no prefix inside ${entry.prefix} has a length from ${minLength} to ${maxLength}`
    const hint = `write ${own} ≤ minLength ≤ maxLength ≤ ${bits}`
    context.addIssue({ code: 'custom', path: [wrong], message, params: { hint } })
  })

const asPathEntrySchema = z
  .strictObject({
    regex: regexField
      .optional()
      .describe('Over the AS numbers with blanks between; _ is a blank, the start or the end'),
    startsWith: z.array(asnField).min(1).optional().describe('The path starts with these, in this order'),
    originatedBy: z.array(asnField).min(1).optional().describe('The last AS number is one of these'),
    contains: z.array(asnField).min(1).optional().describe('One of these is in the path'),
  })
  .superRefine((entry, context) => {
    if (Object.values(entry).filter((value) => value !== undefined).length === 1) return
    const message = 'an entry says exactly one thing'
    const hint = 'write one of regex, startsWith, originatedBy and contains'
    context.addIssue({ code: 'custom', message, params: { hint } })
  })

function textsOf<T extends z.ZodType>(text: T) {
  return {
    entries: z.array(text).optional(),
    regexes: z
      .array(regexField)
      .optional()
      .describe('Over the text as tables show it, or as plain numbers; ^ and $ are its ends'),
  }
}

const setLists = {
  prefixes: { entries: z.array(prefixEntrySchema).optional() },
  neighbours: { entries: z.array(placeField).optional().describe('Addresses and networks') },
  communities: textsOf(communityField),
  largeCommunities: textsOf(largeField),
  extendedCommunities: textsOf(extendedField),
  asPaths: { entries: z.array(asPathEntrySchema).optional() },
}

/** Kinds of sets. */
export type SetKind = keyof typeof setLists

const named = { 'x-kubernetes-list-type': 'map', 'x-kubernetes-list-map-keys': ['name'] }

function setsOf<T extends z.ZodRawShape>(content: T) {
  return z
    .array(z.strictObject({ name: setName, ...content }))
    .optional()
    .meta(named)
}

const setsSchema = z
  .strictObject({
    prefixes: setsOf(setLists.prefixes),
    neighbours: setsOf(setLists.neighbours),
    communities: setsOf(setLists.communities),
    largeCommunities: setsOf(setLists.largeCommunities),
    extendedCommunities: setsOf(setLists.extendedCommunities),
    asPaths: setsOf(setLists.asPaths),
  })
  .describe('Lists with a name, for several statements of this policy')

const anyOrNone = z.enum(['any', 'none']).default('any')
const anyAllNone = z
  .enum(['any', 'all', 'none'])
  .default('any')
  .describe('any: at least one member is there; all: each; none: no member')
const useSet = z.string().min(1).optional().describe('Name of a set of spec.sets, beside the entries here')

const comparisonSchema = z.strictObject({ operator: z.enum(['eq', 'ge', 'le']).default('eq'), value: uint32 })

const matchSchema = z
  .strictObject({
    families: z.array(familyField).min(1).optional(),
    prefixes: z.strictObject({ mode: anyOrNone, set: useSet, ...setLists.prefixes }).optional(),
    neighbours: z
      .strictObject({ mode: anyOrNone, set: useSet, ...setLists.neighbours })
      .optional()
      .describe('The neighbour that the route came from (import) or goes to (export)'),
    neighbourAsns: z.array(asnField).min(1).optional().describe("That neighbour's AS number"),
    communities: z.strictObject({ mode: anyAllNone, set: useSet, ...setLists.communities }).optional(),
    largeCommunities: z
      .strictObject({ mode: anyAllNone, set: useSet, ...setLists.largeCommunities })
      .optional(),
    extendedCommunities: z
      .strictObject({ mode: anyAllNone, set: useSet, ...setLists.extendedCommunities })
      .optional(),
    asPath: z.strictObject({ mode: anyAllNone, set: useSet, ...setLists.asPaths }).optional(),
    asPathLength: comparisonSchema.optional(),
    communityCount: comparisonSchema.optional(),
    nextHops: z.array(placeField).min(1).optional().describe('The next hop is in one of these'),
    med: comparisonSchema.optional(),
    localPref: comparisonSchema.optional(),
    origins: z
      .array(z.enum(['igp', 'egp', 'incomplete']))
      .min(1)
      .optional(),
    sources: z
      .array(z.enum(['own', 'internal', 'external']))
      .min(1)
      .optional()
      .describe('own: of this speaker; else the kind of neighbour that the route came from'),
    learnedFrom: z
      .array(z.string().min(1))
      .min(1)
      .optional()
      .describe('Names of the peers that the route came from, for export'),
    rpki: z
      .array(z.enum(['valid', 'invalid', 'notFound']))
      .min(1)
      .optional()
      .describe('Validity of the origin (RFC 6811)'),
  })
  .describe('All of them must hold; absent: every route')

function changesOf<T extends z.ZodType>(text: T) {
  return z.strictObject({
    replace: z.array(text).optional().describe('These instead of those that are there'),
    remove: z.array(text).optional(),
    removeRegexes: z.array(regexField).optional(),
    add: z.array(text).optional(),
  })
}

const medSchema = z
  .strictObject({
    set: uint32.optional(),
    add: z.int().min(-4294967295).max(4294967295).optional().describe('Negative: take away'),
    remove: z.boolean().optional(),
  })
  .superRefine((med, context) => {
    if (Object.values(med).filter((value) => value !== undefined).length === 1) return
    const hint = 'write one of set, add and remove'
    context.addIssue({ code: 'custom', message: 'the MED is changed in one way', params: { hint } })
  })
  .meta({
    'x-kubernetes-validations': [
      {
        rule: '[has(self.set), has(self.add), has(self.remove)].exists_one(one, one)',
        message: 'the MED is changed in one way',
      },
    ],
  })

const actionsSchema = z.strictObject({
  localPref: uint32.optional(),
  med: medSchema.optional(),
  weight: z
    .int()
    .min(0)
    .max(65535)
    .optional()
    .describe('Higher wins before all but a route that is long-lived stale, on this speaker only'),
  origin: z.enum(['igp', 'egp', 'incomplete']).optional(),
  prepend: z
    .strictObject({
      asn: asnField.optional().describe('Absent: what as says'),
      as: z
        .enum(['own', 'first'])
        .optional()
        .describe("The speaker's number, or the path's first; absent: own"),
      count: z.int().min(1).max(255).default(1),
    })
    .optional(),
  nextHop: textField(
    (text) => (['self', 'keep', 'peer'].includes(text) ? { ok: true } : parseAddress(text)),
    `(^(self|keep|peer)$|${patterns.address})`,
    'write self, keep, peer or an address',
  ).optional(),
  communities: changesOf(communityField).optional(),
  largeCommunities: changesOf(largeField).optional(),
  extendedCommunities: changesOf(extendedField).optional(),
})

const statementSchema = z.strictObject({
  name: z.string().min(1).optional().describe('What "rejected by" names; absent: its number'),
  match: matchSchema.optional(),
  set: actionsSchema.optional().describe('What is changed before the route goes on'),
  then: z
    .enum(['accept', 'reject', 'next'])
    .default('accept')
    .describe('next: ask the next statement, with what was changed'),
})

export const routePolicySpecSchema = z
  .strictObject({
    sets: setsSchema.optional(),
    statements: z
      .array(statementSchema)
      .max(1000)
      .describe('In order: the first that matches and does not say next decides'),
  })
  .superRefine(({ sets, statements }, context) => {
    for (const [i, { match }] of statements.entries()) {
      for (const [field, kind] of setFields) {
        const name = match?.[field]?.set
        if (name === undefined || sets?.[kind]?.some((set) => set.name === name) === true) continue
        const message = `there is no set "${name}" in spec.sets.${kind}`
        context.addIssue({
          code: 'custom',
          path: ['statements', i, 'match', field, 'set'],
          message,
          params: { hint: 'add it there, or mend the name' },
        })
      }
    }
    for (const [kind, list] of Object.entries(sets ?? {})) refuseDuplicates(kind, list ?? [], context)
  })

/** Which kind of set a match uses. */
const setFields = [
  ['prefixes', 'prefixes'],
  ['neighbours', 'neighbours'],
  ['communities', 'communities'],
  ['largeCommunities', 'largeCommunities'],
  ['extendedCommunities', 'extendedCommunities'],
  ['asPath', 'asPaths'],
] as const satisfies [keyof z.output<typeof matchSchema>, SetKind][]

function refuseDuplicates(kind: string, list: readonly { name: string }[], context: z.RefinementCtx): void {
  const seen = new Set<string>()
  for (const [i, { name }] of list.entries()) {
    if (!seen.has(name)) seen.add(name)
    else {
      const params = { hint: 'give each its own name' }
      context.addIssue({
        code: 'custom',
        path: ['sets', kind, i, 'name'],
        message: `there are two sets "${name}"`,
        params,
      })
    }
  }
}

export type RoutePolicySpec = z.output<typeof routePolicySpecSchema>
export type RoutePolicyMatch = z.output<typeof matchSchema>
export type RoutePolicyActions = z.output<typeof actionsSchema>

export interface RoutePolicy extends KubeObject {
  kind: 'RoutePolicy'
  spec: RoutePolicySpec
}
