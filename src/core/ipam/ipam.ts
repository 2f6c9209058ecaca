/**
 * Allocation of addresses: pools and requests in, the whole allocation out. It knows nothing of Kubernetes, keeps no
 * state and does not depend on the order of its inputs.
 *
 * Rules, in this order: an address that is held and still allowed stays; an address asked for by name is given or nothing
 * is; the rest is the lowest free address of the first pool by priority and name. Among equals the older asker goes first.
 * An address that is held by somebody is given to nobody else, not even when its holder is to lose it: only when the
 * holder has given it back. So no order of the writes that follow can bring two askers to one address.
 */
import { compareText } from '#core/lib/order.ts'
import { versionOf, type Address, type IpVersion } from '#core/net/address.ts'
import { AddressSpace, comparePools, FreeSearch, poolHasVersion, type Pool } from './pool.ts'
import type { Allocation, Given, Lost, Request, Reservation, Unmet } from './request.ts'
import { sharingConflict, type SharingConflict } from './sharing.ts'

export interface AllocateOptions {
  /** Held addresses outside all pools stay, because there is a pool whose ranges are not known. */
  keepOutside?: boolean
}

/** One allocation for each request, by its id. Ids of requests and names of pools are unique. */
export function allocate(
  pools: readonly Pool[],
  requests: readonly Request[],
  reservations: readonly Reservation[] = [],
  { keepOutside = false }: AllocateOptions = {},
): Map<string, Allocation> {
  const table = new Table(pools, reservations, keepOutside)
  const inOrder = [...requests].sort(byAge)
  const allocations = new Map<string, Allocation>()
  for (const request of inOrder) for (const address of request.held) table.occupy(address, request)
  for (const request of inOrder) allocations.set(request.id, keepHeld(table, request))
  // Askers that name addresses go before those to whom any address will do.
  for (const named of [true, false]) {
    for (const request of inOrder) {
      if (request.frozen !== true && request.wanted.length > 0 === named)
        settle(table, request, allocations.get(request.id)!)
    }
  }
  return allocations
}

/** Who has which address while one allocation is made. Addresses are only taken, never given back. */
class Table {
  readonly pools: readonly Pool[]
  readonly keepOutside: boolean
  readonly #reserved = new Map<Address, Reservation[]>()
  /** All that have the address, those who are to lose it included. */
  readonly #occupants = new Map<Address, Request[]>()
  /** All that are to have the address. */
  readonly #keepers = new Map<Address, Request[]>()
  readonly #addressesByKey = new Map<string, Set<Address>>()
  readonly #searches = new Map<string, FreeSearch>()
  readonly #spaces = new Map<string, AddressSpace>()

  constructor(pools: readonly Pool[], reservations: readonly Reservation[], keepOutside: boolean) {
    this.keepOutside = keepOutside
    this.pools = [...pools].sort(comparePools)
    for (const reservation of reservations) push(this.#reserved, reservation.address, reservation)
    for (const pool of pools) {
      this.#searches.set(pool.name, new FreeSearch(pool.ranges))
      this.#spaces.set(pool.name, new AddressSpace(pool.ranges))
    }
  }

  /** The pools with the address, by priority and name. */
  having(address: Address): Pool[] {
    return this.pools.filter((pool) => this.#spaces.get(pool.name)!.has(address))
  }

  occupy(address: Address, request: Request): void {
    push(this.#occupants, address, request)
    const key = request.sharing?.key
    if (key === undefined) return
    const addresses = this.#addressesByKey.get(key)
    if (addresses === undefined) this.#addressesByKey.set(key, new Set([address]))
    else addresses.add(address)
  }

  keep(address: Address, request: Request): void {
    push(this.#keepers, address, request)
  }

  give(address: Address, request: Request): void {
    this.occupy(address, request)
    this.keep(address, request)
  }

  keeperAgainst(address: Address, request: Request): Conflict | undefined {
    return conflictAmong(this.#keepers.get(address), request)
  }

  occupantAgainst(address: Address, request: Request): Conflict | undefined {
    return conflictAmong(this.#occupants.get(address), request)
  }

  reservationAgainst(address: Address, request: Request): Reservation | undefined {
    return this.#reserved.get(address)?.find((reservation) => reservation.except !== request.id)
  }

  /** The lowest address of the pool that nobody has. */
  free(pool: Pool, version: IpVersion): Address | undefined {
    return this.#searches
      .get(pool.name)!
      .peek(version, (address) => this.#occupants.has(address) || this.#reserved.has(address))
  }

  /** Addresses of others with the same sharing key, in the order in which they were taken. */
  sharedAddresses(request: Request): Iterable<Address> {
    return this.#addressesByKey.get(request.sharing?.key ?? '') ?? []
  }
}

interface Conflict {
  request: string
  conflict: SharingConflict
}

/** What a request keeps of what it holds. Addresses that it no longer asks for count until `settle` has replaced them. */
function keepHeld(table: Table, request: Request): Allocation {
  const given: Given[] = []
  const lost: Lost[] = []
  for (const address of new Set(request.held)) {
    const pools = table.having(address)
    const why = lossOf(table, request, address, pools, given)
    if (why !== undefined) {
      lost.push({ address, why })
      continue
    }
    const pool = pools.find((pool) => request.pools.has(pool.name))
    given.push({ address, ...(pool === undefined ? {} : { pool: pool.name }), kept: true })
    table.keep(address, request)
  }
  return { request: request.id, given, lost, unmet: [], satisfied: false }
}

function lossOf(
  table: Table,
  request: Request,
  address: Address,
  pools: Pool[],
  kept: Given[],
): Lost['why'] | undefined {
  const version = versionOf(address)
  if (!request.versions.includes(version)) return { kind: 'versionNotUsed' }
  if (pools.length === 0 && !table.keepOutside) return { kind: 'outsidePools' }
  if (pools.length > 0 && !pools.some((pool) => request.pools.has(pool.name)))
    return { kind: 'notAdmitted', pools: names(pools) }
  const against = table.keeperAgainst(address, request)
  if (against !== undefined) return { kind: 'heldBy', ...against }
  const second = kept.some(
    (given) => versionOf(given.address) === version && !isWanted(request, given.address),
  )
  return second && !isWanted(request, address) ? { kind: 'surplus' } : undefined
}

/** Adds to `allocation`, which has what the request keeps, what it gets. */
function settle(table: Table, request: Request, allocation: Allocation): void {
  const fresh: Given[] = []
  for (const address of new Set(request.wanted)) {
    if (allocation.given.some((given) => given.address === address)) continue
    const found = tryWanted(table, request, address)
    if ('why' in found) allocation.unmet.push(found)
    else fresh.push(found)
  }
  for (const version of request.versions) {
    if (wantedOf(request, version).length > 0) continue
    if (allocation.given.some((given) => versionOf(given.address) === version)) continue
    const found = tryAny(table, request, version)
    if ('why' in found) allocation.unmet.push(found)
    else fresh.push(found)
  }
  const served = new Set([...allocation.given, ...fresh].map((given) => versionOf(given.address)))
  const complete = request.versions.every((version) => served.has(version))
  if (complete || request.need === 'any') {
    for (const given of fresh) {
      table.give(given.address, request)
      allocation.given.push(given)
    }
    dropReplaced(request, allocation)
  }
  allocation.satisfied =
    request.need === 'all'
      ? allocation.unmet.length === 0
      : served.size > 0 && !allocation.unmet.some((unmet) => unmet.address !== undefined)
}

/** A held address that the request no longer asks for goes when all that it does ask for is there, and not before. */
function dropReplaced(request: Request, allocation: Allocation): void {
  for (const version of request.versions) {
    const wanted = wantedOf(request, version)
    if (wanted.length === 0) continue
    if (allocation.unmet.some((unmet) => unmet.version === version)) continue
    for (const { address } of allocation.given) {
      if (versionOf(address) === version && !wanted.includes(address))
        allocation.lost.push({ address, why: { kind: 'notRequested' } })
    }
  }
  const lost = new Set(allocation.lost.map(({ address }) => address))
  allocation.given = allocation.given.filter(({ address }) => !lost.has(address))
}

function tryWanted(table: Table, request: Request, address: Address): Given | Unmet {
  const version = versionOf(address)
  const unmet = (why: Unmet['why']): Unmet => ({ version, address, why })
  if (!request.versions.includes(version)) return unmet({ kind: 'versionNotUsed' })
  const having = table.having(address)
  if (having.length === 0) return unmet({ kind: 'noPool' })
  const admitting = having.filter((pool) => request.pools.has(pool.name))
  if (admitting.length === 0) return unmet({ kind: 'notAdmitted', pools: names(having) })
  const pool = admitting.find((pool) => !pool.disabled)
  if (pool === undefined) return unmet({ kind: 'disabled', pools: names(admitting) })
  const reservation = table.reservationAgainst(address, request)
  if (reservation !== undefined) return unmet({ kind: 'reserved', by: reservation.by })
  const against = table.occupantAgainst(address, request)
  if (against !== undefined) return unmet({ kind: 'heldBy', ...against })
  return { address, pool: pool.name, kept: false }
}

function tryAny(table: Table, request: Request, version: IpVersion): Given | Unmet {
  const unmet = (why: Unmet['why']): Unmet => ({ version, why })
  const having = table.pools.filter((pool) => poolHasVersion(pool, version))
  if (having.length === 0) return unmet({ kind: 'noPool' })
  const admitting = having.filter((pool) => request.pools.has(pool.name))
  if (admitting.length === 0) return unmet({ kind: 'notAdmitted', pools: names(having) })
  const enabled = admitting.filter((pool) => !pool.disabled)
  if (enabled.length === 0) return unmet({ kind: 'disabled', pools: names(admitting) })
  const usable = enabled.filter((pool) => pool.automatic || request.poolsByName)
  if (usable.length === 0) return unmet({ kind: 'notAutomatic', pools: names(enabled) })
  for (const address of table.sharedAddresses(request)) {
    if (versionOf(address) !== version) continue
    if (table.reservationAgainst(address, request) !== undefined) continue
    if (table.occupantAgainst(address, request) !== undefined) continue
    const pool = table.having(address).find((pool) => usable.includes(pool))
    if (pool !== undefined) return { address, pool: pool.name, kept: false }
  }
  for (const pool of usable) {
    const address = table.free(pool, version)
    if (address !== undefined) return { address, pool: pool.name, kept: false }
  }
  return unmet({ kind: 'exhausted', pools: names(usable) })
}

function conflictAmong(others: readonly Request[] | undefined, request: Request): Conflict | undefined {
  for (const other of others ?? []) {
    if (other.id === request.id) continue
    const conflict = sharingConflict(other.sharing, request.sharing)
    if (conflict !== undefined) return { request: other.id, conflict }
  }
  return undefined
}

function byAge(a: Request, b: Request): number {
  return a.createdAt - b.createdAt || compareText(a.id, b.id)
}

function isWanted(request: Request, address: Address): boolean {
  return request.wanted.includes(address)
}

function wantedOf(request: Request, version: IpVersion): Address[] {
  return request.wanted.filter((address) => versionOf(address) === version)
}

function names(pools: readonly Pool[]): string[] {
  return pools.map((pool) => pool.name)
}

function push<K, V>(map: Map<K, V[]>, key: K, value: V): void {
  const values = map.get(key)
  if (values === undefined) map.set(key, [value])
  else values.push(value)
}
