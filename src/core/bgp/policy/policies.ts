/**
 * The policies of a speaker, made ready to be asked. A chain answers for a set of attributes and a neighbour; only where a
 * statement looks at the prefix does the answer become a choice, of which the rest is worked out when it is first needed.
 * `policy.reference.ts` says the same slowly.
 */
import { compileActions, type CompiledActions } from './actions.ts'
import type { Accepted, CompiledChain, PolicyRoute } from './chain.ts'
import { compileMatch, type CompiledMatch, type TestPool, type WantedTest } from './match.ts'
import type { ValidatedOrigins } from './origins.ts'
import type { Outcome, PrefixTest } from './outcome.ts'
import type { PolicyChain, PolicyStatement, RoutePolicy } from './policy.ts'
import { compilePrefixSet } from './prefix-set.ts'

/** What is wrong with a policy as the user wrote it. */
export interface PolicyFault {
  policy: string
  /** Number of the statement, from 1, and its name if it has one. */
  statement: number
  name?: string
  /** `match.asPath`, `set.communities` and so on. */
  field: string
  message: string
}

/** Faults of a policy: whatever makes it one that {@link Policies} lets nothing pass. */
export function policyFaults(policy: RoutePolicy): PolicyFault[] {
  const nothing: TestPool = {
    prefixes: () => undefined,
    rpki: () => ({ rpki: true, matches: () => false }),
  }
  return compilePolicy(policy, nothing).faults
}

export class Policies {
  readonly #origins: ValidatedOrigins
  #policies = new Map<string, Entry>()
  #tests = new Map<string, PrefixTest | undefined>()
  #version = 0

  /** `origins`: what statements that look at the origin validation state ask. */
  constructor(origins: ValidatedOrigins) {
    this.#origins = origins
  }

  /** Replaces all policies. What is equal to before stays as it was, with its key. */
  configure(policies: readonly RoutePolicy[]): void {
    const before = this.#policies
    this.#policies = new Map()
    const used = new Map<string, PrefixTest | undefined>()
    for (const policy of policies) {
      const text = JSON.stringify(policy)
      const known = before.get(policy.name)
      const entry = known?.text === text ? known : this.#compile(policy, text)
      for (const key of entry.testKeys) used.set(key, this.#tests.get(key))
      this.#policies.set(policy.name, entry)
    }
    this.#tests = used
  }

  /** The chain as it is with the policies of now: after {@link configure} it is to be made anew. */
  chain({ policies, otherwise }: PolicyChain): CompiledChain {
    const entries = policies.map((name) => this.#policies.get(name) ?? missing(name))
    return compileChain(entries, otherwise)
  }

  #compile(policy: RoutePolicy, text: string): Entry {
    const testKeys = new Set<string>()
    const pooled = <T extends PrefixTest | undefined>(key: string, make: () => T): T => {
      testKeys.add(key)
      if (!this.#tests.has(key)) this.#tests.set(key, make())
      return this.#tests.get(key) as T
    }
    const compiled = compilePolicy(policy, {
      prefixes: (family, entries) =>
        pooled(`${family} ${JSON.stringify(entries)}`, () => compilePrefixSet(family, entries)),
      rpki: (family, states) =>
        pooled(`${family} ${[...states].sort().join()}`, () => ({
          rpki: true,
          matches: (nlri, at, originAsn) => states.includes(this.#origins.state(family, nlri, at, originAsn)),
        })),
    })
    return { ...compiled, text, testKeys, key: String(++this.#version) }
  }
}

interface CompiledPolicy {
  name: string
  statements: CompiledStatement[]
  faults: PolicyFault[]
}

interface CompiledStatement {
  /** `statement 3 (no-bogons)`. */
  label: string
  match: CompiledMatch
  act?: CompiledActions
  then: PolicyStatement['then']
}

/** A policy of an instance. */
interface Entry extends CompiledPolicy {
  text: string
  /** Its own for every content of a name. */
  key: string
  testKeys: ReadonlySet<string>
}

function compilePolicy({ name, statements }: RoutePolicy, pool: TestPool): CompiledPolicy {
  const faults: PolicyFault[] = []
  const compiled = statements.map(({ name: title, match, set, then }, index): CompiledStatement => {
    const named = title === undefined ? {} : { name: title }
    const fault = (field: string, message: string) => {
      faults.push({ policy: name, statement: index + 1, ...named, field, message })
    }
    const label = `statement ${index + 1}${title === undefined ? '' : ` (${title})`}`
    const statement: CompiledStatement = { label, match: compileMatch(match, pool, fault), then }
    if (set !== undefined) statement.act = compileActions(set, fault)
    return statement
  })
  return { name, statements: compiled, faults }
}

/** Stands for a policy that is named and not there: as with one that is wrong, nothing passes it. */
function missing(name: string): Entry {
  const fault = { policy: name, statement: 0, field: '', message: 'there is no such policy' }
  return { name, statements: [], faults: [fault], text: '', key: `missing ${name}`, testKeys: new Set() }
}

/** A statement in its place in the chain, or why nothing gets further. */
type Step =
  | { kind: 'statement'; policy: string; statement: CompiledStatement }
  | { kind: 'stop'; reason: string }

function compileChain(entries: readonly Entry[], otherwise: PolicyChain['otherwise']): CompiledChain {
  const steps = entries.flatMap(stepsOf)
  const matches = steps.flatMap((step) => (step.kind === 'statement' ? [step.statement.match] : []))
  const names = entries.map(({ name }) => name).join(', ')
  const left = `no statement of ${entries.length === 0 ? 'any policy' : names} accepts it, and the default is to reject`
  return {
    key: JSON.stringify([otherwise, ...entries.map(({ key }) => key)]),
    readsNeighbour: matches.some(({ readsNeighbour }) => readsNeighbour),
    readsSource: matches.some(({ readsSource }) => readsSource),
    decide(route, attributes, finish) {
      const end = (candidate: Accepted): Outcome =>
        otherwise === 'accept' ? finish(candidate) : { kind: 'reject', reason: left }
      return decideFrom({ steps, route, finish, end }, 0, { attributes }, noAnswers)
    },
  }
}

function stepsOf({ name, statements, faults }: Entry): Step[] {
  const [fault] = faults
  if (fault === undefined)
    return statements.map((statement) => ({ kind: 'statement', policy: name, statement }))
  const place = fault.statement === 0 ? '' : `statement ${fault.statement}, ${fault.field}: `
  return [
    { kind: 'stop', reason: `rejected by policy ${name}, which cannot be used: ${place}${fault.message}` },
  ]
}

interface Question {
  steps: readonly Step[]
  route: PolicyRoute
  finish: (accepted: Accepted) => Outcome
  /** When no statement decides. */
  end: (candidate: Accepted) => Outcome
}

/** Answers of prefix tests that led here, the latest first: none is asked twice. */
type Answers = { test: PrefixTest; answer: boolean; earlier: Answers } | undefined
const noAnswers: Answers = undefined

function decideFrom(question: Question, from: number, candidate: Accepted, answers: Answers): Outcome {
  const { steps, route } = question
  for (let at = from; at < steps.length; at++) {
    const step = steps[at]!
    if (step.kind === 'stop') return { kind: 'reject', reason: step.reason }
    const { match } = step.statement
    const tests = match.tests[route.family]
    if (tests === 'never' || !match.holds(route, candidate.attributes)) continue
    const open = tests.filter(({ test }) => answerOf(answers, test) === undefined)
    if (tests.some(({ test, wanted }) => answerOf(answers, test) === !wanted)) continue
    if (open.length > 0) return ask(question, at, candidate, answers, open)
    const result = apply(question, step, candidate)
    if (result.kind !== 'next') return result
    candidate = result.candidate
  }
  return question.end(candidate)
}

/** Asks the first of the tests that are left; what follows from either answer is decided when it is wanted. */
function ask(
  question: Question,
  at: number,
  candidate: Accepted,
  answers: Answers,
  [first]: readonly WantedTest[],
): Outcome {
  const { test } = first!
  const given = (answer: boolean) => () =>
    decideFrom(question, at, candidate, { test, answer, earlier: answers })
  return { kind: 'choice', test, yes: given(true), no: given(false) }
}

function apply(
  { route, finish }: Question,
  { policy, statement }: Extract<Step, { kind: 'statement' }>,
  candidate: Accepted,
): Outcome | { kind: 'next'; candidate: Accepted } {
  const { act, then, label } = statement
  if (then === 'reject') return { kind: 'reject', reason: `rejected by policy ${policy}, ${label}` }
  const changed = act === undefined ? candidate : act(route, candidate)
  return then === 'accept' ? finish(changed) : { kind: 'next', candidate: changed }
}

function answerOf(answers: Answers, test: PrefixTest): boolean | undefined {
  for (let each = answers; each !== undefined; each = each.earlier) if (each.test === test) return each.answer
  return undefined
}
