/** Why: what every derived thing carries, and what `explain`, conditions, events and the dashboard print. */

/** Names one object of the Kubernetes API. */
export interface ObjectRef {
  kind: string
  /** Absent for cluster-scoped objects. */
  namespace?: string
  name: string
}

/** One step of a derivation: the rule that was applied, and the object and field that it was applied to. */
export interface Reason {
  /** CamelCase and stable, for programs: `SelectedByServiceSelector`, `NoReadyEndpoints`. */
  rule: string
  /** One sentence for people. Ends without a full stop. */
  message: string
  object?: ObjectRef
  /** Path inside the object: `spec.virtualRouters[0].serviceSelector`. */
  field?: string
}

/** A mistake of the user's (in a resource, a file, a flag) that Herald went on without. */
export interface Problem {
  /** CamelCase and stable: the reason of the condition and of the event that report it. */
  rule: string
  /** What is wrong, naming the offending value. One sentence without a full stop. */
  message: string
  /** What to do about it. One sentence without a full stop. */
  hint?: string
  /** The object to mend: its condition and event say so. */
  object?: ObjectRef
  /** Path inside the object. */
  field?: string
  /** The other object, when two are in conflict. */
  other?: ObjectRef
  /** Names of the nodes on which it matters. Absent: on all. */
  nodes?: string[]
}

/** `Kind namespace/name`, or `Kind name` for cluster-scoped objects. */
export function showObject(object: ObjectRef): string {
  const name = object.namespace === undefined ? object.name : `${object.namespace}/${object.name}`
  return `${object.kind} ${name}`
}

/** `Kind name, field path: message (hint)`, the one form in which logs, conditions and the CLI show a problem. */
export function showProblem(problem: Problem): string {
  const where: string[] = []
  if (problem.object !== undefined) where.push(showObject(problem.object))
  if (problem.field !== undefined) where.push(problem.field)
  const prefix = where.length === 0 ? '' : `${where.join(', ')}: `
  return prefix + problem.message + (problem.hint === undefined ? '' : ` (${problem.hint})`)
}
