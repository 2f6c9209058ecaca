/**
 * The contract of Herald's HTTP API, which the speaker, the controller and `herald up` serve and the CLI reads: rows that
 * are ready to be shown, with their reasons. A speaker answers for its own node, a controller for all nodes.
 */
import { z } from 'zod'

const objectRefSchema = z.object({
  kind: z.string(),
  namespace: z.string().optional(),
  name: z.string(),
})

const reasonSchema = z.object({
  rule: z.string(),
  message: z.string(),
  object: objectRefSchema.optional(),
  field: z.string().optional(),
})

/** Session states in the words of `cilium bgp peers`. */
export const sessionStates = [
  'idle',
  'connect',
  'active',
  'open_sent',
  'open_confirm',
  'established',
] as const

export const peerRowSchema = z.object({
  node: z.string(),
  instance: z.string(),
  peer: z.string().describe('Name of the peer'),
  localAsn: z.number(),
  asn: z.number(),
  address: z.string(),
  port: z.number(),
  state: z.enum(sessionStates),
  since: z.string().optional().describe('RFC 3339; of the last change into or out of established'),
  holdTimeSeconds: z.number().optional(),
  keepaliveSeconds: z.number().optional(),
  routerId: z.string().optional(),
  families: z.array(
    z.object({ family: z.string(), received: z.number(), accepted: z.number(), advertised: z.number() }),
  ),
  lastError: z
    .object({ at: z.string(), direction: z.enum(['sent', 'received', 'local']), message: z.string() })
    .optional(),
  reasons: z.array(reasonSchema),
})
export type PeerRow = z.output<typeof peerRowSchema>

/** `available`: loc-rib; `received` and `advertised`: adj-rib-in and adj-rib-out. */
export const routeViews = ['available', 'received', 'advertised'] as const
export type RouteView = (typeof routeViews)[number]

export const routeRowSchema = z.object({
  node: z.string(),
  instance: z.string(),
  localAsn: z.number(),
  peer: z.string().optional().describe('Address of the peer; absent: an own route'),
  prefix: z.string(),
  nextHop: z.string(),
  since: z.string(),
  best: z.boolean(),
  origin: z.enum(['igp', 'egp', 'incomplete']),
  asPath: z.string().describe('AS numbers separated by spaces, sets in braces; empty for own routes'),
  med: z.number().optional(),
  localPref: z.number().optional(),
  communities: z.array(z.string()),
  rejected: z.string().optional().describe('Why a received route is not used'),
  reasons: z.array(reasonSchema).describe('Why an own route is announced'),
})
export type RouteRow = z.output<typeof routeRowSchema>

export const rpkiRowSchema = z.object({
  node: z.string(),
  instance: z.string(),
  address: z.string().describe('Address of the RPKI cache'),
  port: z.number(),
  preference: z.number().describe('The lowest is used'),
  state: z.enum(['idle', 'connecting', 'loading', 'ready']),
  used: z.boolean().describe('Its data is what routes are validated by'),
  version: z.number().optional().describe('Of the protocol'),
  sessionId: z.number().optional(),
  serial: z.number().optional(),
  ipv4: z.number().describe('Validated ROA payloads'),
  ipv6: z.number(),
  updatedAt: z.string().optional().describe('RFC 3339; of the last complete answer'),
  expiresAt: z.string().optional().describe('RFC 3339; while it cannot be reached: when its data ends'),
  lastError: z
    .object({ at: z.string(), direction: z.enum(['sent', 'received', 'local']), message: z.string() })
    .optional(),
})
export type RpkiRow = z.output<typeof rpkiRowSchema>

export const stationRowSchema = z.object({
  node: z.string(),
  instance: z.string(),
  address: z.string().describe('Address of the monitoring station'),
  port: z.number(),
  views: z.array(z.enum(['pre', 'post', 'adjOut', 'locRib'])),
  state: z
    .enum(['idle', 'connecting', 'dumping', 'up'])
    .describe('dumping: connected, and tables are being told for the first time'),
  since: z.string().optional().describe('RFC 3339; of the last change into or out of a connection'),
  messages: z.number(),
  bytes: z.number(),
  lastError: z.object({ at: z.string(), message: z.string() }).optional(),
})
export type StationRow = z.output<typeof stationRowSchema>

export const routeQuerySchema = z.object({
  view: z.enum(routeViews).default('available'),
  family: z.enum(['ipv4/unicast', 'ipv6/unicast']).optional(),
  node: z.string().optional(),
  peer: z.string().optional().describe('Address of a peer'),
  prefix: z.string().optional(),
})
export type RouteQuery = z.output<typeof routeQuerySchema>

export const serviceRowSchema = z.object({
  namespace: z.string(),
  name: z.string(),
  addresses: z.array(z.string()),
  ports: z.array(z.object({ protocol: z.enum(['TCP', 'UDP', 'SCTP']), port: z.number() })),
  allocation: reasonSchema.describe('Why the Service has its addresses, or has none'),
  nodes: z
    .array(
      z.object({
        node: z.string(),
        announced: z.array(
          z.object({ prefix: z.string(), peer: z.string(), reasons: z.array(reasonSchema) }),
        ),
        withheld: z.array(z.object({ prefix: z.string().optional(), reasons: z.array(reasonSchema) })),
      }),
    )
    .describe('Per node: what it announces for this Service and what not, and why'),
})
export type ServiceRow = z.output<typeof serviceRowSchema>

/** All lists come as this, also in a watch. */
export function listSchema<T extends z.ZodType>(row: T) {
  return z.object({
    items: z.array(row),
    warnings: z.array(z.string()).describe('What is missing from the answer and why'),
  })
}

export interface List<T> {
  items: T[]
  warnings: string[]
}

export const errorSchema = z.object({ error: z.string(), hint: z.string().optional() })

export const versionSchema = z.object({
  version: z.string(),
  role: z.enum(['speaker', 'controller', 'router', 'up']),
  node: z.string().optional(),
})
export type Version = z.output<typeof versionSchema>

/** Sockets that roles serve by default. The CLI asks the first of them that is there when nothing else is said. */
export const defaultSockets = {
  /** `herald up`, a controller, a router: it answers for all there is. */
  whole: '/run/herald/api.sock',
  /** A speaker, which answers for its node. It may stand beside a controller. */
  node: '/run/herald/speaker.sock',
} as const
