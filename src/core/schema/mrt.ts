/** The part of a `BGPInstance` that says what is dumped to files. */
import { z } from 'zod'

const fileField = z
  .string()
  .min(1)
  .startsWith('/', 'must be an absolute path')
  .meta({ pattern: '^/' })
  .describe('Path; %Y %m %d %H %M %S (UTC) and %i (instance) are filled in when the file is begun')

export const mrtSchema = z.strictObject({
  updates: z
    .strictObject({
      file: fileField,
      rotateSeconds: z.int().min(1).max(604800).default(900).describe('A new file is begun this often'),
      rotateBytes: z.int().min(4096).optional().describe('And when the file has become this long'),
    })
    .optional()
    .describe('Messages received and sessions that come and go (RFC 6396 BGP4MP)'),
  rib: z
    .strictObject({
      file: fileField,
      intervalSeconds: z.int().min(1).max(604800).default(7200).describe('Between two dumps'),
    })
    .optional()
    .describe('All routes as received, and own ones (RFC 6396 TABLE_DUMP_V2)'),
})
