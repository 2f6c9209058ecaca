/**
 * A node:test reporter: one line per file, failures in full as they come, and at the end what was skipped, grouped by
 * reason, before the counts.
 */
import { inspect } from 'node:util'

// node:test takes a reporter from the default export.
// oxlint-disable-next-line import/no-default-export
export default async function* report(source) {
  let fileCount = 0
  const skipped = new Map()
  const failures = []
  let counts
  let totalMs = 0
  for await (const { type, data } of source) {
    const file = data?.file === undefined ? undefined : relative(data.file)
    switch (type) {
      case 'test:pass':
      case 'test:fail': {
        if (data.skip !== undefined) {
          const reason = typeof data.skip === 'string' && data.skip !== '' ? data.skip : 'no reason given'
          const list = skipped.get(reason) ?? []
          list.push(`${file}: ${data.name}`)
          skipped.set(reason, list)
          break
        }
        // A suite, or a test with tests inside, fails with those, which are shown by themselves.
        if (type === 'test:pass' || data.details?.error?.failureType === 'subtestsFailed') break
        if (data.todo !== undefined) break
        const text = failure(file, data)
        failures.push(text)
        yield text
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
        fileCount++
        yield fileLine(file, data.counts, data.duration_ms)
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
  // The counts leave out a suite that threw.
  const failed = Math.max(counts.failed + counts.cancelled, failures.length)
  yield `\n${counts.tests} tests in ${fileCount} files, ${(totalMs / 1000).toFixed(1)} s\n`
  yield `${counts.passed} passed, ${failed} failed, ${counts.skipped} skipped\n`
}

function fileLine(file, { passed, failed, cancelled, skipped }, durationMs) {
  const parts = [`${passed} passed`]
  if (failed + cancelled > 0) parts.push(`${failed + cancelled} failed`)
  if (skipped > 0) parts.push(`${skipped} skipped`)
  const mark = failed + cancelled > 0 ? '✖' : passed === 0 ? '–' : '✔'
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
