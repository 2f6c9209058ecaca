/** The part of a `BGPInstance` that says where validated route origins come from. */
import { z } from 'zod'
import { addressField, portField } from './fields.ts'

export const rpkiSchema = z.strictObject({
  caches: z
    .array(
      z.strictObject({
        address: addressField.describe('IP address of the cache'),
        port: portField.default(323).describe('TCP port of the RPKI-to-Router protocol (RFC 8210)'),
        preference: z
          .int()
          .min(0)
          .max(255)
          .default(1)
          .describe('The lowest is used; another one only while that cannot be reached'),
      }),
    )
    .min(1)
    .max(16),
})
