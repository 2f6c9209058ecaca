/**
 * A node:test reporter: one line per file, failures in full as they come, and at the end what was skipped, grouped by
 * reason, before the counts.
 */
import { inspect } from 'node:util'

// node:test takes a reporter from the default export.
// oxlint-disable-next-line import/no-default-export
export default async function* report(source) {
  const files = new Map()
  const skipped = new Map()
  const failures = []
  let counts
  let totalMs = 0
  for await (const { type, data } of source) {
    const file = data?.file === undefined ? undefined : relative(data.file)
    switch (type) {
      case 'test:pass':
      case 'test:fail': {
        if (data.details?.type === 'suite' || data.name === data.file) {
          if (type === 'test:pass') break
          // A suite fails with its tests, which were shown; by itself only when its own code threw.
          if (data.details?.error?.failureType === 'subtestsFailed') break
        }
        const entry = files.get(file) ?? { passed: 0, failed: 0, skipped: 0, todo: 0 }
        files.set(file, entry)
        if (data.skip !== undefined) {
          entry.skipped++
          const reason = typeof data.skip === 'string' && data.skip !== '' ? data.skip : 'no reason given'
          const list = skipped.get(reason) ?? []
          list.push(`${file}: ${data.name}`)
          skipped.set(reason, list)
        } else if (data.todo !== undefined) entry.todo++
        else if (type === 'test:pass') entry.passed++
        else if (data.details?.error?.failureType !== 'subtestsFailed') {
          entry.failed++
          const text = failure(file, data)
          failures.push(text)
          yield text
        }
        break
      }
      case 'test:stderr':
      case 'test:stdout':
        yield data.message
        break
      case 'test:summary':
        if (data.file === undefined) {
          counts = data.counts
          totalMs = data.duration_ms
          break
        }
        yield fileLine(file, files.get(file), data.duration_ms)
        break
    }
  }
  yield '\n'
  for (const [reason, names] of skipped) {
    yield `skipped because ${reason} (${names.length}):\n`
    for (const name of names.slice(0, 12)) yield `  ${name}\n`
    if (names.length > 12) yield `  … and ${names.length - 12} more\n`
  }
  if (failures.length > 0) yield `\n${failures.length} failed, once more:\n${failures.join('')}`
  if (counts === undefined) return
  const failed = counts.failed + (counts.cancelled ?? 0)
  yield `\n${counts.tests} tests in ${files.size} files, ${(totalMs / 1000).toFixed(1)} s\n`
  yield `${counts.passed} passed, ${failed} failed, ${counts.skipped} skipped\n`
}

function fileLine(file, entry, durationMs) {
  const { passed, failed, skipped } = entry ?? { passed: 0, failed: 0, skipped: 0 }
  const parts = [`${passed} passed`]
  if (failed > 0) parts.push(`${failed} failed`)
  if (skipped > 0) parts.push(`${skipped} skipped`)
  const mark = failed > 0 ? '✖' : passed === 0 ? '–' : '✔'
  return `${mark} ${file}: ${parts.join(', ')} (${(durationMs / 1000).toFixed(1)} s)\n`
}

function failure(file, data) {
  const error = data.details?.error
  const cause = error?.cause ?? error
  // With the causes of the cause, which the stack alone leaves out.
  const text = typeof cause === 'string' ? cause : inspect(cause, { breakLength: 110 })
  const indented = text.split('\n').map((line) => `    ${line}`)
  return `✖ ${file}:${data.line ?? 0}: ${data.name}\n${indented.join('\n')}\n`
}

function relative(file) {
  const root = `${process.cwd()}/`
  return file.startsWith(root) ? file.slice(root.length) : file
}
