/**
 * The subset of CEL (Common Expression Language) that validation rules here may use, as a syntax tree: literals, lists,
 * field and index access, the operators, `?:`, `in`, calls of a fixed set of functions, and the macros has, all, exists
 * and exists_one. What it cannot read it refuses by name, so that no rule is ever silently ignored.
 */
import { err, ok, type Result } from '#core/lib/result.ts'

export type Literal = null | boolean | number | string

export type Expression =
  | { kind: 'literal'; value: Literal }
  | { kind: 'list'; items: Expression[] }
  | { kind: 'name'; name: string }
  | { kind: 'field'; of: Expression; name: string }
  | { kind: 'index'; of: Expression; index: Expression }
  | { kind: 'has'; of: Expression; name: string }
  | { kind: 'call'; name: string; args: Expression[] }
  | {
      kind: 'each'
      macro: 'all' | 'exists' | 'exists_one'
      list: Expression
      variable: string
      test: Expression
    }
  | { kind: 'unary'; operator: '!' | '-'; of: Expression }
  | { kind: 'binary'; operator: BinaryOperator; left: Expression; right: Expression }
  | { kind: 'choice'; test: Expression; yes: Expression; no: Expression }

export type BinaryOperator =
  | '||'
  | '&&'
  | '=='
  | '!='
  | '<'
  | '<='
  | '>'
  | '>='
  | 'in'
  | '+'
  | '-'
  | '*'
  | '/'
  | '%'

/** Functions by name, with the number of arguments, the receiver of a method included. */
export const functions: Readonly<Record<string, number>> = {
  size: 1,
  int: 1,
  string: 1,
  matches: 2,
  startsWith: 2,
  endsWith: 2,
  contains: 2,
}

const depthMax = 100

/** Precedence from the loosest to the tightest. */
const levels: BinaryOperator[][] = [
  ['||'],
  ['&&'],
  ['==', '!=', '<', '<=', '>', '>=', 'in'],
  ['+', '-'],
  ['*', '/', '%'],
]

type Token =
  | { kind: 'number' | 'string'; value: number | string; at: number }
  | { kind: 'name' | 'symbol' | 'end'; text: string; at: number }

class SyntaxProblem extends Error {}

export function parseCel(text: string): Result<Expression> {
  try {
    const parser = new Parser(tokenize(text))
    return ok(parser.whole())
  } catch (error) {
    if (error instanceof SyntaxProblem) return err(error.message)
    throw error
  }
}

function tokenize(text: string): Token[] {
  const tokens: Token[] = []
  const pattern =
    /\s+|(?<number>\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)|(?<string>"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*')|(?<raw>r"[^"\n]*"|r'[^'\n]*')|(?<name>[A-Za-z_]\w*)|(?<symbol>\|\||&&|==|!=|<=|>=|[<>!+\-*/%?:.,()[\]])/y
  while (pattern.lastIndex < text.length) {
    const at = pattern.lastIndex
    const match = pattern.exec(text)
    if (match === null) throw new SyntaxProblem(`unsupported syntax at "${text.slice(at, at + 20)}"`)
    const { number, string, raw, name, symbol } = match.groups!
    if (number !== undefined) tokens.push({ kind: 'number', value: Number(number), at })
    else if (raw !== undefined) tokens.push({ kind: 'string', value: raw.slice(2, -1), at })
    else if (string !== undefined) tokens.push({ kind: 'string', value: unescape(string.slice(1, -1)), at })
    else if (name !== undefined) tokens.push({ kind: 'name', text: name, at })
    else if (symbol !== undefined) tokens.push({ kind: 'symbol', text: symbol, at })
  }
  tokens.push({ kind: 'end', text: 'end of rule', at: text.length })
  return tokens
}

const escapes: Record<string, string> = {
  n: '\n',
  t: '\t',
  r: '\r',
  '\\': '\\',
  "'": "'",
  '"': '"',
  '`': '`',
  '?': '?',
}

function unescape(text: string): string {
  return text.replaceAll(/\\(.)/g, (_, char: string) => {
    const meaning = escapes[char]
    if (meaning === undefined) throw new SyntaxProblem(`unsupported escape \\${char}`)
    return meaning
  })
}

class Parser {
  readonly #tokens: Token[]
  #at = 0
  #depth = 0
  readonly #variables = new Set(['self'])

  constructor(tokens: Token[]) {
    this.#tokens = tokens
  }

  whole(): Expression {
    const expression = this.#expression()
    if (this.#next.kind !== 'end') throw this.#unexpected()
    return expression
  }

  get #next(): Token {
    return this.#tokens[this.#at]!
  }

  #expression(): Expression {
    if (++this.#depth > depthMax) throw new SyntaxProblem('the rule is nested too deeply')
    const test = this.#binary(0)
    this.#depth--
    if (!this.#take('?')) return test
    const yes = this.#expression()
    this.#expect(':')
    return { kind: 'choice', test, yes, no: this.#expression() }
  }

  #binary(level: number): Expression {
    const operators = levels[level]
    if (operators === undefined) return this.#unary()
    let left = this.#binary(level + 1)
    for (;;) {
      const operator = operators.find((one) => this.#take(one))
      if (operator === undefined) return left
      left = { kind: 'binary', operator, left, right: this.#binary(level + 1) }
    }
  }

  #unary(): Expression {
    for (const operator of ['!', '-'] as const) {
      if (!this.#take(operator)) continue
      if (++this.#depth > depthMax) throw new SyntaxProblem('the rule is nested too deeply')
      const of = this.#unary()
      this.#depth--
      return { kind: 'unary', operator, of }
    }
    return this.#member(this.#primary())
  }

  #member(start: Expression): Expression {
    let expression = start
    for (;;) {
      if (this.#take('.')) {
        const name = this.#name()
        expression = this.#take('(')
          ? this.#method(expression, name)
          : { kind: 'field', of: expression, name: unescapeField(name) }
      } else if (this.#take('[')) {
        const index = this.#expression()
        this.#expect(']')
        expression = { kind: 'index', of: expression, index }
      } else return expression
    }
  }

  #method(receiver: Expression, name: string): Expression {
    if (name === 'all' || name === 'exists' || name === 'exists_one') {
      const variable = this.#name()
      this.#expect(',')
      const shadowed = this.#variables.has(variable)
      this.#variables.add(variable)
      const test = this.#expression()
      if (!shadowed) this.#variables.delete(variable)
      this.#expect(')')
      return { kind: 'each', macro: name, list: receiver, variable, test }
    }
    return call(name, [receiver, ...this.#arguments()])
  }

  #arguments(): Expression[] {
    const args: Expression[] = []
    if (this.#take(')')) return args
    do args.push(this.#expression())
    while (this.#take(','))
    this.#expect(')')
    return args
  }

  #primary(): Expression {
    const token = this.#next
    if (token.kind === 'number' || token.kind === 'string') {
      this.#at++
      return { kind: 'literal', value: token.value }
    }
    if (this.#take('(')) {
      const inner = this.#expression()
      this.#expect(')')
      return inner
    }
    if (this.#take('[')) return this.#list()
    if (token.kind !== 'name') throw this.#unexpected()
    this.#at++
    const { text } = token
    if (text === 'true' || text === 'false') return { kind: 'literal', value: text === 'true' }
    if (text === 'null') return { kind: 'literal', value: null }
    if (this.#take('(')) {
      if (text !== 'has') return call(text, this.#arguments())
      const [field, ...more] = this.#arguments()
      if (field?.kind !== 'field' || more.length > 0)
        throw new SyntaxProblem('has() takes one field, such as has(self.x)')
      return { kind: 'has', of: field.of, name: field.name }
    }
    if (text === 'oldSelf') throw new SyntaxProblem('oldSelf (transition rules) is not supported')
    if (!this.#variables.has(text)) throw new SyntaxProblem(`undeclared reference to '${text}'`)
    return { kind: 'name', name: text }
  }

  #list(): Expression {
    const items: Expression[] = []
    while (!this.#take(']')) {
      if (items.length > 0) this.#expect(',')
      items.push(this.#expression())
    }
    return { kind: 'list', items }
  }

  #name(): string {
    const token = this.#next
    if (token.kind !== 'name') throw this.#unexpected()
    this.#at++
    return token.text
  }

  #take(symbol: string): boolean {
    const token = this.#next
    if (
      token.kind === 'symbol'
        ? token.text !== symbol
        : token.kind !== 'name' || symbol !== 'in' || token.text !== 'in'
    )
      return false
    this.#at++
    return true
  }

  #expect(symbol: string): void {
    if (!this.#take(symbol)) throw this.#unexpected(symbol)
  }

  #unexpected(wanted?: string): SyntaxProblem {
    const token = this.#next
    const found = 'text' in token ? token.text : JSON.stringify(token.value)
    return new SyntaxProblem(`unexpected ${found}${wanted === undefined ? '' : `, "${wanted}" is needed`}`)
  }
}

function call(name: string, args: Expression[]): Expression {
  const arity = Object.hasOwn(functions, name) ? functions[name] : undefined
  if (arity === undefined) throw new SyntaxProblem(`the function ${name}() is not supported`)
  if (arity !== args.length)
    throw new SyntaxProblem(`${name}() takes ${arity} arguments, the receiver included`)
  return { kind: 'call', name, args }
}

/** Kubernetes' escaping of field names that CEL cannot spell. */
function unescapeField(name: string): string {
  const keyword = /^__([a-z]+)__$/.exec(name)
  if (keyword !== null && !['underscores', 'dot', 'dash', 'slash'].includes(keyword[1]!)) return keyword[1]!
  return name
    .replaceAll('__underscores__', '__')
    .replaceAll('__dot__', '.')
    .replaceAll('__dash__', '-')
    .replaceAll('__slash__', '/')
}
