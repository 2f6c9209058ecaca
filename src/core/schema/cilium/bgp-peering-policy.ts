/** `CiliumBGPPeeringPolicy` (cilium.io/v2alpha1): BGP as Cilium's users write it up to version 1.18. */
import { z } from 'zod'
import {
  largeCommunityField,
  serviceAddressKinds,
  standardCommunityField,
  wellKnownCommunityField,
} from '../bgp-advertisement.ts'
import { hostPrefixField, labelSelectorField, portField } from '../fields.ts'

const asnField = z.int().min(0).max(4294967295)

const pathAttributesSchema = z.strictObject({
  selectorType: z.enum(['PodCIDR', 'CiliumLoadBalancerIPPool', 'CiliumPodIPPool']),
  selector: labelSelectorField.optional().describe('Absent: all objects of selectorType'),
  communities: z
    .strictObject({
      standard: z.array(standardCommunityField).optional(),
      wellKnown: z.array(wellKnownCommunityField).optional(),
      large: z.array(largeCommunityField).optional(),
    })
    .optional(),
  localPreference: z.int().min(0).max(4294967295).optional().describe('To iBGP neighbors only'),
})

const familySchema = z.strictObject({
  afi: z.enum(['ipv4', 'ipv6', 'l2vpn', 'ls', 'opaque']),
  safi: z.enum([
    'unicast',
    'multicast',
    'mpls_label',
    'encapsulation',
    'vpls',
    'evpn',
    'ls',
    'sr_policy',
    'mup',
    'mpls_vpn',
    'mpls_vpn_multicast',
    'route_target_constraints',
    'flowspec_unicast',
    'flowspec_vpn',
    'key_value',
  ]),
})

const keepaliveMessage = 'keepAliveTimeSeconds must not be more than holdTimeSeconds'

const neighborSchema = z
  .strictObject({
    peerAddress: hostPrefixField.describe('Address of the neighbor with /32 or /128'),
    peerPort: portField.default(179),
    peerASN: asnField,
    authSecretRef: z.string().min(1).optional().describe('Name of the Secret with the TCP MD5 password'),
    eBGPMultihopTTL: z.int().min(1).max(255).default(1),
    connectRetryTimeSeconds: z.int().min(1).max(2147483647).default(120),
    holdTimeSeconds: z.int().min(3).max(65535).default(90),
    keepAliveTimeSeconds: z.int().min(1).max(65535).default(30),
    gracefulRestart: z
      .strictObject({
        enabled: z.boolean(),
        restartTimeSeconds: z.int().min(1).max(4095).default(120),
      })
      .optional(),
    families: z.array(familySchema).optional().describe('Absent: IPv4 and IPv6 unicast'),
    advertisedPathAttributes: z.array(pathAttributesSchema).optional(),
  })
  .superRefine((neighbor, context) => {
    if (neighbor.keepAliveTimeSeconds <= neighbor.holdTimeSeconds) return
    context.addIssue({
      code: 'custom',
      path: ['keepAliveTimeSeconds'],
      message: keepaliveMessage,
      params: { hint: 'a third of the hold time is usual' },
    })
  })
  .meta({
    'x-kubernetes-validations': [
      { rule: 'self.keepAliveTimeSeconds <= self.holdTimeSeconds', message: keepaliveMessage },
    ],
  })

const virtualRouterSchema = z.strictObject({
  localASN: asnField,
  exportPodCIDR: z.boolean().default(false),
  podIPPoolSelector: labelSelectorField.optional(),
  serviceSelector: labelSelectorField.optional().describe('Services to announce; absent: none'),
  serviceAdvertisements: z.array(z.enum(serviceAddressKinds)).default(['LoadBalancerIP']),
  neighbors: z
    .array(neighborSchema)
    .min(1)
    .superRefine((neighbors, context) => {
      refuseDuplicates(neighbors, 'peerAddress', 'give each neighbor once', context)
    }),
})

export const ciliumBGPPeeringPolicySpecSchema = z.strictObject({
  nodeSelector: labelSelectorField.optional().describe('Absent: all nodes'),
  virtualRouters: z
    .array(virtualRouterSchema)
    .min(1)
    .superRefine((routers, context) => {
      refuseDuplicates(routers, 'localASN', 'put the neighbors of both into one virtual router', context)
    }),
})

export type CiliumBGPPeeringPolicySpec = z.output<typeof ciliumBGPPeeringPolicySpecSchema>
export type CiliumVirtualRouter = z.output<typeof virtualRouterSchema>
export type CiliumNeighbor = z.output<typeof neighborSchema>

function refuseDuplicates<K extends string>(
  items: readonly Record<K, string | number>[],
  key: K,
  hint: string,
  context: z.RefinementCtx,
): void {
  const first = new Map<string | number, number>()
  for (const [i, item] of items.entries()) {
    const earlier = first.get(item[key])
    if (earlier === undefined) first.set(item[key], i)
    else {
      context.addIssue({
        code: 'custom',
        path: [i, key],
        message: `${item[key]} is that of item ${earlier} already`,
        params: { hint },
      })
    }
  }
}
