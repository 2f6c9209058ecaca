/** `AddressPool` (herald.dev/v1alpha1): addresses that Services may get. */
import { z } from 'zod'
import { labelSelectorField, rangeField } from './fields.ts'
import type { KubeObject } from './object.ts'

export const addressPoolSpecSchema = z.strictObject({
  ranges: z
    .array(rangeField)
    .min(1)
    .describe('Prefixes (`10.0.0.0/24`), ranges (`10.0.0.10-10.0.0.20`) and single addresses, IPv4 and IPv6'),
  serviceSelector: labelSelectorField
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
