/** The tables of docs/performance.md out of what was measured: medians, and ratios to the other routers of the same run. */
import type { Cell, Result } from './bgp.ts'
import type { Scenario } from './scenarios.ts'

export function tables(cells: readonly Cell[]): string[] {
  const lines: string[] = []
  for (const scenario of new Set(cells.map((cell) => cell.scenario))) {
    const of = cells.filter((cell) => cell.scenario === scenario)
    lines.push(`**${scenario.name}**: ${scenario.about}`, '', ...table(of), '')
  }
  return lines
}

interface Column {
  title: string
  value: (result: Result, scenario: Scenario) => number | undefined
  digits: number
}

const columns: readonly Column[] = [
  { title: 'all up after s', value: (r, { senders }) => (senders < 50 ? undefined : r.connect_s), digits: 2 },
  { title: 'wall s', value: (r) => positive(r.wall_s), digits: 2 },
  { title: 'CPU s', value: (r) => positive(r.cpu_settled_s), digits: 2 },
  { title: 'peak RSS MB', value: (r) => scaled(r.peak_kb, 1024), digits: 0 },
  { title: 'loop held at most ms', value: (r) => r.loopMaxMs, digits: 1 },
  { title: 'of that own ms', value: (r) => r.loopOwnMs, digits: 1 },
  { title: 'routes per UPDATE', value: packed, digits: 1 },
  { title: 'gone after s', value: (r) => r.drop_s, digits: 3 },
  { title: 'loss told after s', value: (r) => r.lose_s, digits: 2 },
  { title: 'loss CPU s', value: (r) => r.lose_cpu_s, digits: 2 },
  { title: 'announce p50 ms', value: (r) => r.announce_p50_ms, digits: 2 },
  { title: 'p99 ms', value: (r) => r.announce_p99_ms, digits: 2 },
  { title: 'withdraw p50 ms', value: (r) => r.withdraw_p50_ms, digits: 2 },
  { title: 'p99 ms', value: (r) => r.withdraw_p99_ms, digits: 2 },
  { title: 'churn CPU s', value: (r) => r.churn_cpu_s, digits: 1 },
  { title: 'longest round s', value: (r) => r.churn_longest_s, digits: 2 },
  { title: 'RSS before MB', value: (r) => scaled(r.churn_rss_before_kb, 1024), digits: 0 },
  { title: 'after MB', value: (r) => scaled(r.churn_rss_after_kb, 1024), digits: 0 },
  { title: 'RSS when all has gone MB', value: (r) => scaled(r.rest_rss_kb, 1024), digits: 0 },
]

/** Herald first; each other router with how much of its time Herald took. */
function table(cells: readonly Cell[]): string[] {
  const shown = columns.filter(({ value }) => cells.some((cell) => median(cell, value) !== undefined))
  const head = ['', ...shown.map(({ title }) => title), 'runs right']
  const ours = cells.find((cell) => cell.device.name === 'herald')
  return [
    `| ${head.join(' | ')} |`,
    `|${head.map(() => '---').join('|')}|`,
    ...cells.map((cell) => {
      const values = shown.map((column) => show(cell, ours, column))
      const right = cell.results.filter(
        ({ ok, wrong, wrong_after_loss = 0 }) => ok && wrong === 0 && wrong_after_loss === 0,
      ).length
      const label = `${cell.device.name} ${cell.version}`
      return `| ${[label, ...values, `${right} of ${cell.results.length}`].join(' | ')} |`
    }),
  ]
}

function show(cell: Cell, ours: Cell | undefined, { value, digits }: Column): string {
  const own = median(cell, value)
  if (own === undefined) return '–'
  const ratio = ours === undefined || ours === cell ? undefined : median(ours, value)
  const text = own.toFixed(digits)
  return ratio === undefined || own === 0 ? text : `${text} (×${(ratio / own).toFixed(2)})`
}

function median({ results, scenario }: Cell, value: Column['value']): number | undefined {
  const values = results
    .filter(({ ok }) => ok)
    .map((result) => value(result, scenario))
    .filter((each) => each !== undefined)
    .toSorted((a, b) => a - b)
  const middle = Math.floor(values.length / 2)
  if (values.length === 0) return undefined
  return values.length % 2 === 1 ? values[middle] : (values[middle - 1]! + values[middle]!) / 2
}

function positive(value: number | undefined): number | undefined {
  return value === undefined || value <= 0 ? undefined : value
}

function scaled(value: number | undefined, by: number): number | undefined {
  return value === undefined ? undefined : value / by
}

function packed({ routes = 0, updates = 0 }: Result): number | undefined {
  return updates > 50 ? routes / updates : undefined
}
