/** Capabilities as people read them, one text each: what `get peers` shows of both OPENs. */
import { hex } from '#core/lib/bytes.ts'
import type { Capabilities } from './message.ts'

/** In the order of their codes' families: what is carried, then how. */
export function capabilityTexts(capabilities: Capabilities): string[] {
  const { families, extendedNextHop, addPath, gracefulRestart, longLivedRestart, role, hostname } =
    capabilities
  const texts = families.map((family) => `multiprotocol ${family}`)
  if (capabilities.fourOctetAsn) texts.push('four-octet-asn')
  if (capabilities.routeRefresh) texts.push('route-refresh')
  if (capabilities.enhancedRouteRefresh === true) texts.push('enhanced-route-refresh')
  if (capabilities.extendedMessages === true) texts.push('extended-messages')
  for (const family of extendedNextHop) texts.push(`extended-next-hop ${family}`)
  for (const { family, receive, send } of addPath ?? [])
    texts.push(`add-path ${family} ${[...(send ? ['send'] : []), ...(receive ? ['receive'] : [])].join(' ')}`)
  if (gracefulRestart !== undefined) {
    const { restartSeconds, restarting, notification, families: kept } = gracefulRestart
    const bits = [...(restarting ? ['restarting'] : []), ...(notification ? ['notification'] : [])]
    const names = kept.map(({ family, forwarding }) => `${family}${forwarding ? ' forwarding' : ''}`)
    texts.push([`graceful-restart ${restartSeconds} s`, ...bits, ...names].join(' '))
  }
  for (const { family, staleSeconds, forwarding } of longLivedRestart ?? [])
    texts.push(`long-lived-graceful-restart ${family} ${staleSeconds} s${forwarding ? ' forwarding' : ''}`)
  if (role !== undefined) texts.push(`role ${role}`)
  if (hostname !== undefined) texts.push(`hostname ${hostname}`)
  for (const { code, value } of capabilities.other) {
    const name = code === ciscoRouteRefresh ? 'route-refresh (older code 128)' : `capability ${code}`
    texts.push(`${name} ${hex(value)}`.trimEnd())
  }
  return texts
}

/** FRR and Cisco still say it beside the standard's. */
const ciscoRouteRefresh = 128
