/** `BGPPeerGroup` (herald.dev/v1alpha1): what several neighbours have in common. */
import { z } from 'zod'
import { withChecks } from './fields.ts'
import type { KubeObject } from './object.ts'
import { peerChecks, peerSettings } from './peer-settings.ts'

export const bgpPeerGroupSpecSchema = withChecks(z.strictObject(peerSettings), peerChecks)

export type BGPPeerGroupSpec = z.output<typeof bgpPeerGroupSpecSchema>

export interface BGPPeerGroup extends KubeObject {
  kind: 'BGPPeerGroup'
  spec: BGPPeerGroupSpec
}
