/** What one node should do: the desired state that `plan` derives from a snapshot, each item with its reasons. */
import type { InstanceConfig } from '#core/bgp/config.ts'
import type { ObjectRef, Problem, Reason } from '#core/lib/reason.ts'
import type { StationConfig } from '#core/bmp/station.ts'
import type { MrtConfig } from '#core/mrt/dump.ts'
import type { Prefix } from '#core/net/prefix.ts'
import type { CacheConfig } from '#core/rpki/rpki.ts'

export interface NodePlan {
  node: string
  instances: InstancePlan[]
  /** Everything that is wrong with the resources that concern this node. */
  problems: Problem[]
}

export interface InstancePlan {
  config: InstanceConfig
  /** The object of the user's that it comes from. */
  source?: ObjectRef
  /** Why this instance is on this node. */
  reasons: Reason[]
  /** By name of the peer: why it is a peer here. */
  peerReasons: Record<string, Reason[]>
  /** Why each route is announced to each peer, in the order of `config.routes`. */
  routeReasons: { prefix: Prefix; peer: string; reasons: Reason[] }[]
  /** Routes that might be expected here and are not announced, with the reason. */
  withheld: Withheld[]
  /** Caches that tell it the validated route origins; absent: it has none. */
  rpkiCaches?: CacheConfig[]
  /** Stations that are told what happens; absent: none. */
  bmpStations?: StationConfig[]
  /** Files to dump to; absent: none. */
  mrt?: MrtConfig
}

export interface Withheld {
  /** Absent when there is no address yet. */
  prefix?: Prefix
  /** Absent: to all peers. */
  peer?: string
  reasons: Reason[]
}
