/**
 * What can be said about a neighbour, and about a group of neighbours: the fields that `BGPPeer` and `BGPPeerGroup` share.
 * None has a default in the schema, or an API server would write it into a peer and hide what its group says; `plan`
 * gives absent fields their meaning.
 */
import { z } from 'zod'
import { addressField, asnField, portField, withChecks, type CrossCheck } from './fields.ts'

const uint32 = z.int().min(0).max(4294967295)
export const familyField = z.enum(['ipv4/unicast', 'ipv6/unicast'])

const holdTimeMessage = 'must be 0 (never expires) or at least 3'
const keepaliveMessage = 'keepaliveSeconds must not be more than holdTimeSeconds'
const sendHoldMessage = 'sendHoldSeconds must be more than holdTimeSeconds'

const timersSchema = withChecks(
  z.strictObject({
    connectRetrySeconds: z.int().min(1).max(65535).optional().describe('Absent: 120'),
    // 0: never expires; 1 and 2 are not allowed (RFC 4271 §4.2).
    holdTimeSeconds: z
      .int()
      .min(0)
      .max(65535)
      .optional()
      .refine((seconds) => seconds === undefined || seconds === 0 || seconds >= 3, holdTimeMessage)
      .meta({
        description: 'Absent: 90, or three times the keepalive time if that is more',
        'x-kubernetes-validations': [{ rule: 'self == 0 || self >= 3', message: holdTimeMessage }],
      }),
    keepaliveSeconds: z.int().min(1).max(21845).optional().describe('Absent: a third of the hold time'),
    delayOpenSeconds: z
      .int()
      .min(1)
      .max(240)
      .optional()
      .describe("Wait so long for the neighbour's OPEN before sending the own one; absent: do not wait"),
    sendHoldSeconds: z
      .int()
      .min(3)
      .max(65535)
      .optional()
      .describe(
        'End the session when the neighbour takes nothing for so long (RFC 9687); absent: the larger of 480 and twice the hold time',
      ),
  }),
  [
    {
      rule: '!has(self.holdTimeSeconds) || !has(self.keepaliveSeconds) || self.holdTimeSeconds == 0 || self.keepaliveSeconds <= self.holdTimeSeconds',
      message: keepaliveMessage,
      hint: 'a third of the hold time is usual',
      path: 'keepaliveSeconds',
      holds: ({ holdTimeSeconds = 0, keepaliveSeconds = 0 }) =>
        holdTimeSeconds === 0 || keepaliveSeconds <= holdTimeSeconds,
    },
    {
      // RFC 9687 §4.4.
      rule: '!has(self.holdTimeSeconds) || !has(self.sendHoldSeconds) || self.sendHoldSeconds > self.holdTimeSeconds',
      message: sendHoldMessage,
      hint: 'twice the hold time is usual',
      path: 'sendHoldSeconds',
      holds: ({ holdTimeSeconds = 0, sendHoldSeconds = Infinity }) => sendHoldSeconds > holdTimeSeconds,
    },
  ],
)

const secretKeySchema = z.strictObject({
  namespace: z.string().min(1),
  name: z.string().min(1),
  key: z.string().min(1).default('password'),
})

const prefixLimitSchema = z.strictObject({
  family: familyField,
  max: z.int().min(1).max(4294967295).describe('Most prefixes that the neighbour may send'),
  warnPercent: z.int().min(1).max(100).optional().describe('Warn when so much of max is reached; absent: 75'),
  action: z
    .enum(['reset', 'warn'])
    .optional()
    .describe('Beyond max: end the session (Cease, RFC 4486) or only warn; absent: reset'),
  restartSeconds: z
    .int()
    .min(1)
    .max(86400)
    .optional()
    .describe('Try again so long after the end; absent: when a person enables the peer'),
})

export const peerSettings = {
  port: portField.optional().describe('TCP port to connect to; absent: 179'),
  asn: uint32.optional().describe('AS number of the neighbour; 0: any'),
  peerAs: z
    .enum(['any', 'internal', 'external'])
    .optional()
    .describe("Instead of asn: any AS number, only the speaker's own, or any other"),
  families: z
    .array(familyField)
    .min(1)
    .optional()
    .describe('Address families to offer; absent: IPv4 and IPv6 unicast'),
  timers: timersSchema.optional(),
  passive: z.boolean().optional().describe('Wait for the neighbour to connect'),
  multihopTtl: z
    .int()
    .min(1)
    .max(255)
    .optional()
    .describe('IP TTL towards an eBGP neighbour; absent: 1, it is directly connected. iBGP always has 255'),
  ttlSecurityHops: z
    .int()
    .min(1)
    .max(255)
    .optional()
    .describe(
      'The neighbour is at most so many hops away: drop packets that travelled further (GTSM, RFC 5082)',
    ),
  sourceAddress: addressField
    .optional()
    .describe('Source address of the connection; absent: the routing table chooses'),
  passwordSecret: secretKeySchema
    .optional()
    .describe('Secret with the TCP MD5 password (RFC 2385); while it is missing the session stays down'),
  tcpAo: z
    .strictObject({
      keyId: z.int().min(0).max(255).describe('KeyID of both directions'),
      algorithm: z.enum(['hmac-sha-1-96', 'aes-128-cmac-96']).default('hmac-sha-1-96'),
      secret: secretKeySchema,
    })
    .optional()
    .describe('TCP Authentication Option (RFC 5925) instead of a password, where the kernel has it'),

  importRoutes: z
    .boolean()
    .optional()
    .describe('Use the routes that the neighbour sends; absent: only when importPolicies are given'),
  exportLearned: z
    .boolean()
    .optional()
    .describe('Pass on routes learned from other neighbours; absent: no, only own routes are sent'),
  importPolicies: z
    .array(z.string().min(1))
    .optional()
    .describe('Names of RoutePolicies that received routes are asked of, in this order'),
  importDefault: z
    .enum(['accept', 'reject'])
    .optional()
    .describe(
      'What becomes of a route that no import policy decides; absent: reject, or accept without policies',
    ),
  exportPolicies: z
    .array(z.string().min(1))
    .optional()
    .describe('Names of RoutePolicies that routes to the neighbour are asked of, own ones too'),
  exportDefault: z
    .enum(['accept', 'reject'])
    .optional()
    .describe(
      'What becomes of a route that no export policy decides; absent: reject, or accept without policies',
    ),
  prefixLimits: z
    .array(prefixLimitSchema)
    .optional()
    .meta({ 'x-kubernetes-list-type': 'map', 'x-kubernetes-list-map-keys': ['family'] })
    .describe(
      'By family; absent, where routes are imported: 2000000, about twice the Internet, then try again after 900 seconds',
    ),

  localAs: z
    .strictObject({
      asn: asnField,
      noPrepend: z.boolean().default(false).describe('Do not put it in front of received paths'),
      replaceAs: z.boolean().default(false).describe("Do not show the speaker's own AS number beside it"),
    })
    .optional()
    .describe('AS number shown to an eBGP neighbour instead of the own one'),
  allowOwnAs: z
    .int()
    .min(0)
    .max(255)
    .optional()
    .describe('How often the own AS number may stand in a received path; absent: never'),
  removePrivateAs: z
    .enum(['remove', 'replace'])
    .optional()
    .describe('Take private AS numbers out of paths to an eBGP neighbour, or put the own in their place'),
  enforceFirstAs: z
    .boolean()
    .optional()
    .describe(
      "A path from an eBGP neighbour must start with its AS number; absent: yes, but not for a route server's client",
    ),
  nextHop: z
    .enum(['auto', 'self', 'keep'])
    .optional()
    .describe('Next hop of routes passed on; absent: auto, as RFC 4271 §5.1.3 says'),
  routeReflectorClient: z
    .boolean()
    .optional()
    .describe('An iBGP neighbour that routes are reflected to (RFC 4456)'),
  routeServerClient: z
    .boolean()
    .optional()
    .describe('An eBGP neighbour of this route server: paths are passed on unchanged (RFC 7947)'),
  role: z
    .strictObject({
      name: z.enum(['provider', 'rs', 'rs-client', 'customer', 'peer']).describe("This speaker's part"),
      strict: z.boolean().default(false).describe('Refuse a neighbour that tells no role'),
    })
    .optional()
    .describe('BGP role towards an eBGP neighbour: keeps routes from leaking (RFC 9234)'),
  addPath: z
    .strictObject({
      receive: z.boolean().default(false),
      send: z.int().min(0).max(255).default(0).describe('Most paths to send for a prefix; 0: only the best'),
      families: z.array(familyField).min(1).optional().describe('Absent: all of the neighbour'),
    })
    .optional()
    .describe('Several paths for one prefix (RFC 7911)'),

  gracefulRestart: z
    .strictObject({
      enabled: z.boolean().default(true),
      restartSeconds: z
        .int()
        .min(1)
        .max(4095)
        .optional()
        .describe(
          'How long the neighbour shall keep the routes of this speaker while it restarts; absent: 120',
        ),
      helperOnly: z
        .boolean()
        .optional()
        .describe('Keep the routes of a restarting neighbour, and ask nothing of it'),
      notification: z
        .boolean()
        .optional()
        .describe('Also when a NOTIFICATION ended the session (RFC 8538); absent: yes'),
      longLivedSeconds: z
        .int()
        .min(1)
        .max(16777215)
        .optional()
        .describe('Then keep them so much longer, as the last choice (RFC 9494)'),
      stalePathSeconds: z
        .int()
        .min(1)
        .max(4095)
        .optional()
        .describe(
          'Longest time to keep routes of the neighbour over its restarts, from when it is lost until it has sent them again (RFC 8538); absent: 360',
        ),
      deferralSeconds: z
        .int()
        .min(1)
        .max(4095)
        .optional()
        .describe('After a start: how long to wait for the neighbours before choosing routes; absent: 60'),
    })
    .optional()
    .describe('RFC 4724; absent: not offered'),

  adminDown: z.boolean().optional().describe('Keep the session down'),
  shutdownText: z
    .string()
    .max(128)
    .optional()
    .describe('What the neighbour is told when the session is ended on purpose (RFC 9003)'),
  gracefulShutdown: z
    .boolean()
    .optional()
    .describe(
      'Maintenance: routes to the neighbour carry GRACEFUL_SHUTDOWN, so that it prefers others (RFC 8326)',
    ),
  honourGracefulShutdown: z
    .boolean()
    .optional()
    .describe('Prefer other routes to those received with GRACEFUL_SHUTDOWN; absent: yes'),

  extendedMessages: z
    .boolean()
    .optional()
    .describe('Messages of more than 4096 bytes (RFC 8654); absent: yes'),
  linkBandwidthMbps: z
    .int()
    .min(1)
    .max(1000000000)
    .optional()
    .describe('Bandwidth in Mbit/s to tell in a link bandwidth community with next hop self'),
  aigp: z.boolean().optional().describe('Send and take the accumulated IGP metric (RFC 7311)'),
}

const settingsSchema = z.strictObject(peerSettings)
export type PeerSettings = z.output<typeof settingsSchema>

/** What no peer, no group, and no peer together with its group may say. */
export const peerChecks: readonly CrossCheck<PeerSettings>[] = [
  exclusive('asn', 'peerAs', 'write either the number or the kind of neighbour'),
  exclusive('passwordSecret', 'tcpAo', 'a connection has one kind of authentication'),
  exclusive('multihopTtl', 'ttlSecurityHops', 'ttlSecurityHops alone says how far away the neighbour is'),
  {
    rule: '!(has(self.routeReflectorClient) && self.routeReflectorClient && has(self.routeServerClient) && self.routeServerClient)',
    message: 'a neighbour is the client of a route reflector (iBGP) or of a route server (eBGP)',
    hint: 'keep one of the two',
    path: 'routeServerClient',
    holds: (spec) => spec.routeReflectorClient !== true || spec.routeServerClient !== true,
  },
]

function exclusive(
  first: keyof PeerSettings,
  second: keyof PeerSettings,
  hint: string,
): CrossCheck<PeerSettings> {
  return {
    rule: `!(has(self.${first}) && has(self.${second}))`,
    message: `${first} and ${second} exclude each other`,
    hint,
    path: second,
    holds: (spec) => spec[first] === undefined || spec[second] === undefined,
  }
}
