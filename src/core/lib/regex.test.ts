import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { compileRegex } from './regex.ts'

const atom = fc.constantFrom(
  'a',
  'b',
  '1',
  ' ',
  '.',
  '\\d',
  '\\w',
  '\\D',
  '[ab]',
  '[^a]',
  '[0-9a]',
  '[^\\d ]',
  '[\\w-b]',
  '^',
  '$',
  '\\b',
  '\\B',
  '\\.',
  '[]',
  '[^]',
  '{',
  '-',
)
const { expression } = fc.letrec<{ expression: string; part: string }>((tie) => ({
  part: fc.oneof(
    { maxDepth: 3 },
    atom,
    fc
      .tuple(tie('expression'), fc.constantFrom('', '*', '+', '?', '{2}', '{1,}', '{0,2}', '*?', '+?'))
      .map(([inner, times]) => `(?:${inner})${times}`),
    tie('expression').map((inner) => `(${inner})`),
  ),
  expression: fc.oneof(
    { maxDepth: 3 },
    atom,
    fc.array(tie('part'), { maxLength: 3 }).map((parts) => parts.join('')),
    fc.tuple(tie('expression'), tie('expression')).map(([a, b]) => `${a}|${b}`),
  ),
}))

test('an expression means what it means in JavaScript', () => {
  const text = fc.string({ unit: fc.constantFrom('a', 'b', '1', ' ', '.', '{', '-', '\n'), maxLength: 8 })
  fc.assert(
    fc.property(expression, fc.array(text, { minLength: 1, maxLength: 5 }), (source, texts) => {
      const compiled = compileRegex(source)
      assert.ok(compiled.ok, `${source}: ${compiled.ok ? '' : compiled.error}`)
      const oracle = new RegExp(source)
      for (const each of texts)
        assert.equal(compiled.value.test(each), oracle.test(each), `${source} on ${each}`)
    }),
    { numRuns: 2000 },
  )
})

test('what JavaScript refuses is refused, and nothing throws', () => {
  const source = fc.string({ unit: fc.constantFrom(...'ab|()[]{}*+?^$\\.-,10d'.split('')), maxLength: 10 })
  fc.assert(
    fc.property(
      source,
      fc.string({ unit: fc.constantFrom('a', 'b', '1', '-'), maxLength: 6 }),
      (each, text) => {
        const compiled = compileRegex(each)
        let oracle: RegExp
        try {
          oracle = new RegExp(each)
        } catch {
          assert.equal(compiled.ok, false, each)
          return
        }
        if (compiled.ok) assert.equal(compiled.value.test(text), oracle.test(text), each)
      },
    ),
    { numRuns: 5000 },
  )
})

test('expressions on which others take for ever end at once', () => {
  const long = 'a'.repeat(20_000)
  for (const source of ['(a+)+$', '(a|a)*b', '(a*)*b', '(?:a{0,50}){0,20}b', '^(([a-z])+.)+[A-Z]([a-z])+$']) {
    const compiled = compileRegex(source)
    assert.ok(compiled.ok, source)
    assert.equal(compiled.value.test(`${long}!`), false)
  }
})

test('expressions that repeat nothing are compiled at once', () => {
  let source = '(?:)'
  for (let depth = 0; depth < 50; depth++) source = `(?:${source}{1000})`
  const compiled = compileRegex(`a${source}b`)
  assert.ok(compiled.ok)
  assert.deepEqual([compiled.value.test('ab'), compiled.value.test('a')], [true, false])
})

test('a mistake is named with its place', () => {
  for (const [source, says] of [
    ['(', 'a "(" without ")" at character 2'],
    ['a)', 'a ")" without "(" at character 2'],
    ['a**', 'nothing to repeat at character 3'],
    ['[a', 'a "[" without "]" at character 3'],
    ['[b-a]', 'a range from more to less at character 5'],
    ['(?=a)', 'a group of a kind that is not known, after "(?", at character 3'],
    ['\\1', 'an escape "\\1" that is not known at character 3'],
    ['\\00*', 'a digit right after "\\0" at character 3'],
    ['[\\01]', 'a digit right after "\\0" at character 4'],
    ['a{2000}', 'more than 1000 repetitions at character 8'],
    ['((a{1000}){1000}){1000}', 'it is too large: repeat less'],
    ['\\', 'a backslash with nothing after it at character 2'],
  ] as const)
    assert.deepEqual(compileRegex(source), { ok: false, error: says })
})
