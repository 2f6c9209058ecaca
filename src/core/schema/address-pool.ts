/** `AddressPool` (herald.dev/v1alpha1): addresses that Services may get. */
import { z } from 'zod'
import type { KubeObject, LabelSelector } from './object.ts'

export const labelSelectorSchema: z.ZodType<LabelSelector> = z.object({
  matchLabels: z.record(z.string(), z.string()).optional(),
  matchExpressions: z
    .array(
      z.object({
        key: z.string(),
        operator: z.enum(['In', 'NotIn', 'Exists', 'DoesNotExist']),
        values: z.array(z.string()).optional(),
      }),
    )
    .optional(),
})

export const addressPoolSpecSchema = z.object({
  ranges: z
    .array(z.string())
    .min(1)
    .describe('Prefixes (`10.0.0.0/24`), ranges (`10.0.0.10-10.0.0.20`) and single addresses, IPv4 and IPv6'),
  serviceSelector: labelSelectorSchema
    .optional()
    .describe(
      'Services that may use the pool, by their labels and the keys io.kubernetes.service.name and io.kubernetes.service.namespace; absent: all',
    ),
  priority: z.int().min(0).optional().describe('Lower is tried first; absent: last'),
  autoAssign: z.boolean().default(true).describe('false: only for Services that name an address or the pool'),
  avoidFirstAndLast: z
    .boolean()
    .default(false)
    .describe('Leave out the first and the last address of every prefix'),
  disabled: z.boolean().default(false).describe('Give no more addresses out; those given stay'),
})

export type AddressPoolSpec = z.output<typeof addressPoolSpecSchema>

export interface AddressPool extends KubeObject {
  kind: 'AddressPool'
  spec: AddressPoolSpec
}
