import assert from 'node:assert/strict'
import { globSync, readFileSync } from 'node:fs'
import { dirname, join, relative, resolve } from 'node:path'
import { test } from 'node:test'
import { importTable, pureRooms } from './import-table.ts'

const root = resolve(import.meta.dirname, '../..')
const source = join(root, 'src')

/** The room that a path below `src/` lies in: the longest row of the table that it starts with. */
function roomOf(path: string): string | undefined {
  const file = path.replace(/\.ts$/, '')
  return Object.keys(importTable)
    .filter((room) => file === room || file.startsWith(`${room}/`))
    .toSorted((a, b) => b.length - a.length)[0]
}

function importsOf(path: string): string[] {
  const text = readFileSync(path, 'utf8')
  const statements = /^(?:import|export)\s(?:[^'"]*?\sfrom\s)?['"]([^'"]+)['"]/gm
  const dynamic = /\bimport\(\s*['"]([^'"]+)['"]/g
  return [...text.matchAll(statements), ...text.matchAll(dynamic)].map((match) => match[1]!)
}

/** Why this import breaks the table, or undefined if it does not. */
export function offence(file: string, imported: string): string | undefined {
  const room = roomOf(file)
  if (room === undefined)
    return file === 'herald.ts' ? undefined : `${file} lies in no room of the import table`
  const target = imported.startsWith('#')
    ? imported.slice(1)
    : imported.startsWith('.')
      ? relative(source, resolve(source, dirname(file), imported))
      : undefined
  if (target === undefined) {
    const packages = pureRooms[room]
    const name = imported
      .split('/')
      .slice(0, imported.startsWith('@') ? 2 : 1)
      .join('/')
    return packages === undefined || packages.includes(name)
      ? undefined
      : `${file} imports ${imported}, but ${room} is pure`
  }
  const targetRoom = roomOf(target)
  if (targetRoom === undefined) return `${file} imports ${imported}, which lies in no room`
  if (targetRoom === room) return undefined
  return importTable[room]!.includes(targetRoom)
    ? undefined
    : `${file} imports ${imported}: ${room} may not import ${targetRoom}`
}

test('every import follows the import table', () => {
  const files = globSync('**/*.ts', { cwd: source }).filter((file) => !/\.(test|testing)\.ts$/.test(file))
  assert.ok(files.length > 10, 'the source tree was found')
  const offences = files.flatMap((file) =>
    importsOf(join(source, file)).flatMap((imported) => offence(file, imported) ?? []),
  )
  assert.deepEqual(offences, [])
})

test('names an import that breaks the table', () => {
  assert.match(
    offence('core/bgp/x.ts', '#core/schema/object.ts') ?? '',
    /core\/bgp may not import core\/schema/,
  )
  assert.match(offence('core/bgp/x.ts', 'node:fs') ?? '', /core\/bgp is pure/)
  assert.match(offence('core/bgp/x.ts', '../../kube/client.ts') ?? '', /core\/bgp may not import kube/)
  assert.equal(offence('core/bgp/x.ts', '#core/net/prefix.ts'), undefined)
})
