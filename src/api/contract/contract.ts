/**
 * The contract of Herald's HTTP API, which the speaker, the controller and `herald up` serve and the CLI reads: rows that
 * are ready to be shown, with their reasons. A speaker answers for its own node, a controller for all nodes.
 */
import { z } from 'zod'
import { compileRegex } from '#core/lib/regex.ts'
import type { Result } from '#core/lib/result.ts'
import { parseCommunity, parseLargeCommunity } from '#core/net/community.ts'
import { parsePrefix } from '#core/net/prefix.ts'

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

const timeField = z.string().describe('RFC 3339')
const messageCountsSchema = z.record(
  z.enum(['open', 'update', 'notification', 'keepalive', 'routeRefresh']),
  z.number(),
)
const roles = ['provider', 'rs', 'rs-client', 'customer', 'peer'] as const

/** What both sides agreed on when the session came up. */
const negotiatedSchema = z.object({
  kind: z.enum(['ebgp', 'ibgp', 'confed']),
  fourOctetAsn: z.boolean(),
  routeRefresh: z.boolean(),
  enhancedRouteRefresh: z.boolean(),
  maxLength: z.number().describe('Octets of the longest message'),
  extendedNextHop: z.array(z.string()),
  addPathReceive: z.array(z.string()),
  addPathSend: z.array(z.string()),
  gracefulRestart: z
    .object({
      restartSeconds: z.number(),
      notification: z.boolean(),
      families: z.array(z.string()),
      longLived: z.array(z.object({ family: z.string(), staleSeconds: z.number() })),
    })
    .optional(),
  role: z.enum(roles).optional().describe("The neighbour's part"),
  offered: z.array(z.string()).describe('Capabilities of the own OPEN'),
  received: z.array(z.string()).describe("Capabilities of the neighbour's OPEN"),
})

export const peerRowSchema = z.object({
  node: z.string(),
  instance: z.string(),
  peer: z.string().describe('Name of the peer'),
  localAsn: z.number(),
  asn: z.number(),
  address: z.string().describe('`::`: not known yet, of a neighbour that is known by its interface alone'),
  interface: z.string().optional().describe('By which it is reached, if configured'),
  port: z.number(),
  state: z.enum(sessionStates),
  since: z.string().optional().describe('RFC 3339; of the last change into or out of established'),
  holdTimeSeconds: z.number().optional(),
  keepaliveSeconds: z.number().optional(),
  routerId: z.string().optional(),
  families: z.array(
    z.object({
      family: z.string(),
      received: z.number(),
      accepted: z.number(),
      advertised: z.number(),
      limit: z.number().optional().describe('Most that may be received'),
    }),
  ),
  lastError: z
    .object({
      at: z.string(),
      direction: z.enum(['sent', 'received', 'local']),
      message: z.string(),
      hex: z.string().optional().describe('Start of the message that led to it'),
    })
    .optional(),
  heldDown: z.string().optional().describe('Why the session is kept down on purpose'),
  // What follows comes from the speaker itself, and is absent while that does not answer.
  dynamic: z.boolean().optional().describe('It connected from a listen range'),
  connection: z
    .object({
      localAddress: z.string(),
      localPort: z.number(),
      remoteAddress: z.string(),
      remotePort: z.number(),
    })
    .optional(),
  messages: z.object({ sent: messageCountsSchema, received: messageCountsSchema }).optional(),
  updateFaults: z.number().optional().describe('Malformed UPDATEs that did not end the session'),
  lastUp: timeField.optional(),
  lastDown: timeField.optional(),
  lastDownReason: z.string().optional().describe('`lastError` may be about a later attempt to get it up'),
  flaps: z.number().optional().describe('How often the session went down'),
  heldByLimit: z
    .object({ until: timeField.optional().describe('Absent: until a person enables the peer') })
    .optional()
    .describe('A prefix limit ended the session'),
  role: z.enum(roles).optional().describe("This speaker's part, as configured"),
  stale: z
    .array(
      z.object({
        family: z.string(),
        phase: z.enum(['waiting', 'longLived', 'arriving', 'refreshing']),
        until: timeField,
      }),
    )
    .optional()
    .describe('Families whose routes may be out of date'),
  awaited: z
    .object({ families: z.array(z.string()), until: timeField })
    .optional()
    .describe(
      'After a restart of this speaker, learned routes are passed on when the peer has sent End-of-RIB, or then',
    ),
  negotiated: negotiatedSchema.optional(),
  configured: z
    .object({
      holdTimeSeconds: z.number(),
      keepaliveSeconds: z.number(),
      connectRetrySeconds: z.number(),
      passive: z.boolean(),
      ttl: z.number(),
      minTtl: z.number().optional(),
      authentication: z.enum(['none', 'md5', 'tcp-ao']),
      importRoutes: z.boolean(),
      exportLearned: z.boolean(),
      importPolicies: z.array(z.string()),
      exportPolicies: z.array(z.string()),
    })
    .optional(),
  reasons: z.array(reasonSchema),
})
export type PeerRow = z.output<typeof peerRowSchema>

/**
 * `available`: loc-rib; `received`: adj-rib-in, with what becomes of each route; `accepted`: of that, what import policy let in;
 * `advertised`: adj-rib-out.
 */
export const routeViews = ['available', 'received', 'accepted', 'advertised'] as const
export type RouteView = (typeof routeViews)[number]

/** In the order in which they are taken. */
export const decisionSteps = [
  'only',
  'own',
  'longLivedStale',
  'weight',
  'localPref',
  'aigp',
  'asPathLength',
  'origin',
  'med',
  'external',
  'routerId',
  'clusterListLength',
  'peerAddress',
  'pathId',
] as const

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
  pathId: z.number().optional().describe('Of several paths for the prefix (RFC 7911)'),
  why: z
    .enum(decisionSteps)
    .optional()
    .describe('The step of the decision that parted it from the best path; of the best, from the next best'),
  stale: z.boolean().optional().describe('Its neighbour is restarting and has not said it again'),
  rpki: z.enum(['valid', 'invalid', 'notFound']).optional(),
  weight: z.number().optional(),
  originatorId: z.string().optional(),
  clusterList: z.array(z.string()).optional(),
  aigp: z.string().optional().describe('64 bits, in decimal'),
  onlyToCustomer: z.number().optional(),
  received: z
    .object({
      nextHop: z.string(),
      origin: z.enum(['igp', 'egp', 'incomplete']),
      asPath: z.string(),
      med: z.number().optional(),
      localPref: z.number().optional(),
      communities: z.array(z.string()),
    })
    .optional()
    .describe('What the neighbour sent, where import policy changed it'),
  reasons: z.array(reasonSchema).describe('Why an own route is announced'),
})
export type RouteRow = z.output<typeof routeRowSchema>

/** A route that a peer might be expected to get and does not, or none at all. */
export const withheldRowSchema = z.object({
  node: z.string(),
  instance: z.string(),
  peer: z.string().optional().describe('Address of the peer; absent: nobody gets it'),
  prefix: z.string().optional().describe('Absent: there is no address yet'),
  reasons: z.array(reasonSchema),
})
export type WithheldRow = z.output<typeof withheldRowSchema>

export const problemRowSchema = z.object({
  node: z.string(),
  rule: z.string(),
  message: z.string(),
  hint: z.string().optional(),
  object: objectRefSchema.optional().describe('The object to mend'),
  field: z.string().optional(),
  other: objectRefSchema.optional().describe('The other one, when two are in conflict'),
})
export type ProblemRow = z.output<typeof problemRowSchema>

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

export const prefixMatches = ['exact', 'longer', 'covering', 'longest'] as const

/** A text that `parse` takes; what is wrong with another one is its error. */
function checkedField(parse: (text: string) => Result<unknown>) {
  return z.string().superRefine((text, context) => {
    const parsed = parse(text)
    if (!parsed.ok) context.addIssue({ code: 'custom', message: parsed.error })
  })
}

export const routeQuerySchema = z.object({
  view: z.enum(routeViews).default('available'),
  family: z.enum(['ipv4/unicast', 'ipv6/unicast']).optional(),
  node: z.string().optional(),
  peer: z.string().optional().describe('Address or name of a peer'),
  prefix: checkedField((text) => parsePrefix(text, { strict: true })).optional(),
  match: z
    .enum(prefixMatches)
    .optional()
    .describe('How routes lie to prefix: the same, inside it, around it, or the longest around it'),
  community: checkedField((text) => {
    const large = parseLargeCommunity(text)
    return large.ok ? large : parseCommunity(text)
  })
    .optional()
    .describe('Has this community, of either size'),
  asPath: checkedField(compileRegex).optional().describe('Regular expression over the AS path'),
})
export type RouteQuery = z.output<typeof routeQuerySchema>

export const withheldQuerySchema = routeQuerySchema.pick({ node: true, peer: true, prefix: true })
export type WithheldQuery = z.output<typeof withheldQuerySchema>

/** What a person may want of a session. */
export const peerCommands = ['reset', 'refreshIn', 'refreshOut', 'enable'] as const
export const peerCommandSchema = z.object({
  peer: z.string().min(1).describe('Name or address'),
  command: z.enum(peerCommands),
  text: z.string().max(128).optional().describe('Told the neighbour with a reset (RFC 9003)'),
  node: z.string().optional(),
  instance: z.string().optional(),
  all: z.boolean().default(false).describe('Also when it is a peer of several instances or nodes'),
})
export type PeerCommandRequest = z.output<typeof peerCommandSchema>

/** The sessions that a command went to. */
export const peerCommandAnswerSchema = z.object({
  peers: z.array(z.object({ node: z.string(), instance: z.string(), peer: z.string(), address: z.string() })),
})
export type PeerCommandAnswer = z.output<typeof peerCommandAnswerSchema>

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

/** Rows line by line, then {@link endOfRowsSchema}: what to accept for a list that may be long. */
export const ndjson = 'application/x-ndjson'
export const endOfRowsSchema = z.object({ warnings: z.array(z.string()) })

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
