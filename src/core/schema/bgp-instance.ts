/** `BGPInstance` (herald.dev/v1alpha1): a BGP speaker on selected nodes. */
import { z } from 'zod'
import { addressField, asnField, ipv4Field, labelSelectorField, portField } from './fields.ts'
import { bmpStationsSchema } from './bmp.ts'
import type { KubeObject } from './object.ts'
import { mrtSchema } from './mrt.ts'
import { rpkiSchema } from './rpki.ts'

const pathCount = z.int().min(1).max(255)

export const bgpInstanceSpecSchema = z.strictObject({
  asn: asnField.describe('AS number of the speaker; in a confederation, of the member AS'),
  routerId: ipv4Field
    .optional()
    .describe("BGP identifier; absent: the node's internal IPv4 address, else derived from the node's name"),
  listenPort: portField
    .optional()
    .describe('Port to accept connections on; absent: the speaker only connects'),
  listenAddresses: z
    .array(addressField)
    .optional()
    .describe('Accept connections on these addresses only; absent: on all'),
  clusterId: ipv4Field
    .optional()
    .describe(
      'Of the route reflector (RFC 4456); absent: the router ID. Reflectors of one cluster have the same',
    ),
  confederation: z
    .strictObject({
      asn: asnField.describe('AS number that the world sees'),
      members: z.array(asnField).optional().describe('AS numbers of the other members'),
    })
    .optional()
    .describe('The speaker is in a member AS of a confederation (RFC 5065)'),
  maxPaths: z
    .strictObject({
      external: pathCount.optional().describe('From eBGP neighbours; absent: 1'),
      internal: pathCount.optional().describe('From iBGP neighbours; absent: 1'),
    })
    .optional()
    .describe('How many equally good paths count as used'),
  alwaysCompareMed: z
    .boolean()
    .optional()
    .describe('Compare MED of paths from different neighbouring ASes too'),
  maxSessions: z.int().min(1).max(65535).optional().describe('Most sessions at a time; absent: no limit'),
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
        clusterId: ipv4Field.optional(),
      }),
    )
    .optional()
    .describe('What differs on single nodes'),
  bmpStations: bmpStationsSchema.optional().describe('Monitoring stations that are told what happens'),
  mrt: mrtSchema.optional().describe('Files to dump messages and tables to (RFC 6396)'),
  rpki: rpkiSchema.optional().describe('Caches to learn validated route origins from (RFC 6811)'),
})

export type BGPInstanceSpec = z.output<typeof bgpInstanceSpecSchema>

export interface BGPInstance extends KubeObject {
  kind: 'BGPInstance'
  spec: BGPInstanceSpec
}
