/**
 * The protocol with one RPKI cache (RFC 8210 §8, RFC 6810 §6) as a state machine: connections, PDUs and time go in, what to
 * send and when data is complete come out. The data itself is in `records.ts`, the choice among caches in `rpki.ts`.
 */
import {
  encodeErrorReport,
  encodePdu,
  errorCode,
  type Intervals,
  type Pdu,
  type PduError,
  type Version,
} from './pdu.ts'

/** Timers are deadlines in the state (`…At`, ms; `Infinity`: not running). */
export type SessionState =
  | { kind: 'idle'; retryAt: number }
  | { kind: 'connecting'; connection: number }
  | Asking
  /** Cache Response came, End of Data has not. */
  | { kind: 'loading'; connection: number; version: Version; sessionId: number; answerBy: number }
  | { kind: 'ready'; connection: number; version: Version; refreshAt: number }

/** A query was sent. `first`: nothing has come on this connection, so the version is not agreed on yet. */
interface Asking {
  kind: 'asking'
  connection: number
  version: Version
  query: 'reset' | 'serial'
  first: boolean
  answerBy: number
}

export interface CacheSession {
  state: SessionState
  /** Where the last complete answer left off; absent: the next query is a Reset Query. */
  position?: { version: Version; sessionId: number; serial: number }
  /** The cache's, once it said them. */
  intervals: Intervals
  /** Attempts in a row that gave no data. */
  failures: number
  /** What the next connection starts with when there is no position. */
  version: Version
}

export type SessionInput =
  | { kind: 'connect'; connection: number }
  | { kind: 'opened' }
  | { kind: 'failed' | 'closed'; reason: string }
  | { kind: 'pdu'; pdu: Exclude<Pdu, { kind: 'prefix' | 'routerKey' }> }
  /** A PDU cannot be understood, or not be used. */
  | { kind: 'malformed'; error: PduError }
  /** It is not needed any more. */
  | { kind: 'stop' }
  | { kind: 'tick' }

export type SessionOutput =
  | { kind: 'send'; connection: number; bytes: Uint8Array }
  | { kind: 'close'; connection: number }
  /** Records of an answer follow. */
  | { kind: 'begin'; answer: 'full' | 'changes' }
  /** The answer is complete and counts from now on. */
  | { kind: 'commit' }
  /** The data of this cache is void: it is another session of the cache's than it came from (RFC 8210 §5.1). */
  | { kind: 'forget' }
  /** `direction`: who told whom, or neither. */
  | { kind: 'failed'; direction: 'sent' | 'received' | 'local'; reason: string }

/** RFC 8210 §6: defaults. */
const defaultIntervals: Intervals = { refreshSeconds: 3600, retrySeconds: 600, expireSeconds: 7200 }

export const initialSession: CacheSession = {
  state: { kind: 'idle', retryAt: 0 },
  intervals: defaultIntervals,
  failures: 0,
  version: 1,
}

/** How long a cache may be silent when it owes an answer. */
const answerMs = 60_000
/** Between two tries to connect at the beginning; doubled from one to the next, up to the retry interval. */
const firstRetryMs = 1_000

interface Step {
  session: CacheSession
  outputs: SessionOutput[]
}

/** `now` in ms, never less than in an earlier step. Inputs that do not fit the state are ignored. */
export function step(session: CacheSession, input: SessionInput, now: number): Step {
  const { state } = session
  switch (input.kind) {
    case 'connect':
      return go({ ...session, state: { kind: 'connecting', connection: input.connection } })
    case 'opened':
      return state.kind === 'connecting' ? ask(session, state.connection, true, now) : go(session)
    case 'failed':
      return state.kind === 'connecting' ? fail(session, 'local', input.reason, now) : go(session)
    case 'closed':
      return stepClosed(session, input.reason, now)
    case 'malformed':
      return refuse(session, input.error, now)
    case 'pdu':
      return state.kind === 'idle' || state.kind === 'connecting'
        ? go(session)
        : stepPdu(session, state, input.pdu, now)
    case 'stop':
      return go(
        { ...session, state: { kind: 'idle', retryAt: now } },
        ...(state.kind === 'idle' ? [] : [close(state.connection)]),
      )
    case 'tick':
      return stepTick(session, now)
  }
}

/** Time at which the session wants a `tick`; an idle one wants none: when to connect is not its own to say. */
export function nextDeadline({ state }: CacheSession): number {
  switch (state.kind) {
    case 'idle':
    case 'connecting':
      return Infinity
    case 'asking':
    case 'loading':
      return state.answerBy
    case 'ready':
      return state.refreshAt
  }
}

/** A record came: the answer is under way and its time starts anew. Changes the state in place, for there are many. */
export function progressed({ state }: CacheSession, now: number): void {
  if (state.kind === 'loading') state.answerBy = now + answerMs
}

type Open = Exclude<SessionState, { kind: 'idle' | 'connecting' }>

function stepPdu(
  session: CacheSession,
  state: Open,
  pdu: Extract<SessionInput, { kind: 'pdu' }>['pdu'],
  now: number,
): Step {
  if (state.kind === 'asking' && state.first) {
    // RFC 8210 §7: before a version is agreed on a notification says nothing.
    if (pdu.kind === 'serialNotify') return go(session)
    if (pdu.kind === 'errorReport') return stepFirstError(session, pdu, now)
    // RFC 8210 §7: a cache that answers in an older version than asked for settles it, the other way round is an error.
    if (pdu.version > state.version) return refuse(session, unexpectedVersion(pdu), now)
    const settled: Asking = { ...state, version: pdu.version, first: false }
    return stepPdu({ ...session, state: settled, version: pdu.version }, settled, pdu, now)
  }
  if (pdu.kind === 'errorReport') return stepError(session, state, pdu, now)
  if (pdu.version !== state.version) return refuse(session, unexpectedVersion(pdu), now)
  switch (pdu.kind) {
    case 'serialNotify':
      return stepNotify(session, state, pdu, now)
    case 'cacheResponse': {
      if (state.kind !== 'asking') return refuse(session, outOfOrder(pdu), now)
      const { connection, version, query } = state
      const { sessionId } = pdu
      if (query === 'serial' && session.position?.sessionId !== sessionId)
        return otherSession(session, pdu, now)
      const loading: SessionState = {
        kind: 'loading',
        connection,
        version,
        sessionId,
        answerBy: now + answerMs,
      }
      return go(
        { ...session, state: loading },
        { kind: 'begin', answer: query === 'serial' ? 'changes' : 'full' },
      )
    }
    case 'endOfData': {
      if (state.kind !== 'loading') return refuse(session, outOfOrder(pdu), now)
      const { connection, version, sessionId } = state
      if (pdu.sessionId !== sessionId) return otherSession(session, pdu, now)
      const intervals = pdu.intervals === undefined ? session.intervals : bounded(pdu.intervals)
      return go(
        {
          ...session,
          intervals,
          failures: 0,
          position: { version, sessionId, serial: pdu.serial },
          state: { kind: 'ready', connection, version, refreshAt: now + 1000 * intervals.refreshSeconds },
        },
        { kind: 'commit' },
      )
    }
    case 'cacheReset': {
      // RFC 8210 §8.3: it cannot tell what changed; what it told stays until it has told all again.
      if (state.kind !== 'asking' || state.query !== 'serial') return refuse(session, outOfOrder(pdu), now)
      const { position: _, ...rest } = session
      return ask({ ...rest, version: state.version }, state.connection, false, now)
    }
    case 'serialQuery':
    case 'resetQuery':
      return refuse(session, { ...outOfOrder(pdu), code: errorCode.invalidRequest }, now)
  }
}

/** RFC 8210 §5.2: a hint to ask, which is followed when nothing is being asked already. */
function stepNotify(
  session: CacheSession,
  state: Open,
  pdu: Extract<Pdu, { kind: 'serialNotify' }>,
  now: number,
): Step {
  const { position } = session
  if (state.kind !== 'ready') return go(session)
  if (position !== undefined && position.sessionId !== pdu.sessionId) return otherSession(session, pdu, now)
  if (position?.serial === pdu.serial) return go(session)
  return ask(session, state.connection, false, now)
}

/** RFC 8210 §7: the answer of a cache that is older than this router may be an error report in its own version. */
function stepFirstError(
  session: CacheSession,
  pdu: Extract<Pdu, { kind: 'errorReport' }>,
  now: number,
): Step {
  const { state } = session
  if (state.kind !== 'asking') return go(session)
  const outputs = [close(state.connection)]
  if (pdu.code !== errorCode.unsupportedVersion) return stepError(session, state, pdu, now)
  // The data stays until the cache has told all again in the other version.
  const { position: _, ...rest } = session
  const version = (1 - state.version) as Version
  const reason = `the cache does not speak version ${state.version} of the protocol; trying version ${version}`
  const failed = fail({ ...rest, version }, 'received', reason, now, outputs)
  if (version === 1) return failed
  return { ...failed, session: { ...failed.session, state: { kind: 'idle', retryAt: now } } }
}

/** A Serial Query that the cache cannot answer is followed by a Reset Query; until that is answered the data stays. */
function stepError(
  session: CacheSession,
  state: Open,
  { code, text }: Extract<Pdu, { kind: 'errorReport' }>,
  now: number,
): Step {
  const { position, ...rest } = session
  const failed = fail(rest, 'received', showError(code, text), now, [close(state.connection)])
  if (position === undefined) return failed
  return { ...failed, session: { ...failed.session, state: { kind: 'idle', retryAt: now + firstRetryMs } } }
}

function stepClosed(session: CacheSession, reason: string, now: number): Step {
  const { state } = session
  if (state.kind === 'idle') return go(session)
  // Some caches close on a version that they do not know: the other one is tried next.
  const puzzled = state.kind === 'asking' && state.first && session.position === undefined
  const version = puzzled ? ((1 - state.version) as Version) : session.version
  return fail({ ...session, version }, 'local', `connection closed: ${reason}`, now)
}

function stepTick(session: CacheSession, now: number): Step {
  const { state } = session
  if (now < nextDeadline(session)) return go(session)
  switch (state.kind) {
    case 'idle':
    case 'connecting':
      return go(session)
    case 'ready':
      return ask(session, state.connection, false, now)
    case 'asking':
    case 'loading':
      return fail(session, 'local', `no answer within ${answerMs / 1000} s`, now, [close(state.connection)])
  }
}

/** RFC 8210 §8.1, §8.2: by Serial Query when there is something to go on from. */
function ask(session: CacheSession, connection: number, first: boolean, now: number): Step {
  const { position } = session
  const version = position?.version ?? session.version
  const query = position === undefined ? 'reset' : 'serial'
  const bytes =
    position === undefined
      ? encodePdu({ kind: 'resetQuery', version })
      : encodePdu({ kind: 'serialQuery', ...position })
  const state: Asking = { kind: 'asking', connection, version, query, first, answerBy: now + answerMs }
  return go({ ...session, state }, { kind: 'send', connection, bytes })
}

/** RFC 8210 §5.1: all that came from this cache is flushed, and it starts anew. */
function otherSession(session: CacheSession, pdu: { kind: string; sessionId: number }, now: number): Step {
  const { position: _, ...rest } = session
  const refused = refuse(
    rest,
    {
      code: errorCode.corruptData,
      message: `${pdu.kind} of session ${pdu.sessionId}, which is another one`,
      pdu: noBytes,
    },
    now,
  )
  const state: SessionState = { kind: 'idle', retryAt: now + firstRetryMs }
  return {
    session: { ...refused.session, state },
    outputs: [...refused.outputs, { kind: 'forget' }],
  }
}

/** Tells the cache what was wrong (RFC 8210 §5.11) and ends the session. */
function refuse(session: CacheSession, error: PduError, now: number): Step {
  const { state } = session
  if (state.kind === 'idle' || state.kind === 'connecting') return go(session)
  const { connection, version } = state
  const bytes = encodeErrorReport(version, error)
  return fail(session, 'sent', showError(error.code, error.message), now, [
    { kind: 'send', connection, bytes },
    close(connection),
  ])
}

function fail(
  session: CacheSession,
  direction: 'sent' | 'received' | 'local',
  reason: string,
  now: number,
  outputs: SessionOutput[] = [],
): Step {
  const { intervals, failures, state, position } = session
  const retryMs = 1000 * intervals.retrySeconds
  const backoffMs = Math.min(retryMs, firstRetryMs * 2 ** Math.min(failures, 20))
  // RFC 8210 §6: after a query that failed the retry interval is waited for; after a connection that did, less.
  const asked = (state.kind === 'asking' || state.kind === 'loading') && position !== undefined
  const retryAt = now + (asked && direction === 'sent' ? retryMs : backoffMs)
  return go({ ...session, failures: failures + 1, state: { kind: 'idle', retryAt } }, ...outputs, {
    kind: 'failed',
    direction,
    reason,
  })
}

/** RFC 8210 §6: what is beyond the bounds is brought back to them, and data outlives the tries to renew it. */
function bounded({ refreshSeconds, retrySeconds, expireSeconds }: Intervals): Intervals {
  const within = (value: number, min: number, max: number) => Math.min(max, Math.max(min, value))
  const refresh = within(refreshSeconds, 1, 86_400)
  const retry = within(retrySeconds, 1, 7_200)
  const expire = Math.max(within(expireSeconds, 600, 172_800), refresh + 1, retry + 1)
  return { refreshSeconds: refresh, retrySeconds: retry, expireSeconds: expire }
}

const noBytes = new Uint8Array(0)

function outOfOrder(pdu: { kind: string }): PduError {
  return { code: errorCode.corruptData, message: `${pdu.kind} out of order`, pdu: noBytes }
}

function unexpectedVersion(pdu: { kind: string; version: Version }): PduError {
  return {
    code: errorCode.unexpectedVersion,
    message: `${pdu.kind} in protocol version ${pdu.version}`,
    pdu: noBytes,
  }
}

/** RFC 8210 §12. */
const errorNames = [
  'Corrupt Data',
  'Internal Error',
  'No Data Available',
  'Invalid Request',
  'Unsupported Protocol Version',
  'Unsupported PDU Type',
  'Withdrawal of Unknown Record',
  'Duplicate Announcement Received',
  'Unexpected Protocol Version',
]

function showError(code: number, text: string): string {
  const name = errorNames[code] ?? `error ${code}`
  return text === '' ? name : `${name}: ${text}`
}

function close(connection: number): SessionOutput {
  return { kind: 'close', connection }
}

function go(session: CacheSession, ...outputs: SessionOutput[]): Step {
  return { session, outputs }
}
