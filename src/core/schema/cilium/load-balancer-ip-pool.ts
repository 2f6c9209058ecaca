/** `CiliumLoadBalancerIPPool` (cilium.io/v2 and v2alpha1): addresses for Services, as Cilium's users write them. */
import { z } from 'zod'
import { parsePrefix } from '#core/net/prefix.ts'
import { parseRange } from '#core/net/range.ts'
import { addressField, labelSelectorField, patterns, textField } from '../fields.ts'

const cidrField = textField(parsePrefix, patterns.prefix, 'write a network such as 10.0.0.0/24 or fd00::/64')

const blockSchema = z
  .strictObject({
    cidr: cidrField.optional(),
    start: addressField.optional(),
    stop: addressField.optional().describe('Absent: start is the only address'),
  })
  .superRefine((block, context) => {
    if ((block.cidr === undefined) === (block.start === undefined)) {
      context.addIssue({
        code: 'custom',
        message: 'a block has either cidr or start',
        params: { hint: 'write cidr, or start with or without stop' },
      })
    } else if (block.stop !== undefined && block.start === undefined) {
      context.addIssue({
        code: 'custom',
        path: ['stop'],
        message: 'stop goes with start and not with cidr',
        params: { hint: 'remove stop, or write start in place of cidr' },
      })
    } else if (block.start !== undefined && block.stop !== undefined) {
      const range = parseRange(`${block.start}-${block.stop}`)
      if (range.ok) return
      const params = { hint: 'write two addresses of one IP version, the lower one as start' }
      context.addIssue({ code: 'custom', path: ['stop'], message: range.error, params })
    }
  })
  .meta({
    'x-kubernetes-validations': [
      { rule: 'has(self.cidr) != has(self.start)', message: 'a block has either cidr or start' },
      { rule: '!has(self.stop) || has(self.start)', message: 'stop goes with start and not with cidr' },
    ],
  })

export const ciliumLoadBalancerIPPoolSpecSchema = z
  .strictObject({
    serviceSelector: labelSelectorField.optional().describe('Services that may use the pool; absent: all'),
    blocks: z.array(blockSchema).max(1000).optional(),
    cidrs: z.array(blockSchema).max(1000).optional().describe('The name of blocks up to Cilium 1.15'),
    allowFirstLastIPs: z
      .enum(['Yes', 'No'])
      .optional()
      .describe('No: leave out the first and the last address of every cidr; absent: Yes'),
    disabled: z.boolean().default(false).describe('Give no more addresses out; those given stay'),
  })
  .superRefine((spec, context) => {
    if ((spec.blocks ?? []).length + (spec.cidrs ?? []).length > 0) return
    context.addIssue({
      code: 'custom',
      path: ['blocks'],
      message: 'the pool has no addresses',
      params: { hint: 'add a block with a cidr' },
    })
  })

export type CiliumLoadBalancerIPPoolSpec = z.output<typeof ciliumLoadBalancerIPPoolSpecSchema>
