/** `herald mrt show`: what an MRT file says, as lines or JSON. */
import { createReadStream } from 'node:fs'
import { err, ok, type Result } from '#core/lib/result.ts'
import { MrtReader } from '#core/mrt/read.ts'
import type { MrtRecord } from '#core/mrt/record.ts'
import { jsonOf, Shower, textOf, type Shown } from '#core/mrt/show.ts'

export interface MrtShowOptions {
  file: string
  /** `text`: a line a route, as `bgpdump -m -l`. `json`: an object a line. */
  output: 'text' | 'json'
  /** Only what is about this prefix, or this peer's address; absent: everything. */
  prefix?: string
  peer?: string
  /** Nobody reads on. */
  signal?: AbortSignal
  /** A record that cannot be shown, and why. */
  trouble: (reason: string) => void
}

/** Gives `print` some lines at a time. The error says where the file is not one of MRT. */
export async function showMrt(
  options: MrtShowOptions,
  print: (lines: string) => void,
): Promise<Result<undefined>> {
  const shower = new Shower()
  for await (const records of mrtRecords(options.file)) {
    if (!records.ok) return records
    if (options.signal?.aborted === true) break
    const lines: string[] = []
    for (const record of records.value)
      for (const shown of shower.show(record)) {
        if (shown.kind === 'unknown') options.trouble(shown.reason)
        if (!isWanted(shown, options)) continue
        const line = options.output === 'json' ? jsonOf(shown) : textOf(shown)
        if (line !== undefined) lines.push(line)
      }
    if (lines.length > 0) print(lines.join('\n'))
  }
  return ok(undefined)
}

function isWanted(shown: Shown, { prefix, peer }: MrtShowOptions): boolean {
  const route = shown.kind === 'route' || shown.kind === 'withdrawal'
  if (prefix !== undefined && !(route && shown.prefix === prefix)) return false
  return peer === undefined || ('peer' in shown && shown.peer === peer)
}

/** The records of a file, some at a time, and at the end what is wrong with it. Rejects when it cannot be read. */
export async function* mrtRecords(path: string): AsyncGenerator<Result<MrtRecord[]>> {
  const reader = new MrtReader()
  for await (const chunk of createReadStream(path, { highWaterMark: 256 * 1024 })) {
    reader.push(chunk as Uint8Array)
    const records: MrtRecord[] = []
    for (let next = reader.next(); next !== undefined; next = reader.next()) {
      if (!next.ok) {
        yield ok(records)
        yield err(`${path}: ${next.error}`)
        return
      }
      records.push(next.value)
    }
    yield ok(records)
  }
  const end = reader.end()
  if (!end.ok) yield err(`${path}: ${end.error}`)
}
