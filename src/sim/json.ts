/** JSON values as an API server treats them. */

/** A deep copy that nobody can change: a program that does so by mistake fails at that line. Absent fields stay absent. */
export function frozenCopy<T>(value: T): T {
  return freeze(JSON.parse(JSON.stringify(value)) as T)
}

function freeze<T>(value: T): T {
  if (typeof value === 'object' && value !== null) {
    for (const each of Object.values(value)) freeze(each)
    Object.freeze(value)
  }
  return value
}
