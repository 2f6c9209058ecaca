/** The part of a `BGPInstance` that says which monitoring stations are told what happens. */
import { z } from 'zod'
import { addressField, portField } from './fields.ts'

export const bmpStationsSchema = z
  .array(
    z.strictObject({
      address: addressField.describe('IP address of the station'),
      port: portField.default(11019).describe('TCP port of the BGP Monitoring Protocol (RFC 7854)'),
      views: z
        .array(z.enum(['pre', 'post', 'adjOut', 'locRib']))
        .min(1)
        .default(['pre'])
        .describe(
          'Routes as received, as let in by import policy, as sent (RFC 8671), the best ones (RFC 9069)',
        ),
      statisticsSeconds: z
        .int()
        .min(1)
        .max(86400)
        .optional()
        .describe('Between two statistics reports of each peer; absent: none'),
    }),
  )
  .max(16)
