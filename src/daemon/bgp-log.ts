/** What BGP does, in the log's words. */
import type { BgpEvent } from '#core/bgp/io.ts'
import { unreachable } from '#core/lib/assert.ts'
import type { Logger } from './log.ts'

export function logBgpEvent(log: Logger, instance: string, event: BgpEvent): void {
  switch (event.kind) {
    case 'sessionUp':
      return log.info('session up', { instance, peer: event.peer })
    case 'sessionDown':
      return log.warn('session down', { instance, peer: event.peer, reason: event.reason })
    case 'bestPath': {
      const { prefix, attributes, peer } = event
      if (!log.debugEnabled) return
      const keys = { instance, prefix, ...(peer === undefined ? {} : { peer }) }
      return log.debug(attributes === undefined ? 'best path gone' : 'best path', keys)
    }
    case 'notificationSent':
    case 'notificationReceived': {
      const { peer, code, subcode, message } = event
      const said = event.kind === 'notificationSent' ? 'notification sent' : 'notification received'
      return log.warn(said, { instance, peer, code, subcode, reason: message })
    }
    case 'updateFault':
      return log.warn('malformed update', { instance, peer: event.peer, reason: event.message })
    case 'connectionRefused':
      return log.warn('connection refused', { instance, address: event.address, reason: event.reason })
    default:
      return unreachable(event)
  }
}
