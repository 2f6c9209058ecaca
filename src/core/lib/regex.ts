/**
 * Regular expressions that users write, matched in time proportional to text times expression whatever both are: no
 * backtracking, so neither a careless expression nor a hostile text can hold the process up. All ways through the expression
 * are followed at once (Thompson's construction), and the sets of places that were reached are remembered with where each
 * character leads from them, so that the next text mostly looks steps up. They mean what they mean in JavaScript without flags.
 *
 * It has literals, `.`, classes, `\d \w \s \b` and their opposites, groups, `|`, `* + ? {n,m}` (also lazy, which is the same
 * for a test), `^` and `$`. It has no backreferences and no lookaround.
 */
import { err, ok, type Result } from './result.ts'

export interface Regex {
  /** Whether it matches anywhere in the text. */
  test(text: string): boolean
}

/** Instructions that an expression may become; `a{1000}` is a thousand. */
const programMax = 4000
const repeatMax = 1000

/** The error says what is wrong, and where. */
export function compileRegex(source: string): Result<Regex> {
  const parser = new Parser(source)
  const tree = parser.alternatives()
  if (parser.mistake === undefined && parser.at < source.length) parser.fail('a ")" without "("')
  if (parser.mistake !== undefined) return err(parser.mistake)
  const program: Instruction[] = []
  if (!emit(program, tree) || program.length >= programMax) return err('it is too large: repeat less')
  program.push({ kind: 'match' })
  // What is around the place counts for borders of words, so nothing can be remembered.
  if (program.some((each) => each.kind === 'assertion' && isAboutWords(each.name)))
    return ok({ test: (text) => run(program, text) })
  const automaton = new Automaton(program)
  return ok({ test: (text) => automaton.test(text) })
}

type Node =
  | { kind: 'characters'; set: CharacterSet }
  | { kind: 'assertion'; name: Assertion }
  | { kind: 'sequence' | 'alternatives'; parts: Node[] }
  | { kind: 'repeat'; part: Node; min: number; max: number }

type Assertion = 'start' | 'end' | 'border' | 'notBorder'

interface CharacterSet {
  /** Code units, both ends included. */
  ranges: [number, number][]
  negated: boolean
}

type Instruction =
  | { kind: 'characters'; set: CharacterSet }
  | { kind: 'assertion'; name: Assertion }
  /** Goes on at both. */
  | { kind: 'split'; first: number; second: number }
  | { kind: 'match' }

const digits: [number, number][] = [[48, 57]]
const words: [number, number][] = [...digits, [65, 90], [95, 95], [97, 122]]
const blanks: [number, number][] = [
  [9, 13],
  [32, 32],
  [160, 160],
  [0x1680, 0x1680],
  [0x2000, 0x200a],
  [0x2028, 0x2029],
  [0x202f, 0x202f],
  [0x205f, 0x205f],
  [0x3000, 0x3000],
  [0xfeff, 0xfeff],
]
const lineEnds: [number, number][] = [
  [10, 10],
  [13, 13],
  [0x2028, 0x2029],
]
const classes: Record<string, CharacterSet> = {
  d: { ranges: digits, negated: false },
  D: { ranges: digits, negated: true },
  w: { ranges: words, negated: false },
  W: { ranges: words, negated: true },
  s: { ranges: blanks, negated: false },
  S: { ranges: blanks, negated: true },
}
const controls: Record<string, number> = { t: 9, n: 10, v: 11, f: 12, r: 13, '0': 0 }

/** Reads until the end or the first mistake. Recursion is as deep as groups are nested. */
class Parser {
  readonly #source: string
  #depth = 0
  at = 0
  mistake: string | undefined

  constructor(source: string) {
    this.#source = source
  }

  fail(what: string): void {
    this.mistake ??= `${what} at character ${this.at + 1}`
  }

  alternatives(): Node {
    const parts = [this.#sequence()]
    while (this.#takes('|')) parts.push(this.#sequence())
    return parts.length === 1 ? parts[0]! : { kind: 'alternatives', parts }
  }

  #sequence(): Node {
    const parts: Node[] = []
    while (this.mistake === undefined && this.at < this.#source.length && !')|'.includes(this.#peek()))
      parts.push(this.#repeated())
    return { kind: 'sequence', parts }
  }

  #repeated(): Node {
    let part = this.#atom()
    const bounds = this.#bounds()
    if (bounds !== undefined) {
      if (part.kind === 'assertion') this.fail('nothing to repeat')
      part = { kind: 'repeat', part, ...bounds }
      this.#takes('?')
      if (this.at < this.#source.length && '*+?'.includes(this.#peek())) this.fail('nothing to repeat')
    }
    return part
  }

  #bounds(): { min: number; max: number } | undefined {
    if (this.#takes('*')) return { min: 0, max: Infinity }
    if (this.#takes('+')) return { min: 1, max: Infinity }
    if (this.#takes('?')) return { min: 0, max: 1 }
    const braces = /^\{(\d+)(,(\d*))?\}/.exec(this.#source.slice(this.at, this.at + 24))
    if (braces === null) return undefined
    this.at += braces[0].length
    const min = Number(braces[1])
    const max = braces[2] === undefined ? min : braces[3] === '' ? Infinity : Number(braces[3])
    if (min > max) this.fail('a repetition from more to less')
    if (min > repeatMax || (max > repeatMax && max !== Infinity))
      this.fail(`more than ${repeatMax} repetitions`)
    return { min, max }
  }

  #atom(): Node {
    const character = this.#next()
    switch (character) {
      case '(':
        return this.#group()
      case '[':
        return { kind: 'characters', set: this.#class() }
      case '.':
        return { kind: 'characters', set: { ranges: lineEnds, negated: true } }
      case '^':
        return { kind: 'assertion', name: 'start' }
      case '$':
        return { kind: 'assertion', name: 'end' }
      case '\\':
        if (this.#takes('b')) return { kind: 'assertion', name: 'border' }
        if (this.#takes('B')) return { kind: 'assertion', name: 'notBorder' }
        return { kind: 'characters', set: this.#escape() }
      case '*':
      case '+':
      case '?':
        this.fail('nothing to repeat')
        break
      case '{':
        // As in JavaScript, a brace that begins no repetition stands for itself.
        if (/^\d+(,\d*)?\}/.test(this.#source.slice(this.at))) this.fail('nothing to repeat')
    }
    return { kind: 'characters', set: single(character.charCodeAt(0)) }
  }

  #group(): Node {
    if (this.#takes('?') && !this.#takes(':')) this.fail('a group of a kind that is not known, after "(?",')
    if (++this.#depth > 100) this.fail('groups nested too deep')
    const inner: Node = this.mistake === undefined ? this.alternatives() : { kind: 'sequence', parts: [] }
    this.#depth--
    if (!this.#takes(')')) this.fail('a "(" without ")"')
    return inner
  }

  #class(): CharacterSet {
    const set: CharacterSet = { ranges: [], negated: this.#takes('^') }
    while (this.mistake === undefined && !this.#takes(']')) {
      if (this.at >= this.#source.length) {
        this.fail('a "[" without "]"')
        break
      }
      const low = this.#member()
      const dash =
        this.#peek() === '-' && this.at + 1 < this.#source.length && this.#source[this.at + 1] !== ']'
      if (!dash) {
        add(set, low)
        continue
      }
      this.at++
      const high = this.#member()
      const [from, to] = [lone(low), lone(high)]
      if (from === undefined || to === undefined) {
        // As in JavaScript, the dash beside a class of characters stands for itself.
        for (const each of [low, single(45), high]) add(set, each)
      } else if (from > to) this.fail('a range from more to less')
      else set.ranges.push([from, to])
    }
    return set
  }

  #member(): CharacterSet {
    const character = this.#next()
    if (character !== '\\') return single(character.charCodeAt(0))
    return this.#takes('b') ? single(8) : this.#escape()
  }

  /** After the backslash. */
  #escape(): CharacterSet {
    if (this.at >= this.#source.length) this.fail('a backslash with nothing after it')
    const character = this.#next()
    const known = Object.hasOwn(classes, character) ? classes[character] : undefined
    if (known !== undefined) return known
    const control = Object.hasOwn(controls, character) ? controls[character] : undefined
    // JavaScript reads an octal number on from there.
    if (character === '0' && /\d/.test(this.#peek())) this.fail('a digit right after "\\0"')
    if (control !== undefined) return single(control)
    const code =
      character === 'x' || character === 'u' ? this.#hexadecimal(character === 'x' ? 2 : 4) : undefined
    if (code !== undefined) return single(code)
    if (/[\da-z]/i.test(character)) this.fail(`an escape "\\${character}" that is not known`)
    return single(character.charCodeAt(0))
  }

  #hexadecimal(length: number): number | undefined {
    const text = this.#source.slice(this.at, this.at + length)
    if (text.length < length || !/^[\da-f]+$/i.test(text)) return undefined
    this.at += length
    return Number.parseInt(text, 16)
  }

  #peek(): string {
    return this.#source[this.at] ?? ''
  }

  #next(): string {
    return this.#source[this.at++] ?? ''
  }

  #takes(character: string): boolean {
    if (this.#peek() !== character) return false
    this.at++
    return true
  }
}

function single(code: number): CharacterSet {
  return { ranges: [[code, code]], negated: false }
}

/** The code of a set of one character. */
function lone({ ranges, negated }: CharacterSet): number | undefined {
  const [low, high] = ranges[0] ?? [0, 1]
  return !negated && ranges.length === 1 && low === high ? low : undefined
}

function add(set: CharacterSet, { ranges, negated }: CharacterSet): void {
  if (!negated) {
    set.ranges.push(...ranges)
    return
  }
  let from = 0
  for (const [low, high] of ranges) {
    if (low > from) set.ranges.push([from, low - 1])
    from = high + 1
  }
  set.ranges.push([from, 0xffff])
}

/** False when it becomes too large. */
function emit(program: Instruction[], node: Node): boolean {
  if (program.length > programMax) return false
  switch (node.kind) {
    case 'characters':
    case 'assertion':
      program.push(node)
      return true
    case 'sequence':
      return node.parts.every((part) => emit(program, part))
    case 'alternatives':
      return emitAlternatives(program, node.parts)
    case 'repeat': {
      const { part, min, max } = node
      for (let i = 0; i < min; i++) {
        const before = program.length
        if (!emit(program, part)) return false
        // What becomes nothing is nothing however often; nested, it would take for ever to find out.
        if (program.length === before) return true
      }
      if (max === Infinity) return emitLoop(program, part)
      return emitOptional(program, part, max - min)
    }
  }
}

function emitAlternatives(program: Instruction[], parts: readonly Node[]): boolean {
  const ends: Extract<Instruction, { kind: 'split' }>[] = []
  for (const [i, part] of parts.entries()) {
    const split = fork(program)
    if (i === parts.length - 1) split.second = split.first
    if (!emit(program, part)) return false
    const end = fork(program)
    ends.push(end)
    if (i < parts.length - 1) split.second = program.length
  }
  for (const end of ends) end.first = end.second = program.length
  return true
}

function emitLoop(program: Instruction[], part: Node): boolean {
  const start = program.length
  const split = fork(program)
  if (!emit(program, part)) return false
  const back = fork(program)
  back.first = back.second = start
  split.second = program.length
  return true
}

function emitOptional(program: Instruction[], part: Node, times: number): boolean {
  const splits: Extract<Instruction, { kind: 'split' }>[] = []
  for (let i = 0; i < times; i++) {
    splits.push(fork(program))
    if (!emit(program, part)) return false
  }
  for (const split of splits) split.second = program.length
  return true
}

/** A split that goes on at the next instruction; where else is for the caller to say. */
function fork(program: Instruction[]): Extract<Instruction, { kind: 'split' }> {
  const next = program.length + 1
  const split = { kind: 'split' as const, first: next, second: next }
  program.push(split)
  return split
}

/** Places that were reached together, before a character. */
interface Places {
  /** Instructions that take a character. */
  characters: number[]
  /** The expression has matched. */
  matched: boolean
  /** It has, if the text ends here. */
  matchedAtEnd: boolean
  /** By code unit below {@link remembered}. */
  next: (Places | undefined)[]
}

/** Code units whose steps are remembered. */
const remembered = 128
/** Most sets of places that are remembered at a time: some hundred kilobytes. */
const placesMax = 500

/** For programs whose assertions are of the text's start and end alone. */
class Automaton {
  readonly #program: readonly Instruction[]
  readonly #start: Places
  readonly #known = new Map<string, Places>()

  constructor(program: readonly Instruction[]) {
    this.#program = program
    this.#start = this.#places([0], true)
  }

  test(text: string): boolean {
    let places = this.#start
    for (let at = 0; at < text.length; at++) {
      if (places.matched) return true
      const code = text.charCodeAt(at)
      const known = code < remembered ? places.next[code] : undefined
      places = known ?? this.#step(places, code)
    }
    return places.matched || places.matchedAtEnd
  }

  #step(from: Places, code: number): Places {
    const reached = from.characters.filter((state) => {
      const instruction = this.#program[state]!
      return instruction.kind === 'characters' && contains(instruction.set, code)
    })
    // It may begin anywhere, so the start is among the places at every character.
    const seeds = [0, ...reached.map((state) => state + 1)]
    const key = seeds.join()
    let places = this.#known.get(key)
    if (places === undefined) {
      if (this.#known.size >= placesMax) this.#forget()
      this.#known.set(key, (places = this.#places(seeds, false)))
    }
    if (code < remembered) from.next[code] = places
    return places
  }

  #forget(): void {
    this.#start.next = []
    for (const places of this.#known.values()) places.next = []
    this.#known.clear()
  }

  #places(seeds: readonly number[], atStart: boolean): Places {
    const here = this.#reach(seeds, atStart, false)
    const characters = here.filter((state) => this.#program[state]!.kind === 'characters')
    const matches = (states: readonly number[]) => states.includes(this.#program.length - 1)
    const matched = matches(here)
    return { characters, matched, matchedAtEnd: matches(this.#reach(seeds, atStart, true)), next: [] }
  }

  /** What can be reached without a character. */
  #reach(seeds: readonly number[], atStart: boolean, atEnd: boolean): number[] {
    const reached = new Set<number>()
    const pending = [...seeds]
    for (let state = pending.pop(); state !== undefined; state = pending.pop()) {
      if (reached.has(state)) continue
      reached.add(state)
      const instruction = this.#program[state]!
      if (instruction.kind === 'split') pending.push(instruction.second, instruction.first)
      else if (instruction.kind === 'assertion' && (instruction.name === 'start' ? atStart : atEnd))
        pending.push(state + 1)
    }
    return [...reached].sort((a, b) => a - b)
  }
}

/** Follows all ways through the program at once, one character after another, remembering nothing. */
function run(program: readonly Instruction[], text: string): boolean {
  const marks = new Int32Array(program.length).fill(-1)
  let states: number[] = []
  let next: number[] = []
  for (let at = 0; at <= text.length; at++) {
    // It may begin anywhere, so the start is among the states at every character.
    if (enter(program, marks, states, 0, text, at)) return true
    if (at === text.length) break
    const code = text.charCodeAt(at)
    next.length = 0
    for (const state of states) {
      const instruction = program[state]!
      if (instruction.kind !== 'characters' || !contains(instruction.set, code)) continue
      if (enter(program, marks, next, state + 1, text, at + 1)) return true
    }
    ;[states, next] = [next, states]
  }
  return false
}

/** Adds what can be reached from `start` without a character; true when that is the end of the expression. */
function enter(
  program: readonly Instruction[],
  marks: Int32Array,
  states: number[],
  start: number,
  text: string,
  at: number,
): boolean {
  const pending = [start]
  for (let state = pending.pop(); state !== undefined; state = pending.pop()) {
    if (marks[state] === at) continue
    marks[state] = at
    const instruction = program[state]!
    if (instruction.kind === 'match') return true
    if (instruction.kind === 'characters') states.push(state)
    else if (instruction.kind === 'split') pending.push(instruction.second, instruction.first)
    else if (holds(instruction.name, text, at)) pending.push(state + 1)
  }
  return false
}

function holds(name: Assertion, text: string, at: number): boolean {
  if (name === 'start') return at === 0
  if (name === 'end') return at === text.length
  const border = isWord(text.charCodeAt(at - 1)) !== isWord(text.charCodeAt(at))
  return border === (name === 'border')
}

function isAboutWords(name: Assertion): boolean {
  return name === 'border' || name === 'notBorder'
}

function isWord(code: number): boolean {
  return words.some(([low, high]) => code >= low && code <= high)
}

function contains({ ranges, negated }: CharacterSet, code: number): boolean {
  for (const [low, high] of ranges) if (code >= low && code <= high) return !negated
  return negated
}
