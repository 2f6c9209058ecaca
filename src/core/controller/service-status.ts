/** What a Service's status says about its addresses, and the events that go with a change of it. */
import { showObject, showProblem, type Problem } from '#core/lib/reason.ts'
import { equalJson } from '#core/lib/json.ts'
import { parseAddress, type Address } from '#core/net/address.ts'
import type { Allocation, Lost, Unmet } from '#core/ipam/request.ts'
import type { SharingConflict } from '#core/ipam/sharing.ts'
import type { LoadBalancerIngress, Service } from '#core/schema/kubernetes.ts'
import { refOf, type Condition } from '#core/schema/object.ts'
import { conditionOf, saysOther, withSayings, type Saying } from './conditions.ts'
import { ingressAddresses } from './service-request.ts'
import type { DesiredStatus, PlannedEvent } from './status-writes.ts'

export const allocatedCondition = 'herald.dev/AddressAllocated'
/** As Cilium calls it, and as it did up to 1.14. */
export const ciliumConditions = ['cilium.io/lb-ipam-request-satisfied', 'io.cilium/lb-ipam-request-satisfied']

/** What the messages need to know beside the allocation. */
export interface StatusContext {
  now: number
  cilium: boolean
  /** A pool as users know it: `CiliumLoadBalancerIPPool demo`. */
  showPool: (pool: string) => string
  /** The pool that an address was last seen to be from, whether it still exists or not. */
  poolBefore: (address: Address) => { shown: string; exists: boolean } | undefined
}

/** Whether the status of this Service's load balancer was written by Herald, or by what Herald stands in for. */
export function isManaged(service: Service, cilium: boolean): boolean {
  const conditions = conditionsOf(service)
  const types = [allocatedCondition, ...(cilium ? ciliumConditions : [])]
  return types.some((type) => conditionOf(conditions, type) !== undefined)
}

/** Undefined: its status is as it should be. */
export function allocatedStatus(
  service: Service,
  allocation: Allocation,
  problems: readonly Problem[],
  context: StatusContext,
): DesiredStatus | undefined {
  const sayings = sayingsOf(allocation, problems, context)
  const ingress = ingressFor(service, allocation)
  const conditions = withSayings(conditionsOf(service), sayings, [], context.now)
  const before = ingressAddresses(service)
  const after = allocation.given.map(({ address }) => address)
  const events: PlannedEvent[] = before
    .filter((address) => !after.includes(address))
    .map((address) => released(address, describeLoss(allocation, address, context)))
  const [saying] = sayings
  const added = allocation.given.filter(({ address }) => !before.includes(address))
  const changed = saysOther(conditionOf(conditionsOf(service), allocatedCondition), saying!)
  if (added.length > 0) {
    const message = added
      .map(({ address, pool }) =>
        pool === undefined ? address : `${address} from ${context.showPool(pool)}`,
      )
      .join(', ')
    events.push({ type: 'Normal', reason: 'AddressAllocated', message })
  }
  if (changed && saying!.status === 'False')
    events.push({ type: 'Warning', reason: saying!.reason, message: saying!.message })
  return desired(service, ingress, conditions, events)
}

/** The Service asks for no address any more. Undefined: nothing to clear. */
export function releasedStatus(service: Service, context: StatusContext): DesiredStatus | undefined {
  if (!isManaged(service, context.cilium)) return undefined
  const types = [allocatedCondition, ...(context.cilium ? ciliumConditions : [])]
  const conditions = withSayings(conditionsOf(service), [], types, context.now)
  const why = `the Service is of type ${service.spec?.type ?? 'ClusterIP'} now`
  const events = ingressAddresses(service).map((address) => released(address, why, 'Normal'))
  return desired(service, [], conditions, events)
}

function desired(
  service: Service,
  ingress: LoadBalancerIngress[],
  conditions: Condition[],
  events: PlannedEvent[],
): DesiredStatus | undefined {
  const same =
    equalJson(service.status?.loadBalancer?.ingress ?? [], ingress) &&
    equalJson(conditionsOf(service), conditions)
  if (same) return undefined
  // A merge patch: null removes what an empty list would leave behind as an empty list.
  const status = { loadBalancer: { ingress: ingress.length === 0 ? null : ingress }, conditions }
  return { object: service, status, events }
}

/** Entries that are kept stay as they are; names that somebody else put there do, too. */
function ingressFor(service: Service, { given }: Allocation): LoadBalancerIngress[] {
  const kept: LoadBalancerIngress[] = []
  const left = new Set<string>(given.map(({ address }) => address))
  for (const entry of service.status?.loadBalancer?.ingress ?? []) {
    if (entry.ip === undefined) {
      kept.push(entry)
      continue
    }
    const parsed = parseAddress(entry.ip)
    if (parsed.ok && left.delete(parsed.value)) kept.push(entry)
  }
  return [...kept, ...[...left].map((ip) => ({ ip }))]
}

/** The native saying first. */
function sayingsOf(allocation: Allocation, problems: readonly Problem[], context: StatusContext): Saying[] {
  const { satisfied, given } = allocation
  const status = satisfied ? ('True' as const) : ('False' as const)
  const parts = given.map(({ address, pool }) =>
    pool === undefined
      ? `${address}, kept although no valid pool has it`
      : `${address} from ${context.showPool(pool)}`,
  )
  const unmet = allocation.unmet.map((each) => describeUnmet(each, context))
  for (const problem of problems) {
    const { object: _object, ...rest } = problem
    unmet.push({ rule: problem.rule, cilium: 'invalid_request', message: showProblem(rest) })
  }
  parts.push(...unmet.map(({ message }) => message))
  const message = parts.join('; ')
  const [first] = unmet
  const sayings: Saying[] = [
    {
      type: allocatedCondition,
      status,
      reason: satisfied ? 'Allocated' : (first?.rule ?? 'Unknown'),
      message,
    },
  ]
  if (context.cilium) {
    const reason = satisfied ? 'satisfied' : (first?.cilium ?? 'no_pool')
    sayings.push({ type: ciliumConditions[0]!, status, reason, message })
  }
  return sayings
}

interface Description {
  rule: string
  /** The reason that Cilium gives. */
  cilium: string
  message: string
}

function describeUnmet({ version, address, why }: Unmet, context: StatusContext): Description {
  const what = address ?? `IPv${version} address`
  const pools = 'pools' in why ? why.pools.map(context.showPool).join(', ') : ''
  switch (why.kind) {
    case 'noPool':
      return address === undefined
        ? say('NoPool', 'no_pool', `no ${what}: no pool has IPv${version} addresses`)
        : say('NoPool', 'no_pool', `${address} is asked for, but no pool has it`)
    case 'notAdmitted': {
      const message = `${pools} would serve, but does not select this Service`
      return say('PoolSelectorMismatch', 'pool_selector_mismatch', `no ${what}: ${message}`)
    }
    case 'disabled':
      return say('PoolDisabled', 'no_pool', `no ${what}: ${pools} gives out no addresses now`)
    case 'notAutomatic': {
      const message = `${pools} serves only Services that name it or one of its addresses`
      return say('PoolNotAutomatic', 'no_pool', `no ${what}: ${message}`)
    }
    case 'exhausted':
      return say('OutOfAddresses', 'out_of_ips', `no ${what}: all addresses of ${pools} are in use`)
    case 'reserved':
      return say('AlreadyAllocated', 'already_allocated', `${what} is asked for, but is ${why.by}`)
    case 'heldBy': {
      const message = `${what} is asked for, but Service ${why.request} has it`
      const but = describeConflict(why.conflict)
      return but === undefined
        ? say('AlreadyAllocated', 'already_allocated', message)
        : say('IncompatibleService', 'already_allocated_incompatible_service', `${message} ${but}`)
    }
    case 'versionNotUsed': {
      const message = `${what} is asked for, but the Service does not use IPv${version}`
      return say('FamilyNotUsed', 'no_pool', `${message}: see spec.ipFamilies`)
    }
  }
}

function say(rule: string, cilium: string, message: string): Description {
  return { rule, cilium, message }
}

/** Why two Services that both have a sharing key do not share. */
function describeConflict(conflict: SharingConflict): string | undefined {
  switch (conflict.kind) {
    case 'notShared':
      return undefined
    case 'key':
      return 'and its sharing key is another'
    case 'namespace':
      return 'and the two do not both allow sharing across their namespaces'
    case 'port':
      return `and both use port ${conflict.port}/${conflict.protocol}`
    case 'trafficPolicy':
      return 'and its externalTrafficPolicy is another'
    case 'selector':
      return 'and under externalTrafficPolicy Local both must select the same Pods'
  }
}

function describeLoss(allocation: Allocation, address: Address, context: StatusContext): string {
  const why: Lost['why'] | undefined = allocation.lost.find((lost) => lost.address === address)?.why
  const before = context.poolBefore(address)
  switch (why?.kind) {
    case 'outsidePools':
      if (before === undefined) return 'no pool has it'
      return before.exists ? `${before.shown} has it no more` : `${before.shown} was deleted`
    case 'notAdmitted': {
      const pools = why.pools.map(context.showPool).join(', ')
      return `${pools} does not select this Service any more`
    }
    case 'heldBy': {
      const but = describeConflict(why.conflict)
      return `Service ${why.request} has it too${but === undefined ? ' and is older' : ` ${but}`}`
    }
    case 'notRequested':
      return 'another address was asked for and given'
    case 'versionNotUsed':
      return 'the Service does not use its IP version any more'
    case 'surplus':
      return 'the Service has another of the same IP version'
    case undefined:
      return 'it is not given any more'
  }
}

function released(address: Address, why: string, type: PlannedEvent['type'] = 'Warning'): PlannedEvent {
  return { type, reason: 'AddressReleased', message: `${address} was taken back: ${why}` }
}

function conditionsOf(service: Service): Condition[] {
  return service.status?.conditions ?? []
}

/** For a Service that something other than a request for addresses needs to name. */
export function showService(service: Service): string {
  return showObject(refOf(service))
}
