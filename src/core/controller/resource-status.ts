/** What the status of custom resources and Nodes says: whether Herald accepts them, and for pools how full they are. */
import { equalJson } from '#core/lib/json.ts'
import { showObject, showProblem, type Problem } from '#core/lib/reason.ts'
import type { PoolUsage } from '#core/ipam/pool.ts'
import type { DerivedPool } from '#core/dialect/native-set.ts'
import { uniqueObjects } from '#core/dialect/native.ts'
import { refOf, type Condition, type KubeObject } from '#core/schema/object.ts'
import { typeOf } from '#core/schema/resource-type.ts'
import type { Snapshot } from '#core/schema/snapshot.ts'
import { conditionOf, saysOther, withSayings, type Saying } from './conditions.ts'
import type { DesiredStatus, PlannedEvent } from './status-writes.ts'

export const acceptedCondition = 'herald.dev/Accepted'
/** Longest message of a condition: enough for the first few of many mistakes. */
const messageMax = 4_000

export interface PoolReport {
  pool: DerivedPool
  usage: PoolUsage
}

/** The statuses that are to change: of all custom resources that Herald obeys, and of Nodes that have or had a problem. */
export function resourceStatuses(
  snapshot: Snapshot,
  problems: readonly Problem[],
  reports: readonly PoolReport[],
  dialects: readonly string[],
  now: number,
): DesiredStatus[] {
  const byObject = Map.groupBy(
    problems.filter(({ object }) => object !== undefined),
    ({ object }) => showObject(object!),
  )
  const reportBySource = new Map(reports.map((report) => [identity(report.pool.source), report]))
  const desired: DesiredStatus[] = []
  const add = (object: KubeObject, more: Saying[]) => {
    const status = statusOf(object, byObject.get(showObject(refOf(object))) ?? [], more, now)
    if (status !== undefined) desired.push(status)
  }
  for (const object of uniqueObjects(snapshot.custom)) {
    const type = typeOf(object)
    if (type?.spec === undefined) continue
    if (type.dialect !== 'native' && !dialects.includes(type.dialect)) continue
    const report = reportBySource.get(identity(object))
    add(object, report === undefined ? [] : poolSayings(report))
  }
  for (const node of snapshot.nodes) {
    const concerned = byObject.has(showObject(refOf(node)))
    if (concerned || conditionOf(conditionsOf(node), acceptedCondition) !== undefined) add(node, [])
  }
  return desired
}

/** Whether a pool, which may be invalid now, was valid at some time: its numbers were reported, and stay in its status. */
export function wasValidPool(pool: KubeObject): boolean {
  return conditionsOf(pool).some(({ type }) => type.endsWith('/IPsTotal'))
}

function statusOf(
  object: KubeObject,
  problems: readonly Problem[],
  more: readonly Saying[],
  now: number,
): DesiredStatus | undefined {
  const before = conditionsOf(object)
  const accepted = acceptedSaying(object, problems)
  const conditions = withSayings(before, [accepted, ...more], [], now)
  if (equalJson(before, conditions)) return undefined
  const old = conditionOf(before, acceptedCondition)
  const events: PlannedEvent[] = []
  if (accepted.status === 'False' && saysOther(old, accepted)) {
    events.push({ type: 'Warning', reason: accepted.reason, message: accepted.message })
  } else if (accepted.status === 'True' && old?.status === 'False') {
    events.push({ type: 'Normal', reason: 'Accepted', message: 'the problem is mended' })
  }
  return { object, status: { conditions }, events }
}

function acceptedSaying(object: KubeObject, problems: readonly Problem[]): Saying {
  const { generation } = object.metadata
  const common = {
    type: acceptedCondition,
    ...(generation === undefined ? {} : { observedGeneration: generation }),
  }
  const [first] = problems
  if (first === undefined)
    return { ...common, status: 'True', reason: 'Accepted', message: 'no problem found' }
  const text = problems.map(showOwn).join('; ')
  const message = text.length <= messageMax ? text : `${text.slice(0, messageMax - 1)}…`
  return { ...common, status: 'False', reason: first.rule, message }
}

/** On the object itself, so without its name; with that of the other one, if two are in conflict. */
function showOwn({ object: _object, ...problem }: Problem): string {
  const text = showProblem(problem)
  if (problem.other === undefined) return text
  const other = showObject(problem.other)
  return text.includes(problem.other.name) ? text : `${text}; the other is ${other}`
}

/** As Cilium's users know them: numbers are in the message. */
function poolSayings({ pool, usage }: PoolReport): Saying[] {
  const prefix = pool.source.kind === 'AddressPool' ? 'herald.dev' : 'cilium.io'
  const number = (type: string, value: bigint): Saying => ({
    type: `${prefix}/${type}`,
    status: 'Unknown',
    reason: 'noreason',
    message: String(value),
  })
  const conflict: Saying = {
    type: `${prefix}/PoolConflict`,
    ...(pool.conflict === undefined
      ? { status: 'False', reason: 'resolved', message: '' }
      : { status: 'True', reason: 'cidr_overlap', message: showOwn(pool.conflict) }),
  }
  return [
    conflict,
    number('IPsTotal', usage.total),
    number('IPsAvailable', usage.total - usage.used),
    number('IPsUsed', usage.used),
  ]
}

function conditionsOf(object: KubeObject): Condition[] {
  return (object as { status?: { conditions?: Condition[] } }).status?.conditions ?? []
}

function identity({ apiVersion, kind, metadata }: KubeObject): string {
  return `${apiVersion} ${kind} ${metadata.name}`
}
