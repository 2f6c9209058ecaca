/** Conditions of objects: what is to be said, laid over what is there. */
import { equalJson } from '#core/lib/json.ts'
import { rfc3339Seconds } from '#core/lib/time.ts'
import { withCondition } from '#core/schema/conditions.ts'
import type { Condition } from '#core/schema/object.ts'

/** What a condition says; when it came to say so follows from what it said before. */
export interface Saying {
  type: string
  status: Condition['status']
  reason: string
  message: string
  observedGeneration?: number
}

/** The condition of this type; there is one at most. */
export function conditionOf(conditions: readonly Condition[], type: string): Condition | undefined {
  return conditions.find((condition) => condition.type === type)
}

/**
 * `before` with these sayings: conditions of other types stay as they are, those of `removed` types go.
 * `lastTransitionTime` moves only when the status does.
 */
export function withSayings(
  before: readonly Condition[],
  sayings: readonly Saying[],
  removed: readonly string[],
  now: number,
): Condition[] {
  const kept: readonly Condition[] = before.filter(({ type }) => !removed.includes(type))
  const after = sayings.reduce((conditions, saying) => {
    const said = { ...saying, message: cut(saying.message, 32_768) }
    return withCondition<Condition>(conditions, said, rfc3339Seconds(now))
  }, kept)
  return [...after]
}

/** Whether the condition says something else than before, the time left aside. */
export function saysOther(before: Condition | undefined, saying: Saying): boolean {
  if (before === undefined) return true
  const { status, reason, message } = before
  return !equalJson(
    { status, reason, message },
    { status: saying.status, reason: saying.reason, message: saying.message },
  )
}

function cut(text: string, lengthMax: number): string {
  return text.length <= lengthMax ? text : `${text.slice(0, lengthMax - 1)}…`
}
