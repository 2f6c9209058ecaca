import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Json } from '../json.ts'
import { CelError, evaluate } from './cel.ts'
import { parseCel } from './cel-parser.ts'

function run(rule: string, self: Json): Json {
  const parsed = parseCel(rule)
  assert.ok(parsed.ok, parsed.ok ? '' : parsed.error)
  return evaluate(parsed.value, { self })
}

const cases: { rule: string; self: Json; result: Json }[] = [
  { rule: 'has(self.cidr) != has(self.start)', self: { cidr: 'a' }, result: true },
  { rule: 'has(self.cidr) != has(self.start)', self: { cidr: 'a', start: 'b' }, result: false },
  { rule: '!has(self.stop) || has(self.start)', self: { stop: 'x' }, result: false },
  { rule: 'self == 0 || self >= 3', self: 2, result: false },
  { rule: 'self == 0 || self >= 3', self: 0, result: true },
  { rule: 'self.a <= self.b && self.b < 10', self: { a: 1, b: 2 }, result: true },
  { rule: 'size(self.x) > 1 && self.x[1] == "b"', self: { x: ['a', 'b'] }, result: true },
  { rule: "self.matches('^[a-z]+$')", self: 'abc', result: true },
  { rule: "self.startsWith('a') ? self.endsWith('c') : false", self: 'abc', result: true },
  { rule: 'self in ["x", "y"]', self: 'y', result: true },
  { rule: 'self.all(p, p > 0)', self: [1, 2], result: true },
  { rule: 'self.exists_one(p, p == 1)', self: [1, 1], result: false },
  { rule: 'self.exists(k, k == "a")', self: { a: 1 }, result: true },
  { rule: '7 / 2 * 2 + 7 % 2 - -1', self: null, result: 8 },
  { rule: '"a" + "b" == self', self: 'ab', result: true },
  { rule: 'self.__namespace__ == "n"', self: { namespace: 'n' }, result: true },
  { rule: "int(self) > 5 && string(7) == '7'", self: '6', result: true },
]

for (const { rule, self, result } of cases) {
  test(`${rule} of ${JSON.stringify(self)} is ${JSON.stringify(result)}`, () => {
    assert.deepEqual(run(rule, self), result)
  })
}

test('an error on one side of && or || does not matter when the other side decides', () => {
  assert.equal(run('self.missing == 1 || true', {}), true)
  assert.equal(run('self.missing == 1 && false', {}), false)
  assert.throws(() => run('self.missing == 1 || false', {}), CelError)
})

test('what the subset lacks is refused by name', () => {
  const refused: [string, RegExp][] = [
    ['self == oldSelf', /oldSelf/],
    ['isIP(self)', /isIP\(\)/],
    ['other > 1', /undeclared reference to 'other'/],
    ['self >', /unexpected end of rule/],
    ['self === 1', /unexpected|unsupported/],
    ['has(self)', /has\(\)/],
    ['{"a": 1} == self', /unsupported syntax/],
    ['('.repeat(500), /nested too deeply/],
    ['!'.repeat(500), /nested too deeply/],
  ]
  for (const [rule, why] of refused) {
    const parsed = parseCel(rule)
    assert.ok(!parsed.ok, rule)
    assert.match(parsed.error, why)
  }
})
