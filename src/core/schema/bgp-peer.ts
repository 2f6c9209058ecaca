/** `BGPPeer` (herald.dev/v1alpha1): one neighbour of instances on selected nodes. */
import { z } from 'zod'
import { addressField, labelSelectorField, portField } from './fields.ts'
import type { KubeObject } from './object.ts'

const timersSchema = z
  .strictObject({
    connectRetrySeconds: z.int().min(1).max(65535).default(120),
    // 0: never expires; 1 and 2 are not allowed (RFC 4271 §4.2).
    holdTimeSeconds: z
      .int()
      .min(0)
      .max(65535)
      .default(90)
      .refine((seconds) => seconds === 0 || seconds >= 3, 'must be 0 (never expires) or at least 3')
      .meta({
        'x-kubernetes-validations': [
          { rule: 'self == 0 || self >= 3', message: 'must be 0 (never expires) or at least 3' },
        ],
      }),
    keepaliveSeconds: z.int().min(1).max(21845).default(30),
  })
  .refine((timers) => timers.holdTimeSeconds === 0 || timers.keepaliveSeconds <= timers.holdTimeSeconds, {
    message: 'keepaliveSeconds must not be more than holdTimeSeconds',
    path: ['keepaliveSeconds'],
  })
  .meta({
    'x-kubernetes-validations': [
      {
        rule: 'self.holdTimeSeconds == 0 || self.keepaliveSeconds <= self.holdTimeSeconds',
        message: 'keepaliveSeconds must not be more than holdTimeSeconds',
      },
    ],
  })

export const bgpPeerSpecSchema = z.strictObject({
  instances: z
    .array(z.string().min(1))
    .optional()
    .describe('Names of the BGPInstances that have this neighbour; absent: all'),
  nodeSelector: labelSelectorField.optional().describe('Nodes on which they have it; absent: all'),
  address: addressField.describe('IP address of the neighbour'),
  port: portField.default(179).describe('TCP port to connect to'),
  asn: z.int().min(0).max(4294967295).describe('AS number of the neighbour; 0: any'),
  families: z
    .array(z.enum(['ipv4/unicast', 'ipv6/unicast']))
    .min(1)
    .default(['ipv4/unicast', 'ipv6/unicast']),
  timers: timersSchema.prefault({}),
  passive: z.boolean().default(false).describe('Wait for the neighbour to connect'),
  multihopTtl: z
    .int()
    .min(1)
    .max(255)
    .default(1)
    .describe('IP TTL towards an eBGP neighbour: 1 when it is directly connected; iBGP always has 255'),
  sourceAddress: addressField
    .optional()
    .describe('Source address of the connection; absent: the routing table chooses'),
  passwordSecret: z
    .strictObject({
      namespace: z.string().min(1),
      name: z.string().min(1),
      key: z.string().min(1).default('password'),
    })
    .optional()
    .describe('Secret with the TCP MD5 password (RFC 2385); while it is missing the session stays down'),
  importRoutes: z.boolean().default(false).describe('Use the routes that the neighbour sends'),
  exportLearned: z.boolean().default(false).describe('Pass on routes learned from other neighbours'),
})

export type BGPPeerSpec = z.output<typeof bgpPeerSpecSchema>

export interface BGPPeer extends KubeObject {
  kind: 'BGPPeer'
  spec: BGPPeerSpec
}
