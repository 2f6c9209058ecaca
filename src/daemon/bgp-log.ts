/**
 * What BGP does, in the log's words. Lines that a neighbour, or anybody who reaches the port, could cause without end are
 * limited: so many of a kind in a while, and later the number of those left out.
 */
import type { BgpEvent } from '#core/bgp/io.ts'
import { unreachable } from '#core/lib/assert.ts'
import type { LogKeys, Logger } from './log.ts'

/** Lines of one kind from one neighbour, or from all strangers together, within {@link windowMs}. */
const linesMax = 20
const windowMs = 10_000

interface Window {
  startedAt: number
  count: number
}

export class BgpLog {
  readonly #log: Logger
  readonly #now: () => number
  /** By message and whom it is about: configured peers, and strangers as one. */
  readonly #windows = new Map<string, Window>()

  /** `now`: milliseconds of any clock. */
  constructor(log: Logger, now: () => number) {
    this.#log = log
    this.#now = now
  }

  write(instance: string, event: BgpEvent): void {
    const log = this.#log
    switch (event.kind) {
      case 'sessionUp':
        return log.info('session up', { instance, peer: event.peer })
      case 'sessionDown':
        return log.warn('session down', { instance, peer: event.peer, reason: event.reason })
      case 'bestPath': {
        if (!log.debugEnabled) return
        const { prefix, nextHop, peer } = event
        const keys = { instance, prefix, ...(peer === undefined ? {} : { peer }) }
        return log.debug(nextHop === undefined ? 'best path gone' : 'best path', keys)
      }
      case 'bestPaths':
        return log.debug('more best paths', { instance, count: event.count })
      case 'notificationSent':
      case 'notificationReceived': {
        const { peer, code, subcode, message } = event
        const said = event.kind === 'notificationSent' ? 'notification sent' : 'notification received'
        return log.warn(said, { instance, peer, code, subcode, reason: message })
      }
      case 'updateFault': {
        const about = { instance, peer: event.peer }
        return this.#limited('malformed update', about, { reason: event.message })
      }
      case 'prefixLimit': {
        const { peer, family, level, count, max } = event
        const about = { instance, peer }
        const said = level === 'near' ? 'prefix limit is near' : 'prefix limit is passed'
        return this.#limited(said, about, { count, reason: `${count} ${family} routes came, ${max} may` })
      }
      case 'connectionRefused': {
        const { address, reason } = event
        return this.#limited('connection refused', { instance }, { address, reason })
      }
      default:
        return unreachable(event)
    }
  }

  /** `about`: those whose lines are counted together. */
  #limited(message: string, about: LogKeys, more: LogKeys): void {
    const now = this.#now()
    const key = JSON.stringify([message, about])
    const window = this.#windows.get(key)
    if (window !== undefined && now - window.startedAt < windowMs) {
      window.count++
      if (window.count > linesMax) return
    } else {
      this.#windows.set(key, { startedAt: now, count: 1 })
      const count = (window?.count ?? 0) - linesMax
      if (count > 0) this.#log.warn(`${message}: some were left out`, { ...about, count })
    }
    this.#log.warn(message, { ...about, ...more })
  }
}
