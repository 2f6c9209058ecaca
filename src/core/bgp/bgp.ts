/**
 * One BGP speaker (an "instance") as one machine: configuration, connections, bytes and time go in, connections, bytes and
 * events come out (RFC 4271). It joins the parts: a framer per connection, a session per neighbour (`session/`), the routing
 * information bases (`rib/`). Whatever an input led to, the UPDATEs that it makes necessary are in the same call's outputs.
 *
 * It does no I/O, keeps no clock and knows nothing of Kubernetes.
 */
import { assert, present } from '#core/lib/assert.ts'
import type { Prng } from '#core/lib/prng.ts'
import type { Address } from '#core/net/address.ts'
import { hex } from '#core/lib/bytes.ts'
import { covers, type Prefix } from '#core/net/prefix.ts'
import { acceptingNeighbour, acceptingRange, dynamicPeer } from './accept.ts'
import type { InstanceConfig, ListenRange, PeerConfig } from './config.ts'
import { families, type Family } from './family.ts'
import {
  shownOctets,
  type BgpEvent,
  type BgpInput,
  type BgpOutput,
  type ConnectionEnds,
  type ConnectionId,
  type PeerCommand,
  type PeerStatus,
  type RouteEntry,
  type RouteFilter,
  type RoutePage,
  type RouteTable,
  sendQueueHigh,
  sendQueueLow,
} from './io.ts'
import {
  dynamicIdleMs,
  heldDownBy,
  isOpening,
  mustRestart,
  neighbourDeadline,
  sessionConfigOf,
  tappedSession,
  type Neighbour,
} from './neighbour.ts'
import { familyCounts, noMessages, peerStatus } from './peer-status.ts'
import { limitData, limitLevel, limitText } from './prefix-limits.ts'
import { allArrived, beginRestart, cameUp, isOver, type Restarter } from './restarter.ts'
import type { OriginChange } from './policy/origins.ts'
import { Policies } from './policy/policies.ts'
import { OriginValidation } from './policy/validation.ts'
import { ribSession } from './rib-session.ts'
import { withheldFrom } from './rib/explain.ts'
import { Ingest, type DecodeKind } from './rib/ingest.ts'
import { queryPage, queryRoutes, type RouteQuery } from './rib/query.ts'
import { Rib, type NeighbourPolicy, type RibSink } from './rib/rib.ts'
import type { Ending, Negotiated, SessionInput, SessionMessage, SessionOutput, Stop } from './session/io.ts'
import { initialSession, step } from './session/session.ts'
import { arrivalMs, expired, keptAfterLoss, notKeptOn, type StaleRoutes } from './stale-routes.ts'
import type { Tap, TappedSession } from './tap.ts'
import { unnegotiated, type UpdateContext } from './wire/context.ts'
import { Framer, messageType } from './wire/framer.ts'
import type { Notification, RouteRefresh } from './wire/message.ts'
import { ceaseSubcode, showNotification } from './wire/notification.ts'
import { dialOf, ttlOf } from './transport.ts'
import { decodeMessage, encodeMessage } from './wire/wire.ts'

/** Best paths that change in one call are told one by one up to this number. */
const bestPathEventsMax = 64

/** Gives out numbers for connections that are dialed: shared by all instances of a process, so that none is used twice. */
export interface ConnectionNumbers {
  /** The next one that nobody has had, at least 1. */
  next: ConnectionId
}

interface Link {
  neighbour: Neighbour
  framer: Framer
  /** While its session is established: how its UPDATEs are to be read. */
  kind?: DecodeKind
  /** OPENs as whole messages. */
  sentOpen?: Uint8Array
  receivedOpen?: Uint8Array
}

/** Why a connection is not taken; subcode of Cease, absent: Connection Rejected. */
interface Refusal {
  reason: string
  subcode?: number
}

export class Bgp {
  readonly #random: Prng
  readonly #numbers: ConnectionNumbers
  readonly #neighbours = new Map<string, Neighbour>()
  readonly #links = new Map<ConnectionId, Link>()
  readonly #validation = new OriginValidation()
  readonly #policies = new Policies(this.#validation.origins)
  #config: InstanceConfig | undefined
  #rib: Rib | undefined
  #ingest: Ingest | undefined
  /** While routes are not passed on yet after a restart. */
  #restarter: Restarter | undefined
  #shutDown = false
  /** No neighbour wants a step before: a deadline that has moved on since makes it early, never late. */
  #wakeAt = Infinity
  /** What the call in progress leads to. */
  #outputs: BgpOutput[] = []
  #now = 0
  /** The whole message that is being taken in. */
  #message: Uint8Array | undefined
  /** Neighbours by their place in the RIB. */
  readonly #bySlot: (Neighbour | undefined)[] = []
  /** Those that were sent UPDATEs in this call. */
  readonly #told = new Set<Neighbour>()
  #bestChanges = 0
  #changedPrefixes: Prefix[] = []
  readonly #sink: RibSink = {
    send: (slot, bytes, messages) => this.#sendUpdates(slot, bytes, messages),
    refreshBorder: (slot, family, role) => {
      const message = encodeMessage({ kind: 'routeRefresh', family, role })
      this.#bySlot[slot]!.sent.routeRefresh++
      this.#sendUpdates(slot, message, 0)
    },
    bestChanged: (family, prefix) => this.#bestChanged(family, prefix),
  }

  constructor(random: Prng, numbers: ConnectionNumbers) {
    this.#random = random
    this.#numbers = numbers
  }

  /** `now` in ms, never less than before. The outputs are to be performed in their order. */
  handle(input: BgpInput, now: number): BgpOutput[] {
    this.#outputs = []
    this.#now = now
    this.#take(input)
    if (this.#wakeAt <= now) this.#wake()
    this.#endDeferral()
    const origins = this.#validation.run()
    if (origins !== undefined) this.#originsChanged(origins)
    this.#runRib()
    return this.#outputs
  }

  /** Time at which the next `tick` is due, unless another input comes before; `Infinity`: none. */
  nextDeadline(): number {
    if (this.#validation.waiting) return this.#now
    return Math.min(this.#wakeAt, this.#restarter?.until ?? Infinity, this.#rib?.nextRunAt() ?? Infinity)
  }

  /** In the order of the configuration, and then those made from listen ranges. */
  peers(): PeerStatus[] {
    const { config, rib } = { config: this.#config, rib: this.#rib }
    if (config === undefined || rib === undefined) return []
    const dynamic = [...this.#neighbours.values()].filter((neighbour) => neighbour.dynamic !== undefined)
    return [...config.peers.map(({ name }) => present(this.#neighbours.get(name), name)), ...dynamic].map(
      (neighbour) => peerStatus(neighbour, rib),
    )
  }

  /** Ordered by prefix, then peer. */
  routes(table: RouteTable, filter: RouteFilter = {}): RouteEntry[] {
    const query = this.#queryOf(filter)
    if (this.#rib === undefined || query === undefined) return []
    return this.#withOrigins(queryRoutes(this.#rib, table, query, this.#names()))
  }

  /**
   * The same routes in pages of about `limit`, in the order of the tables. `cursor`: 0, then what the page before gave. Routes
   * that come or go between two pages may be missed; those that stay are given once. A page may be empty and not the last.
   */
  routePage(table: RouteTable, filter: RouteFilter, cursor: number, limit: number): RoutePage {
    const query = this.#queryOf(filter)
    if (this.#rib === undefined || query === undefined) return { entries: [] }
    const page = queryPage(this.#rib, table, query, this.#names(), cursor, limit)
    return { ...page, entries: this.#withOrigins(page.entries) }
  }

  /** What the tables hold in memory: prefixes that are known, by whatever, and distinct attribute sets. */
  tableSizes(): { prefixes: number; attributeSets: number } {
    if (this.#rib === undefined) return { prefixes: 0, attributeSets: 0 }
    const { tables, store } = this.#rib
    const prefixes = families.reduce((sum, family) => sum + tables[family].prefixes.size, 0)
    return { prefixes, attributeSets: store.size }
  }

  /** Own routes and, with `exportLearned`, best paths that this established peer is meant to get and does not. */
  withheld(peer: string): { prefix: Prefix; reason: string }[] {
    const neighbour = this.#neighbours.get(peer)
    return neighbour === undefined || this.#rib === undefined ? [] : withheldFrom(this.#rib, neighbour.slot)
  }

  /** Established sessions, as stations and dumps are told of them. */
  tappedSessions(): TappedSession[] {
    return [...this.#neighbours.values()].flatMap((neighbour) => tappedSession(neighbour) ?? [])
  }

  /** Undefined: of a peer that does not exist. */
  #queryOf({ peer, ...query }: RouteFilter): RouteQuery | undefined {
    if (peer === undefined) return query
    const slot = this.#neighbours.get(peer)?.slot
    return slot === undefined ? undefined : { ...query, slot }
  }

  #withOrigins(entries: RouteEntry[]): RouteEntry[] {
    return this.#validation.withStates(entries, ownOrigin(this.#config!))
  }

  #names(): Map<number, string> {
    return new Map([...this.#neighbours].map(([name, neighbour]) => [neighbour.slot, name]))
  }

  #take(input: BgpInput): void {
    switch (input.kind) {
      case 'configure':
        return this.#configure(input.config)
      case 'dialed': {
        const { connection } = input
        const link = this.#links.get(connection)
        const reason = link === undefined ? undefined : this.#fullFor(link.neighbour)
        if (link !== undefined && reason === undefined) return this.#step(link.neighbour, input)
        // The peer may have been taken out of the configuration meanwhile.
        this.#links.delete(connection)
        this.#outputs.push({ kind: 'close', connection })
        if (link !== undefined)
          this.#step(link.neighbour, { kind: 'dialFailed', connection, reason: reason! })
        return
      }
      case 'dialFailed':
      case 'closed': {
        const link = this.#links.get(input.connection)
        this.#links.delete(input.connection)
        if (link !== undefined) this.#step(link.neighbour, input)
        return
      }
      case 'accepted':
        return this.#accept(input.connection, input.ends)
      case 'unheard':
        return this.#unheard(input.address, input.reason)
      case 'received':
        return this.#receive(input.connection, input.bytes)
      case 'shutdown':
        this.#shutDown = true
        for (const neighbour of this.#neighbours.values())
          this.#stop(neighbour, {
            subcode: ceaseSubcode.administrativeShutdown,
            manner: input.graceful === false ? 'end' : 'leave',
          })
        return
      case 'sendQueue': {
        const link = this.#links.get(input.connection)
        if (link !== undefined) this.#sendQueue(link.neighbour, input)
        return
      }
      case 'command': {
        const neighbour = this.#neighbours.get(input.peer)
        if (neighbour !== undefined) this.#command(neighbour, input.command)
        return
      }
      case 'origins':
        return this.#validation.feed(input.added, input.removed)
      case 'tick':
        return
    }
  }

  /** RFC 6811 §4: routes are judged again when what is known of their origins changes. */
  #originsChanged(change: OriginChange): void {
    this.#rib?.originsChanged(change)
    if (this.#config?.taps !== undefined) this.#tap({ kind: 'reevaluated' })
  }

  #sendQueue(neighbour: Neighbour, input: Extract<BgpInput, { kind: 'sendQueue' }>): void {
    const { connection, bytes } = input
    this.#step(neighbour, input)
    if (neighbour.established?.connection !== connection) return
    if (bytes > sendQueueHigh) this.#rib!.setCongested(neighbour.slot, true)
    else if (bytes <= sendQueueLow) this.#rib!.setCongested(neighbour.slot, false)
  }

  /** Compares whole configurations: what is equal is left alone, whatever else changed. */
  #configure(config: InstanceConfig): void {
    const old = this.#config
    if (old === undefined || this.#rib === undefined || isOtherSpeaker(old, config)) {
      for (const neighbour of this.#neighbours.values())
        this.#remove(neighbour, ceaseSubcode.otherConfigurationChange)
      const seed = this.#random.u32()
      this.#rib = new Rib({ seed, ownAsn: ownOrigin(config) })
      this.#ingest = new Ingest(this.#rib, seed)
    }
    if (old !== undefined && config.taps !== undefined && rulesOf(old) !== rulesOf(config))
      this.#tap({ kind: 'reevaluated' })
    if (old === undefined) this.#restarter = beginRestart(config, this.#now)
    this.#rib.setDecision({ alwaysCompareMed: config.alwaysCompareMed ?? false })
    this.#rib.setDeferred(this.#restarter !== undefined)
    this.#rib.setComplete(config.routesComplete ?? true)
    this.#config = config
    this.#policies.configure(config.policies ?? [])
    const wanted = new Map(config.peers.map((peer) => [peer.name, peer]))
    for (const neighbour of this.#neighbours.values()) {
      const range = rangeOf(neighbour, config)
      if (range !== undefined) wanted.set(neighbour.config.name, dynamicPeer(range, remoteOf(neighbour)))
      if (!wanted.has(neighbour.config.name)) this.#remove(neighbour, ceaseSubcode.peerDeconfigured)
    }
    for (const peer of wanted.values()) this.#configurePeer(old ?? config, config, peer)
    this.#setOwnRoutes(config)
  }

  #setOwnRoutes({ routes }: InstanceConfig): void {
    // The name of a range's template stands for all that were made from it.
    const slots = new Map<string, number[]>()
    for (const { config, slot, dynamic } of this.#neighbours.values())
      for (const name of dynamic === undefined ? [config.name] : [config.name, dynamic.range])
        slots.set(name, [...(slots.get(name) ?? []), slot])
    const own = routes.map(({ prefix, to }) => ({
      prefix,
      to: to.flatMap(({ peer, attributes }) => (slots.get(peer) ?? []).map((slot) => ({ slot, attributes }))),
    }))
    this.#rib!.setOwnRoutes(own, this.#now)
  }

  #configurePeer(oldInstance: InstanceConfig, instance: InstanceConfig, peer: PeerConfig): void {
    const rib = this.#rib!
    const known = this.#neighbours.get(peer.name)
    if (known === undefined) {
      this.#start(this.#add(instance, peer))
      return
    }
    const old = known.config
    const restart = mustRestart([oldInstance, old], [instance, peer])
    const { heldDown, shutdownText } = peer
    if (heldDown !== undefined && old.heldDown === undefined)
      this.#stop(known, {
        subcode: ceaseSubcode.administrativeShutdown,
        ...(shutdownText === undefined ? {} : { text: shutdownText }),
      })
    if (restart) this.#stop(known, { subcode: ceaseSubcode.otherConfigurationChange, manner: 'restart' })
    known.config = peer
    known.sessionConfig = sessionConfigOf(instance, peer, known.since !== undefined)
    rib.setPolicy(known.slot, policyOf(peer))
    const { established } = known
    if (established !== undefined)
      rib.changeSession(known.slot, ribSession(instance, peer, established.negotiated, this.#policies))
    const limits = JSON.stringify(old.prefixLimits) !== JSON.stringify(peer.prefixLimits)
    if (limits) {
      delete known.breach
      known.nearLimit.clear()
      for (const family of peer.families) this.#checkLimit(known, family)
    }
    const pause = restart && old.heldDown === undefined
    if (restart || limits || old.heldDown !== peer.heldDown) this.#start(known, pause)
  }

  #add(instance: InstanceConfig, peer: PeerConfig): Neighbour {
    const neighbour: Neighbour = {
      config: peer,
      sessionConfig: sessionConfigOf(instance, peer, false),
      session: initialSession,
      stale: new Map(),
      slot: this.#rib!.addNeighbour(policyOf(peer)),
      flaps: 0,
      sent: noMessages(),
      received: noMessages(),
      updateFaults: 0,
      nearLimit: new Map(),
    }
    this.#neighbours.set(peer.name, neighbour)
    this.#bySlot[neighbour.slot] = neighbour
    return neighbour
  }

  /** `pause`: it was just ended. */
  #start(neighbour: Neighbour, pause = false): void {
    const { heldDown } = neighbour.config
    if (heldDown !== undefined) neighbour.lastError = { at: this.#now, direction: 'local', message: heldDown }
    else if (!this.#shutDown && neighbour.breach === undefined)
      this.#step(neighbour, { kind: 'start', pause })
  }

  #command(neighbour: Neighbour, command: PeerCommand): void {
    const { established, slot } = neighbour
    switch (command.kind) {
      case 'reset': {
        const { text } = command
        const subcode = ceaseSubcode.administrativeReset
        this.#stop(neighbour, { subcode, ...(text === undefined ? {} : { text }) })
        delete neighbour.breach
        return this.#start(neighbour, true)
      }
      case 'enable':
        delete neighbour.breach
        return this.#start(neighbour)
      case 'refreshIn':
        if (established === undefined) return
        // RFC 2918 §4. A neighbour that cannot send again what it sent: what it sent is judged again.
        if (!established.negotiated.routeRefresh) return this.#rib!.reevaluate(slot)
        for (const family of established.negotiated.families)
          this.#send(neighbour, established.connection, { kind: 'routeRefresh', family, role: 'request' })
        return
      case 'refreshOut':
        for (const family of established?.negotiated.families ?? []) this.#rib!.refresh(slot, family)
    }
  }

  /** Ends the session, and the wait for it to come back. */
  #stop(neighbour: Neighbour, how: Omit<Stop, 'kind'>): void {
    this.#step(neighbour, { kind: 'stop', ...how })
    if (how.manner !== undefined && how.manner !== 'end') return
    for (const family of neighbour.stale.keys()) this.#rib!.sweepStale(neighbour.slot, family)
    neighbour.stale.clear()
  }

  /** RFC 4271 §6.7: says once that a limit is near or passed, and ends the session if it is to. */
  #checkLimit(neighbour: Neighbour, family: Family): void {
    const { config, slot, nearLimit, established } = neighbour
    const limit = config.prefixLimits?.[family]
    if (limit === undefined) return
    const count = familyCounts(this.#rib!, slot, family).received
    const level = limitLevel(limit, count)
    const said = nearLimit.get(family)
    if (level === 'within') nearLimit.delete(family)
    if (level === 'within' || said === level || said === 'over') return
    nearLimit.set(family, level)
    const { max, action, restartSeconds } = limit
    this.#event({ kind: 'prefixLimit', peer: config.name, family, level, count, max })
    if (level !== 'over' || action !== 'reset' || established === undefined) return
    const until = restartSeconds === undefined ? Infinity : this.#now + 1000 * restartSeconds
    neighbour.breach = { family, max, until }
    nearLimit.clear()
    const subcode = ceaseSubcode.maximumPrefixes
    this.#stop(neighbour, { subcode, data: limitData(family, max), detail: limitText({ family, max }) })
  }

  #remove(neighbour: Neighbour, subcode: number): void {
    this.#stop(neighbour, { subcode })
    this.#restarter?.waiting.delete(neighbour.config.name)
    this.#rib!.removeNeighbour(neighbour.slot)
    this.#bySlot[neighbour.slot] = undefined
    this.#neighbours.delete(neighbour.config.name)
    // Its deadlines are gone: which is the next one now is found out in this call.
    this.#wakeAt = 0
    for (const [connection, link] of this.#links)
      if (link.neighbour === neighbour) this.#links.delete(connection)
  }

  #accept(connection: ConnectionId, ends: ConnectionEnds): void {
    const neighbour = acceptingNeighbour(this.#neighbours.values(), ends) ?? this.#dynamicNeighbour(ends)
    if ('reason' in neighbour) return this.#reject(connection, ends, neighbour)
    const reason = heldDownBy(neighbour) ?? (this.#shutDown ? 'the speaker is shutting down' : undefined)
    if (reason !== undefined) return this.#reject(connection, ends, { reason })
    const full = this.#fullFor(neighbour)
    if (full !== undefined) return this.#reject(connection, ends, tooMany(full))
    this.#links.set(connection, { neighbour, framer: new Framer() })
    this.#outputs.push(ttlOf(neighbour.config, connection))
    this.#step(neighbour, { kind: 'accepted', connection, ends })
  }

  /** A new neighbour in a listen range, or why there is none. */
  #dynamicNeighbour(ends: ConnectionEnds): Neighbour | Refusal {
    const config = this.#config
    const range = config === undefined ? undefined : acceptingRange(config, ends)
    if (config === undefined || range === undefined) return { reason: 'no peer has this address' }
    if (this.#shutDown) return { reason: 'the speaker is shutting down' }
    const { name } = range.template
    const count = [...this.#neighbours.values()].filter(({ dynamic }) => dynamic?.range === name).length
    if (count >= range.limit) return tooMany(`${name} has as many neighbours as it may have, ${range.limit}`)
    const full = this.#fullFor(undefined)
    if (full !== undefined) return tooMany(full)
    const neighbour = this.#add(config, dynamicPeer(range, ends))
    neighbour.dynamic = { range: name, expiresAt: Infinity }
    this.#setOwnRoutes(config)
    this.#start(neighbour)
    return neighbour
  }

  /** Why this neighbour, which may be a new one, cannot have a session now; undefined: it can. */
  #fullFor(neighbour: Neighbour | undefined): string | undefined {
    const max = this.#config?.maxSessions
    if (max === undefined) return undefined
    let open = 0
    for (const other of this.#neighbours.values()) if (other !== neighbour && isOpening(other)) open++
    return open < max ? undefined : `there are ${max} sessions, and no more may be`
  }

  /** RFC 4486 §4. */
  #reject(
    connection: ConnectionId,
    { remoteAddress: address }: ConnectionEnds,
    { reason, subcode = ceaseSubcode.connectionRejected }: Refusal,
  ): void {
    const bytes = encodeMessage({ kind: 'notification', code: 6, subcode, data: new Uint8Array(0) })
    this.#outputs.push({ kind: 'send', connection, bytes }, { kind: 'close', connection })
    this.#event({ kind: 'connectionRefused', address, reason })
  }

  #unheard(address: Address, reason: string): void {
    const message = `nothing from ${address} is heard: ${reason}`
    for (const neighbour of this.#neighbours.values()) {
      if (neighbour.config.address !== address || neighbour.established !== undefined) continue
      neighbour.lastError = { at: this.#now, direction: 'local', message }
    }
    this.#event({ kind: 'connectionRefused', address, reason })
  }

  #receive(connection: ConnectionId, bytes: Uint8Array): void {
    const link = this.#links.get(connection)
    if (link === undefined) return
    const { neighbour, framer } = link
    framer.push(bytes)
    let taken = false
    // Each message may change how the next one is read, or end the connection.
    while (this.#links.has(connection)) {
      const found = framer.advance()
      if (found && this.#takeUpdate(link, connection)) {
        taken = true
        continue
      }
      if (taken) this.#step(neighbour, { kind: 'updatesTaken', connection })
      taken = false
      if (!found && framer.error === undefined) return
      if (!found) return this.#step(neighbour, { kind: 'malformed', connection, error: framer.error! })
      this.#takeMessage(link, connection, framer.bytes.subarray(framer.start, framer.end))
    }
  }

  /** The fast way of an UPDATE of an established session: false if it has to go the slow one. */
  #takeUpdate({ neighbour, framer, kind }: Link, connection: ConnectionId): boolean {
    const { established, config, slot } = neighbour
    const { bytes, start, end } = framer
    if (kind === undefined || bytes[start + 18] !== messageType.update) return false
    if (established?.connection !== connection) return false
    if (!this.#ingest!.take(kind, slot, bytes, start, end, this.#now)) return false
    neighbour.received.update++
    if (this.#config?.taps?.received === true)
      this.#tap({ kind: 'received', peer: config.name, bytes: bytes.subarray(start, end) })
    if (config.prefixLimits !== undefined)
      for (const family of established.negotiated.families) this.#checkLimit(neighbour, family)
    return true
  }

  #takeMessage(link: Link, connection: ConnectionId, bytes: Uint8Array): void {
    const { neighbour } = link
    const decoded = decodeMessage(bytes, this.#contextOf(neighbour, connection))
    this.#message = bytes
    if (decoded.ok) {
      neighbour.received[decoded.value.kind]++
      this.#taken(link, connection, bytes)
      this.#step(neighbour, { kind: 'received', connection, message: decoded.value })
    } else this.#step(neighbour, { kind: 'malformed', connection, error: decoded.error })
    this.#message = undefined
  }

  /** A whole message was understood. */
  #taken(link: Link, connection: ConnectionId, bytes: Uint8Array): void {
    if (bytes[18] === messageType.open) link.receivedOpen = bytes.slice()
    const { config, established } = link.neighbour
    if (this.#config?.taps?.received === true && established?.connection === connection)
      this.#tap({ kind: 'received', peer: config.name, bytes })
  }

  /** The steps that are due by now. */
  #wake(): void {
    for (const neighbour of this.#neighbours.values())
      if (neighbourDeadline(neighbour) <= this.#now) this.#tick(neighbour)
    this.#wakeAt = Infinity
    for (const neighbour of this.#neighbours.values())
      this.#wakeAt = Math.min(this.#wakeAt, neighbourDeadline(neighbour))
  }

  #tick(neighbour: Neighbour): void {
    const { stale, slot, breach, dynamic } = neighbour
    const { forgotten, longLived } = expired(stale, this.#now)
    for (const family of forgotten) this.#rib!.sweepStale(slot, family)
    for (const family of longLived) this.#rib!.toLongLived(slot, family)
    if (breach !== undefined && breach.until <= this.#now) {
      delete neighbour.breach
      this.#start(neighbour)
    }
    this.#step(neighbour, { kind: 'tick' })
    if (dynamic === undefined || dynamic.expiresAt > this.#now) return
    if (stale.size > 0 || isOpening(neighbour)) dynamic.expiresAt = this.#now + dynamicIdleMs
    else this.#remove(neighbour, ceaseSubcode.peerDeconfigured)
  }

  #endDeferral(): void {
    if (this.#restarter === undefined || !isOver(this.#restarter, this.#now)) return
    this.#restarter = undefined
    this.#rib!.setDeferred(false)
  }

  #contextOf(neighbour: Neighbour, connection: ConnectionId): UpdateContext {
    const { established } = neighbour
    return established?.connection === connection ? established.negotiated : unnegotiated
  }

  #step(neighbour: Neighbour, input: SessionInput): void {
    const context = {
      now: this.#now,
      fraction: this.#random.fraction(),
      nextConnection: this.#numbers.next,
    }
    const { session, outputs } = step(neighbour.sessionConfig, neighbour.session, input, context)
    neighbour.session = session
    for (const output of outputs) this.#perform(neighbour, output)
    this.#wakeAt = Math.min(this.#wakeAt, neighbourDeadline(neighbour))
  }

  #perform(neighbour: Neighbour, output: SessionOutput): void {
    switch (output.kind) {
      case 'dial':
        return this.#dial(neighbour, output.connection)
      case 'send':
        this.#send(neighbour, output.connection, output.message)
        if (output.message.kind === 'notification')
          this.#notificationEvent('notificationSent', neighbour, output.message)
        return
      case 'close':
        this.#links.delete(output.connection)
        this.#outputs.push(output)
        return
      case 'up':
        return this.#cameUp(neighbour, output.connection, output.negotiated)
      case 'update':
        if (output.update.faults.length > 0) neighbour.updateFaults++
        for (const { message } of output.update.faults)
          this.#event({ kind: 'updateFault', peer: neighbour.config.name, message })
        this.#rib!.receive(neighbour.slot, output.update, this.#now)
        for (const family of output.update.endOfRib) this.#allArrived(neighbour, family)
        for (const { family } of output.update.withdrawn) this.#checkLimit(neighbour, family)
        for (const { family } of output.update.announced) this.#checkLimit(neighbour, family)
        return
      case 'routeRefresh':
        return this.#refreshed(neighbour, output.family, output.role)
      case 'down':
        this.#wentDown(neighbour, output.graceful)
        this.#ended(neighbour, output.ending)
        this.#event({
          kind: 'sessionDown',
          peer: neighbour.config.name,
          reason: output.ending.reason,
        })
        if (this.#config!.taps !== undefined) this.#tapDown(neighbour, output.ending)
        return
      case 'failed':
        this.#ended(neighbour, output.ending)
        return
    }
  }

  #refreshed(neighbour: Neighbour, family: Family, role: RouteRefresh['role']): void {
    const rib = this.#rib!
    if (role === 'request') rib.refresh(neighbour.slot, family)
    // RFC 7313 §4: a refresh before the first End-of-RIB is ignored, since routes are stale for another reason until then.
    else if (role === 'begin' && !neighbour.stale.has(family)) {
      rib.markStale(neighbour.slot, family)
      neighbour.stale.set(family, { phase: 'refreshing', until: this.#now + arrivalMs, longLivedMs: 0 })
    } else if (role === 'end' && neighbour.stale.get(family)?.phase === 'refreshing') {
      this.#forgetStale(neighbour, family)
    }
  }

  #cameUp(neighbour: Neighbour, connection: ConnectionId, negotiated: Negotiated): void {
    const { config, slot, stale } = neighbour
    const link = present(this.#links.get(connection), 'the connection of a session')
    link.framer.setMaxLength(negotiated.maxLength)
    link.kind = this.#ingest!.kindOf(negotiated)
    const opens = {
      sent: present(link.sentOpen, 'the own OPEN'),
      received: present(link.receivedOpen, "the neighbour's OPEN"),
    }
    neighbour.established = { connection, negotiated, opens }
    neighbour.since = this.#now
    neighbour.upAt = this.#now
    if (neighbour.dynamic !== undefined) neighbour.dynamic.expiresAt = Infinity
    neighbour.nearLimit.clear()
    neighbour.sessionConfig = sessionConfigOf(this.#config!, config, true)
    for (const family of notKeptOn(stale, negotiated, this.#now)) this.#rib!.sweepStale(slot, family)
    this.#rib!.sessionUp(slot, ribSession(this.#config!, config, negotiated, this.#policies))
    if (this.#restarter !== undefined) cameUp(this.#restarter, config.name, negotiated)
    this.#event({ kind: 'sessionUp', peer: config.name })
    if (this.#config!.taps !== undefined) this.#tap({ kind: 'up', session: tappedSession(neighbour)! })
  }

  #wentDown(neighbour: Neighbour, graceful: boolean): void {
    const { negotiated } = neighbour.established!
    delete neighbour.established
    neighbour.since = this.#now
    neighbour.downAt = this.#now
    neighbour.flaps++
    const kept: StaleRoutes = graceful
      ? keptAfterLoss(negotiated, neighbour.config.gracefulRestart, this.#now)
      : new Map()
    // RFC 4724 §4.2: what was stale from an earlier restart goes now.
    neighbour.stale = kept
    this.#rib!.sessionDown(neighbour.slot, [...kept.keys()])
  }

  /** End-of-RIB (RFC 4724 §2). */
  #allArrived(neighbour: Neighbour, family: Family): void {
    if (neighbour.stale.get(family)?.phase === 'arriving') this.#forgetStale(neighbour, family)
    if (this.#restarter !== undefined) allArrived(this.#restarter, neighbour.config.name, family)
  }

  #forgetStale(neighbour: Neighbour, family: Family): void {
    neighbour.stale.delete(family)
    this.#rib!.sweepStale(neighbour.slot, family)
  }

  #send(neighbour: Neighbour, connection: ConnectionId, message: SessionMessage | RouteRefresh): void {
    const bytes = encodeMessage(message)
    neighbour.sent[message.kind]++
    const link = this.#links.get(connection)
    if (message.kind === 'open' && link !== undefined) link.sentOpen = bytes
    this.#outputs.push({ kind: 'send', connection, bytes })
  }

  #ended(neighbour: Neighbour, { direction, reason, notification }: Ending): void {
    neighbour.lastError = { at: this.#now, direction, message: reason }
    // What is being taken in is what it was ended for, unless nobody said so.
    if (this.#message !== undefined && direction !== 'local')
      neighbour.lastError.hex = hex(this.#message.subarray(0, shownOctets))
    if (neighbour.dynamic !== undefined) neighbour.dynamic.expiresAt = this.#now + dynamicIdleMs
    if (direction === 'received' && notification !== undefined)
      this.#notificationEvent('notificationReceived', neighbour, notification)
  }

  #notificationEvent(
    kind: 'notificationSent' | 'notificationReceived',
    neighbour: Neighbour,
    notification: Notification,
  ): void {
    const { code, subcode } = notification
    const message = showNotification(notification)
    this.#event({ kind, peer: neighbour.config.name, code, subcode, message })
  }

  #dial(neighbour: Neighbour, connection: ConnectionId): void {
    assert(connection === this.#numbers.next, 'a dial has the number that it was offered')
    this.#numbers.next++
    this.#links.set(connection, { neighbour, framer: new Framer() })
    this.#outputs.push({ kind: 'dial', connection, dial: dialOf(neighbour.config) })
  }

  /** The RIB's slice of this call: what it makes goes out behind all that sessions said. */
  #runRib(): void {
    if (this.#rib === undefined) return
    this.#bestChanges = 0
    this.#rib.run(this.#now, this.#sink)
    if (this.#bestChanges > bestPathEventsMax)
      this.#event({ kind: 'bestPaths', count: this.#bestChanges - bestPathEventsMax })
    if (this.#changedPrefixes.length > 0) {
      this.#tap({ kind: 'best', prefixes: this.#changedPrefixes })
      this.#changedPrefixes = []
    }
    for (const neighbour of this.#told)
      if (neighbour.established !== undefined) this.#step(neighbour, { kind: 'updateSent' })
    this.#told.clear()
  }

  #sendUpdates(slot: number, bytes: Uint8Array, messages: number): void {
    const neighbour = this.#bySlot[slot]!
    const { connection } = neighbour.established!
    this.#outputs.push({ kind: 'send', connection, bytes })
    if (this.#config!.taps?.sent === true) {
      const peer = neighbour.config.name
      for (const message of wholeMessages(bytes)) this.#tap({ kind: 'sent', peer, bytes: message })
    }
    neighbour.sent.update += messages
    this.#told.add(neighbour)
  }

  #bestChanged(family: Family, id: number): void {
    const table = this.#rib!.tables[family]
    const { prefixes, best, bestSet } = table
    if (this.#config?.taps?.best === true) this.#changedPrefixes.push(prefixes.prefix(id))
    if (++this.#bestChanges > bestPathEventsMax) return
    const event: Extract<BgpEvent, { kind: 'bestPath' }> = { kind: 'bestPath', prefix: prefixes.prefix(id) }
    const path = best.get(id) - 1
    if (path >= 0) {
      event.attributes = this.#rib!.store.attributes(bestSet.get(id))
      const from = this.#bySlot[table.slotOf(path)]
      if (from !== undefined) event.peer = from.config.name
    }
    this.#event(event)
  }

  #tapDown(neighbour: Neighbour, { direction, notification }: Ending): void {
    const tap: Tap = { kind: 'down', peer: neighbour.config.name, direction }
    if (notification !== undefined) tap.notification = encodeMessage(notification)
    this.#tap(tap)
  }

  #tap(tap: Tap): void {
    this.#outputs.push({ kind: 'tap', tap })
  }

  #event(event: BgpEvent): void {
    this.#outputs.push({ kind: 'event', event })
  }
}

function* wholeMessages(bytes: Uint8Array): Generator<Uint8Array> {
  for (let at = 0; at < bytes.length;) {
    const next = at + ((bytes[at + 16]! << 8) | bytes[at + 17]!)
    yield bytes.subarray(at, next)
    at = next
  }
}

/** RFC 4271 §4.2: AS number and BGP identifier are in every OPEN, so every session must start anew. */
function isOtherSpeaker(a: InstanceConfig, b: InstanceConfig): boolean {
  return a.asn !== b.asn || a.routerId !== b.routerId || a.confederation?.id !== b.confederation?.id
}

/** RFC 6811 §2: the origin of routes that have passed no other AS. */
function ownOrigin({ asn, confederation }: InstanceConfig): number {
  return confederation?.id ?? asn
}

function tooMany(reason: string): Refusal {
  return { reason, subcode: ceaseSubcode.outOfResources }
}

function policyOf({ importRoutes, exportLearned }: PeerConfig): NeighbourPolicy {
  return { importRoutes, exportLearned }
}

/** The range that a dynamic neighbour belongs to, as it is configured now. */
function rangeOf(
  { config, dynamic }: Neighbour,
  { listenRanges = [] }: InstanceConfig,
): ListenRange | undefined {
  return listenRanges.find(
    ({ prefix, template }) => template.name === dynamic?.range && covers(prefix, config.address),
  )
}

function remoteOf({ config }: Neighbour): Pick<ConnectionEnds, 'remoteAddress' | 'interface'> {
  const { address: remoteAddress } = config
  return config.interface === undefined ? { remoteAddress } : { remoteAddress, interface: config.interface }
}

/** What decides about routes that have come in. */
function rulesOf({ peers, policies }: InstanceConfig): string {
  return JSON.stringify([
    policies,
    peers.map(({ name, importRoutes, importPolicy }) => [name, importRoutes, importPolicy]),
  ])
}
