import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { everyCell, interopPage, versionsIn } from './page.ts'

const file = join(import.meta.dirname, '../../../docs/reference/interop.md')

test('the page about interoperability has the rows and cells of the matrix, and each of them passed', () => {
  const page = readFileSync(file, 'utf8')
  assert.equal(
    page,
    interopPage(versionsIn(page), everyCell()),
    'run node_modules/.bin/node scripts/interop.ts',
  )
})
