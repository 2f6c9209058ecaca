import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ApiError } from './api-error.ts'
import type { Resource } from './json.ts'
import { fieldMatcher, labelMatcher } from './selectors.ts'

const labels = { app: 'web', tier: 'front', size: '5' }
const object: Resource = {
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: {
    name: 'one',
    namespace: 'default',
    uid: '',
    resourceVersion: '',
    creationTimestamp: '',
    labels,
  },
}

const cases: [selector: string, matches: boolean][] = [
  ['', true],
  ['app=web', true],
  ['app==web,tier=front', true],
  ['app!=web', false],
  ['missing!=x', true],
  ['app in (web, db)', true],
  ['app notin (web)', false],
  ['missing notin (x)', true],
  ['app', true],
  ['!app', false],
  ['!missing,size>4,size<6', true],
  ['size>5', false],
  ['app in (db),tier', false],
]

for (const [selector, matches] of cases) {
  test(`"${selector}" ${matches ? 'matches' : 'does not match'}`, () => {
    assert.equal(labelMatcher(selector)(object), matches)
  })
}

test('what is no selector is a bad request', () => {
  for (const text of ['a=b=c', 'a in b', 'a b', 'size>x', '=x', 'a in (b'])
    assert.throws(
      () => labelMatcher(text),
      (error) => error instanceof ApiError && error.code === 400,
      text,
    )
})

test('fields are selected by what the resource offers, names by all', () => {
  const match = (text: string) =>
    fieldMatcher(text, () => ({ 'status.phase': 'Running' }), ['status.phase'])(object)
  assert.equal(match('metadata.name=one,status.phase!=Failed'), true)
  assert.equal(match('metadata.namespace=other'), false)
  assert.throws(() => match('spec.secret=1'), /field label not supported: spec\.secret/)
})
