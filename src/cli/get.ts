/** `herald get …`: asks a Herald API and prints the rows as table, wide table, JSON or YAML, once or at each change. */
import { stringify } from 'yaml'
import type { z } from 'zod'
import { getJson, streamRows, watchJson, type ApiError } from '#api/contract/client.ts'
import {
  listSchema,
  peerRowSchema,
  routeQuerySchema,
  problemRowSchema,
  routeRowSchema,
  rpkiRowSchema,
  serviceRowSchema,
  stationRowSchema,
  withheldQuerySchema,
  withheldRowSchema,
  type List,
  type PeerRow,
  type ProblemRow,
  type RouteQuery,
  type RouteRow,
  type RpkiRow,
  type ServiceRow,
  type StationRow,
  type WithheldQuery,
} from '#api/contract/contract.ts'
import { scopedAddress } from '#core/net/address.ts'
import { compareText } from '#core/lib/order.ts'
import { comparePrefixes, type Prefix } from '#core/net/prefix.ts'
import { exitCodes, Failure } from './failure.ts'
import { peerDetail } from './peer-detail.ts'
import type { Terminal } from './terminal.ts'
import {
  peersTable,
  problemsTable,
  routesTable,
  rpkiTable,
  servicesTable,
  stationsTable,
  withheldTable,
} from './views.ts'

export const outputFormats = ['table', 'wide', 'json', 'yaml'] as const
export type OutputFormat = (typeof outputFormats)[number]

export interface GetOptions {
  server: string
  output: OutputFormat
  watch: boolean
}

export function getPeers(options: GetOptions & { node?: string }, terminal: Terminal): Promise<void> {
  const wanted = (row: PeerRow) => options.node === undefined || row.node === options.node
  return show(
    options,
    '/v1/peers',
    peerRowSchema,
    terminal,
    (rows, wide) => peersTable(rows, terminal.now(), wide),
    wanted,
  )
}

/** Everything about the sessions with one peer, by its name or address. */
export function getPeer(
  options: GetOptions & { node?: string; name: string },
  terminal: Terminal,
): Promise<void> {
  const { name, node } = options
  const wanted = (row: PeerRow) => isCalled(row, name) && (node === undefined || row.node === node)
  return show(
    options,
    '/v1/peers',
    peerRowSchema,
    terminal,
    (rows) => rows.map((row) => peerDetail(row, terminal.now())).join('\n\n'),
    wanted,
    unknownPeer(name),
  )
}

/** Prints routes as they come if they are many, since there may be a million. */
export async function getRoutes(options: GetOptions, query: RouteQuery, terminal: Terminal): Promise<void> {
  const checked = routeQuerySchema.safeParse(query)
  if (!checked.success)
    throw new Failure(checked.error.issues[0]?.message ?? 'not valid', { code: exitCodes.usage })
  const path = `/v1/routes?${parametersOf(query)}`
  const table = (wide: boolean) => routesTable(query.view, terminal.now(), wide)
  if (options.watch) {
    return show(options, path, routeRowSchema, terminal, (rows, wide) => table(wide)(rows))
  }
  await showStream(options, path, routeRowSchema, terminal, table, byPlace, () =>
    mustKnowPeer(options.server, query.peer),
  )
}

function parametersOf(query: Record<string, string | undefined>): string {
  const given = Object.entries(query).filter((entry): entry is [string, string] => entry[1] !== undefined)
  return new URLSearchParams(given).toString()
}

/** That no route was found may be because there is no such peer: then that is what is said. */
async function mustKnowPeer(server: string, name: string | undefined): Promise<void> {
  if (name === undefined) return
  const answer = await getJson(server, '/v1/peers', listSchema(peerRowSchema))
  if (!answer.ok) throw failureOf(answer.error)
  const { items, warnings } = answer.value
  // A node that does not answer may have it.
  if (warnings.length > 0 || items.some((row) => isCalled(row, name))) return
  const { message, hint } = unknownPeer(name)
  throw new Failure(message, { hint, code: exitCodes.notFound })
}

function unknownPeer(name: string): { message: string; hint: string } {
  return { message: `there is no peer "${name}"`, hint: '`herald get peers` lists them' }
}

function isCalled(row: PeerRow, name: string): boolean {
  return [row.peer, row.address, scopedAddress(row.address, row.interface)].includes(name)
}

/** What is not announced, and why; of one peer, learned routes too. */
export async function getWithheld(
  options: GetOptions,
  query: WithheldQuery,
  terminal: Terminal,
): Promise<void> {
  const checked = withheldQuerySchema.safeParse(query)
  if (!checked.success)
    throw new Failure(checked.error.issues[0]?.message ?? 'not valid', { code: exitCodes.usage })
  const path = `/v1/withheld?${parametersOf(query)}`
  if (options.watch) {
    return show(options, path, withheldRowSchema, terminal, (rows, wide) => withheldTable(wide)(rows))
  }
  await mustKnowPeer(options.server, query.peer)
  await showStream(options, path, withheldRowSchema, terminal, withheldTable)
}

export function getProblems(options: GetOptions & { node?: string }, terminal: Terminal): Promise<void> {
  const wanted = (row: ProblemRow) => options.node === undefined || row.node === options.node
  return show(options, '/v1/problems', problemRowSchema, terminal, problemsTable, wanted)
}

export function getRpki(options: GetOptions & { node?: string }, terminal: Terminal): Promise<void> {
  const wanted = (row: RpkiRow) => options.node === undefined || row.node === options.node
  return show(
    options,
    '/v1/rpki',
    rpkiRowSchema,
    terminal,
    (rows, wide) => rpkiTable(rows, terminal.now(), wide),
    wanted,
  )
}

export function getStations(options: GetOptions & { node?: string }, terminal: Terminal): Promise<void> {
  const wanted = (row: StationRow) => options.node === undefined || row.node === options.node
  return show(
    options,
    '/v1/stations',
    stationRowSchema,
    terminal,
    (rows, wide) => stationsTable(rows, terminal.now(), wide),
    wanted,
  )
}

export function getServices(
  options: GetOptions & { namespace?: string; name?: string },
  terminal: Terminal,
): Promise<void> {
  const wanted = (row: ServiceRow) =>
    (options.namespace === undefined || row.namespace === options.namespace) &&
    (options.name === undefined || row.name === options.name)
  const missing =
    options.name === undefined
      ? undefined
      : {
          message: `there is no Service "${options.name}" of type LoadBalancer`,
          hint: '`herald get services` lists them',
        }
  return show(options, '/v1/services', serviceRowSchema, terminal, servicesTable, wanted, missing)
}

async function show<T extends z.ZodType>(
  options: GetOptions,
  path: string,
  row: T,
  terminal: Terminal,
  table: (rows: z.output<T>[], wide: boolean) => string,
  wanted: (row: z.output<T>) => boolean = () => true,
  /** Why it is an error to find nothing; a watch waits for it to come. */
  missing?: { message: string; hint: string },
): Promise<void> {
  const schema = listSchema(row)
  const print = (list: List<z.output<T>>) => {
    const items = list.items.filter(wanted)
    if (options.output === 'json') terminal.out(JSON.stringify(items, null, 2))
    else if (options.output === 'yaml') terminal.out(stringify(items).trimEnd())
    else if (items.length === 0) terminal.err('Nothing found.')
    else terminal.out(table(items, options.output === 'wide'))
    for (const warning of list.warnings) terminal.err(`Warning: ${warning}`)
  }
  if (!options.watch) {
    const answer = await getJson(options.server, path, schema)
    if (!answer.ok) throw failureOf(answer.error)
    if (missing !== undefined && !answer.value.items.some(wanted)) {
      throw new Failure(missing.message, { hint: missing.hint, code: exitCodes.notFound })
    }
    print(answer.value)
    return
  }
  const watched = path + (path.includes('?') ? '&watch=1' : '?watch=1')
  let first = true
  for await (const answer of watchJson(options.server, watched, schema, terminal.signal)) {
    if (!answer.ok) throw failureOf(answer.error)
    if (!first && options.output !== 'json') terminal.out('')
    first = false
    print(answer.value)
  }
  if (!terminal.signal.aborted) {
    throw new Failure(`${options.server} ended the watch`, { code: exitCodes.unreachable })
  }
}

/** So many rows are put in order; more are printed as they come. */
const sortedMax = 5000

/** Once, of a list that may be long. `mayBeEmpty`: throws if it should not be. */
async function showStream<T extends z.ZodType>(
  options: GetOptions,
  path: string,
  row: T,
  terminal: Terminal,
  tableOf: (wide: boolean) => (rows: readonly z.output<T>[]) => string,
  order: (a: z.output<T>, b: z.output<T>) => number = () => 0,
  mayBeEmpty: () => Promise<void> = () => Promise.resolve(),
): Promise<void> {
  const table = tableOf(options.output === 'wide')
  const warnings: string[] = []
  let count = 0
  const print = (items: z.output<T>[]) => {
    if (items.length === 0) return
    if (options.output === 'json') {
      const texts = items.map((item) => JSON.stringify(item, null, 2).replaceAll(/^/gm, '  '))
      terminal.out(`${count === 0 ? '[\n' : ',\n'}${texts.join(',\n')}`)
    } else if (options.output === 'yaml') terminal.out(stringify(items).trimEnd())
    else terminal.out(table(items))
    count += items.length
  }
  let first: z.output<T>[] | undefined = []
  for await (const page of streamRows(options.server, path, row)) {
    if (!page.ok) throw failureOf(page.error)
    warnings.push(...page.value.warnings)
    if (first === undefined) print(page.value.items)
    else {
      first.push(...page.value.items)
      if (first.length <= sortedMax) continue
      print(first)
      first = undefined
    }
    if (terminal.signal.aborted) return
  }
  if (first?.length === 0) await mayBeEmpty()
  print((first ?? []).toSorted(order))
  if (options.output === 'json') terminal.out(count === 0 ? '[]' : ']')
  else if (options.output === 'yaml' && count === 0) terminal.out('[]')
  else if (count === 0) terminal.err('Nothing found.')
  for (const warning of warnings) terminal.err(`Warning: ${warning}`)
}

/** By node and speaker, then by prefix and peer. */
function byPlace(a: RouteRow, b: RouteRow): number {
  return (
    compareText(a.node, b.node) ||
    a.localAsn - b.localAsn ||
    comparePrefixes(a.prefix as Prefix, b.prefix as Prefix) ||
    compareText(a.peer ?? '', b.peer ?? '') ||
    (a.pathId ?? 0) - (b.pathId ?? 0)
  )
}

/** An answer that was none, as the end of a command. */
export function failureOf(error: ApiError): Failure {
  const codes = {
    unreachable: exitCodes.unreachable,
    notFound: exitCodes.notFound,
    refused: exitCodes.failed,
  }
  return new Failure(error.message, { hint: error.hint, code: codes[error.kind] })
}
