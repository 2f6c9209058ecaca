/** The custom resources that Herald knows: names, versions, schemas and columns of each. One source for validation and CRDs. */
import type { z } from 'zod'
import { addressPoolSpecSchema } from './address-pool.ts'
import { bgpAdvertisementSpecSchema } from './bgp-advertisement.ts'
import { bgpInstanceSpecSchema } from './bgp-instance.ts'
import { bgpPeerGroupSpecSchema } from './bgp-peer-group.ts'
import { bgpPeerSpecSchema } from './bgp-peer.ts'
import { ciliumBGPPeeringPolicySpecSchema } from './cilium/bgp-peering-policy.ts'
import { ciliumLoadBalancerIPPoolSpecSchema } from './cilium/load-balancer-ip-pool.ts'
import { nodeStateStatusSchema } from './node-state.ts'
import type { KubeObject } from './object.ts'
import { routePolicySpecSchema } from './route-policy.ts'
import { conditionsStatusSchema } from './status.ts'

export interface ResourceType {
  /** Who writes such objects: Herald's own users, or those of the system that the dialect is named after. */
  dialect: 'native' | 'cilium'
  group: string
  /** Served, the first is the stored one. All have the same schema. */
  versions: readonly string[]
  kind: string
  /** One sentence. */
  description: string
  plural: string
  singular: string
  shortNames: readonly string[]
  categories: readonly string[]
  /** Absent: the resource is status only. */
  spec?: z.ZodType
  status: z.ZodType
  columns: readonly PrinterColumn[]
}

/** As in apiextensions v1. */
export interface PrinterColumn {
  name: string
  type: 'string' | 'integer' | 'boolean' | 'date'
  jsonPath: string
  description?: string
}

const age: PrinterColumn = { name: 'Age', type: 'date', jsonPath: '.metadata.creationTimestamp' }

/** The columns of a pool; its numbers are in the messages of conditions, as Cilium's users know them. */
function poolColumns(conditionPrefix: string): PrinterColumn[] {
  const condition = (type: string) => `.status.conditions[?(@.type=="${conditionPrefix}/${type}")]`
  return [
    { name: 'Disabled', type: 'boolean', jsonPath: '.spec.disabled' },
    { name: 'Conflicting', type: 'string', jsonPath: `${condition('PoolConflict')}.status` },
    { name: 'IPs Available', type: 'string', jsonPath: `${condition('IPsAvailable')}.message` },
    age,
  ]
}

const native = {
  dialect: 'native',
  group: 'herald.dev',
  versions: ['v1alpha1'],
  categories: ['herald'],
} as const

export const resourceTypes: readonly ResourceType[] = [
  {
    ...native,
    kind: 'AddressPool',
    description: 'Addresses that Services may get',
    plural: 'addresspools',
    singular: 'addresspool',
    shortNames: ['apool', 'apools'],
    spec: addressPoolSpecSchema,
    status: conditionsStatusSchema,
    columns: poolColumns('herald.dev'),
  },
  {
    ...native,
    kind: 'BGPInstance',
    description: 'A BGP speaker on selected nodes',
    plural: 'bgpinstances',
    singular: 'bgpinstance',
    shortNames: ['bgpi'],
    spec: bgpInstanceSpecSchema,
    status: conditionsStatusSchema,
    columns: [
      { name: 'ASN', type: 'integer', jsonPath: '.spec.asn' },
      { name: 'Listen Port', type: 'integer', jsonPath: '.spec.listenPort' },
      age,
    ],
  },
  {
    ...native,
    kind: 'BGPPeer',
    description: 'One neighbour of BGP instances on selected nodes',
    plural: 'bgppeers',
    singular: 'bgppeer',
    shortNames: ['bgpn'],
    spec: bgpPeerSpecSchema,
    status: conditionsStatusSchema,
    columns: [
      { name: 'Address', type: 'string', jsonPath: '.spec.address' },
      { name: 'ASN', type: 'integer', jsonPath: '.spec.asn' },
      { name: 'Group', type: 'string', jsonPath: '.spec.group' },
      age,
    ],
  },
  {
    ...native,
    kind: 'BGPPeerGroup',
    description: 'What several neighbours have in common',
    plural: 'bgppeergroups',
    singular: 'bgppeergroup',
    shortNames: ['bgpg'],
    spec: bgpPeerGroupSpecSchema,
    status: conditionsStatusSchema,
    columns: [{ name: 'ASN', type: 'integer', jsonPath: '.spec.asn' }, age],
  },
  {
    ...native,
    kind: 'BGPAdvertisement',
    description: 'What BGP instances announce, to whom and with which attributes',
    plural: 'bgpadvertisements',
    singular: 'bgpadvertisement',
    shortNames: ['bgpad'],
    spec: bgpAdvertisementSpecSchema,
    status: conditionsStatusSchema,
    columns: [age],
  },
  {
    ...native,
    kind: 'RoutePolicy',
    description: 'What is done with routes that come in from neighbours or go out to them',
    plural: 'routepolicies',
    singular: 'routepolicy',
    shortNames: ['rpol'],
    spec: routePolicySpecSchema,
    status: conditionsStatusSchema,
    columns: [age],
  },
  {
    ...native,
    kind: 'NodeState',
    description: 'What the speaker of the node of this name reports',
    plural: 'nodestates',
    singular: 'nodestate',
    shortNames: ['nstate'],
    status: nodeStateStatusSchema,
    columns: [
      { name: 'Sessions', type: 'integer', jsonPath: '.status.counts.sessions' },
      { name: 'Established', type: 'integer', jsonPath: '.status.counts.established' },
      { name: 'Advertised', type: 'integer', jsonPath: '.status.counts.advertised' },
      age,
    ],
  },
  {
    dialect: 'cilium',
    group: 'cilium.io',
    versions: ['v2alpha1'],
    kind: 'CiliumBGPPeeringPolicy',
    description: 'BGP on selected nodes, as Cilium up to 1.18 has it',
    plural: 'ciliumbgppeeringpolicies',
    singular: 'ciliumbgppeeringpolicy',
    shortNames: ['bgpp'],
    categories: ['cilium', 'ciliumbgp'],
    spec: ciliumBGPPeeringPolicySpecSchema,
    status: conditionsStatusSchema,
    columns: [age],
  },
  {
    dialect: 'cilium',
    group: 'cilium.io',
    versions: ['v2', 'v2alpha1'],
    kind: 'CiliumLoadBalancerIPPool',
    description: 'Addresses that Services may get, as Cilium has it',
    plural: 'ciliumloadbalancerippools',
    singular: 'ciliumloadbalancerippool',
    shortNames: ['ippools', 'ippool', 'lbippool', 'lbippools'],
    categories: ['cilium'],
    spec: ciliumLoadBalancerIPPoolSpecSchema,
    status: conditionsStatusSchema,
    columns: poolColumns('cilium.io'),
  },
]

/** The type of this object, or undefined for a resource that Herald does not know. */
export function typeOf(object: KubeObject): ResourceType | undefined {
  return resourceTypes.find(
    ({ group, versions, kind }) =>
      kind === object.kind && versions.some((version) => object.apiVersion === `${group}/${version}`),
  )
}
