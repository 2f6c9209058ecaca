/** Short runs; `npm run bench -- fuzz [cases] [seed]` and `npm run bench -- fuzz-fsm [cases] [seed]` make long ones. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { fuzzDecoder } from './decode-fuzz.testing.ts'
import { fuzzSession } from './session-fuzz.testing.ts'
import { fuzzSpeaker } from './speaker-fuzz.testing.ts'

const run = { seed: Number(process.env['HERALD_FUZZ_SEED'] ?? 1), clock: () => performance.now() }

test('every answer to a hostile message is one that RFC 4271 §6 or RFC 7606 names', () => {
  const counts = fuzzDecoder({ ...run, cases: 60_000 })
  for (const answer of ['accepted', 'discarded', 'treatedAsWithdraw', 'reset'] as const)
    assert.ok(counts[answer] > 2000, `${answer}: ${counts[answer]}`)
})

test('a speaker answers hostile bytes in every state as RFC 4271 §8.2.2 says, and serves its other neighbours', () => {
  const counts = fuzzSpeaker({ ...run, cases: 15_000 })
  assert.ok(counts.established > 5000 && counts.reset > 5000 && counts.audits > 100)
})

test('a session answers events in any order as RFC 4271 §8.2.2, §6.8 and RFC 9687 §4.3 say', () => {
  const counts = fuzzSession({ ...run, cases: 150_000 })
  assert.ok(counts.ups > 2000, `${counts.ups} sessions came up`)
})
