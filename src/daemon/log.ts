/**
 * The daemons' log: a constant message and keys from one list, as JSON lines by pino; on a terminal as text for people.
 * Secrets never get here.
 */
import { pino, type Level } from 'pino'

/** Every key that a log line may carry. */
export interface LogKeys {
  address?: string
  asn?: number
  bytes?: number
  code?: number
  count?: number
  error?: string
  event?: string
  file?: string
  holder?: string
  instance?: string
  node?: string
  object?: string
  peer?: string
  port?: number
  prefix?: string
  problem?: string
  reason?: string
  resource?: string
  retryMs?: number
  role?: string
  server?: string
  signal?: string
  socket?: string
  subcode?: number
  version?: string
}

export interface Logger {
  debug(message: string, keys?: LogKeys): void
  info(message: string, keys?: LogKeys): void
  warn(message: string, keys?: LogKeys): void
  error(message: string, keys?: LogKeys): void
  /** Whether `debug` lines go anywhere: for what costs time to put into words. */
  readonly debugEnabled: boolean
}

export type LogLevel = 'debug' | 'info' | 'warn' | 'error' | 'silent'

export interface LogOptions {
  level: LogLevel
  /** Absent: standard error. */
  write?: (line: string) => void
  /** Text for people instead of JSON; absent: if standard error is a terminal. */
  human?: boolean
}

/** `base`: on every line, e.g. the role and the node. */
export function createLogger(options: LogOptions, base: LogKeys = {}): Logger {
  const write = options.write ?? ((line: string) => void process.stderr.write(line))
  const human = options.human ?? (options.write === undefined && process.stderr.isTTY)
  const target = human ? { write: (line: string) => write(humanLine(line)) } : { write }
  const log = pino(
    {
      level: options.level,
      base,
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (level) => ({ level }) },
      messageKey: 'message',
    },
    target,
  )
  const at =
    (level: Level) =>
    (message: string, keys: LogKeys = {}) =>
      log[level](keys, message)
  return {
    debug: at('debug'),
    info: at('info'),
    warn: at('warn'),
    error: at('error'),
    debugEnabled: log.isLevelEnabled('debug'),
  }
}

/** `12:01:02.345 warn  session down  peer=tor-1 reason="hold timer expired"` */
function humanLine(line: string): string {
  const { level, time, message, ...keys } = JSON.parse(line) as Record<string, unknown>
  const words = Object.entries(keys).map(([key, value]) => `${key}=${word(value)}`)
  const clock = String(time).slice(11, 23)
  return `${clock} ${String(level).padEnd(5)} ${String(message)}${words.length === 0 ? '' : '  '}${words.join(' ')}\n`
}

function word(value: unknown): string {
  const text = typeof value === 'string' ? value : JSON.stringify(value)
  return /[\s="]/.test(text) || text === '' ? JSON.stringify(text) : text
}
