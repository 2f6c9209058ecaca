/**
 * The policies of a speaker, made ready to be asked. A chain answers for a set of attributes and a neighbour; only where a
 * statement looks at the prefix does the answer become a choice, of which the rest is worked out when it is first needed.
 * `policy.reference.ts` says the same slowly.
 */
import { present } from '#core/lib/assert.ts'
import { compileActions, type CompiledActions } from './actions.ts'
import type { Accepted, CompiledChain, PolicyRoute } from './chain.ts'
import { compileMatch, type CompiledMatch, type TestPool, type WantedTest } from './match.ts'
import type { ValidatedOrigins } from './origins.ts'
import type { Outcome, PrefixTest } from './outcome.ts'
import type { PolicyChain, PolicyStatement, RoutePolicy } from './policy.ts'
import { compilePrefixSet, type PrefixSetTest } from './prefix-set.ts'
import type { Family } from '../family.ts'

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
  /** By key. */
  readonly #chains = new Map<string, CompiledChain>()
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
    this.#chains.clear()
  }

  /** The chain as it is with the policies of now: after {@link configure} it is to be asked for anew. */
  chain({ policies, otherwise }: PolicyChain): CompiledChain {
    const entries = policies.map((name) => this.#policies.get(name) ?? missing(name))
    const key = JSON.stringify([otherwise, ...entries.map((entry) => entry.key)])
    let chain = this.#chains.get(key)
    if (chain === undefined) this.#chains.set(key, (chain = compileChain(entries, otherwise, key)))
    return chain
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
  writesNeighbour: boolean
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
    const statement: CompiledStatement = {
      label,
      match: compileMatch(match, pool, fault),
      writesNeighbour: set?.nextHop?.kind === 'peer',
      then,
    }
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

function compileChain(
  entries: readonly Entry[],
  otherwise: PolicyChain['otherwise'],
  key: string,
): CompiledChain {
  const steps = entries.flatMap(stepsOf)
  const matches = steps.flatMap((step) => (step.kind === 'statement' ? [step.statement.match] : []))
  const names = entries.map(({ name }) => name).join(', ')
  const left = `no statement of ${entries.length === 0 ? 'any policy' : names} accepts it, and the default is to reject`
  const guards = {
    'ipv4/unicast': guardOf('ipv4/unicast', matches),
    'ipv6/unicast': guardOf('ipv6/unicast', matches),
  }
  return {
    key,
    readsNeighbour: matches.some(({ readsNeighbour }) => readsNeighbour),
    readsSource: matches.some(({ readsSource }) => readsSource),
    writesNeighbour: steps.some((step) => step.kind === 'statement' && step.statement.writesNeighbour),
    decide(route, attributes, finish) {
      const end = (candidate: Accepted): Outcome =>
        otherwise === 'accept' ? finish(candidate) : { kind: 'reject', reason: left }
      const guard = guards[route.family]
      return decideFrom({ steps, route, guard, finish, end }, 0, { attributes }, noAnswers)
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

/**
 * Most routes are in none of the prefix sets that policies name, so the union of the narrow ones is asked first: one answer
 * then stands for all of them.
 */
interface Guard {
  readonly sets: ReadonlyMap<PrefixTest, PrefixSetTest>
  /** Made when it is first needed. */
  union: PrefixTest | undefined
}

/** Undefined: there is nothing to be saved. */
function guardOf(family: Family, matches: readonly CompiledMatch[]): Guard | undefined {
  const sets = new Map<PrefixTest, PrefixSetTest>()
  for (const { tests } of matches) {
    const mine = tests[family]
    if (mine !== 'never')
      for (const { test } of mine) if ('narrow' in test && test.narrow) sets.set(test, test)
  }
  return sets.size < 2 ? undefined : { sets, union: undefined }
}

function unionOf(guard: Guard, family: Family): PrefixTest {
  if (guard.union === undefined) {
    const entries = [...guard.sets.values()].flatMap((set) => set.entries)
    guard.union = present(compilePrefixSet(family, entries), 'a set of a family has entries of it')
  }
  return guard.union
}

interface Question {
  steps: readonly Step[]
  route: PolicyRoute
  guard: Guard | undefined
  finish: (accepted: Accepted) => Outcome
  /** When no statement decides. */
  end: (candidate: Accepted) => Outcome
}

/** Answers of prefix tests that led here, the latest first: none is asked twice. */
type Answers = { test: PrefixTest; answer: boolean; guarded?: Guard; earlier: Answers } | undefined
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
  const { guard, route } = question
  const union = guard?.sets.has(first!.test) === true ? unionOf(guard, route.family) : undefined
  const guarded = union !== undefined && answerOf(answers, union) === undefined
  const test = guarded ? union : first!.test
  const given = (answer: boolean) => () =>
    decideFrom(question, at, candidate, {
      test,
      answer,
      ...(guarded && !answer ? { guarded: guard! } : {}),
      earlier: answers,
    })
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
  for (let each = answers; each !== undefined; each = each.earlier) {
    if (each.test === test) return each.answer
    if (each.guarded?.sets.has(test) === true) return false
  }
  return undefined
}
