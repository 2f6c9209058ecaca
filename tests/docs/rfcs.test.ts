import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { rfcsPage } from '../../scripts/rfcs-page.ts'

const page = join(import.meta.dirname, '../../docs/reference/rfcs.md')

test('the page of RFCs says what the source cites and which tests say it', () => {
  assert.equal(readFileSync(page, 'utf8'), rfcsPage(), 'run node_modules/.bin/node scripts/generate.ts')
})
