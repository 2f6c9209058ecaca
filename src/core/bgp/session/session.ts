/**
 * A BGP session: the finite state machine of RFC 4271 §8 for one neighbour, collision detection (§6.8) included. Pure: the
 * time, randomness and connection numbers come with each step. Framing, encoding and routes are its caller's.
 */
import { stepConnecting, tickConnecting, begin } from './connecting.ts'
import { stepEstablished, tickEstablished } from './established.ts'
import type { SessionConfig, SessionInput, SessionOutput, StepContext } from './io.ts'
import { cease, close, notify, type Run } from './run.ts'
import { initialSession, type Idle, type Session } from './state.ts'
import { idleHoldAt } from './timers.ts'
import { ceaseSubcode } from '../wire/notification.ts'

export { initialSession, nextDeadline, sessionState, type Session } from './state.ts'

export interface Step {
  session: Session
  outputs: SessionOutput[]
}

/**
 * Takes one input and does what the timers ask for. The input comes first, so that a neighbour whose message arrived while
 * this process was busy is not taken for dead. Inputs about connections that the session has closed are ignored.
 */
export function step(
  config: SessionConfig,
  session: Session,
  input: SessionInput,
  context: StepContext,
): Step {
  const run: Run = { config, context, session, outputs: [] }
  take(run, input)
  tick(run)
  return { session: run.session, outputs: run.outputs }
}

function take(run: Run, input: SessionInput): void {
  const { session } = run
  switch (session.kind) {
    case 'idle':
      return stepIdle(run, session, input)
    case 'connecting':
      return stepConnecting(run, session, input)
    case 'established':
      return stepEstablished(run, session, input)
  }
}

function tick(run: Run): void {
  const { session } = run
  switch (session.kind) {
    case 'idle':
      // RFC 4271 §8.1.3, event 13: IdleHoldTimer_Expires.
      if (run.context.now >= session.startAt) begin(run, session.backoff)
      return
    case 'connecting':
      return tickConnecting(run, session)
    case 'established':
      return tickEstablished(run, session)
  }
}

function stepIdle(run: Run, session: Idle, input: SessionInput): void {
  switch (input.kind) {
    case 'start':
      if (session.startAt !== Infinity) return
      if (input.pause !== true || run.config.passive) return begin(run, session.backoff)
      run.session = { ...session, startAt: idleHoldAt(session.backoff, run.context) }
      return
    case 'stop':
      run.session = initialSession
      return
    case 'accepted':
      // RFC 4271 §8.2.2: Idle refuses connections. Without a word while it is only a pause, since some speakers let a
      // NOTIFICATION keep them away for minutes; RFC 4486 §4 has it said to one that is not wanted.
      if (session.startAt === Infinity) notify(run, input.connection, cease(ceaseSubcode.connectionRejected))
      else close(run, input.connection)
      return
    case 'dialed':
    case 'dialFailed':
    case 'received':
    case 'malformed':
    case 'closed':
    case 'updateSent':
    case 'updatesTaken':
    case 'sendQueue':
    case 'tick':
  }
}
