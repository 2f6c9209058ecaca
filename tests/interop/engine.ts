/**
 * What an interop test asks of an implementation other than Herald: to be the neighbour that the test wants, and to say
 * what it sees. How each does that, in its own configuration and command languages, stands in `engines/`.
 */
import type { Role } from '#core/bgp/config.ts'
import type { Router } from '#lab/router.ts'

export type EngineName = 'bird' | 'frr' | 'gobgp' | 'openbgpd' | 'exabgp'

/** The neighbour that a test wants. Addresses are of the session's IP version. */
export interface NeighbourConfig {
  asn: number
  routerId: string
  address: string
  heraldAddress: string
  heraldAsn: number
  /** Wait for Herald to connect. */
  passive: boolean
  holdTimeSeconds: number
  /** Own routes, one of each family, or none. */
  announces: boolean
  features: NeighbourFeatures
}

/** What else it is told to do on the session with Herald. Absent: its own default. */
export interface NeighbourFeatures {
  /** RFC 2385. */
  password?: string
  /** RFC 5082: Herald is directly connected, and nothing that travelled further is taken. */
  ttlSecurity?: boolean
  /** RFC 7911, both ways, both families. */
  addPath?: boolean
  /** RFC 4724, and RFC 9494 when it says how long. */
  restart?: { seconds: number; longLivedSeconds?: number }
  /** Nobody is at this address, so a BIRD that restarts waits for its End-of-RIB before it sends its routes. */
  awaits?: string
  /** RFC 9234: its own part. */
  role?: Role
  /** RFC 5065: what the world sees, and Herald's member AS. */
  confederation?: { id: number; members: number[] }
  /** Most prefixes that Herald may send in either family. */
  prefixLimit?: number
  /** RFC 8950: IPv4 routes over a session over IPv6 with the session's address as next hop. */
  extendedNextHop?: boolean
  /** RFC 7313. */
  enhancedRefresh?: boolean
  /** Another neighbour of it. RFC 4456: this and Herald are its clients, if it reflects. */
  beside?: { address: string; asn: number; reflects: boolean }
  /** It announces a second route in either family. */
  more?: boolean
}

/** The routes of the neighbour's own, and what it says of them. */
export const theirRoutes = {
  prefixes: { 'ipv4/unicast': '203.0.113.0/24', 'ipv6/unicast': '2001:db8:200::/48' },
  nextHops: { 'ipv4/unicast': '192.0.2.2', 'ipv6/unicast': '2001:db8::2' },
  med: 30,
  community: [65002, 9],
  largeCommunity: [65002, 1, 2],
} as const

/** What it announces beside them when it is to announce more. */
const moreRoutes = { 'ipv4/unicast': '203.0.114.0/24', 'ipv6/unicast': '2001:db8:201::/48' }

export type TestFamily = keyof typeof theirRoutes.prefixes
export const testFamilies = Object.keys(theirRoutes.prefixes) as TestFamily[]

/** Its own prefixes of a family. */
export function ownPrefixes({ announces, features }: NeighbourConfig, family: TestFamily): string[] {
  if (!announces) return []
  return [theirRoutes.prefixes[family], ...(features.more === true ? [moreRoutes[family]] : [])]
}

/** A route as the neighbour sees it. */
export interface SeenRoute {
  asPath: string
  nextHop: string
  med: number | undefined
  communities: string[]
  largeCommunities: string[]
  /** RFC 4456 §8, where the neighbour tells it. */
  originatorId: string | undefined
  clusterList: string[]
}

export interface Engine {
  name: EngineName
  /** The program whose absence skips the tests. */
  program: string
  config(neighbour: NeighbourConfig): string
  /** What cannot be said in the configuration file. */
  afterStart?(router: Router, neighbour: NeighbourConfig): Promise<void>
  /** The same after its BGP daemon was killed and started again. Absent: it reads its file by itself. */
  afterRestart?(router: Router, neighbour: NeighbourConfig): Promise<void>
  established(router: Router, neighbour: NeighbourConfig): Promise<boolean>
  /** Ends a pause after a lost session that it makes longer than a test may take. Asked again until the session is up. */
  hurry?(router: Router, neighbour: NeighbourConfig): Promise<void>
  /** The paths from its neighbours that it has for `prefix`. */
  paths(router: Router, prefix: string): Promise<SeenRoute[]>
  /** Take back the own routes of both families. */
  withdraw(router: Router): Promise<void>
  /** Ask Herald for all routes again (RFC 2918 §4). Absent: it has no such command. */
  refresh?(router: Router, neighbour: NeighbourConfig): Promise<void>
  /** End the session on purpose, with this text (RFC 9003). Absent: it has no such command. */
  shutdown?(router: Router, neighbour: NeighbourConfig, text: string): Promise<void>
  enable?(router: Router, neighbour: NeighbourConfig): Promise<void>
  /** What it says of the end of the session, with the text that Herald gave. */
  lastError(router: Router, neighbour: NeighbourConfig): Promise<string>
  /** Arguments that make its daemon start as one that restarts (RFC 4724 §4.1), beyond the usual ones. */
  restartArguments?: readonly string[]
}

/** Seconds between KEEPALIVEs where an engine wants them said. */
export function keepaliveSeconds({ holdTimeSeconds }: NeighbourConfig): number {
  return Math.max(1, Math.floor(holdTimeSeconds / 3))
}

/** Throws with the beginning of the text when it is not JSON. */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    throw new Error(`not JSON: ${text.slice(0, 200)}`)
  }
}
