/**
 * A BGP speaker that says what a file says: one session, which it opens, and routes that it is given to send. What comes back is
 * taken and forgotten.
 */
import type { AsPathSegment, PathAttributes } from '#core/bgp/attributes.ts'
import { families, type Family } from '#core/bgp/family.ts'
import type { ConnectionEnds } from '#core/bgp/io.ts'
import type { Ending, Negotiated, SessionConfig, SessionInput, SessionOutput } from '#core/bgp/session/io.ts'
import { initialSession, nextDeadline, step, type Session } from '#core/bgp/session/session.ts'
import { unnegotiated } from '#core/bgp/wire/context.ts'
import { Framer } from '#core/bgp/wire/framer.ts'
import { ceaseSubcode } from '#core/bgp/wire/notification.ts'
import { encodeRouteChanges, type RouteChange } from '#core/bgp/wire/route-updates.ts'
import { encodeEndOfRib } from '#core/bgp/wire/update-encode.ts'
import { decodeMessage, encodeMessage } from '#core/bgp/wire/wire.ts'
import { versionOf, type Address } from '#core/net/address.ts'
import { prefixVersion } from '#core/net/prefix.ts'

export interface PlayerConfig {
  asn: number
  routerId: Address
  /** The neighbour's; 0: any. */
  peerAsn: number
  address: Address
  holdTimeSeconds: number
  /** Next hops stay as they are in the file instead of becoming this end of the session. */
  keepNextHop: boolean
}

/** Connections are numbered by this machine. */
export type PlayerInput =
  | { kind: 'start' }
  | { kind: 'stop' }
  | { kind: 'tick' }
  | { kind: 'dialed'; connection: number; ends: ConnectionEnds }
  | { kind: 'dialFailed'; connection: number; reason: string }
  | { kind: 'closed'; connection: number; reason: string }
  | { kind: 'received'; connection: number; bytes: Uint8Array }

export type PlayerOutput =
  | { kind: 'dial'; connection: number }
  | { kind: 'send'; connection: number; bytes: Uint8Array }
  | { kind: 'close'; connection: number }
  | { kind: 'up'; peerAsn: number; families: readonly Family[] }
  /** The session ended, or one could not be made; it is tried again. */
  | { kind: 'down'; wasUp: boolean; reason: string }

export class Player {
  readonly #config: PlayerConfig
  readonly #sessionConfig: SessionConfig
  #session: Session = initialSession
  #framer = new Framer()
  #nextConnection = 1
  #up: { connection: number; negotiated: Negotiated } | undefined
  #outputs: PlayerOutput[] = []

  constructor(config: PlayerConfig) {
    this.#config = config
    this.#sessionConfig = {
      localAsn: config.asn,
      routerId: config.routerId,
      remoteAsn: config.peerAsn,
      remoteAddress: config.address,
      passive: false,
      families: [...families],
      timers: {
        connectRetrySeconds: 5,
        holdTimeSeconds: config.holdTimeSeconds,
        keepaliveSeconds: Math.max(1, Math.floor(config.holdTimeSeconds / 3)),
      },
    }
  }

  /** `now` in ms, never less than before. The outputs are to be performed in their order. */
  handle(input: PlayerInput, now: number): PlayerOutput[] {
    this.#outputs = []
    switch (input.kind) {
      case 'stop':
        this.#step({ kind: 'stop', subcode: ceaseSubcode.administrativeShutdown }, now)
        break
      case 'received':
        this.#receive(input.connection, input.bytes, now)
        break
      default:
        this.#step(input, now)
    }
    return this.#outputs
  }

  nextDeadline(): number {
    return nextDeadline(this.#session)
  }

  /**
   * The UPDATEs that say these changes as this speaker would: its AS number in front, its own next hop. Changes of a family that was
   * not agreed on are left out. While the session is up only.
   */
  encode(changes: readonly RouteChange[]): Uint8Array[] {
    const up = this.#up
    if (up === undefined) return []
    const { negotiated } = up
    const wanted = changes.flatMap((change): RouteChange[] => {
      const family: Family = prefixVersion(change.prefix) === 4 ? 'ipv4/unicast' : 'ipv6/unicast'
      if (!negotiated.families.includes(family)) return []
      const { prefix, attributes } = change
      return [
        attributes === undefined
          ? { prefix }
          : { prefix, attributes: this.#own(family, attributes, negotiated) },
      ]
    })
    const { fourOctetAsn, maxLength } = negotiated
    return encodeRouteChanges(wanted, { fourOctetAsn, maxLength })
  }

  /** RFC 4724 §2, of every family of the session. */
  endOfRib(): Uint8Array[] {
    return (this.#up?.negotiated.families ?? []).map(encodeEndOfRib)
  }

  /** Of the session that is up. */
  get connection(): number | undefined {
    return this.#up?.connection
  }

  #own(family: Family, attributes: PathAttributes, { kind, ends, asn }: Negotiated): PathAttributes {
    const { linkLocalNextHop, localPref = 100, asPath, nextHop, ...rest } = attributes
    const version = family === 'ipv4/unicast' ? 4 : 6
    const self = versionOf(ends.localAddress) === version ? ends.localAddress : ends.localAddressOtherVersion
    const own: PathAttributes = {
      ...rest,
      nextHop: this.#config.keepNextHop ? nextHop : (self ?? nextHop),
      asPath: kind === 'ibgp' || asn === this.#config.asn ? asPath : prepended(asPath, this.#config.asn),
    }
    if (this.#config.keepNextHop && linkLocalNextHop !== undefined) own.linkLocalNextHop = linkLocalNextHop
    // RFC 4271 §5.1.5.
    if (kind === 'ibgp') own.localPref = localPref
    return own
  }

  #receive(connection: number, bytes: Uint8Array, now: number): void {
    this.#framer.push(bytes)
    for (let framed = this.#framer.next(); framed !== undefined; framed = this.#framer.next()) {
      const context = this.#up?.connection === connection ? this.#up.negotiated : unnegotiated
      const decoded = framed.ok ? decodeMessage(framed.value, context) : framed
      if (!decoded.ok) return this.#step({ kind: 'malformed', connection, error: decoded.error }, now)
      this.#step({ kind: 'received', connection, message: decoded.value }, now)
    }
  }

  #step(input: SessionInput, now: number): void {
    const context = { now, fraction: 0, nextConnection: this.#nextConnection }
    const { session, outputs } = step(this.#sessionConfig, this.#session, input, context)
    this.#session = session
    for (const output of outputs) this.#perform(output)
  }

  #perform(output: SessionOutput): void {
    switch (output.kind) {
      case 'dial':
        this.#nextConnection++
        this.#framer = new Framer()
        this.#outputs.push(output)
        return
      case 'send': {
        const { connection, message } = output
        this.#outputs.push({ kind: 'send', connection, bytes: encodeMessage(message) })
        return
      }
      case 'close':
        this.#outputs.push(output)
        return
      case 'up': {
        const { connection, negotiated } = output
        this.#up = { connection, negotiated }
        this.#framer.setMaxLength(negotiated.maxLength)
        this.#outputs.push({ kind: 'up', peerAsn: negotiated.asn, families: negotiated.families })
        return
      }
      case 'down':
        this.#up = undefined
        return this.#ended(true, output.ending)
      case 'failed':
        return this.#ended(false, output.ending)
      case 'update':
      case 'routeRefresh':
        return
    }
  }

  #ended(wasUp: boolean, { reason }: Ending): void {
    this.#outputs.push({ kind: 'down', wasUp, reason })
  }
}

/** RFC 4271 §5.1.2 b), unless it is there already. */
function prepended(path: readonly AsPathSegment[], asn: number): AsPathSegment[] {
  const [first, ...rest] = path
  if (first?.kind !== 'sequence') return [{ kind: 'sequence', asns: [asn] }, ...path]
  if (first.asns[0] === asn) return [...path]
  if (first.asns.length === 255) return [{ kind: 'sequence', asns: [asn] }, ...path]
  return [{ kind: 'sequence', asns: [asn, ...first.asns] }, ...rest]
}
