import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Json, JsonObject } from '../json.ts'
import { validateSchema } from './schema-validation.ts'
import { applyDefaults, prune, validateValue } from './structural-schema.ts'
import { showUnknownField } from './unknown-field.ts'

const spec = (properties: JsonObject, more: JsonObject = {}): JsonObject => ({
  type: 'object',
  properties: { spec: { type: 'object', properties, ...more } },
})

const valid: [name: string, schema: JsonObject, value: Json, problem: RegExp | undefined][] = [
  ['a number for an integer', { type: 'integer' }, 1.5, /must be of type integer: "number"/],
  ['a whole number for a number', { type: 'number' }, 1, undefined],
  ['null', { type: 'string' }, null, /must be of type string: "null"/],
  ['null where it is allowed', { type: 'string', nullable: true }, null, undefined],
  ['a number below', { type: 'integer', minimum: 2 }, 1, /greater than or equal to 2/],
  [
    'a number at an exclusive bound',
    { type: 'integer', maximum: 2, exclusiveMaximum: true },
    2,
    /less than 2/,
  ],
  ['no multiple', { type: 'integer', multipleOf: 3 }, 4, /multiple of 3/],
  ['int32 overflow', { type: 'integer', format: 'int32' }, 2 ** 31, /int32/],
  ['long text', { type: 'string', maxLength: 1 }, 'ab', /Too long/],
  ['an IPv6 address for IPv4', { type: 'string', format: 'ipv4' }, 'fd00::1', /ipv4/],
  ['an IPv6 address', { type: 'string', format: 'ipv6' }, 'fd00::1', undefined],
  ['a prefix', { type: 'string', format: 'cidr' }, '10.0.0.0/8', undefined],
  ['no prefix', { type: 'string', format: 'cidr' }, '10.0.0.300/24', /cidr/],
  ['no time', { type: 'string', format: 'date-time' }, 'yesterday', /date-time/],
  ['too many items', { type: 'array', maxItems: 1, items: { type: 'string' } }, ['a', 'b'], /Too many: 2/],
  ['a wrong item', { type: 'array', items: { type: 'string' } }, ['a', 1], /spec\.x\[1\]/],
  [
    'twice in a set',
    { type: 'array', 'x-kubernetes-list-type': 'set', items: { type: 'string' } },
    ['a', 'a'],
    /Duplicate value: "a"/,
  ],
  ['neither', { type: 'integer', anyOf: [{ minimum: 5 }, { maximum: 1 }] }, 3, /anyOf/],
  ['both', { type: 'integer', oneOf: [{ minimum: 1 }, { maximum: 9 }] }, 3, /oneOf\)\. Found 2/],
  ['a wrong map value', { type: 'object', additionalProperties: { type: 'string' } }, { a: 1 }, /spec\.x\.a/],
  [
    'a broken rule',
    { type: 'integer', 'x-kubernetes-validations': [{ rule: 'self > 3' }] },
    3,
    /failed rule: self > 3/,
  ],
]

for (const [name, schema, value, problem] of valid) {
  test(`${name} is ${problem === undefined ? 'valid' : 'invalid'}`, () => {
    const causes = validateValue(spec({ x: schema }), { spec: { x: value } }, '')
    const text = causes.map((cause) => `${cause.field}: ${cause.message}`).join('\n')
    if (problem === undefined) assert.equal(text, '')
    else assert.match(text, problem)
  })
}

test('unknown fields are pruned but where they are kept', () => {
  const schema = spec({
    free: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true },
    list: { type: 'array', items: { type: 'object', properties: { a: { type: 'string' } } } },
  })
  const value = { kind: 'X', spec: { free: { any: 1 }, list: [{ a: '', b: 1 }], typo: 1 }, extra: 1 }
  assert.deepEqual(prune(schema, value), [
    { path: 'spec.list[0].b', known: ['a'] },
    { path: 'spec.typo', known: ['free', 'list'] },
    { path: 'extra', known: ['spec'] },
  ])
  assert.deepEqual(value, { kind: 'X', spec: { free: { any: 1 }, list: [{ a: '' }] } })
})

const unknown: [path: string, known: string[], text: string][] = [
  [
    'spec.peerAddres',
    ['peerASN', 'peerAddress'],
    'unknown field "spec.peerAddres"; did you mean "peerAddress"?',
  ],
  ['spec.peerAsn', ['peerASN', 'peerAddress'], 'unknown field "spec.peerAsn"; did you mean "peerASN"?'],
  ['spec.colour', ['size', 'name'], 'unknown field "spec.colour"; known here: size, name'],
  ['spec.colour', [], 'unknown field "spec.colour"'],
]

for (const [path, known, text] of unknown) {
  test(`${path} among ${JSON.stringify(known)} is shown with what may be meant`, () => {
    assert.equal(showUnknownField({ path, known }), text)
  })
}

test('defaults fill what is missing, inside of what is there', () => {
  const schema = spec({
    a: { type: 'integer', default: 1 },
    b: { type: 'object', default: {}, properties: { c: { type: 'string', default: 'x' } } },
  })
  const value = { spec: { a: null } }
  applyDefaults(schema, value)
  assert.deepEqual(value, { spec: { a: 1, b: { c: 'x' } } })
  const empty = {}
  applyDefaults(schema, empty)
  assert.deepEqual(empty, {})
})

test('a schema that cannot be kept to is refused with the place', () => {
  const refused: [JsonObject, RegExp][] = [
    [{ a: {} }, /openAPIV3Schema\.properties\[spec\]\.properties\[a\]\.type/],
    [{ a: { type: 'string', pattern: '(' } }, /pattern/],
    [{ a: { type: 'array' } }, /items/],
    [
      { a: { type: 'string', 'x-kubernetes-validations': [{ rule: 'self.isFancy()' }] } },
      /isFancy\(\) is not supported/,
    ],
    [{ a: { $ref: '#/x', type: 'string' } }, /\$ref/],
  ]
  for (const [properties, place] of refused) {
    const causes = validateSchema(spec(properties), 'openAPIV3Schema')
    assert.match(causes.map((cause) => `${cause.field}: ${cause.message}`).join('\n'), place)
  }
  assert.deepEqual(validateSchema(spec({ a: { type: 'string' } }), 'openAPIV3Schema'), [])
})
