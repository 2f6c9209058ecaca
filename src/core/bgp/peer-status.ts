/** What `get peers` shows of a neighbour. */
import type { Family } from './family.ts'
import type { FamilyCounts, PeerStatus } from './io.ts'
import type { Neighbour } from './neighbour.ts'
import type { Rib } from './rib/rib.ts'
import { sessionState } from './session/session.ts'

/** What `get peers` shows: of the session while it is up, else of the configuration. */
export function peerStatus(localAsn: number, { config, ...neighbour }: Neighbour, rib: Rib): PeerStatus {
  const negotiated = neighbour.established?.negotiated
  const status: PeerStatus = {
    peer: config.name,
    address: config.address,
    port: config.port,
    localAsn,
    asn: negotiated?.asn ?? config.asn,
    state: sessionState(neighbour.session),
    families: (negotiated?.families ?? config.families).map((family) =>
      familyCounts(rib, neighbour.slot, family),
    ),
    messages: { sent: neighbour.sent, received: neighbour.received },
  }
  if (neighbour.since !== undefined) status.since = neighbour.since
  if (neighbour.lastError !== undefined) status.lastError = neighbour.lastError
  if (negotiated === undefined) return status
  const { routerId, holdTimeSeconds, keepaliveSeconds, ends } = negotiated
  return { ...status, routerId, holdTimeSeconds, keepaliveSeconds, ends }
}

function familyCounts(rib: Rib, slot: number, family: Family): FamilyCounts {
  const { received, accepted, advertised } = rib.tables[family].peers[slot]!
  return { family, received, accepted, advertised }
}
