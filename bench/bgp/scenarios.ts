/** What is measured: each scenario is one call of `peers.c`, against all routers or against Herald alone. */

export interface Scenario {
  name: string
  /** For the table. */
  about: string
  senders: number
  receivers: number
  /** Of each sender. */
  prefixes: number
  /** Further arguments of `peers.c`. */
  arguments: readonly string[]
  family: 4 | 6
  paths: number
  policyStatements: number
  /** Done when the router itself has counted all routes, since nobody receives them. */
  counts?: true
  /** Names of routers that take minutes for it. */
  without?: readonly string[]
  /** The others are not asked: what they would be compared by has another row. */
  alone?: true
}

const plain = { family: 4, paths: 1, policyStatements: 0, senders: 1, receivers: 0, arguments: [] } as const

export const scenarios: readonly Scenario[] = [
  { ...plain, name: 'b1-1m', about: '1M in, own count', prefixes: 1_000_000, counts: true },
  {
    ...plain,
    name: 'b1r-1m',
    without: ['gobgp'],
    about: '1M through to one receiver',
    prefixes: 1_000_000,
    receivers: 1,
  },
  {
    ...plain,
    name: 'b2-10',
    without: ['gobgp'],
    about: '100k to 10 receivers, then the sender drops',
    prefixes: 100_000,
    receivers: 10,
    arguments: ['--drop'],
  },
  {
    ...plain,
    name: 'b2-50',
    without: ['gobgp'],
    about: '100k to 50 receivers',
    prefixes: 100_000,
    receivers: 50,
  },
  {
    ...plain,
    name: 'b3-50',
    without: ['gobgp'],
    about: '50 peers of 1k, full exchange',
    senders: 50,
    receivers: 1,
    prefixes: 1000,
    arguments: ['--exchange'],
  },
  {
    ...plain,
    name: 'b3-100',
    without: ['gobgp'],
    about: '100 peers of 1k, full exchange',
    senders: 100,
    receivers: 1,
    prefixes: 1000,
    arguments: ['--exchange'],
  },
  {
    ...plain,
    name: 'b4-idle',
    about: 'one route through, nothing else held',
    senders: 0,
    prefixes: 0,
    receivers: 1,
    arguments: ['--probes', '200'],
  },
  {
    ...plain,
    name: 'b4-500k',
    without: ['gobgp'],
    about: 'one route through, 500k held',
    prefixes: 500_000,
    receivers: 1,
    arguments: ['--probes', '200'],
  },
  {
    ...plain,
    name: 'b5',
    about: 'sender of 100k drops, one receiver',
    prefixes: 100_000,
    receivers: 1,
    arguments: ['--drop'],
  },
  {
    ...plain,
    name: 'v6-1m',
    about: '1M IPv6 through to one receiver',
    family: 6,
    prefixes: 1_000_000,
    receivers: 1,
    alone: true,
  },
  {
    ...plain,
    name: 'policy-1m',
    about: '1M through import and export policies of 20 statements',
    policyStatements: 20,
    prefixes: 1_000_000,
    receivers: 1,
    alone: true,
  },
  {
    ...plain,
    name: 'addpath-500k',
    about: '500k with 4 paths each, all passed on',
    paths: 4,
    prefixes: 500_000,
    receivers: 1,
    alone: true,
  },
  {
    ...plain,
    name: 'churn-1m',
    about: '1M held, a fifth of it changed every 3 s for 60 s',
    prefixes: 1_000_000,
    receivers: 1,
    arguments: ['--churn', '60'],
    alone: true,
  },
  {
    ...plain,
    name: 'leave-1m',
    about: '1M through to one receiver, then the sender drops; memory ten seconds later',
    prefixes: 1_000_000,
    receivers: 1,
    arguments: ['--drop', '--rest', '10'],
    alone: true,
  },
  {
    ...plain,
    name: 'full-10',
    about: 'ten full tables of 1M, then one peer lost',
    senders: 10,
    receivers: 1,
    prefixes: 1_000_000,
    arguments: ['--overlap', '--lose'],
    alone: true,
  },
]
