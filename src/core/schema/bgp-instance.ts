/** `BGPInstance` (herald.dev/v1alpha1): a BGP speaker on selected nodes. */
import { z } from 'zod'
import { asnField, ipv4Field, labelSelectorField, portField } from './fields.ts'
import type { KubeObject } from './object.ts'

export const bgpInstanceSpecSchema = z.strictObject({
  asn: asnField.describe('AS number of the speaker'),
  routerId: ipv4Field
    .optional()
    .describe("BGP identifier; absent: the node's internal IPv4 address, else derived from the node's name"),
  listenPort: portField
    .optional()
    .describe('Port to accept connections on; absent: the speaker only connects'),
  nodeSelector: labelSelectorField.optional().describe('Nodes that run the speaker; absent: all'),
  nodes: z
    .array(z.string().min(1))
    .optional()
    .describe('Names of nodes, to narrow what nodeSelector selects; absent: all of those'),
  overrides: z
    .array(
      z.strictObject({
        node: z.string().min(1).describe('Name of the node'),
        asn: asnField.optional(),
        routerId: ipv4Field.optional(),
        listenPort: portField.optional(),
      }),
    )
    .optional()
    .describe('What differs on single nodes'),
})

export type BGPInstanceSpec = z.output<typeof bgpInstanceSpecSchema>

export interface BGPInstance extends KubeObject {
  kind: 'BGPInstance'
  spec: BGPInstanceSpec
}
