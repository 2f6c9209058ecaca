/** Everything that is known of one session, for a person who looks for what is wrong with it. */
import type { PeerRow } from '#api/contract/contract.ts'
import { urlHost } from '#core/net/address.ts'
import { goDuration } from './duration.ts'
import { renderTable } from './table.ts'
import { lastError, peerAddress, whyText } from './views.ts'

/** Several lines. Parts of which the answer says nothing are left out. */
export function peerDetail(peer: PeerRow, now: number): string {
  const title = `BGP peer ${peer.peer} (${peerAddress(peer)}) of ${peer.instance} on ${peer.node}`
  return [title, ...state(peer, now), ...settings(peer), ...negotiated(peer), ...counts(peer), ...why(peer)]
    .filter((line) => line !== '')
    .join('\n')
}

function state(peer: PeerRow, now: number): string[] {
  const { heldDown, heldByLimit, lastUp, lastDown, flaps, connection, routerId } = peer
  const ago = (time: string) => `${goDuration(now - Date.parse(time))} ago (${time})`
  const since = peer.since === undefined ? '' : ` for ${goDuration(now - Date.parse(peer.since))}`
  const history = [
    lastUp === undefined ? '' : `up ${ago(lastUp)}`,
    lastDown === undefined ? '' : `down ${ago(lastDown)}`,
    flaps === undefined ? '' : `${flaps} ${flaps === 1 ? 'loss' : 'losses'} of the session`,
  ].filter(Boolean)
  return [
    line('State', `${peer.state}${since}${peer.dynamic === true ? ', from a listen range' : ''}`),
    line('AS', `${peer.localAsn} here, ${peer.asn === 0 ? 'any' : peer.asn} there${kindText(peer)}`),
    routerId === undefined ? '' : line('Router ID', routerId),
    connection === undefined
      ? ''
      : line(
          'Connection',
          `${urlHost(connection.localAddress)}:${connection.localPort} to ${urlHost(connection.remoteAddress)}:${connection.remotePort}`,
        ),
    heldDown === undefined ? '' : line('Held down', heldDown),
    heldByLimit === undefined
      ? ''
      : line(
          'Held down',
          `by its prefix limit until ${heldByLimit.until ?? `\`herald peer enable ${peer.peer}\``}`,
        ),
    history.length === 0 ? '' : line('Last', history.join(', ')),
    // Else it is the last error itself.
    peer.lastDownReason === undefined || peer.lastDownReason === peer.lastError?.message
      ? ''
      : line('Went down', peer.lastDownReason),
    peer.lastError === undefined ? '' : line('Last error', `${lastError(peer)}, ${ago(peer.lastError.at)}`),
    peer.lastError?.hex === undefined ? '' : line('', `message ${peer.lastError.hex}`),
    ...(peer.stale ?? []).map(({ family, phase, until }) =>
      line('Stale', `${family} ${phase === 'longLived' ? 'long-lived' : phase}, until ${until} at most`),
    ),
    peer.awaited === undefined
      ? ''
      : line(
          'Awaited',
          `its End-of-RIB of ${peer.awaited.families.join(', ')}, until ${peer.awaited.until}: then learned routes are passed on`,
        ),
  ]
}

function kindText({ negotiated }: PeerRow): string {
  if (negotiated === undefined) return ''
  return `, ${{ ebgp: 'eBGP', ibgp: 'iBGP', confed: 'within the confederation' }[negotiated.kind]}`
}

function settings({ configured, holdTimeSeconds, keepaliveSeconds, role, negotiated }: PeerRow): string[] {
  const agreed =
    holdTimeSeconds === undefined ? '' : `hold ${holdTimeSeconds} s, keepalive ${keepaliveSeconds ?? 0} s`
  if (configured === undefined) return agreed === '' ? [] : [line('Timers', agreed)]
  const { importPolicies, exportPolicies, importRoutes, exportLearned } = configured
  const asked = `hold ${configured.holdTimeSeconds} s, keepalive ${configured.keepaliveSeconds} s, connect retry ${configured.connectRetrySeconds} s`
  const ttl =
    configured.minTtl === undefined ? `TTL ${configured.ttl}` : `TTL at least ${configured.minTtl} (GTSM)`
  const authentication = { none: 'no authentication', md5: 'TCP MD5', 'tcp-ao': 'TCP-AO' }[
    configured.authentication
  ]
  const policies = (names: readonly string[]) => (names.length === 0 ? '' : `, asked of ${names.join(', ')}`)
  return [
    line('Timers', agreed === '' ? asked : `${agreed} (configured: ${asked})`),
    line('Transport', [configured.passive ? 'passive' : 'active', ttl, authentication].join(', ')),
    line('Import', `${importRoutes ? 'routes are used' : 'no route is used'}${policies(importPolicies)}`),
    line(
      'Export',
      `${exportLearned ? 'own and learned routes' : 'own routes only'}${policies(exportPolicies)}`,
    ),
    role === undefined ? '' : line('Role', `${role} here, ${negotiated?.role ?? 'none told'} there`),
  ]
}

function negotiated({ negotiated: agreed }: PeerRow): string[] {
  if (agreed === undefined) return []
  const all = [...new Set([...agreed.offered, ...agreed.received])]
  const rows = all.map((capability) => {
    const [here, there] = [agreed.offered.includes(capability), agreed.received.includes(capability)]
    return ['  ', capability, here && there ? 'both' : here ? 'offered' : 'received']
  })
  const { gracefulRestart: restart, addPathReceive, addPathSend, extendedNextHop } = agreed
  const features = [
    addPathReceive.length === 0 ? '' : `several paths taken: ${addPathReceive.join(', ')}`,
    addPathSend.length === 0 ? '' : `several paths sent: ${addPathSend.join(', ')}`,
    extendedNextHop.length === 0 ? '' : `IPv6 next hops: ${extendedNextHop.join(', ')}`,
    `messages of up to ${agreed.maxLength} octets`,
  ].filter(Boolean)
  const kept = restart?.families.length === 0 ? 'no routes' : restart?.families.join(', ')
  return [
    line('Capabilities', rows.length === 0 ? 'none' : ''),
    ...(rows.length === 0 ? [] : renderTable(['  ', 'Capability', 'Said by'], rows, 2).split('\n')),
    line('Agreed', features.join('; ')),
    restart === undefined
      ? ''
      : line(
          'Restart',
          `within ${restart.restartSeconds} s, keeping ${kept}${restart.notification ? ', also after a NOTIFICATION' : ''}`,
        ),
    ...(restart?.longLived ?? []).map(({ family, staleSeconds }) =>
      line('', `then ${family} for ${staleSeconds} s as the last choice`),
    ),
  ]
}

function counts({ families, messages, updateFaults }: PeerRow): string[] {
  const routes = families.map(({ family, received, accepted, advertised, limit }) => {
    const numbers = [received, accepted, advertised].map(String)
    return ['  ', family, ...numbers, limit === undefined ? '' : String(limit)]
  })
  const header = ['  ', 'Routes', 'Received', 'Accepted', 'Advertised', 'Limit']
  const kinds = Object.entries(messages?.sent ?? {}).map(([kind, sent]) => {
    const received = messages?.received[kind as keyof typeof messages.received] ?? 0
    return ['  ', kindNames[kind] ?? kind, String(sent), String(received)]
  })
  return [
    ...(routes.length === 0 ? [] : renderTable(header, routes, 2).split('\n')),
    ...(kinds.length === 0 ? [] : renderTable(['  ', 'Messages', 'Sent', 'Received'], kinds, 2).split('\n')),
    updateFaults === undefined || updateFaults === 0
      ? ''
      : line('Faults', `${updateFaults} malformed UPDATEs that did not end the session`),
  ]
}

const kindNames: Record<string, string> = {
  open: 'OPEN',
  update: 'UPDATE',
  notification: 'NOTIFICATION',
  keepalive: 'KEEPALIVE',
  routeRefresh: 'ROUTE-REFRESH',
}

function why({ reasons }: PeerRow): string[] {
  return reasons.map((reason, i) => line(i === 0 ? 'Why' : '', whyText([reason])))
}

function line(label: string, text: string): string {
  return `  ${`${label}${label === '' ? '' : ':'}`.padEnd(14)}${text}`.trimEnd()
}
