/** The generated CustomResourceDefinitions are those in the tree, and structural as apiextensions v1 asks. */
import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { parse } from 'yaml'
import { crdOf } from '#core/schema/crd.ts'
import { resourceTypes } from '#core/schema/resource-type.ts'
import { generatedFiles } from '../../scripts/generate.ts'

const root = join(import.meta.dirname, '..', '..')

test('deploy/crds and the reference page are what scripts/generate.ts writes', () => {
  const generated = generatedFiles()
  for (const [path, text] of generated) {
    assert.equal(readFileSync(join(root, path), 'utf8'), text, `${path}: run node scripts/generate.ts`)
  }
  const present = readdirSync(join(root, 'deploy/crds'), { recursive: true, encoding: 'utf8' })
  const files = present.filter((path) => path.endsWith('.yaml')).map((path) => join('deploy/crds', path))
  assert.deepEqual(
    files.toSorted(),
    [...generated.keys()].filter((path) => path.endsWith('.yaml')).toSorted(),
  )
})

for (const type of resourceTypes) {
  test(`the schema of ${type.kind} is structural`, () => {
    for (const version of crdOf(type).spec.versions) walk(version.schema.openAPIV3Schema, type.kind)
  })

  test(`the file of ${type.kind} means the same to a parser of YAML 1.1, as kubectl's is`, () => {
    const folder = type.dialect === 'native' ? '' : `${type.dialect}/`
    const text = generatedFiles().get(`deploy/crds/${folder}${type.plural}.yaml`)
    assert.ok(text !== undefined)
    const json: unknown = JSON.parse(JSON.stringify(crdOf(type)))
    assert.deepEqual(parse(text, { version: '1.1' }), json)
    assert.deepEqual(parse(text, { version: '1.2' }), json)
  })
}

const allowed = new Set(
  (
    'type format description default enum pattern required properties items additionalProperties minimum maximum ' +
    'minLength maxLength minItems maxItems x-kubernetes-validations x-kubernetes-list-type x-kubernetes-list-map-keys'
  ).split(' '),
)

/** Every node has a type, only keywords that apiextensions knows, and patterns without lookaround (RE2). */
function walk(node: unknown, path: string): void {
  assert.ok(typeof node === 'object' && node !== null, path)
  const schema = node as Record<string, unknown>
  assert.equal(typeof schema['type'], 'string', `${path} has a type`)
  for (const key of Object.keys(schema)) assert.ok(allowed.has(key), `${path}: ${key}`)
  const { pattern, properties, items, additionalProperties } = schema
  if (typeof pattern === 'string') assert.doesNotMatch(pattern, /\(\?|\\[dbw]/, path)
  for (const [key, child] of Object.entries(properties ?? {})) walk(child, `${path}.${key}`)
  if (items !== undefined) walk(items, `${path}[]`)
  if (additionalProperties !== undefined) walk(additionalProperties, `${path}{}`)
}
