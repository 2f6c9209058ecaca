/**
 * Hostile messages by the million: `npm run bench -- fuzz [cases] [seed]`, each answer held against oracles made from the text
 * of RFC 4271 and RFC 7606 (`tests/fuzz`). One case in ten goes to a whole speaker, the others to framer and decoder. It ends
 * with an error at the first wrong answer, with the message that got it; when a case takes long; and when memory grows.
 */
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { fuzzDecoder } from '../tests/fuzz/decode-fuzz.testing.ts'
import type { FuzzRun } from '../tests/fuzz/fuzz-run.testing.ts'
import { fuzzSession } from '../tests/fuzz/session-fuzz.testing.ts'
import { fuzzSpeaker } from '../tests/fuzz/speaker-fuzz.testing.ts'
import { writeSection } from './report.ts'

/** A case takes microseconds; garbage collection of a busy machine is allowed for. */
const slowestMs = 500
/** From the first half of the run to the second. */
const maxGrowth = 8 * 2 ** 20

interface Row {
  what: string
  cases: number
  seconds: number
  slowestMs: number
  growth: number
  answers: string
}

/** `cases`: in all. */
export function run(cases: number, seed: number): void {
  const atSpeaker = Math.floor(cases / 10)
  const rows = [
    measure('framer and decoder', cases - atSpeaker, seed, (part) => {
      const { accepted, discarded, treatedAsWithdraw, reset, ...counts } = fuzzDecoder(part)
      const answers = `${percent(accepted)} accepted, ${percent(discarded)} attribute discard, ${percent(treatedAsWithdraw)} treat-as-withdraw, ${percent(reset)} session reset`
      return { ...counts, answers }
      function percent(count: number): string {
        return `${((100 * count) / part.cases).toFixed(0)} %`
      }
    }),
    measure('whole speaker', atSpeaker, seed, (part) => {
      const counts = fuzzSpeaker(part)
      const reset = `${((100 * counts.reset) / part.cases).toFixed(0)} % session reset`
      return { ...counts, answers: `${reset}; tables and other sessions looked at ${counts.audits} times` }
    }),
  ]
  writeSection('fuzz', [
    `Seed ${seed}. No answer but those that the RFCs name, no exception, no session of another neighbour lost.`,
    '',
    '| | cases | seconds | cases/s | slowest case | heap growth | answers |',
    '|---|---|---|---|---|---|---|',
    ...rows.map(
      (row) =>
        `| ${row.what} | ${row.cases.toLocaleString('en')} | ${row.seconds.toFixed(0)} | ${(row.cases / row.seconds / 1000).toFixed(0)} k | ${row.slowestMs.toFixed(0)} ms | ${mib(row.growth)} | ${row.answers} |`,
    ),
  ])
}

/** `npm run bench -- fuzz-fsm [cases] [seed]`. `cases`: events. */
export function runFsm(cases: number, seed: number): void {
  const row = measure('session', cases, seed, (part) => {
    const { ups, slowestMs } = fuzzSession(part)
    return { slowestMs, answers: `${ups.toLocaleString('en')} sessions came up` }
  })
  writeSection('fuzz-fsm', [
    `Seed ${seed}: ${cases.toLocaleString('en')} events in ${row.seconds.toFixed(0)} s (${(cases / row.seconds / 1000).toFixed(0)} k/s), ${row.answers}; heap growth ${mib(row.growth)}. No output that the model does not have.`,
  ])
}

function measure(
  what: string,
  cases: number,
  seed: number,
  fuzzer: (run: FuzzRun) => { slowestMs: number; answers: string },
): Row {
  const heaps: number[] = []
  const start = performance.now()
  const counts = fuzzer({
    cases,
    seed,
    clock: () => performance.now(),
    pause: () => heaps.push(heapAfterCollection()),
  })
  const seconds = (performance.now() - start) / 1000
  // Tables come and go with what neighbours hold at the moment, so the most of either half is compared.
  const half = heaps.length >> 1
  const growth = half === 0 ? 0 : Math.max(...heaps.slice(half)) - Math.max(...heaps.slice(0, half))
  if (growth > maxGrowth) throw new Error(`${what}: the heap grew by ${growth} bytes over ${cases} cases`)
  if (counts.slowestMs > slowestMs) throw new Error(`${what}: a case took ${counts.slowestMs} ms`)
  return { what, cases, seconds, slowestMs: counts.slowestMs, growth, answers: counts.answers }
}

function mib(bytes: number): string {
  return `${(bytes / 2 ** 20).toFixed(1)} MiB`
}

function heapAfterCollection(): number {
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc') as () => void
  collect()
  const { heapUsed, arrayBuffers } = process.memoryUsage()
  return heapUsed + arrayBuffers
}
