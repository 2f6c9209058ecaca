/** The examples of the reference pages are valid, and a router has nothing to complain about. */
import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { showProblem } from '#core/lib/reason.ts'
import { planNode } from '#core/plan/plan-node.ts'
import { readRouterFiles } from '#daemon/router-files.ts'

const pages = ['reference/peers.md', 'router.md'].map((name) =>
  readFileSync(join(import.meta.dirname, '../../docs', name), 'utf8'),
)
const examples = pages.map((page) => [
  ...page.matchAll(/^## ([^\n]*)\n(?:(?!^## |^```(?:yaml|toml)$).)*^```(yaml|toml)$(.*?)^```$/gms),
])

test('the pages have examples', () =>
  assert.deepEqual(
    examples.map(({ length }) => length >= 4),
    [true, true],
  ))

for (const [, title, kind, text] of examples.flat()) {
  test(`the example of "${title}" works as it stands`, async () => {
    const folder = mkdtempSync(join(tmpdir(), 'herald-example-'))
    try {
      const file = join(folder, `example.${kind}`)
      writeFileSync(file, text!)
      const read = await readRouterFiles([file], 'router')
      assert.ok(read.ok, read.ok ? '' : read.error.map(showProblem).join('\n'))
      const plan = planNode(read.value, 'router', [])
      assert.deepEqual(plan.problems, [])
      const [instance] = plan.instances
      const peers = (instance?.config.peers.length ?? 0) + (instance?.config.listenRanges?.length ?? 0)
      assert.ok(peers > 0, 'it has peers')
    } finally {
      rmSync(folder, { recursive: true })
    }
  })
}
