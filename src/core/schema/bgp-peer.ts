/** `BGPPeer` (herald.dev/v1alpha1): one neighbour of instances on selected nodes, or all that connect from a range. */
import { z } from 'zod'
import { addressField, labelSelectorField, prefixField, withChecks, type CrossCheck } from './fields.ts'
import type { KubeObject } from './object.ts'
import { peerChecks, peerSettings } from './peer-settings.ts'

const schema = z.strictObject({
  instances: z
    .array(z.string().min(1))
    .optional()
    .describe('Names of the BGPInstances that have this neighbour; absent: all'),
  nodeSelector: labelSelectorField.optional().describe('Nodes on which they have it; absent: all'),
  group: z
    .string()
    .min(1)
    .optional()
    .describe(
      'Name of the BGPPeerGroup that says what is left out here: a field written here counts alone, of timers each by itself',
    ),
  address: addressField.optional().describe('IP address of the neighbour'),
  interface: z
    .string()
    .min(1)
    .max(15)
    .optional()
    .describe(
      'Interface to reach it by: needed beside a link-local address. Alone: whoever advertises itself as a router at the other end of this link (unnumbered)',
    ),
  listen: z
    .strictObject({
      prefixes: z.array(prefixField).min(1),
      limit: z.int().min(1).max(65535).default(100).describe('Most neighbours at a time, of each prefix'),
    })
    .optional()
    .describe('Instead of an address: whoever connects from these prefixes becomes a neighbour'),
  ...peerSettings,
})

const checks: readonly CrossCheck<z.output<typeof schema>>[] = [
  {
    rule: 'has(self.address) ? !has(self.listen) : (has(self.listen) || has(self.interface))',
    message: 'a peer has either an address or prefixes to listen for, or only an interface',
    hint: 'write address: 192.0.2.1 or listen: {prefixes: [192.0.2.0/24]} or interface: eth1',
    path: 'address',
    holds: ({ address, listen, interface: named }) =>
      address === undefined ? listen !== undefined || named !== undefined : listen === undefined,
  },
  {
    rule: 'has(self.asn) || has(self.peerAs) || has(self.group)',
    message: 'the field is required',
    hint: 'add the AS number of the neighbour, or peerAs: external',
    path: 'asn',
    holds: (spec) => spec.asn !== undefined || spec.peerAs !== undefined || spec.group !== undefined,
  },
  {
    rule: "!has(self.address) || has(self.interface) || !self.address.matches('^[fF][eE][89aAbB]')",
    message: 'a link-local address means nothing without its interface',
    hint: 'add the name of the interface',
    path: 'interface',
    holds: (spec) => spec.interface !== undefined || !/^fe[89ab]/i.test(spec.address ?? ''),
  },
  ...peerChecks,
]

export const bgpPeerSpecSchema = withChecks(schema, checks)

export type BGPPeerSpec = z.output<typeof bgpPeerSpecSchema>

export interface BGPPeer extends KubeObject {
  kind: 'BGPPeer'
  spec: BGPPeerSpec
}
