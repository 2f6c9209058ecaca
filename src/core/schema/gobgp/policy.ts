/** Defined sets and policies of GoBGP's configuration file. */
import { z } from 'zod'
import { compileRegex } from '#core/lib/regex.ts'
import type { Result } from '#core/lib/result.ts'
import { parseAddress } from '#core/net/address.ts'
import { parseCommunity, parseLargeCommunity } from '#core/net/community.ts'
import { parseExtendedCommunity } from '#core/net/extended-community.ts'
import {
  addressField,
  choiceField,
  isUint32,
  numberField,
  prefixField,
  uint32Field,
  wordField,
} from './fields.ts'

const changeOptions = choiceField(['add', 'remove', 'replace']).optional()
const names = z.array(wordField).optional()

/** A list of patterns, or of texts where `parse` takes them. */
function patternsField(parse?: (text: string) => Result<unknown>) {
  const item = wordField.superRefine((text, context) => {
    if (parse?.(text).ok === true) return
    const compiled = compileRegex(text)
    if (compiled.ok) return
    const message = `"${text}" is not a regular expression: ${compiled.error}`
    context.addIssue({ code: 'custom', message, params: { hint: 'put a backslash before what is literal' } })
  })
  return z.array(item).optional()
}

/** GoBGP's words for the kind before the first colon are in any case, and `soo` is another name of `ro`. */
export function extendedText(text: string): string {
  const colon = text.indexOf(':')
  const kind = text.slice(0, colon).toLowerCase()
  return `${kind === 'soo' ? 'ro' : kind}${text.slice(colon)}`
}

function parseExtended(text: string): Result<unknown> {
  return parseExtendedCommunity(extendedText(text))
}

/** Communities to remove may be patterns. */
function refuseBadCommunities(
  list: readonly string[] = [],
  options: 'add' | 'remove' | 'replace' | undefined,
  path: string,
  parse: (text: string) => Result<unknown>,
  context: z.RefinementCtx,
): void {
  for (const [i, text] of list.entries()) {
    const parsed = parse(text)
    if (parsed.ok || (options === 'remove' && compileRegex(text).ok)) continue
    context.addIssue({ code: 'custom', path: [path, 'communities-list', i], message: parsed.error })
  }
}

const refused =
  'Herald has no such condition, and a policy that is only half obeyed would let other routes pass'

const listsOnly = 'communities are set by communities-list only'

/** Conditions and actions that cannot be left out without changing what the policy means. */
function mustNotBe(message: string) {
  return z
    .unknown()
    .superRefine((_, context) => {
      context.addIssue({
        code: 'custom',
        message,
        params: { hint: 'take the statement out, or say it in another way' },
      })
    })
    .optional()
}

export const definedSetsSchema = z.strictObject({
  'prefix-sets': z
    .array(
      z.strictObject({
        'prefix-set-name': wordField,
        'prefix-list': z
          .array(
            z.strictObject({
              'ip-prefix': prefixField,
              'masklength-range': z
                .string()
                .regex(/^(\d{1,3}\.\.\d{1,3})?$/, 'write it as 16..24')
                .optional(),
            }),
          )
          .optional(),
      }),
    )
    .optional(),
  'neighbor-sets': z
    .array(z.strictObject({ 'neighbor-set-name': wordField, 'neighbor-info-list': names }))
    .optional(),
  'tag-sets': mustNotBe('tags are not known to Herald'),
  'bgp-defined-sets': z
    .strictObject({
      'community-sets': z
        .array(
          z.strictObject({
            'community-set-name': wordField,
            'community-list': patternsField(parseCommunity),
          }),
        )
        .optional(),
      'ext-community-sets': z
        .array(
          z.strictObject({
            'ext-community-set-name': wordField,
            'ext-community-list': patternsField(parseExtended),
          }),
        )
        .optional(),
      'as-path-sets': z
        .array(z.strictObject({ 'as-path-set-name': wordField, 'as-path-list': patternsField() }))
        .optional(),
      'large-community-sets': z
        .array(
          z.strictObject({
            'large-community-set-name': wordField,
            'large-community-list': patternsField(parseLargeCommunity),
          }),
        )
        .optional(),
    })
    .optional(),
})

const anyInvert = choiceField(['any', 'invert']).optional()
const anyAllInvert = choiceField(['any', 'all', 'invert']).optional()

const comparisonSchema = z
  .strictObject({
    operator: choiceField(['eq', 'ge', 'le', 'attribute-eq', 'attribute-ge', 'attribute-le']).optional(),
    value: uint32Field.optional(),
  })
  .optional()

const conditionsSchema = z.strictObject({
  'call-policy': mustNotBe(refused),
  'match-prefix-set': z
    .strictObject({ 'prefix-set': wordField.optional(), 'match-set-options': anyInvert })
    .optional(),
  'match-neighbor-set': z
    .strictObject({ 'neighbor-set': wordField.optional(), 'match-set-options': anyInvert })
    .optional(),
  'match-tag-set': mustNotBe(refused),
  'install-protocol-eq': mustNotBe(refused),
  'igp-conditions': mustNotBe(refused),
  'bgp-conditions': z
    .strictObject({
      'med-eq': uint32Field.optional(),
      'origin-eq': choiceField(['igp', 'egp', 'incomplete']).optional(),
      'next-hop-in-list': z.array(z.union([addressField, prefixField])).optional(),
      'afi-safi-in-list': names,
      'local-pref-eq': uint32Field.optional(),
      'community-count': comparisonSchema,
      'as-path-length': comparisonSchema,
      'match-community-set': z
        .strictObject({ 'community-set': wordField.optional(), 'match-set-options': anyAllInvert })
        .optional(),
      'match-ext-community-set': z
        .strictObject({ 'ext-community-set': wordField.optional(), 'match-set-options': anyAllInvert })
        .optional(),
      'match-as-path-set': z
        .strictObject({ 'as-path-set': wordField.optional(), 'match-set-options': anyAllInvert })
        .optional(),
      'match-large-community-set': z
        .strictObject({ 'large-community-set': wordField.optional(), 'match-set-options': anyAllInvert })
        .optional(),
      'route-type': choiceField(['internal', 'external', 'local', 'none']).optional(),
      'rpki-validation-result': choiceField(['none', 'not-found', 'valid', 'invalid']).optional(),
    })
    .optional(),
})

const actionsSchema = z.strictObject({
  'route-disposition': choiceField(['none', 'accept-route', 'reject-route']).optional(),
  'igp-actions': mustNotBe('there is no IGP whose tag could be set'),
  'bgp-actions': z
    .strictObject({
      'set-as-path-prepend': z
        .strictObject({
          // An octet in GoBGP, too.
          'repeat-n': numberField(0, 255).optional(),
          as: wordField
            .refine((text) => /^(last-as|)$/i.test(text) || (isUint32(text) && Number(text) > 0), {
              error: 'write an AS number or last-as',
            })
            .optional(),
        })
        .optional(),
      'set-community': z
        .strictObject({
          'set-community-method': z
            .strictObject({ 'communities-list': names, 'community-set-ref': mustNotBe(listsOnly) })
            .optional(),
          options: changeOptions,
        })
        .superRefine(({ options, 'set-community-method': method }, context) => {
          const list = method?.['communities-list']
          refuseBadCommunities(list, options, 'set-community-method', parseCommunity, context)
        })
        .optional(),
      'set-ext-community': z
        .strictObject({
          'set-ext-community-method': z
            .strictObject({ 'communities-list': names, 'ext-community-set-ref': mustNotBe(listsOnly) })
            .optional(),
          options: changeOptions,
        })
        .superRefine(({ options, 'set-ext-community-method': method }, context) => {
          const list = method?.['communities-list']
          refuseBadCommunities(list, options, 'set-ext-community-method', parseExtended, context)
        })
        .optional(),
      'set-large-community': z
        .strictObject({
          'set-large-community-method': z.strictObject({ 'communities-list': names }).optional(),
          options: changeOptions,
        })
        .superRefine(({ options, 'set-large-community-method': method }, context) => {
          const list = method?.['communities-list']
          refuseBadCommunities(list, options, 'set-large-community-method', parseLargeCommunity, context)
        })
        .optional(),
      'set-route-origin': choiceField(['igp', 'egp', 'incomplete']).optional(),
      'set-local-pref': uint32Field.optional(),
      'set-next-hop': wordField
        .refine((text) => /^(self|unchanged|peer-address|)$/i.test(text) || parseAddress(text).ok, {
          error: 'write self, unchanged, peer-address or an address',
        })
        .optional(),
      'set-med': wordField
        .refine((text) => text === '' || isUint32(text.replace(/^[+-]/, '')), {
          error: 'write 100, +100 or -100, at most 4294967295',
        })
        .optional(),
    })
    .optional(),
})

export const policyDefinitionSchema = z.strictObject({
  name: wordField,
  statements: z
    .array(
      z.strictObject({
        name: wordField.optional(),
        conditions: conditionsSchema.optional(),
        actions: actionsSchema.optional(),
      }),
    )
    .optional(),
})

export type GobgpDefinedSets = z.output<typeof definedSetsSchema>
export type GobgpPolicy = z.output<typeof policyDefinitionSchema>
export type GobgpStatement = NonNullable<GobgpPolicy['statements']>[number]
