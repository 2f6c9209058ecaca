/** From what a peer says (with its group) to what the speaker is told about a neighbour: here absent fields get their meaning. */
import type { GracefulRestartConfig, ListenRange, PeerConfig, PrefixLimit } from '#core/bgp/config.ts'
import type { Family } from '#core/bgp/family.ts'
import { reasonFrom, sourceOf, type Derived, type DerivedPeer } from '#core/dialect/native-set.ts'
import { compareText } from '#core/lib/order.ts'
import type { Reason } from '#core/lib/reason.ts'
import type { Result } from '#core/lib/result.ts'
import { address } from '#core/net/address.ts'
import type { BGPPeer } from '#core/schema/bgp-peer.ts'
import type { PeerSettings } from '#core/schema/peer-settings.ts'
import type { PlanContext } from './plan-context.ts'
import { passwordFrom } from './secret.ts'

export type Template = ListenRange['template']

const families: readonly Family[] = ['ipv4/unicast', 'ipv6/unicast']

/**
 * About twice the routes of the Internet: no router that works sends more, and one that does not must not fill the memory.
 * It is asked again by itself, since nobody configured the limit.
 */
const defaultPrefixLimit: PrefixLimit = { max: 2_000_000, action: 'reset', restartSeconds: 900 }

/**
 * The neighbour but for its name and address. `asn`: the instance's own on this node. What is worth knowing about it is
 * added to `reasons`; what cannot be done is a problem, and holds the session down where it must not run without it.
 */
export function peerConfigOf(
  context: PlanContext,
  derived: DerivedPeer,
  asn: number,
  reasons: Reason[],
): Omit<Template, 'name'> {
  const { spec } = derived.resource
  const { internal, ...who } = neighbourAs(derived, asn, reasons)
  const problem = (path: string, message: string, hint: string) =>
    context.problems.push({
      rule: 'NoEffect',
      message,
      hint,
      ...sourceOf(derived, path),
      nodes: [context.node.metadata.name],
    })
  for (const [field, meant] of onlyFor) {
    if (spec[field] === undefined || spec[field] === false || who.asn === 0) continue
    if ((meant === 'internal') === internal) continue
    const [is, wants] = internal ? ['iBGP', 'eBGP'] : ['eBGP', 'iBGP']
    problem(
      `spec.${field}`,
      `${field} has no effect: this is ${is}, and it is for ${wants}`,
      'remove the field',
    )
  }
  const external = !internal || who.asn === 0
  const minTtl = spec.ttlSecurityHops === undefined ? undefined : 256 - spec.ttlSecurityHops
  return {
    ...who,
    port: spec.port ?? 179,
    ...(spec.interface !== undefined && { interface: spec.interface }),
    ...(spec.sourceAddress !== undefined && { sourceAddress: address(spec.sourceAddress) }),
    passive: spec.passive ?? false,
    families: (spec.families ?? families).toSorted(compareText),
    // Neighbours inside an AS need not share a link. RFC 5082 §3: packets leave with the greatest TTL.
    ttl: internal || minTtl !== undefined ? 255 : (spec.multihopTtl ?? 1),
    ...(minTtl !== undefined && { minTtl }),
    timers: timersOf(spec),
    ...routing(spec, internal, external),
    ...limits(spec),
    ...resilience(spec),
    ...security(context, derived, reasons),
  }
}

/** Fields that make sense on one kind of session only. */
const onlyFor: readonly [field: keyof PeerSettings, meant: 'internal' | 'external'][] = [
  ['routeReflectorClient', 'internal'],
  ['routeServerClient', 'external'],
  ['localAs', 'external'],
  ['removePrivateAs', 'external'],
  ['role', 'external'],
]

function neighbourAs(
  derived: Derived<BGPPeer>,
  own: number,
  reasons: Reason[],
): Pick<PeerConfig, 'asn' | 'peerAs'> & { internal: boolean } {
  const { asn, peerAs, multihopTtl, ttlSecurityHops } = derived.resource.spec
  const say = (path: string, rule: string, message: string) =>
    reasons.push(reasonFrom(derived, path, rule, message))
  if (peerAs === 'internal' || asn === own) {
    say(
      peerAs === undefined ? 'spec.asn' : 'spec.peerAs',
      'InternalPeer',
      `it has our AS number ${own}, so this is iBGP`,
    )
    return { asn: own, internal: true }
  }
  if (ttlSecurityHops === undefined) {
    say('spec.multihopTtl', 'ExternalPeer', `its packets have TTL ${multihopTtl ?? 1}`)
  } else {
    const message = `it is at most ${ttlSecurityHops} hops away: packets with a TTL below ${256 - ttlSecurityHops} are dropped`
    say('spec.ttlSecurityHops', 'ExternalPeer', message)
  }
  return { asn: asn ?? 0, ...(peerAs === 'external' && { peerAs }), internal: false }
}

function timersOf({ timers = {} }: PeerSettings): PeerConfig['timers'] {
  const { connectRetrySeconds = 120, keepaliveSeconds: asked } = timers
  const { holdTimeSeconds = Math.min(65535, Math.max(90, 3 * (asked ?? 0))) } = timers
  const third = holdTimeSeconds === 0 ? 30 : Math.max(1, Math.floor(holdTimeSeconds / 3))
  const keepaliveSeconds = Math.min(asked ?? third, holdTimeSeconds || 21845, 21845)
  return { connectRetrySeconds, holdTimeSeconds, keepaliveSeconds }
}

/** What becomes of routes on their way in and out. Absent fields stay absent: the speaker has the same defaults. */
function routing(spec: PeerSettings, internal: boolean, external: boolean) {
  const { localAs, role, addPath } = spec
  const offered = addPath?.families ?? spec.families ?? families
  return {
    // RFC 8212 §3: nothing is used and nothing passed on unless it is said.
    importRoutes: spec.importRoutes ?? (spec.importPolicies ?? []).length > 0,
    exportLearned: spec.exportLearned ?? false,
    ...(external && localAs !== undefined && { localAs }),
    ...(spec.routeReflectorClient === true && internal && { routeReflectorClient: true }),
    ...(spec.routeServerClient === true && external && { routeServerClient: true }),
    ...(addPath !== undefined && {
      addPath: Object.fromEntries(
        offered.map((family) => [family, { receive: addPath.receive, send: addPath.send }]),
      ),
    }),
    ...(external && role !== undefined && { role }),
    ...defined('allowOwnAs', spec.allowOwnAs),
    ...(external && defined('removePrivateAs', spec.removePrivateAs)),
    ...defined('nextHop', spec.nextHop),
    ...defined('enforceFirstAs', spec.enforceFirstAs),
    ...defined('linkBandwidth', spec.linkBandwidthMbps && (spec.linkBandwidthMbps * 1_000_000) / 8),
    ...defined('aigp', spec.aigp),
    ...defined('gracefulShutdown', spec.gracefulShutdown),
    ...defined('honourGracefulShutdown', spec.honourGracefulShutdown),
  }
}

function limits(spec: PeerSettings): Pick<PeerConfig, 'prefixLimits'> {
  const imports = spec.importRoutes ?? (spec.importPolicies ?? []).length > 0
  const given = new Map((spec.prefixLimits ?? []).map((limit) => [limit.family, limit]))
  const all = (spec.families ?? families).flatMap((family): [Family, PrefixLimit][] => {
    const limit = given.get(family)
    if (limit === undefined) return imports ? [[family, defaultPrefixLimit]] : []
    const { max, warnPercent, action = 'reset', restartSeconds } = limit
    return [
      [
        family,
        { max, ...defined('warnPercent', warnPercent), action, ...defined('restartSeconds', restartSeconds) },
      ],
    ]
  })
  return all.length === 0 ? {} : { prefixLimits: Object.fromEntries(all) }
}

function resilience(spec: PeerSettings) {
  const { gracefulRestart, timers } = spec
  return {
    ...(gracefulRestart?.enabled === true && { gracefulRestart: gracefulRestartOf(gracefulRestart) }),
    ...defined('extendedMessages', spec.extendedMessages),
    ...defined('sendHoldSeconds', timers?.sendHoldSeconds),
    ...defined('delayOpenSeconds', timers?.delayOpenSeconds),
  }
}

function gracefulRestartOf(given: NonNullable<PeerSettings['gracefulRestart']>): GracefulRestartConfig {
  return {
    restartSeconds: given.restartSeconds ?? 120,
    helperOnly: given.helperOnly ?? false,
    notification: given.notification ?? true,
    ...defined('longLivedSeconds', given.longLivedSeconds),
    ...defined('stalePathSeconds', given.stalePathSeconds),
    deferralSeconds: given.deferralSeconds ?? 60,
  }
}

function security(context: PlanContext, derived: DerivedPeer, reasons: Reason[]) {
  const { spec } = derived.resource
  const { passwordSecret, tcpAo, shutdownText } = spec
  const text = defined('shutdownText', shutdownText)
  if (spec.adminDown === true) {
    reasons.push(reasonFrom(derived, 'spec.adminDown', 'AdminDown', 'it is kept down'))
    return { ...text, heldDown: 'it is configured to be down' }
  }
  if (derived.password !== undefined) return { ...text, password: derived.password }
  if (passwordSecret !== undefined) {
    const password = secretText(context, derived, 'spec.passwordSecret', passwordSecret, reasons)
    return { ...text, ...(password.ok ? { password: password.value } : { heldDown: password.error }) }
  }
  if (tcpAo === undefined) return text
  const { keyId, algorithm, secret } = tcpAo
  const key = secretText(context, derived, 'spec.tcpAo.secret', secret, reasons)
  return key.ok
    ? { ...text, authenticationOption: { keyId, algorithm, key: key.value } }
    : { ...text, heldDown: key.error }
}

function secretText(
  context: PlanContext,
  derived: Derived<BGPPeer>,
  path: string,
  wanted: NonNullable<PeerSettings['passwordSecret']>,
  reasons: Reason[],
): Result<string> {
  const found = passwordFrom(context.snapshot.secrets, wanted)
  if (found.ok) {
    reasons.push(reasonFrom(derived, path, 'PasswordFromSecret', 'its password is in this Secret'))
    return found
  }
  const { namespace, name, key } = wanted
  const { address: neighbour = derived.resource.metadata.name } = derived.resource.spec
  reasons.push(reasonFrom(derived, path, 'MissingSecret', found.error))
  context.problems.push({
    rule: 'MissingSecret',
    message: `${found.error}, so the session with ${neighbour} is held down`,
    hint: `create the Secret with the key "${key}"`,
    ...sourceOf(derived, path),
    other: { kind: 'Secret', namespace, name },
  })
  return found
}

function defined<K extends string, V>(key: K, value: V | undefined): Partial<Record<K, V>> {
  return (value === undefined ? {} : { [key]: value }) as Partial<Record<K, V>>
}
