/** What one BGP speaker is told to do: plain data, compared as a whole with what it did before. */
import type { Address } from '#core/net/address.ts'
import type { LargeCommunity } from '#core/net/community.ts'
import type { Prefix } from '#core/net/prefix.ts'
import type { Origin } from './attributes.ts'
import type { Family } from './family.ts'
import type { PolicyChain, RoutePolicy } from './policy/policy.ts'

/** One BGP speaker (an RFC 4271 "BGP Identifier"): its identity, peers and own routes. */
export interface InstanceConfig {
  /** Unique on the node. Identifies the instance from one configuration to the next. */
  name: string
  /** 1..4294967295. In a confederation: the member AS (RFC 5065 §1.2). */
  asn: number
  /** An IPv4 address, not 0.0.0.0 (RFC 6286). */
  routerId: Address
  /** Port to accept connections on; absent: the instance never listens. */
  listenPort?: number
  /** Accept connections on these addresses only; absent: on all. */
  listenAddresses?: Address[]
  peers: PeerConfig[]
  routes: OriginatedRoute[]
  /** RFC 4456 §7: an IPv4 address; absent: the router ID. */
  clusterId?: Address
  /** RFC 5065: `id` is the AS number that the world sees, `members` the other member ASes. */
  confederation?: { id: number; members: number[] }
  /** Neighbours that may connect without being configured one by one. */
  listenRanges?: ListenRange[]
  /** Policies by name, for the chains of peers. */
  policies?: RoutePolicy[]
  /** How many equally good paths count as used; absent: 1 (RFC 4271 leaves ECMP open). */
  maxPaths?: { external: number; internal: number }
  /** Compare MED of paths from different neighbouring ASes too; absent: no (RFC 4271 §9.1.2.2 c). */
  alwaysCompareMed?: boolean
  /** This speaker restarts gracefully (RFC 4724 §4.1): the forwarding state survived the last end of the process. */
  restarted?: boolean
  /** `false`: own routes are still being gathered after a start, so no End-of-RIB is sent yet (RFC 4724 §4.1); absent: true. */
  routesComplete?: boolean
  /** Most sessions that may be open at a time, configured and dynamic ones; absent: no limit. */
  maxSessions?: number
  /** What stations and dumps are to be told (`tap.ts`), beside sessions that come and go; absent: nothing at all. */
  taps?: { received: boolean; sent: boolean; best: boolean }
}

/** Connections from these addresses make a peer out of `template` each (dynamic neighbours). */
export interface ListenRange {
  prefix: Prefix
  /** Its name starts the names of the peers made from it; unique among peers and ranges. */
  template: Omit<PeerConfig, 'address'>
  /** Most peers that may exist out of it at a time. */
  limit: number
}

/** Stands for the address of a neighbour that is known by its interface alone, until it is found. */
export const unnumbered = '::' as Address

/** One neighbour. A change to a field that the OPEN or the connection depends on restarts the session. */
export interface PeerConfig {
  /** Unique in the instance. Identifies the peer from one configuration to the next. */
  name: string
  /** A link-local address needs `interface`. {@link unnumbered}: whoever is found on `interface`. */
  address: Address
  /** Interface to leave by and to be reached on; needed for link-local addresses. */
  interface?: string
  /** TCP port to connect to, and never the one that is listened on. */
  port: number
  /** Expected AS number. 0: any. */
  asn: number
  /** With `asn` 0: only an AS number other than ours, or only ours; absent: any. */
  peerAs?: 'internal' | 'external'
  /** Source address of the connection; absent: the kernel's choice. */
  sourceAddress?: Address
  /** Wait for the neighbour to connect (RFC 4271 §8.1.1 PassiveTcpEstablishment). */
  passive: boolean
  families: Family[]
  /** IP TTL of packets sent: 1 for a directly connected eBGP neighbour, more for multihop; 255 for iBGP. */
  ttl: number
  /** RFC 5082: packets with a lower TTL are dropped, and `ttl` is 255; absent: no check. */
  minTtl?: number
  timers: PeerTimers
  /** TCP MD5 key (RFC 2385). */
  password?: string
  /** TCP-AO key (RFC 5925), instead of `password`; where the kernel has none, the session is held down and says so. */
  authenticationOption?: { keyId: number; algorithm: 'hmac-sha-1-96' | 'aes-128-cmac-96'; key: string }
  /** Keep the session down and show this instead, e.g. because its password's Secret is missing. */
  heldDown?: string
  /** Shown to the neighbour when its session is ended because of `heldDown` (RFC 9003), up to 255 bytes of UTF-8. */
  shutdownText?: string
  /** Accept the routes that the neighbour sends. `false`: they are counted and shown as rejected, never used. */
  importRoutes: boolean
  /** Pass on the routes learned from other peers. `false`: only own routes are sent. */
  exportLearned: boolean

  /** AS number shown to this neighbour instead of the instance's (local-as); never together with iBGP. */
  localAs?: LocalAs
  /** RFC 4456: this iBGP neighbour is a client of this reflector. */
  routeReflectorClient?: boolean
  /** RFC 7947: nothing is changed on the way to this eBGP neighbour but what a route server must. */
  routeServerClient?: boolean
  /** RFC 7911, by family; absent: neither way. */
  addPath?: Partial<Record<Family, AddPathConfig>>
  /** RFC 4724, RFC 8538, RFC 9494; absent: not offered, and the neighbour's offer has no effect. */
  gracefulRestart?: GracefulRestartConfig
  /** RFC 9234; absent: not offered. */
  role?: { name: Role; /** A neighbour without a role is refused. */ strict: boolean }
  /** How often the own AS may stand in a received path; absent: 0. */
  allowOwnAs?: number
  /** Private AS numbers are taken out of the path to an eBGP neighbour, or replaced by the own. */
  removePrivateAs?: 'remove' | 'replace'
  /** `auto`: as RFC 4271 §5.1.3 says; `self`, `keep`: always; absent: auto. */
  nextHop?: 'auto' | 'self' | 'keep'
  /** The first AS of a path from an eBGP neighbour must be the neighbour's; absent: true, but not for `routeServerClient`. */
  enforceFirstAs?: boolean
  /** RFC 4486 §4 Cease/1, by family; absent: no limit. */
  prefixLimits?: Partial<Record<Family, PrefixLimit>>
  /** Absent: every route is accepted (`importRoutes` is asked first). */
  importPolicy?: PolicyChain
  /** Absent: every route is accepted. Asked about own routes too; `exportLearned` is asked first. */
  exportPolicy?: PolicyChain
  /** RFC 8326 §4: routes to this neighbour carry GRACEFUL_SHUTDOWN. */
  gracefulShutdown?: boolean
  /** RFC 8326 §4: lower the preference of received routes with GRACEFUL_SHUTDOWN; absent: true. */
  honourGracefulShutdown?: boolean
  /** RFC 8654; absent: true. */
  extendedMessages?: boolean
  /** Seconds that a message may wait for the neighbour to take it (RFC 9687 §6); absent: the larger of 480 and twice the hold time. */
  sendHoldSeconds?: number
  /** RFC 4271 §8.1.1 DelayOpen: wait this long for the neighbour's OPEN first; absent: no. */
  delayOpenSeconds?: number
  /** Bandwidth in bytes per second to say in a link bandwidth community when a route leaves with next hop self. */
  linkBandwidth?: number
  /** AIGP (RFC 7311) is sent and taken; absent: no. */
  aigp?: boolean
}

/** `noPrepend`: not put in front of received paths. `replaceAs`: the instance's own AS number is not shown beside it. */
export interface LocalAs {
  asn: number
  noPrepend: boolean
  replaceAs: boolean
}

export interface AddPathConfig {
  receive: boolean
  /** Most paths that are sent for a prefix, best first; 0: add-path is not sent. Infinity is written as 255. */
  send: number
}

export interface GracefulRestartConfig {
  /** What is told the neighbour (RFC 4724 §3), 1..4095. */
  restartSeconds: number
  /** Only help a restarting neighbour, never ask for its help. */
  helperOnly: boolean
  /** RFC 8538: a NOTIFICATION does not end it, and hard resets are used. */
  notification: boolean
  /** RFC 9494 §4.2, 1..16777215; absent: not long-lived. */
  longLivedSeconds?: number
  /** RFC 8538 §4.1: longest time that routes of the neighbour stay stale over its restarts, 1..4095; absent: 360. */
  stalePathSeconds?: number
  /** After a start: longest wait for all End-of-RIBs before own routes' selection goes ahead (RFC 4724 §4.1). */
  deferralSeconds: number
}

/** RFC 9234 §4.1, this speaker's part. */
export type Role = 'provider' | 'rs' | 'rs-client' | 'customer' | 'peer'

export interface PrefixLimit {
  max: number
  /** An event is made when this part of `max` is reached, 1..100; absent: 75. */
  warnPercent?: number
  /** `reset`: Cease/1. `warn`: only said. */
  action: 'reset' | 'warn'
  /** The session stays down this long after a reset; absent: until a person restarts it. */
  restartSeconds?: number
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
  /**
   * Names of the peers that get it, with the attributes that each of them gets. The name of a listen range's template
   * stands for every peer made from it.
   */
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
