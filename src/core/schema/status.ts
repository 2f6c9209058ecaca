/** The status that resources with conditions have. */
import { z } from 'zod'

export const conditionSchema = z.object({
  type: z.string(),
  status: z.enum(['True', 'False', 'Unknown']),
  lastTransitionTime: z.string().meta({ format: 'date-time' }),
  reason: z.string(),
  message: z.string(),
  observedGeneration: z.int().optional(),
})

export const conditionsStatusSchema = z.object({
  conditions: z
    .array(conditionSchema)
    .optional()
    .meta({ 'x-kubernetes-list-type': 'map', 'x-kubernetes-list-map-keys': ['type'] }),
})
