/** `BGPAdvertisement` (herald.dev/v1alpha1): what to announce, to whom and with which attributes. */
import { z } from 'zod'
import { wellKnownCommunities, type WellKnownCommunity } from '#core/net/community.ts'
import { addressField, labelSelectorField, prefixField } from './fields.ts'
import type { KubeObject } from './object.ts'

export const serviceAddressKinds = ['LoadBalancerIP', 'ExternalIP', 'ClusterIP'] as const

const n16 = '(6553[0-5]|655[0-2][0-9]|65[0-4][0-9]{2}|6[0-4][0-9]{3}|[1-5][0-9]{4}|[0-9]{1,4})'
const n32 =
  '(429496729[0-5]|42949672[0-8][0-9]|4294967[01][0-9]{2}|429496[0-6][0-9]{3}|42949[0-5][0-9]{4}|4294[0-8][0-9]{5}|429[0-3][0-9]{6}|42[0-8][0-9]{7}|4[01][0-9]{8}|[1-3][0-9]{9}|[0-9]{1,9})'

/** `asn:value`, 16 bits each, or one 32-bit number. */
export const standardCommunityField = z.string().regex(new RegExp(`^(${n16}:${n16}|${n32})$`))
/** `a:b:c`, 32 bits each (RFC 8092 §5). */
export const largeCommunityField = z.string().regex(new RegExp(`^${n32}:${n32}:${n32}$`))
export const wellKnownCommunityField = z.enum(
  Object.keys(wellKnownCommunities) as [WellKnownCommunity, ...WellKnownCommunity[]],
)

export const communitiesSchema = z.strictObject({
  standard: z.array(standardCommunityField).optional(),
  wellKnown: z.array(wellKnownCommunityField).optional(),
  large: z.array(largeCommunityField).optional(),
})

export const advertisedAttributesSchema = z.strictObject({
  communities: communitiesSchema.optional(),
  localPref: z.int().min(0).max(4294967295).optional().describe('LOCAL_PREF, to iBGP neighbours only'),
  med: z.int().min(0).max(4294967295).optional(),
  nextHop: addressField.optional().describe('Absent: the local address of the session'),
  origin: z.enum(['igp', 'egp', 'incomplete']).optional().describe('Absent: igp'),
})

export const bgpAdvertisementSpecSchema = z.strictObject({
  instances: z
    .array(z.string().min(1))
    .optional()
    .describe('Names of the BGPInstances that announce it; absent: all'),
  peers: z.array(z.string().min(1)).optional().describe('Names of the BGPPeers that get it; absent: all'),
  nodeSelector: labelSelectorField.optional().describe('Nodes that announce it; absent: all'),
  services: z
    .strictObject({
      selector: labelSelectorField.describe(
        'By labels and the keys io.kubernetes.service.name and io.kubernetes.service.namespace; {} selects all',
      ),
      addresses: z.array(z.enum(serviceAddressKinds)).min(1).default(['LoadBalancerIP']),
      poolSelector: labelSelectorField
        .optional()
        .describe('Only load balancer addresses out of the pools with these labels; absent: of any pool'),
    })
    .optional(),
  podCIDR: z.boolean().default(false).describe("The node's pod networks"),
  prefixes: z.array(prefixField).optional().describe('These prefixes, literally'),
  attributes: advertisedAttributesSchema.optional(),
})

export type BGPAdvertisementSpec = z.output<typeof bgpAdvertisementSpecSchema>
export type AdvertisedAttributes = z.output<typeof advertisedAttributesSchema>
export type ServiceAddressKind = (typeof serviceAddressKinds)[number]

export interface BGPAdvertisement extends KubeObject {
  kind: 'BGPAdvertisement'
  spec: BGPAdvertisementSpec
}
