/**
 * What an interop test asks of an implementation other than Herald: to be the neighbour that the test wants, and to say
 * what it sees. How each does that, in its own configuration and command languages, stands in `engines/`.
 */
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
}

/** The routes of the neighbour's own, and what it says of them. */
export const theirRoutes = {
  prefixes: { 'ipv4/unicast': '203.0.113.0/24', 'ipv6/unicast': '2001:db8:200::/48' },
  nextHops: { 'ipv4/unicast': '192.0.2.2', 'ipv6/unicast': '2001:db8::2' },
  med: 30,
  community: [65002, 9],
  largeCommunity: [65002, 1, 2],
} as const

export type TestFamily = keyof typeof theirRoutes.prefixes
export const testFamilies = Object.keys(theirRoutes.prefixes) as TestFamily[]

/** A route as the neighbour sees it. */
export interface SeenRoute {
  asPath: string
  nextHop: string
  med: number | undefined
  communities: string[]
  largeCommunities: string[]
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
  /** The route from Herald that it has for `prefix`, or undefined. */
  route(router: Router, prefix: string): Promise<SeenRoute | undefined>
  /** Take back the own routes of both families. */
  withdraw(router: Router): Promise<void>
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
