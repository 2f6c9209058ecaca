/** What one BGP speaker is told to do: plain data, compared as a whole with what it did before. */
import type { Address } from '#core/net/address.ts'
import type { LargeCommunity } from '#core/net/community.ts'
import type { Prefix } from '#core/net/prefix.ts'
import type { Origin } from './attributes.ts'
import type { Family } from './family.ts'

/** One BGP speaker (an RFC 4271 "BGP Identifier"): its identity, peers and own routes. */
export interface InstanceConfig {
  /** Unique on the node. Identifies the instance from one configuration to the next. */
  name: string
  /** 1..4294967295. */
  asn: number
  /** An IPv4 address, not 0.0.0.0 (RFC 6286). */
  routerId: Address
  /** Port to accept connections on; absent: the instance never listens. */
  listenPort?: number
  peers: PeerConfig[]
  routes: OriginatedRoute[]
}

/** One neighbour. A change to a field that the OPEN or the connection depends on restarts the session. */
export interface PeerConfig {
  /** Unique in the instance. Identifies the peer from one configuration to the next. */
  name: string
  address: Address
  /** TCP port to connect to, and never the one that is listened on. */
  port: number
  /** Expected AS number. 0: any. */
  asn: number
  /** Source address of the connection; absent: the kernel's choice. */
  sourceAddress?: Address
  /** Wait for the neighbour to connect (RFC 4271 §8.1.1 PassiveTcpEstablishment). */
  passive: boolean
  families: Family[]
  /** IP TTL of packets sent: 1 for a directly connected eBGP neighbour, more for multihop; 255 for iBGP. */
  ttl: number
  timers: PeerTimers
  /** TCP MD5 key (RFC 2385). */
  password?: string
  /** Keep the session down and show this instead, e.g. because its password's Secret is missing. */
  heldDown?: string
  /** Accept the routes that the neighbour sends. `false`: they are counted and shown as rejected, never used. */
  importRoutes: boolean
  /** Pass on the routes learned from other peers. `false`: only own routes are sent. */
  exportLearned: boolean
}

/** Whole seconds. */
export interface PeerTimers {
  /** 1..65535; before jitter (RFC 4271 §10). */
  connectRetrySeconds: number
  /** 0 (never expires) or 3..65535 (RFC 4271 §4.2). The smaller of both sides' counts. */
  holdTimeSeconds: number
  /** 1..21845; a third of the negotiated hold time when that is less. */
  keepaliveSeconds: number
}

/** A route of this speaker's own. */
export interface OriginatedRoute {
  prefix: Prefix
  /** Names of the peers that get it, with the attributes that each of them gets. */
  to: { peer: string; attributes: OriginatedAttributes }[]
}

/** What an own route carries beyond the AS path and next hop that the session gives it. */
export interface OriginatedAttributes {
  /** Absent: `igp`. */
  origin?: Origin
  med?: number
  /** Sent on iBGP only; absent: 100. */
  localPref?: number
  /** As in {@link PathAttributes}. */
  communities?: number[]
  largeCommunities?: LargeCommunity[]
  /** Absent: the local address of the session (or the instance's address of the other family, RFC 4760 §3). */
  nextHop?: Address
}
