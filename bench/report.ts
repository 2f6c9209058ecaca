/** Puts what a benchmark measured into docs/performance.md, between its own markers, and prints it. */
import { execFileSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { arch, cpus, release, totalmem } from 'node:os'
import { resolve } from 'node:path'

const file = resolve(import.meta.dirname, '../docs/performance.md')

/** Replaces the section's lines; the rest of the page stays. The section's markers must be in the page. */
export function writeSection(name: string, lines: readonly string[]): void {
  const begin = `<!-- bench ${name} -->`
  const end = `<!-- end ${name} -->`
  const page = readFileSync(file, 'utf8')
  const from = page.indexOf(begin)
  const to = page.indexOf(end)
  if (from < 0 || to < from) throw new Error(`${file} has no section "${begin}" to "${end}"`)
  const text = [
    `Measured ${new Date().toISOString().slice(0, 10)} with \`npm run bench -- ${name}\`: ${machine()}.`,
    '',
    ...lines,
  ]
  writeFileSync(file, `${page.slice(0, from + begin.length)}\n${text.join('\n')}\n${page.slice(to)}`)
  console.log(text.join('\n'))
}

function machine(): string {
  const cores = cpus()
  const memory = Math.round(totalmem() / 2 ** 30)
  const commit = execFileSync('git', ['rev-parse', '--short', 'HEAD'], {
    cwd: import.meta.dirname,
    encoding: 'utf8',
  })
  return `${cores.length} cores, ${memory} GiB, Linux ${release().split('-')[0]} ${arch()}, Node ${process.version}, commit ${commit.trim()}`
}
