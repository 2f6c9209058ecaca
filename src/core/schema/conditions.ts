/** Conditions in the status of objects, of any type: one of each, with the time at which its status last changed. */
import { equalJson } from '#core/lib/json.ts'

interface AnyCondition {
  type: string
  status: string
  reason?: string
  message?: string
  lastTransitionTime?: string
}

/**
 * `before` with `condition` in place of the one of its type, or after the others; `lastTransitionTime` moves with the
 * status only, to `at` (RFC 3339). Gives `before` itself when nothing changes.
 */
export function withCondition<T extends AnyCondition>(
  before: readonly T[],
  condition: Omit<T, 'lastTransitionTime'>,
  at: string,
): readonly T[] {
  const old = before.find(({ type }) => type === condition.type)
  const lastTransitionTime = old?.status === condition.status ? (old.lastTransitionTime ?? at) : at
  const next = { ...condition, lastTransitionTime } as T
  if (old !== undefined && equalJson(old, next)) return before
  return old === undefined ? [...before, next] : before.map((each) => (each === old ? next : each))
}
