/** What a person or a program wants of a neighbour's session. */
import type { BgpState } from './bgp-state.ts'
import type { PeerCommand } from './io.ts'
import type { Neighbour } from './neighbour.ts'
import { sendMessage, startSession, stopSession } from './sessions.ts'
import { ceaseSubcode } from './wire/notification.ts'

/** Does what is wanted. A peer that is held down stays down. */
export function obey(bgp: BgpState, neighbour: Neighbour, command: PeerCommand): void {
  const { established, slot } = neighbour
  switch (command.kind) {
    case 'reset': {
      const { text } = command
      const subcode = ceaseSubcode.administrativeReset
      stopSession(bgp, neighbour, { subcode, ...(text === undefined ? {} : { text }) })
      delete neighbour.breach
      return startSession(bgp, neighbour, true)
    }
    case 'enable':
      delete neighbour.breach
      return startSession(bgp, neighbour)
    case 'refreshIn':
      if (established === undefined) return
      // RFC 2918 §4. A neighbour that cannot send again what it sent: what it sent is judged again.
      if (!established.negotiated.routeRefresh) return bgp.rib!.reevaluate(slot)
      for (const family of established.negotiated.families)
        sendMessage(bgp, neighbour, established.connection, { kind: 'routeRefresh', family, role: 'request' })
      return
    case 'refreshOut':
      for (const family of established?.negotiated.families ?? []) bgp.rib!.refresh(slot, family)
  }
}
