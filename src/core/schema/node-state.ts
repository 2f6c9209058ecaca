/** `NodeState` (herald.dev/v1alpha1): what the speaker of one node reports. Its name is the node's. Status only. */
import { z } from 'zod'
import type { KubeObject } from './object.ts'

/** Whole numbers that only count. */
const count = z.int().min(0)

const objectRefSchema = z.object({
  kind: z.string(),
  namespace: z.string().optional(),
  name: z.string(),
})

export const nodeSessionSchema = z.object({
  instance: z.string(),
  peer: z.string().describe('Name of the peer in the instance'),
  localAsn: count,
  peerAsn: count,
  peerAddress: z.string(),
  peerInterface: z.string().optional().describe('Interface by which the neighbour is reached, if configured'),
  peerPort: count,
  state: z.enum(['idle', 'connect', 'active', 'openSent', 'openConfirm', 'established']),
  since: z
    .string()
    .optional()
    .describe('When the session last came up or went down (RFC 3339); absent: it has not been up yet'),
  routerId: z.string().optional().describe("The neighbour's, while the session is up"),
  families: z.array(
    z.object({ afi: z.string(), safi: z.string(), received: count, accepted: count, advertised: count }),
  ),
  configuredHoldTimeSeconds: count,
  appliedHoldTimeSeconds: count.optional(),
  configuredKeepaliveSeconds: count,
  appliedKeepaliveSeconds: count.optional(),
  connectRetrySeconds: count,
  multihopTtl: count,
  passwordEnabled: z.boolean(),
  heldDown: z.string().optional().describe('Why the session is kept down on purpose'),
  lastError: z
    .object({
      at: z.string().describe('RFC 3339'),
      direction: z.enum(['sent', 'received', 'local']),
      message: z.string(),
      hex: z.string().optional().describe('Start of the message that led to it'),
    })
    .optional(),
})

export const nodeProblemSchema = z.object({
  rule: z.string(),
  message: z.string(),
  hint: z.string().optional(),
  object: objectRefSchema.optional(),
  field: z.string().optional(),
  other: objectRefSchema.optional(),
})

export const nodeStateStatusSchema = z.object({
  endpoint: z.string().optional().describe("URL or unix socket of the speaker's own API"),
  observedAt: z.string().optional().describe('When this was written (RFC 3339)'),
  instances: z
    .array(
      z.object({
        name: z.string(),
        asn: count,
        routerId: z.string(),
        listenPort: count.optional(),
        source: objectRefSchema.optional(),
      }),
    )
    .optional(),
  sessions: z.array(nodeSessionSchema).optional(),
  counts: z
    .object({ sessions: count, established: count, advertised: count, withheld: count })
    .optional()
    .describe('Sessions, those established, own routes announced, and routes withheld'),
  problems: z.array(nodeProblemSchema).optional(),
})

export type NodeSession = z.output<typeof nodeSessionSchema>
export type NodeStateStatus = z.output<typeof nodeStateStatusSchema>

export interface NodeState extends KubeObject {
  kind: 'NodeState'
  status?: NodeStateStatus
}
