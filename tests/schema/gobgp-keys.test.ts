/** The keys that Herald takes in GoBGP's configuration file are those that GoBGP takes. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { z } from 'zod'
import { gobgpConfigSchema } from '#core/schema/gobgp/config.ts'
import { find } from '#lab/lab.ts'

/** Of releases after the distribution's. */
const newer = ['bfd', 'send-software-version']

/** Something at every key of the schema. */
function everything(schema: z.ZodType): unknown {
  if (schema instanceof z.ZodOptional) return everything(schema.unwrap() as z.ZodType)
  if (schema instanceof z.ZodArray) return [everything(schema.element as z.ZodType)]
  if (schema instanceof z.ZodUnknown) return { anything: 1 }
  if (!(schema instanceof z.ZodObject)) return 1
  const fields = Object.entries(schema.shape)
  return Object.fromEntries(fields.map(([key, field]) => [key, everything(field as z.ZodType)]))
}

const skip = find('gobgpd') === undefined ? 'needs gobgpd: npm test installs it on Debian as root' : false

test('GoBGP knows every key that Herald knows', { skip }, () => {
  const folder = mkdtempSync(join(tmpdir(), 'herald-gobgp-'))
  try {
    const file = join(folder, 'all.json')
    writeFileSync(file, JSON.stringify(everything(gobgpConfigSchema)))
    const { stdout, stderr } = spawnSync('gobgpd', ['-d', '-t', 'json', '-f', file], { encoding: 'utf8' })
    const complaints = [...`${stdout}${stderr}`.matchAll(/'([^']*)' has invalid keys: ([^\\"]+)/g)]
    assert.ok(complaints.length > 0, `GoBGP judged the file: ${stdout}${stderr}`)
    const unknown = complaints.flatMap(([, place, keys]) =>
      keys!.split(', ').map((key) => ({ place, key: key.trim() })),
    )
    assert.deepEqual(
      unknown.filter(({ key }) => key !== 'anything' && !newer.includes(key)),
      [],
    )
  } finally {
    rmSync(folder, { recursive: true })
  }
})
