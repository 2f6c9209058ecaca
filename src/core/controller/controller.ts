/**
 * The cluster's controller: it gives Services of type LoadBalancer their addresses, and reports on every resource that it
 * works with. One state machine; snapshots, answers to writes and time come in, writes and events come out.
 *
 * All that is to be is computed from the last snapshot alone and compared with what is, so nothing is written when nothing
 * differs, and a restart needs no memory. In between it remembers only which writes are on their way: an address that may
 * have been written counts as given until a snapshot decides, so that no stale view gives it twice. Before the first
 * snapshot nothing is known, and nothing is written.
 */
import { allocate } from '#core/ipam/ipam.ts'
import { poolContains, poolUsage, usableRange, type Pool } from '#core/ipam/pool.ts'
import type { Allocation, Reservation } from '#core/ipam/request.ts'
import { nativeSet, withLastValid } from '#core/dialect/native.ts'
import type { DerivedPool } from '#core/dialect/native-set.ts'
import { showObject } from '#core/lib/reason.ts'
import { parseAddress, type Address } from '#core/net/address.ts'
import type { Service } from '#core/schema/kubernetes.ts'
import { namespacedName, refOf } from '#core/schema/object.ts'
import { typeOf } from '#core/schema/resource-type.ts'
import type { Snapshot } from '#core/schema/snapshot.ts'
import type { ControllerConfig, ControllerInput, ControllerOutput } from './io.ts'
import { resourceStatuses, wasValidPool } from './resource-status.ts'
import { ingressAddresses, requestOf, wantsAddress, type ServiceRequest } from './service-request.ts'
import {
  allocatedStatus,
  isManaged,
  releasedStatus,
  showService,
  type StatusContext,
} from './service-status.ts'
import { StatusWrites, type DesiredStatus } from './status-writes.ts'

const poolKinds = new Set(['AddressPool', 'CiliumLoadBalancerIPPool'])

export class Controller {
  readonly #config: ControllerConfig
  readonly #writes = new StatusWrites()
  #snapshot: Snapshot | undefined
  /** The last snapshot with last valid specs, for the next one. */
  #valid: Snapshot | undefined
  /** Which pool an address was given from: for the messages only. */
  #origins = new Map<Address, string>()

  constructor(config: ControllerConfig) {
    this.#config = config
  }

  /** `now`: milliseconds since 1970. */
  handle(input: ControllerInput, now: number): ControllerOutput[] {
    const outputs: ControllerOutput[] = []
    if (input.kind === 'snapshot') this.#snapshot = input.snapshot
    else if (input.kind !== 'tick') {
      const answered = this.#writes.answered(input, now)
      if (answered.settled) return answered.outputs
      outputs.push(...answered.outputs)
    }
    if (this.#snapshot === undefined) return outputs
    const seen = this.#writes.see(this.#snapshot)
    outputs.push(...seen.events)
    outputs.push(...this.#writes.want(this.#desired(seen.snapshot, now), now))
    return outputs
  }

  /** When a tick is needed although nothing has happened; `Infinity`: never. */
  nextDeadline(): number {
    return this.#writes.nextDeadline()
  }

  /** All statuses that differ from what they should be. */
  #desired(seen: Snapshot, now: number): DesiredStatus[] {
    const { dialects } = this.#config
    const cilium = dialects.includes('cilium')
    const snapshot = withLastValid(this.#valid, seen, dialects)
    this.#valid = snapshot
    const set = nativeSet(snapshot, dialects)
    const known = new Set(set.pools.map(({ source }) => showObject(refOf(source))))
    const invalidPools = snapshot.custom.filter((object) => {
      const dialect = typeOf(object)?.dialect
      const obeyed = dialect === 'native' || (dialect !== undefined && dialects.includes(dialect))
      return obeyed && poolKinds.has(object.kind) && !known.has(showObject(refOf(object)))
    })
    const pools = set.pools.map(poolOf)
    const dormant = pools.length + invalidPools.length === 0

    const requests = new Map<Service, ServiceRequest>()
    const reservations: Reservation[] = reservationsOf(snapshot)
    for (const service of snapshot.services) {
      const held = this.#heldBy(service)
      if (wantsAddress(service) && isOurs(service, pools, dormant, cilium)) {
        requests.set(service, requestOf(service, held, set.pools, dialects))
        continue
      }
      const by = `held by ${showService(service)}`
      reservations.push(...held.map((address) => ({ address, by })))
    }
    const allocations = allocate(
      pools,
      [...requests.values()].map(({ request }) => request),
      reservations,
      // What an invalid pool once gave cannot be told any more, so nothing is taken back while there is one. One that never
      // was valid gave nothing.
      { keepOutside: invalidPools.some(wasValidPool) },
    )

    const context = this.#context(set.pools, cilium, now)
    const desired: DesiredStatus[] = []
    for (const service of snapshot.services) {
      const serviceRequest = requests.get(service)
      const status =
        serviceRequest !== undefined
          ? allocatedStatus(
              service,
              allocations.get(namespacedName(service))!,
              serviceRequest.problems,
              context,
            )
          : service.spec?.type !== 'LoadBalancer'
            ? releasedStatus(service, context)
            : undefined
      if (status !== undefined) desired.push(status)
    }
    this.#rememberOrigins(allocations.values(), context)

    const used = [...allocations.values()].flatMap(({ given }) => given.map(({ address }) => address))
    const reports = set.pools.map((pool, i) => ({ pool, usage: poolUsage(pools[i]!, used) }))
    desired.push(...resourceStatuses(snapshot, set.problems, reports, dialects, now))
    return desired
  }

  /** What the Service has, and what a write that may have been done gives to it. */
  #heldBy(service: Service): Address[] {
    const claimed = this.#writes.claims(service) as Service['status']
    const held = new Set(claimed === undefined ? [] : ingressAddresses({ ...service, status: claimed }))
    for (const address of ingressAddresses(service)) held.add(address)
    return [...held]
  }

  #context(pools: readonly DerivedPool[], cilium: boolean, now: number): StatusContext {
    const shown = new Map(
      pools.map(({ resource, source }) => [resource.metadata.name, showObject(refOf(source))]),
    )
    const existing = new Set(shown.values())
    return {
      now,
      cilium,
      showPool: (pool) => shown.get(pool) ?? pool,
      poolBefore: (address) => {
        const origin = this.#origins.get(address)
        return origin === undefined ? undefined : { shown: origin, exists: existing.has(origin) }
      },
    }
  }

  #rememberOrigins(allocations: Iterable<Allocation>, context: StatusContext): void {
    const origins = new Map<Address, string>()
    for (const { given, lost } of allocations) {
      for (const { address } of lost) {
        const origin = this.#origins.get(address)
        if (origin !== undefined && !origins.has(address)) origins.set(address, origin)
      }
      for (const { address, pool } of given) {
        const origin = pool === undefined ? this.#origins.get(address) : context.showPool(pool)
        if (origin !== undefined) origins.set(address, origin)
      }
    }
    this.#origins = origins
  }
}

/**
 * A Service that names no class may be somebody else's: it is while there are no pools, and while all its addresses are
 * from elsewhere, unless its status shows that it has been served before.
 */
function isOurs(service: Service, pools: readonly Pool[], dormant: boolean, cilium: boolean): boolean {
  if (service.spec?.loadBalancerClass !== undefined || isManaged(service, cilium)) return true
  if (dormant) return false
  const shown = ingressAddresses(service)
  return shown.length === 0 || shown.some((address) => pools.some((pool) => poolContains(pool, address)))
}

function poolOf({ resource: { metadata, spec } }: DerivedPool): Pool {
  return {
    name: metadata.name,
    ranges: spec.ranges.flatMap((text) => {
      const range = usableRange(text, spec.avoidFirstAndLast)
      return range.ok ? [range.value] : []
    }),
    priority: spec.priority ?? Infinity,
    automatic: spec.autoAssign,
    disabled: spec.disabled,
  }
}

/** Addresses that are in use in the cluster otherwise: a pool may overlap the Service network or that of the nodes. */
function reservationsOf({ services, nodes }: Snapshot): Reservation[] {
  const reservations: Reservation[] = []
  const add = (text: string | undefined, by: string, except?: string) => {
    const parsed = text === undefined ? undefined : parseAddress(text)
    if (parsed?.ok !== true) return
    reservations.push({ address: parsed.value, by, ...(except === undefined ? {} : { except }) })
  }
  for (const service of services) {
    const { clusterIP, clusterIPs = [clusterIP ?? ''], externalIPs = [] } = service.spec ?? {}
    for (const ip of clusterIPs) add(ip, `the cluster IP of ${showService(service)}`)
    for (const ip of externalIPs)
      add(ip, `an external IP of ${showService(service)}`, namespacedName(service))
  }
  for (const node of nodes) {
    for (const { address } of node.status?.addresses ?? [])
      add(address, `an address of ${showObject(refOf(node))}`)
  }
  return reservations
}
